//! UDF nodes (ECMA-167 part 4): file entries and file identifiers.

use super::layout::{Directory, Image, Part, What, length};
use super::names::{Form, UDF_NAME_MAX, UnicodeName};
use super::udf::{FIRST_UNIQUE, implementation, long_extent, timestamp};
use crate::structure::{Cursor, Window};
use crate::tag::{TAG, id, seal};
use alloc::vec::Vec;

/// Bytes of a file entry before its allocation descriptors or embedded data.
const FILE_ENTRY: usize = 176;
/// A symbolic link's components are embedded in its file entry; more do not fit.
pub(super) const SYMLINK_MAX: usize = 2048 - FILE_ENTRY;
/// Bytes of a file identifier before the name.
const IDENTIFIER_HEAD: usize = 38;
/// Bytes of the longest file identifier.
const IDENTIFIER_MAX: usize = IDENTIFIER_HEAD + UDF_NAME_MAX + 3;
/// An allocation descriptor's length has 30 bits; whole blocks in all but the last (ECMA-167 4/14.14.1.1).
pub(super) const EXTENT_MAX: u32 = (1 << 30) - 2048;
/// Extents of a file at most: their allocation descriptors of 8 bytes fill its file entry's block.
pub(super) const EXTENTS_MAX: usize = (2048 - FILE_ENTRY) / 8;

/// ECMA-167 4/14.9.5: five bits for each of owner, group and others, from the lowest: execute, write, read,
/// change attributes, delete. The last two follow from the right to write.
fn permissions(mode: u32) -> u32 {
    (0..3).fold(0, |bits, class| {
        let class_mode = mode >> (3 * class) & 7;
        let write = class_mode >> 1 & 1;
        bits | ((class_mode | (write * 0b11000)) << (5 * class))
    })
}

/// Components of a symbolic link's target, ECMA-167 4/14.16.1. Names become what they are in directories,
/// so that the link still leads to a file whose name had to be changed (but for a number).
pub(super) fn path_components(target: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut component = |kind: u8, name: &[u8]| {
        let head = out.len();
        out.extend_from_slice(&[kind, 0, 0, 0]);
        if !name.is_empty() {
            out.extend_from_slice(UnicodeName::new(Form::Udf, name, 0).as_bytes());
        }
        out[head + 1] = u8::try_from(out.len() - head - 4).unwrap_or(u8::MAX);
    };
    if target.starts_with(b"/") {
        component(2, b"");
    }
    for name in target.split(|&byte| byte == b'/') {
        match name {
            b"" => {}
            b"." => component(4, b""),
            b".." => component(3, b""),
            _ => component(5, name),
        }
    }
}

impl Image {
    fn unique(&self, what: What) -> u32 {
        match self.icb(what) {
            0 => 0,
            icb => FIRST_UNIQUE + icb,
        }
    }

    /// What the information control block of this number describes, and an entry that has its attributes.
    fn node(&self, icb: u32) -> (What, u32) {
        let directories = length(&self.directories);
        let recorded = directories + length(&self.files);
        let own = recorded + length(&self.recorded);
        let links = own + length(&self.own);
        if icb < directories {
            (What::Directory(icb), self.directories[icb as usize].entry)
        } else if icb < recorded {
            let file = &self.files[(icb - directories) as usize];
            (What::File(icb - directories), file.entry)
        } else if icb < own {
            let file = &self.recorded[(icb - recorded) as usize];
            (What::Recorded(icb - recorded), file.entry)
        } else {
            let entry = match icb.checked_sub(links) {
                Some(link) => self.symlinks[link as usize].entry,
                None => self.own[(icb - own) as usize].entry,
            };
            (self.entries[entry as usize].what, entry)
        }
    }

