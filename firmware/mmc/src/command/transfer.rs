//! Commands that move blocks, and those that begin, flush and close what was written.

use super::{Cdb, Command, Query};
use crate::bytes::{Bytes, TooShort};

/// READ (10) (MMC-6, 28h).
#[derive(Debug, Clone, Copy)]
pub struct Read10 {
    /// First block.
    pub address: u32,
    /// Number of blocks.
    pub blocks: u16,
}

impl Command for Read10 {
    const NAME: &'static str = "READ (10)";
    fn cdb(&self) -> Cdb {
        let [a0, a1, a2, a3] = self.address.to_be_bytes();
        let [n0, n1] = self.blocks.to_be_bytes();
        [0x28, 0, a0, a1, a2, a3, 0, n0, n1, 0].into()
    }
}

/// READ (12) (MMC-6, A8h) with FUA: from the disc, not from the drive's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Read12 {
    /// First block.
    pub address: u32,
    /// Number of blocks.
    pub blocks: u16,
    /// FORCE UNIT ACCESS.
    pub force_unit_access: bool,
}

impl Command for Read12 {
    const NAME: &'static str = "READ (12)";
    fn cdb(&self) -> Cdb {
        let [a0, a1, a2, a3] = self.address.to_be_bytes();
        let [n0, n1] = self.blocks.to_be_bytes();
        [
            0xA8,
            u8::from(self.force_unit_access) << 3,
            a0,
            a1,
            a2,
            a3,
            0,
            0,
            n0,
            n1,
            0,
            0,
        ]
        .into()
    }
}

/// WRITE (10) (MMC-6, 2Ah), buffered.
#[derive(Debug, Clone, Copy)]
pub struct Write10 {
    /// First block: the next writable address.
    pub address: u32,
    /// Number of blocks.
    pub blocks: u16,
}

impl Command for Write10 {
    const NAME: &'static str = "WRITE (10)";
    fn cdb(&self) -> Cdb {
        let [a0, a1, a2, a3] = self.address.to_be_bytes();
        let [n0, n1] = self.blocks.to_be_bytes();
        [0x2A, 0, a0, a1, a2, a3, 0, n0, n1, 0].into()
    }
}

/// SYNCHRONIZE CACHE (MMC-6, 35h): what is in the drive's buffer goes to the disc.
#[derive(Debug, Clone, Copy)]
pub struct SynchronizeCache {
    /// Answer at once, work on behind it.
    pub immediate: bool,
}

impl Command for SynchronizeCache {
    const NAME: &'static str = "SYNCHRONIZE CACHE";
    fn cdb(&self) -> Cdb {
        [0x35, u8::from(self.immediate) << 1, 0, 0, 0, 0, 0, 0, 0, 0].into()
    }
}

/// RESERVE TRACK (MMC-6, 53h): the next track gets this size.
#[derive(Debug, Clone, Copy)]
pub struct ReserveTrack {
    /// Blocks to reserve.
    pub blocks: u32,
}

impl Command for ReserveTrack {
    const NAME: &'static str = "RESERVE TRACK";
    fn cdb(&self) -> Cdb {
        let [n0, n1, n2, n3] = self.blocks.to_be_bytes();
        [0x53, 0, 0, 0, 0, n0, n1, n2, n3, 0].into()
    }
}

/// REPAIR TRACK (MMC-6, 58h): the end of a track written incrementally is made good after a power failure.
#[derive(Debug, Clone, Copy)]
pub struct RepairTrack {
    /// The track's number.
    pub track: u16,
    /// Answer at once, work on behind it.
    pub immediate: bool,
}

impl Command for RepairTrack {
    const NAME: &'static str = "REPAIR TRACK";
    fn cdb(&self) -> Cdb {
        let [t0, t1] = self.track.to_be_bytes();
        [0x58, u8::from(self.immediate), 0, 0, t0, t1, 0, 0, 0, 0].into()
    }
}

/// CLOSE FUNCTION of CLOSE TRACK SESSION (MMC-6, 5Bh).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseFunction {
    /// 00h: the format that runs in the background stops (DVD+RW).
    StopBackgroundFormat,
    /// 01h: the logical track of this number.
    Track(u16),
    /// 02h: the session; whether the disc stays appendable, the write parameters page tells where it is
    /// heeded.
    Session,
    /// 05h: finalise DVD+R with the least radius it may have.
    FinaliseMinimumRadius,
    /// 06h: finalise the disc.
    Finalise,
}

/// CLOSE TRACK SESSION (MMC-6, 5Bh).
#[derive(Debug, Clone, Copy)]
pub struct CloseTrackSession {
    /// What to close.
    pub function: CloseFunction,
    /// Answer at once, work on behind it.
    pub immediate: bool,
}

impl Command for CloseTrackSession {
    const NAME: &'static str = "CLOSE TRACK SESSION";
    fn cdb(&self) -> Cdb {
        let (function, track) = match self.function {
            CloseFunction::StopBackgroundFormat => (0, 0),
            CloseFunction::Track(track) => (1, track),
            CloseFunction::Session => (2, 0),
            CloseFunction::FinaliseMinimumRadius => (5, 0),
            CloseFunction::Finalise => (6, 0),
        };
        let [t0, t1] = track.to_be_bytes();
        [0x5B, u8::from(self.immediate), function, 0, t0, t1, 0, 0, 0, 0].into()
    }
}

/// READ BUFFER CAPACITY (MMC-6, 5Ch), in bytes.
#[derive(Debug, Clone, Copy)]
pub struct ReadBufferCapacity;

impl Command for ReadBufferCapacity {
    const NAME: &'static str = "READ BUFFER CAPACITY";
    fn cdb(&self) -> Cdb {
        [0x5C, 0, 0, 0, 0, 0, 0, 0, 12, 0].into()
    }
}

impl Query for ReadBufferCapacity {
    type Response<'a> = BufferCapacity;
    fn allocation(&self) -> usize {
        12
    }
    fn response(raw: &[u8]) -> Result<BufferCapacity, TooShort> {
        let bytes = Bytes::checked(raw, raw.len(), 12)?;
        Ok(BufferCapacity {
            total: bytes.u32(4),
            blank: bytes.u32(8),
        })
    }
}

/// The answer to READ BUFFER CAPACITY, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferCapacity {
    /// Size of the buffer.
    pub total: u32,
    /// Bytes free in it.
    pub blank: u32,
}
