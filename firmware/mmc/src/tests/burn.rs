//! Burning, and what may go wrong meanwhile.

use std::vec::Vec;

use super::model::{Answer, CAPACITY, Ear, Fault, Model, drive, image};
use crate::{BLOCK, Close, Disc, DiscStatus, Drive, Error, Event, Intent, Sense, Stage};

/// Burns `blocks` blocks at the next writable address.
fn burn(drive: &mut Drive<Model, Ear>, blocks: u32, close: Close) -> Result<Disc, Error> {
    let first = drive.disc()?.next_writable().ok_or(Error::AddressUnknown)?;
    let plan = drive.plan(&Intent::new(first, blocks).close(close))?;
    let cluster = usize::try_from(plan.cluster_blocks()).unwrap() * BLOCK;
    let mut recorder = drive.record(plan)?;
    for part in image(blocks).chunks(cluster) {
        recorder.write(part)?;
    }
    recorder.finish()
}

/// The blocks on the disc from `first` on are the image, padded with zeroes to whole clusters.
fn assert_on_disc(drive: &Drive<Model, Ear>, first: usize, blocks: u32, cluster: usize) {
    let image = image(blocks);
    let written: Vec<u8> = drive.transport.blocks[first..].concat();
    let (data, padding) = written.split_at(image.len());
    assert!(data == image, "the disc differs from the image");
    assert!(padding.iter().all(|byte| *byte == 0));
    assert_eq!(
        written.len() / BLOCK,
        usize::try_from(blocks).unwrap().next_multiple_of(cluster)
    );
}

/// Burns 100 blocks on BD-R with these faults, successfully.
fn assert_survives(faults: &[Fault]) -> Drive<Model, Ear> {
    let mut drive = drive(Model::blank(0x41).with(faults));
    let disc = burn(&mut drive, 100, Close::Appendable).unwrap();
    assert_eq!(disc.status, DiscStatus::Appendable);
    assert_on_disc(&drive, 0, 100, 32);
    assert!(drive.transport.faults.is_empty(), "every fault was met");
    drive
}

/// Burns 100 blocks on BD-R with these faults, and fails.
fn assert_fails(faults: &[Fault]) -> (Error, Drive<Model, Ear>) {
    let mut drive = drive(Model::blank(0x41).with(faults));
    let error = burn(&mut drive, 100, Close::Appendable).unwrap_err();
    assert!(!error.cause().is_empty() && !error.remedy().is_empty());
    (error, drive)
}

