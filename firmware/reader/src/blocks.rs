//! Blocks of the disc, from the vault through a small cache.

use std::rc::Rc;

use discfs::{BLOCK, BlockSource, SourceError};
use seam::reader::{BLOCKS_MAX, Blocks, BlocksAnswer};
use seam::{Channel, ChannelError};

/// Blocks are fetched and kept in runs of as many as one request can have: a drive spends its time on
/// seeking, so what follows a block costs next to nothing and is mostly wanted next.
const RUN: u64 = BLOCKS_MAX as u64;

/// Runs kept: 1.5 MiB, enough for directories to survive while a file is read.
const RUNS_KEPT: usize = 24;

/// The disc as the vault shows it.
pub(crate) struct Disc {
    channel: Rc<Channel>,
    blocks: u64,
    /// The run used last is last.
    cache: Vec<Run>,
}

struct Run {
    number: u64,
    bytes: Vec<u8>,
}

impl Disc {
    /// A disc with so many readable blocks.
    pub(crate) fn new(channel: Rc<Channel>, blocks: u64) -> Self {
        Self {
            channel,
            blocks,
            cache: Vec::new(),
        }
    }

    /// Asks the vault for blocks, at most [`BLOCKS_MAX`].
    fn fetch(&self, block: u64, count: u64) -> Result<Vec<u8>, SourceError> {
        let broken = |error: ChannelError| SourceError(error.to_string());
        let count = u32::try_from(count).map_err(|_| broken(ChannelError::Malformed))?;
        self.channel.send(&Blocks { block, count }, &[]).map_err(broken)?;
        match self.channel.receive::<BlocksAnswer>().map_err(broken)? {
            (BlocksAnswer::Granted, _) => {
                let (bytes, _) = self.channel.receive_bytes().map_err(broken)?;
                let whole = u32::try_from(bytes.len() / BLOCK) == Ok(count) && bytes.len() % BLOCK == 0;
                if whole {
                    Ok(bytes)
                } else {
                    Err(broken(ChannelError::Malformed))
                }
            }
            (BlocksAnswer::Failed(reason), _) => Err(SourceError(reason)),
        }
    }

    /// Copies from a run to `into`, whole blocks that do not pass the run's end.
    fn read_within(&mut self, block: u64, into: &mut [u8]) -> Result<(), SourceError> {
        let (number, first) = (block / RUN, block % RUN);
        if let Some(at) = self.cache.iter().position(|run| run.number == number) {
            let run = self.cache.remove(at);
            self.cache.push(run);
        } else {
            let start = number * RUN;
            let Ok(bytes) = self.fetch(start, RUN.min(self.blocks - start)) else {
                // One bad block must not take its neighbours with it.
                into.copy_from_slice(&self.fetch(block, (into.len() / BLOCK) as u64)?);
                return Ok(());
            };
            if self.cache.len() == RUNS_KEPT {
                self.cache.remove(0);
            }
            self.cache.push(Run { number, bytes });
        }
        let bytes = usize::try_from(first)
            .ok()
            .and_then(|first| self.cache.last()?.bytes.get(first * BLOCK..)?.get(..into.len()));
        into.copy_from_slice(bytes.ok_or_else(|| SourceError("the disc is shorter than it was".into()))?);
        Ok(())
    }
}

impl BlockSource for Disc {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&mut self, mut block: u64, mut into: &mut [u8]) -> Result<(), SourceError> {
        while !into.is_empty() {
            if block >= self.blocks {
                return Err(SourceError(format!("block {block} is past the end of the disc")));
            }
            let most = RUN - block % RUN;
            let length = usize::try_from(most).map_or(into.len(), |most| into.len().min(most * BLOCK));
            let (part, rest) = into.split_at_mut(length);
            self.read_within(block, part)?;
            block += most;
            into = rest;
        }
        Ok(())
    }
}
