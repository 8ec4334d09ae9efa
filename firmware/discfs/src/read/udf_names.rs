//! UDF names: OSTA compressed unicode (UDF 2.1.1) as UTF-8.

use alloc::{string::String, vec::Vec};

/// OSTA compressed unicode as UTF-8 (UDF 2.1.1). Halves of surrogate pairs become U+FFFD.
pub(crate) fn expand(name: &[u8]) -> Vec<u8> {
    let Some((&code, characters)) = name.split_first() else {
        return Vec::new();
    };
    match code {
        16 | 255 => wide(characters),
        _ => {
            let mut text = String::with_capacity(characters.len());
            text.extend(characters.iter().map(|&byte| char::from(byte)));
            text.into_bytes()
        }
    }
}

/// 16-bit big-endian units as UTF-8, of UDF and of Joliet. Halves of surrogate pairs become U+FFFD.
pub(crate) fn wide(characters: &[u8]) -> Vec<u8> {
    let mut text = String::with_capacity(characters.len());
    let (units, _) = characters.as_chunks::<2>();
    let decoded = char::decode_utf16(units.iter().map(|&pair| u16::from_be_bytes(pair)));
    text.extend(decoded.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text.into_bytes()
}

/// A name any system can have: what cannot be in one becomes `_`.
pub(crate) fn legal(mut name: Vec<u8>) -> Vec<u8> {
    for byte in &mut name {
        if matches!(*byte, 0 | b'/') {
            *byte = b'_';
        }
    }
    match &name[..] {
        b"" | b"." | b".." => alloc::vec![b'_'],
        _ => name,
    }
}
