//! Reading everything that can be read, whatever the disc's state, with a map of how it went.

use core::ops::{ControlFlow, Range};
use core::time::Duration;

use crate::BLOCK;
use crate::error::Error;
use crate::reader::{Reader, TRANSFER, blocks_of};
use crate::sense::Sense;
use crate::transport::{Host, Transport, TransportError};

/// Regions of the map.
pub const REGIONS: usize = 64;

/// Ranges of bad blocks that are listed; further ones are only counted.
pub const BAD_RANGES: usize = 256;

/// READs in a row to which the drive gave no answer, before it counts as lost rather than the disc as bad.
const UNANSWERED: u8 = 3;

/// A piece of the range being read, in the order of addresses and without gaps.
#[derive(Debug)]
pub enum Piece<'a> {
    /// What the disc holds.
    Read {
        /// First block.
        address: u32,
        /// Whole blocks.
        data: &'a [u8],
    },
    /// What cannot be read.
    Bad {
        /// First block.
        address: u32,
        /// How many.
        blocks: u32,
        /// What the drive said; `None`: nothing within its time.
        sense: Option<Sense>,
    },
    /// Run-out blocks, as they are expected at the end of a CD track written at once.
    RunOut {
        /// First block.
        address: u32,
        /// How many.
        blocks: u32,
    },
}

/// How a region was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// First block.
    pub first: u32,
    /// Blocks.
    pub blocks: u32,
    /// Of them unreadable.
    pub bad: u32,
    /// READs that failed and were repeated or taken apart.
    pub retries: u32,
    /// In 1000 bytes a second, from what was read; 0 when nothing was or no time passed.
    pub speed: u32,
}

/// How a range was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Salvage {
    /// Blocks read.
    pub read: u32,
    /// Blocks that cannot be read.
    pub bad: u32,
    /// Run-out blocks at the end.
    pub run_out: u32,
    /// READs that failed and were repeated or taken apart.
    pub retries: u32,
    /// The bad blocks, by address.
    pub bad_ranges: heapless::Vec<Range<u32>, BAD_RANGES>,
    /// Bad blocks that are not in the list because it is full.
    pub unlisted: u32,
    /// The map: parts of equal size.
    pub regions: heapless::Vec<Region, REGIONS>,
}

impl Salvage {
    fn note_bad(&mut self, range: Range<u32>) {
        let blocks = range.end.saturating_sub(range.start);
        self.bad = self.bad.saturating_add(blocks);
        if let Some(last) = self.bad_ranges.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
        } else if self.bad_ranges.push(range).is_err() {
            self.unlisted = self.unlisted.saturating_add(blocks);
        }
    }
}

/// The region being read.
struct Survey {
    region: Region,
    /// Blocks in a region.
    size: u32,
    /// READs repeated before it.
    retried: u32,
    read: u32,
    time: Duration,
}

impl Survey {
    fn new(range: &Range<u32>, retried: u32) -> Self {
        let regions = u32::try_from(REGIONS).unwrap_or(1);
        let cluster = u32::try_from(TRANSFER).unwrap_or(1);
        let share = range.end.saturating_sub(range.start).div_ceil(regions).max(1);
        Self {
            region: Region {
                first: range.start,
                ..Region::default()
            },
            size: share.checked_next_multiple_of(cluster).unwrap_or(share),
            retried,
            read: 0,
            time: Duration::ZERO,
        }
    }

    /// Adds the region to the map when `at` lies behind it, or the range ends.
    fn pass(&mut self, at: u32, ends: bool, retried: u32, salvage: &mut Salvage) {
        let blocks = at.saturating_sub(self.region.first);
        if blocks == 0 || blocks < self.size && !ends {
            return;
        }
        let bytes = u128::from(self.read) * 2048;
        let speed = (bytes * 1000).checked_div(self.time.as_micros());
        let region = Region {
            blocks,
            retries: retried.saturating_sub(self.retried),
            speed: speed.map_or(0, |speed| u32::try_from(speed).unwrap_or(u32::MAX)),
            ..self.region
        };
        // There are as many as fit, by their size.
        let _ = salvage.regions.push(region);
        let size = self.size;
        *self = Self {
            region: Region {
                first: at,
                ..Region::default()
            },
            size,
            retried,
            read: 0,
            time: Duration::ZERO,
        };
    }
}

/// One READ's outcome.
enum Got {
    Data,
    Bad(Option<Sense>),
}

