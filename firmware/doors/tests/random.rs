//! Whatever bytes a client sends, the door answers in whole frames and ends.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{data_frame, entry, file_end, hello, put_begin, request_frame, sessions};
use doors::{Half, Limits, ReadHalf, control};
use embedded_io::{ErrorKind, ErrorType, Read, Write};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::frame::{self, DATA, HEADER_SIZE, Header};
use wire::{Answer, CHANNEL_CLEAR, GREETING_SIZE, Reply, Request, Role, VERSION};

/// A client that has said all it will say.
struct Said(Vec<u8>, usize);

/// What the door said to it.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl ErrorType for Said {
    type Error = ErrorKind;
}

impl Read for Said {
    /// In pieces of 1000 bytes at most, so that frames come apart.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        let rest = &self.0[self.1..];
        let read = rest.len().min(into.len()).min(1000);
        into[..read].copy_from_slice(&rest[..read]);
        self.1 += read;
        Ok(read)
    }
}

impl Half for Said {
    fn finish(&self) {}
    fn stop_reading(&self) {}
    fn hang_up(&self) {}
}

impl ReadHalf for Said {
    fn set_deadline(&mut self, _: Option<Instant>) {}
}

impl ErrorType for Heard {
    type Error = ErrorKind;
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Half for Heard {
    fn finish(&self) {}
    fn stop_reading(&self) {}
    fn hang_up(&self) {}
}

/// Serves a client that says this; every byte the door says must be a greeting and whole frames.
fn serve(said: Vec<u8>) -> Vec<(u32, Reply)> {
    let heard = Heard::default();
    let limits = Limits {
        vault: Duration::from_secs(5),
        ..Limits::default()
    };
    let (sessions, _asked, _directory) = sessions();
    let caller = seam::OpenSession {
        peer: None,
        door: "test".into(),
    };
    control::serve(Said(said, 0), heard.clone(), sessions(&caller), &limits);
    let heard = std::mem::take(&mut *heard.0.lock().unwrap());
    let mut rest = heard.get(GREETING_SIZE..).expect("a greeting came first");
    let mut replies = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_SIZE>() {
        let header = Header::decode(*header).unwrap();
        let (body, after) = after
            .split_at_checked(header.body)
            .expect("the last frame is whole");
        if header.kind != DATA {
            replies.push((header.id, Reply::decode(header.kind, body).unwrap()));
        }
        rest = after;
    }
    assert!(rest.is_empty());
    replies
}

/// A client whose second read is a bug of the door.
struct Panics(Said);

impl ErrorType for Panics {
    type Error = ErrorKind;
}

impl Read for Panics {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        match self.0.read(into) {
            Ok(0) => panic!("as this test wants it"),
            read => read,
        }
    }
}

impl Half for Panics {
    fn finish(&self) {}
    fn stop_reading(&self) {}
    fn hang_up(&self) {}
}

impl ReadHalf for Panics {
    fn set_deadline(&mut self, _: Option<Instant>) {}
}

#[test]
fn a_panic_of_one_thread_ends_the_connection_and_its_session() {
    let (sessions, asked, _directory) = sessions();
    let caller = seam::OpenSession {
        peer: None,
        door: "test".into(),
    };
    let session = sessions(&caller);
    let served = std::thread::spawn(move || {
        let said = Panics(Said(introduced(Vec::new()), 0));
        control::serve(said, Heard::default(), session, &Limits::default())
    });
    assert!(served.join().is_err());
    let last = asked
        .iter()
        .find(|(_, request)| matches!(request, Request::PowerOff(())));
    assert!(last.is_some(), "the fake vault tells the end of the session");
}

fn introduced(frames: Vec<u8>) -> Vec<u8> {
    let answer = Answer {
        version: VERSION,
        channel: CHANNEL_CLEAR,
    };
    let mut said = answer.encode().to_vec();
    said.extend(request_frame(1, &hello(Role::Client)));
    said.extend(frames);
    said
}

/// A frame of any kind, mostly of a put, right or wrong.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let id = 2_u32..4;
    prop_oneof![
        id.clone().prop_map(|id| request_frame(id, &put_begin())),
        (id.clone(), 0_u64..6)
            .prop_map(|(id, size)| request_frame(id, &Request::PutEntry(entry("file", size)))),
        (id.clone(), vec(any::<u8>(), 0..6)).prop_map(|(id, bytes)| data_frame(id, &bytes)),
        (id.clone(), vec(any::<u8>(), 0..6)).prop_map(|(id, bytes)| {
            let mut file = request_frame(id, &Request::PutEntry(entry("file", bytes.len() as u64)));
            file.extend(data_frame(id, &bytes));
            file.extend(request_frame(id, &file_end(&bytes)));
            file
        }),
        id.clone().prop_map(|id| request_frame(id, &file_end(b""))),
        id.clone()
            .prop_map(|id| request_frame(id, &Request::PutFileAbandon(()))),
        id.clone().prop_map(|id| request_frame(id, &Request::PutEnd(()))),
        id.clone()
            .prop_map(|id| request_frame(id, &Request::PutAbort(()))),
        id.clone().prop_map(|id| request_frame(id, &Request::Ping(()))),
        (id, any::<u16>(), vec(any::<u8>(), 0..40)).prop_map(|(id, kind, body)| {
            let mut out = Vec::new();
            frame::append(&mut out, kind, id, &body);
            out
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes_are_answered(said in vec(any::<u8>(), 0..2000)) {
        serve(said);
    }

    #[test]
    fn random_bytes_after_a_hello_are_answered(said in vec(any::<u8>(), 0..2000)) {
        serve(introduced(said));
    }

    #[test]
    fn frames_in_any_order_are_answered(frames in vec(any_frame(), 0..30)) {
        serve(introduced(frames.concat()));
    }
}
