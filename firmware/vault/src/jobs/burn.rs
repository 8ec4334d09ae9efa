//! Burns a tree as a new disc: plan, ask, freeze, write, close, read back, compare, and only then say so.

use std::os::fd::OwnedFd;
use std::time::Instant;

use discfs::{Image, Options};
use mmc::{Close, DiscStatus, Plan, Reload};
use sha2::{Digest, Sha256};
use wire::{Failure, JobSummary, Outcome, Phase};

use super::ahead::Ahead;
use super::clusters::{Keeper, Kept};
use super::content::{self, Files};
use super::{Device, Task, Worker};
use crate::catalog::{DiscRecord, SessionRecord};
use crate::errors;

/// Characters a UDF volume label keeps.
const LABEL_MAX: usize = 30;

/// Works the job off; `summary` is filled as far as it comes.
pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    tree: u64,
    label: &str,
    finalise: bool,
) -> Result<Outcome, Failure> {
    let device = worker.device()?;
    let outcome = burn(task, device, summary, tree, label, finalise);
    if outcome.is_err() && task.job.phase() != Phase::Preparing.label() {
        device.settle(summary);
    }
    outcome
}

fn burn(
    task: &Task<'_>,
    device: &mut Device,
    summary: &mut JobSummary,
    tree: u64,
    label: &str,
    finalise: bool,
) -> Result<Outcome, Failure> {
    let job = task.job.number;
    let label = label_of(task, tree, label, summary)?;
    // Everything that can be known is asked before the tree is touched, and before the first WRITE.
    let disc = device.drive().disc().map_err(|error| errors::drive(&error))?;
    match disc.status {
        DiscStatus::Blank => {}
        DiscStatus::RandomAccess => {
            return Err(errors::drive(&mmc::Error::CannotWrite {
                profile: disc.profile,
            }));
        }
        DiscStatus::Appendable | DiscStatus::Complete => return Err(errors::not_blank(disc.profile)),
    }
    let first = disc.next_writable().unwrap_or(0);
    let (names, files) = content::tree(&task.data.catalog, tree, task.job.record.created)?;
    let options = Options {
        label: label.clone(),
        time: task.job.record.created.seconds,
        start_block: first,
        alignment: 32,
        identity: Some(task.job.record.disc),
        ..Options::default()
    };
    let image = discfs::plan(&names, &options).map_err(|error| errors::plan(&error))?;
    drop(names);
    let blocks = u32::try_from(image.blocks()).map_err(|_| errors::internal("an image without end"))?;
    (summary.start, summary.blocks) = (u64::from(first), image.blocks());
    (summary.files, summary.bytes) = (image.files(), image.file_bytes());
    let plan = device
        .drive()
        .plan(first, blocks)
        .map_err(|error| errors::drive(&error))?;

    task.data.staging.freeze(tree, job)?;
    let directory = task.data.staging.frozen_tree(job)?;
    content::check_frozen(&directory, &files)?;
    let journal = task.data.staging.job(job)?;
    let cluster = plan.cluster_blocks();
    let close = if finalise {
        Close::Finalised
    } else {
        Close::Appendable
    };
    let burned = write(
        task,
        device,
        &image,
        Files::new(&directory, &files),
        plan,
        &journal,
        close,
        summary,
    )?;
    summary.session = u32::from(burned.sessions.max(1));

    read_back(task, device, &journal, first, blocks, cluster, summary)?;
    let fingerprint = device.fingerprint(first)?;
    let session = SessionRecord {
        session: summary.session,
        start: summary.start,
        blocks: summary.blocks,
        job,
        cluster,
        digest: summary.digest,
        files: summary.files,
        bytes: summary.bytes,
    };
    let now = crate::clock::now();
    let disc = DiscRecord {
        label,
        profile: burned.profile.0,
        media_id: burned.media_id.as_str().into(),
        created: now,
        sessions: vec![session],
        verified: now.seconds,
    };
    let ending = super::ending(Outcome::Archived, summary, None);
    let event = super::event(job, Outcome::Archived, None);
    task.data
        .catalog
        .archive(job, &ending, &disc, fingerprint, &event)?;
    if let Err(refusal) = task.data.staging.remove_frozen_tree(job) {
        eprintln!("jobs: warning: the archived tree {tree} is removed at the next start: {refusal}");
    }
    device.forget_disc();
    Ok(Outcome::Archived)
}

