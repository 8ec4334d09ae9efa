//! Where everything of an image lies: what planning computes and producing blocks reads.

use crate::structure::Mark;
use crate::{Attributes, FileId};
use alloc::{string::String, vec::Vec};
use core::ops::Range;

/// Blocks whose place never changes, from the start of the session.
pub(super) mod fixed {
    /// ECMA-119 6.2.1: the system area is blocks 0 to 15, volume descriptors follow.
    pub const PRIMARY_VOLUME: u32 = 16;
    pub const ISO_TERMINATOR: u32 = 17;
    /// ECMA-167 2/8.3.1: the volume recognition sequence continues the ISO 9660 descriptors.
    pub const RECOGNITION: u32 = 18;
    pub const MAIN_SEQUENCE: u32 = 32;
    pub const RESERVE_SEQUENCE: u32 = 48;
    /// ECMA-167 3/8.4.2.2: a volume descriptor sequence extent has at least 16 blocks.
    pub const SEQUENCE_BLOCKS: u32 = 16;
    pub const INTEGRITY: u32 = 64;
    pub const ANCHOR: u32 = 256;
    /// The UDF partition, which begins with the file set descriptor and its terminator.
    pub const PARTITION: u32 = 257;
    pub const ICBS: u32 = 259;
}

/// A run of blocks, counted from the start of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    pub start: u32,
    pub blocks: u32,
}

impl Region {
    pub fn end(self) -> u32 {
        self.start + self.blocks
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Directory(u32),
    File(u32),
    Symlink(u32),
    DigestList,
}

/// A name in a directory. The entries of a directory stand together, in the order of their ISO 9660 names.
#[derive(Debug)]
pub(super) struct Entry {
    /// Number of the directory it is in; the top is in itself.
    pub parent: u32,
    pub name: Range<u32>,
    pub what: What,
    pub attributes: Attributes,
    /// Makes its ISO 9660 name unique; 0 when it is so by itself.
    pub iso_number: u32,
}

/// Directories are numbered level by level, as ECMA-119 6.9.1 orders the path table.
#[derive(Debug)]
pub(super) struct Directory {
    pub entry: u32,
    pub parent: u32,
    pub entries: Range<u32>,
    pub directories: u32,
    /// Its ISO 9660 records: blocks within their region.
    pub iso: Region,
    /// Its UDF file identifiers: blocks within their region, and bytes.
    pub identifiers: Region,
    pub identifier_bytes: u32,
}

/// Files in the order of their data, hard links once.
#[derive(Debug)]
pub(super) struct File {
    pub id: FileId,
    pub size: u64,
    /// From the start of the image.
    pub block: u32,
    /// The first of its names.
    pub entry: u32,
    pub links: u32,
}

#[derive(Debug)]
pub(super) struct Symlink {
    pub entry: u32,
    pub target: Range<u32>,
}

/// An image: where everything lies, from which any block can be produced.
#[derive(Debug, Default)]
pub struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    pub(super) directories: Vec<Directory>,
    pub(super) files: Vec<File>,
    pub(super) symlinks: Vec<Symlink>,
    /// The entry of `.spindle/SHA256SUMS`.
    pub(super) digest_entry: u32,
    /// Names of files in the order of the tree: the lines of the digest list.
    pub(super) listed: Vec<u32>,
    /// Entries whose UDF name needs a number to be unique, ascending.
    pub(super) udf_numbers: Vec<(u32, u32)>,
    /// Entries with a continuation area and its offset in their region, both ascending.
    pub(super) continuations: Vec<(u32, u32)>,
    pub(super) path_table_bytes: u32,
    pub(super) digest_list_bytes: u64,
    /// For each block of a region the item it begins with.
    pub(super) iso_marks: Vec<u32>,
    pub(super) identifier_marks: Vec<Mark>,
    pub(super) path_marks: Vec<Mark>,
    pub(super) digest_marks: Vec<Mark>,
    pub(super) icb_region: Region,
    pub(super) identifier_region: Region,
    pub(super) path_region_little: Region,
    pub(super) path_region_big: Region,
    pub(super) iso_region: Region,
    pub(super) continuation_region: Region,
    pub(super) data_region: Region,
    pub(super) digest_region: Region,
    pub(super) blocks: u32,
    pub(super) options: super::Options,
}

