//! Directories of ISO 9660 (ECMA-119 6.8 and clause 9): records, their order, and where they lead.

use super::claims::{Claims, Owner};
use super::iso::is_short_date;
use super::names::{Names, TOP};
use super::{Check, Fault, Place, Shown};
use crate::BLOCK;
use crate::read::{BlockSource, DiscError, View, legal, wide};
use crate::structure::Fields;
use alloc::{collections::BTreeMap, vec::Vec};
use core::cmp::Ordering;

const DIRECTORY: u8 = 2;
const ASSOCIATED: u8 = 4;
const MULTI_EXTENT: u8 = 0x80;
/// ECMA-119 6.8.2.1: levels of directories, the top one being the first.
const LEVELS: u32 = 8;

/// A directory met.
#[derive(Clone)]
pub(super) struct Met {
    pub block: u32,
    pub bytes: u32,
    /// Its number among the names.
    pub entry: u32,
    /// Its parent among the directories.
    pub parent: u32,
    pub level: u32,
    pub identifier: Vec<u8>,
}

/// One hierarchy while it is checked.
pub(super) struct Tree {
    pub view: View,
    pub volume_end: u64,
    pub claims: Claims,
    pub names: Names,
    pub directories: Vec<Met>,
    /// Directories by their first blocks.
    pub by_block: BTreeMap<u32, u32>,
    /// Bytes before the first entry of each system use area (SUSP 5.3), once known.
    pub skip: Option<usize>,
    /// Where directories moved up should be (CL), and the entries that say so.
    pub moved: Vec<(u32, u32)>,
    pub contents: Vec<(u64, u64, u32)>,
    pub files: u64,
    deepest: u32,
}

/// A directory record, ECMA-119 9.1.
pub(super) struct Record<'a> {
    pub fields: Fields<'a>,
    pub block: u32,
    pub bytes: u32,
    pub flags: u8,
    pub identifier: &'a [u8],
    pub system_use: Fields<'a>,
    pub position: u64,
}

/// A file whose sections are not all met yet.
struct Sections {
    identifier: Vec<u8>,
    entry: u32,
    first: u64,
    bytes: u64,
}

/// What is known while the records of a directory are gone through.
struct Progress {
    number: u32,
    count: u64,
    previous: Vec<u8>,
    open: Option<Sections>,
    /// Names as hashes, with their entries.
    names: Vec<(u64, u32)>,
}

impl<'a> Record<'a> {
    /// The record in some bytes, which are of its whole length. Attribute blocks lie before the file.
    pub fn parse(fields: Fields<'a>, position: u64) -> Option<Self> {
        let length = usize::from(fields.u8(32).ok()?);
        let identifier = fields.bytes(33, length).ok()?;
        let padded = 33 + length + usize::from(length.is_multiple_of(2));
        Some(Self {
            fields,
            block: fields
                .both32(2)
                .ok()?
                .saturating_add(u32::from(fields.u8(1).ok()?)),
            bytes: fields.both32(10).ok()?,
            flags: fields.u8(25).ok()?,
            identifier,
            system_use: fields.from(padded).unwrap_or(Fields(&[])),
            position,
        })
    }

    fn start(&self) -> u64 {
        u64::from(self.block) * BLOCK as u64
    }
}

impl Tree {
    pub fn new(view: View, root: Fields<'_>, volume_end: u64, claims: Claims) -> Self {
        let mut names = Names::default();
        names.add(TOP, b"");
        let record = Record::parse(root, 0);
        let block = record.as_ref().map_or(0, |record| record.block);
        Self {
            view,
            volume_end,
            claims,
            names,
            directories: alloc::vec![Met {
                block,
                bytes: record.as_ref().map_or(0, |record| record.bytes),
                entry: TOP,
                parent: 0,
                level: 1,
                identifier: alloc::vec![0],
            }],
            by_block: BTreeMap::from([(block, 0)]),
            skip: None,
            moved: Vec::new(),
            contents: Vec::new(),
            files: 0,
            deepest: 1,
        }
    }

    pub fn shown(self) -> Shown {
        Shown {
            view: self.view,
            files: self.files,
            directories: self.directories.len() as u64,
            names: self.names,
            contents: self.contents,
        }
    }

    /// An identifier as a name, without its version.
    fn name(&self, identifier: &[u8]) -> Vec<u8> {
        let name = if self.view == View::Joliet {
            wide(identifier)
        } else {
            identifier.to_vec()
        };
        let end = name.iter().rposition(|&byte| byte == b';').unwrap_or(name.len());
        legal(name.get(..end).unwrap_or_default().to_vec())
    }
}

