//! The writable half, shared by the two threads of a connection.

use std::sync::{Mutex, MutexGuard, PoisonError};

use embedded_io::Write;
use noise::Writing;
use wire::frame::{self};
use wire::{Failure, Reply};

use crate::Half;

/// Nothing can be written any more: the client is gone, deaf, or was told why the box closes.
#[derive(Debug)]
pub(super) struct Shut;

/// Writes whole frames, one thread at a time.
pub(super) struct Writer<W> {
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    half: Writing<W>,
    frame: Vec<u8>,
    open: bool,
}

impl<W: Write + Half> Writer<W> {
    pub(super) fn new(half: Writing<W>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                half,
                frame: Vec::new(),
                open: true,
            }),
        }
    }

    /// Sends a reply.
    pub(super) fn reply(&self, id: u32, reply: &Reply) -> Result<(), Shut> {
        self.lock().frame(reply.kind(), id, &reply.encode())
    }

    /// Sends a failure.
    pub(super) fn failure(&self, id: u32, failure: Failure) -> Result<(), Shut> {
        self.reply(id, &Reply::Failure(failure))
    }

    /// Sends bytes that are a frame already.
    pub(super) fn whole_frame(&self, frame: &[u8]) -> Result<(), Shut> {
        self.lock().write(frame)
    }

    /// Sends a failure after which nothing is sent.
    pub(super) fn last(&self, id: u32, failure: &Failure) {
        let mut inner = self.lock();
        let reply = Reply::Failure(failure.clone());
        let _ = inner.frame(reply.kind(), id, &reply.encode());
        inner.open = false;
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        self.lock().open = false;
    }

    /// Ends reading for the other thread.
    pub(super) fn stop_reading(&self) {
        self.lock().half.stop_reading();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<W>> {
        self.inner.lock().unwrap_or_else(|poison| {
            // The other thread panicked, perhaps within a frame: anything more could be misread.
            let mut inner = PoisonError::into_inner(poison);
            inner.open = false;
            inner
        })
    }
}

impl<W: Write + Half> Inner<W> {
    fn frame(&mut self, kind: u16, id: u32, body: &[u8]) -> Result<(), Shut> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame::append(&mut frame, kind, id, body);
        let written = self.write(&frame);
        self.frame = frame;
        written
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Shut> {
        while self.open && !bytes.is_empty() {
            match self.half.write(bytes) {
                Ok(written @ 1..) => bytes = bytes.get(written..).unwrap_or_default(),
                _ => self.open = false,
            }
        }
        if self.open { Ok(()) } else { Err(Shut) }
    }
}
