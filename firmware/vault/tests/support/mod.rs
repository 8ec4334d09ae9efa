//! A vault in this process, and clients that speak to it as doors does.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

use std::fs::File;
use std::io;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use seam::session::{FromVault, Opened, receive_reply, send_request};
use seam::{Channel, OpenSession};
use sha2::{Digest, Sha256};
use vault::{Config, Services, Vault};
use wire::{
    Entry, EntryKind, Failure, FailureCode, Hello, List, PutBegin, PutDone, PutFileEnd, Reply, Request, Role,
    Source, Time, Welcome,
};

/// What the vault asked of init.
#[derive(Default)]
pub struct Asked {
    pub clock: Mutex<Vec<Time>>,
    pub off: AtomicBool,
}

impl Services for Asked {
    fn start_reader(&self, _: Channel, _: Channel) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn set_clock(&self, to: Time) -> io::Result<()> {
        self.clock.lock().unwrap().push(to);
        Ok(())
    }
    fn power_off(&self) {
        self.off.store(true, Ordering::Release);
    }
}

/// A vault and its data.
pub struct TestVault {
    pub vault: Vault,
    pub asked: Arc<Asked>,
    pub data: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

impl TestVault {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            _directory: None,
            ..Self::on(directory.path(), 0)
        }
        .keeping(directory)
    }

    fn keeping(self, directory: tempfile::TempDir) -> Self {
        Self {
            _directory: Some(directory),
            ..self
        }
    }

    /// On a directory that may have been used before.
    pub fn on(data: &Path, build_floor: i64) -> Self {
        let directory: OwnedFd = File::open(data).unwrap().into();
        Self {
            data: data.into(),
            ..Self::with(Ok(directory), build_floor)
        }
    }

    pub fn with(data: Result<OwnedFd, String>, build_floor: i64) -> Self {
        let asked = Arc::new(Asked::default());
        let config = Config {
            name: "test".into(),
            firmware: "0".into(),
            data,
            build_floor,
        };
        let vault = Vault::open(config, asked.clone());
        Self {
            vault,
            asked,
            data: PathBuf::new(),
            _directory: None,
        }
    }

    /// A session before its hello.
    pub fn connect(&self) -> Client {
        let (channel, theirs) = Channel::pair().unwrap();
        self.vault.open_session(
            OpenSession {
                peer: None,
                door: "test".into(),
            },
            theirs,
        );
        let (opened, _) = channel.receive::<Opened>().unwrap();
        Client {
            channel,
            opened,
            id: 0,
        }
    }

    /// A session as admin, with the box's own clock.
    pub fn admin(&self) -> Client {
        let mut client = self.connect();
        client.hello(Role::Admin, now()).unwrap();
        client
    }
}

pub fn now() -> Time {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Time {
        seconds: i64::try_from(now.as_secs()).unwrap(),
        nanoseconds: now.subsec_nanos(),
    }
}

/// The door's end of a session.
pub struct Client {
    pub channel: Channel,
    pub opened: Opened,
    id: u32,
}

impl Client {
    pub fn next_id(&mut self) -> u32 {
        self.id += 1;
        self.id
    }

    pub fn send(&self, id: u32, request: &Request) {
        send_request(&self.channel, id, request).unwrap();
    }

    pub fn receive(&self) -> FromVault {
        receive_reply(&self.channel).unwrap()
    }

    /// The next reply, which has to bear this id.
    pub fn reply(&self, id: u32) -> (Reply, Vec<OwnedFd>) {
        match self.receive() {
            FromVault::Reply(got, reply, descriptors) if got == id => (reply, descriptors),
            other => panic!("{other:?}"),
        }
    }

