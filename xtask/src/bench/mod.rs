//! cargo xtask bench: the figures we promise, measured beside their peers in the same run.

mod author;
mod boot;

use std::fs;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{setup, target};

/// How to measure.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// What to measure; default: everything.
    pub name: Option<Name>,
    /// Boots to take the median of.
    #[arg(long, default_value_t = 5)]
    pub boots: usize,
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Boots, size, memory, the demo.
    Boot,
    /// Making disc images.
    Author,
}

/// One line of the table.
struct Row {
    what: &'static str,
    found: String,
    promised: &'static str,
    kept: Option<bool>,
}

/// Measures and prints the table; figures are shown, they fail nothing.
pub fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let folder = target().join("bench");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing the last run's folder")?;
    }
    fs::create_dir_all(&folder)?;
    let wanted = |name| options.name.is_none_or(|only| only == name);
    let mut rows = Vec::new();
    if wanted(Name::Boot) {
        rows.extend(boot::run(options.boots, &folder)?);
    }
    if wanted(Name::Author) {
        rows.extend(author::run(&folder)?);
    }

    println!("\n{:58} {:>14}  {:>12}", "figure", "measured", "promised");
    for row in rows {
        let verdict = row
            .kept
            .map_or("", |kept| if kept { "  kept" } else { "  MISSED" });
        println!("{:58} {:>14}  {:>12}{verdict}", row.what, row.found, row.promised);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
