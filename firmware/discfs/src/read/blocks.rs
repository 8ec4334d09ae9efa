//! Blocks of a disc, a few of them kept, and bytes at any place.

use super::{DiscError, malformed};
use crate::BLOCK;
use alloc::{string::String, vec::Vec};
use displaydoc::Display;
use thiserror::Error;

/// Where the blocks of a disc come from.
pub trait BlockSource {
    /// Blocks of 2048 bytes that can be read.
    fn blocks(&self) -> u64;

    /// Fills `buf`, whole blocks, from `block` on. Never asked for blocks past [`BlockSource::blocks`].
    ///
    /// # Errors
    /// When the blocks cannot be read.
    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError>;
}

impl<S: BlockSource + ?Sized> BlockSource for &mut S {
    fn blocks(&self) -> u64 {
        (**self).blocks()
    }

    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        (**self).read(block, buf)
    }
}

/// the disc cannot be read: {0}
#[derive(Clone, Debug, PartialEq, Eq, Display, Error)]
pub struct SourceError(pub String);

/// Blocks read at once for structures: neighbours are likely to be asked for next.
const WINDOW: u64 = 16;
/// Windows kept: a directory, its nodes, continuation areas, and some to go up and down a tree.
const WINDOWS: usize = 8;

struct Window {
    first: u64,
    bytes: Vec<u8>,
    used: u64,
}

/// A source with the blocks of structures kept for a while. File data go past it.
pub(crate) struct Blocks<S> {
    source: S,
    windows: Vec<Window>,
    /// Blocks of structures looked at since the disc was opened.
    clock: u64,
}

impl<S: BlockSource> Blocks<S> {
    pub fn new(source: S) -> Self {
        Self {
            source,
            windows: Vec::new(),
            clock: 0,
        }
    }

    /// The source, when it is to be read in another way for a while.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    pub fn into_source(self) -> S {
        self.source
    }

    /// Blocks that can be read.
    pub fn count(&self) -> u64 {
        self.source.blocks()
    }

    /// Bytes that can be read.
    pub fn end(&self) -> u64 {
        self.count().saturating_mul(BLOCK as u64)
    }

    /// Blocks of structures looked at so far, each as often as it was: what reading has cost.
    pub fn looked_at(&self) -> u64 {
        self.clock
    }

    /// A structure of some bytes at a byte position.
    pub fn structure(&mut self, position: u64, length: usize) -> Result<Vec<u8>, DiscError> {
        let mut bytes = alloc::vec![0; length];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            done += self.piece(position.saturating_add(done as u64), rest)?;
        }
        Ok(bytes)
    }

    /// Copies one block; past the end of the disc is an error of the structure that points there.
    pub fn block(&mut self, block: u64, out: &mut [u8; BLOCK]) -> Result<(), DiscError> {
        let first = block - block % WINDOW;
        self.clock += 1;
        let holds = |window: &Window| {
            let blocks = (window.bytes.len() / BLOCK) as u64;
            (window.first..window.first.saturating_add(blocks)).contains(&block)
        };
        let at = match self.windows.iter().position(holds) {
            Some(at) => at,
            None => self.load(block, first)?,
        };
        let Some(window) = self.windows.get_mut(at) else {
            return Err(malformed(block, OUTSIDE));
        };
        window.used = self.clock;
        let (blocks, _) = window.bytes.as_chunks::<BLOCK>();
        let found = block
            .checked_sub(window.first)
            .and_then(|at| usize::try_from(at).ok());
        let found = found.and_then(|at| blocks.get(at));
        out.copy_from_slice(found.ok_or(malformed(block, OUTSIDE))?);
        Ok(())
    }

    fn load(&mut self, block: u64, first: u64) -> Result<usize, DiscError> {
        if block >= self.count() {
            return Err(malformed(block, OUTSIDE));
        }
        let mut bytes = if self.windows.len() < WINDOWS {
            Vec::new()
        } else {
            let oldest = self
                .windows
                .iter()
                .enumerate()
                .min_by_key(|(_, window)| window.used);
            let oldest = oldest.map_or(0, |(at, _)| at);
            self.windows.swap_remove(oldest).bytes
        };
        let count = usize::try_from(WINDOW.min(self.count() - first)).unwrap_or_default();
        bytes.resize(count * BLOCK, 0);
        if self.source.read(first, &mut bytes).is_err() {
            // Some block of the window is bad, perhaps not the one that is wanted.
            bytes.truncate(BLOCK);
            self.source.read(block, &mut bytes).map_err(DiscError::Source)?;
            self.windows.push(Window {
                first: block,
                bytes,
                used: self.clock,
            });
            return Ok(self.windows.len() - 1);
        }
        self.windows.push(Window {
            first,
            bytes,
            used: self.clock,
        });
        Ok(self.windows.len() - 1)
    }

    /// Copies what the block at a byte position has of `out`; returns how much that is.
    fn piece(&mut self, position: u64, out: &mut [u8]) -> Result<usize, DiscError> {
        let mut one = [0; BLOCK];
        self.block(position / BLOCK as u64, &mut one)?;
        let within = usize::try_from(position % BLOCK as u64).unwrap_or_default();
        let piece = one.get(within..).unwrap_or_default();
        for (to, from) in out.iter_mut().zip(piece) {
            *to = *from;
        }
        Ok(piece.len().min(out.len()))
    }

    /// Fills `out` from a byte position of the disc; whole blocks go straight to it.
    pub fn bytes(&mut self, position: u64, out: &mut [u8]) -> Result<(), DiscError> {
        let mut position = position;
        let mut rest = out;
        while !rest.is_empty() {
            let block = position / BLOCK as u64;
            let within = usize::try_from(position % BLOCK as u64).unwrap_or_default();
            let length = if within == 0 && rest.len() >= BLOCK {
                let length = rest.len() - rest.len() % BLOCK;
                if block.saturating_add((length / BLOCK) as u64) > self.count() {
                    return Err(malformed(block, OUTSIDE));
                }
                let whole = rest.get_mut(..length).unwrap_or_default();
                self.source.read(block, whole).map_err(DiscError::Source)?;
                length
            } else {
                self.piece(position, rest)?
            };
            position += length as u64;
            rest = rest.get_mut(length..).unwrap_or_default();
        }
        Ok(())
    }
}

const OUTSIDE: &str = "an address lies past the end of the disc";
