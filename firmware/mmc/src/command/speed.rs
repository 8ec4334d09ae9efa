//! Commands about speed. All figures in 1000 bytes a second, as in the standard.

use super::{Cdb, Command, Query, declared16};
use crate::bytes::{Bytes, TooShort};

/// Descriptors asked for at once; the fastest drives list eight. Never zero, which some drives take for one.
const DESCRIPTORS: u8 = 16;

fn performance_cdb(flags: u8, kind: u8) -> Cdb {
    [0xAC, flags, 0, 0, 0, 0, 0, 0, 0, DESCRIPTORS, kind, 0].into()
}

fn performance(raw: &[u8]) -> Result<Bytes<'_>, TooShort> {
    let declared = usize::try_from(Bytes::all(raw).u32(0))
        .unwrap_or(usize::MAX)
        .saturating_add(4);
    Bytes::checked(raw, declared, 8)
}

/// Where the complete 16-byte descriptors behind an eight-byte header begin.
fn descriptors(bytes: Bytes<'_>) -> impl Iterator<Item = usize> + use<> {
    let length = bytes.len();
    (8..length).step_by(16).take_while(move |at| at + 16 <= length)
}

/// GET PERFORMANCE (MMC-6, ACh), type 03h: the write speeds for the disc that is in.
#[derive(Debug, Clone, Copy)]
pub struct GetPerformance;

impl Command for GetPerformance {
    const NAME: &'static str = "GET PERFORMANCE";
    fn cdb(&self) -> Cdb {
        performance_cdb(0, 0x03)
    }
}

impl Query for GetPerformance {
    type Response<'a> = WriteSpeeds<'a>;
    fn allocation(&self) -> usize {
        8 + 16 * usize::from(DESCRIPTORS)
    }
    fn response(raw: &[u8]) -> Result<WriteSpeeds<'_>, TooShort> {
        performance(raw).map(WriteSpeeds)
    }
}

/// The answer to GET PERFORMANCE, type 03h.
#[derive(Debug, Clone, Copy)]
pub struct WriteSpeeds<'a>(Bytes<'a>);

/// One write speed descriptor, of GET PERFORMANCE or of mode page 2Ah.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteSpeedDescriptor {
    /// WRITE ROTATION CONTROL: 0 the medium's default (CLV and zoned CLV), 1 CAV.
    pub rotation: u8,
    /// Write speed.
    pub speed: u32,
}

impl<'a> WriteSpeeds<'a> {
    /// The write speeds, in the drive's order; zero speeds, which some drives list, are left out.
    pub fn speeds(&self) -> impl Iterator<Item = WriteSpeedDescriptor> + use<'a> {
        let bytes = self.0;
        let descriptor = move |at| WriteSpeedDescriptor {
            rotation: bytes.u8(at) >> 3 & 3,
            speed: bytes.u32(at + 12),
        };
        descriptors(bytes)
            .map(descriptor)
            .filter(|descriptor| descriptor.speed != 0)
    }
    /// The disc's last block, as the descriptors name it.
    #[must_use]
    pub fn last_block(&self) -> Option<u32> {
        descriptors(self.0)
            .map(|at| self.0.u32(at + 4))
            .max()
            .filter(|last| *last != 0)
    }
}

/// GET PERFORMANCE (MMC-6, ACh), type 00h, nominal: how fast the drive is set to read or write now.
#[derive(Debug, Clone, Copy)]
pub struct GetCurrentPerformance {
    /// The writing, not the reading performance.
    pub writing: bool,
}

impl Command for GetCurrentPerformance {
    const NAME: &'static str = "GET PERFORMANCE";
    fn cdb(&self) -> Cdb {
        const TOLERANCE: u8 = 0b10 << 3; // the only value MMC-6 allows
        performance_cdb(TOLERANCE | u8::from(self.writing) << 2, 0x00)
    }
}

impl Query for GetCurrentPerformance {
    type Response<'a> = CurrentPerformance<'a>;
    fn allocation(&self) -> usize {
        8 + 16 * usize::from(DESCRIPTORS)
    }
    fn response(raw: &[u8]) -> Result<CurrentPerformance<'_>, TooShort> {
        performance(raw).map(CurrentPerformance)
    }
}

