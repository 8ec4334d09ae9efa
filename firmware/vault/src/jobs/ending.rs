//! How jobs end: those that burn one tree together end by what all of them came to.

use std::sync::Arc;

use wire::{Failure, JobSummary, Outcome, Phase};

use super::Job;
use crate::catalog::{Ending, EventRecord, LogRecord, Order, Severity, TreeState};
use crate::clock;
use crate::data::Data;
use crate::errors;
use crate::shared::Shared;
use crate::sync::Locked;

/// The jobs that burn one tree together, on a drive each.
#[derive(Default)]
pub(crate) struct Group {
    /// The first of them, which the frozen tree is called after.
    pub number: u64,
    /// Held while the tree is frozen or taken back.
    state: Locked<Members>,
}

#[derive(Default)]
struct Members {
    /// Those that still wait or work.
    left: usize,
    /// Those whose discs verified, while the tree was on too few.
    verified: Vec<(Arc<Job>, JobSummary)>,
}

impl Group {
    /// A group of so many jobs.
    pub(crate) fn new(number: u64, members: usize) -> Arc<Self> {
        let members = Members {
            left: members,
            verified: Vec::new(),
        };
        Arc::new(Self {
            number,
            state: Locked::new(members),
        })
    }

    /// Does something with the group's tree while no other job of it does.
    pub(super) fn exclusively<T>(&self, work: impl FnOnce() -> T) -> T {
        let _members = self.state.lock();
        work()
    }
}

/// The work on a job is over: it ends now, or waits for the others of its group.
///
/// A burn whose disc verified comes as archived when the catalog says so of its tree, else as burned.
pub(crate) fn conclude(
    shared: &Shared,
    job: &Arc<Job>,
    outcome: Outcome,
    summary: JobSummary,
    failure: Option<Failure>,
) {
    let Some(tree) = job.record.order.tree() else {
        return end(shared, job, outcome, summary, failure);
    };
    let mut members = job.group.state.lock();
    members.left = members.left.saturating_sub(1);
    let last = members.left == 0;
    let verified = outcome == Outcome::Burned && failure.is_none();
    if verified && !last {
        job.begin(Phase::AwaitingOthers, 0);
        members.verified.push((job.clone(), summary));
        return;
    }
    let others = match last || outcome == Outcome::Archived {
        true => std::mem::take(&mut members.verified),
        false => Vec::new(),
    };
    if last {
        release(shared, job, tree);
    }
    drop(members);
    let mut verdicts: Vec<_> = others
        .into_iter()
        .map(|(job, summary)| (job, Outcome::Burned, summary, None))
        .collect();
    verdicts.push((job.clone(), outcome, summary, failure));
    for (job, outcome, summary, failure) in verdicts {
        match outcome {
            Outcome::Burned if failure.is_none() => {
                let (outcome, failure) = by_policy(shared, tree);
                end(shared, &job, outcome, summary, failure);
            }
            outcome => end(shared, &job, outcome, summary, failure),
        }
    }
}

/// What a verified disc makes of its tree: archived, or burned with what is missing.
fn by_policy(shared: &Shared, tree: u64) -> (Outcome, Option<Failure>) {
    let record = shared.data().and_then(|data| Ok(data.catalog.tree(tree)?));
    match record {
        Ok(Some(record)) if matches!(record.state, TreeState::Archived(_)) => (Outcome::Archived, None),
        Ok(Some(record)) => (
            Outcome::Burned,
            Some(errors::copies_missing(tree, record.discs.len(), record.wanted)),
        ),
        Ok(None) => (Outcome::Burned, None),
        Err(refusal) => (Outcome::Burned, Some(refusal.into())),
    }
}

/// The last job of a group is over: its tree goes, or comes back.
fn release(shared: &Shared, job: &Job, tree: u64) {
    let group = job.group.number;
    let released = shared.data().and_then(|data| release_tree(&data, tree, group));
    if let Err(refusal) = released {
        eprintln!("jobs: error: tree {tree} stays in jobs/{group} until the next start: {refusal}");
    }
}

/// Nobody burns a tree any more: what is archived is removed, all else taken back and opened.
pub(crate) fn release_tree(data: &Data, tree: u64, group: u64) -> Result<(), errors::Refusal> {
    match data.catalog.tree(tree)?.map(|tree| tree.state) {
        Some(TreeState::Archived(_)) => data.staging.remove_frozen_tree(group),
        Some(TreeState::Claimed(_) | TreeState::Open) => {
            data.staging.thaw(tree, group)?;
            data.catalog.release_tree(tree, group)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Ends a job for all: in the catalog, then for its followers.
fn end(shared: &Shared, job: &Arc<Job>, outcome: Outcome, mut summary: JobSummary, failure: Option<Failure>) {
    job.note(match &failure {
        None => format!("ended: {outcome}"),
        Some(failure) => format!("ended: {outcome}: {}", failure.what),
    });
    summary.remarks.truncate(40);
    if let Ok(data) = shared.data() {
        let ending = Ending {
            outcome: outcome.number(),
            summary: summary.clone(),
            failure: failure.clone(),
            at: clock::now(),
        };
        let event = event(job.number, outcome, failure.as_ref());
        if let Err(error) = data.catalog.end_job(job.number, &ending, &job.log(), &event) {
            eprintln!(
                "jobs: error: the end of job {} is not in the catalog yet: {error}",
                job.number
            );
            let log = job.log();
            shared.unended.lock().push(Unended {
                job: job.number,
                ending,
                log,
                event,
            });
        }
        let proved = matches!(outcome, Outcome::Archived | Outcome::Burned);
        let writes = matches!(job.record.order, Order::Record(_));
        if writes
            && !proved
            && let Err(refusal) = data.staging.remove_digests(job.number)
        {
            eprintln!(
                "jobs: warning: digests of no disc stay in jobs/{}: {refusal}",
                job.number
            );
        }
    }
    shared.jobs.remove(job.number); // whoever looks now finds its end in the catalog
    job.announce(outcome, summary, failure);
}

/// The end of a job that was told but found no room in the catalog: without it the next start would take the job up.
pub(crate) struct Unended {
    job: u64,
    ending: Ending,
    log: LogRecord,
    event: EventRecord,
}

/// Tries again to record ends that found no room.
pub(crate) fn record_ends(shared: &Shared) {
    let waiting = std::mem::take(&mut *shared.unended.lock());
    if waiting.is_empty() {
        return;
    }
    let data = shared.data();
    let recorded = |end: &Unended| {
        let data = data.as_ref().ok()?;
        let ended = data.catalog.end_job(end.job, &end.ending, &end.log, &end.event);
        ended.ok()
    };
    let still = waiting.into_iter().filter(|end| recorded(end).is_none());
    shared.unended.lock().extend(still);
}

/// Ends a job whose work panicked, or that no drive takes.
pub(crate) fn abandon(shared: &Shared, job: &Arc<Job>, outcome: Outcome, failure: Failure) {
    conclude(shared, job, outcome, JobSummary::default(), Some(failure));
}

/// Ends a job that was cancelled while it waited for its drive.
pub(crate) fn cancel_waiting(shared: &Shared, job: &Arc<Job>) {
    abandon(shared, job, Outcome::Cancelled, errors::cancelled(job.number));
}

fn event(job: u64, outcome: Outcome, failure: Option<&Failure>) -> EventRecord {
    match failure {
        None => EventRecord::note("jobs", format!("job {job}: {outcome}")),
        Some(failure) => {
            let mut event = EventRecord::failure("jobs", Severity::Error, failure);
            event.what = format!("job {job} {outcome}: {}", failure.what);
            event
        }
    }
}
