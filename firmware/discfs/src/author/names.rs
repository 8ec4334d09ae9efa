//! Names in the views: ISO 9660 identifiers and UDF's compressed unicode.

use alloc::vec::Vec;

/// Characters of an ISO 9660 identifier at most, without the version (ECMA-119 7.5.1, 7.6.3, level 3).
const ISO_MAX: usize = 31;
/// A suffix after the last dot longer than this is not taken for a file name extension.
const EXTENSION_MAX: usize = 8;

/// An ISO 9660 file or directory identifier, without `;1`. Its order as bytes is that of ECMA-119 9.3, since
/// the dot sorts before all other characters used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IsoName {
    characters: [u8; ISO_MAX],
    length: u8,
}

impl IsoName {
    /// The identifier of a name: upper case, everything but letters, digits and `_` replaced by `_`, cut to
    /// fit; a `number` other than 0 is put at the end of its first part to make it unique.
    pub fn new(name: &[u8], directory: bool, number: u32) -> Self {
        let (stem, extension) = if directory {
            (name, None)
        } else {
            split_extension(name)
        };
        let extension = extension.unwrap_or_default();
        let mut suffix = [0; 11];
        let suffix = decimal(b'_', number, &mut suffix);
        let room = if directory {
            ISO_MAX
        } else {
            ISO_MAX - 1 - extension.len()
        } - suffix.len();
        let mut result = Self {
            characters: [0; ISO_MAX],
            length: 0,
        };
        legal(stem)
            .take(room)
            .for_each(|character| result.push(character));
        if result.length == 0 {
            result.push(b'_');
        }
        suffix.iter().for_each(|&character| result.push(character));
        if !directory {
            result.push(b'.');
            legal(extension).for_each(|character| result.push(character));
        }
        result
    }

    fn push(&mut self, character: u8) {
        if let Some(place) = self.characters.get_mut(usize::from(self.length)) {
            *place = character;
            self.length += 1;
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.characters
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

/// Text for a descriptor of ISO 9660, of d-characters.
pub(super) fn d_characters(text: &str) -> impl Iterator<Item = u8> {
    legal(text.as_bytes())
}

/// One d-character for each character of the name; continuation bytes of UTF-8 count as none.
fn legal(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter()
        .filter(|&&byte| byte & 0xC0 != 0x80)
        .map(|byte| match byte.to_ascii_uppercase() {
            upper @ (b'A'..=b'Z' | b'0'..=b'9') => upper,
            _ => b'_',
        })
}

fn split_extension(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 && (1..=EXTENSION_MAX).contains(&(name.len() - dot - 1)) => {
            (name.get(..dot).unwrap_or_default(), name.get(dot + 1..))
        }
        _ => (name, None),
    }
}

/// A mark and a number in decimal digits; nothing for 0.
fn decimal(mark: u8, number: u32, place: &mut [u8; 11]) -> &[u8] {
    let mut at = place.len();
    let mut rest = number;
    while rest > 0 {
        at -= 1;
        place[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    if number > 0 {
        at -= 1;
        place[at] = mark;
    }
    &place[at..]
}

/// Bytes of a UDF name in a file identifier, the compression code included (ECMA-167 4/14.4.4: one byte
/// counts them).
pub(super) const UDF_NAME_MAX: usize = 255;

/// A name in OSTA compressed unicode (UDF 2.1.1), and whether it shows the name as it is.
pub(super) struct UdfName {
    bytes: Vec<u8>,
    pub exact: bool,
}

impl UdfName {
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(UDF_NAME_MAX + 5),
            exact: true,
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sets the name. UTF-8 is taken as such and anything else as Latin-1; a name too long is cut before its
    /// extension; a `number` other than 0 is put there to make it unique.
    pub fn set(&mut self, name: &[u8], number: u32) {
        self.bytes.clear();
        if number == 0 && name.is_ascii() && name.len() < UDF_NAME_MAX {
            self.exact = true;
            self.bytes.push(8);
            self.bytes.extend_from_slice(name);
            return;
        }
        let text = core::str::from_utf8(name).ok();
        let width = compression(text);
        let room = (UDF_NAME_MAX - 1) / (usize::from(width) / 8);
        let (stem, extension) = split_extension(name);
        let mut suffix = [0; 11];
        let suffix = decimal(b'#', number, &mut suffix);
        self.exact = number == 0 && text.is_some() && units(name).count() <= room;
        self.bytes.push(width);
        if number == 0 && units(name).count() <= room {
            units(name).for_each(|unit| self.push(width, unit));
            return;
        }
        let after = suffix.len() + extension.map_or(0, |extension| 1 + units_as(extension, text).count());
        let mut kept: Vec<u16> = units_as(stem, text).take(room - after).collect();
        if matches!(kept.last(), Some(0xD800..=0xDBFF)) {
            kept.pop(); // no half of a surrogate pair
        }
        kept.into_iter().for_each(|unit| self.push(width, unit));
        suffix
            .iter()
            .for_each(|&character| self.push(width, u16::from(character)));
        if let Some(extension) = extension {
            self.push(width, u16::from(b'.'));
            units_as(extension, text).for_each(|unit| self.push(width, unit));
        }
    }

    fn push(&mut self, width: u8, unit: u16) {
        let [high, low] = unit.to_be_bytes();
        if width == 16 {
            self.bytes.push(high);
        }
        self.bytes.push(low);
    }
}

/// UDF 2.1.1: the compression code is the bits of a character.
fn compression(text: Option<&str>) -> u8 {
    match text {
        Some(text) if text.chars().any(|character| u32::from(character) > 0xFF) => 16,
        _ => 8,
    }
}

fn units(name: &[u8]) -> impl Iterator<Item = u16> {
    units_as(name, core::str::from_utf8(name).ok())
}

/// UTF-16 units of a part of a name, which is text when the whole of it is.
fn units_as<'a>(part: &'a [u8], whole: Option<&str>) -> impl Iterator<Item = u16> + 'a {
    let text = whole.and_then(|_| core::str::from_utf8(part).ok());
    let latin = if text.is_some() { &[][..] } else { part };
    text.unwrap_or_default()
        .encode_utf16()
        .chain(latin.iter().map(|&byte| u16::from(byte)))
}
