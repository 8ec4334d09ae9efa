//! Pieces of an image, produced by several threads and handed on in order.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use discfs::{
    BLOCK, Content, ContentError, Digests, FileId, Hasher, Image, Pass, PassError, ReadError, Signer,
};
use displaydoc::Display;
use thiserror::Error;

use crate::supply::{Reading, Supply};

/// How an image is produced. The bytes do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Threads that read and digest, besides the one that hands on.
    pub threads: usize,
    /// Blocks of a piece, which one thread produces at once.
    pub piece: u32,
    /// Pieces that are produced ahead of the one that is handed on.
    pub ahead: usize,
}

impl Default for Settings {
    /// A thread for each core, and 24 MiB ahead.
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(2, NonZero::get).min(8),
            piece: 512,
            ahead: 24,
        }
    }
}

/// Why an image could not be produced whole.
#[derive(Debug, Display, Error)]
pub enum MasterError {
    /// {0}
    Read(ReadError),
    /// `{0}` is not what it was when it was received: its SHA-256 differs; send it again
    Changed(String),
    /// {0}
    Sink(io::Error),
    /// no thread can be started: {0}; end other programs and try again
    Thread(io::Error),
}

/// Receives the image: the bytes of whole blocks, from the first on.
pub type Sink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// Produces all of an image. `signer` is the key of one that is signed.
///
/// # Errors
/// When a file cannot be read, is shorter than planned or not what its known digest says, or `sink` fails.
pub fn master(
    image: &Image,
    supply: &dyn Supply,
    settings: Settings,
    signer: Option<&mut dyn Signer>,
    sink: &mut Sink<'_>,
) -> Result<(), MasterError> {
    let work = Work {
        image,
        supply,
        settings,
        stopped: AtomicBool::new(false),
        queue: Mutex::new(Queue::default()),
        room: Condvar::new(),
        arrived: Condvar::new(),
        chain: Mutex::new(Chain::default()),
        turn: Condvar::new(),
    };
    thread::scope(|scope| {
        for number in 0..settings.threads.max(1) {
            let thread = thread::Builder::new().name(format!("mastering {number}"));
            if let Err(error) = thread.spawn_scoped(scope, || work.produce()) {
                // One is enough to go on with.
                if number == 0 {
                    return Err(MasterError::Thread(error));
                }
                break;
            }
        }
        let handed_on = work.hand_on(sink);
        work.stop();
        handed_on
    })?;
    let chain = work.chain.into_inner().unwrap_or_else(PoisonError::into_inner);
    behind_data(image, chain.digests, signer, settings, sink)
}

struct Work<'a> {
    image: &'a Image,
    supply: &'a dyn Supply,
    settings: Settings,
    stopped: AtomicBool,
    queue: Mutex<Queue>,
    /// A piece was handed on.
    room: Condvar,
    /// A piece is ready.
    arrived: Condvar,
    chain: Mutex<Chain>,
    /// A piece was digested.
    turn: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The piece that is begun next, and the one that is handed on next.
    begun: u64,
    handed_on: u64,
    ready: BTreeMap<u64, Result<Vec<u8>, MasterError>>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

/// Digests of files in the order of the disc: pieces take their turns.
#[derive(Default)]
struct Chain {
    /// The piece whose turn it is.
    next: u64,
    /// The file that goes on into the next piece.
    hasher: Hasher,
    digests: Vec<Digests>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work<'_> {
    fn pieces(&self) -> u64 {
        self.image
            .data()
            .end
            .div_ceil(u64::from(self.settings.piece.max(1)))
    }

    fn blocks(&self, piece: u64) -> Range<u64> {
        let length = u64::from(self.settings.piece.max(1));
        piece * length..((piece + 1) * length).min(self.image.data().end)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Whoever looked before this waits by now, and is woken.
        drop(lock(&self.queue));
        self.room.notify_all();
        drop(lock(&self.chain));
        self.turn.notify_all();
    }

    /// What each thread does: one piece after the other.
    fn produce(&self) {
        let mut reading = Reading::new(self.supply);
        while let Some((piece, mut buffer)) = self.begin() {
            let blocks = self.blocks(piece);
            let length = usize::try_from(blocks.end - blocks.start).unwrap_or_default() * BLOCK;
            buffer.resize(length, 0);
            let produced = self.piece(piece, blocks, &mut buffer, &mut reading);
            let failed = produced.is_err();
            lock(&self.queue).ready.insert(piece, produced.map(|()| buffer));
            self.arrived.notify_one();
            if failed {
                self.stop();
            }
        }
    }

