//! The beginning of a connection: the greeting, its answer, the handshake, the hello.

use std::time::Instant;

use embedded_io::{ErrorKind, ErrorType, Read, ReadExactError, Write};
use noise::{Code, Established, Pattern, Reading, Secret, Writing};
use seam::Channel;
use seam::session::{self, Caller, Opened};
use wire::{
    Answer, CHANNEL_CLEAR, CHANNEL_NOISE, CHANNEL_PAIRING, DecodeError, Flags, Greeting, Hello, Request,
    VERSION,
};

use super::frames::Frames;
use super::refusal::{self, End};
use super::writer::Writer;
use super::{Ended, Limits};
use crate::{Half, ReadHalf};

/// Both halves, while they belong to one thread.
pub(super) struct Halves<R, W> {
    pub(super) read: Reading<R>,
    pub(super) write: Writing<W>,
}

impl<R: ReadHalf, W: Write + Half> Halves<R, W> {
    pub(super) fn new(read: R, write: W) -> Self {
        Self {
            read: Reading::new(read),
            write: Writing::new(write),
        }
    }

    /// Sends the greeting; a client that is gone is noticed when it is read from.
    pub(super) fn greet(&mut self, greeting: &Greeting) {
        let _ = self.write.write_all(&greeting.encode());
    }

    /// For the two threads.
    pub(super) fn split(self, limits: &Limits) -> (Frames<R>, Writer<W>) {
        (Frames::new(self.read, limits.frame), Writer::new(self.write))
    }

    /// The client's answer to the greeting, and the handshake it asked for.
    pub(super) fn agree(
        &mut self,
        greeting: &Greeting,
        opened: &Opened,
        session: &Channel,
        limits: &Limits,
    ) -> Result<Answer, Ended> {
        // One deadline for all of it: who sends a byte now and then gains nothing.
        self.read.set_deadline(Some(Instant::now() + limits.silence));
        let mut bytes = [0; 4];
        self.read.read_exact(&mut bytes).map_err(|error| match error {
            ReadExactError::UnexpectedEof => Ended::Closed,
            ReadExactError::Other(ErrorKind::TimedOut) => refusal::timed_out().end(0),
            ReadExactError::Other(kind) => Ended::Broken(kind),
        })?;
        let answer = Answer::decode(bytes);
        if answer.version != VERSION {
            return Err(refusal::bad_version(answer.version).end(0));
        }
        let paired = match answer.channel {
            CHANNEL_CLEAR if opened.plaintext => return Ok(answer),
            CHANNEL_CLEAR => return Err(refusal::key_needed().end(0)),
            CHANNEL_NOISE => false,
            CHANNEL_PAIRING => true,
            other => return Err(refusal::unknown_channel(other).end(0)),
        };
        let Some(secret) = opened.secret.map(Secret::new) else {
            return Err(refusal::no_key().end(0));
        };
        let code = match paired {
            true => Some(code(session, limits)?),
            false => None,
        };
        let pattern = code.as_ref().map_or(Pattern::Known, Pattern::Paired);
        let prologue = [&greeting.encode()[..], &bytes].concat();
        let Established { sealer, opener, peer } = noise::accept(self, &secret, &prologue, pattern)?;
        self.read.protect(opener);
        self.write.protect(sealer);
        let caller = Caller { key: peer.0, paired };
        session::send_caller(session, &caller).map_err(|_| Ended::vault_gone())?;
        Ok(answer)
    }
}

/// The code that a client has to know, from the vault.
fn code(session: &Channel, limits: &Limits) -> Result<Code, Ended> {
    let digits = match session::ask_code(session, limits.vault) {
        Ok(Some(digits)) => digits,
        Ok(None) => return Err(refusal::no_pairing().end(0)),
        Err(_) => return Err(Ended::vault_gone()),
    };
    let code = std::str::from_utf8(&digits)
        .ok()
        .and_then(|text| text.parse().ok());
    code.ok_or_else(Ended::vault_gone)
}

/// The client's hello, which must name the version it chose.
pub(super) fn hello<R: ReadHalf>(
    frames: &mut Frames<R>,
    answer: Answer,
    limits: &Limits,
) -> Result<(u32, Hello), Ended> {
    let (header, body) = frames.next(Some(Instant::now() + limits.silence))?;
    match Request::decode(header.kind, body) {
        Ok(Request::Hello(hello)) if hello.version == answer.version => Ok((header.id, hello)),
        Ok(Request::Hello(hello)) => Err(refusal::bad_version(hello.version).end(header.id)),
        Err(error @ (DecodeError::Malformed(_) | DecodeError::TrailingBytes(_))) => {
            Err(refusal::malformed(&error).end(header.id))
        }
        _ => Err(refusal::out_of_order("the first frame is not a hello").end(header.id)),
    }
}

/// What a client is told before it is asked anything.
pub(super) fn greeting(opened: &Opened) -> Greeting {
    let flag = |set: bool, flag: u16| if set { flag } else { 0 };
    let flags = flag(opened.held, Flags::BUSY) | flag(opened.plaintext, Flags::PLAINTEXT);
    Greeting::new(VERSION, Flags(flags), opened.box_id, &opened.name)
}

impl<R: ReadHalf, W: Write + Half> ErrorType for Halves<R, W> {
    type Error = ErrorKind;
}

impl<R: ReadHalf, W: Write + Half> Read for Halves<R, W> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        self.read.read(into)
    }
}

impl<R: ReadHalf, W: Write + Half> Write for Halves<R, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.write.write(bytes)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.write.flush()
    }
}
