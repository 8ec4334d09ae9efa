//! Orders to a drive, in this process and over a socket.

mod common;
#[path = "common/initiator.rs"]
mod initiator;
#[path = "common/program.rs"]
mod program;

use std::{fs, io::Write as _, os::unix::net::UnixStream};

use burner::{
    BD_R, BD_RE, BLOCK, Control, ControlAddress, Disc, Drive, Fault, Order, Remote, Sense, SharedDrive,
};
use common::{blocks, bytes, drive_with, write};
use initiator::Initiator;
use program::Program;
use proptest::prelude::*;

fn orders() -> Vec<Order> {
    vec![
        Order::Insert("/discs/one with a space".into()),
        Order::InsertNew {
            media: &BD_R,
            capacity: Some(320),
            directory: "/discs/new one".into(),
        },
        Order::InsertNew {
            media: &BD_RE,
            capacity: None,
            directory: "/discs/full".into(),
        },
        Order::Remove,
        Order::Eject,
        Order::Push,
        Order::Attention(Sense::new(6, 0x2A, 1)),
        Order::Arm(Fault::WriteError { at: 800, times: None }),
        Order::Arm(Fault::Swap {
            opcode: 0x2A,
            disc: "/discs/\"other\"".into(),
            silent: true,
        }),
        Order::Arm(Fault::NoDisc {}),
        Order::Clear,
        Order::PowerCycle,
        Order::State,
        Order::Export("/tmp/disc.img".into()),
        Order::Help,
        Order::Quit,
    ]
}

#[test]
fn an_order_is_a_line_and_back() {
    for order in orders() {
        let line = order.to_string();
        assert!(!line.contains('\n'));
        assert_eq!(line.parse::<Order>().unwrap(), order, "{line}");
    }
    for line in [
        "",
        "insert",
        "eject now",
        "insert-new hd-dvd 0 /x",
        "insert-new bd-r many /x",
        "insert-new bd-r 0",
        "attention 6/2A",
        "attention 66/2A/00",
        "attention 6/2A/100",
        "arm",
        "arm { kind = \"fire\" }",
        "arm { kind = \"no-disc\" }\nmore = 1",
        "clear { kind = \"no-disc\" }",
        "help me",
    ] {
        let error = line.parse::<Order>().unwrap_err().to_string();
        assert!(error.contains("\"help\" tells all orders"), "{line}: {error}");
    }
}

#[test]
fn orders_reach_a_drive_in_this_process() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    let mut drive = drive_with(&one, &BD_R);
    assert!(write(&mut drive, 0, 32).sense.is_none());
    let drive = SharedDrive::new(drive);
    let order = |order: Order| order.carry_out(&drive);
    order(Order::Arm(Fault::WriteError {
        at: 32,
        times: Some(1),
    }))
    .unwrap();
    assert!(drive.control(|drive| write(drive, 32, 32)).sense.is_some());
    let state = drive.control(|drive| drive.state());
    assert_eq!(
        (state.tray_open, state.media.as_deref(), state.capacity),
        (false, Some("bd-r"), Some(32_768))
    );
    assert_eq!((state.track.len(), state.track[0].next()), (1, 32));
    assert_eq!((state.fault.len(), state.fault[0].happened), (1, 1));
    order(Order::Clear).unwrap();
    assert!(drive.control(|drive| drive.state()).fault.is_empty());

    let copy = directory.path().join("copy.img");
    order(Order::Export(copy.clone())).unwrap();
    assert!(fs::read(&copy).unwrap() == blocks(0, 32, 0));
    order(Order::InsertNew {
        media: &BD_RE,
        capacity: Some(3200),
        directory: two.clone(),
    })
    .unwrap();
    let state = drive.control(|drive| drive.state());
    assert_eq!(
        (state.media.as_deref(), state.directory),
        (Some("bd-re"), Some(two))
    );
    order(Order::Insert(one.clone())).unwrap();
    order(Order::Insert(one)).unwrap(); // the one that lies there: taken out first
    assert!(order(Order::Insert(directory.path().join("three"))).is_err());
    assert!(drive.control(|drive| drive.state()).media.is_none());
    assert!(order(Order::Export(copy)).is_err());
}

