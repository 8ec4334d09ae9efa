//! From a tree to an image, any block of which can be produced on demand.

mod iso;
mod layout;
mod measure;
mod names;
mod own;
mod pass;
mod plan;
mod produce;
mod rock_ridge;
mod supply;
mod udf;
mod udf_nodes;

pub use layout::Image;
pub use pass::Pass;
pub use plan::plan;
pub use produce::{FRONT_BLOCKS, FileSpan};

use crate::{EarlierSession, FileId};
use alloc::{string::String, vec::Vec};
use displaydoc::Display;
use thiserror::Error;

/// Which file systems an image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// ISO 9660 and UDF over the same files.
    #[default]
    Bridge,
    /// ISO 9660 with Rock Ridge.
    Iso,
    /// UDF. Symbolic links are then always written, whatever [`Options::udf_symlinks`] says.
    Udf,
}

impl Format {
    pub(crate) fn has_iso(self) -> bool {
        self != Self::Udf
    }

    pub(crate) fn has_udf(self) -> bool {
        self != Self::Iso
    }
}

/// Revision of UDF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UdfRevision {
    /// 1.02, which every reader of UDF knows (ECMA-167 second edition, NSR02).
    #[default]
    V1_02,
    /// 2.01 (ECMA-167 third edition, NSR03), on the same plain partition of type 1.
    V2_01,
}

/// Where an image comes from, as far as its catalog is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The box that writes it.
    pub box_identity: Option<[u8; 16]>,
    /// What the tree is called there.
    pub tree: Option<Vec<u8>>,
    /// The sessions before this one, oldest first.
    pub earlier: Vec<EarlierSession>,
}

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
    /// Which file systems the image has.
    pub format: Format,
    /// Whether ISO 9660 has the second, Joliet hierarchy, which shows names in Unicode to readers without Rock Ridge.
    pub joliet: bool,
    /// Revision of UDF, when there is UDF.
    pub udf_revision: UdfRevision,
    /// Whether UDF shows symbolic links, as Linux, macOS and the BSDs read them. 7-Zip refuses a whole UDF file
    /// system for one of them and Windows knows none, so that otherwise only Rock Ridge has them.
    pub udf_symlinks: bool,
    /// Program that wrote the disc, for the ISO 9660 application identifier.
    pub application: String,
    /// Who publishes the disc.
    pub publisher: String,
    /// Whether Rock Ridge has times to the hundredth of a second. Linux before 6.16 is told the seconds besides.
    pub precise_times: bool,
    /// What the catalog says of where the image comes from.
    pub provenance: Provenance,
    /// The trusted comment of the signature, of one line; without it there is no signature. The content has the
    /// key ([`Content::signer`]).
    pub signature: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            label: String::from("SPINDLE"),
            time: 0,
            start_block: 0,
            alignment: 32,
            identity: None,
            format: Format::Bridge,
            joliet: true,
            udf_revision: UdfRevision::V1_02,
            udf_symlinks: false,
            application: String::from("SPINDLE"),
            publisher: String::new(),
            precise_times: false,
            provenance: Provenance::default(),
            signature: None,
        }
    }
}

impl Options {
    pub(crate) fn udf_has_symlinks(&self) -> bool {
        self.udf_symlinks || self.format == Format::Udf
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

    /// CRC-32C of a file when it is known. Where it is needed and not known the file is read for it, but
    /// [`Pass`] computes it on the way.
    fn crc32c(&mut self, file: FileId) -> Option<u32> {
        let _ = file;
        None
    }

    /// The key of an image that has a signature.
    fn signer(&mut self) -> Option<&mut dyn Signer> {
        None
    }

    /// Told by [`Pass`] when a file's last byte has been produced, with its SHA-256.
    fn completed(&mut self, file: FileId, digest: &[u8; 32]) {
        let _ = (file, digest);
    }
}

/// A key of minisign: Ed25519, RFC 8032, over BLAKE2b, RFC 7693.
pub trait Signer {
    /// The key's number.
    fn key(&self) -> [u8; 8];

    /// The next bytes of what is to be signed.
    fn update(&mut self, bytes: &[u8]);

    /// Signs the BLAKE2b-512 digest of the bytes since the last call.
    fn sign_digest(&mut self) -> [u8; 64];

    /// Signs a short message.
    fn sign(&mut self, message: &[u8]) -> [u8; 64];
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
    /// `{0}` has more than 233 GiB or lies in too many pieces for its UDF file entry; split the file, or copy it
    FileTooLarge(String),
    /// `{0}` is said to lie where the new session will be written; start the session behind all earlier ones
    NotRecorded(String),
    /// `{0}` is a hard link to a file that was given with another size or place; give all links the same
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
    /// the image is to be signed and its content has no key; give both or neither
    NoSigner,
}

/// Why a pass stopped.
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub enum PassError {
    /// {0}
    Read(ReadError),
    /// `{0}` is not what it was when it was received: its SHA-256 differs; send it again
    Changed(String),
}
