//! Power cuts of a box without a machine: disk and drives lose their power at the same moment.
//!
//! A story is told once and recorded, then cut at a moment of each seed; see [`story`] and [`check`].

mod boxes;
mod check;
#[path = "../common/mod.rs"]
mod common;
mod story;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use power::mount::keep_private;
use power::{Loss, Seeds, Style};
use rig::Scratch;

use check::Figures;

/// Cuts stories at the moments of these seeds, some dozens of each story.
fn cut(name: &str, seeds: Seeds) -> Result<()> {
    Scratch::within(name, |scratch| {
        keep_private()?;
        let mut all: Vec<Figures> = Vec::new();
        let mut told = None;
        for seed in seeds {
            let of = seed / 25;
            let story = match &told {
                Some((number, story)) if *number == of => story,
                _ => &told.insert((of, story::tell(scratch, of, true)?)).1,
            };
            // Disks write 4096 bytes at once, old ones 512.
            let sector = if seed % 4 == 3 { 512 } else { 4096 };
            let figures = check::cut(story, scratch, seed, &Loss { sector, style: None })?;
            all.push(figures);
        }
        let mut recoveries: Vec<Duration> = all.iter().map(|figures| figures.recovery).collect();
        recoveries.sort();
        println!(
            "{} cuts, {} with an unwritten cache, {} jobs interrupted; recovery: median {:?}, worst {:?}",
            all.len(),
            all.iter().filter(|figures| figures.unflushed > 0).count(),
            all.iter().map(|figures| figures.interrupted).sum::<usize>(),
            recoveries.get(recoveries.len() / 2),
            recoveries.last(),
        );
        ensure!(!all.is_empty(), "no seed was tried");
        Ok(())
    })
}

#[test]
fn nothing_acknowledged_is_lost_or_overstated() -> Result<()> {
    cut("power-cuts", Seeds::or(0..12))
}

macro_rules! shards {
    ($($name:ident $number:literal,)*) => { $(
        #[test]
        #[ignore = "full: 300 cuts of put, burn and catalog, 50 in each of six tests, 2 minutes each"]
        fn $name() -> Result<()> {
            cut(stringify!($name), Seeds::or(100..400).part($number, 6))
        }
    )* };
}
shards! { cuts_1_of_6 0, cuts_2_of_6 1, cuts_3_of_6 2, cuts_4_of_6 3, cuts_5_of_6 4, cuts_6_of_6 5, }

/// The negative control: the same story and the same check, but for the flushes.
#[test]
fn a_disk_that_ignores_flushes_is_found_out() -> Result<()> {
    Scratch::within("power-ignored", |scratch| {
        keep_private()?;
        let story = story::tell(scratch, 0, false)?;
        let end = story.recording.end();
        // In order, but for the last writes: the file system is sound, and only what was said is not true.
        for style in [Style::Tail, Style::All] {
            let loss = Loss {
                sector: 4096,
                style: Some(style),
            };
            let result = check::cut_at(&story, scratch, 0, end, &loss);
            let found = result.err().with_context(|| format!("{style:?} is not found out"))?;
            println!("{style:?}: {found:#}");
        }
        Ok(())
    })
}
