//! The console: lines out, never waiting for it.
//!
//! A serial line may be stopped by its other end for ever, and PID 1 must not stop with it. So the console
//! is opened non-blocking, what it does not take yet waits in a bounded backlog, and lines beyond that
//! are dropped and counted.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Bytes waiting for the console at most.
const BACKLOG_MAX: usize = 64 << 10;

/// Where a console is looked for, in this order.
const PATHS: [&str; 2] = ["/dev/console", "/dev/ttyS0"];

/// The console, or nothing when there is none: then lines are dropped.
#[derive(Debug, Default)]
pub(crate) struct Console {
    terminal: Option<OwnedFd>,
    backlog: VecDeque<u8>,
    dropped: u64,
}

impl Console {
    /// Opens the first console there is.
    pub(crate) fn open() -> Self {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = PATHS
            .iter()
            .find_map(|path| rustix::fs::open(*path, flags, Mode::empty()).ok());
        Self::on(terminal)
    }

    fn on(terminal: Option<OwnedFd>) -> Self {
        Self {
            terminal,
            ..Self::default()
        }
    }

    /// Writes a line, now or later; drops and counts it when too much waits already.
    pub(crate) fn line(&mut self, line: &str) {
        if self.backlog.len() + line.len() + 1 > BACKLOG_MAX {
            self.dropped += 1;
        } else {
            self.note_dropped();
            self.backlog.extend(line.bytes().chain([b'\n']));
        }
        self.flush();
    }

    fn note_dropped(&mut self) {
        if self.dropped > 0 {
            let note = format!("init: {} lines dropped, the console was too slow\n", self.dropped);
            self.dropped = 0;
            self.backlog.extend(note.bytes());
        }
    }

    /// Writes what the console takes now.
    pub(crate) fn flush(&mut self) {
        let Some(terminal) = &self.terminal else {
            self.backlog.clear();
            return;
        };
        while !self.backlog.is_empty() {
            match rustix::io::write(terminal, self.backlog.as_slices().0) {
                Ok(written) => drop(self.backlog.drain(..written)),
                Err(Errno::INTR) => {}
                // AGAIN: later. A terminal that hung up (EIO) may come back; the backlog is bounded.
                Err(_) => return,
            }
        }
        self.note_dropped();
    }

    /// Gives the console so long to take what waits: before the end.
    pub(crate) fn drain(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            self.flush();
            let left = end.saturating_duration_since(Instant::now());
            let Some(terminal) = self.waits_for().filter(|_| !left.is_zero()) else {
                return;
            };
            let timeout = Timespec::try_from(left.min(Duration::from_millis(50))).ok();
            let mut ready = [PollFd::from_borrowed_fd(terminal, PollFlags::OUT)];
            if rustix::event::poll(&mut ready, timeout.as_ref()).is_err() {
                return;
            }
        }
    }

    /// The terminal, when lines wait for it.
    pub(crate) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.terminal
            .as_ref()
            .filter(|_| !self.backlog.is_empty())
            .map(AsFd::as_fd)
    }

    /// The terminal, to read from.
    pub(crate) fn input(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::PipeFlags;

    #[test]
    fn a_console_that_takes_nothing_costs_lines_not_time() {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut console = Console::on(Some(write));
        let line = "x".repeat(1023);
        for _ in 0..300 {
            console.line(&line);
        }
        assert!(console.backlog.len() <= BACKLOG_MAX + 100 && console.dropped > 0);
        let dropped = console.dropped;
        let mut text = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = rustix::io::read(&read, &mut buffer) {
            text.extend_from_slice(&buffer[..count]);
            console.flush();
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with(&format!(
            "init: {dropped} lines dropped, the console was too slow\n"
        )));
        let lines = u64::try_from(text.lines().filter(|l| *l == line).count()).unwrap();
        assert_eq!(lines + dropped, 300);
    }

    #[test]
    fn without_a_console_nothing_piles_up() {
        let mut console = Console::on(None);
        console.line("unheard");
        assert!(console.backlog.is_empty() && console.waits_for().is_none());
    }
}
