//! The tag before every UDF descriptor (ECMA-167 3/7.2), written and verified.

use crate::structure::{Cursor, Fields, OutOfStructure};
use crc::{CRC_16_XMODEM, Crc, Table};

/// ITU-T X.25 polynomial with initial value 0, as ECMA-167 3/7.2.6 has it.
const CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;

/// Tag identifiers, ECMA-167 3/7.2.1 and 4/7.2.1.
pub(crate) mod id {
    pub const PRIMARY_VOLUME: u16 = 1;
    pub const ANCHOR: u16 = 2;
    pub const VOLUME_POINTER: u16 = 3;
    pub const IMPLEMENTATION_USE: u16 = 4;
    pub const PARTITION: u16 = 5;
    pub const LOGICAL_VOLUME: u16 = 6;
    pub const UNALLOCATED_SPACE: u16 = 7;
    pub const TERMINATING: u16 = 8;
    pub const INTEGRITY: u16 = 9;
    pub const FILE_SET: u16 = 256;
    pub const FILE_IDENTIFIER: u16 = 257;
    pub const ALLOCATION_EXTENT: u16 = 258;
    pub const INDIRECT_ENTRY: u16 = 259;
    pub const FILE_ENTRY: u16 = 261;
    pub const SPACE_ENTRY: u16 = 263;
    pub const SPACE_BITMAP: u16 = 264;
    pub const EXTENDED_FILE_ENTRY: u16 = 266;
}

/// Puts the tag before a descriptor whose body is complete; `length` counts both. The
/// version is that of the standard: 2 for NSR02, 3 for NSR03 (3/7.2.2).
pub(crate) fn seal(descriptor: &mut [u8], id: u16, version: u8, location: u32, length: usize) {
    let body = descriptor.get(TAG..length).unwrap_or_default();
    let mut tag = [0; TAG];
    let mut out = Cursor::new(&mut tag);
    out.le16(id);
    out.le16(u16::from(version));
    out.le16(0); // checksum, below
    out.le16(1); // serial number
    out.le16(CRC.checksum(body));
    out.le16(u16::try_from(body.len()).unwrap_or(u16::MAX));
    out.le32(location);
    tag[4] = checksum(&tag);
    if let Some(place) = descriptor.get_mut(..TAG) {
        place.copy_from_slice(&tag);
    }
}

/// What is wrong with a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadTag {
    Checksum,
    Crc,
    Location,
}

/// Verifies the tag at the start of `fields` and returns its identifier. The location is not looked at when
/// `None`.
pub(crate) fn verify(fields: Fields<'_>, location: Option<u32>) -> Result<u16, BadTag> {
    let short = |_: OutOfStructure| BadTag::Crc;
    let tag = fields.bytes(0, TAG).map_err(short)?;
    if tag.get(4) != Some(&checksum(tag)) {
        return Err(BadTag::Checksum);
    }
    let length = usize::from(fields.le16(10).map_err(short)?);
    let body = fields.bytes(TAG, length).map_err(short)?;
    if CRC.checksum(body) != fields.le16(8).map_err(short)? {
        return Err(BadTag::Crc);
    }
    let recorded = fields.le32(12).map_err(short)?;
    if location.is_some_and(|location| location != recorded) {
        return Err(BadTag::Location);
    }
    fields.le16(0).map_err(short)
}

/// ECMA-167 3/7.2.3: the sum of the other bytes of the tag.
fn checksum(tag: &[u8]) -> u8 {
    tag.iter()
        .take(TAG)
        .enumerate()
        .filter(|&(at, _)| at != 4)
        .fold(0, |sum, (_, &byte)| sum.wrapping_add(byte))
}
