//! The disk as it runs: everything it is told goes into its log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cut::{Entry, Recording};
use crate::image::Image;

/// the disk ends before that: {offset} and {length} bytes, of {size}
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
pub struct OutOfRange {
    /// The first byte asked for.
    pub offset: u64,
    /// How many.
    pub length: usize,
    /// The disk's bytes.
    pub size: u64,
}

#[derive(Debug)]
struct State {
    base: Image,
    now: Image,
    log: Vec<Entry>,
    ignores_flushes: bool,
}

/// A disk; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk whose durable content is `image`.
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self(Arc::new(Mutex::new(State {
            base: image.clone(),
            now: image,
            log: Vec::new(),
            ignores_flushes: false,
        })))
    }

    /// From now on it acknowledges flushes without doing anything, as a lying drive does: for negative tests.
    pub fn ignore_flushes(&self) {
        self.lock().ignores_flushes = true;
    }

    /// Its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.lock().now.size()
    }

    /// Reads what was last written, durable or not.
    ///
    /// # Errors
    ///
    /// A range behind the disk's end.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfRange> {
        let state = self.lock();
        state.check(offset, into.len())?;
        state.now.read(offset, into);
        Ok(())
    }

    /// Takes a write into the cache; with `force`, it is durable when this returns (force unit access).
    ///
    /// # Errors
    ///
    /// A range behind the disk's end.
    pub fn write(&self, offset: u64, bytes: &[u8], force: bool) -> Result<(), OutOfRange> {
        let bytes: Arc<[u8]> = bytes.into();
        let mut state = self.lock();
        state.check(offset, bytes.len())?;
        state.now.write(offset, &bytes);
        let forced = force && !state.ignores_flushes;
        state.log.push(Entry::Write {
            offset,
            bytes,
            forced,
        });
        Ok(())
    }

    /// Everything written before is durable when this returns.
    pub fn flush(&self) {
        let mut state = self.lock();
        if !state.ignores_flushes {
            state.log.push(Entry::Flush);
        }
    }

    /// Enters a mark: the moment at which something happened outside. Returns that moment.
    pub fn mark(&self, what: impl Into<String>) -> usize {
        let mut state = self.lock();
        state.log.push(Entry::Mark(what.into()));
        state.log.len()
    }

    /// How many entries the log has: the present moment.
    #[must_use]
    pub fn moment(&self) -> usize {
        self.lock().log.len()
    }

    /// All that happened up to now.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let state = self.lock();
        Recording::new(state.base.clone(), state.log.clone())
    }

    /// No lock is poisoned in a harmful way: every change is one statement.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self, offset: u64, length: usize) -> Result<(), OutOfRange> {
        let size = self.now.size();
        let end = u64::try_from(length)
            .ok()
            .and_then(|length| offset.checked_add(length));
        match end {
            Some(end) if end <= size => Ok(()),
            _ => Err(OutOfRange { offset, length, size }),
        }
    }
}
