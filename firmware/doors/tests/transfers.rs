//! What a client does right, through sockets.

mod common;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;

use common::{BOX_ID, entry, file_end, put_begin, test_box};
use doors::{Limits, control, split};
use seam::{Channel, Connection};
use sha2::{Digest, Sha256};
use wire::frame::{DATA, DATA_MAX};
use wire::{EntryKind, Flags, Get, List, Reply, Request, Role, Source, VERSION, WatchJob};

#[test]
fn the_greeting_names_the_box() {
    let test = test_box(Limits::default());
    let greeting = test.connect().greeting();
    assert_eq!(
        (greeting.version, greeting.box_id, greeting.name()),
        (VERSION, BOX_ID, "test box")
    );
    assert!(greeting.flags.has(Flags::PLAINTEXT));
    assert!(!greeting.flags.has(Flags::BUSY));
}

#[test]
fn a_tree_streamed_without_waiting_is_stored() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    let large: Vec<u8> = (0..3 * DATA_MAX + 17)
        .map(|at| at.to_le_bytes()[1] ^ at.to_le_bytes()[0])
        .collect();
    client.send(2, &put_begin());
    let mut directory = entry("directory", 0);
    directory.kind = EntryKind::Directory.number();
    client.send(2, &Request::PutEntry(directory));
    for (path, bytes) in [("large", &large[..]), ("empty", b""), ("small", b"small")] {
        let mut file = entry(path, bytes.len() as u64);
        file.hard_link = u64::from(path == "small");
        client.send(2, &Request::PutEntry(file));
        for chunk in bytes.chunks(DATA_MAX) {
            client.data(2, chunk);
        }
        client.send(2, &file_end(bytes));
    }
    let mut again = entry("again", 5);
    again.hard_link = 1;
    client.send(2, &Request::PutEntry(again));
    client.send(2, &Request::PutEntry(entry("abandoned", 1000)));
    client.data(2, b"some of it");
    client.send(2, &Request::PutFileAbandon(()));
    client.send(2, &Request::PutEntry(entry("last", 1)));
    client.data(2, b"l");
    client.send(2, &file_end(b"l"));
    client.send(2, &Request::PutEnd(()));
    assert!(matches!(client.reply(), (2, Reply::PutReady(_))));
    assert!(matches!(client.reply(), (2, Reply::PutDone(done)) if done.files == 5));
    assert_eq!(Sha256::digest(test.stored("large")), Sha256::digest(&large));
    assert_eq!(
        (test.stored("empty"), test.stored("small"), test.stored("last")),
        (vec![], b"small".to_vec(), b"l".to_vec())
    );
}

#[test]
fn a_put_given_up_is_answered() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Client);
    client.send(2, &put_begin());
    client.send(2, &Request::PutEntry(entry("file", 10)));
    client.data(2, b"01234");
    client.send(2, &Request::PutAbort(()));
    assert!(matches!(client.reply(), (2, Reply::PutReady(_))));
    assert_eq!(client.reply(), (2, Reply::Done(())));
    client.works();
}

#[test]
fn a_file_comes_back_as_it_is() {
    let test = test_box(Limits::default());
    let bytes = vec![7; 2 * DATA_MAX + 1];
    fs::write(test.directory.join("file"), &bytes).unwrap();
    let mut client = test.welcome(Role::Client);
    let get = Get {
        source: Source::Tree(1),
        path: "file".into(),
        offset: 0,
        length: u64::MAX,
    };
    client.send(2, &Request::Get(get));
    let length = bytes.len() as u64;
    assert!(matches!(client.reply(), (2, Reply::GetFile(get)) if get.length == length));
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        let (header, body) = client.frame();
        assert_eq!((header.kind, header.id), (DATA, 2));
        let (checksum, data) = body.split_at(4);
        assert_eq!(crc32c::crc32c(data).to_be_bytes(), checksum);
        got.extend_from_slice(data);
    }
    assert_eq!(got, bytes);
    assert!(matches!(client.reply(), (2, Reply::GetEnd(_))));
}

#[test]
fn lists_and_progress_pass_through() {
    let test = test_box(Limits::default());
    let mut client = test.welcome(Role::Observer);
    let list = List {
        source: Source::Tree(1),
        path: "".into(),
        depth: 1,
    };
    client.send(2, &Request::List(list));
    client.send(3, &Request::WatchJob(WatchJob { job: 5 }));
    assert!(matches!(client.reply(), (2, Reply::ListEntries(_))));
    assert!(matches!(client.reply(), (2, Reply::ListEntries(_))));
    assert!(matches!(client.reply(), (2, Reply::ListEnd(end)) if end.count == 2));
    assert!(matches!(client.reply(), (3, Reply::JobProgress(progress)) if progress.done == 1));
    assert!(matches!(client.reply(), (3, Reply::JobProgress(progress)) if progress.done == 2));
    assert!(matches!(client.reply(), (3, Reply::JobEnded(ended)) if ended.job == 5));
}

#[test]
fn a_kernel_socket_serves_as_well() {
    let test = test_box(Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    test.doors.admit(stream.into(), Connection { peer, port: 0 });
    client.write_all(&[0, 9, 0, 0]).unwrap();
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut client, &mut said).unwrap();
    let reply = Reply::decode(0x0003, said.get(64 + 10..).unwrap()).unwrap();
    assert!(matches!(reply, Reply::Failure(failure) if failure.is(wire::FailureCode::BadVersion)));
}

#[test]
fn a_box_that_is_held_says_busy() {
    let (door, vault) = Channel::pair().unwrap();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let opened = seam::session::Opened {
        session: 1,
        box_id: BOX_ID,
        name: String::new(),
        held: true,
        plaintext: true,
        secret: None,
    };
    vault.send(&opened, &[]).unwrap();
    let served = thread::spawn(move || {
        let limits = Limits::default();
        let (read, write) = split(theirs.into(), limits.stall);
        control::serve(read, write, Ok(door), &limits)
    });
    let mut client = common::Client { stream: ours };
    assert!(client.greeting().flags.has(Flags::BUSY));
    drop(client);
    assert!(matches!(served.join().unwrap(), control::Ended::Closed));
}
