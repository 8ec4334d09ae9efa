//! Readers: processes that parse a disc, one a drive, kept while the disc stays.
//!
//! A disc can end its reader and nothing else. A reader that dies is started once more for the request it
//! died of; one that is silent is let go.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use seam::reader::{BLOCKS_MAX, Blocks, BlocksAnswer, FromReader, ToReader};
use seam::{Channel, ChannelError};
use wire::Failure;

use crate::drives::{Drive, Seen};
use crate::errors::Refusal;
use crate::shared::Shared;
use crate::sync::Locked;

/// How long a reader may take to look at a disc, or be silent: the drive may take minutes for a bad block.
pub(crate) const SILENCE: Duration = Duration::from_secs(420);

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
    generation: u32,
    label: String,
}

impl Reader {
    /// Starts a reader for the disc that was seen.
    pub(crate) fn start(shared: &Shared, drive: &Arc<Drive>, seen: &Seen) -> Result<Self, Refusal> {
        let pair = || Channel::pair().map_err(|error| Refusal::NoReader(std::io::Error::other(error)));
        let ((requests, its_requests), (blocks, its_blocks)) = (pair()?, pair()?);
        shared
            .services
            .start_reader(its_requests, its_blocks)
            .map_err(Refusal::NoReader)?;
        let (drive, generation) = (drive.clone(), seen.generation);
        std::thread::Builder::new()
            .name("blocks".into())
            .stack_size(STACK)
            .spawn(move || serve_blocks(&blocks, &drive, generation))
            .map_err(Refusal::NoThread)?;
        let mut reader = Self {
            requests,
            generation,
            label: String::new(),
        };
        let (blocks, session_start) = (u64::from(seen.readable), u64::from(seen.session_start));
        reader.ask(
            &ToReader::Open {
                blocks,
                session_start,
            },
            None,
        )?;
        match reader.answer(SILENCE)? {
            FromReader::Opened { label, .. } => reader.label = label,
            FromReader::Failed { reason, .. } => return Err(Refusal::Unreadable(reason)),
            _ => return Err(Refusal::ReaderDied),
        }
        Ok(reader)
    }

    /// The volume's label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Sends a request, with a descriptor for what it gets.
    pub(crate) fn ask(&self, request: &ToReader, into: Option<BorrowedFd<'_>>) -> Result<(), Refusal> {
        self.requests
            .send(request, into.as_slice())
            .map_err(|_| Refusal::ReaderDied)
    }

    /// Waits for its next answer.
    pub(crate) fn answer(&self, limit: Duration) -> Result<FromReader, Refusal> {
        match self.requests.receive_within(limit) {
            Ok((answer, _)) => Ok(answer),
            Err(ChannelError::TimedOut) => Err(Refusal::ReaderSilent),
            Err(_) => Err(Refusal::ReaderDied),
        }
    }
}

/// Serves a reader's blocks until it is gone.
fn serve_blocks(channel: &Channel, drive: &Drive, generation: u32) {
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

/// Does something with a reader of the disc in the drive. When it ends with [`Refusal::ReaderDied`] it is
/// done once more with a new reader: so nothing may have been passed on then.
pub(crate) fn with<T>(
    shared: &Shared,
    drive: &Arc<Drive>,
    mut work: impl FnMut(&Reader) -> Result<T, Refusal>,
) -> Result<T, Failure> {
    let busy = Refusal::DriveBusy {
        drive: drive.number,
        job: drive.job(),
    };
    let mut lease = drive.readers.take().ok_or(busy)?;
    let seen = drive.look()?;
    if seen.readable == 0 {
        return Err(Refusal::Blank.into());
    }
    lease
        .reader
        .take_if(|reader| reader.generation != seen.generation);
    let mut attempt = || {
        let reader = match lease.reader.take() {
            Some(reader) => reader,
            None => Reader::start(shared, drive, &seen)?,
        };
        let result = work(&reader);
        if !matches!(result, Err(Refusal::ReaderDied | Refusal::ReaderSilent)) {
            lease.reader = Some(reader);
        }
        result
    };
    Ok(match attempt() {
        Err(Refusal::ReaderDied) => attempt(),
        result => result,
    }?)
}
