//! A box after its power failed: what it said before is true, and what it says now is.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use burner::Strategy;
use client::Connection;
use doors::Limits;
use mmc::Transport;
use power::{Dice, Disk, Image, Loss};
use rig::{Burner, DataPartition, Native, Scratch, check_file_system, drive_with};
use wire::{FailureCode, JobEnded, Outcome, RecordMode, Source, Treat, Treatment};

use crate::common::place::archived;
use crate::common::{SMALL_DISC, session};
use crate::story::{Fact, Story, record, wait_drives};

/// Far more than recovery may take (a second is promised): machines that test are busy.
const LIMIT: Duration = Duration::from_secs(10);

/// What one cut showed.
#[derive(Debug)]
pub struct Figures {
    /// Bytes the disk's cache held.
    pub unflushed: usize,
    /// From the mount, with its journal, to a vault that serves.
    pub recovery: Duration,
    /// Jobs that were interrupted for good.
    pub interrupted: usize,
    /// Jobs that were archived after the cut: taken up where they had stood.
    pub taken_up: usize,
}

/// The moment of a seed: anywhere, close to something that was said, or with much in the disk's cache.
pub fn moment(story: &Story, dice: &mut Dice) -> usize {
    let end = story.recording.end();
    match dice.below(3) {
        0 => dice.below(end + 1),
        1 => {
            let near = story.facts.get(dice.below(story.facts.len()));
            let near = near.map_or(end, |(moment, _)| *moment);
            (near + dice.below(9)).saturating_sub(7).min(end)
        }
        _ => {
            let some: Vec<usize> = (0..12).map(|_| dice.below(end + 1)).collect();
            let fullest = some
                .into_iter()
                .max_by_key(|moment| story.recording.unflushed(*moment));
            fullest.unwrap_or(end)
        }
    }
}

/// Cuts the power at a moment of the seed's and demands that nothing is lost and nothing overstated.
pub fn cut(story: &Story, scratch: &Scratch, seed: u64, loss: &Loss) -> Result<Figures> {
    let mut dice = Dice::new(seed ^ 0x5EED);
    let moment = moment(story, &mut dice);
    cut_at(story, scratch, seed, moment, loss).with_context(|| {
        format!(
            "seed {seed}, cut at moment {moment} of {}, after: {:?}",
            story.recording.end(),
            story.facts.iter().rfind(|(said, _)| *said <= moment)
        )
    })
}

pub fn cut_at(story: &Story, scratch: &Scratch, seed: u64, moment: usize, loss: &Loss) -> Result<Figures> {
    let folder = scratch.join(&format!("cut-{seed}"));
    fs::create_dir_all(&folder)?;
    let mut image = story.recording.cut(moment, loss, seed);
    let mut again = 0;
    // The power may well fail again before the box is up.
    while seed % 3 == 1 && again < 2 {
        image =
            cut_recovery(&folder, image, loss, seed + again).context("the power fails in the recovery")?;
        again += 1;
    }
    let disk = folder.join("disk");
    image.store(&disk)?;
    let mut transports: Vec<Box<dyn Transport + Send>> = Vec::new();
    let mut discs = Vec::new();
    for (number, drive) in story.drives.iter().enumerate() {
        let disc = folder.join(format!("disc-{number}"));
        discs.push(drive.cut(moment, seed, &disc)?);
        transports.push(Box::new(drive_with(drive.serial(), &disc)?));
    }
    let fresh = Burner::with_disc("fresh", &burner::BD_R, &folder.join("fresh"), Some(SMALL_DISC))?;
    transports.push(Box::new(fresh.transport()));

    let begun = Instant::now();
    let partition = DataPartition::of_file(&disk, &folder)?;
    let native = Native::start(partition.path(), transports, Limits::default())?;
    let recovery = begun.elapsed();
    wait_drives(native.control())?;
    let checked = check(story, moment, native.control(), seed).and_then(|seen| {
        leftovers(partition.path(), &seen.open)?;
        Ok(seen)
    });
    native.vault.shutdown();
    let seen = checked.with_context(|| format!("with discs {discs:?}"))?;
    partition.unmount()?;
    check_file_system(&disk)?;
    ensure!(recovery < LIMIT, "recovery took {recovery:?}");
    fs::remove_dir_all(&folder)?;
    Ok(Figures {
        unflushed: story.recording.unflushed(moment),
        recovery,
        interrupted: seen.interrupted,
        taken_up: seen.taken_up,
    })
}

