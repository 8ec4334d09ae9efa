//! Who is let in: the cap on connections, and the threads of each.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use seam::{Channel, ChannelError, Connection, OpenSession};

use crate::control::{self, Ended, refusal::End};
use crate::stream::split;

/// Enough for the deepest call of a connection: its buffers are on the heap.
const STACK: usize = 128 << 10;

/// What bounds a client.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; one more is refused.
    pub connections: usize,
    /// For the answer to the greeting, and again for the hello.
    pub silence: Duration,
    /// For the rest of a frame whose first byte arrived.
    pub frame: Duration,
    /// For a client to take anything of what is sent to it.
    pub stall: Duration,
    /// For the vault to open a session.
    pub opening: Duration,
    /// For the vault to answer a hello or open a file.
    pub vault: Duration,
    /// For a client to read why it was refused before the connection is closed on it.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Fewer than net carries: whoever is one too many is told so.
            connections: 60,
            silence: Duration::from_secs(10),
            frame: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            opening: Duration::from_secs(5),
            vault: Duration::from_secs(60),
            linger: Duration::from_secs(2),
        }
    }
}

/// Where sessions with the vault come from.
pub trait Sessions: Send + Sync + 'static {
    /// Asks the vault for a session; the door's end of its channel. Does not wait for the vault.
    fn open(&self, caller: &OpenSession) -> Result<Channel, ChannelError>;
}

impl<F> Sessions for F
where
    F: Fn(&OpenSession) -> Result<Channel, ChannelError> + Send + Sync + 'static,
{
    fn open(&self, caller: &OpenSession) -> Result<Channel, ChannelError> {
        self(caller)
    }
}

/// The control protocol's door: gives every connection its threads.
#[derive(Debug)]
pub struct Doors<S> {
    sessions: Arc<S>,
    limits: Limits,
    connected: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

/// Counts a thread as long as it lives, panics included.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < most).then_some(taken + 1)
            })
            .ok()
            .map(|_| Self(Arc::clone(count)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S: Sessions> Doors<S> {
    /// A door whose sessions come from there.
    pub fn new(sessions: S, limits: Limits) -> Self {
        Self {
            sessions: Arc::new(sessions),
            limits,
            connected: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// Connections served now.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Acquire)
    }

    /// Serves a connection in threads of its own; over the cap it is told so and closed.
    pub fn admit(&self, stream: OwnedFd, connection: Connection) {
        let limits = self.limits.clone();
        if let Some(seat) = Seat::take(&self.connected, limits.connections) {
            let sessions = Arc::clone(&self.sessions);
            spawn("connection", connection.peer, move || {
                let _seat = seat;
                let (read, write) = split(stream, limits.stall);
                let session = sessions.open(&OpenSession {
                    peer: Some(connection.peer),
                    door: "control".into(),
                });
                let ended = control::serve(read, write, session, &limits);
                tell(connection.peer, &ended);
            });
        } else if let Some(seat) = Seat::take(&self.refused, limits.connections) {
            spawn("refusal", connection.peer, move || {
                let _seat = seat;
                let (read, write) = split(stream, limits.linger);
                let why = control::refusal::too_many(limits.connections).end(0);
                let ended = control::turn_away(read, write, why, &limits);
                tell(connection.peer, &ended);
            });
        } // Nobody is left to tell even that: closing says it.
    }
}

fn spawn(name: &str, peer: SocketAddr, body: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name(name.into()).stack_size(STACK);
    if let Err(error) = thread.spawn(body) {
        eprintln!("{peer}: closed: no thread for it: {error}");
    }
}

/// Every end but the one the client chose is worth a line.
fn tell(peer: SocketAddr, ended: &Ended) {
    if !matches!(ended, Ended::Closed) {
        eprintln!("{peer}: {ended}");
    }
}
