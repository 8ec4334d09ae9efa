//! A drive's thread: it alone speaks with the drive.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use wire::{Failure, Outcome, Phase};

use super::device::{Device, Way};
use super::{Drive, Ticket};
use crate::catalog::{EventRecord, Severity};
use crate::errors::{self, Refusal};
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// Time after which a drive that did not tell who it is is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Time between two looks for another disc.
const NEXT_DISC: Duration = Duration::from_millis(500);

/// What a drive's thread is asked to do.
pub(super) enum Command {
    /// Something short, unless whoever asked has given up.
    Work(Arc<Ticket>, Box<dyn FnOnce(&mut Worker) + Send>),
    /// Blocks for a reader.
    Read(Blocks),
    /// Look whether there is something else to do now.
    Wake,
    /// End.
    Stop,
}

/// Blocks for a reader.
pub(super) struct Blocks {
    pub first: u32,
    pub count: u32,
    /// Of the disc the reader was told of.
    pub generation: u32,
    pub reply: SyncSender<Result<Vec<u8>, String>>,
}

/// See the module.
pub(crate) struct Worker {
    pub shared: Arc<Shared>,
    pub drive: Arc<Drive>,
    way: Way,
    device: Option<Device>,
    commands: Receiver<Command>,
    stopping: bool,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, drive: Arc<Drive>, way: Way, commands: Receiver<Command>) -> Self {
        Self {
            shared,
            drive,
            way,
            device: None,
            commands,
            stopping: false,
        }
    }

    /// Works until told to end.
    pub(super) fn run(mut self) {
        if let Err(failure) = self.meet() {
            let event = EventRecord::failure("drives", Severity::Warning, &failure);
            self.shared.event(&event);
        }
        while !self.stopping {
            if !self.shared.is_stopping()
                && let Some(job) = self.drive.next_job()
            {
                self.job(&job);
                continue;
            }
            match self.commands.recv_timeout(ASK_AGAIN) {
                Err(RecvTimeoutError::Timeout) if self.device.is_none() => drop(self.meet()),
                command => self.obey(command),
            }
        }
        self.drain();
    }

    fn obey(&mut self, command: Result<Command, RecvTimeoutError>) {
        match command {
            Ok(Command::Work(ticket, work)) if ticket.take() => self.guarded(work),
            Ok(Command::Work(..) | Command::Wake) => {}
            Ok(Command::Read(blocks)) => self.read(blocks),
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => self.stopping = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }

    /// Jobs that were never begun are over, so that nobody waits for them.
    fn drain(&mut self) {
        self.drive.close();
        while let Some(job) = self.drive.next_job() {
            let (outcome, failure) = match self.shared.is_stopping() {
                true => (Outcome::Interrupted, errors::interrupted(job.number)),
                false => (Outcome::Failed, Refusal::DriveSilent(self.drive.number).into()),
            };
            jobs::abandon(&self.shared, &job, outcome, failure);
        }
    }

    /// Waits until a blank disc is in the drive: one with something on it is put out first. Everybody may use the
    /// drive meanwhile.
    pub(crate) fn await_blank(&mut self, job: &Arc<Job>) -> Result<(), Failure> {
        if self.device()?.is_blank() {
            return Ok(());
        }
        let device = self.device()?;
        device.forget_disc();
        if let Err(error) = device.drive().eject() {
            job.note(format!("the tray does not open: {error}"));
        }
        job.begin(Phase::AwaitingDisc, 0);
        let drive = self.drive.clone();
        drive.yield_to_others(true);
        let waited = loop {
            let command = self.commands.recv_timeout(NEXT_DISC);
            self.obey(command);
            if job.is_cancelled() {
                break Err(errors::cancelled(job.number));
            }
            if self.stopping || self.shared.is_stopping() {
                break Err(errors::interrupted(job.number));
            }
            self.refresh();
            if self.drive.is_ready() && self.device.as_mut().is_some_and(Device::is_blank) {
                break Ok(());
            }
        };
        drive.yield_to_others(false);
        job.begin(Phase::Preparing, 0);
        waited
    }

    /// The drive, once it has told who it is.
    pub(crate) fn device(&mut self) -> Result<&mut Device, Failure> {
        self.meet()?;
        self.device
            .as_mut()
            .ok_or_else(|| Refusal::DriveSilent(self.drive.number).into())
    }

    fn meet(&mut self) -> Result<(), Failure> {
        if self.device.is_none() {
            let busy = self.drive.busy();
            let met = Device::identify(self.way.clone(), self.drive.number, &self.drive.name);
            drop(busy);
            match met {
                Ok(mut device) => {
                    self.drive.introduce(device.drive().identity());
                    self.device = Some(device);
                    self.refresh();
                }
                Err(failure) => {
                    self.drive.fail(&failure);
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Takes note of the tray, for those who ask when there is no time.
    pub(super) fn refresh(&mut self) {
        if let Some(device) = &mut self.device {
            let busy = self.drive.busy();
            let state = device.state();
            let media = device.drive().profile().ok();
            drop(busy);
            self.drive.note(state, media);
        }
    }

    fn guarded(&mut self, work: Box<dyn FnOnce(&mut Worker) + Send>) {
        let busy = self.drive.clone();
        let busy = busy.busy();
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.device = None; // whatever it was in the middle of
        }
        drop(busy);
    }

    fn job(&mut self, job: &Arc<Job>) {
        self.drive.begin_job(job.number);
        let worked = catch_unwind(AssertUnwindSafe(|| jobs::work_off(self, job)));
        if worked.is_err() {
            self.device = None;
        }
        self.refresh();
        self.drive.end_job();
        match worked {
            Ok(worked) => worked.conclude(&self.shared, job),
            Err(_) => {
                let failure = errors::internal("the job panicked");
                jobs::abandon(&self.shared, job, Outcome::Failed, failure);
            }
        }
    }

    fn read(&mut self, blocks: Blocks) {
        let Blocks {
            first,
            count,
            generation,
            reply,
        } = blocks;
        let drive = self.drive.clone();
        let busy = drive.busy();
        let length = usize::try_from(count).unwrap_or(0).saturating_mul(mmc::BLOCK);
        let result = match self.device() {
            Err(failure) => Err(failure.what),
            Ok(device) => {
                let mut into = vec![0; length];
                device.read(first, &mut into, generation).map(|()| into)
            }
        };
        drop(busy);
        let _ = reply.try_send(result); // whoever asked may have gone
    }

    /// Lets only a reader's blocks through until the job's other thread has ended.
    pub(crate) fn serve_reads(&mut self, ended: &AtomicBool) {
        self.drive.serve(true);
        while !ended.load(Ordering::Acquire) {
            match self.commands.recv() {
                Ok(Command::Read(blocks)) => self.read(blocks),
                Ok(Command::Stop) | Err(_) => self.stopping = true,
                Ok(Command::Work(..) | Command::Wake) => {} // who asked hears that the drive is busy
            }
        }
        self.drive.serve(false);
    }
}
