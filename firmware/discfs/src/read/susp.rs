//! System use entries of Rock Ridge: SUSP (IEEE P1281) and RRIP (IEEE P1282).

use super::blocks::{BlockSource, Blocks};
use super::{DiscError, NodeKind};
use crate::structure::{Fields, OutOfStructure};
use crate::time::Civil;
use crate::{BLOCK, Time};
use alloc::vec::Vec;

/// Continuation areas followed for one record: more than any name and target need.
const CONTINUATIONS_MAX: u32 = 32;
/// A name or target longer than this is cut: no system has longer ones.
const TEXT_MAX: usize = 4095;

/// What the entries of one record say.
#[derive(Default)]
pub(super) struct SystemUse {
    pub present: bool,
    pub mode: Option<u32>,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    pub serial: u32,
    pub mtime: Option<Time>,
    pub name: Vec<u8>,
    pub target: Vec<u8>,
    /// Where a directory moved up by CL lies, as a block.
    pub child: Option<u32>,
    /// The record of a directory that was moved here and belongs elsewhere.
    pub relocated: bool,
    /// Sparse (SF) or compressed (ZF): bytes on the disc are not those of the file.
    pub encoded: bool,
    /// A slash is due before the next component of the target.
    slash_due: bool,
}

impl SystemUse {
    /// Reads the system use field of a record and its continuation areas. Entries that make no sense are
    /// passed over: they must not hide a file.
    pub fn read<S: BlockSource>(blocks: &mut Blocks<S>, field: Fields<'_>) -> Result<Self, DiscError> {
        let mut result = Self::default();
        let mut next = result.entries(field);
        for _ in 0..CONTINUATIONS_MAX {
            let Some((block, offset, length)) = next else {
                break;
            };
            let mut area = [0; BLOCK];
            blocks.block(u64::from(block), &mut area)?;
            let area = Fields(&area).part(offset as usize, length as usize);
            next = area.ok().and_then(|area| result.entries(area));
        }
        Ok(result)
    }

    /// Reads entries, returns where they continue.
    fn entries(&mut self, field: Fields<'_>) -> Option<(u32, u32, u32)> {
        let mut continued = None;
        let mut rest = field;
        while rest.len() >= 4 {
            let length = usize::from(rest.u8(2).ok()?);
            let entry = rest.part(0, length.max(4)).ok()?;
            if length < 4 || entry.bytes(0, 2) == Ok(b"ST") {
                break;
            }
            if entry.bytes(0, 2) == Ok(b"CE") {
                continued = self.continuation(entry).ok();
            } else {
                let _ = self.entry(entry);
            }
            rest = rest.from(length).ok()?;
        }
        continued
    }

    fn continuation(&self, entry: Fields<'_>) -> Result<(u32, u32, u32), OutOfStructure> {
        Ok((entry.both32(4)?, entry.both32(12)?, entry.both32(20)?))
    }

    fn entry(&mut self, entry: Fields<'_>) -> Result<(), OutOfStructure> {
        match entry.bytes(0, 2)? {
            b"PX" => {
                self.present = true;
                self.mode = Some(entry.both32(4)?);
                self.links = entry.both32(12)?;
                self.uid = entry.both32(20)?;
                self.gid = entry.both32(28)?;
                self.serial = entry.both32(36).unwrap_or(0);
            }
            b"TF" => self.mtime = time_of_modification(entry)?.or(self.mtime),
            // Flags 2 and 4 stand for `.` and `..`, which have no name of their own.
            b"NM" if entry.u8(4)? & 6 == 0 => {
                self.present = true;
                append(&mut self.name, entry.from(5)?.0);
            }
            b"SL" => self.components(entry.from(5)?)?,
            b"CL" => self.child = Some(entry.both32(4)?),
            b"RE" => self.relocated = true,
            b"SF" | b"ZF" => self.encoded = true,
            _ => {}
        }
        Ok(())
    }

    /// Components of a target, P1282 4.1.3.1.
    fn components(&mut self, components: Fields<'_>) -> Result<(), OutOfStructure> {
        let mut rest = components;
        while rest.len() >= 2 {
            let flags = rest.u8(0)?;
            let length = usize::from(rest.u8(1)?);
            let content = rest.bytes(2, length)?;
            if self.slash_due {
                append(&mut self.target, b"/");
            }
            let text: &[u8] = match flags & 0x0E {
                2 => b".",
                4 => b"..",
                8 => b"/",
                _ => content,
            };
            append(&mut self.target, text);
            // No slash within a component that continues, nor after the one that is a slash itself.
            self.slash_due = flags & 9 == 0;
            rest = rest.from(2 + length)?;
        }
        Ok(())
    }

    /// What the POSIX file type says.
    pub fn kind(&self) -> Option<NodeKind> {
        Some(match self.mode? & 0o170_000 {
            0o040_000 => NodeKind::Directory,
            0o100_000 => NodeKind::File,
            0o120_000 => NodeKind::Symlink,
            _ => NodeKind::Special,
        })
    }
}

fn append(text: &mut Vec<u8>, piece: &[u8]) {
    let room = TEXT_MAX.saturating_sub(text.len()).min(piece.len());
    text.extend_from_slice(piece.get(..room).unwrap_or_default());
}

/// TF, P1282 4.1.6: its times stand in the order of the flags; modification is the second.
fn time_of_modification(entry: Fields<'_>) -> Result<Option<Time>, OutOfStructure> {
    let flags = entry.u8(4)?;
    if flags & 2 == 0 {
        return Ok(None);
    }
    let width = if flags & 0x80 == 0 { 7 } else { 17 };
    let time = entry.part(5 + usize::from(flags & 1) * width, width)?;
    if width == 7 {
        short_time(time).map(Some)
    } else {
        long_time(time).map(Some)
    }
}

/// ECMA-119 9.1.5.
pub(super) fn short_time(field: Fields<'_>) -> Result<Time, OutOfStructure> {
    let civil = Civil {
        year: 1900 + i64::from(field.u8(0)?),
        month: field.u8(1)?,
        day: field.u8(2)?,
        hour: field.u8(3)?,
        minute: field.u8(4)?,
        second: field.u8(5)?,
    };
    Ok(Time {
        seconds: civil.seconds() - quarter_hours(field.u8(6)?),
        nanoseconds: 0,
    })
}

/// ECMA-119 8.4.26.1.
pub(super) fn long_time(field: Fields<'_>) -> Result<Time, OutOfStructure> {
    let number = |at: usize, width: usize| {
        field.bytes(at, width).map(|digits| {
            digits.iter().fold(0, |number, digit| {
                number * 10 + i64::from(digit.wrapping_sub(b'0') % 10)
            })
        })
    };
    let small = |at: usize| number(at, 2).map(|value| u8::try_from(value).unwrap_or_default());
    let civil = Civil {
        year: number(0, 4)?,
        month: small(4)?,
        day: small(6)?,
        hour: small(8)?,
        minute: small(10)?,
        second: small(12)?,
    };
    let nanoseconds = u32::from(small(14)?) * 10_000_000;
    Ok(Time {
        seconds: civil.seconds() - quarter_hours(field.u8(16)?),
        nanoseconds,
    })
}

fn quarter_hours(offset: u8) -> i64 {
    i64::from(offset.cast_signed()) * 15 * 60
}