/// The disk after it came up as far as some moment and lost its power again.
fn cut_recovery(folder: &Path, image: Image, loss: &Loss, seed: u64) -> Result<Image> {
    let folder = folder.join(format!("recovery-{seed}"));
    fs::create_dir_all(&folder)?;
    let disk = Disk::new(image);
    let partition = DataPartition::of_disk(&disk, &folder)?;
    let native = Native::start(partition.path(), Vec::new(), Limits::default())?;
    let recording = disk.recording();
    native.vault.shutdown();
    partition.unmount()?;
    let mut dice = Dice::new(seed ^ 0xA6A1);
    Ok(recording.cut(dice.below(recording.end() + 1), loss, seed))
}

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a box had after a cut.
pub struct Seen {
    pub interrupted: usize,
    pub taken_up: usize,
    /// Trees that can be burned.
    open: Vec<(u64, Content)>,
}

/// Demands of a box that came up after a cut that all is true that was said before, and all it says now. Its drives
/// are those of the story, and one with a fresh disc.
pub fn check(story: &Story, moment: usize, box_at: SocketAddr, seed: u64) -> Result<Seen> {
    wait_drives(box_at)?;
    let session = session(box_at)?;
    Recovered {
        story,
        moment,
        session,
    }
    .check(seed)
}

/// A job that did not end well says why, and what to do.
fn words(ended: &JobEnded) -> Result<()> {
    match &ended.failure {
        Some(failure) if failure.what.is_empty() || failure.remedy.is_empty() => bail!("no words: {ended:?}"),
        None if ended.outcome.number == Outcome::Failed.number() => bail!("no words: {ended:?}"),
        _ => Ok(()),
    }
}

/// The partition holds the open trees and no others.
fn leftovers(data: &Path, open: &[(u64, Content)]) -> Result<()> {
    for entry in fs::read_dir(data.join("work"))? {
        let name = entry?.file_name();
        let tree = name.to_str().and_then(|name| name.parse().ok());
        let known = open.iter().any(|(number, _)| Some(*number) == tree);
        ensure!(known, "work/{} is left over", name.display());
    }
    for entry in fs::read_dir(data.join("jobs"))? {
        let tree = entry?.path().join("tree");
        ensure!(!tree.exists(), "{} is left over", tree.display());
    }
    Ok(())
}

struct Recovered<'a> {
    story: &'a Story,
    moment: usize,
    session: Connection,
}

