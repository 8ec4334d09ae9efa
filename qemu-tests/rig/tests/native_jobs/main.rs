//! The recorder's verbs as users meet them: append, copies, cancel, copy, treat, scrub, in one process.

mod copies;
mod discs;
mod orders;

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use burner::{Fault, Profile};
use client::SourceTree;
use common::place::{BURN, Place, archived, failed, place};
use doors::Limits;
use rig::{Burner, Native, Scratch, patience, tree, until};
use wire::{
    BurnCopy, CopyDisc, CopyMode, FailureCode, JobEnded, Outcome, Phase, Place as Where, PlaceKind, Record,
    RecordMode, Scrub, Source, Treat, Treatment, TreeState,
};

fn record(mode: RecordMode) -> Record {
    Record {
        mode: mode.number(),
        ..Record::default()
    }
}

fn only(mut all: Vec<JobEnded>) -> Result<JobEnded> {
    ensure!(all.len() == 1, "{all:?}");
    all.pop().context("no job")
}

fn ended_as(ended: &JobEnded, outcome: Outcome) -> Result<()> {
    ensure!(ended.outcome.number == outcome.number(), "{ended:?}");
    Ok(())
}

/// Burns the newest tree on the first drive.
fn burn(native: &Native, mode: RecordMode) -> Result<JobEnded> {
    only(common::session(native.control())?.record(record(mode), |_| {})?)
}

/// Puts files with these contents, in a tree of their own.
fn put(native: &Native, scratch: &Scratch, name: &str, files: &[(&str, &[u8])]) -> Result<u64> {
    let folder = scratch.join(name);
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("no parent")?)?;
        fs::write(path, bytes)?;
    }
    let walked = SourceTree::walk([format!("{}/", folder.display())])?;
    let report = common::session(native.control())?.put(0, name, &walked, |_| {})?;
    Ok(report.done.tree)
}

fn session_of(number: u32) -> Where {
    Where {
        kind: PlaceKind::Disc.number(),
        number: 0,
        session: number,
    }
}

fn get(native: &Native, place: Where, path: &str) -> Result<Vec<u8>> {
    let mut got = Vec::new();
    common::session(native.control())?.get_in(place, path.as_bytes(), &mut got, |_, _| {})?;
    Ok(got)
}

fn names(native: &Native, place: Where) -> Result<Vec<String>> {
    let mut names = Vec::new();
    common::session(native.control())?.list_in(place, b"", u32::MAX, |entry| {
        names.push(entry.path.to_string());
    })?;
    Ok(names)
}

fn disc(native: &Native) -> Result<wire::Disc> {
    until("the disc", patience(20), || {
        Ok(common::session(native.control())?.disc(0).ok())
    })
}

/// A box with these drives, each with a blank disc of that kind.
fn drives(name: &str, profile: &'static Profile, count: usize) -> Result<(Scratch, Vec<Burner>, Native)> {
    let scratch = Scratch::new(name)?;
    let burner = |number| {
        let folder = scratch.join(&format!("disc-{number}"));
        Burner::with_disc(
            &format!("{name}-{number}"),
            profile,
            &folder,
            Some(common::SMALL_DISC),
        )
    };
    let burners = (0..count).map(burner).collect::<Result<Vec<_>>>()?;
    let transports = burners.iter().map(|burner| Box::new(burner.transport()) as _);
    let native = Native::start(&scratch.join("data"), transports.collect(), Limits::default())?;
    until("the drives", patience(20), || {
        let drives = common::session(native.control())?.drives()?.drives;
        let known = drives.iter().filter(|drive| !drive.product.is_empty()).count();
        Ok((known == count).then_some(()))
    })?;
    Ok((scratch, burners, native))
}

/// The job in that phase.
fn in_phase(native: &Native, phase: Phase) -> Result<u64> {
    until("a job's phase", patience(20), || {
        let jobs = common::session(native.control())?.jobs()?;
        let found = jobs.iter().find(|job| job.state.number == phase.number());
        Ok(found.map(|job| job.job))
    })
}
