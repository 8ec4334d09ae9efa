//! Each fault, at the SCSI level.

mod common;

use std::sync::{Arc, Mutex};

use burner::{Drive, Fault, Faults};
use common::{bd_r, blocks, disc_information, good, read, sense, track, triple, write};

const TEST_UNIT_READY: &str = "00 00 00 00 00 00";

fn with(fault: Fault) -> (tempfile::TempDir, Drive) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut drive = bd_r(&directory);
    drive.faults().arm(fault);
    (directory, drive)
}

#[test]
fn a_write_error_records_nothing_and_names_its_block() {
    let (_directory, mut drive) = with(Fault::WriteError { at: 40, times: None });
    assert!(write(&mut drive, 0, 32).sense.is_none());
    let response = write(&mut drive, 32, 32);
    assert_eq!(response.sense.unwrap().information, Some(40));
    assert_eq!(triple(response), (3, 0x0C, 0));
    assert_eq!(triple(write(&mut drive, 32, 32)), (3, 0x0C, 0));
    assert_eq!(track(&mut drive, 1).next, Some(32));
    drive.faults().disarm();
    assert!(write(&mut drive, 32, 32).sense.is_none());
}

#[test]
fn a_weak_sector_is_recovered_after_some_tries() {
    let (_directory, mut drive) = with(Fault::ReadError {
        at: 10,
        blocks: Some(4),
        tries: Some(2),
    });
    write(&mut drive, 0, 64);
    assert!(read(&mut drive, 14, 10).sense.is_none());
    assert_eq!(read(&mut drive, 12, 1).sense.unwrap().information, Some(12));
    assert_eq!(triple(read(&mut drive, 0, 32)), (3, 0x11, 5));
    assert_eq!(read(&mut drive, 0, 32).data_in, blocks(0, 32, 0));
}

#[test]
fn a_long_write_storm_passes() {
    let (_directory, mut drive) = with(Fault::LongWrite {
        at: 32,
        times: Some(3),
    });
    assert!(write(&mut drive, 0, 32).sense.is_none());
    for _ in 0..3 {
        assert_eq!(triple(write(&mut drive, 32, 32)), (2, 4, 8));
    }
    assert!(write(&mut drive, 32, 32).sense.is_none());
}

#[test]
fn the_tray_opens_in_the_middle_of_a_burn() {
    let (_directory, mut drive) = with(Fault::TrayOpens { at: 32 });
    good(&mut drive, "1E 00 00 00 01 00");
    assert!(write(&mut drive, 0, 32).sense.is_none());
    assert_eq!(triple(write(&mut drive, 32, 32)), (2, 0x3A, 2));
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (2, 0x3A, 2));
    drive.push_tray();
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (6, 0x28, 0));
    assert!(write(&mut drive, 32, 32).sense.is_none());
}

#[test]
fn a_drive_may_be_blind_slow_to_load_slow_to_close_or_unable_to() {
    let (_directory, mut drive) = with(Fault::NoDisc {});
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (2, 0x3A, 1));
    assert_eq!(good(&mut drive, "46 00 00 00 00 00 00 00 08 00")[6..], [0, 0]);

    let (_directory, mut drive) = with(Fault::BecomingReady { times: 2 });
    let disc = drive.remove().unwrap();
    drive.insert(disc);
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (6, 0x28, 0));
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (2, 4, 1));
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (2, 4, 1));
    good(&mut drive, TEST_UNIT_READY);

    let (_directory, mut drive) = with(Fault::SlowClose { times: 1 });
    write(&mut drive, 0, 32);
    good(&mut drive, "5B 01 06 00 00 00 00 00 00 00");
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (2, 4, 7));
    good(&mut drive, TEST_UNIT_READY);

    let (_directory, mut drive) = with(Fault::FailClose { times: Some(1) });
    write(&mut drive, 0, 32);
    assert_eq!(sense(&mut drive, "5B 01 06 00 00 00 00 00 00 00"), (3, 0x72, 0));
    assert_eq!(disc_information(&mut drive), (1, 1, 1, 1, 1));
    good(&mut drive, "5B 01 06 00 00 00 00 00 00 00");
}

#[test]
fn any_command_may_be_refused_with_any_sense() {
    let refusal = |opcode, times| Fault::Refusal {
        opcode,
        key: 2,
        code: 4,
        qualifier: 7,
        times,
    };
    let (_directory, mut drive) = with(refusal(Some(0x35), Some(2)));
    write(&mut drive, 0, 20);
    for _ in 0..2 {
        assert_eq!(sense(&mut drive, "35 00 00 00 00 00 00 00 00 00"), (2, 4, 7));
        assert_eq!(common::track(&mut drive, 1).next, Some(20)); // not executed
    }
    good(&mut drive, "35 00 00 00 00 00 00 00 00 00");
    drive.faults().arm(refusal(None, Some(1)));
    good(&mut drive, "12 00 00 00 24 00"); // INQUIRY is refused only when asked for
    assert_eq!(sense(&mut drive, TEST_UNIT_READY), (2, 4, 7));
    drive.faults().arm(refusal(Some(0x12), None));
    assert_eq!(sense(&mut drive, "12 00 00 00 24 00"), (2, 4, 7));
}

#[test]
fn faults_are_read_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("faults.toml");
    let text = "[[fault]]\nkind = \"long-write\"\nat = 0\ntimes = 1\n\n[[fault]]\nkind = \"no-disc\"\n";
    std::fs::write(&path, text).unwrap();
    let mut drive = bd_r(&tempfile::tempdir().unwrap());
    *drive.faults() = Faults::load(&path).unwrap();
    assert_eq!(triple(write(&mut drive, 0, 32)), (2, 0x3A, 1));
    for wrong in [
        "[[fault]]\nkind = \"no-drive\"\n",
        "[[fault]]\nkind = \"no-disc\"\nat = 3\n",
        "fault = 3",
        "x",
    ] {
        std::fs::write(&path, wrong).unwrap();
        let error = Faults::load(&path).unwrap_err().to_string();
        assert!(error.contains("faults.toml: not a list of faults"), "{error}");
    }
}

#[test]
fn every_command_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = bd_r(&directory);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    drive.observe(move |record| sink.lock().unwrap().push(record.to_string()));
    write(&mut drive, 0, 32);
    write(&mut drive, 0, 32);
    good(&mut drive, "25 00 00 00 00 00 00 00 00 00");
    let lines: Vec<String> = lines
        .lock()
        .unwrap()
        .iter()
        .map(|line| line.rsplit_once(" | ").unwrap().0.into())
        .collect();
    assert_eq!(
        lines,
        [
            "2A 00 00 00 00 00 00 00 20 00 | out 65536 | in 0 | good",
            "2A 00 00 00 00 00 00 00 20 00 | out 65536 | in 0 | 05/21/02",
            "25 00 00 00 00 00 00 00 00 00 | out 0 | in 8 | good",
        ]
    );
}
