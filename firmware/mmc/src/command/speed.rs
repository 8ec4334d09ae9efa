//! Commands about speed. All figures in 1000 bytes a second, as in the standard.

use super::{Cdb, Command, Query};
use crate::bytes::{Bytes, TooShort};

/// Write speed descriptors asked for at once; the fastest drives list eight.
const DESCRIPTORS: u8 = 16;

/// GET PERFORMANCE (MMC-6, ACh), type 03h: the write speeds for the disc that is in.
#[derive(Debug, Clone, Copy)]
pub struct GetPerformance;

impl Command for GetPerformance {
    const NAME: &'static str = "GET PERFORMANCE";
    fn cdb(&self) -> Cdb {
        [0xAC, 0, 0, 0, 0, 0, 0, 0, 0, DESCRIPTORS, 0x03, 0].into()
    }
}

impl Query for GetPerformance {
    type Response<'a> = WriteSpeeds<'a>;
    fn allocation(&self) -> usize {
        8 + 16 * usize::from(DESCRIPTORS)
    }
    fn response(raw: &[u8]) -> Result<WriteSpeeds<'_>, TooShort> {
        let declared = usize::try_from(Bytes::all(raw).u32(0))
            .unwrap_or(usize::MAX)
            .saturating_add(4);
        Bytes::checked(raw, declared, 8).map(WriteSpeeds)
    }
}

/// The answer to GET PERFORMANCE, type 03h.
#[derive(Debug, Clone, Copy)]
pub struct WriteSpeeds<'a>(Bytes<'a>);

impl<'a> WriteSpeeds<'a> {
    /// The write speeds, in the drive's order; zero speeds are left out.
    pub fn speeds(&self) -> impl Iterator<Item = u32> + use<'a> {
        let bytes = self.0;
        let descriptors = (8..bytes.len())
            .step_by(16)
            .take_while(move |at| at + 16 <= bytes.len());
        descriptors
            .map(move |at| bytes.u32(at + 12))
            .filter(|speed| *speed != 0)
    }
}

/// SET STREAMING (MMC-6, B6h); its descriptor goes with it as data.
#[derive(Debug, Clone, Copy)]
pub struct SetStreaming;

impl Command for SetStreaming {
    const NAME: &'static str = "SET STREAMING";
    fn cdb(&self) -> Cdb {
        [0xB6, 0, 0, 0, 0, 0, 0, 0, 0, 0, StreamingDescriptor::LENGTH, 0].into()
    }
}

/// Performance descriptor for SET STREAMING: these many kilobytes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamingDescriptor {
    /// Last block it applies to.
    pub last_block: u32,
    /// Reading speed.
    pub read: u32,
    /// Writing speed.
    pub write: u32,
}

impl StreamingDescriptor {
    const LENGTH: u8 = 28;

    /// The 28 bytes of the parameter list.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 28] {
        const MILLISECONDS: u32 = 1000;
        let mut bytes = [0; 28];
        let fields = [
            0,
            0,
            self.last_block,
            self.read,
            MILLISECONDS,
            self.write,
            MILLISECONDS,
        ];
        for (to, field) in bytes.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }
}

/// SET CD SPEED (MMC-6, BBh).
#[derive(Debug, Clone, Copy)]
pub struct SetCdSpeed {
    /// Reading speed; FFFFh is the fastest.
    pub read: u16,
    /// Writing speed; FFFFh is the fastest.
    pub write: u16,
}

impl Command for SetCdSpeed {
    const NAME: &'static str = "SET CD SPEED";
    fn cdb(&self) -> Cdb {
        let [r0, r1] = self.read.to_be_bytes();
        let [w0, w1] = self.write.to_be_bytes();
        [0xBB, 0, r0, r1, w0, w1, 0, 0, 0, 0, 0, 0].into()
    }
}