/// The label asked for, or one made from the tree's name.
fn label_of(task: &Task<'_>, tree: u64, asked: &str, summary: &mut JobSummary) -> Result<String, Failure> {
    let name = match asked {
        "" => task
            .data
            .catalog
            .tree(tree)?
            .map(|record| record.name)
            .unwrap_or_default(),
        asked => asked.into(),
    };
    let plain = name.chars().filter(|character| !character.is_control());
    let label: String = plain.take(LABEL_MAX).collect();
    Ok(match label.trim() {
        "" => format!("SPINDLE-{tree}"),
        label => {
            if !name.trim().ends_with(label) {
                summary
                    .remarks
                    .push(format!("the label was cut to {LABEL_MAX} characters: {label}"));
            }
            label.into()
        }
    })
}

/// Writes and closes the session.
#[expect(clippy::too_many_arguments, reason = "each is a different thing, used once")]
fn write(
    task: &Task<'_>,
    device: &mut Device,
    image: &Image,
    files: Files<'_>,
    plan: Plan,
    journal: &OwnedFd,
    close: Close,
    summary: &mut JobSummary,
) -> Result<mmc::Disc, Failure> {
    let bytes = |blocks: u32| u64::from(blocks) * wire::BLOCK_SIZE;
    let cluster = usize::try_from(bytes(plan.cluster_blocks())).unwrap_or(usize::MAX);
    task.job.begin(Phase::Writing, bytes(plan.padded_blocks()));
    let begun = Instant::now();
    let clusters = plan.padded_blocks() / plan.cluster_blocks().max(1);
    let mut keeper = Keeper::new(journal, clusters)?;
    device.drive().host().follow(task.job);
    let recorder = device
        .drive()
        .record(plan)
        .map_err(|error| errors::drive(&error))?;
    let recorder = std::thread::scope(|scope| {
        let mut recorder = recorder;
        let ahead = Ahead::start(scope, image, files, cluster)?;
        loop {
            let buffer = ahead.next()?;
            if buffer.is_empty() {
                return Ok::<_, Failure>(recorder);
            }
            recorder.write(&buffer).map_err(|error| errors::drive(&error))?;
            keeper.add(&buffer)?;
            task.job.done(bytes(recorder.written()));
            ahead.recycle(buffer);
        }
    })?;
    summary.write_time = milliseconds(begun);
    summary.digest = keeper.finish()?;
    task.job.begin(Phase::Closing, 0);
    let begun = Instant::now();
    let disc = recorder.finish(close).map_err(|error| errors::drive(&error))?;
    summary.close_time = milliseconds(begun);
    Ok(disc)
}

/// Reads the session back past the drive's cache and compares every cluster with what was written.
pub(super) fn read_back(
    task: &Task<'_>,
    device: &mut Device,
    journal: &OwnedFd,
    first: u32,
    blocks: u32,
    cluster: u32,
    summary: &mut JobSummary,
) -> Result<(), Failure> {
    let mut kept = Kept::open(journal).ok_or_else(errors::nothing_to_compare)?;
    task.job
        .begin(Phase::Verifying, u64::from(blocks) * wire::BLOCK_SIZE);
    let begun = Instant::now();
    let end = first
        .checked_add(blocks)
        .ok_or_else(|| errors::internal("a session without end"))?;
    let mut reader = device.drive().reader();
    let defeat = reader
        .defeat_cache(first..end, Reload::Allowed)
        .map_err(|error| errors::drive(&error))?;
    summary.remarks.push(errors::defeat(defeat));
    let mut buffer = vec![0; usize::try_from(cluster).unwrap_or(0).max(1) * discfs::BLOCK];
    let mut all = Sha256::new();
    let mut at = first;
    while at < end {
        let count = cluster.max(1).min(end - at);
        let length = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(discfs::BLOCK);
        let part = buffer
            .get_mut(..length)
            .ok_or_else(|| errors::internal("a cluster over its size"))?;
        reader.read(at, part).map_err(|error| errors::drive(&error))?;
        let digest = Sha256::digest(&*part);
        if digest[..] != kept.next()? {
            return Err(errors::differs(at, count));
        }
        all.update(digest);
        at += count;
        task.job.done(u64::from(at - first) * wire::BLOCK_SIZE);
    }
    if reader.retried() > 0 {
        summary
            .remarks
            .push(format!("{} reads had to be repeated", reader.retried()));
    }
    summary.digest = all.finalize().into();
    summary.verify_time += milliseconds(begun);
    Ok(())
}

pub(super) fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
