//! A connection's byte stream as two halves whose waiting is bounded.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_io::{ErrorKind, ErrorType, Read, Write};
use noise::{Reading, Writing};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

/// What either half can end.
pub trait Half {
    /// Tells the other end that nothing more comes; what was sent still arrives.
    fn finish(&self);

    /// Ends reading: whoever waits for bytes gets what arrived already, then the end.
    fn stop_reading(&self);

    /// Ends both directions: whoever waits on either half stops waiting.
    fn hang_up(&self);
}

/// A readable half whose reads fail with [`ErrorKind::TimedOut`] at a deadline.
pub trait ReadHalf: Read + Half {
    /// Sets the deadline of all later reads; `None` waits for ever.
    fn set_deadline(&mut self, deadline: Option<Instant>);
}

/// The readable half of a stream socket.
#[derive(Debug)]
pub struct ReadSocket {
    socket: Arc<OwnedFd>,
    deadline: Option<Instant>,
}

/// The writable half of a stream socket.
#[derive(Debug)]
pub struct WriteSocket {
    socket: Arc<OwnedFd>,
    stall: Duration,
}

/// Splits a stream socket; a write fails with [`ErrorKind::TimedOut`] when the other end takes nothing
/// for `stall`.
pub fn split(socket: OwnedFd, stall: Duration) -> (ReadSocket, WriteSocket) {
    let socket = Arc::new(socket);
    let reading = ReadSocket {
        socket: Arc::clone(&socket),
        deadline: None,
    };
    (reading, WriteSocket { socket, stall })
}

fn kind(error: Errno) -> ErrorKind {
    match error {
        Errno::PIPE => ErrorKind::BrokenPipe,
        Errno::CONNRESET => ErrorKind::ConnectionReset,
        Errno::NOTCONN => ErrorKind::NotConnected,
        Errno::TIMEDOUT => ErrorKind::TimedOut,
        _ => ErrorKind::Other,
    }
}

fn wait(socket: &OwnedFd, flags: PollFlags, deadline: Option<Instant>) -> Result<(), ErrorKind> {
    let limit = match deadline {
        None => None,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut);
            }
            Some(Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?)
        }
    };
    match rustix::event::poll(&mut [PollFd::new(socket, flags)], limit.as_ref()) {
        Ok(0) => Err(ErrorKind::TimedOut),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(kind(error)),
    }
}

/// Both halves end the same socket; an error means that the other end is gone, and nothing is left to tell.
macro_rules! half {
    ($name:ident) => {
        impl Half for $name {
            fn finish(&self) {
                let _ = rustix::net::shutdown(&*self.socket, Shutdown::Write);
            }

            fn stop_reading(&self) {
                let _ = rustix::net::shutdown(&*self.socket, Shutdown::Read);
            }

            fn hang_up(&self) {
                let _ = rustix::net::shutdown(&*self.socket, Shutdown::Both);
            }
        }
    };
}

half!(ReadSocket);
half!(WriteSocket);

impl ErrorType for ReadSocket {
    type Error = ErrorKind;
}

impl Read for ReadSocket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        loop {
            // Trying first spares the call to poll whenever the client is ahead of us.
            match rustix::net::recv(&*self.socket, &mut *into, RecvFlags::DONTWAIT) {
                Ok((read, _)) => return Ok(read),
                Err(Errno::AGAIN) => wait(&self.socket, PollFlags::IN, self.deadline)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(kind(error)),
            }
        }
    }
}

impl ReadHalf for ReadSocket {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }
}

impl ErrorType for WriteSocket {
    type Error = ErrorKind;
}

impl Write for WriteSocket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let deadline = Instant::now() + self.stall;
        loop {
            match rustix::net::send(&*self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(written) => return Ok(written),
                Err(Errno::AGAIN) => wait(&self.socket, PollFlags::OUT, Some(deadline))?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(kind(error)),
            }
        }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl<R: ReadHalf> Half for Reading<R> {
    fn finish(&self) {
        self.half().finish();
    }

    fn stop_reading(&self) {
        self.half().stop_reading();
    }

    fn hang_up(&self) {
        self.half().hang_up();
    }
}

impl<R: ReadHalf> ReadHalf for Reading<R> {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.half_mut().set_deadline(deadline);
    }
}

impl<W: Write + Half> Half for Writing<W> {
    fn finish(&self) {
        self.half().finish();
    }

    fn stop_reading(&self) {
        self.half().stop_reading();
    }

    fn hang_up(&self) {
        self.half().hang_up();
    }
}
