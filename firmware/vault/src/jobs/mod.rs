//! Jobs: what takes long, followed by any number of sessions, needing none of them.

mod ahead;
mod burn;
mod clusters;
mod content;
mod copy;
mod ending;
mod image;
mod merge;
mod read_back;
mod resume;
mod through;
mod treat;
mod verify;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wire::{Failure, JobEnded, JobProgress, JobSummary, Label, LogLine, Outcome, Phase};

use crate::catalog::{JobRecord, LogRecord, Order};
use crate::clock;
use crate::data::Data;
use crate::drives::{Device, Drive, Worker};
use crate::errors;
use crate::shared::Shared;
use crate::sync::Locked;

use ending::conclude;
pub(crate) use ending::{Group, Unended, abandon, cancel_waiting, record_ends};

/// Time between two progress reports.
const REPORT: Duration = Duration::from_millis(250);

/// [`JobProgress::buffer`] when the drive does not tell.
const BUFFER_UNKNOWN: u8 = 255;

/// Lines of a job's log: the first half stays, of the rest the newest.
const LINES_MAX: usize = 200;

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
    /// The jobs that burn the same tree together with it.
    pub group: Arc<Group>,
    state: Locked<State>,
    cancelled: AtomicBool,
    /// A drive has it, or it is over: it is given to one once.
    given: AtomicBool,
}

struct State {
    progress: JobProgress,
    ended: Option<JobEnded>,
    /// When the last report was, and how much was done then: for the rate.
    reported: (Instant, u64),
    log: Vec<LogLine>,
}

/// What a follower learns.
pub(crate) enum News {
    Progress(JobProgress),
    Ended(Box<JobEnded>),
}

impl Job {
    pub(crate) fn new(number: u64, record: JobRecord, group: Arc<Group>) -> Self {
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
            log: Vec::new(),
        };
        Self {
            number,
            record,
            group,
            state: Locked::new(state),
            cancelled: AtomicBool::new(false),
            given: AtomicBool::new(false),
        }
    }

    /// What it does now.
    pub(crate) fn phase(&self) -> Label {
        self.state.lock().progress.phase.clone()
    }

    /// Takes the right to give it to a drive; false when somebody has it.
    pub(crate) fn take(&self) -> bool {
        !self.given.swap(true, Ordering::AcqRel)
    }

    /// It ends as soon as its disc is left in order.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.note("somebody cancels it");
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Ends the work of a job that was cancelled.
    fn go_on(&self) -> Result<(), Failure> {
        match self.is_cancelled() {
            true => Err(errors::cancelled(self.number)),
            false => Ok(()),
        }
    }

    /// Adds a line to its log.
    pub(crate) fn note(&self, text: impl Into<String>) {
        let line = LogLine {
            at: clock::now(),
            text: errors::bounded(text.into()),
        };
        let log = &mut self.state.lock().log;
        if log.len() >= LINES_MAX {
            log.remove(LINES_MAX / 2);
        }
        log.push(line);
    }

    /// What it noted so far.
    pub(crate) fn log(&self) -> LogRecord {
        LogRecord(self.state.lock().log.clone())
    }

    /// Begins a phase of so many bytes, 0 when unknown.
    pub(crate) fn begin(&self, phase: Phase, total: u64) {
        self.note(phase.text());
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
    pub(crate) fn advance(&self, done: u64, total: Option<u64>) {
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

    /// The drive told how far its own work is, in parts of 65536.
    pub(crate) fn drive_progress(&self, progress: u16) {
        if self.phase().number == Phase::Treating.number() {
            self.advance(u64::from(progress), Some(1 << 16));
        }
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

    /// Tells the followers that it is over.
    fn announce(&self, outcome: Outcome, summary: JobSummary, failure: Option<Failure>) {
        let ended = JobEnded {
            job: self.number,
            outcome: outcome.label(),
            summary,
            failure,
        };
        self.state.change(|state| {
            state.progress.phase = Phase::Ended.label();
            state.ended = Some(ended);
        });
    }
}

/// What a job works with.
#[derive(Clone, Copy)]
struct Task<'a> {
    data: &'a Data,
    job: &'a Arc<Job>,
}

/// How the work on a job ended: well in this way, or not, and perhaps in a way other than failed.
struct Failed {
    outcome: Outcome,
    failure: Failure,
}

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        let failure = error.into();
        let outcome = match failure.is(wire::FailureCode::Cancelled) {
            true => Outcome::Cancelled,
            false => Outcome::Failed,
        };
        Self { outcome, failure }
    }
}

/// What the work on a job came to.
pub(crate) struct Worked {
    outcome: Outcome,
    summary: JobSummary,
    failure: Option<Failure>,
}

impl Worked {
    /// Records the end, and tells the followers. The drive is free by then: whoever hears of it may use it.
    pub(crate) fn conclude(self, shared: &Shared, job: &Arc<Job>) {
        conclude(shared, job, self.outcome, self.summary, self.failure);
    }
}

/// Works a job off on its drive's thread.
pub(crate) fn work_off(worker: &mut Worker, job: &Arc<Job>) -> Worked {
    let shared = worker.shared.clone();
    let mut summary = JobSummary {
        disc_id: job.record.disc,
        ..JobSummary::default()
    };
    let worked = shared.data().map_err(Failed::from).and_then(|data| {
        job.begin(Phase::Preparing, 0);
        job.go_on()?;
        work(&Task { data: &data, job }, worker, &mut summary)
    });
    let (outcome, failure) = match worked {
        Ok(outcome) => (outcome, None),
        Err(failed) => (failed.outcome, Some(failed.failure)),
    };
    Worked {
        outcome,
        summary,
        failure,
    }
}

fn work(task: &Task<'_>, worker: &mut Worker, summary: &mut JobSummary) -> Result<Outcome, Failed> {
    match &task.job.record.order {
        Order::Record(recording) => burn::work(task, worker, summary, recording),
        Order::Burn { .. } => Err(errors::interrupted(task.job.number).into()), // never begun by this version
        Order::Verify => verify::work(task, worker, summary),
        Order::Scrub { speed } => verify::scrub(task, worker, summary, *speed),
        Order::Copy {
            image,
            session,
            speed,
        } => copy::work(task, worker, summary, *image, *session, *speed),
        Order::Treat(treatment) => treat::work(task, worker, summary, *treatment),
    }
}
