//! Where everything of an image lies: what planning computes and producing blocks reads.

use crate::structure::Mark;
use crate::tree::Own;
use crate::{Attributes, DiscExtent, FileId, Times};
use alloc::{string::String, vec::Vec};
use core::ops::Range;

/// Blocks whose place never changes, from the start of the session.
pub(super) mod fixed {
    /// ECMA-119 6.2.1: the system area is blocks 0 to 15, volume descriptors follow. ECMA-167 2/8.3.1: the volume
    /// recognition sequence continues them.
    pub const VOLUME_DESCRIPTORS: u32 = 16;
    pub const MAIN_SEQUENCE: u32 = 32;
    pub const RESERVE_SEQUENCE: u32 = 48;
    /// ECMA-167 3/8.4.2.2: a volume descriptor sequence extent has at least 16 blocks.
    pub const SEQUENCE_BLOCKS: u32 = 16;
    pub const INTEGRITY: u32 = 64;
    pub const ANCHOR: u32 = 256;
    /// The file set descriptor and its terminator, with which the UDF partition begins.
    pub const FILE_SET: u32 = 257;
    /// Where what varies begins: behind all of these, and without UDF behind the volume descriptors.
    pub const AFTER_FILE_SET: u32 = 259;
    pub const AFTER_VOLUME_DESCRIPTORS: u32 = 32;
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

/// The parts of an image, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Descriptors,
    Icbs,
    Identifiers,
    /// Path table of a hierarchy, little-endian or big-endian.
    PathTable(usize, bool),
    /// Directory records of a hierarchy. In the first those of each directory are followed by their continuation areas:
    /// libarchive reads them there only.
    Records(usize),
    Data,
    Own(Own),
    /// Zeros, and the second anchor in the last block.
    Padding,
}

/// A tree of ISO 9660 directory records: the primary one, which has Rock Ridge, or Joliet's. Where the orders of
/// the second differ from those of the image they are kept in tables, which are empty in the first.
#[derive(Debug, Default)]
pub(super) struct Hierarchy {
    pub joliet: bool,
    /// Entries in the order of their records; those of a directory stand where they stand in the image.
    pub entries: Vec<u32>,
    /// Directories in the order of the path table, and the place of each in it.
    pub directories: Vec<u32>,
    pub places: Vec<u32>,
    /// Entries whose name needs a number to be unique, ascending.
    pub numbers: Vec<(u32, u32)>,
    /// Records of each directory: blocks within their part.
    pub records: Vec<Region>,
    /// The record each block of records begins with.
    pub record_marks: Vec<RecordMark>,
    pub path_marks: Vec<Mark>,
    pub path_table_bytes: u32,
}

/// A directory record: of `.` (0), `..` (1) or an entry, and which section of the file it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordMark {
    pub item: u32,
    pub section: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Directory(u32),
    File(u32),
    /// A file of an earlier session.
    Recorded(u32),
    Symlink(u32),
    Own(Own),
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
    /// Its UDF file identifiers: blocks within their part, and bytes.
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

/// A file of an earlier session: absolute extents within their table.
#[derive(Debug)]
pub(super) struct Recorded {
    pub extents: Range<u32>,
    pub size: u64,
    pub digest: Option<[u8; 32]>,
    pub crc32c: Option<u32>,
    /// The first of its names.
    pub entry: u32,
    pub links: u32,
}

#[derive(Debug)]
pub(super) struct Symlink {
    pub entry: u32,
    pub target: Range<u32>,
}

/// A file of `.spindle`, and of each of its blocks the line it begins with.
#[derive(Debug)]
pub(super) struct OwnFile {
    pub own: Own,
    pub entry: u32,
    pub bytes: u64,
    pub marks: Vec<Mark>,
}

/// An image: where everything lies, from which any block can be produced.
#[derive(Debug, Default)]
pub struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    pub(super) directories: Vec<Directory>,
    pub(super) files: Vec<File>,
    pub(super) recorded: Vec<Recorded>,
    pub(super) extents: Vec<DiscExtent>,
    pub(super) symlinks: Vec<Symlink>,
    /// The files of `.spindle`.
    pub(super) own: Vec<OwnFile>,
    /// Entries with further times, ascending.
    pub(super) times: Vec<(u32, Times)>,
    /// Names of files in the order of the tree: the lines of the digest list.
    pub(super) listed: Vec<u32>,
    /// Entries whose UDF name needs a number to be unique, ascending.
    pub(super) udf_numbers: Vec<(u32, u32)>,
    /// Entries with a continuation area and its offset in their part, both ascending.
    pub(super) continuations: Vec<(u32, u32)>,
    /// None with UDF alone, else the primary one and Joliet's if there is one.
    pub(super) hierarchies: Vec<Hierarchy>,
    /// For each block of a part the item it begins with.
    pub(super) identifier_marks: Vec<Mark>,
    /// Where each part lies, in their order and without gaps.
    pub(super) parts: Vec<(Part, Region)>,
    /// Absolute first block of the UDF partition.
    pub(super) partition: u32,
    pub(super) blocks: u32,
    pub(super) options: super::Options,
}

