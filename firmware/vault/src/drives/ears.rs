//! What a drive's driver needs of its surroundings, and where its remarks go.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mmc::{Event, Host};

use crate::jobs::Job;

/// The host of one drive.
pub(crate) struct Ears {
    since: Instant,
    name: String,
    job: Weak<Job>,
}

impl Ears {
    pub(super) fn new(name: &str) -> Self {
        Self {
            since: Instant::now(),
            name: name.into(),
            job: Weak::new(),
        }
    }

    /// Into the log, and that of the job.
    fn tell(&self, what: &str) {
        eprintln!("{}: {what}", self.name);
        if let Some(job) = self.job.upgrade() {
            job.note(what);
        }
    }

    /// From now on the drive works for this job.
    pub(crate) fn follow(&mut self, job: &Arc<Job>) {
        self.job = Arc::downgrade(job);
    }
}

impl Host for Ears {
    fn now(&self) -> Duration {
        self.since.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Buffer { total, filled } if total > 0 => {
                let percent = u64::from(filled) * 100 / u64::from(total);
                if let Some(job) = self.job.upgrade() {
                    job.buffer(u8::try_from(percent.min(100)).unwrap_or(100));
                }
            }
            Event::Waiting {
                progress: Some(progress),
                ..
            } => {
                if let Some(job) = self.job.upgrade() {
                    job.drive_progress(progress);
                }
            }
            Event::Stage(stage) => self.tell(&format!("{stage:?}")),
            Event::Retry { command, sense } => match sense {
                Some(sense) => self.tell(&format!("{command} again: {sense}")),
                None => self.tell(&format!("{command} again: its answer was lost")),
            },
            Event::Remark { command, sense } => self.tell(&format!("{command}: {sense}")),
            Event::AlreadyWritten { address } => {
                self.tell(&format!(
                    "block {address} was written although the answer was lost"
                ));
            }
            _ => {}
        }
    }
}
