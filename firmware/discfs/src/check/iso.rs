//! Volume descriptors of ISO 9660 and Joliet (ECMA-119 clause 8).

use super::claims::{Claims, Owner};
use super::iso_directory::Tree;
use super::{Check, CheckStage, Fault, Place, Shown};
use crate::BLOCK;
use crate::read::{BlockSource, DiscError, Hierarchy, Iso, View, is_joliet};
use crate::structure::Fields;
use alloc::vec::Vec;

/// Volume descriptors looked at, as by the reader.
const DESCRIPTORS_MAX: u64 = 64;

/// A volume descriptor and where it stands.
pub(super) struct Descriptor {
    pub block: u64,
    pub bytes: Vec<u8>,
    pub joliet: bool,
}

impl<S: BlockSource> Check<'_, S> {
    /// Checks everything of ISO 9660; returns the views.
    pub(super) fn iso(&mut self) -> Result<Vec<Shown>, DiscError> {
        self.report.stage(CheckStage::Iso9660);
        let mut shown = Vec::new();
        for descriptor in self.iso_descriptors() {
            let view = if descriptor.joliet {
                View::Joliet
            } else {
                let session = self.options.session_start;
                match Iso::open(&mut self.blocks, session, Hierarchy::RockRidge) {
                    Ok(Some(iso)) if iso.rock_ridge => View::RockRidge,
                    _ => View::Iso9660,
                }
            };
            self.report.view = Some(view);
            shown.extend(self.iso_volume(&descriptor, view)?);
        }
        self.report.view = None;
        Ok(shown)
    }

    /// The primary volume descriptor and that of Joliet. None when the disc has no ISO 9660.
    fn iso_descriptors(&mut self) -> Vec<Descriptor> {
        self.report.view = Some(View::Iso9660);
        let mut found: Vec<Descriptor> = Vec::new();
        let (mut begun, mut ended) = (false, false);
        let first = self.options.session_start.saturating_add(16);
        for block in first..first.saturating_add(DESCRIPTORS_MAX).min(self.blocks.count()) {
            let place = Place::block(block);
            let Some(bytes) = self.bytes(block * BLOCK as u64, BLOCK, place) else {
                continue;
            };
            let fields = Fields(&bytes);
            if fields.bytes(1, 5) != Ok(b"CD001") {
                break;
            }
            begun = true;
            let kind = fields.u8(0).unwrap_or(0);
            let version = fields.u8(6).unwrap_or(0);
            let joliet = is_joliet(fields);
            // Version 2 of a supplementary descriptor is the enhanced one of ISO 9660:1999.
            let known = matches!((kind, version), (0..=3 | 255, 1) | (2, 2));
            self.demand(
                known,
                Fault::UnknownDescriptor,
                place,
                format_args!("type {kind}, version {version}"),
            );
            if kind == 255 {
                ended = true;
                break;
            }
            let first_of_kind = found.iter().all(|descriptor| descriptor.joliet != joliet);
            if first_of_kind && (kind == 1 || joliet) {
                found.push(Descriptor { block, bytes, joliet });
            }
        }
        if !begun {
            return found;
        }
        self.demand(ended, Fault::NoTerminator, Place::block(first), "");
        let primary = found.iter().any(|descriptor| !descriptor.joliet);
        self.demand(primary, Fault::NoPrimary, Place::block(first), "");
        found
    }

    fn iso_volume(&mut self, descriptor: &Descriptor, view: View) -> Result<Option<Shown>, DiscError> {
        let place = Place::block(descriptor.block);
        let fields = Fields(&descriptor.bytes);
        for (at, what) in [(80, "volume space size"), (132, "path table size")] {
            self.both32(fields, at, what, place);
        }
        for (at, what) in [
            (120, "volume set size"),
            (124, "volume number"),
            (128, "logical block size"),
        ] {
            self.both16(fields, at, what, place);
        }
        let block_size = fields.both16(128).unwrap_or(0);
        self.demand(
            block_size == 2048,
            Fault::BadField,
            place,
            format_args!("logical block size {block_size}"),
        );
        let structure = fields.u8(881).unwrap_or(0);
        self.demand(
            matches!(structure, 1 | 2),
            Fault::BadField,
            place,
            format_args!("file structure version {structure}"),
        );
        for at in [813, 830, 847, 864] {
            let date = fields.bytes(at, 17).unwrap_or_default();
            self.demand(
                is_long_date(date),
                Fault::BadDate,
                place,
                format_args!("byte {at} of the descriptor"),
            );
        }
        let size = u64::from(fields.both32(80).unwrap_or(0));
        let session = self.options.session_start;
        self.demand(
            size <= self.blocks.count(),
            Fault::VolumeTooLarge,
            place,
            format_args!("{size} blocks, the disc has {}", self.blocks.count()),
        );
        // Some writers count from the start of the session, others from that of the disc; and at the start of an overwritable
        // disc the newest session may be described, which lies somewhere.
        let root_block = u64::from(fields.both32(158).unwrap_or(0));
        let volume_end = match size.saturating_add(session) {
            end if root_block < end => end,
            _ => self.blocks.count(),
        };
        let mut claims = Claims::new(self.blocks.end(), BLOCK as u64);
        for at in 0..=descriptor.block - session {
            claims.add(
                (session + at) * BLOCK as u64,
                BLOCK as u64,
                BLOCK as u64,
                Owner::Structure("the volume descriptors"),
            );
        }
        let Some(root) = fields.part(156, 34).ok() else {
            return Ok(None);
        };
        let mut tree = Tree::new(view, root, volume_end, claims);
        self.iso_tree(&mut tree, place)?;
        self.path_tables(&mut tree, fields, place);
        self.overlaps(&mut tree.claims, &tree.names);
        Ok(Some(tree.shown()))
    }

    /// ECMA-119 7.3.3: little-endian, then big-endian.
    pub(super) fn both32(&mut self, fields: Fields<'_>, at: usize, what: &str, place: Place<'_>) {
        let (Ok(little), Ok(big)) = (fields.bytes(at, 4), fields.bytes(at + 4, 4)) else {
            return;
        };
        self.demand(
            little.iter().eq(big.iter().rev()),
            Fault::EndiansDiffer,
            place,
            what,
        );
    }

    /// ECMA-119 7.2.3.
    pub(super) fn both16(&mut self, fields: Fields<'_>, at: usize, what: &str, place: Place<'_>) {
        let (Ok(little), Ok(big)) = (fields.bytes(at, 2), fields.bytes(at + 2, 2)) else {
            return;
        };
        self.demand(
            little.iter().eq(big.iter().rev()),
            Fault::EndiansDiffer,
            place,
            what,
        );
    }
}