    fn begin(&self) -> Option<(u64, Vec<u8>)> {
        let mut queue = lock(&self.queue);
        loop {
            if self.is_stopped() || queue.begun >= self.pieces() {
                return None;
            }
            if queue.begun - queue.handed_on < self.settings.ahead.max(1) as u64 {
                let piece = queue.begun;
                queue.begun += 1;
                return Some((piece, queue.spare.pop().unwrap_or_default()));
            }
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn piece(
        &self,
        piece: u64,
        blocks: Range<u64>,
        buffer: &mut [u8],
        reading: &mut Reading<'_>,
    ) -> Result<(), MasterError> {
        self.image
            .read(blocks.start, buffer, reading)
            .map_err(MasterError::Read)?;
        let bytes = |at: usize, length: usize| buffer.get(at..at + length).unwrap_or_default();
        // Files that lie within the piece are digested while others digest theirs.
        let mut whole = Vec::new();
        for span in self.image.file_spans(blocks.clone()) {
            if span.offset == 0 && span.length as u64 == span.size {
                let mut hasher = Hasher::default();
                hasher.update(bytes(span.at, span.length));
                whole.push(hasher.finish());
            }
        }
        let mut whole = whole.into_iter();
        let mut chain = lock(&self.chain);
        while chain.next != piece {
            if self.is_stopped() {
                return Ok(());
            }
            chain = self.turn.wait(chain).unwrap_or_else(PoisonError::into_inner);
        }
        for span in self.image.file_spans(blocks) {
            let digests = if span.offset == 0 && span.length as u64 == span.size {
                whole.next()
            } else {
                chain.hasher.update(bytes(span.at, span.length));
                let ends = span.offset + span.length as u64 == span.size;
                ends.then(|| chain.hasher.finish())
            };
            if let Some(digests) = digests {
                let known = self.supply.digest(span.file);
                if known.is_some_and(|known| known != digests.sha256) {
                    return Err(MasterError::Changed(self.image.path_of(span.number)));
                }
                chain.digests.push(digests);
            }
        }
        chain.next += 1;
        drop(chain);
        self.turn.notify_all();
        Ok(())
    }

    fn hand_on(&self, sink: &mut Sink<'_>) -> Result<(), MasterError> {
        for piece in 0..self.pieces() {
            let mut queue = lock(&self.queue);
            let ready = loop {
                if let Some(ready) = queue.ready.remove(&piece) {
                    break ready;
                }
                // A piece after this one may have failed first.
                if let Some(at) = queue
                    .ready
                    .iter()
                    .find(|(_, ready)| ready.is_err())
                    .map(|(at, _)| *at)
                    && let Some(Err(error)) = queue.ready.remove(&at)
                {
                    return Err(error);
                }
                queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            let buffer = ready?;
            sink(&buffer).map_err(MasterError::Sink)?;
            let mut queue = lock(&self.queue);
            queue.handed_on += 1;
            queue.spare.push(buffer);
            drop(queue);
            self.room.notify_all();
        }
        Ok(())
    }
}

/// The content of what lies behind all data.
struct Key<'a>(Option<&'a mut dyn Signer>);

impl Content for Key<'_> {
    fn read(&mut self, _: FileId, _: u64, _: &mut [u8]) -> Result<(), ContentError> {
        Err(ContentError::Short) // no byte of a file is there
    }

    fn digest(&mut self, _: FileId) -> Option<[u8; 32]> {
        None
    }

    fn signer(&mut self) -> Option<&mut dyn Signer> {
        match &mut self.0 {
            Some(signer) => Some(*signer),
            None => None,
        }
    }
}

fn behind_data(
    image: &Image,
    digests: Vec<Digests>,
    signer: Option<&mut dyn Signer>,
    settings: Settings,
    sink: &mut Sink<'_>,
) -> Result<(), MasterError> {
    let mut content = Key(signer);
    let mut pass = Pass::behind_data(image, digests);
    let mut buffer = vec![0; settings.piece.max(1) as usize * BLOCK];
    loop {
        let blocks = pass
            .next(&mut buffer, &mut content)
            .map_err(|error| match error {
                PassError::Read(error) => MasterError::Read(error),
                PassError::Changed(path) => MasterError::Changed(path),
            })?;
        if blocks == 0 {
            return Ok(());
        }
        sink(buffer.get(..blocks * BLOCK).unwrap_or_default()).map_err(MasterError::Sink)?;
    }
}