impl Image {
    /// Blocks of 2048 bytes, the padding included.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        u64::from(self.blocks)
    }

    /// First block of the session on the disc.
    #[must_use]
    pub fn start_block(&self) -> u32 {
        self.options.start_block
    }

    /// Files it writes, hard links counted once, those of `.spindle` not counted.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.len() as u64
    }

    /// Bytes of all files it writes, hard links counted once, those of `.spindle` not counted.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    pub(super) fn bytes(&self, range: &Range<u32>) -> &[u8] {
        self.bytes
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// Where a part lies; nothing while it is not placed.
    pub(super) fn region(&self, part: Part) -> Region {
        let found = self.parts.iter().find(|&&(placed, _)| placed == part);
        found.map_or(Region::default(), |&(_, region)| region)
    }

    /// First block of a part, absolute.
    pub(super) fn absolute(&self, part: Part) -> u32 {
        self.options.start_block + self.region(part).start
    }

    /// First block of a part, counted from the start of the UDF partition.
    pub(super) fn in_partition(&self, part: Part) -> u32 {
        self.absolute(part).wrapping_sub(self.partition) // not placed yet while lengths are measured
    }

    pub(super) fn udf_number(&self, entry: u32) -> u32 {
        number_of(&self.udf_numbers, entry)
    }

    /// Where an entry's continuation area lies: absolute block and offset in it.
    pub(super) fn continuation(&self, entry: u32) -> (u32, u32) {
        let offset = number_of(&self.continuations, entry);
        (self.absolute(Part::Records(0)) + offset / 2048, offset % 2048)
    }

    /// Number of a node and of its information control block: directories, files, recorded ones, ours, symbolic links,
    /// which are last because UDF may not have them.
    pub(super) fn icb(&self, what: What) -> u32 {
        let directories = length(&self.directories);
        let recorded = directories + length(&self.files);
        let own = recorded + length(&self.recorded);
        match what {
            What::Directory(number) => number,
            What::File(number) => directories + number,
            What::Recorded(number) => recorded + number,
            // They are there in the order of their kinds, from the first on.
            What::Own(file) => own + file as u32,
            What::Symlink(number) => own + length(&self.own) + number,
        }
    }

    /// Nodes that UDF has.
    pub(super) fn icbs(&self) -> u32 {
        let links = if self.options.udf_has_symlinks() {
            length(&self.symlinks)
        } else {
            0
        };
        self.icb(What::Own(Own::Catalog)) + length(&self.own) + links
    }

    /// Where the bytes of a node lie, those of a directory in UDF: absolute blocks and bytes, in pieces of at
    /// most so many bytes, a multiple of the block size.
    pub(super) fn pieces(&self, what: What, most: u32) -> impl Iterator<Item = (u32, u32)> {
        let one = |block: u32, bytes: u64| Some(DiscExtent { block, bytes });
        let (one, many) = match what {
            What::Directory(number) => {
                let directory = &self.directories[number as usize];
                let start = self.absolute(Part::Identifiers) + directory.identifiers.start;
                (one(start, u64::from(directory.identifier_bytes)), None)
            }
            What::File(number) => {
                let file = &self.files[number as usize];
                (one(self.options.start_block + file.block, file.size), None)
            }
            What::Recorded(number) => (None, Some(self.recorded[number as usize].extents.clone())),
            What::Own(own) => (one(self.absolute(Part::Own(own)), self.own_bytes(own)), None),
            What::Symlink(_) => (None, None),
        };
        let many = many.and_then(|range| self.extents.get(range.start as usize..range.end as usize));
        let extents = one.into_iter().chain(many.unwrap_or_default().iter().copied());
        extents.flat_map(move |extent| {
            let pieces = u32::try_from(extent.bytes.div_ceil(u64::from(most))).unwrap_or(u32::MAX);
            (0..pieces).map(move |piece| {
                let left = extent.bytes - u64::from(piece) * u64::from(most);
                let bytes = u32::try_from(left.min(u64::from(most))).unwrap_or(most);
                (extent.block + piece * (most / 2048), bytes)
            })
        })
    }

    /// Directory records that what an entry stands for needs: one for each section of a file.
    pub(super) fn sections(&self, what: What) -> u32 {
        match what {
            What::Directory(_) => 1,
            _ => u32::try_from(self.pieces(what, SECTION_MAX).count().max(1)).unwrap_or(u32::MAX),
        }
    }

    /// Absolute block and bytes of a section of what an entry stands for, in a hierarchy of ISO 9660.
    pub(super) fn section(&self, hierarchy: &Hierarchy, what: What, section: u32) -> (u32, u32) {
        if let What::Directory(number) = what {
            let records = hierarchy.records[number as usize];
            let part = self.absolute(Part::Records(usize::from(hierarchy.joliet)));
            return (part + records.start, records.blocks * 2048);
        }
        // What has no bytes has an address nevertheless, and one that is recorded.
        let empty = (self.absolute(Part::Data), 0);
        let mut sections = self.pieces(what, SECTION_MAX);
        sections.nth(section as usize).unwrap_or(empty)
    }

    /// Number of names a node has, as POSIX `st_nlink` counts them.
    pub(super) fn links(&self, what: What) -> u32 {
        match what {
            What::Directory(number) => 2 + self.directories[number as usize].directories,
            What::File(number) => self.files[number as usize].links,
            What::Recorded(number) => self.recorded[number as usize].links,
            What::Symlink(_) | What::Own(_) => 1,
        }
    }

    /// Bytes of a file of `.spindle`.
    pub(super) fn own_bytes(&self, own: Own) -> u64 {
        let file = self.own.iter().find(|file| file.own == own);
        file.map_or(0, |file| file.bytes)
    }

    /// The entry whose attributes an entry shows: all names of a file show those of the first.
    pub(super) fn leader(&self, entry: u32) -> u32 {
        match self.entries[entry as usize].what {
            What::File(number) => self.files[number as usize].entry,
            What::Recorded(number) => self.recorded[number as usize].entry,
            _ => entry,
        }
    }

    /// Times of an entry besides that of its modification.
    pub(super) fn times(&self, entry: u32) -> Times {
        let found = self
            .times
            .binary_search_by_key(&self.leader(entry), |&(entry, _)| entry);
        found.map_or(Times::default(), |at| self.times[at].1)
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

    /// The path of the file with a number in the order of the disc, for messages.
    #[must_use]
    pub fn path_of(&self, number: usize) -> String {
        let file = self.files.get(number);
        file.map_or(String::new(), |file| self.readable_path(file.entry))
    }

    /// The path of an entry for messages.
    pub(super) fn readable_path(&self, entry: u32) -> String {
        let mut path = Vec::new();
        self.path_into(entry, &mut path);
        crate::tree::readable(&path)
    }
}

