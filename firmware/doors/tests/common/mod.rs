//! A client and a vault for the tests of the control door.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use doors::{Doors, Limits};
use seam::session::{self, FromDoor, Opened};
use seam::{Channel, ChannelError, Connection, OpenSession};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wire::frame::{self, DATA, HEADER_SIZE, Header};
use wire::{
    Answer, CHANNEL_CLEAR, Entry, EntryKind, Failure, FailureCode, GREETING_SIZE, Get, GetEnd, GetFile,
    Greeting, Hello, JobEnded, JobProgress, ListEnd, ListEntries, PutBegin, PutDone, PutFileEnd, PutReady,
    Reply, Request, Role, Time, VERSION, Welcome,
};

pub const BOX_ID: [u8; 16] = *b"0123456789abcdef";

/// A vault that keeps files in a directory and tells what it was asked.
pub struct FakeVault {
    directory: TempDir,
    asked: Sender<(u32, Request)>,
}

impl FakeVault {
    /// Serves one session on a thread of its own.
    fn session(&self, channel: Channel) {
        let (directory, asked) = (self.directory.path().to_owned(), self.asked.clone());
        thread::spawn(move || {
            let opened = Opened {
                session: 1,
                box_id: BOX_ID,
                name: "test box".into(),
                held: false,
                plaintext: true,
                secret: None,
            };
            if channel.send(&opened, &[]).is_ok() {
                Session::new(channel, directory, asked).serve();
            }
        });
    }
}

struct Session {
    channel: Channel,
    directory: PathBuf,
    asked: Sender<(u32, Request)>,
    links: HashSet<u64>,
    files: u64,
    failed: bool,
}

impl Session {
    fn new(channel: Channel, directory: PathBuf, asked: Sender<(u32, Request)>) -> Self {
        Self {
            channel,
            directory,
            asked,
            links: HashSet::new(),
            files: 0,
            failed: false,
        }
    }

    fn reply(&self, id: u32, reply: &Reply) {
        let _ = session::send_reply(&self.channel, id, reply, None, true);
    }

    fn serve(mut self) {
        while let Ok(FromDoor::Request(id, request)) = session::receive_request(&self.channel) {
            let _ = self.asked.send((id, request.clone()));
            match request {
                Request::Hello(hello) => self.reply(
                    id,
                    &Reply::Welcome(Welcome {
                        session: 1,
                        role: hello.role,
                        utc_before: Time::default(),
                        utc: hello.utc,
                    }),
                ),
                Request::PutBegin(_) => {
                    self.failed = false;
                    self.reply(id, &Reply::PutReady(PutReady { tree: 1 }));
                }
                Request::PutEntry(_) | Request::PutFileEnd(_) if self.failed => {}
                Request::PutEntry(entry) if entry.path.as_bytes().starts_with(b"..") => {
                    self.failed = true;
                    self.reply(id, &Reply::Failure(failure(FailureCode::BadPath)));
                }
                Request::PutEntry(entry) => self.entry(id, &entry),
                Request::PutEnd(()) => {
                    let (files, bytes) = (self.files, 0);
                    self.reply(
                        id,
                        &Reply::PutDone(PutDone {
                            tree: 1,
                            files,
                            bytes,
                        }),
                    );
                }
                Request::PutAbort(()) | Request::Ping(()) => self.reply(id, &Reply::Done(())),
                Request::List(_) => {
                    for path in ["a", "b"] {
                        let entries = vec![entry(path, 0)];
                        self.reply(id, &Reply::ListEntries(ListEntries { entries }));
                    }
                    self.reply(id, &Reply::ListEnd(ListEnd { count: 2 }));
                }
                Request::Get(get) => self.get(id, &get),
                Request::WatchJob(watch) => {
                    for done in [1, 2] {
                        let progress = JobProgress {
                            job: watch.job,
                            phase: wire::Phase::Writing.label(),
                            done,
                            total: 2,
                            rate: 0,
                            buffer: 255,
                        };
                        self.reply(id, &Reply::JobProgress(progress));
                    }
                    let ended = JobEnded {
                        job: watch.job,
                        outcome: wire::Outcome::Archived.label(),
                        summary: wire::JobSummary::default(),
                        failure: None,
                    };
                    self.reply(id, &Reply::JobEnded(ended));
                }
                Request::PowerOff(()) => return, // dies without a word
                _ => {}
            }
        }
        let _ = self.asked.send((0, Request::PowerOff(()))); // the session's end, for tests that wait for it
    }

    fn entry(&mut self, id: u32, entry: &Entry) {
        let first = entry.hard_link == 0 || self.links.insert(entry.hard_link);
        if entry.kind == EntryKind::File.number() && first {
            self.files += 1;
            let path = self.directory.join(entry.path.to_string());
            let file = if entry.path.as_bytes() == b"full" {
                File::options().write(true).open("/dev/full").unwrap()
            } else {
                File::create(path).unwrap()
            };
            let _ = session::send_file_opened(&self.channel, id, file.as_fd());
        }
    }

    fn get(&mut self, id: u32, get: &Get) {
        let Ok(file) = File::open(self.directory.join(get.path.to_string())) else {
            return self.reply(id, &Reply::Failure(failure(FailureCode::NotFound)));
        };
        // A get from the disc promises a byte more than there is.
        let more = u64::from(matches!(get.source, wire::Source::Disc(_)));
        let length = file.metadata().unwrap().len() + more;
        let entry = entry(&get.path.to_string(), length);
        let found = Reply::GetFile(GetFile { entry, length });
        let _ = session::send_reply(&self.channel, id, &found, Some(file.as_fd()), true);
        self.reply(id, &Reply::GetEnd(GetEnd { sha256: None }));
    }
}

fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "the vault refuses", "", "")
}

pub fn entry(path: &str, size: u64) -> Entry {
    Entry {
        path: path.into(),
        kind: EntryKind::File.number(),
        size,
        ..Entry::default()
    }
}

pub fn put_begin() -> Request {
    Request::PutBegin(PutBegin {
        tree: 0,
        name: "test".into(),
        expected: 0,
    })
}

pub fn file_end(bytes: &[u8]) -> Request {
    Request::PutFileEnd(PutFileEnd {
        sha256: Sha256::digest(bytes).into(),
    })
}

pub fn hello(role: Role) -> Request {
    Request::Hello(Hello {
        version: VERSION,
        role: role.number(),
        utc: Time::default(),
        program: "test".into(),
    })
}

pub fn data_frame(id: u32, bytes: &[u8]) -> Vec<u8> {
    let mut body = crc32c::crc32c(bytes).to_be_bytes().to_vec();
    body.extend_from_slice(bytes);
    let mut out = Vec::new();
    frame::append(&mut out, DATA, id, &body);
    out
}

pub fn request_frame(id: u32, request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    frame::append(&mut out, request.kind(), id, &request.encode());
    out
}

/// A box of doors and a fake vault.
pub struct TestBox {
    pub doors: Doors<OpenSessions>,
    pub directory: PathBuf,
    pub asked: Receiver<(u32, Request)>,
}

pub type OpenSessions = Box<dyn Fn(&OpenSession) -> Result<Channel, ChannelError> + Send + Sync>;

/// Sessions with a fake vault, what it is asked, and where it stores.
pub fn sessions() -> (OpenSessions, Receiver<(u32, Request)>, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (asked, received) = channel();
    let path = directory.path().to_owned();
    let vault = FakeVault { directory, asked };
    let sessions = move |_: &OpenSession| {
        let (door, theirs) = Channel::pair()?;
        vault.session(theirs);
        Ok(door)
    };
    (Box::new(sessions), received, path)
}

pub fn test_box(limits: Limits) -> TestBox {
    let (sessions, asked, directory) = sessions();
    TestBox {
        doors: Doors::new(sessions, limits),
        directory,
        asked,
    }
}

/// A box whose vault does not answer.
pub fn box_without_vault() -> TestBox {
    let limits = Limits {
        opening: Duration::from_millis(10),
        ..Limits::default()
    };
    let (_, received) = channel();
    let kept = std::sync::Mutex::new(Vec::new());
    let sessions = move |_: &OpenSession| {
        let (door, theirs) = Channel::pair()?;
        kept.lock().unwrap().push(theirs);
        Ok(door)
    };
    TestBox {
        doors: Doors::new(Box::new(sessions), limits),
        directory: PathBuf::new(),
        asked: received,
    }
}

impl TestBox {
    /// Connects without a word.
    pub fn connect(&self) -> Client {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let connection = Connection {
            peer: "192.0.2.7:40000".parse().unwrap(),
            port: wire::PORT,
        };
        self.doors.admit(theirs.into(), connection);
        ours.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client { stream: ours }
    }

    /// Connects in a role.
    pub fn welcome(&self, role: Role) -> Client {
        let mut client = self.connect();
        client.greeting();
        client.answer(VERSION, CHANNEL_CLEAR);
        client.send(1, &hello(role));
        assert!(matches!(client.reply(), (1, Reply::Welcome(welcome)) if welcome.role == role.number()));
        client
    }

    /// Waits until the vault was asked for something of this kind.
    pub fn wait_asked(&self, kind: u16) -> (u32, Request) {
        loop {
            let asked = self.asked.recv_timeout(Duration::from_secs(30)).unwrap();
            if asked.1.kind() == kind {
                return asked;
            }
        }
    }

    pub fn stored(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.directory.join(name)).unwrap()
    }
}

/// A client that can do anything wrong.
pub struct Client {
    pub stream: UnixStream,
}

impl Client {
    pub fn greeting(&mut self) -> Greeting {
        let mut bytes = [0; GREETING_SIZE];
        self.stream.read_exact(&mut bytes).unwrap();
        Greeting::decode(&bytes).unwrap()
    }

    pub fn answer(&mut self, version: u16, channel: u16) {
        self.raw(&Answer { version, channel }.encode());
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn send(&mut self, id: u32, request: &Request) {
        self.raw(&request_frame(id, request));
    }

    pub fn data(&mut self, id: u32, bytes: &[u8]) {
        self.raw(&data_frame(id, bytes));
    }

    pub fn frame(&mut self) -> (Header, Vec<u8>) {
        let mut header = [0; HEADER_SIZE];
        self.stream.read_exact(&mut header).unwrap();
        let header = Header::decode(header).unwrap();
        let mut body = vec![0; header.body];
        self.stream.read_exact(&mut body).unwrap();
        (header, body)
    }

    pub fn reply(&mut self) -> (u32, Reply) {
        let (header, body) = self.frame();
        (header.id, Reply::decode(header.kind, &body).unwrap())
    }

    /// Expects a failure of that code for a request.
    pub fn fails(&mut self, id: u32, code: FailureCode) {
        match self.reply() {
            (at, Reply::Failure(failure)) if at == id && failure.is(code) => {
                assert!(!failure.what.is_empty());
            }
            other => panic!("expected {code} for {id}, got {other:?}"),
        }
    }

    /// Expects that the connection still works.
    pub fn works(&mut self) {
        self.send(4711, &Request::Ping(()));
        assert_eq!(self.reply(), (4711, Reply::Done(())));
    }

    /// Expects the end of the connection.
    pub fn ends(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
}
