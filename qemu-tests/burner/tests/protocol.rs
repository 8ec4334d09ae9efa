//! The iSCSI protocol where the tools of others do not reach.

mod common;
#[path = "common/initiator.rs"]
mod initiator;

use std::net::SocketAddr;

use burner::{BD_R, Drive, Fault, SharedDrive, Target};
use common::{blocks, bytes, drive_with};
use initiator::Initiator;
use proptest::prelude::*;

const NOP_IN: u8 = 0x20;
const SCSI_RESPONSE: u8 = 0x21;
const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
const DATA_IN: u8 = 0x25;
const R2T: u8 = 0x31;

struct Served {
    target: Target,
    iqn: String,
    drive: SharedDrive,
    _directory: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let drive = SharedDrive::new(drive_with(directory.path(), &BD_R));
        let target = Target::listen("127.0.0.1:0").expect("a free port");
        let iqn = target.add("burner0", drive.clone()).expect("a legal name");
        Self {
            target,
            iqn,
            drive,
            _directory: directory,
        }
    }

    fn login(&self, session: u8) -> Initiator {
        let mut initiator = Initiator::login(self.target.addr(), &self.iqn, session);
        initiator.settle();
        initiator
    }
}

#[test]
fn a_long_write_comes_in_bursts() {
    let served = Served::new();
    let mut initiator = served.login(1);
    let data = blocks(0, 256, 7);
    initiator.command(
        9,
        0x20,
        &bytes("2A 00 00 00 00 00 00 01 00 00"),
        data.len(),
        &data[..65_536],
    );
    for (number, offset) in [(0, 65_536), (1, 196_608), (2, 327_680), (3, 458_752)] {
        let asked = initiator.receive().unwrap();
        assert_eq!(
            (asked.opcode(), asked.word(36), asked.word(40)),
            (R2T, number, offset)
        );
        initiator.data_out(&asked, &data, 50_000);
    }
    let answer = initiator.receive().unwrap();
    assert_eq!(
        (answer.opcode(), answer.header[3], answer.tag()),
        (SCSI_RESPONSE, 0, 9),
        "{answer:?}"
    );
    // Read back: PDUs of 8 KiB, which is what an initiator takes that declared nothing.
    initiator.command(10, 0x40, &bytes("28 00 00 00 00 00 00 01 00 00"), data.len(), &[]);
    let mut back = Vec::new();
    while back.len() < data.len() {
        let part = initiator.receive().unwrap();
        assert_eq!(
            (part.opcode(), usize::try_from(part.word(40)).unwrap()),
            (DATA_IN, back.len())
        );
        assert!(part.data.len() <= 8192);
        back.extend(part.data);
    }
    assert!(back == data);
}

#[test]
fn commands_are_executed_in_order_although_their_data_is_not() {
    let served = Served::new();
    let mut initiator = served.login(1);
    let data = blocks(0, 64, 0);
    let (first, second) = data.split_at(65_536);
    initiator.command(1, 0x20, &bytes("2A 00 00 00 00 00 00 00 20 00"), 65_536, &[]);
    initiator.command(2, 0x20, &bytes("2A 00 00 00 00 20 00 00 20 00"), 65_536, second);
    let asked = initiator.receive().unwrap();
    assert_eq!((asked.opcode(), asked.tag()), (R2T, 1));
    initiator.data_out(&asked, first, 65_536);
    for tag in [1, 2] {
        let answer = initiator.receive().unwrap();
        assert_eq!(
            (answer.opcode(), answer.tag(), answer.header[3]),
            (SCSI_RESPONSE, tag, 0),
            "{answer:?}"
        );
    }
}

