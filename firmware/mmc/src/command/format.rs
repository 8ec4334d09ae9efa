//! Commands that make a disc anew: FORMAT UNIT, BLANK, and the layer break of DVD+R DL.

use super::{Cdb, Command};

/// Format types of FORMAT UNIT and READ FORMAT CAPACITIES (MMC-6).
pub mod format_type {
    /// The whole medium, with its usual spare areas where it has some.
    pub const FULL: u8 = 0x00;
    /// DVD-RAM: spare areas of another size.
    pub const SPARES_EXPANDED: u8 = 0x01;
    /// DVD-RW: the whole medium, for restricted overwrite.
    pub const DVD_RW_FULL: u8 = 0x10;
    /// DVD-RW: the last session becomes growable ("quick grow").
    pub const DVD_RW_QUICK_GROW: u8 = 0x13;
    /// DVD-RW: for restricted overwrite, only as far as it is written ("quick").
    pub const DVD_RW_QUICK: u8 = 0x15;
    /// DVD+RW: in the background.
    pub const DVD_PLUS_RW: u8 = 0x26;
    /// BD-RE: spare areas of a chosen size.
    pub const BD_RE_SPARES: u8 = 0x30;
    /// BD-RE: no spare areas, no defect management.
    pub const BD_RE_NO_SPARES: u8 = 0x31;
}

/// FORMAT UNIT (MMC-6, 04h); its [`FormatDescriptor`] goes with it as data.
#[derive(Debug, Clone, Copy)]
pub struct FormatUnit;

impl Command for FormatUnit {
    const NAME: &'static str = "FORMAT UNIT";
    fn cdb(&self) -> Cdb {
        [0x04, 0x11, 0, 0, 0, 0].into() // FMTDATA, format code 1
    }
}

/// What to format to: mostly one of the descriptors READ FORMAT CAPACITIES gave, unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatDescriptor {
    /// NUMBER OF BLOCKS.
    pub blocks: u32,
    /// FORMAT TYPE, one of [`format_type`].
    pub kind: u8,
    /// TYPE DEPENDENT PARAMETER, 24 bits.
    pub parameter: u32,
}

impl FormatDescriptor {
    /// NUMBER OF BLOCKS that leaves the choice to the drive (DVD+RW).
    pub const ALL: u32 = u32::MAX;

    /// The parameter list of FORMAT UNIT: header with IMMED, and the descriptor.
    #[must_use]
    pub fn to_bytes(self, immediate: bool) -> [u8; 12] {
        let [n0, n1, n2, n3] = self.blocks.to_be_bytes();
        let [_, p0, p1, p2] = self.parameter.to_be_bytes();
        let immediate = u8::from(immediate) << 1;
        [0, immediate, 0, 8, n0, n1, n2, n3, self.kind << 2, p0, p1, p2]
    }
}

/// BLANK (MMC-6, A1h).
#[derive(Debug, Clone, Copy)]
pub struct BlankDisc {
    /// Only the tables (type 1) instead of everything (type 0).
    pub minimal: bool,
    /// Answer at once, work on behind it.
    pub immediate: bool,
}

impl Command for BlankDisc {
    const NAME: &'static str = "BLANK";
    fn cdb(&self) -> Cdb {
        let flags = u8::from(self.immediate) << 4 | u8::from(self.minimal);
        [0xA1, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into()
    }
}

/// SEND DISC STRUCTURE (MMC-6, BFh), format 20h: where layer 0 of a blank DVD+R DL ends.
#[derive(Debug, Clone, Copy)]
pub struct SendLayerBreak;

impl SendLayerBreak {
    /// FORMAT CODE, with READ DISC STRUCTURE as well.
    pub const FORMAT: u8 = 0x20;

    /// The structure: header, four reserved bytes, blocks of layer 0.
    #[must_use]
    pub fn structure(blocks: u32) -> [u8; 12] {
        let [n0, n1, n2, n3] = blocks.to_be_bytes();
        [0, 10, 0, 0, 0, 0, 0, 0, n0, n1, n2, n3]
    }
}

impl Command for SendLayerBreak {
    const NAME: &'static str = "SEND DISC STRUCTURE";
    fn cdb(&self) -> Cdb {
        [0xBF, 0, 0, 0, 0, 0, 0, Self::FORMAT, 0, 12, 0, 0].into()
    }
}
