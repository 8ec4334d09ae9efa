//! ISO 9660 (ECMA-119) and Joliet: volume descriptors, path tables, directory records.

use super::layout::{Directory, Hierarchy, Image, Part, RecordMark, What, length, number_of};
use super::names::{Form, IsoName, UnicodeName, d_characters, joliet_text};
use super::own::own_time;
use super::rock_ridge;
use crate::structure::{Cursor, Window};
use crate::time::{Civil, Time};
use alloc::string::String;

/// A directory record is at most this long: its length is one byte, and even (ECMA-119 9.1).
pub(super) const RECORD_MAX: usize = 254;
const DIRECTORY_FLAG: u8 = 2;
/// ECMA-119 9.1.6: more sections of the file follow.
const MULTI_EXTENT_FLAG: u8 = 0x80;

/// Times of seven bytes: 1900-01-01 to the end of 2155.
pub(super) const SHORT_TIMES: core::ops::RangeInclusive<i64> = -2_208_988_800..=5_869_583_999;

/// ECMA-119 9.1.5: seven bytes, UTC. Times out of range become the nearest one.
pub(super) fn short_time(out: &mut Cursor<'_>, seconds: i64) {
    let civil = Civil::from_seconds(seconds.clamp(*SHORT_TIMES.start(), *SHORT_TIMES.end()));
    out.u8(u8::try_from(civil.year - 1900).unwrap_or_default());
    out.bytes(&[civil.month, civil.day, civil.hour, civil.minute, civil.second, 0]);
}

/// ECMA-119 8.4.26.1: sixteen digits, years 1 to 9999, to the hundredth of a second, and an offset from UTC.
pub(super) fn long_time(out: &mut Cursor<'_>, time: Option<Time>) {
    let Some(time) = time else {
        out.fill(b'0', 16);
        out.u8(0);
        return;
    };
    let civil = Civil::from_seconds(time.seconds.clamp(-62_135_596_800, 253_402_300_799));
    let mut digits = |value: i64, width: u32| {
        for place in (0..width).rev() {
            out.u8(b'0' + u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or_default());
        }
    };
    digits(civil.year, 4);
    for value in [civil.month, civil.day, civil.hour, civil.minute, civil.second] {
        digits(i64::from(value), 2);
    }
    digits(i64::from(time.nanoseconds / 10_000_000), 2);
    out.u8(0); // offset from UTC
}

/// Text filled up with spaces: of d-characters, or UCS-2 in Joliet.
fn text(out: &mut Cursor<'_>, joliet: bool, text: &str, width: usize) {
    let mut left = width;
    if joliet {
        for unit in joliet_text(text).take(width / 2) {
            out.be16(unit);
            left -= 2;
        }
        (0..left / 2).for_each(|_| out.be16(u16::from(b' ')));
        return out.zeros(left % 2);
    }
    for character in d_characters(text).take(width) {
        out.u8(character);
        left -= 1;
    }
    out.fill(b' ', left);
}

/// The identifier of an entry in a hierarchy, that of a file with its version.
struct Identifier {
    bytes: [u8; IDENTIFIER_MAX],
    length: usize,
}

