//! The control protocol's server for one connection.

mod frames;
mod opening;
mod put;
pub(crate) mod refusal;
mod replies;
mod shared;
mod writer;

use std::convert::Infallible;
use std::thread;
use std::time::Instant;

use embedded_io::Write;
use rustix::net::Shutdown;
use seam::session::{self, Opened};
use seam::{Channel, ChannelError};
use wire::frame::DATA;
use wire::{DecodeError, Flags, Greeting, Hello, Request, VERSION};

use crate::{Half, Limits, ReadHalf};
use frames::Frames;
use opening::Halves;
use put::Put;
use refusal::End;
pub use refusal::Refusal;
use replies::Replies;
use shared::{Gone, Shared};
use writer::Writer;

/// The stack of a connection's second thread: its buffers are on the heap.
const STACK: usize = 128 << 10;

/// Why a connection ended.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// the client closed the connection, or took nothing of what it was sent
    Closed,
    /// the connection broke: {0:?}
    Broken(embedded_io::ErrorKind),
    /// the box closed the connection: {0}
    Refused(Box<Refusal>),
    /// the client speaks for nobody this box can trust: {0}
    Unsafe(#[from] noise::Error),
    /// the box has no thread for the connection: {0}
    NoThread(std::io::Error),
}

impl Ended {
    /// Whether the vault's death closed the connection.
    fn vault_gone() -> Self {
        refusal::unavailable().end(0)
    }
}

/// What the two threads of a connection work with.
struct Line<'a, W> {
    session: &'a Channel,
    writer: &'a Writer<W>,
    shared: &'a Shared,
    limits: &'a Limits,
}

impl<W: Write + Half> Line<'_, W> {
    /// Passes a request on to the vault.
    fn forward(&self, id: u32, request: &Request) -> Result<(), Ended> {
        session::send_request(self.session, id, request).map_err(|_| match self.shared.gone() {
            Some(Gone::Client) => Ended::Closed,
            _ => Ended::vault_gone(),
        })
    }

    /// Ends the vault's session, and all waiting for it.
    fn hang_up(&self) {
        // An error means that it ended already.
        let _ = rustix::net::shutdown(self.session, Shutdown::Both);
    }
}

/// Ends the vault's session when the client's thread ends, by a panic even: that ends its other thread.
struct HangUp<'a, W: Write + Half>(&'a Line<'a, W>);

impl<W: Write + Half> Drop for HangUp<'_, W> {
    fn drop(&mut self) {
        self.0.hang_up();
    }
}

/// Serves one connection to its end: greets, shakes hands where the client asks for it, and takes its frames from
/// then on; `session` is the door's end of a channel on which the vault will
/// say [`Opened`], or why there is none.
pub fn serve<R, W>(read: R, write: W, session: Result<Channel, ChannelError>, limits: &Limits) -> Ended
where
    R: ReadHalf,
    W: Write + Half + Send,
{
    let opened = session.and_then(|session| {
        let (opened, _) = session.receive_within::<Opened>(limits.opening)?;
        Ok((session, opened))
    });
    let Ok((session, opened)) = opened else {
        return turn_away(read, write, Ended::vault_gone(), limits);
    };
    let mut halves = Halves::new(read, write);
    let greeting = opening::greeting(&opened);
    halves.greet(&greeting);
    let agreed = halves.agree(&greeting, &opened, &session, limits);
    let (mut frames, writer) = halves.split(limits);
    match agreed.and_then(|answer| opening::hello(&mut frames, answer, limits)) {
        Ok((id, hello)) => converse(frames, &writer, &session, limits, id, hello),
        Err(ended) => part(frames, &writer, ended, limits),
    }
}

/// Greets without a name, says why that was all, and closes.
pub fn turn_away<R, W>(read: R, write: W, why: Ended, limits: &Limits) -> Ended
where
    R: ReadHalf,
    W: Write + Half,
{
    let mut halves = Halves::new(read, write);
    // Every client knows this greeting, and waits for the frame behind it whatever it wants to say.
    halves.greet(&Greeting::new(VERSION, Flags(Flags::PLAINTEXT), [0; 16], ""));
    let (frames, writer) = halves.split(limits);
    part(frames, &writer, why, limits)
}

/// Runs both threads until either ends.
fn converse<R, W>(
    mut frames: Frames<R>,
    writer: &Writer<W>,
    session: &Channel,
    limits: &Limits,
    id: u32,
    hello: Hello,
) -> Ended
where
    R: ReadHalf,
    W: Write + Half + Send,
{
    let shared = Shared::default();
    let line = Line {
        session,
        writer,
        shared: &shared,
        limits,
    };
    thread::scope(|scope| {
        let replies = Replies::new(&line);
        let thread = thread::Builder::new().name("replies".into()).stack_size(STACK);
        if let Err(error) = thread.spawn_scoped(scope, || replies.pass_on()) {
            return part(frames, writer, Ended::NoThread(error), limits);
        }
        let _session = HangUp(&line);
        let Err(mut ended) = requests(&mut frames, &line, id, hello);
        if matches!(ended, Ended::Closed | Ended::Broken(_)) && shared.gone() == Some(Gone::Vault) {
            ended = Ended::vault_gone();
        }
        part(frames, writer, ended, limits)
    })
}

/// Takes the client's frames until the connection has to end.
fn requests<R, W>(
    frames: &mut Frames<R>,
    line: &Line<'_, W>,
    id: u32,
    hello: Hello,
) -> Result<Infallible, Ended>
where
    R: ReadHalf,
    W: Write + Half,
{
    line.forward(id, &Request::Hello(hello))?;
    let granted = line.shared.granted(line.limits.vault)?;
    let mut put = Put::new(line);
    loop {
        let (header, body) = frames.next(None)?;
        if header.kind == DATA {
            put.data(header.id, body)?;
            continue;
        }
        let request = match Request::decode(header.kind, body) {
            Ok(request) => request,
            Err(DecodeError::UnknownKind(kind)) => {
                put.refuse(header.id, refusal::unknown_kind(kind))?;
                continue;
            }
            Err(error) => return Err(refusal::malformed(&error).end(header.id)),
        };
        if put.swallows(header.id, &request) {
            continue;
        }
        if request.needs().number() > granted {
            put.deny(header.id, &request)?;
            continue;
        }
        if put.concerns(header.id, &request) {
            put.take(header.id, &request)?;
        } else if let Request::Hello(_) = request {
            put.refuse(header.id, refusal::out_of_order("a hello comes once"))?;
        } else {
            line.shared.unmute(header.id);
            line.forward(header.id, &request)?;
        }
    }
}

/// The last words, and time for the client to read them: closing a socket with unread bytes in it would
/// take them away again.
fn part<R, W>(mut frames: Frames<R>, writer: &Writer<W>, ended: Ended, limits: &Limits) -> Ended
where
    R: ReadHalf,
    W: Write + Half,
{
    if let Ended::Refused(refusal) = &ended {
        writer.last(refusal.id, &refusal.failure);
        frames.half().finish();
        frames.discard(Instant::now() + limits.linger);
    }
    frames.half().hang_up(); // first: it ends a write that waits for the client
    writer.close();
    ended
}
