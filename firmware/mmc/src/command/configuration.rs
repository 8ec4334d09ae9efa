//! GET CONFIGURATION: the profile of the disc and what the drive can do with it.

use super::{Cdb, Command, Query};
use crate::bytes::{Bytes, TooShort};

/// Feature numbers this driver looks at (MMC-6).
pub mod feature {
    /// Removable Medium: mechanism, lock, eject, load.
    pub const REMOVABLE_MEDIUM: u16 = 0x0003;
    /// Incremental Streaming Writable: current when a DVD-R or -RW takes track after track.
    pub const INCREMENTAL_STREAMING: u16 = 0x0021;
    /// BD-R Pseudo-Overwrite: current when the disc was formatted so.
    pub const BD_R_PSEUDO_OVERWRITE: u16 = 0x0038;
    /// Logical Unit Serial Number.
    pub const SERIAL_NUMBER: u16 = 0x0108;
}

/// GET CONFIGURATION (MMC-6, 46h) of all features.
#[derive(Debug, Clone, Copy)]
pub struct GetConfiguration {
    /// ALLOCATION LENGTH; 8 asks for the header only, which tells the length of the whole.
    pub allocation: u16,
}

impl Command for GetConfiguration {
    const NAME: &'static str = "GET CONFIGURATION";
    fn cdb(&self) -> Cdb {
        let [high, low] = self.allocation.to_be_bytes();
        [0x46, 0, 0, 0, 0, 0, 0, high, low, 0].into()
    }
}

impl Query for GetConfiguration {
    type Response<'a> = Configuration<'a>;
    fn allocation(&self) -> usize {
        usize::from(self.allocation)
    }
    fn response(raw: &[u8]) -> Result<Configuration<'_>, TooShort> {
        let declared = usize::try_from(Bytes::all(raw).u32(0))
            .unwrap_or(usize::MAX)
            .saturating_add(4);
        Bytes::checked(raw, declared, 8).map(|bytes| Configuration { bytes, declared })
    }
}

/// The answer to GET CONFIGURATION.
#[derive(Debug, Clone, Copy)]
pub struct Configuration<'a> {
    bytes: Bytes<'a>,
    declared: usize,
}

impl<'a> Configuration<'a> {
    /// CURRENT PROFILE; 0000h without a disc.
    #[must_use]
    pub fn current_profile(&self) -> u16 {
        self.bytes.u16(6)
    }
    /// Length of the whole answer, had it been asked for.
    #[must_use]
    pub fn declared_length(&self) -> usize {
        self.declared
    }
    /// The feature descriptors, as far as they are complete.
    #[must_use]
    pub fn features(&self) -> Features<'a> {
        Features {
            bytes: self.bytes,
            at: 8,
        }
    }
    /// The first descriptor of this feature.
    #[must_use]
    pub fn feature(&self, code: u16) -> Option<Feature<'a>> {
        self.features().find(|feature| feature.code == code)
    }
}

/// One feature descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature<'a> {
    /// Feature number.
    pub code: u16,
    /// Version of the descriptor.
    pub version: u8,
    /// Always there, whatever the disc.
    pub persistent: bool,
    /// Usable with the disc that is in now.
    pub current: bool,
    /// The feature's own bytes.
    pub data: &'a [u8],
}

/// Iterator over feature descriptors.
#[derive(Debug, Clone)]
pub struct Features<'a> {
    bytes: Bytes<'a>,
    at: usize,
}

impl<'a> Iterator for Features<'a> {
    type Item = Feature<'a>;

    fn next(&mut self) -> Option<Feature<'a>> {
        let (bytes, at) = (self.bytes, self.at);
        let end = at + 4 + usize::from(bytes.u8(at + 3));
        if at + 4 > bytes.len() || end > bytes.len() {
            return None;
        }
        self.at = end;
        let flags = bytes.u8(at + 2);
        Some(Feature {
            code: bytes.u16(at),
            version: flags >> 2 & 0x0F,
            persistent: flags & 2 != 0,
            current: flags & 1 != 0,
            data: bytes.slice(at + 4..end),
        })
    }
}
