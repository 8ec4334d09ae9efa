//! Reading back, and keeping the buffer out of it.

use super::model::{Answer, Ear, Model, drive, image};
use crate::{BLOCK, CacheDefeat, Drive, Error, Reload, Sense};

/// A drive with this many blocks recorded and finalised.
fn recorded(blocks: u32, model: Model) -> Drive<Model, Ear> {
    let blocks = image(blocks)
        .chunks(BLOCK)
        .map(|block| <[u8; BLOCK]>::try_from(block).unwrap())
        .collect();
    drive(Model {
        blocks,
        finalised: true,
        sessions: 1,
        ..model
    })
}

#[test]
fn blocks_are_read_in_transfers_of_a_cluster() {
    let mut drive = recorded(100, Model::blank(0x41));
    let mut buffer = std::vec![0; 70 * BLOCK];
    drive.reader().read(30, &mut buffer).unwrap();
    assert!(buffer == image(100)[30 * BLOCK..]);
    let lengths = drive
        .transport
        .log
        .iter()
        .filter(|cdb| cdb[0] == 0x28)
        .map(|cdb| cdb[8]);
    assert_eq!(lengths.collect::<std::vec::Vec<_>>(), [32, 32, 6]);
    let wrong = drive.reader().read(0, &mut buffer[..100]);
    assert!(matches!(wrong, Err(Error::WrongLength { .. })));
}

#[test]
fn a_bad_block_costs_only_itself_and_bounded_time() {
    let mut drive = recorded(
        64,
        Model {
            bad: std::vec![40],
            ..Model::blank(0x41)
        },
    );
    let mut buffer = std::vec![0; 64 * BLOCK];
    let mut reader = drive.reader();
    let error = reader.read(0, &mut buffer).unwrap_err();
    assert_eq!(
        error,
        Error::Unreadable {
            address: 40,
            sense: Sense::new(3, 0x11, 5)
        }
    );
    assert_eq!(reader.retried(), 4, "once as a cluster, three times alone");
    assert!(buffer[..40 * BLOCK] == image(40));
}

#[test]
fn an_empty_answer_is_not_taken_for_the_block_before() {
    let mut drive = recorded(64, Model::blank(0x41));
    let mut buffer = std::vec![0; 32 * BLOCK];
    drive.reader().read(0, &mut buffer).unwrap();
    assert!(buffer == image(32));
    drive.transport.faults.push_back((0x28, 1, Answer::Empty));
    drive.reader().read(0, &mut buffer).unwrap();
    assert!(buffer.iter().zip(image(32)).any(|(got, wanted)| *got != wanted));
}

#[test]
fn reading_outside_the_disc_is_refused_at_once() {
    let mut drive = recorded(32, Model::blank(0x41));
    let error = drive.reader().read(32, &mut [0; BLOCK]).unwrap_err();
    assert!(matches!(error, Error::Refused { sense, .. } if sense.key == 5));
    assert_eq!(drive.transport.count(0x28), 1);
}

#[test]
fn the_tray_is_cycled_when_it_may_and_can() {
    let mut drive = recorded(64, Model::blank(0x41));
    assert_eq!(
        drive.reader().defeat_cache(0..64, Reload::Allowed),
        Ok(CacheDefeat::Reloaded)
    );
    assert_eq!(drive.transport.count(0x1B), 2);
}

#[test]
fn a_slim_drive_is_flooded_instead() {
    // 64 KiB of buffer: 64 blocks are twice as much.
    let slim = Model {
        loads: false,
        ..Model::blank(0x41)
    };
    let mut drive = recorded(160, slim);
    let way = drive.reader().defeat_cache(0..96, Reload::Allowed);
    assert_eq!(way, Ok(CacheDefeat::Flooded { blocks: 64 }));
    let stops = drive
        .transport
        .log
        .iter()
        .filter(|cdb| cdb[0] == 0x1B)
        .map(|cdb| cdb[4]);
    assert_eq!(
        stops.collect::<std::vec::Vec<_>>(),
        [0, 1],
        "stopped and started, the tray never moved"
    );
}

#[test]
fn a_small_disc_is_read_with_forced_access() {
    let mut drive = recorded(64, Model::blank(0x41));
    let mut reader = drive.reader();
    assert_eq!(
        reader.defeat_cache(0..64, Reload::Forbidden),
        Ok(CacheDefeat::ForcedAccess)
    );
    reader.read(0, &mut [0; BLOCK]).unwrap();
    let last = drive.transport.log.last().unwrap();
    assert_eq!((last[0], last[1]), (0xA8, 0x08));
    let mut drive = recorded(
        64,
        Model {
            fua: false,
            ..Model::blank(0x41)
        },
    );
    let mut reader = drive.reader();
    assert_eq!(
        reader.defeat_cache(0..64, Reload::Forbidden),
        Ok(CacheDefeat::Restarted)
    );
    reader.read(0, &mut [0; BLOCK]).unwrap();
}

#[test]
fn an_exchanged_disc_is_not_read_on() {
    use super::model::Answer;
    let mut drive = recorded(
        64,
        Model::blank(0x41).with(&[(0x28, 1, Answer::Sense(6, 0x28, 0))]),
    );
    let result = drive.reader().read(0, &mut [0; 64 * BLOCK]);
    assert_eq!(result, Err(Error::DiscChanged));
}