impl Image {
    /// Blocks of 2048 bytes, the padding included.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        u64::from(self.blocks)
    }

    /// Files, hard links counted once, `.spindle/SHA256SUMS` not counted.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.len() as u64
    }

    /// Bytes of all files together, hard links counted once, `.spindle/SHA256SUMS` not counted.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    pub(super) fn bytes(&self, range: &Range<u32>) -> &[u8] {
        self.bytes
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// The entry that names a directory, and so has its attributes.
    pub(super) fn directory_entry(&self, directory: &Directory) -> &Entry {
        &self.entries[directory.entry as usize]
    }

    pub(super) fn udf_number(&self, entry: u32) -> u32 {
        match self.udf_numbers.binary_search_by_key(&entry, |&(entry, _)| entry) {
            Ok(at) => self.udf_numbers[at].1,
            Err(_) => 0,
        }
    }

    /// Where an entry's continuation area lies: absolute block and offset in it.
    pub(super) fn continuation(&self, entry: u32) -> (u32, u32) {
        let offset = match self
            .continuations
            .binary_search_by_key(&entry, |&(entry, _)| entry)
        {
            Ok(at) => self.continuations[at].1,
            Err(_) => 0,
        };
        let block = self.options.start_block + self.continuation_region.start + offset / 2048;
        (block, offset % 2048)
    }

    /// Number of a node and of its information control block: directories, files, ours, symbolic links,
    /// which are last because UDF may not have them.
    pub(super) fn icb(&self, what: What) -> u32 {
        let directories = length(&self.directories);
        let files = directories + length(&self.files);
        match what {
            What::Directory(number) => number,
            What::File(number) => directories + number,
            What::DigestList => files,
            What::Symlink(number) => files + 1 + number,
        }
    }

    /// Nodes that UDF has.
    pub(super) fn icbs(&self) -> u32 {
        let links = if self.options.udf_symlinks {
            length(&self.symlinks)
        } else {
            0
        };
        self.icb(What::DigestList) + 1 + links
    }

    /// Absolute block and bytes of what an entry stands for in ISO 9660.
    pub(super) fn iso_extent(&self, what: What) -> (u32, u32) {
        let (block, size) = match what {
            What::Directory(number) => {
                let iso = self.directories[number as usize].iso;
                (self.iso_region.start + iso.start, iso.blocks * 2048)
            }
            What::File(number) => {
                let file = &self.files[number as usize];
                (file.block, u32::try_from(file.size).unwrap_or(u32::MAX))
            }
            What::Symlink(_) => (self.data_region.start, 0),
            What::DigestList => (
                self.digest_region.start,
                u32::try_from(self.digest_list_bytes).unwrap_or(u32::MAX),
            ),
        };
        (self.options.start_block + block, size)
    }

    /// Number of names a node has, as POSIX `st_nlink` counts them.
    pub(super) fn links(&self, what: What) -> u32 {
        match what {
            What::Directory(number) => 2 + self.directories[number as usize].directories,
            What::File(number) => self.files[number as usize].links,
            What::Symlink(_) | What::DigestList => 1,
        }
    }

    /// Puts the path of an entry into `path`.
    pub(super) fn path_into(&self, entry: u32, path: &mut Vec<u8>) {
        path.clear();
        let mut at = entry;
        while at != 0 {
            let entry = &self.entries[at as usize];
            // Built backwards and reversed as a whole: a path has one buffer, whatever its depth.
            path.extend(self.bytes(&entry.name).iter().rev());
            path.push(b'/');
            at = self.directories[entry.parent as usize].entry;
        }
        path.pop();
        path.reverse();
    }

    /// The path of an entry for messages.
    pub(super) fn readable_path(&self, entry: u32) -> String {
        let mut path = Vec::new();
        self.path_into(entry, &mut path);
        crate::tree::readable(&path)
    }
}

/// Length of a table the planner has made sure is numbered by 32 bits.
pub(super) fn length<T>(table: &[T]) -> u32 {
    u32::try_from(table.len()).unwrap_or(u32::MAX)
}