/// ECMA-119 8.4.26.1: sixteen digits, all of them 0 (or, by some writers, zero bytes) for no date.
fn is_long_date(date: &[u8]) -> bool {
    let digits = date.get(..16).unwrap_or_default();
    if digits
        .iter()
        .all(|&byte| byte == 0 || byte == b'0' || byte == b' ')
    {
        return true;
    }
    let number = |range: core::ops::Range<usize>| {
        let digits = digits.get(range).unwrap_or_default();
        let value = digits.iter().try_fold(0_u32, |value, digit| {
            digit
                .is_ascii_digit()
                .then(|| value * 10 + u32::from(digit - b'0'))
        });
        value.unwrap_or(u32::MAX)
    };
    number(0..4) <= 9999
        && (1..=12).contains(&number(4..6))
        && (1..=31).contains(&number(6..8))
        && number(8..10) < 24
        && number(10..12) < 60
        && number(12..14) < 60
        && number(14..16) < 100
}

/// ECMA-119 9.1.5: seven bytes; zeros for no date.
pub(super) fn is_short_date(date: &[u8]) -> bool {
    match *date {
        [0, 0, 0, 0, 0, 0, _] => true,
        [_, month, day, hour, minute, second, _] => {
            (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60
        }
        _ => false,
    }
}
