//! Places to list and get from: trees, copies, and any session of a disc.

use serde::{Deserialize, Serialize};

use crate::label::numbered;
use crate::{ByteString, Get, List, Source};

numbered! {
    /// What a [`Place`] is.
    PlaceKind {
        /// A tree on the data partition, or a copy of one.
        Tree = 1 "tree",
        /// A session of the disc in a drive.
        Disc = 2 "disc",
    }
}

/// Where to list or get from; a box answers a kind it does not know with a failure of that request alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// A [`PlaceKind`].
    pub kind: u16,
    /// The number of the tree or the drive.
    pub number: u64,
    /// The session of a disc, 0 for the newest.
    pub session: u32,
}

impl From<Source> for Place {
    fn from(source: Source) -> Self {
        let (kind, number) = match source {
            Source::Tree(tree) => (PlaceKind::Tree, tree),
            Source::Disc(drive) => (PlaceKind::Disc, u64::from(drive)),
        };
        Self {
            kind: kind.number(),
            number,
            session: 0,
        }
    }
}

/// Asks for the entries at and below a path, as [`List`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListIn {
    /// Where.
    pub place: Place,
    /// A file or directory, empty for the root.
    pub path: ByteString,
    /// How many levels below the path; 0 is the entry itself, `u32::MAX` all.
    pub depth: u32,
}

/// Asks for the bytes of a file, as [`Get`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetIn {
    /// Where.
    pub place: Place,
    /// The file.
    pub path: ByteString,
    /// First byte wanted.
    pub offset: u64,
    /// Most bytes wanted, `u64::MAX` for all.
    pub length: u64,
}

impl From<List> for ListIn {
    fn from(list: List) -> Self {
        Self {
            place: list.source.into(),
            path: list.path,
            depth: list.depth,
        }
    }
}

impl From<Get> for GetIn {
    fn from(get: Get) -> Self {
        Self {
            place: get.source.into(),
            path: get.path,
            offset: get.offset,
            length: get.length,
        }
    }
}

/// Removes a tree that nobody burns, or a copy, from the data partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveTree {
    /// Its number.
    pub tree: u64,
    /// Whoever asks knows that it may be nowhere else.
    pub confirmed: bool,
}
