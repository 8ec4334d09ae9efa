//! Readers: processes that parse a disc, one a drive, kept while the disc stays.
//!
//! A disc can end its reader and nothing else. A reader that dies is started once more for the request it
//! died of; one that is silent, or answers what it was not asked, is let go.
//!
//! A reader may have become its disc's: what it says is bounded and checked before it is passed on, it gets
//! blocks only while somebody waits for it, and it can lie about nothing but that disc.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::net::Shutdown;
use seam::reader::{BLOCKS_MAX, Blocks, BlocksAnswer, FromReader, ToReader};
use seam::{Channel, ChannelError};
use wire::Failure;

use crate::drives::{Drive, Seen};
use crate::errors::{self, Refusal};
use crate::shared::Shared;
use crate::sync::Locked;

/// How long a reader may neither answer nor be given a block: the drive may take minutes for a bad one.
const SILENCE: Duration = Duration::from_secs(420);

/// How often one who waits for a reader looks whether anybody still waits for him.
const LOOK: Duration = Duration::from_secs(1);

/// How long a request waits for the drive's reader while it works for another.
const PATIENCE: Duration = Duration::from_secs(5);

/// The stack of the thread that serves blocks.
const STACK: usize = 128 << 10;

/// Where a drive's reader is kept.
#[derive(Default)]
pub(crate) struct Slot(Locked<Place>);

#[derive(Default)]
struct Place {
    taken: bool,
    reader: Option<Reader>,
}

/// A reader that has looked at the disc.
pub(crate) struct Reader {
    requests: Channel,
    blocks: Channel,
    /// Times it was given blocks.
    served: Arc<AtomicU64>,
    generation: u32,
    /// First block of the session it shows.
    session_start: u32,
    label: String,
    /// The view it shows, such as Rock Ridge.
    view: String,
}

impl Reader {
    /// Starts a reader for the disc that was seen; `given_up` as in [`Self::answer`].
    pub(crate) fn start(
        shared: &Shared,
        drive: &Arc<Drive>,
        seen: &Seen,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Self, Refusal> {
        let none = |error| Refusal::NoReader(std::io::Error::other(error));
        let (requests, its_requests) = Channel::pair().map_err(none)?;
        let (blocks, its_blocks) = Channel::pair().map_err(none)?;
        let serving = blocks.try_clone().map_err(none)?;
        shared
            .services
            .start_reader(its_requests, its_blocks)
            .map_err(Refusal::NoReader)?;
        let (drive, generation) = (drive.clone(), seen.generation);
        let mut reader = Self {
            requests,
            blocks,
            served: Arc::default(),
            generation,
            session_start: seen.session_start,
            label: String::new(),
            view: String::new(),
        };
        let served = reader.served.clone();
        std::thread::Builder::new()
            .name("blocks".into())
            .stack_size(STACK)
            .spawn(move || serve_blocks(&serving, &drive, generation, &served))
            .map_err(Refusal::NoThread)?;
        let (blocks, session_start) = (u64::from(seen.readable), u64::from(seen.session_start));
        reader.ask(
            &ToReader::Open {
                blocks,
                session_start,
            },
            None,
        )?;
        match reader.answer(given_up)? {
            FromReader::Opened { label, view } => {
                (reader.label, reader.view) = (errors::bounded(label), errors::bounded(view));
            }
            FromReader::Failed { reason, .. } => return Err(Refusal::Unreadable(reason)),
            _ => return Err(Refusal::ReaderStrange),
        }
        Ok(reader)
    }

    /// The volume's label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The view it shows.
    pub(crate) fn view(&self) -> &str {
        &self.view
    }

    /// Sends a request, with a descriptor for what it gets.
    pub(crate) fn ask(&self, request: &ToReader, into: Option<BorrowedFd<'_>>) -> Result<(), Refusal> {
        self.requests
            .send(request, into.as_slice())
            .map_err(|_| Refusal::ReaderDied)
    }

    /// Waits for its next answer, for as long as it is given blocks and the one who asked has not given up.
    pub(crate) fn answer(&self, given_up: &dyn Fn() -> bool) -> Result<FromReader, Refusal> {
        let served = || self.served.load(Ordering::Relaxed);
        let (mut since, mut before) = (Instant::now(), served());
        loop {
            match self.requests.receive_within(LOOK) {
                Ok((answer, _)) => return Ok(answer),
                Err(ChannelError::TimedOut) if given_up() => return Err(Refusal::ReaderSilent),
                Err(ChannelError::TimedOut) if served() != before => {
                    (since, before) = (Instant::now(), served());
                }
                Err(ChannelError::TimedOut) if since.elapsed() < SILENCE => {}
                Err(ChannelError::TimedOut) => return Err(Refusal::ReaderSilent),
                Err(_) => return Err(Refusal::ReaderDied),
            }
        }
    }
}

/// One that is let go has no more blocks, whatever it does.
impl Drop for Reader {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.blocks, Shutdown::Both);
    }
}

