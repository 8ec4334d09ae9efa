//! The write parameters mode page, which tells CD and DVD-R how they are written.

use super::{Cdb, Command, Query, declared16};
use crate::bytes::{Bytes, TooShort};

/// Bytes of the page behind its code and length (MMC-6, write parameters page).
const PAGE_LENGTH: u8 = 0x32;

/// Mode parameter header (SPC-4 7.5.5) and page.
const LIST_LENGTH: u8 = 8 + 2 + PAGE_LENGTH;

/// MODE SENSE (10) (SPC-4, 5Ah) of the write parameters page, 05h, without block descriptors.
#[derive(Debug, Clone, Copy)]
pub struct SenseWriteParameters;

impl Command for SenseWriteParameters {
    const NAME: &'static str = "MODE SENSE (10)";
    fn cdb(&self) -> Cdb {
        [0x5A, 0x08, 0x05, 0, 0, 0, 0, 0, LIST_LENGTH, 0].into()
    }
}

impl Query for SenseWriteParameters {
    type Response<'a> = WriteParameters;
    fn allocation(&self) -> usize {
        usize::from(LIST_LENGTH)
    }
    fn response(raw: &[u8]) -> Result<WriteParameters, TooShort> {
        let header = Bytes::checked(raw, declared16(raw), 8)?;
        let at = 8 + usize::from(header.u16(6));
        let page = Bytes::checked(raw.get(at..).unwrap_or(&[]), raw.len(), 16)?;
        let mut parameters = WriteParameters::default();
        if page.u8(0) & 0x3F == 0x05 {
            for (place, to) in parameters.0.iter_mut().enumerate().skip(10) {
                *to = page.u8(place - 8);
            }
        }
        Ok(parameters)
    }
}

/// MODE SELECT (10) (SPC-4, 55h) of one page.
#[derive(Debug, Clone, Copy)]
pub struct SelectWriteParameters;

impl Command for SelectWriteParameters {
    const NAME: &'static str = "MODE SELECT (10)";
    fn cdb(&self) -> Cdb {
        [0x55, 0x10, 0, 0, 0, 0, 0, 0, LIST_LENGTH, 0].into()
    }
}

/// WRITE TYPE and what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteType {
    /// DVD-R: track after track, in packets of 16 blocks.
    Incremental,
    /// CD: track after track, each ended by run-out blocks.
    TrackAtOnce,
    /// CD: a session whose layout the cue sheet tells.
    SessionAtOnce,
    /// DVD-R: the whole disc, its size reserved before.
    DiscAtOnce,
}

/// The parameter list of MODE SELECT (10): header and write parameters page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteParameters([u8; LIST_LENGTH as usize]);

impl Default for WriteParameters {
    /// All zeroes behind the page's code and length, as libburn sends it: for drives that do not tell theirs.
    fn default() -> Self {
        let mut list = [0; LIST_LENGTH as usize];
        (list[8], list[9]) = (0x05, PAGE_LENGTH);
        Self(list)
    }
}

impl WriteParameters {
    /// The page for blocks of 2048 bytes written so, with protection against buffer underrun. What this
    /// driver does not set stays as the drive has it, but for fields in which drives are known to come with
    /// values they refuse themselves (session format and audio pause of LG and Matsushita, says cdrtools).
    #[must_use]
    pub fn with(mut self, write_type: WriteType, multi_session: bool) -> Self {
        const UNDERRUN_PROTECTION: u8 = 0x40;
        const LINK_SIZE_VALID: u8 = 0x20;
        const FIXED_PACKETS: u8 = 0x20;
        const MODE_1: u8 = 8;
        const PACKET: u8 = 16;
        let multi_session = if multi_session { 0xC0 } else { 0 };
        // Write type; track mode with packet type; data block type; link size and packet size. The values are
        // those libburn and growisofs send: drives ignore track mode and data block type with a cue sheet.
        let (kind, track, block, packet) = match write_type {
            WriteType::Incremental => (LINK_SIZE_VALID, FIXED_PACKETS | 5, MODE_1, PACKET),
            WriteType::TrackAtOnce => (1, 4, MODE_1, 0),
            WriteType::SessionAtOnce => (2, 0, 0, 0),
            WriteType::DiscAtOnce => (2, 5, MODE_1, 0),
        };
        let page = [
            (2, UNDERRUN_PROTECTION | kind),
            (3, multi_session | track),
            (4, block),
            (5, packet),
            (8, 0), // session format: CD-ROM, or not a CD
            (10, 0),
            (11, 0),
            (12, 0),
            (13, packet),
            (14, 0),
            (15, 150), // audio pause: two seconds
        ];
        for (place, value) in page {
            if let Some(to) = self.0.get_mut(8 + place) {
                *to = value;
            }
        }
        self
    }

    /// Both say the same about write type, underrun protection and further sessions.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.0.get(10..12) == other.0.get(10..12)
    }

    /// The parameter list.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// SEND CUE SHEET (MMC-6, 5Dh): the layout of a CD session at once.
#[derive(Debug, Clone, Copy)]
pub struct SendCueSheet;

impl Command for SendCueSheet {
    const NAME: &'static str = "SEND CUE SHEET";
    fn cdb(&self) -> Cdb {
        [0x5D, 0, 0, 0, 0, 0, 0, 0, CueSheet::LENGTH, 0].into()
    }
}

/// A cue sheet of one data track from block 0 on: lead-in, pre-gap of two seconds, data, lead-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CueSheet {
    /// Blocks of the track.
    pub blocks: u32,
}

impl CueSheet {
    const LENGTH: u8 = 4 * 8;
    /// Blocks of the pre-gap, which the host writes, from block -150 on.
    pub const PRE_GAP: u32 = 150;

    /// The 32 bytes of the sheet, each entry CTL and ADR, track, index, data form, SCMS, minute, second,
    /// frame. `None` when the track ends behind what minutes can count.
    #[must_use]
    pub fn to_bytes(self) -> Option<[u8; 32]> {
        const DATA: u8 = 0x41; // CONTROL 4: data track; ADR 1: a position
        const MODE_1: u8 = 0x10;
        const PAUSE: u8 = 0x14;
        let frames = self.blocks.checked_add(Self::PRE_GAP)?;
        let minute = u8::try_from(frames / 4500).ok().filter(|minute| *minute < 100)?;
        let second = u8::try_from(frames / 75 % 60).ok()?;
        let frame = u8::try_from(frames % 75).ok()?;
        let entries = [
            [DATA, 0, 0, PAUSE, 0, 0, 0, 0],
            [DATA, 1, 0, MODE_1, 0, 0, 0, 0],
            [DATA, 1, 1, MODE_1, 0, 0, 2, 0],
            [DATA, 0xAA, 1, PAUSE, 0, minute, second, frame],
        ];
        let mut sheet = [0; 32];
        for (to, entry) in sheet.chunks_exact_mut(8).zip(entries) {
            to.copy_from_slice(&entry);
        }
        Some(sheet)
    }
}
