//! System use areas (SUSP, IEEE P1281) and Rock Ridge (RRIP, IEEE P1282).

use super::iso_directory::{Record, Tree};
use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::{BlockSource, View};
use crate::structure::Fields;
use alloc::vec::Vec;

/// Continuation areas of one record, as followed by the reader.
const CONTINUATIONS_MAX: u32 = 32;
/// File type bits of a POSIX mode, and that of a directory.
const TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;

/// What a system use area says that other checks need.
#[derive(Default)]
pub(super) struct Found {
    pub name: Option<Vec<u8>>,
    /// CL: where a directory that was moved up lies.
    pub child: Option<u32>,
    mode: Option<u32>,
}

/// SUSP 5.3: the SP entry in the first record of the top directory says how many bytes to pass over in the others. Some
/// writers put 14 or 15 bytes of CD-ROM XA before it.
pub(super) fn skip(area: Fields<'_>) -> Option<usize> {
    [0, 14, 15].into_iter().find_map(|at| {
        let sound = area.bytes(at, 3) == Ok(b"SP\x07") && area.bytes(at + 4, 2) == Ok(&[0xBE, 0xEF]);
        sound.then(|| area.u8(at + 6).map(usize::from).unwrap_or(0))
    })
}

impl<S: BlockSource> Check<'_, S> {
    /// Checks the system use area of a record with its continuations.
    pub(super) fn system_use(&mut self, tree: &Tree, record: &Record<'_>, entry: u32) -> Found {
        let mut found = Found::default();
        let (View::RockRidge, Some(skip)) = (tree.view, tree.skip) else {
            return found;
        };
        let path = || tree.names.path(entry);
        let place = Place::position(record.position).of(&path);
        let is_own = matches!(record.identifier, [0 | 1]);
        let is_top_own = is_own && entry == super::names::TOP && record.identifier == [0];
        // The SP entry itself stands before what it skips.
        let area = record
            .system_use
            .from(if is_top_own { 0 } else { skip })
            .unwrap_or(Fields(&[]));
        let mut next = self.system_entries(area, &mut found, place);
        let mut followed = 0;
        while let Some((block, offset, length)) = next {
            followed += 1;
            let inside =
                u64::from(offset) + u64::from(length) <= BLOCK as u64 && followed <= CONTINUATIONS_MAX;
            let detail = format_args!("{length} bytes at {offset} of block {block}");
            self.demand(inside, Fault::Continuation, place, detail);
            let bytes = self.bytes(u64::from(block) * BLOCK as u64, BLOCK, place);
            let (Some(bytes), true) = (bytes, inside) else {
                break;
            };
            let area = Fields(&bytes).part(offset as usize, length as usize);
            next = self.system_entries(area.unwrap_or(Fields(&[])), &mut found, place);
        }
        if is_own {
            return found;
        }
        let flagged = record.flags & 2 != 0;
        match found.mode {
            Some(mode) if found.child.is_none() => {
                let same = (mode & TYPE == DIRECTORY) == flagged;
                self.demand(same, Fault::RockRidgeType, place, format_args!("mode {mode:o}"));
            }
            Some(_) => {}
            None => self.find(Fault::NoRockRidge, place, ""),
        }
        found
    }

    /// The entries of one area; returns where they continue.
    fn system_entries(
        &mut self,
        area: Fields<'_>,
        found: &mut Found,
        place: Place<'_>,
    ) -> Option<(u32, u32, u32)> {
        let mut continued = None;
        let mut rest = area;
        // SUSP 4: up to three bytes may remain.
        while rest.len() >= 4 {
            let length = usize::from(rest.u8(2).ok()?);
            let signature = rest.bytes(0, 2).ok()?;
            // Padding instead of entries is common and harmless.
            if signature == [0, 0] {
                break;
            }
            let Some(entry) = rest.part(0, length).ok().filter(|_| length >= 4) else {
                let detail = format_args!("{} of {length} bytes", signature.escape_ascii());
                self.find(Fault::SystemUseLength, place, detail);
                break;
            };
            if signature == b"ST" {
                break;
            }
            let both: &[usize] = match signature {
                b"CE" => &[4, 12, 20],
                b"PX" => &[4, 12, 20, 28],
                b"CL" | b"PL" => &[4],
                _ => &[],
            };
            for &at in both {
                let fits = entry.len() >= at + 8;
                self.demand(
                    fits,
                    Fault::SystemUseLength,
                    place,
                    format_args!("{}", signature.escape_ascii()),
                );
                self.both32(entry, at, "a field of a system use entry", place);
            }
            match signature {
                b"CE" => {
                    continued = Some((
                        entry.both32(4).ok()?,
                        entry.both32(12).ok()?,
                        entry.both32(20).ok()?,
                    ))
                }
                b"PX" => found.mode = entry.both32(4).ok(),
                b"CL" => found.child = entry.both32(4).ok(),
                b"NM" if entry.u8(4).is_ok_and(|flags| flags & 6 == 0) => {
                    let piece = entry.from(5).map_or(&[][..], |piece| piece.0);
                    found.name.get_or_insert_default().extend_from_slice(piece);
                }
                _ => {}
            }
            rest = rest.from(length).ok()?;
        }
        continued
    }
}
