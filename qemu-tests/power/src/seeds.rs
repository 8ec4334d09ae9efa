//! Seeds: which ones a test takes, and dice that fall the same way for each.

use std::ops::Range;

/// The seeds of a test: `SPINDLE_SEEDS=A..B` where that is set, otherwise the test's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Range<u64>);

impl Seeds {
    /// What the environment says, or `default`.
    ///
    /// # Panics
    ///
    /// `SPINDLE_SEEDS` is not a range such as 0..50: a test must not take others than it was told.
    #[must_use]
    pub fn or(default: Range<u64>) -> Self {
        match std::env::var("SPINDLE_SEEDS") {
            Err(_) => Self(default),
            Ok(text) => match parse(&text) {
                Some(range) => Self(range),
                None => panic!("SPINDLE_SEEDS={text} is not a range such as 0..50"),
            },
        }
    }

    /// The part `number`, from 0, of so many parts, for tests that share the seeds: every one is in one part. Of few
    /// seeds some parts have none.
    #[must_use]
    pub fn part(self, number: u64, parts: u64) -> Self {
        let Range { start, end } = self.0;
        let count = end.saturating_sub(start);
        let border = |number: u64| start + count * number / parts.max(1);
        Self(border(number)..border(number + 1))
    }
}

impl IntoIterator for Seeds {
    type Item = u64;
    type IntoIter = Range<u64>;

    fn into_iter(self) -> Range<u64> {
        self.0
    }
}

fn parse(text: &str) -> Option<Range<u64>> {
    let (from, to) = text.split_once("..")?;
    let range = from.trim().parse().ok()?..to.trim().parse().ok()?;
    Some(range).filter(|range| !range.is_empty())
}

/// Numbers that follow from a seed and look like chance (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_every_seed_once() {
        let seeds = Seeds(3..103);
        let parts = (0..7).flat_map(|number| seeds.clone().part(number, 7));
        assert_eq!(parts.collect::<Vec<_>>(), (3..103).collect::<Vec<_>>());
    }

    #[test]
    fn a_range_is_read() {
        assert_eq!(parse("0..50"), Some(0..50));
        assert_eq!(parse("50"), None);
        assert_eq!(parse("5..5"), None);
    }
}
