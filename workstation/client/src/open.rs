//! Opening a session: connect, take the greeting, shake hands, say hello.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use noise::{Code, Established, Pattern, Public, Secret};
use socket2::{SockRef, TcpKeepalive};
use wire::frame::{HEADER_SIZE, Header};
use wire::{
    Answer, CHANNEL_CLEAR, CHANNEL_NOISE, CHANNEL_PAIRING, Flags, GREETING_SIZE, Greeting, GreetingError,
    Hello, MAGIC, Reply, Request, Role, Time, VERSION,
};

use crate::connection::{Connection, Session};
use crate::stream::{Incoming, Receiver, Sender, lost};
use crate::{Error, socket};

/// How long a connection may be quiet before the other end is probed, and again between probes.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How to open a session.
#[derive(Clone, Debug)]
pub struct Options {
    /// The role asked for.
    pub role: Role,
    /// The program and version, for the box's journal.
    pub program: String,
    /// This workstation's key; without one it can only speak in the clear.
    pub identity: Option<Secret>,
    /// The box's key as it is known from pairing: no other box will do, and nothing is said in the clear.
    pub box_key: Option<Public>,
    /// The code to pair with; the box then keeps this workstation's key.
    pub code: Option<Code>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the box may be silent while an answer is due. Progress of long work counts as a sign of
    /// life; a box that is cut off is noticed after this.
    pub silence_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            role: Role::Admin,
            program: concat!("spindle-client ", env!("CARGO_PKG_VERSION")).into(),
            identity: None,
            box_key: None,
            code: None,
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(120),
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
        nanoseconds: since.subsec_nanos(),
    }
}

/// Host and port of `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a bare IPv6 address.
fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !address.starts_with('[') => (address, None),
        Some((_, port)) if port.ends_with(']') => (address, None),
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None => host,
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => wire::PORT,
    };
    (!host.is_empty()).then_some((host, port))
}

fn connect(address: &str, limit: Duration) -> io::Result<TcpStream> {
    let (host, port) = host_and_port(address)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not HOST or HOST:PORT"))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The box's greeting; what answers otherwise is told from a box by its first bytes.
fn greeting(read: &mut socket::ReadHalf, address: &str) -> Result<Greeting, Error> {
    let silent = |error| match error {
        Error::Lost(error) => Error::NoGreeting {
            address: address.into(),
            error,
        },
        other => other,
    };
    let mut bytes = [0; GREETING_SIZE];
    let (magic, rest) = bytes.split_at_mut(MAGIC.len());
    fill(read, magic).map_err(silent)?;
    if magic != MAGIC {
        return Err(GreetingError::NotABox.into());
    }
    fill(read, rest).map_err(silent)?;
    Ok(Greeting::decode(&bytes)?)
}

fn fill(read: &mut socket::ReadHalf, bytes: &mut [u8]) -> Result<(), Error> {
    io::Read::read_exact(read, bytes).map_err(lost)
}

/// How the frames will travel.
enum Way<'a> {
    Clear,
    Known(&'a Secret, Public),
    Paired(&'a Secret, &'a Code),
}

impl Options {
    /// The way these options leave with a box of that greeting. A box whose key is known is never spoken to in the
    /// clear: whatever the greeting says may come from somebody on the way.
    fn way(&self, greeting: &Greeting) -> Result<Way<'_>, Error> {
        match (&self.identity, &self.code, self.box_key) {
            (Some(identity), Some(code), _) => Ok(Way::Paired(identity, code)),
            (Some(identity), None, Some(key)) => Ok(Way::Known(identity, key)),
            (None, _, Some(_)) | (None, Some(_), None) => Err(Error::NoIdentity),
            (_, None, None) if greeting.flags.has(Flags::PLAINTEXT) => Ok(Way::Clear),
            (_, None, None) => Err(Error::KeyNeeded),
        }
    }
}

