//! One run of a box, recorded with its disk and its drives.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burner::{Fault, Profile};
use client::{Connection, SourceTree};
use doors::Limits;
use mmc::Transport;
use power::{Dice, Disk, Recording};
use rig::{DataPartition, DriveLog, Native, RecordedDrive, Scratch, new_data_disk, tree};
use wire::{JobEnded, Outcome, Record, RecordMode};

use crate::common::{SMALL_DISC, session, wait_drive};

/// What happens in a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// Everything that changes the catalog, with discs that are written once: puts into new and old trees, burns, one
    /// of them failing, a verification.
    Archive,
    /// Discs that several trees go onto, one after the other.
    Append,
}

impl Plot {
    /// Blocks of its discs: between the sessions of a DVD-R there is much that holds nothing.
    fn capacity(self) -> u32 {
        match self {
            Self::Archive => SMALL_DISC,
            Self::Append => 204_800,
        }
    }

    /// The discs in its drives, one each.
    pub fn discs(self, seed: u64) -> Vec<&'static Profile> {
        match self {
            Self::Archive => vec![&burner::BD_R; 3],
            Self::Append => {
                let families = [
                    &burner::BD_R,
                    &burner::DVD_PLUS_R,
                    &burner::DVD_R,
                    &burner::DVD_PLUS_RW,
                    &burner::BD_RE,
                ];
                families
                    .into_iter()
                    .cycle()
                    .skip(usize::from(seed % 2 == 1) * 2)
                    .take(2)
                    .collect()
            }
        }
    }
}

/// What the box has said to a client; what it said may not be lost.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The put of this number is safe.
    Put(usize),
    /// The job exists, and burns that tree in that drive.
    Burns { job: u64, tree: u64, drive: u32 },
    /// The job exists, and reads the disc in that drive.
    Verifies { job: u64 },
    /// The job ended so.
    Ended { job: u64, outcome: u16 },
}

/// A put, whether or not it was acknowledged.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Before this moment nothing of it was sent.
    pub begun: usize,
    pub tree: u64,
    /// What is in it, by path.
    pub content: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A run that was recorded.
pub struct Story {
    pub recording: Recording,
    pub drives: Vec<DriveLog>,
    pub attempts: Vec<Attempt>,
    /// With the moments at which they were said.
    pub facts: Vec<(usize, Fact)>,
}

/// What the box of a story does.
struct Teller {
    disk: Disk,
    folder: PathBuf,
    session: Connection,
    dice: Dice,
    attempts: Vec<Attempt>,
    facts: Vec<(usize, Fact)>,
}

/// Tells the story of that seed on a disk that honours flushes, or on one that ignores them.
pub fn tell(scratch: &Scratch, plot: Plot, seed: u64, honest: bool) -> Result<Story> {
    let folder = scratch.join(&format!("story-{seed}"));
    fs::create_dir_all(&folder)?;
    let disk = Disk::new(new_data_disk(&folder)?);
    if !honest {
        disk.ignore_flushes();
    }
    let drives: Vec<RecordedDrive> = (0..)
        .zip(plot.discs(seed))
        .map(|(number, profile)| {
            let disc = folder.join(format!("disc-{number}"));
            RecordedDrive::with_blank(&serial(number), profile, plot.capacity(), &disc, &disk)
        })
        .collect::<Result<_>>()?;
    let partition = DataPartition::of_disk(&disk, &folder)?;
    let transports = drives
        .iter()
        .map(|drive| Box::new(drive.clone()) as Box<dyn Transport + Send>);
    let native = Native::start(partition.path(), transports.collect(), Limits::default())?;
    let logs = drives.into_iter().map(|drive| drive.log).collect();
    let story = play(native.control(), &disk, logs, &folder, plot, seed)?;
    native.vault.shutdown();
    partition.unmount()?;
    fs::remove_dir_all(&folder)?;
    Ok(story)
}

/// What a drive of a story is called.
pub fn serial(number: u32) -> String {
    format!("story-{number}")
}

/// Has a new box with that disk and those drives do what a story is made of.
pub fn play(
    box_at: SocketAddr,
    disk: &Disk,
    drives: Vec<DriveLog>,
    folder: &Path,
    plot: Plot,
    seed: u64,
) -> Result<Story> {
    wait_drives(box_at)?;
    let mut teller = Teller {
        disk: disk.clone(),
        folder: folder.into(),
        session: session(box_at)?,
        dice: Dice::new(seed),
        attempts: Vec::new(),
        facts: Vec::new(),
    };
    match plot {
        Plot::Archive => teller.archive(&drives)?,
        Plot::Append => teller.append()?,
    }
    Ok(Story {
        recording: disk.recording(),
        drives,
        attempts: teller.attempts,
        facts: teller.facts,
    })
}

