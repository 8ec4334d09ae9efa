//! From a tree to an image, any block of which can be produced on demand.

mod iso;
mod layout;
mod names;
mod pass;
mod plan;
mod produce;
mod rock_ridge;
mod udf;
mod udf_nodes;

pub use layout::Image;
pub use pass::Pass;
pub use plan::plan;

use crate::FileId;
use alloc::string::String;
use displaydoc::Display;
use thiserror::Error;

/// What an image is made with besides its tree. The same tree and options give the same bytes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Volume label. UDF keeps up to 30 characters as they are; ISO 9660 gets A-Z, 0-9 and `_`.
    pub label: String,
    /// Time of the volume, seconds since 1970: no clock is read.
    pub time: i64,
    /// First block of the session on the disc; addresses are absolute. 0 for a new disc.
    pub start_block: u32,
    /// The number of blocks is padded to a multiple of this: 32 for BD, 16 for DVD. 0 counts as 1.
    pub alignment: u32,
    /// Identity of the disc, which makes two copies of one tree distinguishable; none is written when `None`.
    pub identity: Option<[u8; 16]>,
    /// Whether UDF shows symbolic links, as Linux, macOS and the BSDs read them. 7-Zip refuses a whole UDF file
    /// system for one of them and Windows knows none, so that otherwise only Rock Ridge has them.
    pub udf_symlinks: bool,
    /// Program that wrote the disc, for the ISO 9660 application identifier.
    pub application: String,
    /// Who publishes the disc.
    pub publisher: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            label: String::from("SPINDLE"),
            time: 0,
            start_block: 0,
            alignment: 32,
            identity: None,
            udf_symlinks: false,
            application: String::from("SPINDLE"),
            publisher: String::new(),
        }
    }
}

/// Supplies the bytes of files while an image is produced.
pub trait Content {
    /// Fills `buf` with the bytes of `file` from `offset`; the image asks for no byte past the planned size.
    ///
    /// # Errors
    /// When not all of `buf` could be filled.
    fn read(&mut self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<(), ContentError>;

    /// SHA-256 of a file when it is known. [`Image::read`] needs it for the blocks of the digest list;
    /// [`Pass`] computes it and compares it with the one given here.
    fn digest(&mut self, file: FileId) -> Option<[u8; 32]>;

    /// Told by [`Pass`] when a file's last byte has been produced, with its SHA-256.
    fn completed(&mut self, file: FileId, digest: &[u8; 32]) {
        let _ = (file, digest);
    }
}

/// Why a file's bytes could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum ContentError {
    /// the file is shorter than when the disc was planned; it was changed meanwhile
    Short,
    /// the file cannot be read: {0}
    Unreadable(String),
}

/// Why no image can be made of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum PlanError {
    /// `{0}` is given twice; rename one of them
    Duplicate(String),
    /// `{0}` has 4 GiB or more, which one extent cannot hold; split the file
    FileTooLarge(String),
    /// `{0}` is a hard link to a file that was given with another size; give all links the same
    LinksDiffer(String),
    /// the target of the symbolic link `{0}` is too long for the disc; shorten it
    TargetTooLong(String),
    /// the names of `{0}` need more blocks than a directory can have; divide the directory
    DirectoryTooLarge(String),
    /// the image would need {0} blocks, more than disc addresses can number; divide the tree over several discs
    ImageTooLarge(u64),
}

/// Why blocks of an image could not be produced.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum ReadError {
    /// the buffer is not a whole number of blocks
    PartialBlock,
    /// the blocks asked for lie past the end of the image
    PastEnd,
    /// `{path}`: {cause}
    Content {
        /// Which file.
        path: String,
        /// The caller's number of it.
        file: FileId,
        /// What went wrong.
        cause: ContentError,
    },
    /// `{0}` has no digest yet, which the digest list needs; produce the image in one pass or supply digests
    DigestUnknown(String),
}

/// Why a pass stopped.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum PassError {
    /// {0}
    Read(ReadError),
    /// `{0}` is not what it was when it was received: its SHA-256 differs; send it again
    Changed(String),
}
