//! Compares a whole disc with what is known of it, or says that nothing is.
//!
//! - Sessions this box burned are compared cluster by cluster with the digests of their burn.
//! - Any other disc with `.spindle/SHA256SUMS` is compared file by file by a reader.
//! - What has neither is read to its end. "Verified" is said for no less than a comparison: such a disc fails a
//!   verification, and a scrub calls it readable.
//!
//! A scrub goes on behind what is bad, and keeps a map of the regions in the catalog.

use std::time::Instant;

use mmc::DiscStatus;
use seam::reader::{FromReader, ToReader};
use wire::{Failure, FailureCode, JobSummary, Outcome, Phase, Region};

use super::burn::foreign_session;
use super::clusters::Kept;
use super::read_back::{Look, defeat_cache, milliseconds};
use super::{Failed, Task, Worker, through};
use crate::catalog::{DiscRecord, MapRecord, random};
use crate::drives::Seen;
use crate::errors::{self, Refusal};

/// Blocks in a cluster of a disc that was not burned here.
const CLUSTER: u32 = 32;

/// What a look at all sessions came to.
#[derive(Default)]
struct Sum {
    regions: Vec<Region>,
    /// Sessions compared with digests, and others.
    compared: usize,
    only_read: usize,
    read: u64,
    bad: u64,
    different: Option<Failure>,
}

pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
) -> Result<Outcome, Failed> {
    let seen = look(task, worker)?;
    let begun = Instant::now();
    if let Some((id, record)) = &seen.known
        && record
            .sessions
            .iter()
            .any(|session| has_digests(task, session.job))
    {
        summary.disc_id = *id;
        let sum = all_sessions(task, worker, summary, &record.sessions, false)?;
        summary.verify_time = milliseconds(begun);
        keep_map(task, *id, sum.regions)?;
        if sum.only_read > 0 {
            return Ok(mixed(summary, sum.only_read));
        }
        let now = crate::clock::now().seconds;
        task.data.catalog.disc_verified(*id, now)?;
        worker.device()?.forget_disc();
        return Ok(Outcome::Verified);
    }
    task.job.begin(Phase::Verifying, 0);
    let readable = seen.readable;
    defeat_cache(task, worker.device()?, 0..readable, summary)?;
    let outcome = match check_files(task, worker, summary)? {
        Some(outcome) => Ok(outcome),
        None => {
            let sessions: Vec<_> = seen.disc.sessions.iter().map(foreign_session).collect();
            let sum = all_sessions(task, worker, summary, &sessions, true)?;
            lost_blocks(&sum)?;
            Err(errors::nothing_to_compare().into())
        }
    };
    summary.verify_time = milliseconds(begun);
    outcome
}

/// Reads everything, whatever is bad, and remembers how it read.
pub(super) fn scrub(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    speed: u32,
) -> Result<Outcome, Failed> {
    let seen = look(task, worker)?;
    if speed > 0
        && let Err(failure) = worker.device()?.set_speeds(0, speed)
    {
        summary
            .remarks
            .push(format!("the speed asked for was not taken: {}", failure.what));
    }
    let begun = Instant::now();
    let (id, record) = match seen.known.clone() {
        Some(known) => known,
        None => remember_foreign(task, worker, &seen)?,
    };
    summary.disc_id = id;
    defeat_cache(task, worker.device()?, 0..seen.readable, summary)?;
    let mut sum = all_sessions(task, worker, summary, &record.sessions, true)?;
    keep_map(task, id, std::mem::take(&mut sum.regions))?;
    summary.verify_time = milliseconds(begun);
    if let Some(failure) = sum.different.take() {
        return Err(failure.into());
    }
    lost_blocks(&sum)?;
    if sum.only_read == 0 {
        let now = crate::clock::now().seconds;
        task.data.catalog.disc_verified(id, now)?;
        worker.device()?.forget_disc();
        return Ok(Outcome::Verified);
    }
    if sum.compared > 0 {
        return Ok(mixed(summary, sum.only_read));
    }
    task.job.begin(Phase::Verifying, 0);
    match check_files(task, worker, summary) {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) => Ok(Outcome::Readable),
        // A disc without a file system is none of ours, and can be read all the same.
        Err(failure) if failure.is(FailureCode::ReadFailed) => {
            summary.remarks.push(failure.what);
            Ok(Outcome::Readable)
        }
        Err(failure) => Err(failure.into()),
    }
}

fn look(task: &Task<'_>, worker: &mut Worker) -> Result<Seen, Failure> {
    let device = worker.device()?;
    let disc = device.drive().disc().map_err(|error| errors::drive(&error))?;
    if disc.status == DiscStatus::Blank || disc.readable == 0 {
        return Err(Refusal::Blank.into());
    }
    device.drive().host().follow(task.job);
    device.look(Some(task.data))
}

/// Our own digests say that the newer sessions are as burned; what others wrote can only be read.
fn mixed(summary: &mut JobSummary, only_read: usize) -> Outcome {
    summary.remarks.push(format!(
        "{only_read} sessions have no digests here: they were read, the others compared"
    ));
    Outcome::Readable
}

fn has_digests(task: &Task<'_>, job: u64) -> bool {
    job != 0
        && task
            .data
            .staging
            .job(job)
            .is_ok_and(|directory| Kept::open(&directory).is_some())
}

