//! Handshakes at the control door: who gets in, who does not, and what a stranger on the way can do.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use common::{hello, request_frame};
use doors::{Doors, Limits};
use noise::{Code, Established, Opener, Pattern, Secret};
use seam::session::{self, Caller, FromDoor, Opened};
use seam::{Channel, ChannelError, Connection, OpenSession};
use wire::frame::{HEADER_SIZE, Header};
use wire::{
    Answer, CHANNEL_CLEAR, CHANNEL_NOISE, CHANNEL_PAIRING, FailureCode, Flags, GREETING_SIZE, Greeting,
    Reply, Request, Role, Time, VERSION, Welcome,
};

const CODE: &[u8; 8] = b"12345678";

/// A stream under the traits of `embedded_io`.
struct Pipe<'a>(&'a UnixStream);

impl embedded_io::ErrorType for Pipe<'_> {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(into).map_err(|error| error.kind().into())
    }
}

impl embedded_io::Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes).map_err(|error| error.kind().into())
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What the vault heard.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Caller(Caller),
    CodeWanted,
    Hello,
}

/// A box that allows nothing in the clear and knows one code, and what its vault hears.
fn strict_box(secret: [u8; 32], limits: Limits) -> (Doors<common::OpenSessions>, Receiver<Told>) {
    let (tell, told) = channel();
    let sessions = move |_: &OpenSession| {
        let (door, vault) = Channel::pair()?;
        let tell = tell.clone();
        thread::spawn(move || {
            let opened = Opened {
                session: 1,
                box_id: [1; 16],
                name: "strict".into(),
                held: false,
                plaintext: false,
                secret: Some(secret),
            };
            vault.send(&opened, &[]).unwrap();
            while let Ok(message) = session::receive_request(&vault) {
                let _ = match message {
                    FromDoor::Caller(caller) => tell.send(Told::Caller(caller)),
                    FromDoor::CodeWanted => {
                        session::send_code(&vault, Some(*CODE)).unwrap();
                        tell.send(Told::CodeWanted)
                    }
                    FromDoor::Request(id, Request::Hello(hello)) => {
                        let welcome = Welcome {
                            session: 1,
                            role: hello.role,
                            utc_before: Time::default(),
                            utc: Time::default(),
                        };
                        session::send_reply(&vault, id, &Reply::Welcome(welcome), None, true).unwrap();
                        tell.send(Told::Hello)
                    }
                    FromDoor::Request(id, _) => {
                        session::send_reply(&vault, id, &Reply::Done(()), None, true).unwrap();
                        Ok(())
                    }
                };
            }
        });
        Ok::<_, ChannelError>(door)
    };
    (Doors::new(Box::new(sessions), limits), told)
}

/// Connects, takes the greeting, answers; the stream and what both ends said.
fn answered(doors: &Doors<common::OpenSessions>, channel: u16) -> (UnixStream, Vec<u8>) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let connection = Connection {
        peer: "192.0.2.7:40000".parse().unwrap(),
        port: wire::PORT,
    };
    doors.admit(theirs.into(), connection);
    ours.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut greeting = [0; GREETING_SIZE];
    ours.read_exact(&mut greeting).unwrap();
    assert!(!Greeting::decode(&greeting).unwrap().flags.has(Flags::PLAINTEXT));
    let answer = Answer {
        version: VERSION,
        channel,
    }
    .encode();
    ours.write_all(&answer).unwrap();
    (ours, [&greeting[..], &answer].concat())
}

/// Sends a request and takes the reply, both in records.
fn ask(stream: &mut UnixStream, established: &mut Established, id: u32, request: &Request) -> (u32, Reply) {
    let mut records = Vec::new();
    established
        .sealer
        .seal(&request_frame(id, request), &mut records)
        .unwrap();
    stream.write_all(&records).unwrap();
    let mut record = vec![0; 2];
    stream.read_exact(&mut record).unwrap();
    record.resize(Opener::whole(&record).unwrap(), 0);
    stream.read_exact(&mut record[2..]).unwrap();
    let mut frame = vec![0; record.len()];
    let length = established.opener.open(&record, &mut frame).unwrap();
    let header = Header::decode(*frame.first_chunk().unwrap()).unwrap();
    assert_eq!(length, HEADER_SIZE + header.body);
    (
        header.id,
        Reply::decode(header.kind, &frame[HEADER_SIZE..length]).unwrap(),
    )
}

