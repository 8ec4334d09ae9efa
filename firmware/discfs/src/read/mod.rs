//! Reading discs written by anyone.

mod blocks;
mod iso;
mod node;
mod sessions;
mod susp;
mod udf;
mod udf_directory;
mod udf_names;
mod udf_nodes;
mod udf_partition;
mod volume;
mod walk;

pub use blocks::{BlockSource, SourceError};
pub use node::{Node, NodeKind};
pub use volume::{Directory, View, Volume};
pub use walk::WalkLimits;

pub(crate) use blocks::Blocks;
pub(crate) use iso::{Hierarchy, Iso, is_joliet};
pub(crate) use node::{Extent, Extents};
pub(crate) use udf::{LongExtent, SIZES, Udf, anchor_places};
pub(crate) use udf_directory::{Identifier, next_identifier};
pub(crate) use udf_names::{expand, legal, wide};
pub(crate) use udf_nodes::{Allocation, EntryLayout};
pub(crate) use udf_partition::{Map, PARTITIONS_MAX, Partition, Physical, Vat};

use alloc::string::String;
use displaydoc::Display;
use thiserror::Error;

/// Why a disc or something on it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum DiscError {
    /// {0}
    Source(SourceError),
    /// there is no file system on this disc that can be read: neither ISO 9660 nor UDF
    NoFileSystem,
    /// the disc has no {0} view
    NoView(View),
    /// the disc uses {0}, which cannot be read yet
    Unsupported(&'static str),
    /// block {block}: {what}; the disc is damaged or was not written to the standard
    Malformed {
        /// Where.
        block: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// there is no `{0}` on the disc
    NotFound(String),
    /// this is not a directory
    NotDirectory,
    /// this is not a file
    NotFile,
    /// this is not a symbolic link
    NotSymlink,
    /// there are more than {0} entries, the limit of this walk
    TooManyEntries(u64),
    /// there are directories more than {0} levels deep, the limit of this walk
    TooDeep(u32),
    /// the directories of this disc lead to the same blocks again and again; the walk was given up
    TooMuchWork,
    /// the disc has no session {0}
    NoSession(usize),
    /// it was cancelled
    Cancelled,
}

/// A damaged structure in a block.
fn malformed(block: u64, what: &'static str) -> DiscError {
    DiscError::Malformed { block, what }
}
