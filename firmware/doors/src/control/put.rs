//! A put: entries pass to the vault, their bytes to the descriptors it grants.

use std::os::fd::OwnedFd;

use embedded_io::Write;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use wire::frame::DATA_HEADER_SIZE;
use wire::{EntryKind, Failure, Request};

use super::refusal::{self, End};
use super::{Ended, Line};
use crate::Half;

/// The put of a connection: one at a time.
pub(super) struct Put<'a, W> {
    line: &'a Line<'a, W>,
    state: State,
}

enum State {
    /// There is none.
    Idle,
    /// It goes on under this request id.
    Open(u32, File),
    /// It failed, and its client may not know yet: what it still sends for the put is swallowed.
    Failed(u32),
}

/// The file whose bytes come.
enum File {
    /// None: the next entry may come.
    None,
    /// Its entry was passed to the vault, and its descriptor is waited for when it is needed. A second
    /// name of a file gets none; only the vault knows which those are.
    Asked { size: u64, named_before: bool },
    /// Its bytes are written there.
    Open {
        file: OwnedFd,
        left: u64,
        digest: Sha256,
    },
}

/// Why a frame of the put was not taken.
enum Trouble {
    /// The put fails; without a failure the vault told the client already.
    Fails(Option<Failure>),
    /// The connection ends.
    Ends(Ended),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Fails(Some(failure))
    }
}

impl From<Ended> for Trouble {
    fn from(ended: Ended) -> Self {
        Self::Ends(ended)
    }
}

/// Whether a request is part of a put that began.
fn continues(request: &Request) -> bool {
    matches!(
        request,
        Request::PutEntry(_)
            | Request::PutFileEnd(_)
            | Request::PutFileAbandon(())
            | Request::PutEnd(())
            | Request::PutAbort(())
    )
}

impl<'a, W: Write + Half> Put<'a, W> {
    pub(super) fn new(line: &'a Line<'a, W>) -> Self {
        Self {
            line,
            state: State::Idle,
        }
    }

    /// Whether a request is the put's to judge.
    pub(super) fn concerns(&self, id: u32, request: &Request) -> bool {
        self.is(id) || continues(request) || matches!(request, Request::PutBegin(_))
    }

    /// Whether a request belongs to a put that failed: it is answered already.
    pub(super) fn swallows(&mut self, id: u32, request: &Request) -> bool {
        let swallowed = matches!(self.state, State::Failed(failed) if failed == id) && continues(request);
        if swallowed && matches!(request, Request::PutEnd(()) | Request::PutAbort(())) {
            self.state = State::Idle;
        }
        swallowed
    }

    /// Answers a request with a failure; when it is the put's, that is its end.
    pub(super) fn refuse(&mut self, id: u32, failure: Failure) -> Result<(), Ended> {
        if self.is(id) {
            return self.fail(id, Some(failure));
        }
        self.line.writer.failure(id, failure).map_err(|_| Ended::Closed)
    }

    /// Answers a request its role may not make.
    pub(super) fn deny(&mut self, id: u32, request: &Request) -> Result<(), Ended> {
        self.refuse(id, refusal::not_permitted(request))?;
        if matches!(request, Request::PutBegin(_)) && !matches!(self.state, State::Open(..)) {
            self.state = State::Failed(id);
        }
        Ok(())
    }

    /// Takes a request that [`Self::concerns`] it.
    pub(super) fn take(&mut self, id: u32, request: &Request) -> Result<(), Ended> {
        if self.is(id) {
            let taken = self.go_on(id, request);
            self.settle(id, taken)?;
            self.swallows(id, request);
            return Ok(());
        }
        match (request, &self.state) {
            (Request::PutBegin(_), State::Idle | State::Failed(_)) => {
                self.line.shared.begin(id);
                self.state = State::Open(id, File::None);
                self.line.forward(id, request)
            }
            (Request::PutBegin(_), State::Open(..)) => self.refuse(
                id,
                refusal::out_of_order("a put begins before the last one ended"),
            ),
            _ => self.refuse(id, refusal::out_of_order("a put goes on that never began")),
        }
    }

    /// Takes a chunk of the file's bytes.
    pub(super) fn data(&mut self, id: u32, body: &[u8]) -> Result<(), Ended> {
        match self.state {
            State::Failed(failed) if failed == id => Ok(()),
            State::Open(open, _) if open == id => {
                let taken = self.store(id, body);
                self.settle(id, taken)
            }
            _ => self.refuse(id, refusal::out_of_order("data came for no file")),
        }
    }

