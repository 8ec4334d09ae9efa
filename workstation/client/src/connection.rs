//! One session with one box.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::{SockRef, TcpKeepalive};
use wire::{
    Answer, Burn, ByteString, CHANNEL_CLEAR, Disc, DriveRequest, Drives, Entry, Flags, GREETING_SIZE,
    Greeting, GreetingError, Hello, Job, JobEnded, JobProgress, List, MAGIC, Reply, Request, Role, Source,
    Status, Time, VERSION, Verify, WatchJob, Welcome,
};

use crate::Error;
use crate::stream::{Incoming, Receiver, Sender, lost};

/// How long a connection may be quiet before the other end is probed, and again between probes.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How to open a session.
#[derive(Clone, Debug)]
pub struct Options {
    /// The role asked for.
    pub role: Role,
    /// The program and version, for the box's journal.
    pub program: String,
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
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(120),
        }
    }
}

/// What the box said when the session began.
#[derive(Clone, Debug)]
pub struct Session {
    greeting: Greeting,
    welcome: Welcome,
}

impl Session {
    /// The box's name.
    pub fn name(&self) -> &str {
        self.greeting.name()
    }

    /// The box, for ever.
    pub fn box_id(&self) -> [u8; 16] {
        self.greeting.box_id
    }

    /// Whether another session held the box when this one began.
    pub fn busy(&self) -> bool {
        self.greeting.flags.has(Flags::BUSY)
    }

    /// The box's answer to the hello.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }
}

/// One session with one box.
pub struct Connection {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    session: Session,
    last_id: u32,
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
fn greeting(receiver: &mut Receiver, address: &str) -> Result<Greeting, Error> {
    let silent = |error| match error {
        Error::Lost(error) => Error::NoGreeting {
            address: address.into(),
            error,
        },
        other => other,
    };
    let mut bytes = [0; GREETING_SIZE];
    let (magic, rest) = bytes.split_at_mut(MAGIC.len());
    receiver.fill(magic).map_err(silent)?;
    if magic != MAGIC {
        return Err(GreetingError::NotABox.into());
    }
    receiver.fill(rest).map_err(silent)?;
    Ok(Greeting::decode(&bytes)?)
}

impl Connection {
    /// Connects to `HOST[:PORT]`, agrees on a version and says hello.
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
        let mut sender = Sender::new(stream.try_clone().map_err(failed)?);
        let mut receiver = Receiver::new(stream);

        let greeting = greeting(&mut receiver, address)?;
        receiver.set_limit(options.silence_timeout).map_err(lost)?;
        if greeting.version < VERSION {
            return Err(Error::TooOld(greeting.version));
        }
        if !greeting.flags.has(Flags::PLAINTEXT) {
            return Err(Error::KeyNeeded);
        }
        let answer = Answer {
            version: VERSION,
            channel: CHANNEL_CLEAR,
        };
        sender.raw(&answer.encode()).map_err(lost)?;
        let hello = Hello {
            version: VERSION,
            role: options.role.number(),
            utc: now(),
            program: options.program.clone(),
        };
        sender.request(1, &Request::Hello(hello)).map_err(lost)?;
        sender.flush().map_err(lost)?;
        match receiver.next()? {
            Incoming::Reply(_, Reply::Welcome(welcome)) => Ok(Self {
                sender,
                receiver,
                session: Session { greeting, welcome },
                last_id: 1,
            }),
            Incoming::Reply(_, Reply::Failure(failure)) => Err(Error::Box(failure)),
            Incoming::Reply(_, other) => Err(unexpected(&other)),
            Incoming::Data(_) => Err(Error::Unexpected("data".into())),
        }
    }

    /// What the box said when the session began.
    pub fn welcome(&self) -> &Session {
        &self.session
    }

