//! What a client does wrong gets a clear answer, and disturbs nobody else.

mod common;

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use common::{box_without_vault, data_frame, entry, file_end, hello, put_begin, request_frame, test_box};
use doors::Limits;
use wire::frame::{self, BODY_MAX, DATA, DATA_MAX, Header};
use wire::{CHANNEL_CLEAR, CHANNEL_NOISE, FailureCode, Flags, Reply, Request, Role, VERSION};

#[test]
fn silence_before_the_answer_and_before_the_hello_ends_the_connection() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let test = test_box(limits);
    let mut client = test.connect();
    client.greeting();
    client.fails(0, FailureCode::TimedOut);
    client.ends();

    let mut client = test.connect();
    client.greeting();
    client.answer(VERSION, CHANNEL_CLEAR);
    client.fails(0, FailureCode::TimedOut);
    client.ends();
}

#[test]
fn a_frame_begun_and_not_ended_ends_the_connection() {
    let limits = Limits {
        frame: Duration::from_millis(50),
        ..Limits::default()
    };
    let test = test_box(limits);
    let mut client = test.welcome(Role::Client);
    client.raw(&request_frame(2, &Request::Ping(()))[..3]);
    client.fails(0, FailureCode::TimedOut);
    client.ends();
}

#[test]
fn an_idle_connection_is_left_alone() {
    let limits = Limits {
        frame: Duration::from_millis(20),
        silence: Duration::from_secs(5),
        stall: Duration::from_millis(20),
        ..Limits::default()
    };
    let test = test_box(limits);
    let mut client = test.welcome(Role::Client);
    std::thread::sleep(Duration::from_millis(100));
    client.works();
}

#[test]
fn a_command_before_the_hello_is_out_of_order() {
    let test = test_box(Limits::default());
    for first in [request_frame(9, &Request::Status(())), data_frame(9, b"bytes"), {
        let mut unknown = Vec::new();
        frame::append(&mut unknown, 0x7777, 9, b"");
        unknown
    }] {
        let mut client = test.connect();
        client.greeting();
        client.answer(VERSION, CHANNEL_CLEAR);
        client.raw(&first);
        client.fails(9, FailureCode::OutOfOrder);
        client.ends();
    }
}

#[test]
fn an_unknown_version_or_channel_is_refused() {
    let test = test_box(Limits::default());
    for (version, channel, code) in [
        (0, CHANNEL_CLEAR, FailureCode::BadVersion),
        (2, CHANNEL_CLEAR, FailureCode::BadVersion),
        (u16::MAX, CHANNEL_CLEAR, FailureCode::BadVersion),
        (VERSION, 3, FailureCode::Unsupported),
        (VERSION, CHANNEL_NOISE, FailureCode::Unavailable), // a box that has no key yet
    ] {
        let mut client = test.connect();
        assert_eq!(client.greeting().version, VERSION);
        client.answer(version, channel);
        client.fails(0, code);
        client.ends();
    }
}

#[test]
fn a_hello_of_another_version_than_the_answer_is_refused() {
    let test = test_box(Limits::default());
    let mut client = test.connect();
    client.greeting();
    client.answer(VERSION, CHANNEL_CLEAR);
    let Request::Hello(mut wrong) = hello(Role::Client) else {
        unreachable!()
    };
    wrong.version = 2;
    client.send(3, &Request::Hello(wrong));
    client.fails(3, FailureCode::BadVersion);
    client.ends();
}

#[test]
fn a_second_hello_is_out_of_order_and_nothing_more() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    client.send(2, &hello(Role::Admin));
    client.fails(2, FailureCode::OutOfOrder);
    client.works();
}

#[test]
fn a_frame_too_large_or_too_short_ends_the_connection() {
    let test = test_box(Limits::default());
    let too_large = Header {
        kind: 0x0100,
        id: 2,
        body: BODY_MAX + 1,
    };
    let data_too_large = Header {
        kind: DATA,
        id: 2,
        body: DATA_MAX + 5,
    };
    for header in [too_large.encode(), data_too_large.encode(), [0; 10], [0xff; 10]] {
        let mut client = test.welcome(Role::Client);
        client.raw(&header);
        client.fails(0, FailureCode::Malformed);
        client.ends();
    }
}

