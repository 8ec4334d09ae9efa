//! Power cuts of a box without a machine: disk and drives lose their power at the same moment.
//!
//! A story is told once and recorded, then cut at a moment of each seed; see [`story`] and [`check`].

mod boxes;
mod check;
#[path = "../common/mod.rs"]
mod common;
mod story;

use std::time::Duration;

use anyhow::{Context, Result};
use power::mount::keep_private;
use power::{Loss, Seeds, Style};
use rig::Scratch;

use check::Figures;
use story::Plot;

/// The data partition's first block.
const SUPERBLOCK: std::ops::Range<u64> = (1 << 20)..(1 << 20) + 4096;

/// Cuts stories at the moments of these seeds, some dozens of each story.
fn cut(name: &str, plot: Plot, seeds: Seeds) -> Result<()> {
    Scratch::within(name, |scratch| {
        keep_private()?;
        let mut all: Vec<Figures> = Vec::new();
        let mut told = None;
        for seed in seeds {
            let of = seed / 25;
            let story = match &told {
                Some((number, story)) if *number == of => story,
                _ => &told.insert((of, story::tell(scratch, plot, of, true)?)).1,
            };
            // Disks write 4096 bytes at once, old ones 512. One thing does not survive those: ext4's superblock is
            // two sectors with one checksum, written in place; torn, only e2fsck can mount the partition again.
            let loss = Loss {
                sector: if seed % 4 == 3 { 512 } else { 4096 },
                whole: SUPERBLOCK,
                style: None,
            };
            let figures = check::cut(story, scratch, seed, &loss)?;
            all.push(figures);
        }
        let mut recoveries: Vec<Duration> = all.iter().map(|figures| figures.recovery).collect();
        recoveries.sort();
        println!(
            "{} cuts, {} with an unwritten cache, {} jobs taken up again, {} interrupted; \
             recovery: median {:?}, worst {:?}",
            all.len(),
            all.iter().filter(|figures| figures.unflushed > 0).count(),
            all.iter().map(|figures| figures.taken_up).sum::<usize>(),
            all.iter().map(|figures| figures.interrupted).sum::<usize>(),
            recoveries.get(recoveries.len() / 2),
            recoveries.last(),
        );
        Ok(())
    })
}

#[test]
fn nothing_acknowledged_is_lost_or_overstated() -> Result<()> {
    cut("power-cuts", Plot::Archive, Seeds::or(0..20))
}

#[test]
fn discs_that_grow_lose_nothing() -> Result<()> {
    cut("power-appends", Plot::Append, Seeds::or(0..12))
}

macro_rules! shards {
    ($plot:expr, $seeds:expr, $($name:ident $number:literal)*) => { $(
        #[test]
        #[ignore = "full: 300 cuts of put, burn and catalog, 200 of burn and append, in ten tests of a minute each"]
        fn $name() -> Result<()> {
            cut(stringify!($name), $plot, Seeds::or($seeds).part($number, 5))
        }
    )* };
}
shards! { Plot::Archive, 100..400, cuts_1_of_5 0 cuts_2_of_5 1 cuts_3_of_5 2 cuts_4_of_5 3 cuts_5_of_5 4 }
shards! { Plot::Append, 100..300, appends_1_of_5 0 appends_2_of_5 1 appends_3_of_5 2 appends_4_of_5 3 appends_5_of_5 4 }

/// The negative control: the same story and the same check, but for the flushes.
#[test]
fn a_disk_that_ignores_flushes_is_found_out() -> Result<()> {
    Scratch::within("power-ignored", |scratch| {
        keep_private()?;
        let story = story::tell(scratch, Plot::Archive, 0, false)?;
        let end = story.recording.end();
        // In order, but for the last writes: the file system is sound, and only what was said is not true.
        for style in [Style::Tail, Style::All] {
            let loss = Loss {
                style: Some(style),
                ..Loss::default()
            };
            let result = check::cut_at(&story, scratch, 0, end, &loss);
            let found = result
                .err()
                .with_context(|| format!("{style:?} is not found out"))?;
            println!("{style:?}: {found:#}");
        }
        Ok(())
    })
}
