//! One TCP socket and, once somebody called, the byte stream it has become for doors.
//!
//! Bytes go straight between the ring buffers of smoltcp and the stream. A full stream leaves bytes in
//! the receive buffer, so the TCP window closes; a full transmit buffer leaves bytes in the stream, so
//! the door waits.
//!
//! | on the wire | on the stream |
//! |---|---|
//! | FIN | the door reads the end, and may go on writing |
//! | FIN, after all bytes | the door has shut down its writing side, or closed the stream |
//! | RST, silence for [`SILENCE`] | end in both directions |
//! | what still comes is discarded, RST when nothing moves for [`LINGER`] | the door has closed the stream |

use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use seam::{Channel, Connection};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};

/// Bytes of each of a socket's two buffers: what a gigabit carries in 2 ms.
pub const BUFFER_SIZE: usize = 256 << 10;

/// A caller who does not finish the handshake in this time is forgotten.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// An idle caller is asked this often whether he is still there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A caller who says nothing for so long, keep-alives notwithstanding, is gone.
pub const SILENCE: Duration = Duration::from_secs(60);

/// A caller who fetches nothing for so long after the door closed the stream is cut off.
pub const LINGER: Duration = Duration::from_secs(10);

/// A socket that listens on the port.
///
/// Its buffers take no memory until bytes arrive, see [`crate::sys::map_large_buffers`].
pub(crate) fn listener(port: u16) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; BUFFER_SIZE]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_timeout(Some(HANDSHAKE));
    socket.set_nagle_enabled(false); // the doors write whole frames
    socket.set_ack_delay(None); // one acknowledgement for each batch of frames is few enough
    socket.set_congestion_control(CongestionControl::Cubic);
    if socket.listen(port).is_err() {
        socket.abort(); // port 0; then nobody can call
    }
    socket
}

/// What a socket of the pool is doing.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It waits for a caller, or, when that is true, for the end of his handshake.
    Listening(bool),
    /// A door serves the caller.
    Served(Stream),
    /// The stream is closed; the socket says goodbye.
    Parting {
        /// Until then at most.
        until: Instant,
        /// Bytes the caller has not fetched: while they become fewer there is more time.
        left: usize,
    },
    /// All is over; the socket can be replaced with a new one.
    Over,
}

/// Net's end of the byte stream.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: OwnedFd,
    /// Reading may yield something.
    readable: bool,
    /// Writing may take something.
    writable: bool,
    /// The door closed its end altogether.
    hung_up: bool,
    /// The door will write no more.
    ended: bool,
    /// The door will read no more.
    deaf: bool,
    /// The door was told that no more comes.
    shut: bool,
    /// What was left in a socket that is over, while the door has not read it.
    rest: Vec<u8>,
}

impl Phase {
    /// Takes note of what epoll reports about the stream.
    pub(crate) fn note(&mut self, events: EventFlags) {
        if let Phase::Served(stream) = self {
            stream.readable |= events.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP);
            stream.writable |= events.contains(EventFlags::OUT);
            stream.hung_up |= events.intersects(EventFlags::HUP | EventFlags::ERR);
        }
    }

    /// Does what can be done now; `key` names the stream in `epoll`.
    pub(crate) fn advance(
        &mut self,
        socket: &mut Socket<'_>,
        now: Instant,
        doors: &Channel,
        epoll: &OwnedFd,
        key: u64,
    ) {
        match self {
            Phase::Listening(called) => match socket.state() {
                // The caller thought better of it; smoltcp then keeps some of what he had announced.
                State::Listen if *called => *self = Phase::Over,
                State::Listen => {}
                State::SynReceived => *called = true,
                State::Closed => *self = Phase::Parting { until: now, left: 0 },
                _ => *self = accept(socket, now, doors, epoll, key),
            },
            Phase::Served(stream) => {
                if stream.advance(socket) {
                    *self = Phase::Parting {
                        until: now + LINGER,
                        left: socket.send_queue(),
                    };
                }
            }
            Phase::Parting { until, left } => {
                discard(socket);
                if socket.send_queue() < *left {
                    (*until, *left) = (now + LINGER, socket.send_queue());
                }
                match socket.state() {
                    State::Closed if socket.remote_endpoint().is_none() => *self = Phase::Over,
                    State::Closed | State::TimeWait if now >= *until => *self = Phase::Over,
                    State::Closed | State::TimeWait => {}
                    _ if now >= *until => {
                        socket.abort();
                        *until = now + Duration::from_secs(1); // for the RST to find its way
                    }
                    _ => {}
                }
            }
            Phase::Over => {}
        }
    }

    /// When [`advance`](Self::advance) has something to do even though nothing happened.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Phase::Parting { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// Nobody reads these bytes any more, but a closed window would keep the caller's FIN away.