#[test]
fn a_session_is_burned_as_the_established_programs_do() {
    let mut drive = drive(Model::blank(0x41));
    let disc = burn(&mut drive, 100, Close::Finalised).unwrap();
    assert_eq!((disc.status, disc.sessions), (DiscStatus::Complete, 1));
    assert_on_disc(&drive, 0, 100, 32);
    let log = &drive.transport.log;
    let recording: Vec<_> = log
        .iter()
        .filter(|cdb| matches!(cdb[0], 0x2A | 0x35 | 0x53 | 0x5B))
        .collect();
    let expected: [&[u8]; 7] = [
        &[0x2A, 0, 0, 0, 0, 0, 0, 0, 32, 0],
        &[0x2A, 0, 0, 0, 0, 32, 0, 0, 32, 0],
        &[0x2A, 0, 0, 0, 0, 64, 0, 0, 32, 0],
        &[0x2A, 0, 0, 0, 0, 96, 0, 0, 32, 0],
        &[0x35, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x5B, 1, 1, 0, 0, 1, 0, 0, 0, 0],
        &[0x5B, 1, 6, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(recording, expected);
    assert_eq!(
        log.iter().rfind(|cdb| cdb[0] == 0x1E).unwrap()[4],
        0,
        "the tray is unlocked at the end"
    );
    assert!(drive.host.events.contains(&Event::Stage(Stage::Finalising)));
    assert!(
        drive
            .host
            .events
            .contains(&Event::Written { blocks: 128, of: 128 })
    );
    assert_eq!(drive.transport.count(0x04), 0, "BD-R is never formatted");
}

#[test]
fn dvd_plus_r_goes_the_same_way_in_clusters_of_sixteen() {
    let mut drive = drive(Model::blank(0x1B));
    burn(&mut drive, 50, Close::Appendable).unwrap();
    assert_on_disc(&drive, 0, 50, 16);
}

#[test]
fn sessions_are_added_until_the_disc_is_finalised() {
    let mut drive = drive(Model::blank(0x41));
    assert_eq!(
        burn(&mut drive, 40, Close::Appendable).unwrap().next_writable(),
        Some(64)
    );
    assert_eq!(burn(&mut drive, 33, Close::Appendable).unwrap().sessions, 2);
    assert_on_disc(&drive, 64, 33, 32);
    burn(&mut drive, 1, Close::Finalised).unwrap();
    assert_eq!(drive.plan(&Intent::new(160, 1)), Err(Error::Finalised));
}

#[test]
fn space_is_reserved_when_asked_for() {
    let mut drive = drive(Model::blank(0x41));
    let plan = drive.plan(&Intent::new(0, 40).at_once()).unwrap();
    let _recorder = drive.record(plan).unwrap();
    assert_eq!(
        drive.transport.log.iter().rfind(|cdb| cdb[0] == 0x53).unwrap()[5..9],
        [0, 0, 0, 64]
    );
}

#[test]
fn what_can_be_known_before_is_refused_before() {
    let refused = |model: Model, first, blocks| {
        let mut drive = drive(model);
        let error = drive.plan(&Intent::new(first, blocks)).unwrap_err();
        assert_eq!(drive.transport.count(0x2A), 0);
        error
    };
    let needed = CAPACITY + 32;
    assert_eq!(
        refused(Model::blank(0x41), 0, CAPACITY),
        Error::TooLarge {
            needed,
            free: CAPACITY
        }
    );
    assert_eq!(
        refused(Model::blank(0x41), 0, u32::MAX),
        Error::TooLarge {
            needed: u32::MAX,
            free: CAPACITY
        }
    );
    assert_eq!(
        refused(Model::blank(0x41), 32, 1),
        Error::Displaced {
            expected: 32,
            found: 0
        }
    );
    assert_eq!(
        refused(Model::blank(0x42), 0, 1),
        Error::CannotWrite {
            profile: crate::Profile(0x42)
        }
    );
    let half_closed = Model {
        blocks: std::vec![[1; BLOCK]; 32],
        ..Model::blank(0x41)
    };
    assert_eq!(
        refused(half_closed, 32, 1),
        Error::OpenTrack { track: 1, start: 0 }
    );
    assert!(
        drive(Model::blank(0x41))
            .plan(&Intent::new(0, CAPACITY - 32))
            .is_ok()
    );
}

#[test]
fn a_wrong_length_is_refused_and_harms_nothing() {
    let mut drive = drive(Model::blank(0x41));
    let plan = drive.plan(&Intent::new(0, 33)).unwrap();
    let mut recorder = drive.record(plan).unwrap();
    assert!(matches!(
        recorder.write(&image(1)),
        Err(Error::WrongLength { .. })
    ));
    recorder.write(&image(32)).unwrap();
    assert!(matches!(
        recorder.write(&image(2)),
        Err(Error::WrongLength { needed: BLOCK, .. })
    ));
    assert_eq!(
        recorder.finish(),
        Err(Error::Incomplete {
            written: 32,
            planned: 64
        })
    );
}

#[test]
fn long_writes_attentions_and_busy_closes_are_survived() {
    let storm: Vec<Fault> = (1..50)
        .map(|nth| (0x2A, nth, Answer::Sense(2, 0x04, 8)))
        .collect();
    assert_survives(&storm);
    assert_survives(&[
        (0x2A, 1, Answer::Sense(6, 0x29, 0)),
        (0x51, 0, Answer::Sense(6, 0x28, 0)),
    ]);
    assert_survives(&[(0x2A, 2, Answer::Sense(6, 0x28, 0))]);
    assert_survives(
        &[
            (0x2A, 0, Answer::Sense(0xB, 0x08, 0)),
            (0x2A, 2, Answer::Sense(1, 0x0C, 1)),
        ][..1],
    );
    assert_survives(&[
        (0x35, 0, Answer::Sense(2, 0x04, 7)),
        (0x5B, 0, Answer::Sense(2, 0x04, 7)),
    ]);
    assert_survives(&[
        (0x35, 0, Answer::Sense(5, 0x24, 0)),
        (0x5B, 0, Answer::Sense(5, 0x24, 0)),
    ]);
}

#[test]
fn a_lost_answer_is_settled_by_asking_the_drive() {
    let drive = assert_survives(&[(0x2A, 1, Answer::Lost)]);
    assert!(drive.host.events.contains(&Event::AlreadyWritten { address: 32 }));
    assert_eq!(drive.transport.count(0x2A), 4, "nothing was written twice");
    let drive = assert_survives(&[(0x2A, 1, Answer::Dropped), (0x2A, 3, Answer::Dropped)]);
    assert_eq!(drive.transport.count(0x2A), 6);
    assert_survives(&[(0x5B, 0, Answer::Lost), (0x5B, 1, Answer::Lost)]);
}

#[test]
fn an_adapter_that_repeats_a_write_is_seen_through() {
    // The repetition's refusal arrives instead of the first answer.
    let mut drive = drive(Model::blank(0x41));
    let plan = drive.plan(&Intent::new(0, 64)).unwrap();
    let mut recorder = drive.record(plan).unwrap();
    recorder.write(&image(32)).unwrap();
    let twice = image(64);
    let second = twice.get(32 * BLOCK..).unwrap();
    recorder
        .drive_for_tests()
        .transport
        .blocks
        .extend((0..32).map(|_| [7; BLOCK]));
    recorder.write(second).unwrap();
    assert_eq!(recorder.written(), 64);
}

#[test]
fn errors_stop_the_burn_and_name_the_place() {
    let (error, drive) = assert_fails(&[(0x2A, 2, Answer::Sense(3, 0x0C, 0))]);
    assert_eq!(
        error,
        Error::WriteFailed {
            address: 64,
            sense: Sense::new(3, 0x0C, 0)
        }
    );
    assert_eq!(drive.transport.count(0x2A), 3);
    let (error, _) = assert_fails(&[(0x2A, 3, Answer::Deferred(3, 0x0C, 0))]);
    assert!(matches!(error, Error::WriteFailed { address: 96, sense } if sense.deferred));
    let (error, _) = assert_fails(&[(0x35, 0, Answer::Deferred(3, 0x0C, 0))]);
    assert!(matches!(error, Error::WriteFailed { address: 128, .. }));
}

#[test]
fn a_reset_that_empties_the_buffer_is_noticed() {
    let (error, _) = assert_fails(&[(0x2A, 2, Answer::Reset(32))]);
    assert_eq!(
        error,
        Error::Displaced {
            expected: 64,
            found: 32
        }
    );
    let (error, _) = assert_fails(&[(0x35, 0, Answer::Reset(32))]);
    assert_eq!(
        error,
        Error::Displaced {
            expected: 128,
            found: 96
        }
    );
}

#[test]
fn a_close_that_did_not_close_is_no_success() {
    let (error, _) = assert_fails(&[(0x5B, 1, Answer::Sense(3, 0x72, 0))]);
    assert_eq!(
        error,
        Error::Refused {
            command: "CLOSE TRACK SESSION",
            sense: Sense::new(3, 0x72, 0)
        }
    );
    // Said to be done, and not done.
    let (error, _) = assert_fails(&[(0x5B, 1, Answer::Sense(1, 0x00, 0))]);
    assert_eq!(
        error,
        Error::CloseUnfinished {
            command: "CLOSE TRACK SESSION"
        }
    );
}

#[test]
fn a_disc_changed_between_plan_and_burn_is_refused() {
    let mut drive = drive(Model::blank(0x41));
    let plan = drive.plan(&Intent::new(0, 32)).unwrap();
    let ready = drive.transport.count(0x00);
    drive
        .transport
        .faults
        .push_back((0x00, ready, Answer::Sense(6, 0x28, 0)));
    assert_eq!(
        drive.record(plan).err(),
        Some(Error::BurnInterrupted { address: 0 })
    );
}

#[test]
fn an_open_tray_ends_the_burn() {
    let mut drive = drive(Model::blank(0x41));
    let plan = drive.plan(&Intent::new(0, 64)).unwrap();
    let mut recorder = drive.record(plan).unwrap();
    recorder.write(&image(32)).unwrap();
    recorder.drive_for_tests().transport.open = true;
    assert_eq!(recorder.write(&image(32)), Err(Error::NoDisc));
    assert_eq!(recorder.write(&image(32)), Err(Error::Failed));
}