/// Waits until a box knows all its drives.
pub fn wait_drives(box_at: SocketAddr) -> Result<()> {
    wait_drive(box_at)?;
    rig::until("all drives", rig::patience(20), || {
        let drives = session(box_at)?.drives()?.drives;
        let known = drives.iter().filter(|drive| !drive.product.is_empty());
        Ok((known.count() == drives.len()).then_some(()))
    })
}

/// Burns a tree in one drive.
pub fn record(
    session: &mut Connection,
    tree: u64,
    drive: u32,
    mode: RecordMode,
    progress: impl FnMut(&wire::JobProgress),
) -> Result<JobEnded> {
    let record = Record {
        drives: vec![drive],
        tree,
        mode: mode.number(),
        priority: wire::PRIORITY_DEFAULT,
        ..Record::default()
    };
    let ended = session.record(record, progress)?.pop();
    ended.context("a job without an end")
}

impl Teller {
    fn say(&mut self, fact: Fact) {
        let moment = self.disk.mark(format!("{fact:?}"));
        self.facts.push((moment, fact));
    }

    fn archive(&mut self, drives: &[DriveLog]) -> Result<()> {
        self.put(1)?;
        self.put(1)?;
        self.burn(1, 0, RecordMode::New, Outcome::Archived)?;
        self.put(2)?;
        if let Some(drive) = drives.get(1) {
            drive.arm(Fault::FailClose { times: None });
        }
        self.burn(2, 1, RecordMode::New, Outcome::Failed)?;
        self.verify(0)?;
        self.put(3)?;
        self.burn(2, 2, RecordMode::New, Outcome::Archived)?;
        self.put(4)
    }

    fn append(&mut self) -> Result<()> {
        for tree in 1..=6 {
            self.put(tree)?;
            let mode = if tree <= 2 {
                RecordMode::New
            } else {
                RecordMode::Append
            };
            self.burn(tree, u32::from(tree % 2 == 0), mode, Outcome::Archived)?;
        }
        self.put(7)
    }

    /// Sends some files into that tree, which is new unless something was put there before.
    fn put(&mut self, tree: u64) -> Result<()> {
        let number = self.attempts.len();
        let source = self.folder.join("source");
        let content = self.files(number, &source)?;
        let walked = SourceTree::walk([format!("{}/", source.display())])?;
        let known = self.attempts.iter().any(|attempt| attempt.tree == tree);
        let begun = self.disk.moment();
        self.attempts.push(Attempt { begun, tree, content });
        let into = if known { tree } else { 0 };
        let report = self.session.put(into, "story", &walked, |_| {})?;
        ensure!(report.done.tree == tree, "{:?} is not tree {tree}", report.done);
        self.say(Fact::Put(number));
        Ok(fs::remove_dir_all(&source)?)
    }

    /// Files of many sizes, small ones above all.
    fn files(&mut self, number: usize, source: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut content = BTreeMap::new();
        let count = 3 + self.dice.below(20);
        for file in 0..count {
            let most = [100, 5_000, 100_000, 1_500_000];
            let most = most.get(self.dice.below(20)).copied().unwrap_or(3_000);
            let bytes = tree::noise(self.dice.roll(), self.dice.below(most));
            let path = format!("put-{number}/folder-{}/file-{file}", self.dice.below(3));
            let place = source.join(&path);
            fs::create_dir_all(place.parent().context("a file lies in a folder")?)?;
            fs::write(place, &bytes)?;
            content.insert(path.into_bytes(), bytes);
        }
        Ok(content)
    }

    fn burn(&mut self, tree: u64, drive: u32, mode: RecordMode, expected: Outcome) -> Result<()> {
        let fact = move |job| Fact::Burns { job, tree, drive };
        self.job(fact, expected, |session, progress| {
            record(session, tree, drive, mode, progress)
        })
    }

    fn verify(&mut self, drive: u32) -> Result<()> {
        let fact = |job| Fact::Verifies { job };
        self.job(fact, Outcome::Verified, |session, progress| {
            Ok(session.verify(drive, progress)?)
        })
    }

    fn job(
        &mut self,
        fact: impl Fn(u64) -> Fact,
        expected: Outcome,
        run: impl FnOnce(&mut Connection, &mut dyn FnMut(&wire::JobProgress)) -> Result<JobEnded>,
    ) -> Result<()> {
        let (disk, facts) = (self.disk.clone(), &mut self.facts);
        let mut told = false;
        let ended = run(&mut self.session, &mut |progress| {
            if !std::mem::replace(&mut told, true) {
                let fact = fact(progress.job);
                facts.push((disk.mark(format!("{fact:?}")), fact));
            }
        })?;
        ensure!(ended.outcome.number == expected.number(), "{ended:?}");
        let job = ended.job;
        self.say(Fact::Ended {
            job,
            outcome: ended.outcome.number,
        });
        Ok(())
    }
}
