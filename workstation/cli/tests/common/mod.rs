//! A box that answers by a script, the real command, and texts kept in the repository.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use client::wire::frame::{self, DATA, HEADER_SIZE, Header};
use client::wire::{
    Entry, EntryKind, Failure, FailureCode, Flags, Greeting, Reply, Request, Time, VERSION, Welcome,
};

/// What the box does about a request.
#[allow(clippy::large_enum_variant, reason = "there are few, for a moment")]
pub enum Act {
    /// Sends this reply.
    Say(Reply),
    /// Sends a chunk.
    Data(Vec<u8>),
    /// Sends bytes that are no frame.
    Noise(Vec<u8>),
    /// Closes the connection.
    Close,
}

/// A box that answers by a script.
pub struct Fake {
    pub address: SocketAddr,
}

impl Fake {
    /// Every request is answered by what `script` makes of it; a hello is welcomed.
    pub fn new(script: impl Fn(&Request) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&script);
                // A client that leaves early is part of some tests.
                std::thread::spawn(move || converse(stream, &*script).unwrap_or_default());
            }
        });
        Self { address }
    }

    /// A box that answers everything with these.
    pub fn saying(replies: impl Fn() -> Vec<Reply> + Send + Sync + 'static) -> Self {
        Self::new(move |_| replies().into_iter().map(Act::Say).collect())
    }

    /// A box that refuses everything so.
    pub fn refusing(code: FailureCode) -> Self {
        Self::saying(move || vec![Reply::Failure(refusal(code))])
    }

    /// The command for this box.
    pub fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = spindle(arguments);
        command.env("SPINDLE_BOX", self.address.to_string());
        command
    }

    /// Runs the command for this box.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.command(arguments).output().unwrap().into()
    }
}

fn converse(mut stream: TcpStream, script: &dyn Fn(&Request) -> Vec<Act>) -> std::io::Result<()> {
    let greeting = Greeting::new(VERSION, Flags(Flags::PLAINTEXT), [0xab; 16], "fake");
    stream.write_all(&greeting.encode())?;
    stream.read_exact(&mut [0; 4])?;
    loop {
        let mut header = [0; HEADER_SIZE];
        stream.read_exact(&mut header)?;
        let header = Header::decode(header).unwrap();
        let mut body = vec![0; header.body];
        stream.read_exact(&mut body)?;
        if header.kind == DATA {
            continue;
        }
        let acts = match Request::decode(header.kind, &body).unwrap() {
            Request::Hello(hello) => vec![Act::Say(Reply::Welcome(Welcome {
                session: 1,
                role: hello.role,
                utc_before: MOMENT,
                utc: MOMENT,
            }))],
            request => script(&request),
        };
        for act in acts {
            let mut out = Vec::new();
            match act {
                Act::Say(reply) => frame::append(&mut out, reply.kind(), header.id, &reply.encode()),
                Act::Data(data) => {
                    let crc = crc32c::crc32c(&data).to_be_bytes();
                    frame::append(&mut out, DATA, header.id, &[&crc[..], &data].concat());
                }
                Act::Noise(bytes) => out = bytes,
                Act::Close => return Ok(()),
            }
            stream.write_all(&out)?;
        }
    }
}

pub const MOMENT: Time = Time {
    seconds: 1_700_000_000,
    nanoseconds: 5,
};

/// A failure with all its parts.
pub fn refusal(code: FailureCode) -> Failure {
    Failure::new(code, "what happened", "why it did", "what to do")
}

/// A file of that path, size and mode 640.
pub fn file(path: &[u8], size: u64) -> Entry {
    Entry {
        path: path.into(),
        kind: EntryKind::File.number(),
        mode: 0o640,
        uid: 1000,
        gid: 100,
        mtime: MOMENT,
        size,
        ..Entry::default()
    }
}

/// The command, for no box and with nothing of the environment that changes what it says.
pub fn spindle<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindle"));
    command
        .args(arguments)
        .env_remove("SPINDLE_BOX")
        .env_remove("COLUMNS")
        .stdin(Stdio::null());
    command
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into(),
            stderr: String::from_utf8_lossy(&output.stderr).into(),
        }
    }
}

/// Compares with the text kept under that name; with SPINDLE_BLESS set it is written instead.
pub fn assert_kept(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    if std::env::var_os("SPINDLE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{name} is kept as\n{kept}\nbut now it is\n{text}\nIf that is meant, run the test with SPINDLE_BLESS=1."
    );
}

/// A folder with a file `a`, and its path as text.
pub fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "alpha").unwrap();
    let path = folder.path().to_str().unwrap().into();
    (folder, path)
}

/// What lies in a folder.
pub fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into())
        .collect();
    names.sort();
    names
}
