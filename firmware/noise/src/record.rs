//! Records: what travels after the handshake.
//!
//! Both ends count their records, and the count is a part of what is authenticated: a record that was left out,
//! repeated or moved fails as one that was changed.

use std::sync::Arc;

use snow::StatelessTransportState;

use crate::{Error, RECORD, TAG};

/// Bytes of a record's length.
const LENGTH: usize = 2;

/// Protects what is sent.
pub struct Sealer {
    state: Arc<StatelessTransportState>,
    count: u64,
}

/// Checks what is received.
pub struct Opener {
    state: Arc<StatelessTransportState>,
    count: u64,
    /// Nothing has proved yet that the other end has the same code.
    unproved: bool,
    failed: bool,
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sealer({} records)", self.count)
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opener({} records)", self.count)
    }
}

impl Sealer {
    pub(crate) fn new(state: Arc<StatelessTransportState>) -> Self {
        Self { state, count: 0 }
    }

    /// Appends the records that carry `plain` to `out`, each with its length before it.
    ///
    /// # Errors
    /// [`Error::Tampered`] when 2^64 records were sent, which takes longer than any connection lives.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        for part in plain.chunks(RECORD - TAG) {
            let length = part.len() + TAG;
            out.extend(u16::try_from(length).map_err(|_| Error::Tampered)?.to_be_bytes());
            let start = out.len();
            out.resize(start + length, 0);
            let record = out.get_mut(start..).unwrap_or_default();
            self.state
                .write_message(self.count, part, record)
                .map_err(|_| Error::Tampered)?;
            self.count += 1;
        }
        Ok(())
    }
}

impl Opener {
    pub(crate) fn new(state: Arc<StatelessTransportState>, unproved: bool) -> Self {
        Self {
            state,
            count: 0,
            unproved,
            failed: false,
        }
    }

    /// How long the record is whose first bytes these are, its length included; `None` when the length itself is
    /// not whole yet.
    #[must_use]
    pub fn whole(bytes: &[u8]) -> Option<usize> {
        let (length, _) = bytes.split_first_chunk::<LENGTH>()?;
        Some(LENGTH + usize::from(u16::from_be_bytes(*length)))
    }

    /// Checks one whole record, its length included, and puts what it carries into `plain`, which needs
    /// [`TAG`] bytes less than the record has; how many bytes that are.
    ///
    /// # Errors
    /// [`Error::Tampered`], and from then on for every record; [`Error::WrongCode`] instead for the first record
    /// of a box that was paired with.
    pub fn open(&mut self, record: &[u8], plain: &mut [u8]) -> Result<usize, Error> {
        if self.failed {
            return Err(Error::Tampered);
        }
        let sealed = record.get(LENGTH..).unwrap_or_default();
        match self.state.read_message(self.count, sealed, plain) {
            Ok(length) => {
                self.count += 1;
                self.unproved = false;
                Ok(length)
            }
            Err(_) => {
                self.failed = true;
                Err(if self.unproved {
                    Error::WrongCode
                } else {
                    Error::Tampered
                })
            }
        }
    }
}