impl Recovered<'_> {
    fn check(&mut self, seed: u64) -> Result<Seen> {
        let status = self.session.status()?;
        ensure!(
            status.data_size > 0,
            "the data partition is not used: {:?}",
            status.notices
        );
        let jobs = self.jobs()?;
        let mut interrupted = 0;
        for (job, ended) in &jobs {
            if ended.outcome.number == Outcome::Interrupted.number() {
                interrupted += 1;
                let failure = ended.failure.as_ref().context("an interruption without words")?;
                ensure!(!failure.remedy.is_empty(), "job {job}: {failure:?}");
            }
        }
        let mut open = Vec::new();
        let last = self
            .story
            .attempts
            .iter()
            .map(|attempt| attempt.tree)
            .max()
            .unwrap_or(0);
        for tree in 1..=last + 1 {
            let burned = self.burned(&jobs, tree)?;
            match self.tree(tree)? {
                Some(_) if burned => {}
                Some(content) => {
                    self.bytes(Source::Tree(tree), &content)?;
                    open.push((tree, content));
                }
                None => ensure!(!burned, "tree {tree} is archived and forgotten"),
            }
        }
        if seed % 5 == 2 {
            self.use_again(&mut open)?;
        }
        // What was given back is as good as before: the newest open tree burns.
        if seed.is_multiple_of(5)
            && let Some((tree, content)) = open.pop()
        {
            let drive = u32::try_from(self.story.drives.len())?;
            archived(&record(&mut self.session, tree, drive, RecordMode::New, |_| {})?)?;
            self.idle(drive)?;
            self.bytes(Source::Disc(drive), &content)?;
        }
        let ended = |job: &u64| {
            self.said()
                .any(|fact| matches!(fact, Fact::Ended { job: ended, .. } if ended == job))
        };
        let archived = jobs
            .iter()
            .filter(|(_, ended)| ended.outcome.number == Outcome::Archived.number());
        let taken_up = archived.filter(|(job, _)| !ended(job)).count();
        Ok(Seen {
            interrupted,
            taken_up,
            open,
        })
    }

    /// A disc that a burn left unfinished takes another tree, once it is repaired, or there are words why not. What
    /// it held before, it holds.
    fn use_again(&mut self, open: &mut Vec<(u64, Content)>) -> Result<()> {
        for (drive, log) in (0..).zip(&self.story.drives) {
            // Only what is written in order has ends to repair; a DVD+RW would first be formatted to its end.
            if log.profile().strategy == Strategy::Sequential {
                let repair = Treat {
                    drive,
                    treatment: Treatment::Repair.number(),
                    confirmed: true,
                    priority: wire::PRIORITY_DEFAULT,
                };
                words(&self.session.treat(repair, |_| {})?)?;
            }
            let Some((tree, content)) = open.pop() else {
                continue;
            };
            let ended = record(&mut self.session, tree, drive, RecordMode::Append, |_| {})?;
            self.idle(drive)?;
            if ended.outcome.number == Outcome::Archived.number() {
                self.bytes(Source::Disc(drive), &content)?;
            } else {
                words(&ended)?;
                self.bytes(Source::Tree(tree), &content)?;
                open.push((tree, content));
            }
        }
        Ok(())
    }

    /// What was said before the cut.
    fn said(&self) -> impl Iterator<Item = &Fact> {
        let moment = self.moment;
        self.story
            .facts
            .iter()
            .filter(move |(said, _)| *said <= moment)
            .map(|(_, fact)| fact)
    }

    /// The burns of the story, with their drives.
    fn burns(&self) -> impl Iterator<Item = (u64, u32)> {
        self.story.facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Burns { job, drive, .. } => Some((*job, *drive)),
            _ => None,
        })
    }

    /// All jobs with their ends; they are as was said of them.
    fn jobs(&mut self) -> Result<BTreeMap<u64, JobEnded>> {
        let mut jobs = BTreeMap::new();
        for job in self.session.jobs()? {
            jobs.insert(job.job, self.session.watch(job.job, |_| {})?);
        }
        for fact in self.said() {
            match fact {
                Fact::Put(_) => {}
                Fact::Burns { job, .. } | Fact::Verifies { job } => {
                    ensure!(jobs.contains_key(job), "job {job} began and is forgotten");
                }
                Fact::Ended { job, outcome } => {
                    let ended = jobs.get(job).with_context(|| format!("job {job} is forgotten"))?;
                    ensure!(
                        ended.outcome.number == *outcome,
                        "job {job} ended with outcome {outcome}, and now is {ended:?}"
                    );
                }
            }
        }
        // One that had no end may have come to it just before the cut, was taken up again and ended well, or is
        // said to be interrupted.
        let whole = |number| {
            self.story.facts.iter().find_map(|(_, fact)| match fact {
                Fact::Ended { job, outcome } if *job == number => Some(*outcome),
                _ => None,
            })
        };
        let [archived, interrupted] = [Outcome::Archived, Outcome::Interrupted].map(Outcome::number);
        for (job, ended) in &jobs {
            let outcome = ended.outcome.number;
            ensure!(
                outcome == archived || outcome == interrupted || Some(outcome) == whole(*job),
                "job {job} cannot have ended like this: {ended:?}"
            );
        }
        Ok(jobs)
    }

    /// Whether a job says that the tree is archived; if so, it is.
    fn burned(&mut self, jobs: &BTreeMap<u64, JobEnded>, tree: u64) -> Result<bool> {
        let burns: Vec<_> = self
            .story
            .facts
            .iter()
            .filter_map(|(_, fact)| match fact {
                Fact::Burns { job, tree: of, drive } if *of == tree => Some((*job, *drive)),
                _ => None,
            })
            .collect();
        let mut is_archived = false;
        for (job, drive) in burns {
            let archived = jobs
                .get(&job)
                .is_some_and(|ended| ended.outcome.number == Outcome::Archived.number());
            if !archived {
                continue;
            }
            let ended = self.session.verify(drive, |_| {})?;
            ensure!(
                ended.outcome.number == Outcome::Verified.number(),
                "job {job} says archived, and the disc does not verify: {ended:?}"
            );
            self.idle(drive)?;
            let disc = self.session.disc(drive)?;
            // A session that was whole on the disc when its job was interrupted may be one that the box does not
            // know; then it compares with the disc's own digests.
            let foreign = |(other, in_drive): &(u64, u32)| {
                let ended = jobs.get(other).map(|ended| ended.outcome.number);
                *in_drive == drive && ended == Some(Outcome::Interrupted.number())
            };
            ensure!(
                disc.verified > 0 || self.burns().any(|burn| foreign(&burn)),
                "a verified disc is not known as one: {disc:?}"
            );
            // All puts into a tree are over before it is burned.
            let attempts = self.story.attempts.iter().filter(|attempt| attempt.tree == tree);
            let content = attempts.flat_map(|attempt| attempt.content.clone()).collect();
            self.bytes(Source::Disc(drive), &content)?;
            is_archived = true;
        }
        Ok(is_archived)
    }

    /// Waits until the drive has let its last job go, which is told a moment before.
    fn idle(&mut self, drive: u32) -> Result<()> {
        rig::until("the drive to be free", rig::patience(10), || {
            let drives = self.session.drives()?.drives;
            let busy = drives.iter().any(|other| other.drive == drive && other.job != 0);
            Ok((!busy).then_some(()))
        })
    }

    /// What is in a tree: all that was acknowledged, perhaps the put that was under way, and nothing else.
    fn tree(&mut self, tree: u64) -> Result<Option<Content>> {
        let mut safe = Content::new();
        let mut under_way = Content::new();
        for (number, attempt) in self.story.attempts.iter().enumerate() {
            if attempt.tree != tree || attempt.begun > self.moment {
                continue;
            }
            let acknowledged = self
                .said()
                .any(|fact| matches!(fact, Fact::Put(put) if *put == number));
            let into = if acknowledged { &mut safe } else { &mut under_way };
            into.extend(attempt.content.clone());
        }
        let mut found = Vec::new();
        let listed = self.session.list(Source::Tree(tree), b"", u32::MAX, |entry| {
            if entry.kind == wire::EntryKind::File.number() {
                found.push(entry.path.as_bytes().to_vec());
            }
        });
        match listed {
            Ok(_) => {}
            Err(client::Error::Box(failure)) if failure.is(FailureCode::NotFound) => {
                ensure!(safe.is_empty(), "tree {tree} was acknowledged and is gone");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        found.sort();
        let with: Content = safe.clone().into_iter().chain(under_way).collect();
        for content in [safe, with] {
            if content.keys().eq(&found) && !content.is_empty() {
                return Ok(Some(content));
            }
        }
        bail!(
            "tree {tree} has {} files, which are neither with nor without the last put",
            found.len()
        )
    }

    /// Every file has its bytes.
    fn bytes(&mut self, source: Source, content: &Content) -> Result<()> {
        for (path, wanted) in content {
            let mut got = Vec::new();
            let path_shown = String::from_utf8_lossy(path);
            self.session
                .get(source, path, &mut got, |_, _| {})
                .with_context(|| format!("{path_shown} of {source:?}"))?;
            ensure!(got == *wanted, "{path_shown} of {source:?} differs");
        }
        Ok(())
    }
}
