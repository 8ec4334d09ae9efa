//! A TCP stream as two halves, protected once a handshake has made them so.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use embedded_io::{ErrorKind, ErrorType};
use noise::{Opener, Reading, Sealer, Writing};

/// A stream of the standard library under the traits of `embedded_io`.
#[derive(Debug)]
struct Socket(TcpStream);

impl ErrorType for Socket {
    type Error = ErrorKind;
}

fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        // Which of the two a timeout is depends on the system.
        io::ErrorKind::WouldBlock => ErrorKind::TimedOut,
        kind => kind.into(),
    }
}

impl embedded_io::Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        retrying(|| io::Read::read(&mut self.0, into)).map_err(|error| kind(&error))
    }
}

impl embedded_io::Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        match retrying(|| io::Write::write(&mut self.0, bytes)) {
            Ok(0) => Err(ErrorKind::WriteZero),
            other => other.map_err(|error| kind(&error)),
        }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

fn retrying<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The half that is read.
#[derive(Debug)]
pub(crate) struct ReadHalf(Reading<Socket>);

/// The half that is written.
#[derive(Debug)]
pub(crate) struct WriteHalf(Writing<Socket>);

/// Both halves of a stream, clear.
pub(crate) fn split(stream: TcpStream) -> io::Result<(ReadHalf, WriteHalf)> {
    let write = Writing::new(Socket(stream.try_clone()?));
    Ok((ReadHalf(Reading::new(Socket(stream))), WriteHalf(write)))
}

impl ReadHalf {
    /// From now on every byte comes in records.
    pub(crate) fn protect(&mut self, opener: Opener) {
        self.0.protect(opener);
    }

    /// How long a read may wait.
    pub(crate) fn set_limit(&self, limit: Duration) -> io::Result<()> {
        self.0.half().0.set_read_timeout(Some(limit))
    }
}

impl WriteHalf {
    /// From now on every byte goes in records.
    pub(crate) fn protect(&mut self, sealer: Sealer) {
        self.0.protect(sealer);
    }
}

impl io::Read for ReadHalf {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        embedded_io::Read::read(&mut self.0, into).map_err(|kind| match self.0.failure() {
            Some(failure) if kind == ErrorKind::InvalidData => {
                io::Error::new(io::ErrorKind::InvalidData, failure)
            }
            _ => io::ErrorKind::from(kind).into(),
        })
    }
}

impl io::Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        embedded_io::Write::write(&mut self.0, bytes).map_err(|kind| io::ErrorKind::from(kind).into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both halves, for the handshake.
pub(crate) struct Halves<'a>(pub &'a mut ReadHalf, pub &'a mut WriteHalf);

impl ErrorType for Halves<'_> {
    type Error = ErrorKind;
}

impl embedded_io::Read for Halves<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        embedded_io::Read::read(&mut self.0.0, into)
    }
}

impl embedded_io::Write for Halves<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        embedded_io::Write::write(&mut self.1.0, bytes)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
