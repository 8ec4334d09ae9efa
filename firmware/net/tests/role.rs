//! The role as init runs it: a process with two channels. Needs root.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use seam::{Channel, Connection, FromInit, Interface, Network, ToInit};
use support::sys;
use support::veth::Cable;

const BOX: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const LIMIT: Duration = Duration::from_secs(20);

/// The role's process; the test below starts this very program with this test's name.
#[test]
#[ignore = "started by the other test, with descriptors 3 and 4"]
fn as_the_role() {
    std::process::exit(if net::run() == std::process::ExitCode::SUCCESS {
        0
    } else {
        1
    });
}

/// Waits for a message; heartbeats may come before it.
fn await_message(init: &Channel, wanted: &ToInit) {
    loop {
        let (message, _) = init.receive_within::<ToInit>(LIMIT).expect("net says nothing");
        if message == *wanted {
            return;
        }
        assert!(
            matches!(message, ToInit::Heartbeat(_)),
            "{message:?} instead of {wanted:?}"
        );
    }
}

fn call(cable: &Cable) -> std::io::Result<TcpStream> {
    cable.in_peer(|| TcpStream::connect_timeout(&SocketAddr::new(BOX, wire::PORT), LIMIT))
}

#[test]
fn a_life_from_start_to_stop() {
    let cable = Cable::new("role");
    let (init, init_end) = Channel::pair().unwrap();
    let (doors, doors_end) = Channel::pair().unwrap();
    let program = std::env::current_exe().unwrap();
    let mut child = sys::spawn_with(
        &program,
        &["--ignored", "--exact", "as_the_role"],
        &init_end,
        &doors_end,
    );
    drop((init_end, doors_end));

    await_message(&init, &ToInit::Heartbeat(1));
    let network = Network::Static {
        address: BOX,
        prefix: 24,
        gateway: Some(Ipv4Addr::new(10, 77, 0, 2).into()),
    };
    init.send(&FromInit::Network(network), &[]).unwrap();
    await_message(&init, &ToInit::Ready); // with what there is: no interface
    let (socket, index, address) = cable.packet_socket();
    let interface = Interface {
        name: "box0".into(),
        index,
        address,
        mtu: 1500,
    };
    init.send(&FromInit::Interface(interface.clone()), &[]).unwrap(); // without a socket: not a reason to die
    init.send(&FromInit::Interface(interface.clone()), &[socket.as_fd()])
        .unwrap();
    drop(socket);
    await_message(&init, &ToInit::Address(Some(BOX)));
    await_message(&init, &ToInit::Heartbeat(2));

    let resident = sys::resident_kilobytes(child.id());
    println!("{resident} KiB resident");
    assert!(resident < 8 << 10, "{resident} KiB resident with nothing to do");

    let mut caller = call(&cable).expect("the box does not answer");
    let (connection, mut streams) = doors.receive_within::<Connection>(LIMIT).unwrap();
    assert_eq!(
        (connection.port, connection.peer),
        (wire::PORT, caller.local_addr().unwrap())
    );
    let mut door = UnixStream::from(streams.pop().unwrap());
    caller.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    door.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");

    // Thirty callers whose bytes nobody reads fill buffers; when they are gone, so is the memory.
    let block = vec![7; 400 << 10];
    let callers: Vec<_> = (0..30)
        .map(|_| {
            let mut caller = call(&cable).unwrap();
            caller.set_write_timeout(Some(LIMIT)).unwrap();
            caller.write_all(&block).unwrap();
            (caller, doors.receive_within::<Connection>(LIMIT).unwrap())
        })
        .collect();
    let full = sys::resident_kilobytes(child.id());
    assert!(
        full > resident + (3 << 10),
        "{full} KiB resident, {resident} before"
    );
    drop(callers);
    let end = Instant::now() + LIMIT;
    while sys::resident_kilobytes(child.id()) > resident + (2 << 10) {
        assert!(
            Instant::now() < end,
            "{} KiB stay resident",
            sys::resident_kilobytes(child.id())
        );
        std::thread::sleep(Duration::from_millis(50));
    }

    init.send(&FromInit::InterfaceGone(index), &[]).unwrap();
    await_message(&init, &ToInit::Address(None));
    assert_eq!(
        door.read(&mut bytes).unwrap(),
        0,
        "the stream goes with its interface"
    );

    let (socket, ..) = cable.packet_socket();
    init.send(&FromInit::Interface(interface), &[socket.as_fd()])
        .unwrap();
    await_message(&init, &ToInit::Address(Some(BOX)));
    let mut caller = call(&cable).expect("the box does not answer on its second interface");
    init.send(&FromInit::Stop, &[]).unwrap();
    assert!(child.wait().unwrap().success());
    caller.set_read_timeout(Some(LIMIT)).unwrap();
    let end = caller.read(&mut bytes).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn without_init_it_says_so() {
    let program = std::env::current_exe().unwrap();
    let (init, init_end) = Channel::pair().unwrap();
    let (_doors, doors_end) = Channel::pair().unwrap();
    let mut child = sys::spawn_with(
        &program,
        &["--ignored", "--exact", "as_the_role"],
        &init_end,
        &doors_end,
    );
    drop((init, init_end));
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
