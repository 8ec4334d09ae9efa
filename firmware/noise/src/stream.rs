//! Byte streams that are protected once a handshake has made them so, and clear before and without.

use embedded_io::{Error as _, ErrorKind, ErrorType, Read, Write};

use crate::record::{Opener, Sealer};
use crate::{Error, RECORD, TAG};

/// Sealed bytes kept: the longest record with its length, and room to read further ones along with it.
const SEALED: usize = 2 * (2 + RECORD);

/// The readable half of a connection.
#[derive(Debug)]
pub struct Reading<R> {
    half: R,
    protection: Option<Box<Protection>>,
    failed: Option<Error>,
}

/// What a protected half keeps.
#[derive(Debug)]
struct Protection {
    opener: Opener,
    sealed: Vec<u8>,
    /// The part of `sealed` that is yet to be opened.
    waiting: core::ops::Range<usize>,
    plain: Vec<u8>,
    /// The part of `plain` that is yet to be read.
    ready: core::ops::Range<usize>,
}

impl<R: Read> Reading<R> {
    /// A clear half.
    pub fn new(half: R) -> Self {
        Self {
            half,
            protection: None,
            failed: None,
        }
    }

    /// The half below.
    pub fn half(&self) -> &R {
        &self.half
    }

    /// The half below, for its deadline.
    pub fn half_mut(&mut self) -> &mut R {
        &mut self.half
    }

    /// From now on every byte comes in records.
    pub fn protect(&mut self, opener: Opener) {
        self.protection = Some(Box::new(Protection {
            opener,
            sealed: vec![0; SEALED],
            waiting: 0..0,
            plain: vec![0; RECORD],
            ready: 0..0,
        }));
    }

    /// Why a read failed with [`ErrorKind::InvalidData`].
    pub fn failure(&self) -> Option<Error> {
        self.failed
    }
}

impl Protection {
    /// Passes on bytes that were opened before.
    fn drain(&mut self, into: &mut [u8]) -> usize {
        let ready = self.plain.get(self.ready.clone()).unwrap_or_default();
        let mut passed = 0;
        for (to, from) in into.iter_mut().zip(ready) {
            *to = *from;
            passed += 1;
        }
        self.ready.start += passed;
        passed
    }

    /// Opens the next whole record, straight into `into` where it fits; `None` when no whole one has come.
    fn open(&mut self, into: &mut [u8]) -> Result<Option<usize>, Error> {
        let waiting = self.sealed.get(self.waiting.clone()).unwrap_or_default();
        let Some(record) = Opener::whole(waiting).and_then(|length| waiting.get(..length)) else {
            return Ok(None);
        };
        self.waiting.start += record.len();
        // The length has two bytes, the tag has sixteen: what is carried is shorter than the record.
        if into.len() + TAG + 2 >= record.len() {
            return self.opener.open(record, into).map(Some);
        }
        let length = self.opener.open(record, &mut self.plain)?;
        self.ready = 0..length;
        Ok(Some(self.drain(into)))
    }

    /// Room for the rest of a record, and more.
    fn room(&mut self) -> &mut [u8] {
        if self.waiting.is_empty() || self.waiting.start > RECORD {
            self.sealed.copy_within(self.waiting.clone(), 0);
            self.waiting = 0..self.waiting.len();
        }
        self.sealed.get_mut(self.waiting.end..).unwrap_or_default()
    }
}

impl<R: Read> ErrorType for Reading<R> {
    type Error = ErrorKind;
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        let Some(protection) = &mut self.protection else {
            return self.half.read(into).map_err(|error| error.kind());
        };
        if into.is_empty() {
            return Ok(0);
        }
        match protection.drain(into) {
            0 => {}
            passed => return Ok(passed),
        }
        loop {
            match protection.open(into) {
                Ok(Some(0)) => continue, // an empty record says nothing
                Ok(Some(passed)) => return Ok(passed),
                Ok(None) => {}
                Err(error) => {
                    self.failed = Some(error);
                    return Err(ErrorKind::InvalidData);
                }
            }
            match self.half.read(protection.room()).map_err(|error| error.kind())? {
                0 if protection.waiting.is_empty() => return Ok(0),
                // The end within a record may be anybody's doing.
                0 => return Err(ErrorKind::ConnectionReset),
                read => protection.waiting.end += read,
            }
        }
    }
}

/// The writable half of a connection. Each write becomes whole records at once.
#[derive(Debug)]
pub struct Writing<W> {
    half: W,
    sealer: Option<Sealer>,
    records: Vec<u8>,
}

impl<W: Write> Writing<W> {
    /// A clear half.
    pub fn new(half: W) -> Self {
        Self {
            half,
            sealer: None,
            records: Vec::new(),
        }
    }

    /// The half below.
    pub fn half(&self) -> &W {
        &self.half
    }

    /// The half below.
    pub fn half_mut(&mut self) -> &mut W {
        &mut self.half
    }

    /// From now on every byte goes in records.
    pub fn protect(&mut self, sealer: Sealer) {
        self.sealer = Some(sealer);
    }
}

impl<W: Write> ErrorType for Writing<W> {
    type Error = ErrorKind;
}

impl<W: Write> Write for Writing<W> {
    /// Protected, all of `bytes` or an error: then nothing can be sent any more.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let Some(sealer) = &mut self.sealer else {
            return self.half.write(bytes).map_err(|error| error.kind());
        };
        self.records.clear();
        sealer
            .seal(bytes, &mut self.records)
            .map_err(|_| ErrorKind::InvalidData)?;
        let written = self.half.write_all(&self.records);
        written.map_err(|error| error.kind())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.half.flush().map_err(|error| error.kind())
    }
}
