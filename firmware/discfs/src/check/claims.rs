//! Who uses which blocks: overlaps, and what is in use at all.

use super::names::Names;
use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::BlockSource;
use alloc::{format, vec::Vec};

/// A stretch of the disc in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    /// First byte, and the first behind.
    pub start: u64,
    pub end: u64,
    pub owner: Owner,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A structure of the file system, which nothing shares.
    Structure(&'static str),
    /// The bytes of a file by its entry; files may share all of an extent.
    File(u32),
    /// A directory by its entry.
    Directory(u32),
}

/// All claims of one view: 32 bytes for each extent.
#[derive(Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Claims whole blocks of a size.
    pub fn add(&mut self, start: u64, length: u64, size: u64, owner: Owner) {
        if length > 0 {
            let end = start.saturating_add(length).checked_next_multiple_of(size);
            self.0.push(Claim {
                start,
                end: end.unwrap_or(u64::MAX),
                owner,
            });
        }
    }

    /// The claims in the order of the disc.
    pub fn sorted(&mut self) -> &[Claim] {
        self.0.sort_unstable();
        &self.0
    }

}

impl Owner {
    fn words(self, names: &Names) -> alloc::string::String {
        match self {
            Self::Structure(what) => what.into(),
            Self::File(entry) => format!("file {}", crate::tree::readable(&names.path(entry))),
            Self::Directory(super::names::TOP) => "the top directory".into(),
            Self::Directory(entry) => format!("directory {}", crate::tree::readable(&names.path(entry))),
        }
    }
}

impl<S: BlockSource> Check<'_, S> {
    /// Finds claims that overlap. Files may share an extent as a whole: links, and equal files kept once.
    pub(super) fn overlaps(&mut self, claims: &mut Claims, names: &Names) {
        let mut reach: Option<Claim> = None;
        for &claim in claims.sorted() {
            if let Some(before) = reach.filter(|before| claim.start < before.end) {
                let files = matches!((before.owner, claim.owner), (Owner::File(_), Owner::File(_)));
                let whole = (before.start, before.end) == (claim.start, claim.end);
                if !(files && whole) {
                    self.find(
                        Fault::Overlap,
                        Place::position(claim.start),
                        format_args!(
                            "blocks {} to {} of {}, blocks {} to {} of {}",
                            before.start / BLOCK as u64,
                            (before.end - 1) / BLOCK as u64,
                            before.owner.words(names),
                            claim.start / BLOCK as u64,
                            (claim.end - 1) / BLOCK as u64,
                            claim.owner.words(names),
                        ),
                    );
                }
            }
            if reach.is_none_or(|before| claim.end > before.end) {
                reach = Some(claim);
            }
        }
    }
}