#[test]
fn a_malformed_body_ends_the_connection() {
    let test = test_box(Limits::default());
    for (kind, body) in [(0x0310, &b"\xff\xff\xff"[..]), (0x0005, b"trailing")] {
        let mut client = test.welcome(Role::Client);
        let mut bytes = Vec::new();
        frame::append(&mut bytes, kind, 5, body);
        client.raw(&bytes);
        client.fails(5, FailureCode::Malformed);
        client.ends();
    }
}

#[test]
fn an_unknown_kind_is_answered_and_the_connection_goes_on() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    let mut bytes = Vec::new();
    frame::append(&mut bytes, 0xf001, 6, b"a kind of the box's own");
    client.raw(&bytes);
    client.fails(6, FailureCode::UnknownKind);
    client.works();
}

#[test]
fn a_role_cannot_be_overstepped() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Observer);
    client.send(2, &Request::PowerOff(()));
    client.fails(2, FailureCode::NotPermitted);
    // A put that may not be is refused once, however much of it is on its way.
    client.send(3, &put_begin());
    client.send(3, &Request::PutEntry(entry("file", 5)));
    client.data(3, b"bytes");
    client.send(3, &file_end(b"bytes"));
    client.send(3, &Request::PutEnd(()));
    client.fails(3, FailureCode::NotPermitted);
    client.works();
    drop(client);
    let asked: Vec<_> =
        std::iter::from_fn(|| Some(test.asked.recv_timeout(Duration::from_secs(30)).unwrap().1))
            .take_while(|request| !matches!(request, Request::PowerOff(()))) // the session's end
            .map(|request| request.kind())
            .collect();
    assert_eq!(asked, [hello(Role::Observer).kind(), Request::Ping(()).kind()]);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let test = test_box(limits);
    let mut first = test.welcome(Role::Client);
    let second = test.welcome(Role::Client);
    let mut third = test.connect();
    assert!(third.greeting().flags.has(Flags::PLAINTEXT));
    third.fails(0, FailureCode::TooManyConnections);
    third.ends();
    first.works();

    drop(second);
    while test.doors.connected() > 1 {
        std::thread::yield_now();
    }
    test.welcome(Role::Client).works();
}

#[test]
fn without_a_vault_the_client_is_told_to_come_again() {
    let test = box_without_vault();
    let mut client = test.connect();
    let greeting = client.greeting();
    assert_eq!((greeting.box_id, greeting.name()), ([0; 16], ""));
    client.fails(0, FailureCode::Unavailable);
    client.ends();
}

#[test]
fn a_vault_that_dies_ends_its_sessions_and_no_more() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Admin);
    client.send(2, &Request::PowerOff(())); // the fake vault's session dies of it
    client.fails(0, FailureCode::Unavailable);
    client.ends();
    test.welcome(Role::Client).works();
}

#[test]
fn a_client_killed_within_a_put_ends_its_session_with_the_vault() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    client.send(2, &put_begin());
    client.send(2, &Request::PutEntry(entry("file", 10)));
    client.raw(&data_frame(2, b"0123456789")[..17]);
    drop(client);
    test.wait_asked(Request::PowerOff(()).kind()); // the session's end
    while test.doors.connected() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let limits = Limits {
        stall: Duration::from_millis(50),
        ..Limits::default()
    };
    let test = test_box(limits);
    let mut client = test.welcome(Role::Client);
    let ping = request_frame(2, &Request::Ping(())).repeat(1000);
    while client.stream.write_all(&ping).is_ok() {}
    while test.doors.connected() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_half_closed_connection_is_closed() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.ends();
}

/// A put of one file, as a client streams it, with a mistake at one place.
fn wrong_put(code: FailureCode, frames: &[Vec<u8>]) {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    client.send(2, &put_begin());
    for frame in frames {
        client.raw(frame);
    }
    client.send(2, &Request::PutEntry(entry("after", 1)));
    client.data(2, b"x");
    client.send(2, &file_end(b"x"));
    client.send(2, &Request::PutEnd(()));
    match client.reply() {
        // The failure may overtake it, as a client that streams has to expect.
        (2, Reply::PutReady(_)) => client.fails(2, code),
        (2, Reply::Failure(failure)) => assert!(failure.is(code), "{failure}"),
        other => panic!("expected {code}, got {other:?}"),
    }
    client.works();
    test.wait_asked(Request::PutAbort(()).kind());
    assert!(!test.directory.join("after").exists());

    // The next put is not disturbed.
    client.send(3, &put_begin());
    assert!(matches!(client.reply(), (3, Reply::PutReady(_))));
    client.send(3, &Request::PutEnd(()));
    assert!(matches!(client.reply(), (3, Reply::PutDone(_))));
}