impl Identifier {
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Image {
    /// Primary volume descriptor, ECMA-119 8.4, or the supplementary one of Joliet, 8.5.
    pub(super) fn write_volume(&self, hierarchy: &Hierarchy, block: &mut [u8]) {
        let joliet = hierarchy.joliet;
        let table = |big_endian| self.absolute(Part::PathTable(usize::from(joliet), big_endian));
        let out = &mut Cursor::new(block);
        out.u8(if joliet { 2 } else { 1 });
        out.bytes(b"CD001");
        out.bytes(&[1, 0]);
        text(out, joliet, "", 32); // system
        text(out, joliet, &self.options.label, 32);
        out.zeros(8);
        out.both32(self.options.start_block + self.blocks);
        out.padded(if joliet { b"%/E" } else { b"" }, 32, 0); // UCS-2 level 3
        out.both16(1); // volumes in the set
        out.both16(1); // number of this volume
        out.both16(2048);
        out.both32(hierarchy.path_table_bytes);
        out.le32(table(false));
        out.le32(0);
        out.be32(table(true));
        out.be32(0);
        self.write_record_head(out, hierarchy, 0, 0, &[0], 34);
        let set = self.options.identity.map(u128::from_be_bytes);
        let set = set.map_or(String::new(), |identity| alloc::format!("{identity:032X}"));
        text(out, joliet, &set, 128);
        text(out, joliet, &self.options.publisher, 128);
        text(out, joliet, "", 128); // data preparer
        text(out, joliet, &self.options.application, 128);
        (0..3).for_each(|_| text(out, joliet, "", 37)); // copyright, abstract, bibliographic files
        let time = own_time(self.options.time);
        long_time(out, Some(time)); // creation
        long_time(out, Some(time)); // modification
        long_time(out, None); // expiration
        long_time(out, None); // effective
        out.u8(1); // file structure version
    }

    /// Volume descriptor set terminator, ECMA-119 8.3.
    pub(super) fn write_iso_terminator(block: &mut [u8]) {
        let out = &mut Cursor::new(block);
        out.u8(255);
        out.bytes(b"CD001");
        out.u8(1);
    }

    /// The part of a directory record before the system use field, ECMA-119 9.1.
    fn write_record_head(
        &self,
        out: &mut Cursor<'_>,
        hierarchy: &Hierarchy,
        entry: u32,
        section: u32,
        identifier: &[u8],
        record_length: u8,
    ) {
        let entry = &self.entries[entry as usize];
        let (block, size) = self.section(hierarchy, entry.what, section);
        out.u8(record_length);
        out.u8(0); // extended attributes
        out.both32(block);
        out.both32(size);
        short_time(out, entry.attributes.mtime.seconds);
        out.u8(match entry.what {
            What::Directory(_) => DIRECTORY_FLAG,
            what if section + 1 < self.sections(what) => MULTI_EXTENT_FLAG,
            _ => 0,
        });
        out.bytes(&[0, 0]); // not interleaved
        out.both16(1); // volume
        out.u8(u8::try_from(identifier.len()).unwrap_or_default());
        out.bytes(identifier);
        if identifier.len().is_multiple_of(2) {
            out.u8(0);
        }
    }

    fn identifier(&self, hierarchy: &Hierarchy, number: u32) -> Identifier {
        let entry = &self.entries[number as usize];
        let name = self.bytes(&entry.name);
        let is_directory = matches!(entry.what, What::Directory(_));
        let mut bytes = [0; IDENTIFIER_MAX];
        let mut out = Cursor::new(&mut bytes);
        let version: &[u8] = if hierarchy.joliet {
            let suffix = number_of(&hierarchy.numbers, number);
            out.bytes(UnicodeName::new(Form::Joliet, name, suffix).as_bytes());
            b"\0;\x001"
        } else {
            out.bytes(IsoName::new(name, is_directory, entry.iso_number).as_bytes());
            b";1"
        };
        out.bytes(if is_directory { b"" } else { version });
        let length = out.at();
        Identifier { bytes, length }
    }

    /// Writes a record of a directory. Returns its length, and the length of its continuation area, 0 for none.
    pub(super) fn write_record(
        &self,
        hierarchy: &Hierarchy,
        directory: &Directory,
        at: RecordMark,
        record: &mut [u8; RECORD_MAX],
    ) -> (usize, u32) {
        let mut out = Cursor::new(record);
        let mut continued = 0;
        if at.item < 2 {
            let parent = &self.directories[directory.parent as usize];
            let entry = if at.item == 0 {
                directory.entry
            } else {
                parent.entry
            };
            self.write_record_head(&mut out, hierarchy, entry, 0, &[u8::from(at.item == 1)], 0);
            if !hierarchy.joliet {
                if at.item == 0 && directory.entry == 0 {
                    rock_ridge::indicator(&mut out);
                    continued = rock_ridge::EXTENSION_REFERENCE;
                }
                rock_ridge::attributes(&mut out, self, entry);
            }
            if continued > 0 {
                let (block, offset) = self.continuation(0);
                rock_ridge::continuation(&mut out, block, offset, u32::try_from(continued).unwrap_or(0));
            }
        } else {
            let number = hierarchy.entry(directory, at.item);
            let identifier = self.identifier(hierarchy, number);
            let section = at.section;
            self.write_record_head(&mut out, hierarchy, number, section, identifier.as_bytes(), 0);
            if !hierarchy.joliet {
                continued = self.write_system_use(&mut out, number);
            }
        }
        if !out.at().is_multiple_of(2) {
            out.u8(0);
        }
        let length = out.at();
        record[0] = u8::try_from(length).unwrap_or(0);
        (length, u32::try_from(continued).unwrap_or(u32::MAX))
    }

    /// Rock Ridge of an entry, the same in each section of a file. Returns the length of its continuation area.
    fn write_system_use(&self, out: &mut Cursor<'_>, number: u32) -> usize {
        rock_ridge::attributes(out, self, number);
        let mut needed = 0;
        rock_ridge::name_and_target(self, number, |bytes| needed += bytes.len());
        if out.at() + needed <= RECORD_MAX {
            rock_ridge::name_and_target(self, number, |bytes| out.bytes(bytes));
            return 0;
        }
        let (block, offset) = self.continuation(number);
        rock_ridge::continuation(out, block, offset, u32::try_from(needed).unwrap_or(u32::MAX));
        needed
    }

    /// The records of a directory from one on.
    pub(super) fn records_from(
        &self,
        hierarchy: &Hierarchy,
        directory: &Directory,
        from: RecordMark,
    ) -> impl Iterator<Item = RecordMark> {
        let end = 2 + directory.entries.end - directory.entries.start;
        let mut at = from;
        core::iter::from_fn(move || {
            let here = (at.item < end).then_some(at)?;
            let sections = if here.item < 2 {
                1
            } else {
                let entry = hierarchy.entry(directory, here.item);
                self.sections(self.entries[entry as usize].what)
            };
            at.section += 1;
            if at.section == sections {
                at = RecordMark {
                    item: here.item + 1,
                    section: 0,
                };
            }
            Some(here)
        })
    }

    /// One block of directory records; records never cross into the next block (ECMA-119 6.8.1.1).
    pub(super) fn write_records(&self, hierarchy: &Hierarchy, block_of_part: u32, block: &mut [u8]) {
        let number = hierarchy
            .records
            .partition_point(|records| records.start <= block_of_part)
            - 1;
        let directory = &self.directories[number];
        if block_of_part >= hierarchy.records[number].end() {
            return self.write_continuations(block_of_part, block);
        }
        let marks = &hierarchy.record_marks[block_of_part as usize..];
        let more = block_of_part + 1 < hierarchy.records[number].end();
        let end = marks.get(1).filter(|_| more);
        let mut out = Cursor::new(block);
        for at in self.records_from(hierarchy, directory, marks[0]) {
            if Some(&at) == end {
                break;
            }
            let mut record = [0; RECORD_MAX];
            let (length, _) = self.write_record(hierarchy, directory, at, &mut record);
            out.bytes(&record[..length]);
        }
    }

    /// One block of continuation areas; each lies within one block, as Linux demands.
    fn write_continuations(&self, block_of_part: u32, block: &mut [u8]) {
        let first = self
            .continuations
            .partition_point(|&(_, offset)| offset / 2048 < block_of_part);
        for &(entry, offset) in &self.continuations[first..] {
            if offset / 2048 != block_of_part {
                break;
            }
            let mut out = Cursor::new(block.get_mut(offset as usize % 2048..).unwrap_or_default());
            if entry == 0 {
                rock_ridge::extension_reference(&mut out);
            } else {
                rock_ridge::name_and_target(self, entry, |bytes| out.bytes(bytes));
            }
        }
    }

    /// Bytes of a path table record, ECMA-119 9.4.
    pub(super) fn path_record_length(&self, hierarchy: &Hierarchy, place: u32) -> u32 {
        let identifier = match place {
            0 => 1,
            _ => length(self.path_identifier(hierarchy, place).as_bytes()),
        };
        RECORD_HEAD_OF_PATH + identifier + identifier % 2
    }

    fn path_identifier(&self, hierarchy: &Hierarchy, place: u32) -> Identifier {
        let directory = &self.directories[hierarchy.directory(place) as usize];
        self.identifier(hierarchy, directory.entry)
    }

    /// Blocks of a path table. Numbers of parents have 16 bits: past 65535 directories they say 65535, and
    /// readers that go by path tables alone (none today) would err.
    pub(super) fn write_path_table(
        &self,
        hierarchy: &Hierarchy,
        block_of_part: u32,
        blocks: &mut [u8],
        big_endian: bool,
    ) {
        let mark = hierarchy.path_marks[block_of_part as usize];
        let mut window = Window::new(mark.skip as usize, blocks);
        for place in mark.item..length(&self.directories) {
            let number = hierarchy.directory(place);
            let (block, _) = self.section(hierarchy, What::Directory(number), 0);
            let parent = hierarchy.place(self.directories[number as usize].parent);
            let parent = u16::try_from(parent + 1).unwrap_or(u16::MAX);
            let name = self.path_identifier(hierarchy, place);
            let name = if place == 0 { &[0] } else { name.as_bytes() };
            let mut record = [0; RECORD_HEAD_OF_PATH as usize + IDENTIFIER_MAX];
            let mut out = Cursor::new(&mut record);
            out.u8(u8::try_from(name.len()).unwrap_or(0));
            out.u8(0);
            if big_endian {
                out.be32(block);
                out.be16(parent);
            } else {
                out.le32(block);
                out.le16(parent);
            }
            out.bytes(name);
            out.zeros(name.len() % 2);
            let length = out.at();
            window.put(&record[..length]);
            if window.full() {
                break;
            }
        }
    }
}

/// Bytes of a path table record before the identifier.
const RECORD_HEAD_OF_PATH: u32 = 8;
/// Bytes of the longest identifier, Joliet's with its version.
const IDENTIFIER_MAX: usize = 132;
