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

/// Claims that any disc may have, however small.
const CLAIMS_LEAST: u64 = 1 << 16;

/// All claims of one view: 40 bytes for each extent. Claims of a sane disc do not share blocks but for files that are kept
/// once, so there are not many more than it has blocks.
pub(super) struct Claims {
    list: Vec<Claim>,
    most: u64,
}

impl Claims {
    /// No claims yet, for a disc of so many bytes in blocks of a size.
    pub fn new(bytes: u64, size: u64) -> Self {
        Self {
            list: Vec::new(),
            most: (bytes / size).saturating_mul(4).saturating_add(CLAIMS_LEAST),
        }
    }

    /// Whether there are more than any sane disc has; those that follow are not kept.
    pub fn is_full(&self) -> bool {
        self.list.len() as u64 >= self.most
    }

    /// Claims whole blocks of a size.
    pub fn add(&mut self, start: u64, length: u64, size: u64, owner: Owner) {
        if length > 0 && !self.is_full() {
            let end = start.saturating_add(length).checked_next_multiple_of(size);
            self.list.push(Claim {
                start,
                end: end.unwrap_or(u64::MAX),
                owner,
            });
        }
    }

    /// The claims in the order of the disc.
    pub fn sorted(&mut self) -> &[Claim] {
        self.list.sort_unstable();
        &self.list
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
        if claims.is_full() {
            self.find(
                Fault::Overlap,
                Place::default(),
                "there are more extents than the disc has blocks",
            );
        }
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
