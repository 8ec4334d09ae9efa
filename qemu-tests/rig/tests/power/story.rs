//! One run of a box, recorded with its disk and its drives: puts, burns, a failure, a verification.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burner::Fault;
use client::{Connection, SourceTree};
use doors::Limits;
use mmc::Transport;
use power::{Dice, Disk, Recording};
use rig::{DataPartition, DriveLog, Native, RecordedDrive, Scratch, new_data_disk, tree};
use wire::{Burn, JobEnded, Outcome};

use crate::common::{SMALL_DISC, session, wait_drive};

/// Drives, each with a disc of its own.
pub const DRIVES: u32 = 3;

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
pub fn tell(scratch: &Scratch, seed: u64, honest: bool) -> Result<Story> {
    let folder = scratch.join(&format!("story-{seed}"));
    fs::create_dir_all(&folder)?;
    let disk = Disk::new(new_data_disk(&folder)?);
    if !honest {
        disk.ignore_flushes();
    }
    let drives: Vec<RecordedDrive> = (0..DRIVES)
        .map(|number| {
            let disc = folder.join(format!("disc-{number}"));
            RecordedDrive::with_blank("story", &burner::BD_R, SMALL_DISC, &disc, &disk)
        })
        .collect::<Result<_>>()?;
    let partition = DataPartition::of_disk(&disk, &folder)?;
    let transports = drives.iter().map(|drive| Box::new(drive.clone()) as Box<dyn Transport + Send>);
    let native = Native::start(partition.path(), transports.collect(), Limits::default())?;
    let logs = drives.into_iter().map(|drive| drive.log).collect();
    let story = play(native.control(), &disk, logs, &folder, seed)?;
    native.vault.shutdown();
    partition.unmount()?;
    fs::remove_dir_all(&folder)?;
    Ok(story)
}

/// Has a new box with that disk and those drives do what a story is made of.
pub fn play(box_at: SocketAddr, disk: &Disk, drives: Vec<DriveLog>, folder: &Path, seed: u64) -> Result<Story> {
    wait_drives(box_at)?;
    let mut teller = Teller {
        disk: disk.clone(),
        folder: folder.into(),
        session: session(box_at)?,
        dice: Dice::new(seed),
        attempts: Vec::new(),
        facts: Vec::new(),
    };
    teller.put(1)?;
    teller.put(1)?;
    teller.burn(1, 0, Outcome::Archived)?;
    teller.put(2)?;
    if let Some(drive) = drives.get(1) {
        drive.arm(Fault::FailClose { times: None });
    }
    teller.burn(2, 1, Outcome::Failed)?;
    teller.verify(0)?;
    teller.put(3)?;
    teller.burn(2, 2, Outcome::Archived)?;
    teller.put(4)?;
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

impl Teller {
    fn say(&mut self, fact: Fact) {
        let moment = self.disk.mark(format!("{fact:?}"));
        self.facts.push((moment, fact));
    }

    /// Sends some files into that tree, which is new unless something was put there before.
    fn put(&mut self, tree: u64) -> Result<()> {
        let number = self.attempts.len();
        let source = self.folder.join("source");
        let content = self.files(number, &source)?;
        let walked = SourceTree::walk([format!("{}/", source.display())])?;
        let known = self.attempts.iter().any(|attempt| attempt.tree == tree);
        let begun = self.disk.moment();
        self.attempts.push(Attempt {
            begun,
            tree,
            content,
        });
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

    fn burn(&mut self, tree: u64, drive: u32, expected: Outcome) -> Result<()> {
        let burn = Burn {
            drive,
            tree,
            ..crate::common::place::BURN
        };
        let fact = move |job| Fact::Burns { job, tree, drive };
        self.job(fact, expected, |session, progress| {
            Ok(session.burn(burn, progress)?)
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
