//! Following jobs for a client, on a thread each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use seam::session::send_reply;
use seam::{Channel, ChannelError};
use wire::{JobEnded, JobStarted, JobsStarted, Reply};

use super::Session;
use super::look::outcome_label;
use crate::catalog::JobRecord;
use crate::errors::{Refusal, interrupted};
use crate::jobs::{Job, News};

/// Jobs one session follows at once.
const FOLLOWS_MAX: usize = 16;

/// How often a follower with no news looks whether its session is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The stack of a follower.
const STACK: usize = 128 << 10;

impl Session {
    /// Follows a job that waits, works, or has ended.
    pub(super) fn watch(&self, id: u32, number: u64) -> Result<(), ChannelError> {
        if let Some(job) = self.shared.jobs.find(number) {
            return match self.may_follow(1) {
                Ok(()) => self.follow(id, job),
                Err(refusal) => self.reply(id, Reply::Failure(refusal.into())),
            };
        }
        let record = self.shared.data().and_then(|data| Ok(data.catalog.job(number)?));
        let (outcome, summary, failure) = match record {
            Err(refusal) => return self.reply(id, Reply::Failure(refusal.into())),
            Ok(None) => return self.reply(id, Reply::Failure(Self::refuse_unknown_job(number))),
            Ok(Some(JobRecord {
                ending: Some(ending), ..
            })) => (ending.outcome, ending.summary, ending.failure),
            Ok(Some(_)) => {
                let outcome = wire::Outcome::Interrupted.number();
                (outcome, Default::default(), Some(interrupted(number)))
            }
        };
        self.reply(id, Reply::JobStarted(JobStarted { job: number }))?;
        let ended = JobEnded {
            job: number,
            outcome: outcome_label(outcome),
            summary,
            failure,
        };
        self.reply(id, Reply::JobEnded(ended))
    }

    /// Asked before a job begins, so that no client is refused one that then runs. Only the session's own
    /// thread adds to the count.
    pub(super) fn may_follow(&self, more: usize) -> Result<(), Refusal> {
        match self.follows.load(Ordering::Acquire) {
            count if count + more > FOLLOWS_MAX => Err(Refusal::TooManyWatches(count)),
            _ => Ok(()),
        }
    }

    /// Pushes a job's news under the request's id: progress when the client takes it, the end in any case.
    pub(super) fn follow(&self, id: u32, job: Arc<Job>) -> Result<(), ChannelError> {
        self.reply(id, Reply::JobStarted(JobStarted { job: job.number }))?;
        self.push(id, job)
    }

    /// The same for several jobs, under one id.
    pub(super) fn follow_all(&self, id: u32, jobs: Vec<Arc<Job>>) -> Result<(), ChannelError> {
        let started = JobsStarted {
            jobs: jobs.iter().map(|job| job.number).collect(),
        };
        self.reply(id, Reply::JobsStarted(started))?;
        jobs.into_iter().try_for_each(|job| self.push(id, job))
    }

    fn push(&self, id: u32, job: Arc<Job>) -> Result<(), ChannelError> {
        let follows = self.follows.clone();
        follows.fetch_add(1, Ordering::AcqRel);
        let thread = std::thread::Builder::new()
            .name(format!("job {}", job.number))
            .stack_size(STACK);
        let channel = self.channel.try_clone()?;
        let work = move || {
            push(&channel, id, &job);
            follows.fetch_sub(1, Ordering::AcqRel);
        };
        if let Err(error) = thread.spawn(work) {
            self.follows.fetch_sub(1, Ordering::AcqRel);
            return self.reply(id, Reply::Failure(Refusal::NoThread(error).into()));
        }
        Ok(())
    }
}

fn push(channel: &Channel, id: u32, job: &Job) {
    let mut seen = None;
    loop {
        match job.news(seen.as_ref(), LOOK) {
            Some(News::Ended(ended)) => {
                let _ = send_reply(channel, id, &Reply::JobEnded(*ended), None, true);
                return;
            }
            Some(News::Progress(progress)) => {
                match send_reply(channel, id, &Reply::JobProgress(progress.clone()), None, false) {
                    Ok(()) | Err(ChannelError::Full) => seen = Some(progress),
                    Err(_) => return,
                }
            }
            None if is_closed(channel) => return,
            None => {}
        }
    }
}

/// Whether the session is gone: its thread reads the channel, so all there is to see is the hang-up.
pub(super) fn is_closed(channel: &Channel) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut look = [PollFd::new(channel, PollFlags::HUP)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut look, Some(&now)), Ok(count) if count > 0)
}
