//! Jobs: what takes long, followed by any number of sessions, needing none of them.

mod ahead;
mod burn;
mod clusters;
mod content;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::{Failure, JobEnded, JobProgress, JobSummary, Label, Outcome, Phase};

use crate::catalog::{Ending, EventRecord, JobRecord, Order, Severity};
use crate::clock;
use crate::data::Data;
use crate::drives::{Device, Drive, Worker};
use crate::shared::Shared;
use crate::sync::Locked;

/// Time between two progress reports.
const REPORT: Duration = Duration::from_millis(250);

/// [`JobProgress::buffer`] when the drive does not tell.
const BUFFER_UNKNOWN: u8 = 255;

/// The jobs that wait or work.
#[derive(Default)]
pub(crate) struct Jobs(Locked<BTreeMap<u64, Arc<Job>>>);

impl Jobs {
    /// Every one of them, oldest first.
    pub(crate) fn active(&self) -> Vec<Arc<Job>> {
        self.0.lock().values().cloned().collect()
    }

    pub(crate) fn find(&self, job: u64) -> Option<Arc<Job>> {
        self.0.lock().get(&job).cloned()
    }

    pub(crate) fn add(&self, job: &Arc<Job>) {
        self.0.lock().insert(job.number, job.clone());
    }

    fn remove(&self, job: u64) {
        self.0.lock().remove(&job);
    }
}

/// A job that waits or works.
pub(crate) struct Job {
    pub number: u64,
    pub record: JobRecord,
    state: Locked<State>,
}

struct State {
    progress: JobProgress,
    ended: Option<JobEnded>,
    /// When the last report was, and how much was done then: for the rate.
    reported: (Instant, u64),
}

/// What a follower learns.
pub(crate) enum News {
    Progress(JobProgress),
    Ended(Box<JobEnded>),
}

impl Job {
    pub(crate) fn new(number: u64, record: JobRecord) -> Self {
        let progress = JobProgress {
            job: number,
            phase: Phase::Queued.label(),
            done: 0,
            total: 0,
            rate: 0,
            buffer: BUFFER_UNKNOWN,
        };
        let state = State {
            progress,
            ended: None,
            reported: (Instant::now(), 0),
        };
        Self {
            number,
            record,
            state: Locked::new(state),
        }
    }

    /// What it does now.
    pub(crate) fn phase(&self) -> Label {
        self.state.lock().progress.phase.clone()
    }

    /// Begins a phase of so many bytes, 0 when unknown.
    fn begin(&self, phase: Phase, total: u64) {
        self.state.change(|state| {
            state.progress = JobProgress {
                phase: phase.label(),
                done: 0,
                total,
                rate: 0,
                ..state.progress.clone()
            };
            state.reported = (Instant::now(), 0);
        });
    }

    /// So many bytes of the phase are done; followers hear of it now and then.
    fn done(&self, done: u64) {
        self.advance(done, None);
    }

    /// As [`Self::done`], when the phase's bytes became known only later.
    fn advance(&self, done: u64, total: Option<u64>) {
        let state = self.state.lock();
        let (at, before) = state.reported;
        let passed = at.elapsed();
        if passed < REPORT && done != state.progress.total {
            return;
        }
        drop(state);
        self.state.change(|state| {
            let milliseconds = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
            state.progress.rate = done.saturating_sub(before).saturating_mul(1000) / milliseconds;
            state.progress.done = done;
            state.progress.total = total.unwrap_or(state.progress.total);
            state.reported = (Instant::now(), done);
        });
    }

    /// The drive told how full its buffer is, in percent.
    pub(crate) fn buffer(&self, percent: u8) {
        self.state.lock().progress.buffer = percent;
    }

    /// Waits for something the follower has not `seen`; `None` when nothing came within the limit.
    pub(crate) fn news(&self, seen: Option<&JobProgress>, limit: Duration) -> Option<News> {
        let known = |state: &mut State| state.ended.is_none() && Some(&state.progress) == seen;
        let state = self.state.wait_while(limit, known);
        match &state.ended {
            Some(ended) => Some(News::Ended(Box::new(ended.clone()))),
            None if Some(&state.progress) == seen => None,
            None => Some(News::Progress(state.progress.clone())),
        }
    }
}

/// What a job works with.
struct Task<'a> {
    data: &'a Data,
    job: &'a Arc<Job>,
}

/// Works a job off on its drive's thread, and records its end; the followers hear of it last.
pub(crate) fn work_off(worker: &mut Worker, job: &Arc<Job>) {
    let shared = worker.shared.clone();
    let (outcome, summary, failure) = match shared.data() {
        Err(refusal) => (Outcome::Failed, JobSummary::default(), Some(refusal.into())),
        Ok(data) => {
            job.begin(Phase::Preparing, 0);
            let task = Task { data: &data, job };
            let mut summary = JobSummary {
                disc_id: job.record.disc,
                ..JobSummary::default()
            };
            let worked = match &job.record.order {
                Order::Burn {
                    tree,
                    label,
                    finalise,
                } => burn::work(&task, worker, &mut summary, *tree, label, *finalise),
                Order::Verify => verify::work(&task, worker, &mut summary),
            };
            match worked {
                Ok(outcome) => (outcome, summary, None),
                Err(failure) => {
                    give_back(&data, job);
                    (Outcome::Failed, summary, Some(failure))
                }
            }
        }
    };
    finish(&shared, job, outcome, summary, failure);
}

/// A burn that failed takes nothing away: its tree can be burned again.
fn give_back(data: &Data, job: &Job) {
    let Order::Burn { tree, .. } = job.record.order else {
        return;
    };
    let thawed = data.staging.thaw(tree, job.number);
    if let Err(refusal) = thawed.and_then(|()| data.staging.remove_job(job.number)) {
        eprintln!(
            "jobs: error: tree {tree} stays in jobs/{} until the next start: {refusal}",
            job.number
        );
    }
}

/// Ends a job for all: in the catalog, unless its own end is there already, then for its followers.
pub(crate) fn finish(
    shared: &Shared,
    job: &Arc<Job>,
    outcome: Outcome,
    summary: JobSummary,
    failure: Option<Failure>,
) {
    if outcome != Outcome::Archived
        && let Ok(data) = shared.data()
    {
        let ending = ending(outcome, &summary, failure.clone());
        let event = event(job.number, outcome, failure.as_ref());
        if let Err(error) = data.catalog.end_job(job.number, &ending, &event) {
            eprintln!(
                "jobs: error: the end of job {} is not in the catalog: {error}",
                job.number
            );
        }
    }
    let ended = JobEnded {
        job: job.number,
        outcome: outcome.label(),
        summary,
        failure,
    };
    job.state.change(|state| {
        state.progress.phase = Phase::Ended.label();
        state.ended = Some(ended);
    });
    shared.jobs.remove(job.number);
}

/// Ends a job whose work panicked.
pub(crate) fn abandon(shared: &Shared, job: &Arc<Job>, failure: Failure) {
    if let Ok(data) = shared.data() {
        give_back(&data, job);
    }
    finish(shared, job, Outcome::Failed, JobSummary::default(), Some(failure));
}

fn ending(outcome: Outcome, summary: &JobSummary, failure: Option<Failure>) -> Ending {
    Ending {
        outcome: outcome.number(),
        summary: summary.clone(),
        failure,
        at: clock::now(),
    }
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
