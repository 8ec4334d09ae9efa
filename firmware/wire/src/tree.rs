//! Trees area: putting, listing and getting files.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::label::numbered;
use crate::{ByteString, Time};

numbered! {
    /// What an entry of a tree is.
    EntryKind {
        /// A regular file.
        File = 1 "file",
        /// A directory.
        Directory = 2 "directory",
        /// A symbolic link.
        Symlink = 3 "symlink",
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the tree, components joined by `/`.
    pub path: ByteString,
    /// An [`EntryKind`].
    pub kind: u16,
    /// Permission bits, the low twelve.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification.
    pub mtime: Time,
    /// Bytes of a file, 0 for others.
    pub size: u64,
    /// Target of a symbolic link, empty for others.
    pub target: ByteString,
    /// Entries of one put with the same non-zero number are names of one file; only the first has data.
    pub hard_link: u64,
    /// SHA-256 when it is known; clients leave it out.
    pub sha256: Option<[u8; 32]>,
}

/// Where to list or get from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A tree on the data partition.
    Tree(u64),
    /// The newest session of the disc in this drive.
    Disc(u32),
}

/// Begins a put; everything until its end has the same request id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBegin {
    /// An open tree to add to, 0 for a new one.
    pub tree: u64,
    /// What the tree is called.
    pub name: String,
    /// Bytes that will come, as far as known; refused at once when they cannot fit. 0 when unknown.
    pub expected: u64,
}

/// The box takes the put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutReady {
    /// The tree's number.
    pub tree: u64,
}

/// The file's bytes were all sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutFileEnd {
    /// SHA-256 of what was sent.
    pub sha256: [u8; 32],
}

/// All of the put is on the data partition, synced and catalogued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutDone {
    /// The tree's number.
    pub tree: u64,
    /// Files received by this put, hard links counted once.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Asks for the entries at and below a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Where.
    pub source: Source,
    /// A file or directory, empty for the root.
    pub path: ByteString,
    /// How many levels below the path; 0 is the entry itself, `u32::MAX` all.
    pub depth: u32,
}

/// Some of the entries asked for: a directory before what is in it, otherwise in the order of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntries {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// No more entries follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEnd {
    /// How many there were.
    pub count: u64,
}

/// Asks for the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Where.
    pub source: Source,
    /// The file.
    pub path: ByteString,
    /// First byte wanted.
    pub offset: u64,
    /// Most bytes wanted, `u64::MAX` for all.
    pub length: u64,
}

/// The file; its bytes follow in data frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetFile {
    /// The entry.
    pub entry: Entry,
    /// Bytes that follow.
    pub length: u64,
}

/// All bytes were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetEnd {
    /// SHA-256 of the whole file as the catalog or the disc's own list has it, when it is known.
    pub sha256: Option<[u8; 32]>,
}
