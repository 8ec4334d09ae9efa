//! What goes on a disc: a compact tree of names, attributes and targets.

use crate::Time;
use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::ops::Range;
use displaydoc::Display;
use thiserror::Error;

/// Longest name of one component in bytes, as in every file system the trees come from.
pub const NAME_MAX: usize = 255;
/// Longest path in bytes, components joined by `/`: what POSIX systems open in one call.
pub const PATH_MAX: usize = 4095;
/// The directory of our own records on each disc; a tree must not bring its own.
pub const OWN_DIRECTORY: &[u8] = b".spindle";
/// Records every tree has: the top, our directory, and what may be in it.
const OWN_RECORDS: usize = 2 + Own::ALL.len();

/// A file of our own directory, in the order of the disc: each speaks of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Own {
    Catalog,
    Digests,
    Signature,
}

impl Own {
    pub const ALL: [Self; 3] = [Self::Catalog, Self::Digests, Self::Signature];

    pub fn name(self) -> &'static [u8] {
        match self {
            Self::Catalog => b"catalog.txt",
            Self::Digests => b"SHA256SUMS",
            Self::Signature => b"SHA256SUMS.minisig",
        }
    }
}

/// The caller's number of a file. Entries with the same number are hard links to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// A node of one [`Tree`], as given by [`Tree::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(crate) u32);

/// A run of blocks of a disc that holds bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiscExtent {
    /// First block, counted from the start of the disc.
    pub block: u32,
    /// Bytes: whole blocks in all but the last extent of a file.
    pub bytes: u64,
}

/// Owner, permissions and time of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, the low twelve of POSIX `st_mode`; higher bits are ignored.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification.
    pub mtime: Time,
}

/// Times of an entry besides that of its modification, as far as they are to be on the disc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Last access.
    pub accessed: Option<Time>,
    /// Last change of its attributes.
    pub changed: Option<Time>,
    /// Creation. UDF has no place for it.
    pub created: Option<Time>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A file whose bytes the [`crate::Content`] supplies. Hard links give the same `file` each time; the
    /// attributes of the first of them in the order of the disc count for all.
    File {
        /// Bytes, fixed from now on.
        size: u64,
        /// Whose bytes.
        file: FileId,
    },
    /// A file that an earlier session of the disc has recorded; it is described again, not written.
    Recorded {
        /// As for [`Kind::File`], but the numbers of recorded files are their own.
        file: FileId,
        /// Where its bytes are, in their order.
        extents: &'a [DiscExtent],
        /// SHA-256 of its bytes; without it the digest list does not name the file.
        digest: Option<[u8; 32]>,
        /// CRC-32C of its bytes; without it the catalog has none.
        crc32c: Option<u32>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as given to `symlink(2)`.
        target: &'a [u8],
    },
}

/// Why an entry cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum TreeError {
    /// `{0}`: a name is empty; give every component a name
    EmptyName(String),
    /// `{0}`: `.` and `..` cannot be names; remove them from the path
    DotName(String),
    /// `{0}`: a name holds `/` or a zero byte, which no system could open; rename it
    ForbiddenByte(String),
    /// `{0}`: a name is longer than 255 bytes; shorten it
    NameTooLong(String),
    /// `{0}`: the path is longer than 4095 bytes; move the tree up or shorten names
    PathTooLong(String),
    /// `{0}`: the name .spindle at the top is kept for the disc's own records; rename it
    Reserved(String),
    /// `{0}`: the parent is not a directory of this tree; add directories before what is in them
    NoParent(String),
    /// `{0}`: the target of a symbolic link is empty or holds a zero byte
    BadTarget(String),
    /// `{0}`: an extent of a recorded file is empty, or ends within a block before the last; copy the file
    BadExtents(String),
    /// `{0}`: more entries or bytes of names than one tree can hold; divide it over several discs
    TooMany(String),
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Directory,
    File {
        size: u64,
        file: FileId,
    },
    Recorded {
        file: FileId,
        extents: Range<u32>,
        digest: Option<[u8; 32]>,
        crc32c: Option<u32>,
    },
    Symlink {
        target: Range<u32>,
    },
    Own(Own),
}

