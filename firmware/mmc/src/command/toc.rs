//! READ TOC/PMA/ATIP: tracks and sessions as the disc's own tables have them.

use super::{Cdb, Command, Query, declared16};
use crate::bytes::{Bytes, TooShort};

/// Room for the tables of 99 tracks in as many sessions.
pub(crate) const TOC_LENGTH: u16 = 4 + 11 * 255;

/// Track number of the lead-out.
const LEAD_OUT: u8 = 0xAA;

/// READ TOC/PMA/ATIP (MMC-6, 43h), format 0000b: tracks and lead-out, as block addresses.
#[derive(Debug, Clone, Copy)]
pub struct ReadToc;

/// READ TOC/PMA/ATIP (MMC-6, 43h), format 0010b: the Q sub-channel of every lead-in, which alone tells the
/// sessions of a CD.
#[derive(Debug, Clone, Copy)]
pub struct ReadFullToc;

/// The format goes where MMC has it and also into the control byte, where SFF-8020 had it and some readers
/// still look for it.
fn cdb(format: u8) -> Cdb {
    let [high, low] = TOC_LENGTH.to_be_bytes();
    let time = u8::from(format == 2) << 1; // addresses as minute, second, frame
    [
        0x43,
        time,
        format,
        0,
        0,
        0,
        u8::from(format == 2),
        high,
        low,
        format << 6,
    ]
    .into()
}

impl Command for ReadToc {
    const NAME: &'static str = "READ TOC/PMA/ATIP";
    fn cdb(&self) -> Cdb {
        cdb(0)
    }
}

impl Command for ReadFullToc {
    const NAME: &'static str = "READ TOC/PMA/ATIP";
    fn cdb(&self) -> Cdb {
        cdb(2)
    }
}

impl Query for ReadToc {
    type Response<'a> = Toc<'a>;
    fn allocation(&self) -> usize {
        usize::from(TOC_LENGTH)
    }
    fn response(raw: &[u8]) -> Result<Toc<'_>, TooShort> {
        Bytes::checked(raw, declared16(raw), 4).map(Toc)
    }
}

impl Query for ReadFullToc {
    type Response<'a> = FullToc<'a>;
    fn allocation(&self) -> usize {
        usize::from(TOC_LENGTH)
    }
    fn response(raw: &[u8]) -> Result<FullToc<'_>, TooShort> {
        Bytes::checked(raw, declared16(raw), 4).map(FullToc)
    }
}

/// An entry of a table of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TocEntry {
    /// Session number; 0 where the table does not tell.
    pub session: u8,
    /// Track number; `None` is the lead-out.
    pub track: Option<u8>,
    /// First block.
    pub start: u32,
    /// CONTROL: data, not audio.
    pub data: bool,
}

/// The answer in format 0000b.
#[derive(Debug, Clone, Copy)]
pub struct Toc<'a>(Bytes<'a>);

impl<'a> Toc<'a> {
    /// Tracks in order, then the lead-out.
    pub fn entries(&self) -> impl Iterator<Item = TocEntry> + use<'a> {
        let bytes = self.0;
        let whole = move |at: &usize| at + 8 <= bytes.len();
        (4..bytes.len()).step_by(8).take_while(whole).map(move |at| {
            let number = bytes.u8(at + 2);
            TocEntry {
                session: 0,
                track: (number != LEAD_OUT).then_some(number),
                start: bytes.u32(at + 4),
                data: bytes.bit(at + 1, 2),
            }
        })
    }
}

/// The answer in format 0010b.
#[derive(Debug, Clone, Copy)]
pub struct FullToc<'a>(Bytes<'a>);

impl<'a> FullToc<'a> {
    /// Tracks and lead-outs in the drive's order; what points elsewhere (A0h, A1h, B0h and so on) is left out.
    pub fn entries(&self) -> impl Iterator<Item = TocEntry> + use<'a> {
        const POSITION: u8 = 1; // ADR: the entry is about a position
        const LEAD_OUT_START: u8 = 0xA2;
        let bytes = self.0;
        let whole = move |at: &usize| at + 11 <= bytes.len();
        (4..bytes.len())
            .step_by(11)
            .take_while(whole)
            .filter(move |at| bytes.u8(at + 1) >> 4 == POSITION)
            .filter_map(move |at| {
                let track = match bytes.u8(at + 3) {
                    number @ 1..=99 => Some(number),
                    LEAD_OUT_START => None,
                    _ => return None,
                };
                let part = |offset: usize| u32::from(bytes.u8(at + offset));
                let frames = (part(8) * 60 + part(9)) * 75 + part(10);
                Some(TocEntry {
                    session: bytes.u8(at),
                    track,
                    start: frames.saturating_sub(150), // block 0 is at 00:02:00
                    data: bytes.bit(at + 1, 2),
                })
            })
    }
}