#[test]
fn nops_and_aborts_are_answered_while_a_command_runs() {
    let served = Served::new();
    served.drive.control(|drive| {
        drive.faults().arm(Fault::ReplyDelay {
            opcode: 0x35,
            milliseconds: 1500,
            times: None,
        });
    });
    let mut initiator = served.login(1);
    initiator.command(1, 0, &bytes("35 00 00 00 00 00 00 00 00 00"), 0, &[]);
    initiator.command(2, 0x40, &bytes("25 00 00 00 00 00 00 00 00 00"), 8, &[]);
    initiator.request(0x40, 0x80, 3, &[(20, &[0xFF; 4])], b"ping");
    let answer = initiator.receive().unwrap();
    assert_eq!(
        (answer.opcode(), answer.tag(), answer.data.as_slice()),
        (NOP_IN, 3, &b"ping"[..])
    );
    // ABORT TASK of the command that waits, of one there is not, and then of the one that runs.
    for (tag, aborted, outcome) in [(4, 2u32, 0), (5, 77, 1), (6, 1, 0)] {
        initiator.request(0x42, 0x81, tag, &[(20, &aborted.to_be_bytes())], &[]);
        let answer = initiator.receive().unwrap();
        assert_eq!(
            (answer.opcode(), answer.tag(), answer.header[2]),
            (TASK_MANAGEMENT_RESPONSE, tag, outcome)
        );
    }
    // None of the aborted is answered: the next answer is this command's.
    initiator.command(7, 0, &bytes("00 00 00 00 00 00"), 0, &[]);
    let answer = initiator.receive().unwrap();
    assert_eq!(
        (answer.opcode(), answer.tag(), answer.header[3]),
        (SCSI_RESPONSE, 7, 0)
    );
}

#[test]
fn a_reset_of_the_unit_is_reported_once() {
    let served = Served::new();
    let mut initiator = served.login(1);
    initiator.request(0x42, 0x85, 1, &[], &[]);
    assert_eq!(initiator.receive().unwrap().header[2], 0);
    initiator.command(2, 0, &bytes("00 00 00 00 00 00"), 0, &[]);
    let answer = initiator.receive().unwrap();
    assert_eq!(
        (answer.header[3], answer.data[2 + 2], answer.data[2 + 12]),
        (2, 6, 0x29)
    );
    initiator.command(3, 0, &bytes("00 00 00 00 00 00"), 0, &[]);
    assert_eq!(initiator.receive().unwrap().header[3], 0);
}

fn sense(initiator: &mut Initiator, cdb: &str) -> Option<(u8, u8)> {
    initiator.command(1, 0, &bytes(cdb), 0, &[]);
    let answer = initiator.receive().expect("an answer");
    (answer.header[3] == 2).then(|| (answer.data[2 + 2], answer.data[2 + 12]))
}

const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
const LOAD: &str = "1B 00 00 00 03 00";
const EJECT: &str = "1B 00 00 00 02 00";

#[test]
fn every_initiator_is_told_but_the_one_that_commanded_it() {
    let served = Served::new();
    let mut one = Initiator::login(served.target.addr(), &served.iqn, 1);
    assert_eq!(one.settle(), [0x29, 0x28]); // to a new one, the drive has just come
    let mut other = served.login(2);
    assert_eq!(sense(&mut one, EJECT), None);
    assert_eq!(sense(&mut other, TEST_UNIT_READY), Some((2, 0x3A)));
    assert_eq!(sense(&mut one, LOAD), None);
    assert_eq!(sense(&mut one, TEST_UNIT_READY), None);
    assert_eq!(sense(&mut other, TEST_UNIT_READY), Some((6, 0x28)));
    assert_eq!(sense(&mut other, TEST_UNIT_READY), None);
    // A hand at the front panel is news to both.
    served.drive.control(|drive| {
        drive.press_eject();
        drive.push_tray();
    });
    assert_eq!(one.settle(), [0x28]);
    assert_eq!(other.settle(), [0x28]);
    // A mode page that one changes concerns the other.
    one.command(
        1,
        0x20,
        &bytes("15 10 00 00 10 00"),
        16,
        &bytes("00 00 00 00 01 0A 00 10 00 00 00 00 20 00 00 00"),
    );
    assert_eq!(one.receive().unwrap().header[3], 0);
    assert_eq!(sense(&mut one, TEST_UNIT_READY), None);
    assert_eq!(sense(&mut other, TEST_UNIT_READY), Some((6, 0x2A)));
    // What was established while a session was lost awaits its return.
    drop(one);
    served
        .drive
        .control(|drive| drive.unit_attention(burner::Sense::new(6, 0x3B, 0x11)));
    let mut one = Initiator::login(served.target.addr(), &served.iqn, 1);
    assert_eq!(one.settle(), [0x3B]);
}