pub(crate) struct Record {
    pub parent: u32,
    pub name: Range<u32>,
    /// Length of the path to here, to bound it without climbing.
    path_length: u16,
    pub attributes: Attributes,
    pub content: Content,
}

/// A tree to be written on a disc. The order in which entries are added has no influence on the image.
///
/// Names and targets stand in one arena and nodes are numbers, so that a million entries stay small.
pub struct Tree {
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// Where recorded files lie.
    extents: Vec<DiscExtent>,
    /// Directories by parent and name, kept only for those added with [`Tree::add_path`].
    paths: BTreeMap<(u32, Box<[u8]>), u32>,
    /// Further times of those records that have any.
    times: BTreeMap<u32, Times>,
}

impl Tree {
    /// The top directory, which every tree has.
    pub const ROOT: NodeId = NodeId(0);

    /// A tree of the top directory alone, with these attributes.
    #[must_use]
    pub fn new(root: Attributes) -> Self {
        let mut tree = Self {
            bytes: Vec::new(),
            records: Vec::new(),
            extents: Vec::new(),
            paths: BTreeMap::new(),
            times: BTreeMap::new(),
        };
        let own = Attributes {
            mode: 0o555,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
        };
        tree.push(0, b"", root, Content::Directory);
        tree.push(0, OWN_DIRECTORY, own, Content::Directory);
        for file in Own::ALL {
            tree.push(
                1,
                file.name(),
                Attributes { mode: 0o444, ..own },
                Content::Own(file),
            );
        }
        tree
    }