    /// Asks the box for a sign of life.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.done(&Request::Ping(()))
    }

    /// How is the box?
    pub fn status(&mut self) -> Result<Status, Error> {
        match self.ask(&Request::Status(()))? {
            Reply::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// Which drives does it have?
    pub fn drives(&mut self) -> Result<Drives, Error> {
        match self.ask(&Request::Drives(()))? {
            Reply::Drives(drives) => Ok(drives),
            other => Err(unexpected(&other)),
        }
    }

    /// Which disc is in the drive?
    pub fn disc(&mut self, drive: u32) -> Result<Disc, Error> {
        match self.ask(&Request::Disc(DriveRequest { drive }))? {
            Reply::Disc(disc) => Ok(disc),
            other => Err(unexpected(&other)),
        }
    }

    /// Opens the tray.
    pub fn eject(&mut self, drive: u32) -> Result<(), Error> {
        self.done(&Request::Eject(DriveRequest { drive }))
    }

    /// Closes the tray.
    pub fn load(&mut self, drive: u32) -> Result<(), Error> {
        self.done(&Request::Load(DriveRequest { drive }))
    }

    /// Switches the box off.
    pub fn power_off(&mut self) -> Result<(), Error> {
        self.done(&Request::PowerOff(()))
    }

    /// Which jobs does it remember? Newest first.
    pub fn jobs(&mut self) -> Result<Vec<Job>, Error> {
        match self.ask(&Request::Jobs(()))? {
            Reply::Jobs(jobs) => Ok(jobs.jobs),
            other => Err(unexpected(&other)),
        }
    }

    /// Lists entries at and below a path; they are handed over as they come. Returns their number.
    pub fn list(
        &mut self,
        source: Source,
        path: &[u8],
        depth: u32,
        mut each: impl FnMut(Entry),
    ) -> Result<u64, Error> {
        let request = Request::List(List {
            source,
            path: ByteString::from(path),
            depth,
        });
        let id = self.send(&request)?;
        loop {
            match self.reply(id)? {
                Reply::ListEntries(some) => some.entries.into_iter().for_each(&mut each),
                Reply::ListEnd(end) => return Ok(end.count),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Burns a tree and follows the job to its end. Losing the connection does not end the job.
    pub fn burn(&mut self, burn: Burn, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Burn(burn), progress)
    }

    /// Verifies the disc in a drive and follows the job to its end.
    pub fn verify(&mut self, drive: u32, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Verify(Verify { drive }), progress)
    }

    /// Follows a job started earlier to its end.
    pub fn watch(&mut self, job: u64, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::WatchJob(WatchJob { job }), progress)
    }

    fn job(&mut self, request: &Request, mut progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        let id = self.send(request)?;
        loop {
            match self.reply(id)? {
                Reply::JobStarted(_) => {}
                Reply::JobProgress(now) => progress(&now),
                Reply::JobEnded(ended) => return Ok(ended),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Sends a request and returns its id.
    pub(crate) fn send(&mut self, request: &Request) -> Result<u32, Error> {
        self.last_id = self.last_id.wrapping_add(1);
        self.sender.request(self.last_id, request).map_err(lost)?;
        self.sender.flush().map_err(lost)?;
        Ok(self.last_id)
    }

    /// Waits for the next message of a request.
    pub(crate) fn reply(&mut self, id: u32) -> Result<Reply, Error> {
        match self.incoming(id)? {
            Some(reply) => Ok(reply),
            None => Err(Error::Unexpected("data".into())),
        }
    }

    /// Waits for the next message or chunk (`None`) of a request; a failure is an error.
    pub(crate) fn incoming(&mut self, id: u32) -> Result<Option<Reply>, Error> {
        loop {
            match self.receiver.next()? {
                // Request id 0 is the box's own: it says why it ends the session.
                Incoming::Reply(to, Reply::Failure(failure)) if to == id || to == 0 => {
                    return Err(Error::Box(failure));
                }
                Incoming::Reply(to, reply) if to == id => return Ok(Some(reply)),
                Incoming::Data(to) if to == id => return Ok(None),
                // The tail of an earlier request that was given up.
                Incoming::Reply(..) | Incoming::Data(_) => {}
            }
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, Error> {
        let id = self.send(request)?;
        self.reply(id)
    }

    fn done(&mut self, request: &Request) -> Result<(), Error> {
        match self.ask(request)? {
            Reply::Done(()) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

pub(crate) fn unexpected(reply: &Reply) -> Error {
    Error::Unexpected(format!("{reply:?}"))
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
