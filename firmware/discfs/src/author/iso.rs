//! ISO 9660 (ECMA-119): volume descriptor, path tables, directory records.

use super::layout::{Directory, Entry, Image, What, length};
use super::names::{IsoName, d_characters};
use super::rock_ridge;
use crate::structure::{Cursor, Window};
use crate::time::Civil;

/// A directory record is at most this long: its length is one byte, and even (ECMA-119 9.1).
pub(super) const RECORD_MAX: usize = 254;
const DIRECTORY_FLAG: u8 = 2;

/// ECMA-119 9.1.5: seven bytes, years 1900 to 2155, UTC. Times out of range become the nearest one.
pub(super) fn short_time(out: &mut Cursor<'_>, seconds: i64) {
    let earliest = Civil {
        year: 1900,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
    };
    let latest = Civil {
        year: 2155,
        month: 12,
        day: 31,
        hour: 23,
        minute: 59,
        second: 59,
    };
    let civil = Civil::from_seconds(seconds.clamp(earliest.seconds(), latest.seconds()));
    out.u8(u8::try_from(civil.year - 1900).unwrap_or_default());
    out.bytes(&[civil.month, civil.day, civil.hour, civil.minute, civil.second, 0]);
}

/// ECMA-119 8.4.26.1: seventeen bytes of digits.
fn long_time(out: &mut Cursor<'_>, seconds: Option<i64>) {
    let Some(seconds) = seconds else {
        out.fill(b'0', 16);
        out.u8(0);
        return;
    };
    let civil = Civil::from_seconds(seconds.clamp(-62_135_596_800, 253_402_300_799)); // years 1 to 9999
    let mut digits = |value: i64, width: u32| {
        for place in (0..width).rev() {
            out.u8(b'0' + u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or_default());
        }
    };
    digits(civil.year, 4);
    for value in [civil.month, civil.day, civil.hour, civil.minute, civil.second, 0] {
        digits(i64::from(value), 2);
    }
    out.u8(0); // offset from UTC
}

/// Text of d-characters, filled up with spaces.
fn text(out: &mut Cursor<'_>, text: &str, width: usize) {
    let mut left = width;
    for character in d_characters(text).take(width) {
        out.u8(character);
        left -= 1;
    }
    out.fill(b' ', left);
}

fn hexadecimal(out: &mut Cursor<'_>, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.u8(if digit < 10 {
                b'0' + digit
            } else {
                b'A' + digit - 10
            });
        }
    }
}

