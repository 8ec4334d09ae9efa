//! Commands that ask about the disc: state, tracks, capacities, identity.

use super::format::FormatDescriptor;
use super::{Cdb, Command, Query, declared16};
use crate::bytes::{Bytes, TooShort};

/// READ CAPACITY (MMC-6, 25h): the last readable block.
#[derive(Debug, Clone, Copy)]
pub struct ReadCapacity;

impl Command for ReadCapacity {
    const NAME: &'static str = "READ CAPACITY";
    fn cdb(&self) -> Cdb {
        [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0].into()
    }
}

impl Query for ReadCapacity {
    type Response<'a> = Capacity;
    fn allocation(&self) -> usize {
        8
    }
    fn response(raw: &[u8]) -> Result<Capacity, TooShort> {
        let bytes = Bytes::checked(raw, raw.len(), 8)?;
        Ok(Capacity {
            last_block: bytes.u32(0),
            block_size: bytes.u32(4),
        })
    }
}

/// The answer to READ CAPACITY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Address of the last readable block; zero as well on a blank disc.
    pub last_block: u32,
    /// Bytes in a block.
    pub block_size: u32,
}

/// READ DISC INFORMATION (MMC-6, 51h), standard information.
#[derive(Debug, Clone, Copy)]
pub struct ReadDiscInformation;

impl Command for ReadDiscInformation {
    const NAME: &'static str = "READ DISC INFORMATION";
    fn cdb(&self) -> Cdb {
        [0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0].into()
    }
}

impl Query for ReadDiscInformation {
    type Response<'a> = DiscInformation<'a>;
    fn allocation(&self) -> usize {
        34
    }
    fn response(raw: &[u8]) -> Result<DiscInformation<'_>, TooShort> {
        Bytes::checked(raw, declared16(raw), 8).map(DiscInformation)
    }
}

/// Standard disc information.
#[derive(Debug, Clone, Copy)]
pub struct DiscInformation<'a>(Bytes<'a>);

impl DiscInformation<'_> {
    /// The disc can be erased or overwritten.
    #[must_use]
    pub fn erasable(&self) -> bool {
        self.0.bit(2, 4)
    }
    /// STATE OF LAST SESSION: 0 empty, 1 incomplete, 2 reserved or damaged, 3 complete.
    #[must_use]
    pub fn last_session_state(&self) -> u8 {
        self.0.u8(2) >> 2 & 3
    }
    /// DISC STATUS: 0 empty, 1 incomplete (appendable), 2 finalised, 3 other (random access).
    #[must_use]
    pub fn status(&self) -> u8 {
        self.0.u8(2) & 3
    }
    /// BACKGROUND FORMAT STATUS: 0 not formatted so, 1 stopped, 2 running, 3 complete.
    #[must_use]
    pub fn background_format(&self) -> u8 {
        self.0.u8(7) & 3
    }
    /// Number of sessions, an empty one at the end included.
    #[must_use]
    pub fn sessions(&self) -> u16 {
        u16::from_be_bytes([self.0.u8(9), self.0.u8(4)])
    }
    /// Number of the first track on the disc.
    #[must_use]
    pub fn first_track(&self) -> u16 {
        u16::from(self.0.u8(3))
    }
    /// Number of the last session's first track.
    #[must_use]
    pub fn first_track_in_last_session(&self) -> u16 {
        u16::from_be_bytes([self.0.u8(10), self.0.u8(5)])
    }
    /// Number of the last session's last track, the invisible one included.
    #[must_use]
    pub fn last_track(&self) -> u16 {
        u16::from_be_bytes([self.0.u8(11), self.0.u8(6)])
    }
}

/// What the number in READ TRACK INFORMATION counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressType {
    /// A block address inside the track.
    Block,
    /// A track number; 00FFh is the invisible or incomplete track at the end.
    Track,
    /// A session number: its first track.
    Session,
}

/// READ TRACK INFORMATION (MMC-6, 52h).
#[derive(Debug, Clone, Copy)]
pub struct ReadTrackInformation {
    /// What `number` is.
    pub by: AddressType,
    /// The address or number.
    pub number: u32,
}

impl Command for ReadTrackInformation {
    const NAME: &'static str = "READ TRACK INFORMATION";
    fn cdb(&self) -> Cdb {
        let by = match self.by {
            AddressType::Block => 0,
            AddressType::Track => 1,
            AddressType::Session => 2,
        };
        let [n0, n1, n2, n3] = self.number.to_be_bytes();
        [0x52, by, n0, n1, n2, n3, 0, 0, 34, 0].into()
    }
}

impl Query for ReadTrackInformation {
    type Response<'a> = TrackInformation<'a>;
    fn allocation(&self) -> usize {
        34
    }
    fn response(raw: &[u8]) -> Result<TrackInformation<'_>, TooShort> {
        Bytes::checked(raw, declared16(raw), 28).map(TrackInformation)
    }
}

/// The answer to READ TRACK INFORMATION.
#[derive(Debug, Clone, Copy)]
pub struct TrackInformation<'a>(Bytes<'a>);

