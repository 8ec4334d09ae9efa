//! Overwritable discs: the commit in front, and what a reset may cost.

use std::vec::Vec;

use super::model::{Answer, CAPACITY, Ear, Fault, Model, drive, image};
use crate::{BLOCK, Drive, Error, Event, Intent, Stage};

/// First block of the sessions here.
const FIRST: u32 = 288;

fn front(at: u32) -> (u32, [u8; BLOCK]) {
    (at, [0xF0; BLOCK])
}

/// Burns 100 blocks on BD-RE and commits them with blocks 256, 17 and 16.
fn burn(drive: &mut Drive<Model, Ear>) -> Result<(), Error> {
    let plan = drive.plan(&Intent::new(FIRST, 100))?;
    let mut recorder = drive.record(plan)?;
    for part in image(100).chunks(32 * BLOCK) {
        recorder.write(part)?;
    }
    recorder.rewrite(&[front(256), front(17), front(16)])?;
    recorder.finish().map(drop)
}

/// A disc with something on every block in front.
fn used(faults: &[Fault]) -> Drive<Model, Ear> {
    let mut model = Model::blank(0x43).with(faults);
    model.blocks[..usize::try_from(FIRST).unwrap()].fill([0xAA; BLOCK]);
    drive(model)
}

fn assert_session(drive: &Drive<Model, Ear>) {
    let session = drive.transport.blocks[288..388].concat();
    assert!(session == image(100), "the session is not on the disc");
    assert!(
        drive.transport.blocks[388..416]
            .iter()
            .all(|block| *block == [0; BLOCK])
    );
}

#[test]
fn what_commits_is_written_last_and_leaves_its_neighbours_alone() {
    let mut drive = used(&[]);
    burn(&mut drive).unwrap();
    assert_session(&drive);
    for (at, block) in drive.transport.blocks[..288].iter().enumerate() {
        let expected = if [16, 17, 256].contains(&at) { 0xF0 } else { 0xAA };
        assert_eq!(*block, [expected; BLOCK], "block {at}");
    }
    let moved = |cdb: &&Vec<u8>| matches!(cdb[0], 0x2A | 0x28 | 0x35 | 0x5B);
    let address = |cdb: &Vec<u8>| (cdb[0], u16::from_be_bytes([cdb[4], cdb[5]]));
    let log: Vec<_> = drive.transport.log.iter().filter(moved).map(address).collect();
    let expected = [
        (0x2A, 288),
        (0x2A, 320),
        (0x2A, 352),
        (0x2A, 384),
        (0x35, 0),
        (0x28, 256),
        (0x2A, 256),
        (0x35, 0),
        (0x28, 0),
        (0x2A, 0),
        (0x35, 0),
    ];
    assert_eq!(
        log, expected,
        "session, flush, anchor, flush, descriptors, flush; nothing is closed"
    );
    assert!(drive.host.events.contains(&Event::Stage(Stage::Rewriting)));
}

#[test]
fn what_nobody_can_read_is_replaced_with_the_rest_of_its_cluster() {
    let mut drive = used(&[]);
    drive.transport.bad = std::vec![16, 20];
    burn(&mut drive).unwrap();
    assert_eq!(drive.transport.blocks[20], [0; BLOCK]);
    assert_eq!(drive.transport.blocks[21], [0xAA; BLOCK]);
    assert_eq!(drive.transport.blocks[16], [0xF0; BLOCK]);
}

#[test]
fn a_rewrite_has_its_time_and_its_place() {
    let mut bd_re = used(&[]);
    let plan = bd_re.plan(&Intent::new(FIRST, 64)).unwrap();
    let mut recorder = bd_re.record(plan).unwrap();
    recorder.write(&image(32)).unwrap();
    let (written, planned) = (32, 64);
    assert_eq!(
        recorder.rewrite(&[front(16)]),
        Err(Error::Incomplete { written, planned })
    );
    recorder.write(&image(32)).unwrap();
    let (expected, found) = (352, 352);
    assert_eq!(
        recorder.rewrite(&[front(16), front(352)]),
        Err(Error::Displaced { expected, found })
    );
    recorder.rewrite(&[front(16)]).unwrap();
    recorder.finish().unwrap();
    let mut bd_r = drive(Model::blank(0x41));
    let plan = bd_r.plan(&Intent::new(0, 1)).unwrap();
    let mut recorder = bd_r.record(plan).unwrap();
    assert!(matches!(
        recorder.rewrite(&[front(0)]),
        Err(Error::NotOverwritable { .. })
    ));
}

#[test]
fn a_reset_that_lost_nothing_is_gone_past() {
    for fault in [
        (0x2A, 2, Answer::Reset(0)),
        (0x2A, 1, Answer::Lost),
        (0x2A, 1, Answer::Dropped),
        (0x35, 0, Answer::Reset(0)),
        (0x2A, 5, Answer::Reset(0)),
        (0x2A, 3, Answer::Sense(6, 0x28, 0)),
    ] {
        let mut drive = used(std::slice::from_ref(&fault));
        burn(&mut drive).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_session(&drive);
    }
}

#[test]
fn a_reset_that_lost_something_ends_the_burn_before_the_commit() {
    for (fault, lost) in [
        ((0x2A, 3, Answer::Reset(1)), 352),
        ((0x2A, 3, Answer::Reset(50)), 320),
        ((0x35, 0, Answer::Reset(40)), 352),
    ] {
        let mut drive = used(&[fault]);
        assert_eq!(burn(&mut drive), Err(Error::BurnInterrupted { address: lost }));
        assert!(
            drive.transport.blocks[..288]
                .iter()
                .all(|block| *block == [0xAA; BLOCK]),
            "the front still shows what was before"
        );
    }
    // Nothing of ours is on the disc that could prove it the same one.
    let mut drive = used(&[(0x2A, 0, Answer::Sense(6, 0x28, 0))]);
    assert_eq!(burn(&mut drive), Err(Error::BurnInterrupted { address: FIRST }));
}

#[test]
fn what_cannot_go_there_is_refused_with_figures() {
    let mut drive = used(&[]);
    let (address, cluster) = (16, 32);
    let misaligned = drive.plan(&Intent::new(16, 1)).unwrap_err();
    assert_eq!(misaligned, Error::Misaligned { address, cluster });
    assert!(drive.plan(&Intent::new(0, CAPACITY)).is_ok());
    let (needed, free) = (CAPACITY, CAPACITY - 32);
    let large = drive.plan(&Intent::new(32, CAPACITY - 32 + 1)).unwrap_err();
    assert_eq!(large, Error::TooLarge { needed, free });
    let finalised = drive.plan(&Intent::new(0, 1).finalised()).unwrap_err();
    assert!(matches!(finalised, Error::NotFinalisable { .. }));
    assert_eq!(drive.transport.count(0x2A), 0);
}