impl Image {
    /// Primary volume descriptor, ECMA-119 8.4.
    pub(super) fn write_primary_volume(&self, block: &mut [u8]) {
        let start = self.options.start_block;
        let out = &mut Cursor::new(block);
        out.u8(1);
        out.bytes(b"CD001");
        out.bytes(&[1, 0]);
        out.fill(b' ', 32); // system
        text(out, &self.options.label, 32);
        out.zeros(8);
        out.both32(self.blocks);
        out.zeros(32);
        out.both16(1); // volumes in the set
        out.both16(1); // number of this volume
        out.both16(2048);
        out.both32(self.path_table_bytes);
        out.le32(start + self.path_region_little.start);
        out.le32(0);
        out.be32(start + self.path_region_big.start);
        out.be32(0);
        self.write_record_head(out, 0, &[0], 34);
        match &self.options.identity {
            Some(identity) => {
                hexadecimal(out, identity);
                out.fill(b' ', 128 - 32);
            }
            None => out.fill(b' ', 128),
        }
        text(out, &self.options.publisher, 128);
        out.fill(b' ', 128); // data preparer
        text(out, &self.options.application, 128);
        out.fill(b' ', 37 * 3); // copyright, abstract, bibliographic files
        long_time(out, Some(self.options.time));
        long_time(out, Some(self.options.time));
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
    fn write_record_head(&self, out: &mut Cursor<'_>, entry: u32, identifier: &[u8], record_length: u8) {
        let entry = &self.entries[entry as usize];
        let (block, size) = self.iso_extent(entry.what);
        out.u8(record_length);
        out.u8(0); // extended attributes
        out.both32(block);
        out.both32(size);
        short_time(out, entry.attributes.mtime.seconds);
        out.u8(if matches!(entry.what, What::Directory(_)) {
            DIRECTORY_FLAG
        } else {
            0
        });
        out.bytes(&[0, 0]); // not interleaved
        out.both16(1); // volume
        out.u8(u8::try_from(identifier.len()).unwrap_or_default());
        out.bytes(identifier);
        if identifier.len().is_multiple_of(2) {
            out.u8(0);
        }
    }

    /// Writes record `item` of a directory: 0 is `.`, 1 is `..`, then its entries. Returns its length, and the
    /// length of its continuation area, 0 for none.
    pub(super) fn write_record(
        &self,
        directory: &Directory,
        item: u32,
        record: &mut [u8; RECORD_MAX],
    ) -> (usize, u32) {
        let mut out = Cursor::new(record);
        let mut continued = 0;
        if item < 2 {
            let parent = &self.directories[directory.parent as usize];
            let entry = if item == 0 { directory.entry } else { parent.entry };
            self.write_record_head(&mut out, entry, &[u8::from(item == 1)], 0);
            if entry == 0 && item == 0 && directory.entry == 0 {
                rock_ridge::indicator(&mut out);
                continued = rock_ridge::EXTENSION_REFERENCE;
            }
            rock_ridge::attributes(&mut out, self, entry);
            if continued > 0 {
                let (block, offset) = self.continuation(0);
                rock_ridge::continuation(&mut out, block, offset, u32::try_from(continued).unwrap_or(0));
            }
        } else {
            let number = directory.entries.start + item - 2;
            let entry = &self.entries[number as usize];
            let is_directory = matches!(entry.what, What::Directory(_));
            let name = IsoName::new(self.bytes(&entry.name), is_directory, entry.iso_number);
            let mut identifier = [0; 33];
            let mut whole = Cursor::new(&mut identifier);
            whole.bytes(name.as_bytes());
            whole.bytes(if is_directory { b"" } else { b";1" });
            let length = whole.at();
            self.write_record_head(&mut out, number, identifier.get(..length).unwrap_or_default(), 0);
            rock_ridge::attributes(&mut out, self, number);
            let mut needed = 0;
            rock_ridge::name_and_target(self, number, |bytes| needed += bytes.len());
            if out.at() + needed <= RECORD_MAX {
                rock_ridge::name_and_target(self, number, |bytes| out.bytes(bytes));
            } else {
                let (block, offset) = self.continuation(number);
                rock_ridge::continuation(&mut out, block, offset, u32::try_from(needed).unwrap_or(u32::MAX));
                continued = needed;
            }
        }
        if !out.at().is_multiple_of(2) {
            out.u8(0);
        }
        let length = out.at();
        record[0] = u8::try_from(length).unwrap_or(0);
        (length, u32::try_from(continued).unwrap_or(u32::MAX))
    }

    /// One block of directory records; records never cross into the next block (ECMA-119 6.8.1.1).
    pub(super) fn write_iso_directory(&self, block_of_region: u32, block: &mut [u8]) {
        let number = self
            .directories
            .partition_point(|directory| directory.iso.start <= block_of_region)
            - 1;
        let directory = &self.directories[number];
        let first = self.iso_marks[block_of_region as usize];
        let end = match self.iso_marks.get(block_of_region as usize + 1) {
            Some(&next) if block_of_region + 1 < directory.iso.end() => next,
            _ => length_of_items(directory),
        };
        let mut out = Cursor::new(block);
        for item in first..end {
            let mut record = [0; RECORD_MAX];
            let (length, _) = self.write_record(directory, item, &mut record);
            out.bytes(&record[..length]);
        }
    }

    /// One block of continuation areas; each lies within one block, as Linux demands.
    pub(super) fn write_continuations(&self, block_of_region: u32, block: &mut [u8]) {
        let first = self
            .continuations
            .partition_point(|&(_, offset)| offset / 2048 < block_of_region);
        for &(entry, offset) in &self.continuations[first..] {
            if offset / 2048 != block_of_region {
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
    pub(super) fn path_record_length(&self, directory: u32) -> u32 {
        let identifier = self.path_identifier(directory).1;
        RECORD_HEAD_OF_PATH + identifier + identifier % 2
    }

    fn path_identifier(&self, directory: u32) -> (IsoName, u32) {
        let entry: &Entry = self.directory_entry(&self.directories[directory as usize]);
        let name = IsoName::new(self.bytes(&entry.name), true, entry.iso_number);
        let length = if directory == 0 {
            1
        } else {
            length(name.as_bytes())
        };
        (name, length)
    }

    /// Blocks of a path table. Numbers of parents have 16 bits: past 65535 directories they say 65535, and
    /// readers that go by path tables alone (none today) would err.
    pub(super) fn write_path_table(&self, block_of_region: u32, blocks: &mut [u8], big_endian: bool) {
        let mark = self.path_marks[block_of_region as usize];
        let mut window = Window::new(mark.skip as usize, blocks);
        for number in mark.item..length(&self.directories) {
            let directory = &self.directories[number as usize];
            let (name, name_length) = self.path_identifier(number);
            let (block, _) = self.iso_extent(What::Directory(number));
            let parent = u16::try_from(directory.parent + 1).unwrap_or(u16::MAX);
            let mut record = [0; 40];
            let mut out = Cursor::new(&mut record);
            out.u8(u8::try_from(name_length).unwrap_or(0));
            out.u8(0);
            if big_endian {
                out.be32(block);
                out.be16(parent);
            } else {
                out.le32(block);
                out.le16(parent);
            }
            out.bytes(if number == 0 { &[0] } else { name.as_bytes() });
            let length = self.path_record_length(number) as usize;
            window.put(&record[..length]);
            if window.full() {
                break;
            }
        }
    }

    /// Volume structure descriptors of the recognition sequence, ECMA-167 2/9.1.
    pub(super) fn write_recognition(index: u32, block: &mut [u8]) {
        let identifier: &[u8] = match index {
            0 => b"BEA01",
            1 => b"NSR02",
            _ => b"TEA01",
        };
        let out = &mut Cursor::new(block);
        out.u8(0);
        out.bytes(identifier);
        out.u8(1);
    }
}

/// Bytes of a path table record before the identifier.
const RECORD_HEAD_OF_PATH: u32 = 8;

/// Records of a directory: `.`, `..` and its entries.
pub(super) fn length_of_items(directory: &Directory) -> u32 {
    2 + directory.entries.end - directory.entries.start
}