    /// Asks and takes the one reply; a failure is the error.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        let id = self.next_id();
        self.send(id, request);
        match self.reply(id).0 {
            Reply::Failure(failure) => Err(failure),
            reply => Ok(reply),
        }
    }

    pub fn hello(&mut self, role: Role, utc: Time) -> Result<Welcome, Failure> {
        let hello = Hello {
            version: wire::VERSION,
            role: role.number(),
            utc,
            program: "test".into(),
        };
        match self.ask(&Request::Hello(hello))? {
            Reply::Welcome(welcome) => Ok(welcome),
            other => panic!("{other:?}"),
        }
    }

    /// Begins a put; returns its id and the tree.
    pub fn begin(&mut self, tree: u64) -> Result<(u32, u64), Failure> {
        let begin = PutBegin {
            tree,
            name: "tree".into(),
            expected: 0,
        };
        match self.ask(&Request::PutBegin(begin))? {
            Reply::PutReady(ready) => Ok((self.id, ready.tree)),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a file of a put, as the door would.
    pub fn file(&self, id: u32, entry: &Entry, bytes: &[u8]) -> Result<(), Failure> {
        self.send(id, &Request::PutEntry(entry.clone()));
        match self.receive() {
            FromVault::FileOpened(got, mut descriptors) if got == id => {
                File::from(descriptors.pop().unwrap()).write_all(bytes).unwrap();
            }
            FromVault::Reply(_, Reply::Failure(failure), _) => return Err(failure),
            other => panic!("{other:?}"),
        }
        let sha256 = Sha256::digest(bytes).into();
        self.send(id, &Request::PutFileEnd(PutFileEnd { sha256 }));
        Ok(())
    }

    pub fn end(&self, id: u32) -> Result<PutDone, Failure> {
        self.send(id, &Request::PutEnd(()));
        match self.reply(id).0 {
            Reply::PutDone(done) => Ok(done),
            Reply::Failure(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    pub fn list(&mut self, tree: u64, path: &str, depth: u32) -> Result<Vec<Entry>, Failure> {
        let id = self.next_id();
        self.send(
            id,
            &Request::List(List {
                source: Source::Tree(tree),
                path: path.into(),
                depth,
            }),
        );
        let mut entries = Vec::new();
        loop {
            match self.reply(id).0 {
                Reply::ListEntries(some) => entries.extend(some.entries),
                Reply::ListEnd(end) => {
                    assert_eq!(end.count, entries.len() as u64);
                    return Ok(entries);
                }
                Reply::Failure(failure) => return Err(failure),
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn get(&mut self, tree: u64, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        let id = self.next_id();
        let get = wire::Get {
            source: Source::Tree(tree),
            path: path.into(),
            offset,
            length,
        };
        self.send(id, &Request::Get(get));
        let (reply, mut descriptors) = self.reply(id);
        let file = match reply {
            Reply::GetFile(file) => file,
            Reply::Failure(failure) => return Err(failure),
            other => panic!("{other:?}"),
        };
        let mut bytes = Vec::new();
        File::from(descriptors.pop().unwrap())
            .take(file.length)
            .read_to_end(&mut bytes)
            .unwrap();
        assert!(matches!(self.reply(id).0, Reply::GetEnd(end) if end.sha256 == file.entry.sha256));
        Ok(bytes)
    }
}

pub fn file(path: impl Into<wire::ByteString>, size: usize) -> Entry {
    let kind = EntryKind::File.number();
    Entry {
        path: path.into(),
        kind,
        mode: 0o640,
        uid: 5,
        gid: 6,
        size: size as u64,
        ..Entry::default()
    }
}

pub fn directory(path: impl Into<wire::ByteString>) -> Entry {
    Entry {
        path: path.into(),
        kind: EntryKind::Directory.number(),
        mode: 0o750,
        ..Entry::default()
    }
}

pub fn symlink(path: impl Into<wire::ByteString>, target: &str) -> Entry {
    let kind = EntryKind::Symlink.number();
    Entry {
        path: path.into(),
        kind,
        target: target.into(),
        ..Entry::default()
    }
}

/// The paths of entries as text.
pub fn paths(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.path.to_string()).collect()
}

#[track_caller]
pub fn refused<T>(result: Result<T, Failure>, code: FailureCode) -> Failure {
    match result {
        Err(failure) if failure.is(code) => failure,
        Err(failure) => panic!("{code} was expected, not {failure:?}"),
        Ok(_) => panic!("{code} was expected"),
    }
}

/// Waits for what another thread does.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !is_so() {
        assert!(std::time::Instant::now() < end, "still not: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