fn file(size: u64) -> Vec<u8> {
    request_frame(2, &Request::PutEntry(entry("file", size)))
}

#[test]
fn a_wrong_checksum_fails_the_put() {
    let mut chunk = data_frame(2, b"bytes");
    *chunk.last_mut().unwrap() ^= 1;
    wrong_put(FailureCode::DigestMismatch, &[file(5), chunk]);
}

#[test]
fn a_wrong_digest_fails_the_put() {
    let end = request_frame(2, &file_end(b"other"));
    wrong_put(
        FailureCode::DigestMismatch,
        &[file(5), data_frame(2, b"bytes"), end],
    );
}

#[test]
fn more_bytes_than_the_entry_says_fail_the_put() {
    wrong_put(FailureCode::OutOfOrder, &[file(4), data_frame(2, b"bytes")]);
}

#[test]
fn fewer_bytes_than_the_entry_says_fail_the_put() {
    let end = request_frame(2, &file_end(b"bytes"));
    wrong_put(FailureCode::OutOfOrder, &[file(6), data_frame(2, b"bytes"), end]);
}

#[test]
fn an_entry_within_a_file_fails_the_put() {
    wrong_put(FailureCode::OutOfOrder, &[file(6), file(6)]);
}

#[test]
fn a_full_partition_fails_the_put() {
    let entry = request_frame(2, &Request::PutEntry(entry("full", 5)));
    wrong_put(FailureCode::NoSpace, &[entry, data_frame(2, b"bytes")]);
}

#[test]
fn a_path_the_vault_refuses_fails_the_put_once() {
    let entry = request_frame(2, &Request::PutEntry(entry("../etc/passwd", 5)));
    let end = request_frame(2, &file_end(b"bytes"));
    wrong_put(FailureCode::BadPath, &[entry, data_frame(2, b"bytes"), end]);
}

#[test]
fn an_unknown_kind_within_a_put_fails_the_put() {
    let mut unknown = Vec::new();
    frame::append(&mut unknown, 0x0333, 2, b"");
    wrong_put(FailureCode::UnknownKind, &[file(5), unknown]);
}

#[test]
fn another_request_under_the_id_of_a_put_fails_the_put() {
    wrong_put(FailureCode::OutOfOrder, &[request_frame(2, &Request::Status(()))]);
}

#[test]
fn put_frames_outside_a_put_are_out_of_order() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    client.data(2, b"bytes");
    client.fails(2, FailureCode::OutOfOrder);
    client.send(3, &Request::PutEntry(entry("file", 1)));
    client.fails(3, FailureCode::OutOfOrder);
    client.send(4, &Request::PutEnd(()));
    client.fails(4, FailureCode::OutOfOrder);
    client.send(5, &put_begin());
    assert!(matches!(client.reply(), (5, Reply::PutReady(_))));
    client.send(6, &put_begin());
    client.fails(6, FailureCode::OutOfOrder);
    client.data(6, b"bytes");
    client.fails(6, FailureCode::OutOfOrder);
    client.send(5, &Request::PutEnd(()));
    assert!(matches!(client.reply(), (5, Reply::PutDone(_))));
}

#[test]
fn a_get_that_ends_early_is_a_failure() {
    let test = test_box(Limits::default());
    std::fs::write(test.directory.join("short"), b"bytes").unwrap();
    let mut client = test.welcome(Role::Client);
    client.send(
        2,
        &Request::Get(wire::Get {
            source: wire::Source::Disc(0),
            path: "short".into(),
            offset: 0,
            length: u64::MAX,
        }),
    );
    assert!(matches!(client.reply(), (2, Reply::GetFile(get)) if get.length == 6));
    assert_eq!(client.frame().0.kind, DATA);
    client.fails(2, FailureCode::ReadFailed);
    client.works();
}