#[test]
fn a_handshake_protects_all_that_follows_and_names_the_caller() {
    let box_secret = Secret::generate().unwrap();
    let (doors, told) = strict_box(*box_secret.bytes(), Limits::default());
    let (mut stream, prologue) = answered(&doors, CHANNEL_NOISE);
    let secret = Secret::generate().unwrap();
    let mut established = noise::connect(&mut Pipe(&stream), &secret, &prologue, Pattern::Known).unwrap();
    assert_eq!(established.peer, box_secret.public());
    let welcome = ask(&mut stream, &mut established, 1, &hello(Role::Client));
    assert!(matches!(welcome, (1, Reply::Welcome(_))), "{welcome:?}");
    let pong = ask(&mut stream, &mut established, 2, &Request::Ping(()));
    assert_eq!(pong, (2, Reply::Done(())));
    let caller = Caller {
        key: secret.public().0,
        paired: false,
    };
    assert_eq!(told.recv().unwrap(), Told::Caller(caller));
    assert_eq!(told.recv().unwrap(), Told::Hello);
    // A record that was changed on the way ends the connection, and the vault hears nothing of it.
    let mut records = Vec::new();
    let ping = request_frame(3, &Request::Ping(()));
    established.sealer.seal(&ping, &mut records).unwrap();
    records[5] ^= 1;
    stream.write_all(&records).unwrap();
    assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0);
}

#[test]
fn the_code_pairs_and_another_does_not() {
    let (doors, told) = strict_box([9; 32], Limits::default());
    let secret = Secret::generate().unwrap();
    let code: Code = "1234-5678".parse().unwrap();
    let (mut stream, prologue) = answered(&doors, CHANNEL_PAIRING);
    let mut established =
        noise::connect(&mut Pipe(&stream), &secret, &prologue, Pattern::Paired(&code)).unwrap();
    let welcome = ask(&mut stream, &mut established, 1, &hello(Role::Admin));
    assert!(matches!(welcome, (1, Reply::Welcome(_))), "{welcome:?}");
    let caller = Caller {
        key: secret.public().0,
        paired: true,
    };
    let heard = [(); 3].map(|()| told.recv().unwrap());
    assert_eq!(heard, [Told::CodeWanted, Told::Caller(caller), Told::Hello]);

    let wrong: Code = "8765-4321".parse().unwrap();
    let (mut stream, prologue) = answered(&doors, CHANNEL_PAIRING);
    let met = noise::connect(&mut Pipe(&stream), &secret, &prologue, Pattern::Paired(&wrong));
    assert!(met.is_ok(), "the workstation cannot know yet");
    assert_eq!(
        stream.read(&mut [0; 64]).unwrap_or(0),
        0,
        "the box says nothing more"
    );
    assert_eq!(told.recv().unwrap(), Told::CodeWanted);
    assert!(
        told.recv_timeout(Duration::from_millis(50)).is_err(),
        "nobody was let in"
    );
}

#[test]
fn what_is_not_allowed_in_the_clear_is_refused() {
    let (doors, told) = strict_box([9; 32], Limits::default());
    let (stream, _) = answered(&doors, CHANNEL_CLEAR);
    let mut client = common::Client { stream };
    client.fails(0, FailureCode::KeyNeeded);
    client.ends();
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn a_changed_greeting_or_answer_ends_the_handshake() {
    let (doors, _told) = strict_box([9; 32], Limits::default());
    let (stream, mut prologue) = answered(&doors, CHANNEL_NOISE);
    prologue[10] ^= 2; // somebody on the way added "in the clear is allowed"
    let secret = Secret::generate().unwrap();
    let met = noise::connect(&mut Pipe(&stream), &secret, &prologue, Pattern::Known);
    assert_eq!(met.err(), Some(noise::Error::Handshake));
}

#[test]
fn a_recorded_handshake_is_of_no_use_to_a_stranger() {
    let (doors, told) = strict_box([9; 32], Limits::default());
    // Any record of a handshake: its first message is right, its third belongs to other random numbers.
    let secret = Secret::generate().unwrap();
    let (a, b) = UnixStream::pair().unwrap();
    let recorded = thread::scope(|scope| {
        scope.spawn(|| {
            let _ = noise::connect(&mut Pipe(&a), &secret, b"", Pattern::Known);
        });
        let other = Secret::generate().unwrap();
        let mut heard = Heard(&b, Vec::new());
        noise::accept(&mut heard, &other, b"", Pattern::Known).unwrap();
        heard.1
    });
    let (mut stream, _) = answered(&doors, CHANNEL_NOISE);
    stream.write_all(&recorded).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(
        told.recv_timeout(Duration::from_millis(50)).is_err(),
        "nobody was let in"
    );
}

/// Keeps what it reads.
struct Heard<'a>(&'a UnixStream, Vec<u8>);

impl embedded_io::ErrorType for Heard<'_> {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Heard<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        let read = self.0.read(into).map_err(|error| error.kind())?;
        self.1.extend(&into[..read]);
        Ok(read)
    }
}

impl embedded_io::Write for Heard<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes).map_err(|error| error.kind().into())
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[test]
fn a_handshake_that_stalls_is_ended() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let (doors, _told) = strict_box([9; 32], limits);
    for channel in [CHANNEL_NOISE, CHANNEL_PAIRING] {
        let (mut stream, _) = answered(&doors, channel);
        stream.write_all(&[0]).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // it ends: that is the proof
    }
}
