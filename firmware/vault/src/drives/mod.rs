//! Drives: one thread each, asked by commands, so that nobody else ever waits inside one.

mod device;
mod ears;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wire::{DriveState, Failure, Label};

use crate::errors::Refusal;
use crate::jobs::Job;
use crate::readers::Slot;
use crate::shared::Shared;
use crate::sync::Locked;
use device::Way;
pub(crate) use device::{Device, Seen};
pub(crate) use worker::Worker;
use worker::{Blocks, Command};

/// How long a drive's thread may be busy with something else before one who asks is told so.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a command that was begun may take: loading a difficult disc is the longest.
const LONGEST: Duration = Duration::from_secs(330);

/// How long a look at the disc may take before one who asks is told that the drive is busy with it.
const RECOGNITION: Duration = Duration::from_secs(60);

/// How long the list of drives waits for one of them.
const GLANCE: Duration = Duration::from_millis(300);

/// How long blocks for a reader may take: a damaged disc costs minutes.
const READ: Duration = Duration::from_secs(400);

/// Who a drive is, as jobs remember it.
pub(crate) fn identity(identity: &mmc::Identity) -> String {
    identity_of(&identity.vendor, &identity.product, &identity.serial)
}

/// The same of what clients are told.
fn identity_of(vendor: &str, product: &str, serial: &str) -> String {
    format!("{vendor} {product} {serial}")
}

/// The drives there are, by number.
#[derive(Default)]
pub(crate) struct Drives(Locked<BTreeMap<u32, Entry>>);

/// A drive of the list; it keeps its number when it goes and comes back under its name.
struct Entry {
    drive: Arc<Drive>,
    thread: Option<JoinHandle<()>>,
    gone: bool,
}

/// A handle on a drive.
pub(crate) struct Drive {
    pub number: u32,
    pub name: String,
    /// A reader of its disc.
    pub readers: Slot,
    /// None once its thread takes no more, so that nothing is sent to nobody.
    commands: Locked<Option<Sender<Command>>>,
    known: Locked<Known>,
    /// The job it works on, 0 for none.
    job: AtomicU64,
    /// The job lets reads through.
    serving: AtomicBool,
    /// The job waits for another disc: everybody may use the drive meanwhile.
    yielding: AtomicBool,
    /// Jobs that wait.
    queue: Locked<Vec<Arc<Job>>>,
}

/// What the drive last said.
struct Known {
    drive: wire::Drive,
    /// Since when it works on one command.
    busy: Option<Instant>,
}

/// Whether the one who asked still waits.
#[derive(Default)]
pub(crate) struct Ticket(AtomicU8);

impl Ticket {
    const WAITING: u8 = 0;
    const TAKEN: u8 = 1;
    const LEFT: u8 = 2;

