//! Faults that lose data, answers or discs, at the SCSI level.

mod common;
#[path = "common/initiator.rs"]
mod initiator;

use burner::{BD_R, DVD_PLUS_RW, Disc, Drive, Fault, SharedDrive, Target};
use common::{
    CAPACITY, bd_r, blocks, bytes, disc_information, drive_with, good, read, send, sense, take, track,
    triple, write,
};
use initiator::Initiator;

const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
const SYNCHRONIZE: &str = "35 00 00 00 00 00 00 00 00 00";
const FINALISE: &str = "5B 01 06 00 00 00 00 00 00 00";

fn with(fault: Fault) -> (tempfile::TempDir, Drive) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut drive = bd_r(&directory);
    drive.faults().arm(fault);
    (directory, drive)
}

#[test]
fn a_power_cut_loses_the_buffer_and_damages_the_track() {
    let (directory, mut drive) = with(Fault::PowerCut { at: 150 });
    assert!(write(&mut drive, 0, 64).sense.is_none());
    good(&mut drive, SYNCHRONIZE);
    assert!(write(&mut drive, 64, 64).sense.is_none()); // acknowledged, and lost
    let response = write(&mut drive, 128, 64);
    assert!(response.lost);
    assert_eq!(triple(response), (0xB, 8, 0));
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (6, 0x29, 0));
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (6, 0x28, 0));

    let damaged = |drive: &mut Drive| {
        let track = track(drive, 1);
        assert_eq!((track.damaged, track.next, track.free), (true, None, 0));
        assert_eq!(read(drive, 0, 64).data_in, blocks(0, 64, 0));
        assert_eq!(triple(read(drive, 64, 1)), (3, 0x11, 5)); // torn
        assert_eq!(triple(read(drive, 96, 1)), (8, 0, 0)); // never recorded
        assert_eq!(triple(write(drive, 64, 32)), (5, 0x21, 2));
    };
    damaged(&mut drive);
    drop(drive);
    let drive = &mut bd_r(&directory); // another process
    damaged(drive);

    // Closing the track repairs it; the next begins behind what was torn.
    good(drive, "5B 00 01 00 00 01 00 00 00 00");
    let (first, second) = (track(drive, 1), track(drive, 2));
    assert_eq!((first.damaged, first.size), (false, 96));
    assert_eq!((second.start, second.next), (96, Some(96)));
    assert!(write(drive, 96, 32).sense.is_none());
    good(drive, FINALISE);
    assert_eq!(triple(read(drive, 64, 1)), (3, 0x11, 5));
    assert_eq!(read(drive, 96, 32).data_in, blocks(96, 32, 0));
}

#[test]
fn a_power_cut_in_the_first_write_spoils_a_blank_disc() {
    let (_directory, mut drive) = with(Fault::PowerCut { at: 0 });
    assert!(write(&mut drive, 0, 32).lost);
    for _ in 0..2 {
        assert_eq!(sense(&mut drive, TEST_UNIT_READY).0, 6);
    }
    assert_eq!(disc_information(&mut drive).0, 1); // no longer blank
    good(&mut drive, "5B 00 02 00 00 00 00 00 00 00");
    assert_eq!(disc_information(&mut drive), (1, 0, 2, 2, 2));
    assert_eq!(track(&mut drive, 2).next, Some(32));
}

#[test]
fn a_power_cut_tears_an_overwrite() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_PLUS_RW);
    take(drive, "04 11 00 00 00 00", "00 02 00 08 FF FF FF FF 98 00 00 00");
    common::write_bytes(drive, 0, &blocks(0, 32, 1));
    drive.faults().arm(Fault::PowerCut { at: 10 });
    assert!(common::write_bytes(drive, 0, &blocks(0, 32, 2)).lost);
    for _ in 0..2 {
        assert_eq!(sense(drive, TEST_UNIT_READY).0, 6);
    }
    assert_eq!(read(drive, 0, 10).data_in, blocks(0, 10, 2));
    assert_eq!(read(drive, 10, 22).data_in, blocks(10, 22, 1));
}

#[test]
fn a_command_is_executed_although_its_reply_is_lost() {
    let lost = Fault::LostReply {
        opcode: 0x2A,
        times: Some(1),
    };
    let (_directory, mut drive) = with(lost.clone());
    assert!(write(&mut drive, 0, 32).lost);
    assert_eq!(triple(write(&mut drive, 0, 32)), (6, 0x29, 3)); // the reset that follows
    assert_eq!(triple(write(&mut drive, 0, 32)), (5, 0x21, 2)); // sent again, refused
    assert_eq!(track(&mut drive, 1).next, Some(32));

    // Behind iSCSI, the connection goes.
    let drive = SharedDrive::new(drive);
    drive.control(|drive| drive.faults().disarm());
    drive.control(|drive| drive.faults().arm(lost));
    let target = Target::listen("127.0.0.1:0").unwrap();
    let iqn = target.add("burner0", drive.clone()).unwrap();
    let mut initiator = Initiator::login(target.addr(), &iqn, 1);
    initiator.settle();
    let data = blocks(32, 32, 0);
    initiator.command(
        1,
        0x20,
        &bytes("2A 00 00 00 00 20 00 00 20 00"),
        data.len(),
        &data,
    );
    assert!(initiator.receive().is_err());
    let mut again = Initiator::login(target.addr(), &iqn, 1);
    assert_eq!(again.settle(), [0x29]);
    drive.control(|drive| {
        assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x29, 3));
        assert_eq!(track(drive, 1).next, Some(64));
    });
}