/// Serves a reader's blocks until it is gone.
fn serve_blocks(channel: &Channel, drive: &Drive, generation: u32, served: &AtomicU64) {
    while let Ok((Blocks { block, count }, _)) = channel.receive() {
        let read = match count {
            1..=BLOCKS_MAX => drive.read(block, count, generation),
            _ => Err(format!("{count} blocks cannot be had at once")),
        };
        let sent = match read {
            Ok(data) => channel
                .send(&BlocksAnswer::Granted, &[])
                .and_then(|()| channel.send_bytes(&data, &[], true)),
            Err(reason) => channel.send(&BlocksAnswer::Failed(reason), &[]),
        };
        if sent.is_err() {
            return;
        }
        served.fetch_add(1, Ordering::Relaxed);
    }
}

/// The drive's reader, for as long as this lives.
struct Lease<'a> {
    slot: &'a Slot,
    reader: Option<Reader>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let reader = self.reader.take();
        self.slot
            .0
            .change(|place| *place = Place { taken: false, reader });
    }
}

impl Slot {
    fn take(&self) -> Option<Lease<'_>> {
        let mut place = self.0.wait_while(PATIENCE, |place| place.taken);
        if place.taken {
            return None;
        }
        place.taken = true;
        Some(Lease {
            slot: self,
            reader: place.reader.take(),
        })
    }
}

/// Does something with a reader of the disc in the drive, of a session of it or, for 0, the newest. When it ends with [`Refusal::ReaderDied`] it is
/// done once more with a new reader: so nothing may have been passed on then. `given_up` as in
/// [`Reader::answer`].
pub(crate) fn with<T>(
    shared: &Shared,
    drive: &Arc<Drive>,
    session: u32,
    given_up: &dyn Fn() -> bool,
    mut work: impl FnMut(&Reader) -> Result<T, Refusal>,
) -> Result<T, Failure> {
    let busy = Refusal::DriveBusy {
        drive: drive.number,
        job: drive.job(),
    };
    let mut lease = drive.readers.take().ok_or(busy)?;
    let mut seen = drive.look()?;
    if session != 0 {
        seen.session_start = seen.start_of(session)?;
    }
    if seen.readable == 0 {
        return Err(Refusal::Blank.into());
    }
    lease
        .reader
        .take_if(|reader| (reader.generation, reader.session_start) != (seen.generation, seen.session_start));
    let mut attempt = || {
        let reader = match lease.reader.take() {
            Some(reader) => reader,
            None => Reader::start(shared, drive, &seen, given_up)?,
        };
        let result = work(&reader);
        use Refusal::{ReaderDied, ReaderSilent, ReaderStrange};
        if !matches!(result, Err(ReaderDied | ReaderSilent | ReaderStrange)) {
            lease.reader = Some(reader); // it has answered, and nothing it may still say can be mistaken
        }
        result
    };
    Ok(match attempt() {
        Err(Refusal::ReaderDied) => attempt(),
        result => result,
    }?)
}