impl<S: BlockSource> Check<'_, S> {
    /// Checks all directories of a hierarchy, level by level.
    pub(super) fn iso_tree(&mut self, tree: &mut Tree, descriptor: Place<'_>) -> Result<(), DiscError> {
        let mut at = 0;
        while let Some(met) = tree.directories.get(at).cloned() {
            if tree.names.len() >= self.most_entries() {
                self.find(Fault::TooManyEntries, descriptor, "");
                break;
            }
            self.iso_directory(tree, u32::try_from(at).unwrap_or(u32::MAX), &met)?;
            at += 1;
        }
        let deepest = tree.deepest;
        let plain = deepest <= LEVELS || tree.view == View::RockRidge;
        self.demand(
            plain,
            Fault::TooDeep,
            descriptor,
            format_args!("{deepest} levels"),
        );
        for (block, entry) in core::mem::take(&mut tree.moved) {
            let path = || tree.names.path(entry);
            if tree.by_block.contains_key(&block) {
                continue;
            }
            let head = self.blocks.structure(u64::from(block) * BLOCK as u64, 34);
            let record = head.as_ref().ok().and_then(|head| Record::parse(Fields(head), 0));
            let directory = record.is_some_and(|record| record.block == block && record.identifier == [0]);
            let fault = if directory {
                Fault::RelocationEarlier
            } else {
                Fault::Relocation
            };
            self.find(fault, Place::block(u64::from(block)).of(&path), "");
        }
        Ok(())
    }

    fn iso_directory(&mut self, tree: &mut Tree, number: u32, met: &Met) -> Result<(), DiscError> {
        let start = u64::from(met.block) * BLOCK as u64;
        tree.deepest = tree.deepest.max(met.level);
        let entry = met.entry;
        let whole = met.bytes.is_multiple_of(2048) && met.bytes > 0;
        {
            let path = || tree.names.path(entry);
            let place = Place::block(u64::from(met.block)).of(&path);
            self.demand(
                whole,
                Fault::DirectoryNotWhole,
                place,
                format_args!("{} bytes", met.bytes),
            );
            if start.saturating_add(u64::from(met.bytes)) > self.blocks.end() {
                self.find(Fault::PastEnd, place, "");
                return Ok(());
            }
        }
        tree.claims
            .add(start, u64::from(met.bytes), BLOCK as u64, Owner::Directory(entry));
        let mut progress = Progress {
            number,
            count: 0,
            previous: Vec::new(),
            open: None,
            names: Vec::new(),
        };
        for at in 0..u64::from(met.bytes).div_ceil(BLOCK as u64) {
            self.advance(1)?;
            let position = start + at * BLOCK as u64;
            let bytes = {
                let path = || tree.names.path(entry);
                self.bytes(position, BLOCK, Place::position(position).of(&path))
            };
            if let Some(bytes) = bytes {
                self.records(tree, met, &mut progress, position, &bytes);
            }
            if tree.names.len() >= self.most_entries() {
                break;
            }
        }
        let path = || tree.names.path(entry);
        let place = Place::block(u64::from(met.block)).of(&path);
        self.demand(progress.open.is_none(), Fault::SectionsOpen, place, "");
        self.demand(progress.count >= 2, Fault::NoOwnRecords, place, "");
        self.same_names(
            &mut progress.names,
            &tree.names,
            Place::block(u64::from(met.block)),
        );
        Ok(())
    }

    /// Finds names that come twice among those of one directory, given as hashes with entries.
    pub(super) fn same_names(&mut self, hashes: &mut [(u64, u32)], names: &Names, place: Place<'_>) {
        hashes.sort_unstable();
        for pair in hashes.windows(2) {
            if let [(before, _), (hash, entry)] = *pair
                && before == hash
            {
                let path = || names.path(entry);
                self.find(Fault::SameName, place.of(&path), "");
            }
        }
    }

    /// One block of records.
    fn records(&mut self, tree: &mut Tree, met: &Met, progress: &mut Progress, position: u64, bytes: &[u8]) {
        let mut at = 0;
        while let Some(&length) = bytes.get(at) {
            let here = position + at as u64;
            let entry = met.entry;
            if length == 0 {
                let hidden = bytes.iter().skip(at).any(|&byte| byte != 0);
                let path = || tree.names.path(entry);
                self.demand(!hidden, Fault::RecordsHidden, Place::position(here).of(&path), "");
                return;
            }
            let length = usize::from(length);
            let parsed = Fields(bytes).part(at, length).ok();
            let Some(record) = parsed.and_then(|fields| Record::parse(fields, here)) else {
                let path = || tree.names.path(entry);
                let detail = format_args!("byte {at} of the block, {length} bytes");
                self.find(Fault::RecordLength, Place::position(here).of(&path), detail);
                if parsed.is_none() || length < 34 {
                    return;
                }
                at += length;
                continue;
            };
            progress.count += 1;
            match progress.count {
                1 => self.own_record(tree, met, &record),
                2 => self.parent_record(tree, met, &record),
                _ => self.record(tree, met, progress, &record),
            }
            at += length;
        }
    }

    fn record_fields(&mut self, record: &Record<'_>, place: Place<'_>) {
        self.both32(record.fields, 2, "location of extent", place);
        self.both32(record.fields, 10, "data length", place);
        self.both16(record.fields, 28, "volume number", place);
        let date = record.fields.bytes(18, 7).unwrap_or_default();
        self.demand(is_short_date(date), Fault::BadDate, place, "");
        let whole = record.fields.bytes(26, 2) == Ok(&[0, 0]);
        self.demand(whole, Fault::Interleaved, place, "");
    }

    /// ECMA-119 6.8.2.2: the first record is of the directory itself.
    fn own_record(&mut self, tree: &mut Tree, met: &Met, record: &Record<'_>) {
        let path = || tree.names.path(met.entry);
        let place = Place::position(record.position).of(&path);
        self.record_fields(record, place);
        if record.identifier != [0] {
            return self.find(Fault::NoOwnRecords, place, "");
        }
        let same = (record.block, record.bytes) == (met.block, met.bytes);
        let fault = if met.entry == TOP {
            Fault::RootsDiffer
        } else {
            Fault::OwnRecordDiffers
        };
        let detail = format_args!(
            "block {} of {} bytes, not {} of {}",
            record.block, record.bytes, met.block, met.bytes
        );
        self.demand(same, fault, place, detail);
        if met.entry == TOP && tree.view == View::RockRidge {
            tree.skip = super::system_use::skip(record.system_use);
        }
        self.system_use(tree, record, met.entry);
    }

    fn parent_record(&mut self, tree: &mut Tree, met: &Met, record: &Record<'_>) {
        let entry = met.entry;
        let path = || tree.names.path(entry);
        let place = Place::position(record.position).of(&path);
        self.record_fields(record, place);
        if record.identifier != [1] {
            return self.find(Fault::NoOwnRecords, place, "");
        }
        let parent = tree.directories.get(met.parent as usize);
        let (block, bytes) = parent.map_or((0, 0), |parent| (parent.block, parent.bytes));
        let detail = format_args!(
            "block {} of {} bytes, not {block} of {bytes}",
            record.block, record.bytes
        );
        let itself = (record.block, record.bytes) == (met.block, met.bytes);
        let fault = if itself {
            Fault::ParentIsItself
        } else {
            Fault::ParentDiffers
        };
        self.demand(
            (record.block, record.bytes) == (block, bytes),
            fault,
            place,
            detail,
        );
        self.system_use(tree, record, met.entry);
    }

    /// Any other record.
    fn record(&mut self, tree: &mut Tree, met: &Met, progress: &mut Progress, record: &Record<'_>) {
        let name = tree.name(record.identifier);
        let goes_on = progress
            .open
            .as_ref()
            .is_some_and(|open| open.identifier == record.identifier);
        let entry = if goes_on {
            progress.open.as_ref().map_or(TOP, |open| open.entry)
        } else {
            let parent = met.entry;
            let entry = tree.names.add(parent, &name);
            let path = || tree.names.path(entry);
            let place = Place::position(record.position).of(&path);
            self.demand(progress.open.take().is_none(), Fault::SectionsOpen, place, "");
            let sorted = order(&progress.previous, record.identifier, tree.view) != Ordering::Greater;
            self.demand(
                sorted || progress.previous.is_empty(),
                Fault::RecordOrder,
                place,
                "",
            );
            entry
        };
        progress.previous = record.identifier.to_vec();
        {
            let path = || tree.names.path(entry);
            self.record_fields(record, Place::position(record.position).of(&path));
        }
        let found = self.system_use(tree, record, entry);
        if let Some(name) = found.name.as_ref().filter(|_| !goes_on) {
            tree.names.rename_last(&legal(name.clone()));
        }
        let identity = found.name.as_ref().map_or(record.identifier, |name| name);
        if !goes_on && record.flags & ASSOCIATED == 0 {
            progress.names.push((hash(identity), entry));
        }
        if let Some(child) = found.child {
            tree.moved.push((child, entry));
            return;
        }
        let end = u64::from(record.block) + u64::from(record.bytes).div_ceil(BLOCK as u64);
        let last = end.saturating_sub(1);
        let path = || tree.names.path(entry);
        let place = Place::position(record.position).of(&path);
        if record.bytes > 0 && end > self.blocks.count() {
            return self.find(
                Fault::PastEnd,
                place,
                format_args!("blocks {} to {}", record.block, last),
            );
        }
        let inside = record.bytes == 0 || end <= tree.volume_end;
        self.demand(
            inside,
            Fault::PastVolume,
            place,
            format_args!("blocks {} to {}", record.block, last),
        );
        if record.flags & DIRECTORY != 0 {
            if tree.by_block.contains_key(&record.block) {
                return self.find(
                    Fault::DirectoryMetTwice,
                    place,
                    format_args!("block {}", record.block),
                );
            }
            let number = u32::try_from(tree.directories.len()).unwrap_or(u32::MAX);
            tree.by_block.insert(record.block, number);
            tree.directories.push(Met {
                block: record.block,
                bytes: record.bytes,
                entry,
                parent: progress.number,
                level: met.level + 1,
                identifier: record.identifier.to_vec(),
            });
            return;
        }
        self.section(tree, progress, record, entry);
    }

    /// A section of a file, ECMA-119 6.5.1: all but the last are marked, and of whole blocks.
    fn section(&mut self, tree: &mut Tree, progress: &mut Progress, record: &Record<'_>, entry: u32) {
        let more = record.flags & MULTI_EXTENT != 0;
        let path = || tree.names.path(entry);
        let whole = !more || record.bytes.is_multiple_of(2048);
        self.demand(
            whole,
            Fault::SectionNotWhole,
            Place::position(record.position).of(&path),
            "",
        );
        tree.claims.add(
            record.start(),
            u64::from(record.bytes),
            BLOCK as u64,
            Owner::File(entry),
        );
        let mut file = progress.open.take().unwrap_or(Sections {
            identifier: record.identifier.to_vec(),
            entry,
            first: record.start(),
            bytes: 0,
        });
        file.bytes += u64::from(record.bytes);
        if more {
            progress.open = Some(file);
        } else if record.flags & ASSOCIATED == 0 {
            tree.files += 1;
            if file.bytes > 0 {
                tree.contents.push((file.first, file.bytes, file.entry));
            }
        }
    }
}

