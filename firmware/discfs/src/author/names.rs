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
/// Characters of a Joliet name without the version (Joliet specification: 128 bytes).
const JOLIET_MAX: usize = 64;

/// How a view writes Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// OSTA compressed unicode (UDF 2.1.1): a compression code, then 8 or 16 bits a character.
    Udf,
    /// UCS-2, big-endian, with some characters forbidden.
    Joliet,
}

/// A name in Unicode, and whether it shows the name as it is.
pub(super) struct UnicodeName {
    bytes: [u8; UDF_NAME_MAX],
    length: u8,
    pub exact: bool,
}

impl UnicodeName {
    /// The name in a view. UTF-8 is taken as such and anything else as Latin-1; what the view cannot show becomes
    /// `_`; a name too long is cut before its extension; a `number` other than 0 is put there to make it
    /// unique.
    pub fn new(form: Form, name: &[u8], number: u32) -> Self {
        let mut result = Self {
            bytes: [0; UDF_NAME_MAX],
            length: 0,
            exact: number == 0,
        };
        let text = core::str::from_utf8(name).ok();
        let (width, room) = match form {
            Form::Udf => {
                let width = compression(text);
                result.push_byte(width);
                (width, (UDF_NAME_MAX - 1) / (usize::from(width) / 8))
            }
            Form::Joliet => (16, JOLIET_MAX),
        };
        let fits = name.len() <= room || units(form, name, text).count() <= room;
        if number == 0 && fits {
            units(form, name, text).for_each(|unit| result.push(width, unit));
        } else {
            let (stem, extension) = split_extension(name);
            let mut digits = [0; 11];
            let suffix = decimal(b'#', number, &mut digits);
            let after = suffix.len() + extension.map_or(0, |part| 1 + units(form, part, text).count());
            let mut kept: Vec<u16> = units(form, stem, text).take(room - after).collect();
            if matches!(kept.last(), Some(0xD800..=0xDBFF)) {
                kept.pop(); // no half of a surrogate pair
            }
            kept.into_iter().for_each(|unit| result.push(width, unit));
            suffix
                .iter()
                .for_each(|&character| result.push(width, u16::from(character)));
            if let Some(extension) = extension {
                result.push(width, u16::from(b'.'));
                units(form, extension, text).for_each(|unit| result.push(width, unit));
            }
        }
        // Readers of Joliet drop dots at the end.
        let dot = form == Form::Joliet && result.as_bytes().ends_with(b"\0.");
        if dot && let Some(last) = result.bytes.get_mut(usize::from(result.length) - 1) {
            *last = b'_';
        }
        let shown = |text: &str| {
            form == Form::Udf
                || text
                    .chars()
                    .all(|character| joliet_unit(u32::from(character)).is_some())
        };
        result.exact = result.exact && fits && !dot && text.is_some_and(shown);
        result
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// What Joliet names are sorted by, ECMA-119 9.3: the part before the last dot, then the extension.
    pub fn joliet_order(&self) -> (Vec<u8>, Vec<u8>) {
        let (units, _) = self.as_bytes().as_chunks::<2>();
        let dot = units
            .iter()
            .rposition(|unit| unit == b"\0.")
            .unwrap_or(units.len());
        let (stem, extension) = self.as_bytes().split_at(dot * 2);
        (stem.to_vec(), extension.to_vec())
    }

    fn push(&mut self, width: u8, unit: u16) {
        let [high, low] = unit.to_be_bytes();
        if width == 16 {
            self.push_byte(high);
        }
        self.push_byte(low);
    }

    fn push_byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.length)) {
            *place = byte;
            self.length += 1;
        }
    }
}

/// UDF 2.1.1: the compression code is the bits of a character.
fn compression(text: Option<&str>) -> u8 {
    match text {
        Some(text) if text.chars().any(|character| u32::from(character) > 0xFF) => 16,
        _ => 8,
    }
}

/// A character in Joliet: of the basic plane, no control character, none of `*/:;?\`.
fn joliet_unit(character: u32) -> Option<u16> {
    let forbidden = [b'*', b'/', b':', b';', b'?', b'\\'];
    let is_forbidden = |unit: u16| unit < 0x20 || forbidden.iter().any(|&byte| u16::from(byte) == unit);
    u16::try_from(character).ok().filter(|&unit| !is_forbidden(unit))
}

/// 16-bit units of a part of a name, which is text when the whole of it is.
fn units<'a>(form: Form, part: &'a [u8], whole: Option<&str>) -> impl Iterator<Item = u16> + 'a {
    let text = whole.and_then(|_| core::str::from_utf8(part).ok());
    let latin = if text.is_some() { &[][..] } else { part };
    let characters = text.unwrap_or_default().chars();
    let characters = characters.chain(latin.iter().map(|&byte| char::from(byte)));
    characters.flat_map(move |character| {
        let mut pair = [0; 2];
        let count = match form {
            Form::Udf => character.encode_utf16(&mut pair).len(),
            Form::Joliet => {
                pair[0] = joliet_unit(u32::from(character)).unwrap_or(u16::from(b'_'));
                1
            }
        };
        pair.into_iter().take(count)
    })
}

/// Text for a field of Joliet's volume descriptor.
pub(super) fn joliet_text(text: &str) -> impl Iterator<Item = u16> {
    units(Form::Joliet, text.as_bytes(), Some(text))
}
