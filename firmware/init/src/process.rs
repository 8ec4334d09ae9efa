//! One process of ours: what it prints, how it is ended.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use seam::Role;

use crate::lines::Lines;
use crate::spawn::{self, Identity, Output};

/// Bytes taken from a process's output in one turn: one that prints without end holds nobody up.
const OUTPUT_TURN: usize = 16 << 10;

/// A process that was started and not yet reaped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) role: Role,
    pub(crate) pid: Pid,
    pub(crate) since: Instant,
    /// Why init killed it, if it did.
    pub(crate) killed_for: Option<String>,
    output: Option<OwnedFd>,
    lines: Lines,
}

impl Process {
    pub(crate) fn start(
        role: Role,
        descriptors: &[BorrowedFd<'_>],
        identity: Option<Identity>,
    ) -> io::Result<Self> {
        let started = spawn::start(role, descriptors, identity, Output::Captured)?;
        Ok(Self {
            role,
            pid: Pid::from_child(&started.child),
            since: Instant::now(),
            killed_for: None,
            output: started.output,
            lines: Lines::default(),
        })
    }

    /// What to watch for output.
    pub(crate) fn output(&self) -> Option<&OwnedFd> {
        self.output.as_ref()
    }

    /// Takes what it has printed, some of it at a time.
    pub(crate) fn read_output(&mut self, mut emit: impl FnMut(String)) {
        let tag = self.role.name();
        let mut buffer = [0; 4 << 10];
        for _ in 0..OUTPUT_TURN / buffer.len() {
            let Some(output) = &self.output else { return };
            match rustix::io::read(output, &mut buffer) {
                Ok(count @ 1..) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.lines.feed(bytes, |line| emit(format!("[{tag}] {line}")));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // It closed its output, which it may, or it is gone.
                Ok(_) | Err(_) => self.output = None,
            }
        }
    }

    /// Takes the rest of what it has printed, after its death.
    pub(crate) fn finish_output(&mut self, mut emit: impl FnMut(String)) {
        // A pipe holds 64 KiB; whoever inherited its other end may go on writing.
        for _ in 0..(64 << 10) / OUTPUT_TURN + 1 {
            self.read_output(&mut emit);
        }
        let tag = self.role.name();
        if let Some(line) = self.lines.finish() {
            emit(format!("[{tag}] {line}"));
        }
    }

    /// Sends a signal to it and whatever it started.
    pub(crate) fn signal(&self, signal: Signal) {
        // It leads its session and so its group; ESRCH: it has just died, and is reaped soon.
        let _ = rustix::process::kill_process_group(self.pid, signal);
    }

    /// Kills it, once, and remembers why.
    pub(crate) fn kill(&mut self, why: impl Into<String>) {
        if self.killed_for.is_none() {
            self.killed_for = Some(why.into());
            self.signal(Signal::KILL);
        }
    }
}
