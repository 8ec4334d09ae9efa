//! Frames out of a byte stream, each whole and within its deadline.

use std::time::{Duration, Instant};

use embedded_io::{ErrorKind, Read};
use noise::Reading;
use wire::frame::{DATA_HEADER_SIZE, DATA_MAX, HEADER_SIZE, Header};

use super::Ended;
use super::refusal::{self, End};
use crate::ReadHalf;

/// The largest frame: small ones are read many at once.
const CAPACITY: usize = HEADER_SIZE + DATA_HEADER_SIZE + DATA_MAX;

/// The readable half and what was read ahead of the frames asked for.
pub(super) struct Frames<R> {
    half: Reading<R>,
    /// Allocated as zeroes, so that memory is used only as far as frames reached into it.
    buffer: Vec<u8>,
    /// What is unread: from here,
    start: usize,
    /// to here.
    end: usize,
    limit: Duration,
}

impl<R: ReadHalf> Frames<R> {
    /// Frames of that half; once begun, each must be whole within `limit`.
    pub(super) fn new(half: Reading<R>, limit: Duration) -> Self {
        Self {
            half,
            buffer: vec![0; CAPACITY],
            start: 0,
            end: 0,
            limit,
        }
    }

    /// The half below.
    pub(super) fn half(&self) -> &Reading<R> {
        &self.half
    }

    /// The next frame; the client may take until `deadline` to begin it, for ever without one.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Result<(Header, &[u8]), Ended> {
        self.fill(1, deadline)?;
        let limit = Instant::now() + self.limit;
        let limit = deadline.map_or(limit, |deadline| deadline.min(limit));
        self.fill(HEADER_SIZE, Some(limit))?;
        let header = Header::decode(self.take_array()?).map_err(|error| refusal::malformed(&error).end(0))?;
        self.fill(header.body, Some(limit))?;
        let body = self.start..self.start + header.body;
        self.start = body.end;
        Ok((header, self.buffer.get(body).unwrap_or_default()))
    }

    /// Reads and forgets until the client closes or the deadline.
    pub(super) fn discard(&mut self, deadline: Instant) {
        self.half.set_deadline(Some(deadline));
        while matches!(self.half.read(&mut self.buffer), Ok(1..)) && Instant::now() < deadline {}
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Ended> {
        let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
        let array = *unread.first_chunk().ok_or(Ended::Closed)?;
        self.start += N;
        Ok(array)
    }

    /// Reads until `need` bytes, at most [`CAPACITY`], are unread.
    fn fill(&mut self, need: usize, deadline: Option<Instant>) -> Result<(), Ended> {
        if self.end - self.start >= need {
            return Ok(());
        }
        if self.start == self.end || self.start + need > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.half.set_deadline(deadline);
        while self.end - self.start < need {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.half.read(free) {
                Ok(0) => return Err(Ended::Closed),
                Ok(read) => self.end += read,
                Err(ErrorKind::InvalidData) => {
                    return Err(Ended::Unsafe(
                        self.half.failure().unwrap_or(noise::Error::Tampered),
                    ));
                }
                Err(ErrorKind::TimedOut) => return Err(refusal::timed_out().end(0)),
                Err(kind) => return Err(Ended::Broken(kind)),
            }
        }
        Ok(())
    }
}
