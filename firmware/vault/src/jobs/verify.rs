//! Compares a whole disc with what is known of it, or says that nothing is.
//!
//! - A disc this box burned is compared cluster by cluster with the digests of its burn.
//! - Any other disc with `.spindle/SHA256SUMS` is compared file by file by a reader.
//! - A disc without either is read to its end, and the job fails all the same: that all blocks can be read
//!   does not show that they hold what was once written, and "verified" is said for no less.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mmc::{DiscStatus, Reload};
use seam::reader::{FromReader, ToReader};
use wire::{Failure, FailureCode, JobSummary, Outcome, Phase};

use super::burn::{milliseconds, read_back};
use super::{Device, Drive, Task, Worker};
use crate::catalog::DiscRecord;
use crate::errors::{self, Refusal};
use crate::readers::Reader;

/// No reader's check takes longer, whatever it says: the largest disc is read in a few hours.
const LONGEST: Duration = Duration::from_secs(36 * 3600);

/// Tells the drive's thread, whatever happens, that it need not serve the check any more.
struct Over<'a> {
    ended: &'a AtomicBool,
    drive: &'a Drive,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.drive.wake();
    }
}

pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
) -> Result<Outcome, Failure> {
    let device = worker.device()?;
    let disc = device.drive().disc().map_err(|error| errors::drive(&error))?;
    if disc.status == DiscStatus::Blank || disc.readable == 0 {
        return Err(Refusal::Blank.into());
    }
    device.drive().host().follow(task.job);
    let seen = device.look(Some(task.data))?;
    if let Some((id, record)) = &seen.known {
        summary.disc_id = *id;
        if compare_clusters(task, device, summary, record)? {
            task.data
                .catalog
                .disc_verified(*id, crate::clock::now().seconds)?;
            device.forget_disc();
            return Ok(Outcome::Verified);
        }
    }
    task.job.begin(Phase::Verifying, 0);
    let begun = Instant::now();
    let region = 0..disc.readable;
    let defeat = device.drive().reader().defeat_cache(region, Reload::Allowed);
    summary
        .remarks
        .push(errors::defeat(defeat.map_err(|error| errors::drive(&error))?));
    let outcome = check_files(task, worker, summary)?;
    let outcome = match outcome {
        Some(outcome) => Ok(outcome),
        None => {
            read_all(task, worker.device()?, disc.readable, summary)?;
            Err(errors::nothing_to_compare())
        }
    };
    summary.verify_time = milliseconds(begun);
    outcome
}

/// Compares with the digests of the burn; false when they are not kept here any more.
fn compare_clusters(
    task: &Task<'_>,
    device: &mut Device,
    summary: &mut JobSummary,
    record: &DiscRecord,
) -> Result<bool, Failure> {
    let mut compared = false;
    for session in &record.sessions {
        let journal = task.data.staging.job(session.job)?;
        if super::clusters::Kept::open(&journal).is_none() {
            return Ok(false);
        }
        let address =
            |block: u64| u32::try_from(block).map_err(|_| errors::internal("a session without end"));
        let (start, blocks) = (address(session.start)?, address(session.blocks)?);
        read_back(task, device, &journal, start, blocks, session.cluster, summary)?;
        if summary.digest != session.digest {
            return Err(errors::internal(
                "a job's list of digests is not the one the catalog knows",
            ));
        }
        compared = true;
        summary.session = session.session;
        summary.start = session.start;
        summary.blocks = summary.blocks.saturating_add(session.blocks);
        summary.files = session.files;
        summary.bytes = session.bytes;
    }
    Ok(compared)
}

/// Has a reader compare the files, while this thread serves its blocks; `None` when the disc has no digests.
fn check_files(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
) -> Result<Option<Outcome>, Failure> {
    let drive = worker.drive.clone();
    let seen = worker.device()?.look(Some(task.data))?;
    let ended = AtomicBool::new(false);
    let shared = worker.shared.clone();
    let job = task.job.clone();
    std::thread::scope(|scope| {
        let check = || {
            let _over = Over {
                ended: &ended,
                drive: &drive,
            };
            let begun = Instant::now();
            let too_long = || begun.elapsed() > LONGEST;
            let reader = Reader::start(&shared, &drive, &seen, &too_long)?;
            reader.ask(&ToReader::Check, None)?;
            while !too_long() {
                match reader.answer(&too_long)? {
                    FromReader::CheckProgress { bytes, total, .. } => job.advance(bytes, Some(total)),
                    other => return Ok::<_, Refusal>(other),
                }
            }
            Err(Refusal::ReaderSilent)
        };
        let thread = std::thread::Builder::new().name("check".into());
        let thread = thread.spawn_scoped(scope, check).map_err(Refusal::NoThread)?;
        worker.serve_reads(&ended);
        let answer = thread
            .join()
            .map_err(|_| errors::internal("the check panicked"))??;
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
    })
}

/// Reads every block and counts those that can be.
fn read_all(
    task: &Task<'_>,
    device: &mut Device,
    blocks: u32,
    summary: &mut JobSummary,
) -> Result<(), Failure> {
    const COUNT: u32 = 32;
    let mut buffer = vec![0; 32 * discfs::BLOCK];
    task.job
        .begin(Phase::Verifying, u64::from(blocks) * wire::BLOCK_SIZE);
    let (mut at, mut readable) = (0, 0_u64);
    let mut reader = device.drive().reader();
    while at < blocks {
        let count = COUNT.min(blocks - at);
        let length = usize::try_from(count).unwrap_or(0) * discfs::BLOCK;
        let part = buffer
            .get_mut(..length)
            .ok_or_else(|| errors::internal("a cluster over its size"))?;
        match reader.read(at, part) {
            Ok(()) => readable += u64::from(count),
            Err(mmc::Error::Unreadable { .. }) => {
                for (block, part) in (at..).zip(part.chunks_mut(discfs::BLOCK)) {
                    match reader.read(block, part) {
                        Ok(()) => readable += 1,
                        Err(mmc::Error::Unreadable { .. }) => {}
                        Err(error) => return Err(errors::drive(&error)),
                    }
                }
            }
            Err(error) => return Err(errors::drive(&error)),
        }
        at += count;
        task.job.done(u64::from(at) * wire::BLOCK_SIZE);
    }
    summary.blocks = readable;
    summary
        .remarks
        .push(format!("{readable} of {blocks} blocks can be read"));
    if readable < u64::from(blocks) {
        let lost = u64::from(blocks) - readable;
        return Err(Failure::new(
            FailureCode::ReadFailed,
            format!("{lost} of {blocks} blocks cannot be read"),
            "the disc is damaged or dirty",
            "clean it, try another drive, and copy what can still be read",
        ));
    }
    Ok(())
}