fn discard(socket: &mut Socket<'_>) {
    while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
}

/// Hands a new caller to doors, or resets the connection when doors cannot take it.
fn accept(socket: &mut Socket<'_>, now: Instant, doors: &Channel, epoll: &OwnedFd, key: u64) -> Phase {
    socket.set_timeout(Some(SILENCE));
    socket.set_keep_alive(Some(KEEP_ALIVE));
    match Stream::open(socket, doors, epoll, key) {
        Some(stream) => Phase::Served(stream),
        None => {
            socket.abort();
            Phase::Parting {
                until: now + Duration::from_secs(1),
                left: 0,
            }
        }
    }
}

impl Stream {
    /// `None` when doors is full or gone, or this process has no descriptors left.
    fn open(socket: &Socket<'_>, doors: &Channel, epoll: &OwnedFd, key: u64) -> Option<Self> {
        let (peer, port) = (socket.remote_endpoint()?.into(), socket.local_endpoint()?.port);
        let kind = SocketType::STREAM;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).ok()?;
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(epoll, &ours, epoll::EventData::new_u64(key), events).ok()?;
        doors
            .try_send(&Connection { peer, port }, &[std::os::fd::AsFd::as_fd(&theirs)])
            .ok()?;
        Some(Self {
            socket: ours,
            readable: true,
            writable: true,
            hung_up: false,
            ended: false,
            deaf: false,
            shut: false,
            rest: Vec::new(),
        })
    }

    /// Moves what can be moved both ways; returns whether the stream is done with.
    fn advance(&mut self, socket: &mut Socket<'_>) -> bool {
        self.pull(socket);
        self.push(socket);
        if self.ended {
            socket.close(); // the FIN follows the last byte
        }
        let over = matches!(socket.state(), State::Closed | State::TimeWait);
        if over && self.ended {
            // Both ends came in order, so all bytes are here; smoltcp forgets them with the TIME-WAIT.
            while let Ok(bytes) = socket.recv(|bytes| (bytes.len(), bytes.to_vec())) {
                self.rest.extend(bytes);
            }
            return self.deaf || self.rest.is_empty();
        }
        // Reset or silence ends the stream at once; so does a door that has closed it, all read.
        over || (self.ended && (self.deaf || self.hung_up))
    }

    /// From the door to the caller.
    fn pull(&mut self, socket: &mut Socket<'_>) {
        while self.readable && !self.ended && socket.can_send() {
            let received = socket.send(|space| {
                let received = rustix::net::recv(&self.socket, space, RecvFlags::DONTWAIT);
                let received = received.map(|(count, _)| count);
                (received.unwrap_or(0), received)
            });
            match received {
                Ok(Ok(0)) => self.ended = true,
                Ok(Ok(_) | Err(Errno::INTR)) => {}
                Ok(Err(Errno::AGAIN)) => self.readable = false,
                // The door is gone, and has left bytes unread.
                Ok(Err(_)) => (self.ended, self.deaf) = (true, true),
                Err(_) => break,
            }
        }
    }

    /// From the caller to the door.
    fn push(&mut self, socket: &mut Socket<'_>) {
        while self.writable && !self.deaf && (socket.can_recv() || !self.rest.is_empty()) {
            let sent = if self.rest.is_empty() {
                socket.recv(|bytes| {
                    let sent = self.send(bytes);
                    (sent.unwrap_or(0), sent)
                })
            } else {
                let sent = self.send(&self.rest);
                self.rest.drain(..sent.unwrap_or(0));
                Ok(sent)
            };
            match sent {
                Ok(Ok(_) | Err(Errno::INTR)) => {}
                Ok(Err(Errno::AGAIN)) => self.writable = false,
                Ok(Err(_)) => self.deaf = true,
                Err(_) => break,
            }
        }
        if self.deaf {
            discard(socket);
        }
        if !socket.may_recv() && self.rest.is_empty() && !self.shut {
            self.shut = true;
            // It fails only when the door is gone, which the next transfer shows.
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::net::send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
    }
}