/// A section of a file in ISO 9660, the largest number of whole blocks whose bytes 32 bits count (ECMA-119 9.1.4).
const SECTION_MAX: u32 = u32::MAX - 2047;

impl Hierarchy {
    /// The entry with a record of a directory, `item` counted as in [`RecordMark`] and at least 2.
    pub fn entry(&self, directory: &Directory, item: u32) -> u32 {
        let at = directory.entries.start + item - 2;
        self.entries.get(at as usize).copied().unwrap_or(at)
    }

    /// The directory at a place of the path table, and the place of a directory in it.
    pub fn directory(&self, place: u32) -> u32 {
        self.directories.get(place as usize).copied().unwrap_or(place)
    }

    pub fn place(&self, directory: u32) -> u32 {
        self.places.get(directory as usize).copied().unwrap_or(directory)
    }
}

/// The number given to an entry in a table sorted by entries, 0 for none.
pub(super) fn number_of(table: &[(u32, u32)], entry: u32) -> u32 {
    match table.binary_search_by_key(&entry, |&(entry, _)| entry) {
        Ok(at) => table[at].1,
        Err(_) => 0,
    }
}

/// Length of a table the planner has made sure is numbered by 32 bits.
pub(super) fn length<T>(table: &[T]) -> u32 {
    u32::try_from(table.len()).unwrap_or(u32::MAX)
}