impl TrackInformation<'_> {
    /// Track number.
    #[must_use]
    pub fn track(&self) -> u16 {
        u16::from_be_bytes([self.0.u8(32), self.0.u8(2)])
    }
    /// Session number.
    #[must_use]
    pub fn session(&self) -> u16 {
        u16::from_be_bytes([self.0.u8(33), self.0.u8(3)])
    }
    /// The track's end was never recorded properly, as after a power cut.
    #[must_use]
    pub fn damaged(&self) -> bool {
        self.0.bit(5, 5)
    }
    /// The track has a size reserved for it.
    #[must_use]
    pub fn reserved(&self) -> bool {
        self.0.bit(6, 7)
    }
    /// Nothing is written in it.
    #[must_use]
    pub fn blank(&self) -> bool {
        self.0.bit(6, 6)
    }
    /// Address of its first block.
    #[must_use]
    pub fn start(&self) -> u32 {
        self.0.u32(8)
    }
    /// Where the next WRITE must go, when the drive knows.
    #[must_use]
    pub fn next_writable(&self) -> Option<u32> {
        self.0.bit(7, 0).then(|| self.0.u32(12))
    }
    /// Blocks that can still be written in it.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        self.0.u32(16)
    }
    /// Its length in blocks, written or not.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.0.u32(24)
    }
    /// Last block written, when the drive knows.
    #[must_use]
    pub fn last_recorded(&self) -> Option<u32> {
        self.0.bit(7, 1).then(|| self.0.u32(28))
    }
}

/// READ FORMAT CAPACITIES (MMC-6, 23h).
#[derive(Debug, Clone, Copy)]
pub struct ReadFormatCapacities;

impl Command for ReadFormatCapacities {
    const NAME: &'static str = "READ FORMAT CAPACITIES";
    fn cdb(&self) -> Cdb {
        [0x23, 0, 0, 0, 0, 0, 0, 0, 252, 0].into()
    }
}

impl Query for ReadFormatCapacities {
    type Response<'a> = FormatCapacities<'a>;
    fn allocation(&self) -> usize {
        252
    }
    fn response(raw: &[u8]) -> Result<FormatCapacities<'_>, TooShort> {
        let declared = 4 + usize::from(Bytes::all(raw).u8(3));
        Bytes::checked(raw, declared, 12).map(FormatCapacities)
    }
}

/// The answer to READ FORMAT CAPACITIES.
#[derive(Debug, Clone, Copy)]
pub struct FormatCapacities<'a>(Bytes<'a>);

impl<'a> FormatCapacities<'a> {
    /// Blocks of the disc as it is; of the largest one the drive takes when [`Self::descriptor_type`] is 3.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.0.u32(4)
    }
    /// 1 unformatted or blank, 2 formatted, 3 no disc.
    #[must_use]
    pub fn descriptor_type(&self) -> u8 {
        self.0.u8(8) & 3
    }
    /// Bytes in a block.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.0.u24(9)
    }
    /// The formats the disc can be given.
    pub fn formats(&self) -> impl Iterator<Item = FormatDescriptor> + use<'a> {
        let bytes = self.0;
        let descriptors = (12..bytes.len())
            .step_by(8)
            .take_while(move |at| at + 8 <= bytes.len());
        descriptors.map(move |at| FormatDescriptor {
            blocks: bytes.u32(at),
            kind: bytes.u8(at + 4) >> 2,
            parameter: bytes.u24(at + 5),
        })
    }
}

/// READ DISC STRUCTURE (MMC-6, ADh), for the formats that carry the medium's identity.
#[derive(Debug, Clone, Copy)]
pub struct ReadDiscStructure {
    /// MEDIA TYPE: 0 DVD, 1 BD.
    pub media_type: u8,
    /// FORMAT CODE.
    pub format: u8,
}

/// Four bytes of header and one disc information unit of 112 bytes; DVD structures need less.
const STRUCTURE_ALLOCATION: u8 = 4 + 112;

impl Command for ReadDiscStructure {
    const NAME: &'static str = "READ DISC STRUCTURE";
    fn cdb(&self) -> Cdb {
        [
            0xAD,
            self.media_type & 0x0F,
            0,
            0,
            0,
            0,
            0,
            self.format,
            0,
            STRUCTURE_ALLOCATION,
            0,
            0,
        ]
        .into()
    }
}

impl Query for ReadDiscStructure {
    type Response<'a> = DiscStructure<'a>;
    fn allocation(&self) -> usize {
        usize::from(STRUCTURE_ALLOCATION)
    }
    fn response(raw: &[u8]) -> Result<DiscStructure<'_>, TooShort> {
        Bytes::checked(raw, declared16(raw), 4).map(DiscStructure)
    }
}

/// The answer to READ DISC STRUCTURE.
#[derive(Debug, Clone, Copy)]
pub struct DiscStructure<'a>(Bytes<'a>);

impl<'a> DiscStructure<'a> {
    /// These bytes of the structure, its header not counted; fewer when it is shorter.
    #[must_use]
    pub fn field(&self, from: usize, length: usize) -> &'a [u8] {
        self.0.slice(from + 4..from + 4 + length)
    }
}