/// FNV-1a, to tell names apart; two that collide would be a finding that is wrong, once in 2^64 pairs.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// ECMA-119 9.3: by name, then extension, each as if filled up with spaces; Joliet likewise by its 16-bit units.
pub(super) fn order(one: &[u8], other: &[u8], view: View) -> Ordering {
    let units = |identifier: &[u8]| -> Vec<u16> {
        if view == View::Joliet {
            let (pairs, _) = identifier.as_chunks::<2>();
            pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect()
        } else {
            identifier.iter().map(|&byte| u16::from(byte)).collect()
        }
    };
    let (one, other) = (units(one), units(other));
    let parts = |units: &[u16]| {
        let end = units
            .iter()
            .rposition(|&unit| unit == u16::from(b';'))
            .unwrap_or(units.len());
        let dot = units
            .iter()
            .position(|&unit| unit == u16::from(b'.'))
            .unwrap_or(end)
            .min(end);
        let name = units.get(..dot).unwrap_or_default().to_vec();
        let extension = units.get((dot + 1).min(end)..end).unwrap_or_default().to_vec();
        (name, extension)
    };
    let padded = |one: &[u16], other: &[u16]| {
        let at = |units: &[u16], at: usize| units.get(at).copied().unwrap_or(u16::from(b' '));
        let orders = (0..one.len().max(other.len())).map(|place| at(one, place).cmp(&at(other, place)));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    let ((name, extension), (other_name, other_extension)) = (parts(&one), parts(&other));
    padded(&name, &other_name).then_with(|| padded(&extension, &other_extension))
}
