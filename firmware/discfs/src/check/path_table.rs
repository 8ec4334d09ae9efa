//! Path tables (ECMA-119 6.9 and 9.4): every directory once, under its parent, in both byte orders.

use super::claims::Owner;
use super::iso_directory::{Tree, order};
use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::BlockSource;
use crate::structure::Fields;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Directories that can be numbered as parents: 16 bits.
const NUMBERED: usize = 65_535;

/// Bytes of a path table looked at: some 500,000 directories.
const TABLE_MAX: u32 = 1 << 24;

/// A record of a path table.
#[derive(Clone, PartialEq, Eq)]
struct PathRecord {
    block: u32,
    parent: u16,
    identifier: Vec<u8>,
}

/// The records of a path table; `None` when they do not fit its size.
fn parse(bytes: &[u8], big_endian: bool) -> Option<Vec<PathRecord>> {
    let mut records = Vec::new();
    let mut rest = Fields(bytes);
    while rest.len() > 0 {
        let length = usize::from(rest.u8(0).ok()?);
        let (block, parent) = (rest.bytes(2, 4).ok()?, rest.bytes(6, 2).ok()?);
        let (block, parent) = (block.first_chunk::<4>()?, parent.first_chunk::<2>()?);
        let (block, parent) = if big_endian {
            (u32::from_be_bytes(*block), u16::from_be_bytes(*parent))
        } else {
            (u32::from_le_bytes(*block), u16::from_le_bytes(*parent))
        };
        if length == 0 {
            return None;
        }
        records.push(PathRecord {
            block: block.saturating_add(u32::from(rest.u8(1).ok()?)),
            parent,
            identifier: rest.bytes(8, length).ok()?.to_vec(),
        });
        // The last record may do without its padding.
        let padded = 8 + length + length % 2;
        rest = rest.from(padded.min(rest.len())).ok()?;
    }
    Some(records)
}

impl<S: BlockSource> Check<'_, S> {
    pub(super) fn path_tables(&mut self, tree: &mut Tree, descriptor: Fields<'_>, place: Place<'_>) {
        let size = descriptor.both32(132).unwrap_or(0);
        let little = |at: usize| descriptor.le32(at).unwrap_or(0);
        let main = self.path_table(tree, little(140), size, false, place);
        if let Some((block, records)) = &main {
            self.directories_of(tree, *block, records);
        }
        // ECMA-119 8.4.14 to 8.4.17: a second table in each byte order is optional.
        let others = [
            (little(144), false, true),
            (little(148).swap_bytes(), true, false),
            (little(152).swap_bytes(), true, true),
        ];
        for (block, big_endian, optional) in others {
            if optional && block == 0 {
                continue;
            }
            let other = self.path_table(tree, block, size, big_endian, place);
            if let (Some((_, records)), Some((block, other))) = (&main, other) {
                let pairs = records.iter().zip(&other);
                let first = pairs.clone().position(|(one, other)| one != other);
                let same = records.len() == other.len() && first.is_none();
                let detail = format_args!("record {}", first.unwrap_or(records.len()) + 1);
                self.demand(same, Fault::PathTablesDiffer, Place::block(block), detail);
            }
        }
    }

    fn path_table(
        &mut self,
        tree: &mut Tree,
        block: u32,
        size: u32,
        big_endian: bool,
        descriptor: Place<'_>,
    ) -> Option<(u64, Vec<PathRecord>)> {
        let start = u64::from(block) * BLOCK as u64;
        if size > TABLE_MAX {
            self.find(
                Fault::TooManyEntries,
                descriptor,
                format_args!("path tables of {size} bytes"),
            );
            return None;
        }
        if start.saturating_add(u64::from(size)) > self.blocks.end() || size == 0 || block == 0 {
            let detail = format_args!("{size} bytes from block {block}");
            self.find(Fault::PathTableDamaged, descriptor, detail);
            return None;
        }
        tree.claims.add(
            start,
            u64::from(size),
            BLOCK as u64,
            Owner::Structure("a path table"),
        );
        let place = Place::block(u64::from(block));
        let bytes = self.bytes(start, usize::try_from(size).ok()?, place)?;
        let records = parse(&bytes, big_endian);
        self.demand(records.is_some(), Fault::PathTableDamaged, place, "");
        Some((u64::from(block), records?))
    }

    /// Compares a table with the directories that were met.
    fn directories_of(&mut self, tree: &Tree, block: u64, records: &[PathRecord]) {
        let place = Place::block(block);
        let mut listed = alloc::vec![false; tree.directories.len()];
        let mut before: Option<&PathRecord> = None;
        let mut sorted = true;
        for (at, record) in records.iter().enumerate() {
            let met = tree.by_block.get(&record.block).copied();
            let met = met.and_then(|number| Some((number, tree.directories.get(number as usize)?)));
            let Some((number, met)) = met else {
                let detail = format_args!("record {}, block {}", at + 1, record.block);
                self.find(Fault::PathTableWrong, place, detail);
                continue;
            };
            if let Some(listed) = listed.get_mut(number as usize) {
                *listed = true;
            }
            let path = || tree.names.path(met.entry);
            let place = place.of(&path);
            let same = record.identifier == met.identifier;
            self.demand(
                same,
                Fault::PathTableWrong,
                place,
                format_args!("record {}", at + 1),
            );
            let parent = tree
                .directories
                .get(met.parent as usize)
                .map(|parent| parent.block);
            let said = records
                .get(usize::from(record.parent).wrapping_sub(1))
                .map(|parent| parent.block);
            let past = records.len() > NUMBERED && usize::from(record.parent) == NUMBERED;
            let detail = format_args!("record {} says record {}", at + 1, record.parent);
            self.demand(past || said == parent, Fault::PathTableParent, place, detail);
            // ECMA-119 6.9.1: by level, parent, identifier; parents stand in order of level already.
            if let Some(before) = before {
                let identifiers = order(&before.identifier, &record.identifier, tree.view);
                sorted &= before.parent.cmp(&record.parent).then(identifiers) != Ordering::Greater || at == 1;
            }
            before = Some(record);
        }
        self.demand(sorted, Fault::PathTableOrder, place, "");
        for (number, met) in tree.directories.iter().enumerate() {
            let path = || tree.names.path(met.entry);
            let there = listed.get(number).copied().unwrap_or(false);
            self.demand(there, Fault::PathTableLacks, place.of(&path), "");
        }
    }
}