#[test]
fn removal_is_prevented_until_the_initiator_that_prevents_it_allows_it_or_is_gone() {
    let served = Served::new();
    let (mut one, mut other) = (served.login(1), served.login(2));
    assert_eq!(sense(&mut one, "1E 00 00 00 01 00"), None);
    for initiator in [&mut one, &mut other] {
        assert_eq!(sense(initiator, EJECT), Some((5, 0x53)));
    }
    assert_eq!(sense(&mut other, "1E 00 00 00 00 00"), None); // speaks for itself only
    assert_eq!(sense(&mut other, EJECT), Some((5, 0x53)));
    one.request(0x46, 0x80, 9, &[], &[]); // LOGOUT
    assert!(one.receive().is_ok_and(|answer| answer.opcode() == 0x26));
    assert!(one.receive().is_err()); // by now the target has forgotten it
    assert_eq!(sense(&mut other, EJECT), None);
    assert_eq!(sense(&mut other, TEST_UNIT_READY), Some((2, 0x3A)));
}

#[test]
fn residuals_say_how_much_was_missing() {
    let served = Served::new();
    let mut initiator = served.login(1);
    for (length, flags, residual) in [(8, 0x80, 0), (20, 0x82, 12), (5, 0x84, 3)] {
        initiator.command(1, 0x40, &bytes("25 00 00 00 00 00 00 00 00 00"), length, &[]);
        let answer = initiator.receive().unwrap();
        assert_eq!(
            (answer.opcode(), answer.header[1] & 0xFE, answer.word(44)),
            (DATA_IN, flags, residual)
        );
        assert_eq!(answer.data.len(), length.min(8));
    }
}

#[test]
fn a_session_opened_again_replaces_the_old_one() {
    let served = Served::new();
    let mut first = served.login(1);
    let mut other = served.login(2);
    let mut second = served.login(1);
    assert!(first.receive().is_err());
    for initiator in [&mut second, &mut other] {
        initiator.command(1, 0, &bytes("00 00 00 00 00 00"), 0, &[]);
        assert_eq!(initiator.receive().unwrap().opcode(), SCSI_RESPONSE);
    }
}

#[test]
fn logins_are_refused_for_a_reason() {
    let served = Served::new();
    let refused = |text: &str| {
        let answer = Initiator::connect(served.target.addr()).try_login(text.as_bytes(), 1);
        (answer.header[36], answer.header[37])
    };
    assert_eq!(
        refused("InitiatorName=iqn.test\0TargetName=iqn.2026-01.spindle:other\0"),
        (2, 3)
    );
    assert_eq!(refused("InitiatorName=iqn.test\0"), (2, 7));
    assert_eq!(refused("SessionType=Discovery\0"), (2, 7));
    assert_eq!(
        refused("InitiatorName=iqn.test\0SessionType=Discovery\0AuthMethod=CHAP\0"),
        (2, 1)
    );
    assert_eq!(
        refused("InitiatorName=iqn.test\0SessionType=Discovery\0AuthMethod=CHAP,None\0"),
        (0, 0)
    );
    let mut early = Initiator::connect(served.target.addr());
    early.command(1, 0, &bytes("00 00 00 00 00 00"), 0, &[]);
    let answer = early.receive().unwrap();
    assert_eq!(
        (answer.opcode(), answer.header[36], answer.header[37]),
        (0x23, 2, 11)
    );
}