    fn is(&self, id: u32) -> bool {
        matches!(self.state, State::Open(open, _) if open == id)
    }

    fn settle(&mut self, id: u32, taken: Result<(), Trouble>) -> Result<(), Ended> {
        match taken {
            Ok(()) => Ok(()),
            Err(Trouble::Fails(failure)) => self.fail(id, failure),
            Err(Trouble::Ends(ended)) => Err(ended),
        }
    }

    /// Ends the put: the client hears one failure, the vault undoes what it has.
    fn fail(&mut self, id: u32, failure: Option<Failure>) -> Result<(), Ended> {
        self.state = State::Failed(id); // closes the file
        if let Some(failure) = failure
            && self.line.shared.mute(id)
        {
            self.line.writer.failure(id, failure).map_err(|_| Ended::Closed)?;
        }
        self.line.forward(id, &Request::PutAbort(()))
    }

    fn go_on(&mut self, id: u32, request: &Request) -> Result<(), Trouble> {
        if self.line.shared.is_muted(id) {
            return Err(Trouble::Fails(None));
        }
        match request {
            Request::PutEntry(entry) if self.is_between_files() => {
                self.line.shared.forget_file();
                let file = if entry.kind == EntryKind::File.number() {
                    File::Asked {
                        size: entry.size,
                        named_before: entry.hard_link != 0,
                    }
                } else {
                    File::None
                };
                self.state = State::Open(id, file);
            }
            Request::PutEntry(_) => {
                return Err(refusal::out_of_order("an entry came before the last file ended").into());
            }
            Request::PutFileEnd(end) => {
                let (_, left, digest) = self.file(id)?;
                if *left != 0 {
                    return Err(refusal::out_of_order("a file ended before all its bytes came").into());
                }
                if digest.finalize_reset()[..] != end.sha256 {
                    return Err(refusal::bad_digest().into());
                }
                self.state = State::Open(id, File::None); // closes the file before the vault hears of it
            }
            Request::PutFileAbandon(()) => {
                self.file(id)?;
                self.state = State::Open(id, File::None);
            }
            Request::PutEnd(()) if !self.is_between_files() => {
                return Err(refusal::out_of_order("the put ended before its last file").into());
            }
            Request::PutEnd(()) | Request::PutAbort(()) => self.state = State::Idle,
            _ => return Err(refusal::out_of_order("a request has the id of a put that goes on").into()),
        }
        Ok(self.line.forward(id, request)?)
    }

    fn is_between_files(&self) -> bool {
        matches!(
            self.state,
            State::Open(
                _,
                File::None
                    | File::Asked {
                        named_before: true,
                        ..
                    }
            )
        )
    }

    fn store(&mut self, id: u32, body: &[u8]) -> Result<(), Trouble> {
        if self.line.shared.is_muted(id) {
            return Err(Trouble::Fails(None));
        }
        let Some((checksum, bytes)) = body.split_first_chunk::<DATA_HEADER_SIZE>() else {
            let failure = refusal::malformed(&"a data frame is shorter than its checksum");
            return Err(Trouble::Ends(failure.end(id)));
        };
        if crc32c::crc32c(bytes) != u32::from_be_bytes(*checksum) {
            return Err(refusal::bad_checksum().into());
        }
        let (file, left, digest) = self.file(id)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        *left = left
            .checked_sub(length)
            .ok_or_else(|| refusal::out_of_order("more bytes came than the file's entry says"))?;
        digest.update(bytes);
        write_all(file, bytes).map_err(|error| refusal::cannot_store(error).into())
    }

    /// The file whose bytes come, once the vault opened it.
    fn file(&mut self, id: u32) -> Result<(&OwnedFd, &mut u64, &mut Sha256), Trouble> {
        if let State::Open(_, File::Asked { size, .. }) = self.state {
            let file = self.line.shared.file(id, self.line.limits.vault)?;
            self.state = State::Open(
                id,
                File::Open {
                    file: file.ok_or(Trouble::Fails(None))?,
                    left: size,
                    digest: Sha256::new(),
                },
            );
        }
        match &mut self.state {
            State::Open(_, File::Open { file, left, digest }) => Ok((file, left, digest)),
            _ => Err(refusal::out_of_order("bytes or the end of a file came for no file").into()),
        }
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
