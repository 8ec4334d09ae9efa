//! Files, directories and links of a disc, and their bytes.

use super::blocks::{BlockSource, Blocks};
use super::{DiscError, malformed};
use crate::{Attributes, BLOCK, DiscExtent, Time};
use alloc::vec::Vec;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe: shown, never opened.
    Special,
}

/// A file, directory or link of a disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Owner, permissions (low twelve bits) and time.
    pub attributes: Attributes,
    /// Bytes of a file, 0 for others.
    pub size: u64,
    /// Number of names it has, at least 1.
    pub links: u32,
    /// Equal for two names of one file, different for different files of one view.
    pub identity: u64,
    /// Where its bytes are: of a file, a directory's entries, a link's target in UDF.
    pub(crate) extents: Extents,
    /// A link's target in Rock Ridge, which has it in the directory.
    pub(super) target: Vec<u8>,
}

/// Bytes that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Byte position on the disc; `None` where nothing was recorded and zeros are read.
    pub position: Option<u64>,
    pub length: u64,
}

impl Extent {
    /// An extent of a disc of so many bytes; one that leaves the disc is refused.
    pub fn within(position: u64, length: u64, end: u64) -> Result<Self, DiscError> {
        if position.checked_add(length).is_none_or(|past| past > end) {
            return Err(malformed(
                position / BLOCK as u64,
                "a file or directory reaches past the end of the disc",
            ));
        }
        Ok(Self {
            position: Some(position),
            length,
        })
    }

    /// Bytes that are not recorded.
    pub fn hole(length: u64) -> Self {
        Self {
            position: None,
            length,
        }
    }

    /// Whether the other begins on the disc where this one ends, or both are holes.
    fn continues(&self, other: &Self) -> bool {
        self.position.map(|position| position + self.length) == other.position
    }
}

/// Extents one behind the other, each with the offset where it ends: found without looking at all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extents(Vec<(u64, Extent)>);

impl Extents {
    pub fn one(extent: Extent) -> Self {
        Self(alloc::vec![(extent.length, extent)])
    }

    /// Puts an extent behind the others, as one with the last when it goes on from it.
    pub fn push(&mut self, extent: Extent) {
        let end = self.bytes().saturating_add(extent.length);
        match self.0.last_mut() {
            Some((last_end, last)) if last.continues(&extent) => {
                last.length += extent.length;
                *last_end = end;
            }
            _ => self.0.push((end, extent)),
        }
    }

    /// The extents in their order.
    pub fn iter(&self) -> impl Iterator<Item = Extent> {
        self.0.iter().map(|&(_, extent)| extent)
    }

    /// Where on the disc the byte at an offset lies, and how many follow it there.
    pub fn locate(&self, offset: u64) -> Option<Extent> {
        let at = self.0.partition_point(|&(end, _)| end <= offset);
        let &(end, extent) = self.0.get(at)?;
        let left = end - offset;
        Some(Extent {
            position: extent.position.map(|position| position + (extent.length - left)),
            length: left,
        })
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.0.last().map_or(0, |&(end, _)| end)
    }

    /// Byte position of the first that was recorded.
    pub fn position(&self) -> Option<u64> {
        self.iter().find_map(|extent| extent.position)
    }

    /// Reads from `offset`; returns how many bytes, fewer than fit only at the end.
    pub fn read<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        offset: u64,
        out: &mut [u8],
    ) -> Result<usize, DiscError> {
        let first = self.0.partition_point(|&(end, _)| end <= offset);
        let mut skip = offset;
        let mut done = 0;
        for (end, extent) in self.0.get(first..).unwrap_or_default() {
            skip = skip.saturating_sub(end.saturating_sub(extent.length));
            let room = out.len() - done;
            let length = usize::try_from(extent.length - skip).map_or(room, |left| left.min(room));
            let piece = out.get_mut(done..done + length).unwrap_or_default();
            match extent.position {
                Some(position) => blocks.bytes(position.saturating_add(skip), piece)?,
                None => piece.fill(0),
            }
            done += length;
            skip = 0;
            if done == out.len() {
                break;
            }
        }
        Ok(done)
    }
}

impl Node {
    /// A directory with nothing in it, a place for the top directory until it is known.
    pub(crate) fn empty_directory() -> Self {
        Self {
            kind: NodeKind::Directory,
            attributes: Attributes {
                mode: 0o555,
                uid: 0,
                gid: 0,
                mtime: Time::default(),
            },
            size: 0,
            links: 1,
            identity: 0,
            extents: Extents::default(),
            target: Vec::new(),
        }
    }

    /// Where a file's bytes lie, if a later session can describe them again: `None` when something of them was
    /// not recorded, or stands within blocks of something else.
    #[must_use]
    pub fn recorded(&self) -> Option<Vec<DiscExtent>> {
        let mut recorded: Vec<DiscExtent> = Vec::new();
        for extent in self.extents.iter().filter(|extent| extent.length > 0) {
            let position = extent.position.filter(|at| at.is_multiple_of(BLOCK as u64))?;
            let whole = |extent: &DiscExtent| extent.bytes.is_multiple_of(BLOCK as u64);
            if self.kind != NodeKind::File || !recorded.last().is_none_or(whole) {
                return None;
            }
            recorded.push(DiscExtent {
                block: u32::try_from(position / BLOCK as u64).ok()?,
                bytes: extent.length,
            });
        }
        Some(recorded)
    }
}
