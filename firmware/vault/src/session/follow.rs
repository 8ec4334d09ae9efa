//! Beginning jobs, and following them for a client on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use seam::session::send_reply;
use seam::{Channel, ChannelError};
use wire::{Burn, Failure, JobEnded, JobStarted, Reply};

use super::Session;
use super::look::outcome_label;
use crate::catalog::{JobRecord, Order, TreeState, random};
use crate::clock;
use crate::errors::{Refusal, interrupted};
use crate::jobs::{Job, News};

/// Jobs one session follows at once.
const FOLLOWS_MAX: usize = 16;

/// Jobs that wait or work at once.
const JOBS_MAX: usize = 64;

/// Characters of a label.
const LABEL_MAX: usize = 32;

/// How often a follower with no news looks whether its session is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The stack of a follower.
const STACK: usize = 128 << 10;

impl Session {
    pub(super) fn order_burn(&self, burn: Burn) -> Result<Arc<Job>, Failure> {
        let Burn {
            drive,
            tree,
            label,
            finalise,
        } = burn;
        let length = label.chars().count();
        if length > LABEL_MAX {
            return Err(Refusal::LabelTooLong(length).into());
        }
        let data = self.shared.data()?;
        let tree = match tree {
            0 => data
                .catalog
                .newest_open_tree()?
                .ok_or_else(|| Refusal::NotFound("tree to burn".into()))?,
            tree => tree,
        };
        let state = |record: crate::catalog::TreeRecord| match record.state {
            TreeState::Open if record.receiving => "still being received",
            TreeState::Open => "open",
            TreeState::Claimed(_) => "being burned",
            TreeState::Archived(_) => "archived already",
        };
        let state = data.catalog.tree(tree)?.map(state);
        let state = state.ok_or_else(|| Refusal::NotFound(format!("tree {tree}")))?;
        let mut disc = [0; 16];
        random(&mut disc)?;
        let order = Order::Burn {
            tree,
            label,
            finalise,
        };
        self.order(drive, order, disc)?
            .ok_or_else(|| Refusal::TreeNotOpen { tree, state }.into())
    }

    pub(super) fn order_verify(&self, drive: u32) -> Result<Arc<Job>, Failure> {
        let job = self.order(drive, Order::Verify, [0; 16])?;
        Ok(job.ok_or(Refusal::NotFound("tree to verify".into()))?)
    }

    /// Records a job and gives it to its drive; `None` when its tree is not open.
    fn order(&self, drive: u32, order: Order, disc: [u8; 16]) -> Result<Option<Arc<Job>>, Failure> {
        let drive = self.shared.drives.find(drive)?;
        self.may_follow()?;
        let active = self.shared.jobs.active();
        if let Some(first) = active.first().filter(|_| active.len() >= JOBS_MAX) {
            let (drive, job) = (first.record.drive, first.number);
            return Err(Refusal::DriveBusy { drive, job }.into());
        }
        let record = JobRecord {
            order,
            drive: drive.number,
            created: clock::now(),
            disc,
            ending: None,
        };
        let Some(number) = self.shared.data()?.catalog.begin_job(&record)? else {
            return Ok(None);
        };
        let job = Arc::new(Job::new(number, record));
        self.shared.jobs.add(&job);
        if let Err(refusal) = drive.enqueue(&job) {
            crate::jobs::abandon(&self.shared, &job, refusal.into());
        }
        Ok(Some(job))
    }

    /// Follows a job that waits, works, or has ended.
    pub(super) fn watch(&self, id: u32, number: u64) -> Result<(), ChannelError> {
        if let Some(job) = self.shared.jobs.find(number) {
            return match self.may_follow() {
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
    fn may_follow(&self) -> Result<(), Refusal> {
        match self.follows.load(Ordering::Acquire) {
            count if count >= FOLLOWS_MAX => Err(Refusal::TooManyWatches(count)),
            _ => Ok(()),
        }
    }

    /// Pushes a job's news under the request's id: progress when the client takes it, the end in any case.
    pub(super) fn follow(&self, id: u32, job: Arc<Job>) -> Result<(), ChannelError> {
        let follows = self.follows.clone();
        follows.fetch_add(1, Ordering::AcqRel);
        let thread = std::thread::Builder::new()
            .name(format!("job {}", job.number))
            .stack_size(STACK);
        let channel = self.channel.try_clone()?;
        let started = Reply::JobStarted(JobStarted { job: job.number });
        let work = move || {
            push(&channel, id, &job);
            follows.fetch_sub(1, Ordering::AcqRel);
        };
        self.reply(id, started)?;
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