/// The answer to GET PERFORMANCE, type 00h.
#[derive(Debug, Clone, Copy)]
pub struct CurrentPerformance<'a>(Bytes<'a>);

impl CurrentPerformance<'_> {
    /// The highest speed reached anywhere on the disc.
    #[must_use]
    pub fn fastest(&self) -> Option<u32> {
        let speeds = descriptors(self.0).flat_map(|at| [self.0.u32(at + 4), self.0.u32(at + 12)]);
        speeds.max().filter(|speed| *speed != 0)
    }
}

/// MODE SENSE (10) of the whole capabilities page, 2Ah: what drives before GET PERFORMANCE tell of speeds.
#[derive(Debug, Clone, Copy)]
pub struct ModeSenseSpeeds;

impl Command for ModeSenseSpeeds {
    const NAME: &'static str = "MODE SENSE (10)";
    fn cdb(&self) -> Cdb {
        [0x5A, 0, 0x2A, 0, 0, 0, 0, 0, SPEED_PAGE, 0].into()
    }
}

/// Header, 32 bytes of page and sixteen descriptors.
const SPEED_PAGE: u8 = 8 + 32 + 4 * DESCRIPTORS;

impl Query for ModeSenseSpeeds {
    type Response<'a> = SpeedPage<'a>;
    fn allocation(&self) -> usize {
        usize::from(SPEED_PAGE)
    }
    fn response(raw: &[u8]) -> Result<SpeedPage<'_>, TooShort> {
        let header = Bytes::checked(raw, declared16(raw), 8)?;
        let page = header.slice(8 + usize::from(header.u16(6))..header.len());
        Bytes::checked(page, page.len(), 16).map(SpeedPage)
    }
}

/// The speeds of mode page 2Ah.
#[derive(Debug, Clone, Copy)]
pub struct SpeedPage<'a>(Bytes<'a>);

impl<'a> SpeedPage<'a> {
    /// The fastest the drive reads; zero when it does not tell.
    #[must_use]
    pub fn fastest_reading(&self) -> u32 {
        u32::from(self.0.u16(8))
    }
    /// The reading speed it is set to.
    #[must_use]
    pub fn reading(&self) -> u32 {
        u32::from(self.0.u16(14))
    }
    /// The writing speed it is set to: where MMC-3 has it, else where MMC-1 had it.
    #[must_use]
    pub fn writing(&self) -> u32 {
        let selected = self.0.u16(28);
        u32::from(if selected == 0 { self.0.u16(20) } else { selected })
    }
    /// The write speeds, in the drive's order.
    pub fn speeds(&self) -> impl Iterator<Item = WriteSpeedDescriptor> + use<'a> {
        let bytes = self.0;
        let descriptor = move |number: usize| WriteSpeedDescriptor {
            rotation: bytes.u8(33 + 4 * number) & 3,
            speed: u32::from(bytes.u16(34 + 4 * number)),
        };
        (0..usize::from(bytes.u16(30)))
            .take_while(move |number| 36 + 4 * number <= bytes.len())
            .map(descriptor)
            .filter(|descriptor| descriptor.speed != 0)
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

/// Performance descriptor for SET STREAMING: these many kilobytes in a second. Always sent whole, which some
/// drives insist on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamingDescriptor {
    /// RDD: back to the drive's own choice; the speeds do not count.
    pub restore_defaults: bool,
    /// WRC: write rotation control, as in [`WriteSpeedDescriptor::rotation`].
    pub rotation: u8,
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
        let flags = (self.rotation & 3) << 3 | u8::from(self.restore_defaults) << 2;
        let mut bytes = [0; 28];
        let fields = [
            u32::from(flags) << 24,
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
    /// ROTATIONAL CONTROL, as in [`WriteSpeedDescriptor::rotation`].
    pub rotation: u8,
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
        [0xBB, self.rotation & 3, r0, r1, w0, w1, 0, 0, 0, 0, 0, 0].into()
    }
}
