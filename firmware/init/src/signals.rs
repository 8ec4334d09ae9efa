//! Signals, read one after the other instead of interrupting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys;

/// A signal that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A child has ended.
    Child,
    /// Somebody wants this process to end.
    Terminate,
    /// Ctrl-C at a terminal; for PID 1 Ctrl-Alt-Del.
    Interrupt,
    /// The power is failing.
    Power,
}

/// From where signals are read; they interrupt nothing any more.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Signals {
    /// Holds the signals of [`Signal`] back from now on, in this thread and those it starts later.
    pub fn open() -> io::Result<Self> {
        sys::signals().map(|descriptor| Self { descriptor })
    }

    /// The next signal that waits, if any; never blocks.
    pub fn next_waiting(&self) -> Option<Signal> {
        // signalfd_siginfo, signalfd(2): 128 bytes, the signal's number first.
        let mut information = [0; 128];
        let count =
            rustix::io::retry_on_intr(|| rustix::io::read(&self.descriptor, &mut information)).ok()?;
        if count != information.len() {
            return None;
        }
        match i32::from_ne_bytes(*information.first_chunk()?) {
            libc::SIGCHLD => Some(Signal::Child),
            libc::SIGTERM => Some(Signal::Terminate),
            libc::SIGINT => Some(Signal::Interrupt),
            libc::SIGPWR => Some(Signal::Power),
            _ => None,
        }
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> io::Result<Signal> {
        loop {
            if let Some(signal) = self.next_waiting() {
                return Ok(signal);
            }
            let mut list = [rustix::event::PollFd::new(self, rustix::event::PollFlags::IN)];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut list, None))?;
        }
    }
}