#[test]
fn a_guest_learns_what_was_ordered_over_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let (disc, socket) = (directory.path().join("disc"), directory.path().join("control"));
    let mut program = Program::start(
        &disc,
        ["--media", "bd-r", "--capacity", "3200", "--control"]
            .map(AsRef::as_ref)
            .into_iter()
            .chain([socket.as_os_str()]),
    );
    let address = ControlAddress::Unix(socket.clone());
    let mut remote = Remote::connect(&address).unwrap();
    let (portal, name) = program.portal_and_name();
    let mut guest = Initiator::login(portal.parse().unwrap(), name, 1);
    let mut other = Initiator::login(portal.parse().unwrap(), name, 2);
    for initiator in [&mut guest, &mut other] {
        assert_eq!(initiator.settle(), [0x29, 0x28]);
    }
    let data = blocks(0, 32, 0);
    guest.command(
        1,
        0x20,
        &bytes("2A 00 00 00 00 00 00 00 20 00"),
        data.len(),
        &data,
    );
    assert_eq!(guest.receive().unwrap().header[3], 0);

    let second = directory.path().join("second disc");
    remote
        .order(&Order::InsertNew {
            media: &BD_RE,
            capacity: Some(320),
            directory: second.clone(),
        })
        .unwrap();
    remote.order(&Order::Attention(Sense::new(6, 0x3F, 1))).unwrap();
    for initiator in [&mut guest, &mut other] {
        assert_eq!(initiator.settle(), [0x28, 0x3F]);
    }
    let state = remote.state().unwrap();
    assert_eq!(
        (state.media.as_deref(), state.directory),
        (Some("bd-re"), Some(second))
    );
    let error = remote.line("insert /nowhere").unwrap_err().to_string();
    assert!(error.contains("/nowhere"), "{error}");
    assert_eq!(guest.settle(), []);
    remote.order(&Order::Insert(disc.clone())).unwrap();
    let copy = directory.path().join("copy.img");
    remote.order(&Order::Export(copy.clone())).unwrap();
    assert!(fs::read(&copy).unwrap() == data);

    // A line without end takes its connection with it, and nothing else.
    let mut endless = UnixStream::connect(&socket).unwrap();
    while endless.write_all(&[b'x'; 4096]).is_ok() {}
    assert!(remote.order(&Order::Help).unwrap().contains("power-cycle"));
    remote.order(&Order::Quit).unwrap();
    assert!(program.wait());
    assert!(!socket.exists());
    assert_eq!(Disc::open(&disc).unwrap().recording().recorded_end(), 32);
    assert!(Remote::connect(&address).is_err());
}

#[test]
fn only_loopback_and_paths_take_orders() {
    for (text, taken) in [
        ("127.0.0.1:0", true),
        ("[::1]:7", true),
        ("/tmp/x", true),
        ("./x", true),
        ("0.0.0.0:0", false),
        ("192.168.1.1:7", false),
        ("x", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<ControlAddress>().is_ok(), taken, "{text}");
    }
    let drive = SharedDrive::new(Drive::new("TEST"));
    let address = "127.0.0.1:0".parse().unwrap();
    let control = Control::listen(&address, drive, || ()).unwrap();
    let mut remote = Remote::connect(control.address()).unwrap();
    assert!(remote.order(&Order::Eject).unwrap().is_empty());
    assert!(remote.state().unwrap().tray_open);
    // A second one finds the port taken; a socket that was left behind is replaced.
    assert!(Control::listen(control.address(), SharedDrive::new(Drive::new("X")), || ()).is_err());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let address = ControlAddress::Unix(path);
    let first = Control::listen(&address, SharedDrive::new(Drive::new("X")), || ()).unwrap();
    assert!(Control::listen(first.address(), SharedDrive::new(Drive::new("X")), || ()).is_err());
}

proptest! {
    /// Any line is an order or an error, and what is an order is the same order again.
    #[test]
    fn any_line_is_an_order_or_an_error(line in "(insert|insert-new|attention|arm|export|eject|[a-z]{0,8}) ?.{0,40}") {
        if let Ok(order) = line.parse::<Order>() {
            prop_assert_eq!(order.to_string().parse::<Order>().unwrap(), order);
        }
    }
}

#[test]
fn blocks_are_exported_as_they_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let drive = SharedDrive::new(drive_with(directory.path(), &BD_RE));
    let copy = directory.path().join("copy");
    Order::Export(copy.clone()).carry_out(&drive).unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().len(), 0); // not formatted yet
    drive.control(|drive| common::take(drive, "04 11 00 00 00 00", "00 02 00 08 00 00 80 00 C4 00 00 00"));
    drive.control(|drive| assert!(write(drive, 16_000, 32).sense.is_none()));
    Order::Export(copy.clone()).carry_out(&drive).unwrap();
    let data = fs::read(&copy).unwrap();
    assert_eq!(data.len(), 32_768 * BLOCK);
    assert!(data[16_000 * BLOCK..16_032 * BLOCK] == blocks(16_000, 32, 0));
}