#[test]
fn a_bus_reset_forgets_what_the_host_had_set() {
    let (_directory, mut drive) = with(Fault::BusReset {
        opcode: 0x2A,
        times: Some(1),
    });
    good(&mut drive, "1E 00 00 00 01 00");
    assert_eq!(triple(write(&mut drive, 0, 32)), (6, 0x29, 3));
    assert_eq!(track(&mut drive, 1).next, Some(0));
    good(&mut drive, "1B 00 00 00 02 00"); // no longer prevented
}

#[test]
fn a_storm_of_unit_attentions_passes() {
    let (_directory, mut drive) = with(Fault::UnitAttention {
        opcode: None,
        code: 0x28,
        qualifier: 0,
        times: Some(5),
    });
    for _ in 0..5 {
        good(&mut drive, "12 00 00 00 24 00");
        assert_eq!(sense(&mut drive, "51 00 00 00 00 00 00 00 22 00"), (6, 0x28, 0));
    }
    good(&mut drive, "51 00 00 00 00 00 00 00 22 00");
}

#[test]
fn a_close_may_lie() {
    let (_directory, mut drive) = with(Fault::LyingClose { times: None });
    write(&mut drive, 0, 32);
    good(&mut drive, FINALISE);
    assert_eq!(disc_information(&mut drive), (1, 1, 1, 1, 1));
    drive.faults().disarm();
    good(&mut drive, FINALISE);
    assert_eq!(disc_information(&mut drive), (2, 3, 1, 1, 1));
}

#[test]
fn rot_changes_blocks_silently() {
    let (_directory, mut drive) = with(Fault::Rot {
        at: 7,
        blocks: Some(2),
    });
    drive.faults().arm(Fault::Rot { at: 20, blocks: None });
    write(&mut drive, 0, 32);
    let data = read(&mut drive, 0, 32).data_in;
    let rotten: Vec<u32> = (0u32..)
        .zip(data.chunks(burner::BLOCK))
        .filter(|(address, found)| *found != common::block(*address, 0))
        .map(|(address, _)| address)
        .collect();
    assert_eq!(rotten, [7, 8, 20]);
    assert_eq!(read(&mut drive, 0, 32).data_in, data); // every time the same
    drive.faults().disarm();
    assert_eq!(read(&mut drive, 0, 32).data_in, blocks(0, 32, 0)); // the disc itself is as written
}

#[test]
fn discs_are_swapped_between_two_commands() {
    for silent in [false, true] {
        let other = tempfile::tempdir().unwrap();
        let mut written = bd_r(&other);
        write(&mut written, 0, 64);
        drop(written.remove());
        drop(written);
        let (_directory, mut drive) = with(Fault::Swap {
            opcode: 0x2A,
            disc: other.path().into(),
            silent,
        });
        assert_eq!(track(&mut drive, 1).next, Some(0));
        if !silent {
            assert_eq!(triple(write(&mut drive, 0, 32)), (6, 0x28, 0));
        }
        assert_eq!(triple(write(&mut drive, 0, 32)), (5, 0x21, 2));
        assert_eq!(track(&mut drive, 1).next, Some(64));
    }
}

#[test]
fn calibration_fails_and_buffers_are_reported_wrong() {
    let (_directory, mut drive) = with(Fault::OpcFails { times: Some(1) });
    assert_eq!(sense(&mut drive, "54 01 00 00 00 00 00 00 00 00"), (3, 0x73, 3));
    good(&mut drive, "54 01 00 00 00 00 00 00 00 00");
    drive.faults().arm(Fault::FalseBuffer {
        free: 4096,
        times: Some(1),
    });
    let free = |drive: &mut Drive| good(drive, "5C 00 00 00 00 00 00 00 0C 00")[8..].to_vec();
    assert_eq!(free(&mut drive), [0, 0, 0x10, 0]);
    assert_eq!(free(&mut drive), [0, 0x40, 0, 0]);
}

#[test]
fn spare_areas_are_exhausted() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &burner::DVD_RAM);
    drive.faults().arm(Fault::SparesExhausted { at: 5, times: None });
    assert_eq!(triple(write(drive, 0, 16)), (3, 0x0C, 2));
    assert!(write(drive, 16, 16).sense.is_none());
}

#[test]
fn every_fault_has_its_place_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("faults.toml");
    let text = r#"
        [[fault]]
        kind = "power-cut"
        at = 800
        [[fault]]
        kind = "lost-reply"
        opcode = 0x2A
        times = 1
        [[fault]]
        kind = "bus-reset"
        opcode = 0x35
        [[fault]]
        kind = "unit-attention"
        code = 0x28
        qualifier = 0
        times = 1
        [[fault]]
        kind = "swap"
        opcode = 0x51
        disc = "/elsewhere"
        [[fault]]
        kind = "lying-close"
        [[fault]]
        kind = "opc-fails"
        [[fault]]
        kind = "false-buffer"
        free = 0
        [[fault]]
        kind = "rot"
        at = 3
    "#;
    std::fs::write(&path, text).unwrap();
    let disc = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&disc);
    *drive.faults() = burner::Faults::load(&path).unwrap();
    assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x28, 0));
    assert!(write(drive, 0, 32).lost);
    assert!(send(drive, TEST_UNIT_READY, &[]).sense.is_some());
    good(drive, "51 00 00 00 00 00 00 00 22 00"); // a disc that is not there is not swapped in
    assert_ne!(read(drive, 3, 1).data_in, blocks(3, 1, 0));
    let unswapped = Disc::open_or_create(directory.path(), &BD_R, Some(CAPACITY)).unwrap();
    assert!(unswapped.recording().is_blank());
}