    /// File entry, ECMA-167 4/14.9.
    pub(super) fn write_file_entry(&self, icb: u32, block: &mut [u8], scratch: &mut Vec<u8>) {
        let (what, entry) = self.node(icb);
        let attributes = self.entries[entry as usize].attributes;
        let times = self.times(entry);
        let (file_type, links) = match what {
            // Names that identify a directory: its own and the parent entries of those in it.
            What::Directory(_) => (4, self.links(what) - 1),
            What::File(_) | What::Recorded(_) | What::Own(_) => (5, self.links(what)),
            What::Symlink(_) => (12, 1),
        };
        let size = match what {
            What::Directory(number) => u64::from(self.directories[number as usize].identifier_bytes),
            What::File(number) => self.files[number as usize].size,
            What::Recorded(number) => self.recorded[number as usize].size,
            What::Own(own) => self.own_bytes(own),
            What::Symlink(number) => {
                path_components(self.bytes(&self.symlinks[number as usize].target), scratch);
                scratch.len() as u64
            }
        };
        let embedded = matches!(what, What::Symlink(_));
        let tail = if embedded {
            scratch.len()
        } else {
            8 * self.pieces(what, EXTENT_MAX).count()
        };
        let location = self.in_partition(Part::Icbs) + icb;
        self.descriptor(block, id::FILE_ENTRY, location, FILE_ENTRY + tail, |out| {
            // ICB tag, 4/14.6: strategy 4, one entry.
            out.le32(0);
            out.le16(4);
            out.le16(0);
            out.le16(1);
            out.u8(0);
            out.u8(file_type);
            out.zeros(6);
            // Set-user, set-group and sticky are bits 6, 7 and 8; descriptors are short (0) or data embedded (3).
            let special = u16::try_from(attributes.mode >> 9 & 7).unwrap_or_default();
            let special = special >> 2 | special & 2 | (special & 1) << 2;
            out.le16(special << 6 | if embedded { 3 } else { 0 });
            out.le32(attributes.uid);
            out.le32(attributes.gid);
            out.le32(permissions(attributes.mode));
            out.le16(u16::try_from(links).unwrap_or(u16::MAX));
            out.zeros(6); // no record format
            out.le64(size);
            out.le64(if embedded { 0 } else { size.div_ceil(2048) });
            timestamp(out, times.accessed.unwrap_or(attributes.mtime));
            timestamp(out, attributes.mtime);
            timestamp(out, times.changed.unwrap_or(attributes.mtime));
            out.le32(1); // checkpoint
            out.zeros(16); // no extended attributes
            implementation(out);
            out.le64(u64::from(self.unique(what)));
            out.le32(0);
            out.le32(u32::try_from(tail).unwrap_or_default());
            if embedded {
                out.bytes(scratch);
            }
            for (block, bytes) in self.pieces(what, EXTENT_MAX) {
                out.le32(bytes);
                out.le32(block - self.partition);
            }
        });
    }

    /// Writes file identifier `item` of a directory (0 is its parent), ECMA-167 4/14.4; returns its length.
    fn write_identifier(
        &self,
        directory: &Directory,
        item: u32,
        location: u32,
        place: &mut [u8; IDENTIFIER_MAX],
    ) -> usize {
        let number = directory.entries.start + item - u32::from(item > 0);
        let what = if item == 0 {
            What::Directory(directory.parent)
        } else {
            self.entries[number as usize].what
        };
        let name = (item > 0).then(|| self.udf_name(number));
        let name = name.as_ref().map_or(&[][..], UnicodeName::as_bytes);
        let is_directory = u8::from(matches!(what, What::Directory(_)));
        let mut out = Cursor::new(place);
        out.zeros(TAG);
        out.le16(1); // file version
        out.u8(is_directory << 1 | u8::from(item == 0) << 3);
        out.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        long_extent(
            &mut out,
            2048,
            self.in_partition(Part::Icbs) + self.icb(what),
            self.unique(what),
        );
        out.le16(0); // no implementation use
        out.bytes(name);
        out.zeros(out.at().next_multiple_of(4) - out.at());
        let length = out.at();
        let version = self.options.udf_revision.edition();
        seal(place, id::FILE_IDENTIFIER, version, location, length);
        length
    }

    /// Whether UDF has no identifier for an item of a directory.
    fn is_left_out(&self, directory: &Directory, item: u32) -> bool {
        let entry = (directory.entries.start + item).saturating_sub(1) as usize;
        item > 0 && !self.options.udf_has_symlinks() && matches!(self.entries[entry].what, What::Symlink(_))
    }

    /// Bytes of file identifier `item`, 0 when it is left out.
    pub(super) fn identifier_length(&self, directory: &Directory, item: u32) -> u32 {
        if self.is_left_out(directory, item) {
            return 0;
        }
        let bytes = match item {
            0 => 0,
            _ => self.udf_name(directory.entries.start + item - 1).as_bytes().len(),
        };
        u32::try_from((IDENTIFIER_HEAD + bytes).next_multiple_of(4)).unwrap_or_default()
    }

    fn udf_name(&self, entry: u32) -> UnicodeName {
        let name = self.bytes(&self.entries[entry as usize].name);
        UnicodeName::new(Form::Udf, name, self.udf_number(entry))
    }

    /// Blocks of file identifiers, up to the end of one directory; returns how many bytes were covered.
    pub(super) fn write_identifiers(&self, block_of_region: u32, blocks: &mut [u8]) -> usize {
        let number = self
            .directories
            .partition_point(|directory| directory.identifiers.start <= block_of_region)
            - 1;
        let directory = &self.directories[number];
        let covered = ((directory.identifiers.end() - block_of_region) as usize * 2048).min(blocks.len());
        let mark = self.identifier_marks[block_of_region as usize];
        let region = self.in_partition(Part::Identifiers);
        // Where in the directory the item begins, for the location in its tag.
        let mut at = u64::from(block_of_region - directory.identifiers.start) * 2048 - u64::from(mark.skip);
        let mut window = Window::new(mark.skip as usize, blocks.get_mut(..covered).unwrap_or_default());
        for item in mark.item..=directory.entries.end - directory.entries.start {
            if self.is_left_out(directory, item) {
                continue;
            }
            let block = u32::try_from(at / 2048).unwrap_or_default();
            let mut place = [0; IDENTIFIER_MAX];
            let location = region + directory.identifiers.start + block;
            let length = self.write_identifier(directory, item, location, &mut place);
            window.put(&place[..length]);
            at += length as u64;
            if window.full() {
                break;
            }
        }
        covered
    }
}
