//! What is on a disk after its power failed.

use std::ops::Range;
use std::sync::Arc;

use crate::image::Image;
use crate::seeds::Dice;

/// One thing that happened to a disk.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A write, in the cache from then on; or durable, if forced.
    Write {
        offset: u64,
        bytes: Arc<[u8]>,
        forced: bool,
    },
    /// All before is durable.
    Flush,
    /// Something outside.
    Mark(String),
}

/// How a cache loses what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing of it arrives.
    All,
    /// It arrives in order up to some write.
    Tail,
    /// Some whole writes arrive, in any order.
    Writes,
    /// Some sectors arrive, of any writes.
    Sectors,
}

impl Style {
    /// All of them.
    pub const EVERY: [Self; 4] = [Self::All, Self::Tail, Self::Writes, Self::Sectors];
}

/// How much is lost, but for the dice.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Bytes of a sector, which is written whole or not at all: 512, or 4096 for the physical sectors of most disks.
    pub sector: u64,
    /// Bytes of the disk that are written at once all the same, where smaller sectors are known to do harm.
    pub whole: Range<u64>,
    /// The style, or any.
    pub style: Option<Style>,
}

impl Default for Loss {
    fn default() -> Self {
        Self {
            sector: 4096,
            whole: 0..0,
            style: None,
        }
    }
}

/// A disk's log from its first moment on. Moment `n` is behind the first `n` entries.
#[derive(Clone, Debug)]
pub struct Recording {
    base: Image,
    log: Vec<Entry>,
}

impl Recording {
    pub(crate) fn new(base: Image, log: Vec<Entry>) -> Self {
        Self { base, log }
    }

    /// The last moment.
    #[must_use]
    pub fn end(&self) -> usize {
        self.log.len()
    }

    /// The marks before a moment, oldest first.
    pub fn marks(&self, moment: usize) -> impl Iterator<Item = &str> {
        self.log.iter().take(moment).filter_map(|entry| match entry {
            Entry::Mark(what) => Some(what.as_str()),
            _ => None,
        })
    }

    /// The moment right behind the first such mark.
    #[must_use]
    pub fn when(&self, what: &str) -> Option<usize> {
        let found = |entry: &Entry| matches!(entry, Entry::Mark(mark) if mark == what);
        self.log.iter().position(found).map(|position| position + 1)
    }

    /// Bytes that the cache holds at a moment: what a cut may lose.
    #[must_use]
    pub fn unflushed(&self, moment: usize) -> usize {
        let pending = self.log.iter().take(moment).skip(self.last_flush(moment));
        pending
            .map(|entry| match entry {
                Entry::Write {
                    bytes, forced: false, ..
                } => bytes.len(),
                _ => 0,
            })
            .sum()
    }

    /// How many flushes there were before a moment.
    #[must_use]
    pub fn flushes(&self, moment: usize) -> usize {
        let entries = self.log.iter().take(moment);
        entries.filter(|entry| matches!(entry, Entry::Flush)).count()
    }

    /// The disk when the power fails at a moment. A write that comes next is under way: it may arrive, too.
    #[must_use]
    pub fn cut(&self, moment: usize, loss: &Loss, seed: u64) -> Image {
        let moment = moment.min(self.log.len());
        let flushed = self.last_flush(moment);
        let mut image = self.base.clone();
        for entry in self.log.iter().take(flushed) {
            if let Entry::Write { offset, bytes, .. } = entry {
                image.write(*offset, bytes);
            }
        }
        let mut dice = Dice::new(seed);
        let chosen = Style::EVERY.get(dice.below(4)).copied();
        let style = loss.style.or(chosen).unwrap_or(Style::All);
        let eighths = [1, 4, 7].get(dice.below(3)).copied().unwrap_or(4);
        let pending = || (flushed..=moment).zip(self.log.get(flushed..).unwrap_or_default());
        let tail = dice.below(pending().count().max(1));
        for (number, (position, entry)) in pending().enumerate() {
            let Entry::Write {
                offset,
                bytes,
                forced,
            } = entry
            else {
                continue;
            };
            let arrives = match style {
                Style::All => false,
                Style::Tail => number < tail,
                Style::Writes => dice.below(8) < eighths,
                Style::Sectors => true,
            };
            if *forced && position < moment {
                image.write(*offset, bytes);
            } else if style == Style::Sectors {
                for (from, length) in sectors(*offset, bytes.len(), loss) {
                    if dice.below(8) < eighths {
                        image.write_part(*offset + from as u64, bytes, from, length);
                    }
                }
            } else if arrives {
                image.write(*offset, bytes);
            }
        }
        image
    }

    /// Behind the last flush before a moment.
    fn last_flush(&self, moment: usize) -> usize {
        let before = self.log.get(..moment).unwrap_or(&self.log);
        let last = before.iter().rposition(|entry| matches!(entry, Entry::Flush));
        last.map_or(0, |position| position + 1)
    }
}

/// The sectors of a write: from which of its bytes on, and how many.
fn sectors(offset: u64, length: usize, loss: &Loss) -> impl Iterator<Item = (usize, usize)> {
    let (sector, whole) = (loss.sector, loss.whole.clone());
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = offset + from as u64;
        let left = if whole.contains(&at) {
            whole.end - at
        } else {
            sector - at % sector
        };
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(length - from);
        let this = (from, part);
        from += part;
        (part > 0).then_some(this)
    })
}