impl Connection {
    /// Connects to `HOST[:PORT]`, agrees on a version and a channel, and says hello.
    pub fn open(address: &str, options: &Options) -> Result<Self, Error> {
        let failed = |error| Error::Connect {
            address: address.into(),
            error,
        };
        let stream = connect(address, options.connect_timeout).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        // A box that was restarted answers the probe with a reset; without one we would wait in silence.
        let probes = TcpKeepalive::new()
            .with_time(KEEP_ALIVE)
            .with_interval(KEEP_ALIVE);
        SockRef::from(&stream)
            .set_tcp_keepalive(&probes)
            .map_err(failed)?;
        // Whatever else may answer there: a box greets at once.
        stream
            .set_read_timeout(Some(options.connect_timeout))
            .map_err(failed)?;
        stream
            .set_write_timeout(Some(options.silence_timeout))
            .map_err(failed)?;
        let (mut read, mut write) = socket::split(stream).map_err(failed)?;
        let greeting = greeting(&mut read, address)?;
        read.set_limit(options.silence_timeout).map_err(lost)?;
        if greeting.version < VERSION {
            return Err(Error::TooOld(greeting.version));
        }
        let way = options.way(&greeting)?;
        let answer = Answer {
            version: VERSION,
            channel: match way {
                Way::Clear => CHANNEL_CLEAR,
                Way::Known(..) => CHANNEL_NOISE,
                Way::Paired(..) => CHANNEL_PAIRING,
            },
        };
        io::Write::write_all(&mut write, &answer.encode()).map_err(lost)?;
        let prologue = [&greeting.encode()[..], &answer.encode()].concat();
        let mut shake = |identity, pattern| {
            let mut halves = socket::Halves(&mut read, &mut write);
            match noise::connect(&mut halves, identity, &prologue, pattern) {
                Err(noise::Error::Refused) => Err(refusal(halves.0)),
                met => met.map_err(Error::Handshake),
            }
        };
        let established = match way {
            Way::Clear => None,
            Way::Known(identity, key) => Some(known(shake(identity, Pattern::Known)?, key)?),
            Way::Paired(identity, code) => Some(shake(identity, Pattern::Paired(code)).map_err(wrong_code)?),
        };
        let box_key = established.as_ref().map(|established| established.peer);
        if let Some(Established { sealer, opener, .. }) = established {
            read.protect(opener);
            write.protect(sealer);
        }
        let (mut sender, mut receiver) = (Sender::new(write), Receiver::new(read));
        let hello = Hello {
            version: VERSION,
            role: options.role.number(),
            utc: now(),
            program: options.program.clone(),
        };
        sender.request(1, &Request::Hello(hello)).map_err(lost)?;
        sender.flush().map_err(lost)?;
        let welcome = match receiver.next() {
            // A box that was told the wrong code cannot say so: it has no key to say it with.
            Err(error) if matches!(way, Way::Paired(..)) => return Err(wrong_code(error)),
            other => other?,
        };
        match welcome {
            Incoming::Reply(_, Reply::Welcome(welcome)) => Ok(Self {
                sender,
                receiver,
                session: Session {
                    greeting,
                    welcome,
                    box_key,
                },
                last_id: 1,
            }),
            Incoming::Reply(_, Reply::Failure(failure)) => Err(Error::Box(failure)),
            Incoming::Reply(_, other) => Err(crate::connection::unexpected(&other)),
            Incoming::Data(_) => Err(Error::Unexpected("data".into())),
        }
    }
}

/// The box must be the one it was when this workstation was paired with it.
fn known(established: Established, key: Public) -> Result<Established, Error> {
    match established.peer {
        peer if peer == key => Ok(established),
        peer => Err(Error::AnotherBox {
            known: key,
            found: peer,
        }),
    }
}

/// Why the box does not shake hands: it says so in the clear, in a frame whose first two bytes were taken for an
/// empty record.
fn refusal(read: &mut socket::ReadHalf) -> Error {
    let mut header = [0; HEADER_SIZE];
    let (_, rest) = header.split_at_mut(2);
    let told = fill(read, rest).and_then(|()| {
        let header = Header::decode(header).map_err(|_| Error::Handshake(noise::Error::Handshake))?;
        let mut body = vec![0; header.body];
        fill(read, &mut body)?;
        Ok(Reply::decode(header.kind, &body)?)
    });
    match told {
        Ok(Reply::Failure(failure)) => Error::Box(failure),
        _ => Error::Handshake(noise::Error::Refused),
    }
}

/// What the end of a connection means while pairing.
fn wrong_code(error: Error) -> Error {
    match error {
        Error::Handshake(noise::Error::Broken(_)) | Error::Protocol(_) => error,
        Error::Handshake(_) => Error::WrongCode,
        Error::Lost(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::InvalidData
            ) =>
        {
            Error::WrongCode
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn addresses_are_understood_or_refused() {
        for (address, expected) in [
            ("box", Some(("box", 2352))),
            ("192.0.2.7:99", Some(("192.0.2.7", 99))),
            ("::1", Some(("::1", 2352))),
            ("fe80::1:99", Some(("fe80::1:99", 2352))),
            ("[::1]", Some(("::1", 2352))),
            ("[::1]:99", Some(("::1", 99))),
            ("", None),
            (":99", None),
            ("box:", None),
            ("box:0", None),
            ("box:99999", None),
            ("box:http", None),
            ("[::1", None),
        ] {
            assert_eq!(host_and_port(address), expected, "{address}");
        }
    }
}