    fn become_(&self, end: u8) -> bool {
        self.0
            .compare_exchange(Self::WAITING, end, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// The drive begins; false when it need not any more.
    fn take(&self) -> bool {
        self.become_(Self::TAKEN)
    }

    /// The asker leaves; false when the drive has begun.
    fn leave(&self) -> bool {
        self.become_(Self::LEFT)
    }
}

/// Takes a drive and starts its thread.
pub(crate) fn attach(shared: &Arc<Shared>, name: String, transport: Box<dyn mmc::Transport + Send>) {
    shared.drives.detach(&name);
    let mut list = shared.drives.0.lock();
    let before = list
        .iter()
        .find(|(_, entry)| entry.drive.name == name)
        .map(|(number, _)| *number);
    let number = before.unwrap_or_else(|| list.keys().next_back().map_or(0, |last| last + 1));
    let (commands, inbox) = channel();
    let described = wire::Drive {
        drive: number,
        state: DriveState::Unknown.label(),
        ..Default::default()
    };
    let drive = Arc::new(Drive {
        number,
        name,
        readers: Slot::default(),
        commands: Locked::new(Some(commands)),
        known: Locked::new(Known {
            drive: described,
            busy: None,
        }),
        job: AtomicU64::new(0),
        serving: AtomicBool::new(false),
        yielding: AtomicBool::new(false),
        queue: Locked::default(),
    });
    let worker = Worker::new(shared.clone(), drive.clone(), Way::new(transport), inbox);
    let thread = std::thread::Builder::new()
        .name(drive.name.clone())
        .spawn(move || worker.run());
    match thread {
        Ok(thread) => {
            let taken = drive.clone();
            let entry = Entry {
                drive,
                thread: Some(thread),
                gone: false,
            };
            list.insert(number, entry);
            drop(list);
            taken.take_up(shared);
        }
        Err(error) => eprintln!("drives: error: {} gets no thread: {error}", drive.name),
    }
}

impl Drives {
    /// Those that are there, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<Drive>> {
        self.0
            .lock()
            .values()
            .filter(|entry| !entry.gone)
            .map(|entry| entry.drive.clone())
            .collect()
    }

    pub(crate) fn find(&self, number: u32) -> Result<Arc<Drive>, Refusal> {
        match self.0.lock().get(&number) {
            Some(entry) if !entry.gone => Ok(entry.drive.clone()),
            _ => Err(Refusal::NotFound(format!("drive {number}"))),
        }
    }

    /// Lets a drive go; its thread ends when it comes back from what it does.
    pub(crate) fn detach(&self, name: &str) {
        for entry in self
            .0
            .lock()
            .values_mut()
            .filter(|entry| entry.drive.name == name && !entry.gone)
        {
            entry.gone = true;
            entry.thread = None;
            let _ = entry.drive.send(Command::Stop);
        }
    }

    /// Ends all threads, after the jobs they work on.
    pub(crate) fn stop(&self) {
        let mut threads = Vec::new();
        for entry in self.0.lock().values_mut() {
            let _ = entry.drive.send(Command::Stop);
            threads.extend(entry.thread.take());
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// The drive works on a command for as long as this lives; one within another means nothing.
struct Busy<'a> {
    drive: &'a Drive,
    outermost: bool,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if self.outermost {
            self.drive.known.lock().busy = None;
        }
    }
}

impl Drive {
    /// What the drive last said, and what it does now.
    pub(crate) fn describe(&self) -> wire::Drive {
        let known = self.known.lock();
        let mut described = known.drive.clone();
        described.job = self.job();
        if described.job != 0 {
            described.state = DriveState::Busy.label();
        } else if let Some(since) = known.busy {
            described.state = if since.elapsed() > LONGEST {
                DriveState::Hung
            } else {
                DriveState::Busy
            }
            .label();
        }
        described
    }

    /// Has the drive look at its tray, unless that takes time; then what is known must do.
    pub(crate) fn glance(&self) {
        if self.job() == 0 && self.known.lock().busy.is_none() {
            let _ = self.run(GLANCE, GLANCE, |worker| {
                worker.refresh();
                Ok(())
            });
        }
    }

    /// Looks at the disc.
    pub(crate) fn look(&self) -> Result<Seen, Failure> {
        self.run(PATIENCE, RECOGNITION, |worker| {
            let data = worker.shared.data().ok();
            worker.device()?.look(data.as_deref())
        })
    }

    /// Opens or closes the tray.
    pub(crate) fn move_tray(&self, open: bool) -> Result<(), Failure> {
        self.run(PATIENCE, LONGEST, move |worker| {
            let device = worker.device()?;
            device.forget_disc();
            let moved = if open {
                device.drive().eject()
            } else {
                device.drive().load()
            };
            worker.refresh();
            moved.map_err(|error| crate::errors::drive(&error))
        })
    }

    /// All there is to know of the disc.
    pub(crate) fn report(&self) -> Result<wire::DiscReport, Failure> {
        self.run(PATIENCE, RECOGNITION, |worker| {
            let data = worker.shared.data().ok();
            worker.device()?.report(data.as_deref())
        })
    }

    /// Locks or unlocks the tray.
    pub(crate) fn lock(&self, locked: bool) -> Result<(), Failure> {
        self.run(PATIENCE, LONGEST, move |worker| worker.device()?.lock(locked))
    }

    /// The speeds there are.
    pub(crate) fn speeds(&self) -> Result<wire::Speeds, Failure> {
        self.run(PATIENCE, RECOGNITION, |worker| worker.device()?.speeds())
    }

    /// Asks for speeds; what the drive took.
    pub(crate) fn set_speeds(&self, write: u32, read: u32) -> Result<wire::Speeds, Failure> {
        self.run(PATIENCE, RECOGNITION, move |worker| {
            worker.device()?.set_speeds(write, read)
        })
    }

    /// Has the drive's thread do something short: begun within `start`, ended within `end` after that.
    fn run<T: Send + 'static>(
        &self,
        start: Duration,
        end: Duration,
        work: impl FnOnce(&mut Worker) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = || Refusal::DriveBusy {
            drive: self.number,
            job: self.job(),
        };
        if self.job() != 0 && !self.yielding.load(Ordering::Acquire) {
            return Err(busy().into());
        }
        let (reply, answer) = sync_channel(1);
        let ticket = Arc::new(Ticket::default());
        let work = Box::new(move |worker: &mut Worker| {
            let _ = reply.try_send(work(worker)); // whoever asked may have gone
        });
        let silent = || Refusal::DriveSilent(self.number);
        self.send(Command::Work(ticket.clone(), work))?;
        match answer.recv_timeout(start) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if ticket.leave() => return Err(busy().into()),
            Err(RecvTimeoutError::Disconnected) => return Err(busy().into()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        answer
            .recv_timeout(end)
            .map_err(|_| if end < LONGEST { busy() } else { silent() })?
    }

    /// Reads blocks for a reader, at most [`seam::reader::BLOCKS_MAX`].
    pub(crate) fn read(&self, first: u64, count: u32, generation: u32) -> Result<Vec<u8>, String> {
        let lets_through = [&self.serving, &self.yielding].map(|flag| flag.load(Ordering::Acquire));
        if self.job() != 0 && !lets_through.contains(&true) {
            return Err(format!("the drive works on job {}", self.job()));
        }
        let first = u32::try_from(first).map_err(|_| format!("block {first} is on no disc"))?;
        let (reply, answer) = sync_channel(1);
        let blocks = Blocks {
            first,
            count,
            generation,
            reply,
        };
        let gone = || "the drive is gone".to_owned();
        self.send(Command::Read(blocks)).map_err(|_| gone())?;
        answer.recv_timeout(READ).map_err(|_| gone())?
    }

    /// Gives the drive a job, unless one has it already. Of those that wait the highest in priority begins first,
    /// of equals the oldest.
    pub(crate) fn enqueue(&self, job: &Arc<Job>) -> Result<(), Refusal> {
        if !job.take() {
            return Ok(());
        }
        self.queue.lock().push(job.clone());
        self.send(Command::Wake).inspect_err(|_| {
            self.withdraw(job.number);
        })
    }

    /// Takes up the jobs that a restart left for the drive of this number.
    pub(crate) fn take_up(&self, shared: &Shared) {
        for job in shared.jobs.active() {
            if job.record.drive == self.number
                && let Err(refusal) = self.enqueue(&job)
            {
                eprintln!(
                    "{}: error: job {} is not taken up: {refusal}",
                    self.name, job.number
                );
            }
        }
    }

    /// Takes a job that waits out of the queue; false when it does not wait.
    pub(crate) fn withdraw(&self, job: u64) -> bool {
        let mut queue = self.queue.lock();
        let before = queue.len();
        queue.retain(|waiting| waiting.number != job);
        queue.len() < before
    }

    /// The job that is next.
    fn next_job(&self) -> Option<Arc<Job>> {
        let mut queue = self.queue.lock();
        let next = queue
            .iter()
            .enumerate()
            .max_by_key(|(_, job)| (job.record.priority, std::cmp::Reverse(job.number)));
        let next = next.map(|(at, _)| at)?;
        Some(queue.remove(next))
    }

    /// Who it is, as jobs remember it.
    pub(crate) fn identity(&self) -> String {
        let drive = &self.known.lock().drive;
        match drive.product.is_empty() {
            true => String::new(), // not identified yet
            false => identity_of(&drive.vendor, &drive.product, &drive.serial),
        }
    }

    fn send(&self, command: Command) -> Result<(), Refusal> {
        let sent = self.commands.lock().as_ref().map(|thread| thread.send(command));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(Refusal::DriveSilent(self.number)),
        }
    }

    /// Takes no more from now on.
    fn close(&self) {
        self.commands.lock().take();
    }

    /// Has the thread look whether it still waits for the right thing.
    pub(crate) fn wake(&self) {
        let _ = self.send(Command::Wake);
    }

    /// The job it works on, 0 for none.
    pub(crate) fn job(&self) -> u64 {
        self.job.load(Ordering::Acquire)
    }

    fn begin_job(&self, job: u64) {
        self.job.store(job, Ordering::Release);
    }

    fn end_job(&self) {
        self.job.store(0, Ordering::Release);
    }

    fn serve(&self, serving: bool) {
        self.serving.store(serving, Ordering::Release);
    }

    /// Whether a disc is in it, as it last said.
    fn is_ready(&self) -> bool {
        self.known.lock().drive.state.number == DriveState::Ready.number()
    }

    fn yield_to_others(&self, yielding: bool) {
        self.yielding.store(yielding, Ordering::Release);
    }

    fn busy(&self) -> Busy<'_> {
        let mut known = self.known.lock();
        let outermost = known.busy.is_none();
        known.busy.get_or_insert_with(Instant::now);
        Busy {
            drive: self,
            outermost,
        }
    }

    fn introduce(&self, identity: &mmc::Identity) {
        let drive = &mut self.known.lock().drive;
        drive.vendor = identity.vendor.as_str().into();
        drive.product = identity.product.as_str().into();
        drive.revision = identity.revision.as_str().into();
        drive.serial = identity.serial.as_str().into();
    }

    fn note(&self, state: Label, media: Option<mmc::Profile>) {
        let drive = &mut self.known.lock().drive;
        drive.state = state;
        drive.media = media.map_or(Label::default(), |profile| Label::new(profile.0, profile.name()));
    }

    fn fail(&self, failure: &Failure) {
        self.known.lock().drive.state = Label::new(DriveState::Failed.number(), failure.what.clone());
    }
}