impl<T: Transport, H: Host> Reader<'_, T, H> {
    /// Reads `range` to its end whatever fails: what was read and what cannot be goes to `sink` in order,
    /// which breaks off by [`ControlFlow::Break`]. Clusters that fail are read slower and block by block, as
    /// [`Self::with`] says. The last `tail` blocks need not be readable
    /// ([`Extent::tail`](crate::Extent::tail)).
    ///
    /// # Errors
    /// [`Error::DiscChanged`], [`Error::NoDisc`]; [`Error::Refused`] where the disc must not be read
    /// (encrypted, audio, no such address); what the connection brought, a drive that does not answer three
    /// times in a row included. What was read before is with `sink`.
    pub fn rescue(
        &mut self,
        range: Range<u32>,
        tail: u32,
        mut sink: impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<Salvage, Error> {
        let mut salvage = Salvage::default();
        let before = self.retried();
        let mut survey = Survey::new(&range, before);
        let body = range.start..range.end.saturating_sub(tail).max(range.start);
        let whole = match self.body(body.clone(), &mut survey, &mut salvage, &mut sink) {
            Ok(ControlFlow::Continue(())) => {
                self.tail(body.end..range.end, &mut survey, &mut salvage, &mut sink)
            }
            broken_off => broken_off,
        };
        self.full_speed();
        let _ = whole?;
        salvage.retries = self.retried().saturating_sub(before);
        Ok(salvage)
    }

    #[inline(never)]
    fn body(
        &mut self,
        range: Range<u32>,
        survey: &mut Survey,
        salvage: &mut Salvage,
        sink: &mut impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let end = range.end;
        let mut buffer = [0; TRANSFER * BLOCK];
        let mut unanswered = 0;
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let length = left.min(TRANSFER).saturating_mul(BLOCK);
            let part = buffer.get_mut(..length).unwrap_or_default();
            let blocks = blocks_of(part);
            let begun = self.drive.host.now();
            let first = self.attempt(at, part);
            let got = self.judge(first, &mut unanswered)?;
            let flow = match got {
                Got::Data => {
                    self.went_well();
                    survey.read = survey.read.saturating_add(blocks);
                    salvage.read = salvage.read.saturating_add(blocks);
                    sink(Piece::Read {
                        address: at,
                        data: part,
                    })
                }
                Got::Bad(sense) if !self.effort.isolate || sense.is_none() => {
                    survey.region.bad += blocks;
                    salvage.note_bad(at..at.saturating_add(blocks));
                    sink(Piece::Bad {
                        address: at,
                        blocks,
                        sense,
                    })
                }
                Got::Bad(_) => {
                    self.trouble();
                    self.isolate(at, part, &mut unanswered, survey, salvage, sink)?
                }
            };
            survey.time += self.drive.host.now().saturating_sub(begun);
            at = at.saturating_add(blocks);
            let ends = at >= end || flow.is_break();
            survey.pass(at, ends, self.retried(), salvage);
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The blocks of a cluster that failed, one by one.
    fn isolate(
        &mut self,
        address: u32,
        part: &mut [u8],
        unanswered: &mut u8,
        survey: &mut Survey,
        salvage: &mut Salvage,
        sink: &mut impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        for (at, block) in (address..).zip(part.chunks_mut(BLOCK)) {
            let read = self.block(at, block);
            let flow = match self.judge(read, unanswered)? {
                Got::Data => {
                    survey.read = survey.read.saturating_add(1);
                    salvage.read = salvage.read.saturating_add(1);
                    sink(Piece::Read {
                        address: at,
                        data: block,
                    })
                }
                Got::Bad(sense) => {
                    survey.region.bad += 1;
                    salvage.note_bad(at..at.saturating_add(1));
                    sink(Piece::Bad {
                        address: at,
                        blocks: 1,
                        sense,
                    })
                }
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Blocks that may be run-out: read if they can be, and expected if not, whatever the drive calls it.
    fn tail(
        &mut self,
        range: Range<u32>,
        survey: &mut Survey,
        salvage: &mut Salvage,
        sink: &mut impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut block = [0; BLOCK];
        for address in range.clone() {
            let flow = match self.attempt(address, &mut block) {
                Ok(()) => {
                    survey.read = survey.read.saturating_add(1);
                    salvage.read = salvage.read.saturating_add(1);
                    sink(Piece::Read {
                        address,
                        data: &block,
                    })
                }
                Err(Error::Unreadable { .. } | Error::Refused { .. }) => {
                    salvage.run_out = salvage.run_out.saturating_add(1);
                    sink(Piece::RunOut { address, blocks: 1 })
                }
                Err(error) => return Err(error),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        survey.pass(range.end, true, self.retried(), salvage);
        Ok(ControlFlow::Continue(()))
    }

    /// Bad blocks are what is to be found out here; a drive that does not answer may have lost itself in one.
    fn judge(&mut self, read: Result<(), Error>, unanswered: &mut u8) -> Result<Got, Error> {
        match read {
            Ok(()) => {
                *unanswered = 0;
                Ok(Got::Data)
            }
            Err(Error::Unreadable { sense, .. }) => {
                *unanswered = 0;
                Ok(Got::Bad(Some(sense)))
            }
            Err(
                error @ Error::Transport {
                    error: TransportError::Timeout | TransportError::Reset | TransportError::Interrupted,
                    ..
                },
            ) => {
                *unanswered += 1;
                if *unanswered >= UNANSWERED {
                    return Err(error);
                }
                self.drive.ready()?;
                Ok(Got::Bad(None))
            }
            Err(error) => Err(error),
        }
    }
}