#[test]
fn an_empty_drive_has_a_capacity_only_while_it_is_opened() {
    let target = Target::listen("127.0.0.1:0").unwrap();
    let iqn = target
        .add("empty", SharedDrive::new(Drive::new("EMPTY")))
        .unwrap();
    let mut initiator = Initiator::login(target.addr(), &iqn, 1);
    let capacity = bytes("25 00 00 00 00 00 00 00 00 00");
    initiator.command(1, 0, &bytes("00 00 00 00 00 00"), 0, &[]); // takes the power-on attention
    assert_eq!(initiator.receive().unwrap().header[3], 2);
    initiator.command(2, 0x40, &capacity, 8, &[]);
    assert_eq!(initiator.receive().unwrap().data, [0, 0, 0, 0, 0, 0, 8, 0]);
    initiator.command(3, 0x40, &bytes("46 00 00 00 00 00 00 00 08 00"), 8, &[]);
    assert_eq!(initiator.receive().unwrap().opcode(), DATA_IN);
    initiator.command(4, 0x40, &capacity, 8, &[]);
    let answer = initiator.receive().unwrap();
    assert_eq!(
        (answer.opcode(), answer.header[3], answer.data[2 + 12]),
        (SCSI_RESPONSE, 2, 0x3A)
    );
}

/// Whatever happened to a connection, the target takes the next one.
fn is_alive(address: SocketAddr, iqn: &str) -> bool {
    let mut initiator = Initiator::login(address, iqn, 0xEE);
    initiator.command(1, 0x40, &bytes("12 00 00 00 24 00"), 36, &[]);
    initiator.receive().is_ok_and(|answer| answer.data.len() == 36)
}

#[test]
fn a_peer_that_breaks_the_protocol_is_cut_off() {
    let served = Served::new();
    let write = bytes("2A 00 00 00 00 00 00 00 20 00");
    type Break = fn(&mut Initiator, &[u8]);
    let breaks: [Break; 6] = [
        |initiator, write| initiator.command(1, 0x20, write, 4096, &[0; 8192]), // more data than expected
        |initiator, write| initiator.command(1, 0x20, write, 1 << 20, &[0; 70_000]), // more than the first burst
        |initiator, _| initiator.request(0x01, 0x80, 1, &[(24, &5u32.to_be_bytes())], &[]), // a number left out
        |initiator, _| initiator.stream_bytes(&[0x01, 0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF]), // 16 MiB in one PDU
        |initiator, _| initiator.request(0x04, 0x80, 1, &[], b"no key\0"),
        |initiator, write| {
            initiator.command(1, 0x20, write, 65_536, &[]);
            let asked = initiator.receive().expect("an R2T");
            initiator.request(0x05, 0x80, asked.tag(), &[(20, &[9; 4])], &[0; 512]); // a tag never given
        },
    ];
    for (number, broken) in (1..).zip(breaks) {
        let mut initiator = served.login(number);
        broken(&mut initiator, &write);
        assert!(initiator.receive().is_err(), "{number}");
        assert!(is_alive(served.target.addr(), &served.iqn));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Random PDUs, well framed and logged in: the connection may end, nothing else.
    #[test]
    fn random_pdus_hurt_nobody(
        pdus in prop::collection::vec((prop::array::uniform32(any::<u8>()), prop::collection::vec(any::<u8>(), 0..600)), 1..12),
        logged_in: bool,
    ) {
        let served = Served::new();
        let mut initiator = if logged_in { served.login(1) } else { Initiator::connect(served.target.addr()) };
        for (number, (random, data)) in (1u32..).zip(pdus) {
            let mut header = [0; 48];
            header[..32].copy_from_slice(&random);
            header[0] &= 0x47; // initiator operation codes
            header[4] &= 1;
            if logged_in {
                header[24..28].copy_from_slice(&number.to_be_bytes());
            }
            initiator.send(header, &data);
        }
        drop(initiator);
        prop_assert!(is_alive(served.target.addr(), &served.iqn));
    }
}
