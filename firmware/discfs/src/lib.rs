//! ISO 9660 and UDF: authoring, reading and checking disc images.
//!
//! An image is a value: [`plan`] computes from a [`Tree`] and [`Options`] where everything will lie, and
//! from then on any range of blocks can be produced on demand, in any order, byte-identical each time
//! ([`Image::read`]). A burn is one [`Pass`] over it. The disc carries ISO 9660 with Rock Ridge and Joliet, and UDF
//! 1.02 or 2.01, over the same file extents, and `.spindle` with catalog, digests and signature at its end; docs/discfs.md describes it.
//!
//! A further session of a disc describes the merged tree anew: [`Revision`] takes what is recorded and changes it.
//!
//! [`Volume`] reads discs written by anyone. Every field of such a disc is taken to be hostile: it is read
//! through one checked view, all lengths and counts are bounded, and no extent leaves the disc. [`check`] finds what is
//! wrong with one, in words, and whether its views agree.
//!
//! Limits: named streams and extended allocation descriptors of UDF are passed over.
//!
//! Standards cited: ECMA-119 (ISO 9660), IEEE P1281 (SUSP), IEEE P1282 (Rock Ridge, RRIP), ECMA-167 and
//! OSTA UDF 1.02 to 2.60.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod author;
mod catalog;
mod check;
mod digests;
mod read;
mod revision;
mod structure;
mod tag;
mod time;
mod tree;

pub use author::{Content, ContentError, Format, Image, Options, Pass, PassError, PlanError, Provenance};
pub use author::{FRONT_BLOCKS, FileSpan, ReadError, Signer, UdfRevision, plan};
pub use catalog::parse_catalog_line;
pub use catalog::{CATALOG_PATH, CATALOG_VERSION, CatalogEntry, CatalogKind, CatalogLine, EarlierSession};
pub use check::{
    ByteStream, CheckOptions, CheckProgress, CheckStage, CheckSummary, Fault, Finding, Inspector,
    SIGNATURE_PATH, Severity, Verdict, Verifier, check,
};
pub use digests::{DIGESTS_PATH, DigestLine, Digests, Hasher, parse_digest_line};
pub use read::{BlockSource, Directory, DiscError, Node, NodeKind, SourceError, View, Volume, WalkLimits};
pub use revision::Revision;
pub use time::Time;
pub use tree::{Attributes, DiscExtent, FileId, Kind, NodeId, Times, Tree, TreeError};

/// Bytes in a block, of which all addresses and lengths of an image are multiples.
pub const BLOCK: usize = 2048;
