//! The box in one process on every kind of disc: new, append twice, finalise, verify, copy, and what programs
//! nobody here wrote find on it.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use client::SourceTree;
use common::kinds::{KINDS, Kind};
use common::place::archived;
use rig::{Burner, Native, Scratch, foreign, patience, tree, until};
use wire::{CopyDisc, FailureCode, JobEnded, Outcome, Place, PlaceKind, Record, RecordMode};

/// A box with one drive and a blank disc of this kind in it.
struct Bench {
    scratch: Scratch,
    native: Native,
    _burner: Burner,
    /// What the disc should show: path and contents.
    files: Vec<(String, Vec<u8>)>,
}

impl Bench {
    fn new(row: &Kind) -> Result<Self> {
        let name = format!("matrix-{}", row.profile.name.replace('+', "-plus-"));
        let scratch = Scratch::new(&name)?;
        let burner = Burner::with_disc(&name, row.profile, &scratch.join("disc"), Some(row.blocks))?;
        let native = common::place::start(&scratch.join("data"), &burner)?;
        Ok(Self {
            scratch,
            native,
            _burner: burner,
            files: Vec::new(),
        })
    }

    /// Puts a tree of its own and burns it.
    fn burn(&mut self, number: u8, mode: RecordMode, finalise: bool) -> Result<JobEnded> {
        let folder = self.scratch.join(&format!("source-{number}"));
        let mut added = Vec::new();
        for (path, length) in [("of any size", 100_001), ("deep/er/file", 4096), ("empty", 0)] {
            let path = format!("{number}/{path}");
            let bytes = tree::noise(u64::from(number), length);
            let file = folder.join(&path);
            fs::create_dir_all(file.parent().context("no parent")?)?;
            fs::write(file, &bytes)?;
            added.push((path, bytes));
        }
        let walked = SourceTree::walk([format!("{}/", folder.display())])?;
        let mut session = common::session(self.native.control())?;
        let tree = session.put(0, "tree", &walked, |_| {})?.done.tree;
        let order = Record {
            tree,
            mode: mode.number(),
            finalise,
            ..Record::default()
        };
        let mut ended = session.record(order, |_| {})?;
        let ended = ended.pop().context("no job")?;
        if ended.outcome.number == Outcome::Archived.number() {
            self.files.extend(added);
        }
        Ok(ended)
    }

    /// Every file of every session, as the box reads the newest one.
    fn reads_equal(&self) -> Result<()> {
        let newest = Place {
            kind: PlaceKind::Disc.number(),
            ..Place::default()
        };
        for (path, bytes) in &self.files {
            let mut got = Vec::new();
            common::session(self.native.control())?.get_in(newest, path.as_bytes(), &mut got, |_, _| {})?;
            ensure!(got == *bytes, "{path} differs");
        }
        Ok(())
    }

    fn disc(&self) -> Result<wire::Disc> {
        until("the disc", patience(20), || {
            Ok(common::session(self.native.control())?.disc(0).ok())
        })
    }

    /// Every file, as xorriso finds them in the session that begins there; on a disc that shows its newest
    /// session in front, as 7-Zip and bsdtar do, too.
    fn others_read_equal(&self, start: u64, in_front: bool) -> Result<()> {
        let image = self.scratch.join("disc/disc.img");
        let out = self.scratch.join("xorriso");
        let read = Command::new("xorriso")
            .args([
                "-abort_on",
                "WARNING",
                "-load",
                "sbsector",
                &start.to_string(),
                "-indev",
            ])
            .arg(format!("stdio:{}", image.display()))
            .args(["-osirrox", "on", "-extract", "/"])
            .arg(&out)
            .output()
            .context("xorriso is missing: `cargo xtask setup` installs it")?;
        ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        self.equal_in(&out)?;
        if in_front {
            for reader in [foreign::Reader::SevenZipUdf, foreign::Reader::Bsdtar] {
                let out = self.scratch.join(reader.name());
                reader.extract(&image, &out)?;
                self.equal_in(&out).context(reader.name())?;
            }
        }
        let writable = Command::new("chmod").args(["-R", "u+w"]).arg(&out).status()?;
        ensure!(writable.success());
        Ok(())
    }

    fn equal_in(&self, folder: &Path) -> Result<()> {
        for (path, bytes) in &self.files {
            let found = fs::read(folder.join(path)).with_context(|| path.clone())?;
            ensure!(found == *bytes, "{path} differs");
        }
        Ok(())
    }
}

fn ended_as(ended: &JobEnded, outcome: Outcome) -> Result<()> {
    ensure!(ended.outcome.number == outcome.number(), "{ended:?}");
    Ok(())
}

/// New, append, append and finalise, verify, copy; each that the disc does not allow is refused in words.
fn cells(row: &Kind) -> Result<()> {
    let mut bench = Bench::new(row)?;
    if !row.appends {
        let refused = bench.burn(0, RecordMode::New, false)?;
        ensure!(refused.failure.is_some_and(|failure| !failure.remedy.is_empty()));
    }
    archived(&bench.burn(1, RecordMode::New, !row.appends)?).context("new")?;
    bench.reads_equal().context("new")?;
    if row.appends {
        archived(&bench.burn(2, RecordMode::Append, false)?).context("append")?;
        bench.reads_equal().context("append")?;
        let finalised = bench.burn(3, RecordMode::Append, true)?;
        if !row.finalises {
            ended_as(&finalised, Outcome::Failed)?;
            archived(&bench.burn(4, RecordMode::Append, false)?)?;
        } else {
            archived(&finalised).context("append and finalise")?;
        }
    }
    if row.finalises {
        let refused = bench.burn(5, RecordMode::Append, false)?;
        let failure = refused.failure.context("a finalised disc took more")?;
        ensure!(failure.is(FailureCode::NotAppendable), "{failure:?}");
    }
    bench.reads_equal()?;
    let disc = bench.disc()?;
    let start = disc.sessions.last().context("no session")?.start;
    // An overwritable disc shows its newest session in front, and a first session is there anyway.
    let in_front = !row.finalises || !row.appends;
    bench.others_read_equal(if in_front { 0 } else { start }, in_front)?;
    let mut session = common::session(bench.native.control())?;
    ended_as(&session.verify(0, |_| {})?, Outcome::Verified)?;
    ended_as(&session.copy(CopyDisc::default(), |_| {})?, Outcome::Copied)?;
    Ok(())
}

/// Runs these rows, naming the one that fails.
fn all(numbers: [usize; 2]) -> Result<()> {
    for number in numbers {
        let row = KINDS.get(number).context("no such row")?;
        cells(row).with_context(|| row.profile.name)?;
    }
    Ok(())
}

// Two kinds a test, so that they run beside each other.

#[test]
fn cds_pass_every_cell() -> Result<()> {
    all([0, 1])
}

#[test]
fn dvds_written_sequentially_pass_every_cell() -> Result<()> {
    all([2, 3])
}

#[test]
fn dvd_rw_overwritten_and_dvd_r_dl_pass_every_cell() -> Result<()> {
    all([4, 5])
}

#[test]
fn dvd_plus_r_passes_every_cell() -> Result<()> {
    all([6, 7])
}

#[test]
fn dvd_plus_rw_and_dvd_ram_pass_every_cell() -> Result<()> {
    all([8, 9])
}

#[test]
fn bd_r_passes_every_cell() -> Result<()> {
    all([10, 11])
}

#[test]
fn bd_re_passes_every_cell() -> Result<()> {
    all([12, 13])
}