    /// Adds an entry to a directory. A name given twice is found by [`crate::plan`], not here.
    ///
    /// # Errors
    /// When the name or the target is not representable, or `parent` is not a directory of this tree.
    pub fn add(
        &mut self,
        parent: NodeId,
        name: &[u8],
        attributes: Attributes,
        kind: Kind<'_>,
    ) -> Result<NodeId, TreeError> {
        let above = match self.records.get(parent.0 as usize) {
            Some(record) if record.content == Content::Directory => usize::from(record.path_length),
            _ => return Err(TreeError::NoParent(readable(name))),
        };
        let refuse = |tree: &Self, reason: fn(String) -> TreeError| Err(reason(tree.describe(parent, name)));
        if name.is_empty() {
            return refuse(self, TreeError::EmptyName);
        }
        if name == b"." || name == b".." {
            return refuse(self, TreeError::DotName);
        }
        if name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return refuse(self, TreeError::ForbiddenByte);
        }
        if name.len() > NAME_MAX {
            return refuse(self, TreeError::NameTooLong);
        }
        if parent == Self::ROOT && name == OWN_DIRECTORY {
            return refuse(self, TreeError::Reserved);
        }
        if above + 1 + name.len() > PATH_MAX {
            return refuse(self, TreeError::PathTooLong);
        }
        if matches!(kind, Kind::Symlink { target } if target.is_empty() || target.contains(&0)) {
            return refuse(self, TreeError::BadTarget);
        }
        if matches!(kind, Kind::Recorded { extents, .. } if !are_whole(extents)) {
            return refuse(self, TreeError::BadExtents);
        }
        let content = match kind {
            Kind::Directory => Some(Content::Directory),
            Kind::File { size, file } => Some(Content::File { size, file }),
            Kind::Recorded {
                file,
                extents,
                digest,
                crc32c,
            } => self.keep_extents(extents).map(|extents| Content::Recorded {
                file,
                extents,
                digest,
                crc32c,
            }),
            Kind::Symlink { target } => self.keep(target).map(|target| Content::Symlink { target }),
        };
        match content.and_then(|content| self.push(parent.0, name, attributes, content)) {
            Some(node) => Ok(node),
            None => refuse(self, TreeError::TooMany),
        }
    }

    /// Adds an entry by its path from the top, components joined by `/`. Its directory must have been
    /// added by this method before.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn add_path(
        &mut self,
        path: &[u8],
        attributes: Attributes,
        kind: Kind<'_>,
    ) -> Result<NodeId, TreeError> {
        let (above, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (path.get(..slash), path.get(slash + 1..).unwrap_or_default()),
            None => (None, path),
        };
        let mut parent = Self::ROOT;
        for component in above
            .into_iter()
            .flat_map(|above| above.split(|&byte| byte == b'/'))
        {
            match self.paths.get(&(parent.0, Box::from(component))) {
                Some(&node) => parent = NodeId(node),
                None => return Err(TreeError::NoParent(readable(path))),
            }
        }
        let node = self.add(parent, name, attributes, kind)?;
        if kind == Kind::Directory {
            self.paths.insert((parent.0, Box::from(name)), node.0);
        }
        Ok(node)
    }

    /// Gives an entry further times. Of a file with several names, those of the first in the order of the disc count.
    pub fn set_times(&mut self, node: NodeId, times: Times) {
        self.times.insert(node.0, times);
    }

    /// Entries below the top directory, our own not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() - OWN_RECORDS
    }

    /// Whether there is nothing but the top directory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn times(&self, node: u32) -> Option<Times> {
        self.times.get(&node).copied()
    }

    /// Whether a record is our own directory or in it.
    pub(crate) fn is_own(&self, node: u32) -> bool {
        (1..OWN_RECORDS).contains(&(node as usize))
    }

    pub(crate) fn bytes(&self, range: &Range<u32>) -> &[u8] {
        self.bytes
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn extents(&self, range: &Range<u32>) -> &[DiscExtent] {
        self.extents
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// The path of a node in readable form, for messages.
    pub(crate) fn path(&self, node: u32) -> String {
        let mut components = Vec::new();
        let mut at = node;
        while at != 0 {
            let Some(record) = self.records.get(at as usize) else {
                break;
            };
            components.push(readable(self.bytes(&record.name)));
            at = record.parent;
        }
        components.reverse();
        components.join("/")
    }

    fn push(&mut self, parent: u32, name: &[u8], attributes: Attributes, content: Content) -> Option<NodeId> {
        let node = u32::try_from(self.records.len()).ok()?;
        let above = self
            .records
            .get(parent as usize)
            .map_or(0, |record| record.path_length);
        let length = u16::try_from(name.len()).ok()? + u16::from(above > 0);
        let path_length = above.checked_add(length)?;
        let name = self.keep(name)?;
        self.records.push(Record {
            parent,
            name,
            path_length,
            attributes,
            content,
        });
        Some(NodeId(node))
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<Range<u32>> {
        let start = u32::try_from(self.bytes.len()).ok()?;
        let end = start.checked_add(u32::try_from(bytes.len()).ok()?)?;
        self.bytes.extend_from_slice(bytes);
        Some(start..end)
    }

    /// Keeps extents, those that follow each other as one.
    fn keep_extents(&mut self, extents: &[DiscExtent]) -> Option<Range<u32>> {
        let start = self.extents.len();
        for &extent in extents {
            let end = u64::from(extent.block).checked_add(extent.bytes.div_ceil(BLOCK))?;
            u32::try_from(end).ok()?;
            match self.extents.get_mut(start..).and_then(<[_]>::last_mut) {
                Some(last) if u64::from(last.block) + last.bytes / BLOCK == u64::from(extent.block) => {
                    last.bytes += extent.bytes;
                }
                _ => self.extents.push(extent),
            }
        }
        Some(u32::try_from(start).ok()?..u32::try_from(self.extents.len()).ok()?)
    }

    fn describe(&self, parent: NodeId, name: &[u8]) -> String {
        let mut path = self.path(parent.0);
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&readable(name));
        path
    }
}

const BLOCK: u64 = crate::BLOCK as u64;

/// Whether extents can be those of one file: none empty, whole blocks but for the end.
fn are_whole(extents: &[DiscExtent]) -> bool {
    let before_last = extents.get(..extents.len().saturating_sub(1)).unwrap_or_default();
    extents.iter().all(|extent| extent.bytes > 0)
        && before_last
            .iter()
            .all(|extent| extent.bytes.is_multiple_of(BLOCK))
}

/// Bytes of a name as text for a message; what is not printable is escaped.
pub(crate) fn readable(name: &[u8]) -> String {
    match core::str::from_utf8(name) {
        Ok(text) if !text.chars().any(char::is_control) => String::from(text),
        _ => name
            .escape_ascii()
            .collect::<Vec<u8>>()
            .into_iter()
            .map(char::from)
            .collect(),
    }
}