/// Looks over sessions, each with its digests where they are kept here.
fn all_sessions(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    sessions: &[crate::catalog::SessionRecord],
    to_the_end: bool,
) -> Result<Sum, Failure> {
    let device = worker.device()?;
    let layout = device.drive().layout().map_err(|error| errors::drive(&error))?;
    let address = |block: u64| u32::try_from(block).map_err(|_| errors::internal("a session without end"));
    let total: u64 = sessions.iter().map(|session| session.blocks).sum();
    task.job.begin(Phase::Verifying, total * wire::BLOCK_SIZE);
    let mut sum = Sum::default();
    let mut done = 0;
    summary.blocks = 0;
    for session in sessions {
        let kept = match session.job {
            0 => None,
            job => Kept::open(&task.data.staging.job(job)?),
        };
        let (start, blocks) = (address(session.start)?, address(session.blocks)?);
        let end = start
            .checked_add(blocks)
            .ok_or_else(|| errors::internal("a session without end"))?;
        let last = layout
            .tracks
            .iter()
            .filter(|track| (start..end).contains(&track.start))
            .max_by_key(|track| track.start);
        let known = kept.is_some();
        let look = Look {
            range: start..end,
            cluster: if known { session.cluster } else { CLUSTER },
            tail: if known {
                0
            } else {
                last.map_or(0, |track| track.tail)
            },
            to_the_end,
        };
        if !to_the_end {
            defeat_cache(task, device, start..end, summary)?;
        }
        let found = look.over(task, device, kept, done)?;
        done += session.blocks * wire::BLOCK_SIZE;
        if known && found.bad == 0 && found.different.is_none() && found.digest != session.digest {
            return Err(errors::internal(
                "a job's list of digests is not the one the catalog knows",
            ));
        }
        match known {
            true => sum.compared += 1,
            false => sum.only_read += 1,
        }
        sum.read += found.read;
        sum.bad += found.bad;
        sum.different = sum.different.or(found.different);
        sum.regions.extend(found.regions);
        summary.session = session.session;
        summary.start = session.start;
        summary.blocks = summary.blocks.saturating_add(found.read);
        (summary.files, summary.bytes) = (session.files, session.bytes);
        summary.digest = found.digest;
        if found.retried > 0 {
            summary
                .remarks
                .push(format!("{} reads had to be repeated", found.retried));
        }
    }
    if sum.only_read > 0 || sum.bad > 0 {
        let all = sum.read + sum.bad;
        summary
            .remarks
            .push(format!("{} of {all} blocks can be read", sum.read));
    }
    Ok(sum)
}

fn lost_blocks(sum: &Sum) -> Result<(), Failure> {
    match sum.bad {
        0 => Ok(()),
        lost => Err(errors::lost_blocks(lost, sum.read + lost)),
    }
}

fn keep_map(task: &Task<'_>, id: [u8; 16], regions: Vec<Region>) -> Result<(), Failure> {
    let at = crate::clock::now().seconds;
    Ok(task.data.catalog.set_map(id, &MapRecord { at, regions })?)
}

/// Enters a disc of others into the catalog with what is known of it.
pub(super) fn remember_foreign(
    task: &Task<'_>,
    worker: &mut Worker,
    seen: &Seen,
) -> Result<([u8; 16], DiscRecord), Failure> {
    let label = through::reader(task, worker, None, |reader, _| Ok(reader.label().to_owned()));
    let mut id = [0; 16];
    random(&mut id)?;
    let record = DiscRecord {
        label: label.unwrap_or_default(),
        profile: seen.disc.media.number,
        media_id: seen.disc.media_id.clone(),
        created: crate::clock::now(),
        sessions: seen.disc.sessions.iter().map(foreign_session).collect(),
        verified: 0,
    };
    let device = worker.device()?;
    if let Ok(fingerprint) = device.fingerprint(seen.session_start) {
        task.data.catalog.remember_disc(id, &record, fingerprint)?;
        device.forget_disc();
    }
    Ok((id, record))
}

/// Has a reader compare the files; `None` when the disc has no digests.
fn check_files(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
) -> Result<Option<Outcome>, Failure> {
    let job = task.job.clone();
    let answer = through::reader(task, worker, None, |reader, over| {
        reader.ask(&ToReader::Check, None)?;
        while !over() {
            match reader.answer(over)? {
                FromReader::CheckProgress { bytes, total, .. } => job.advance(bytes, Some(total)),
                other => return Ok(other),
            }
        }
        Err(Refusal::ReaderSilent.into())
    })?;
    match answer {
        FromReader::Checked {
            files,
            bytes,
            findings,
        } => {
            (summary.files, summary.bytes) = (files, bytes);
            match &findings[..] {
                [] => Ok(Some(Outcome::Verified)),
                [first, ..] => {
                    let count = findings.len();
                    let failure = errors::files_differ(count, first);
                    summary
                        .remarks
                        .extend(findings.into_iter().take(20).map(errors::bounded));
                    Err(failure)
                }
            }
        }
        FromReader::NoDigests => Ok(None),
        FromReader::Failed { reason, .. } => Err(Refusal::Unreadable(reason).into()),
        _ => Err(Refusal::ReaderStrange.into()),
    }
}
