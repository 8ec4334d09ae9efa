//! The life of a write-once disc, seen through commands.

mod common;

use burner::{BD_R, BLOCK, DVD_PLUS_R, Disc, Error};
use common::{CAPACITY, bd_r, blocks, disc_information, drive_with, good, read, sense, track, triple, write};
use proptest::prelude::*;

const CLOSE_TRACK_1: &str = "5B 01 01 00 00 01 00 00 00 00";
const CLOSE_SESSION: &str = "5B 01 02 00 00 00 00 00 00 00";
const FINALISE: &str = "5B 01 06 00 00 00 00 00 00 00";
const SYNCHRONIZE: &str = "35 00 00 00 00 00 00 00 00 00";

#[test]
fn a_blank_disc_describes_itself() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    assert_eq!(disc_information(drive), (0, 0, 1, 1, 1));
    let first = track(drive, 1);
    assert_eq!(
        (first.next, first.free, first.size, first.blank),
        (Some(0), CAPACITY, CAPACITY, true)
    );
    assert_eq!(
        good(drive, "25 00 00 00 00 00 00 00 00 00"),
        [0, 0, 0, 0, 0, 0, 8, 0]
    );
    assert_eq!(good(drive, "46 00 00 00 00 00 00 00 08 00")[6..], [0, 0x41]);
    assert_eq!(sense(drive, "43 00 00 00 00 00 00 00 0C 00"), (5, 0x24, 0));
    assert_eq!(triple(read(drive, 0, 1)), (8, 0, 0));
    assert_eq!(triple(read(drive, CAPACITY, 1)), (5, 0x21, 0));
}

#[test]
fn writing_goes_on_at_the_next_writable_address_only() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    assert_eq!(triple(write(drive, 32, 32)), (5, 0x21, 2));
    assert!(write(drive, 0, 32).sense.is_none());
    assert_eq!(triple(write(drive, 0, 32)), (5, 0x21, 2));
    assert_eq!(triple(write(drive, 64, 32)), (5, 0x21, 2));
    assert!(write(drive, 32, 31).sense.is_none());
    assert_eq!(track(drive, 1).next, Some(63));
    // An ECC block is recorded whole: synchronizing pads it.
    good(drive, SYNCHRONIZE);
    assert_eq!(track(drive, 1).next, Some(64));
    assert_eq!(read(drive, 0, 63).data_in, blocks(0, 63, 0));
    assert_eq!(read(drive, 63, 1).data_in, [0; BLOCK]);
    assert_eq!(triple(read(drive, 63, 2)), (8, 0, 0));
    assert_eq!(triple(write(drive, CAPACITY - 32, 32)), (5, 0x21, 2));
    assert_eq!(triple(write(drive, CAPACITY, 32)), (5, 0x21, 0));
}

#[test]
fn a_write_with_less_data_than_it_announces_records_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    let response = drive.execute(&common::bytes("2A 00 00 00 00 00 00 00 20 00"), &[0; 31 * BLOCK]);
    assert_eq!(triple(response), (0xB, 0x4B, 0));
    assert_eq!(track(drive, 1).next, Some(0));
}

#[test]
fn sessions_are_appended_until_the_disc_is_finalised() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    write(drive, 0, 40);
    assert_eq!(disc_information(drive), (1, 1, 1, 1, 1));
    good(drive, CLOSE_TRACK_1);
    good(drive, CLOSE_SESSION);
    assert_eq!(disc_information(drive), (1, 0, 2, 2, 2));
    let (first, second) = (track(drive, 1), track(drive, 2));
    assert_eq!(
        (first.size, first.next, first.free, first.session),
        (64, None, 0, 1)
    );
    assert_eq!(
        (second.start, second.next, second.free, second.session),
        (64, Some(64), CAPACITY - 64, 2)
    );
    assert_eq!(triple(write(drive, 40, 1)), (5, 0x21, 2));
    assert!(write(drive, 64, 32).sense.is_none());
    good(drive, FINALISE);
    assert_eq!(disc_information(drive), (2, 3, 2, 2, 2));
    assert_eq!(
        good(drive, "25 00 00 00 00 00 00 00 00 00")[..4],
        95u32.to_be_bytes()
    );
    // Formatted table of contents: two data tracks and the lead-out.
    assert_eq!(
        good(drive, "43 00 00 00 00 00 00 00 FF 00"),
        common::bytes("00 1A 01 02 00 14 01 00 00 00 00 00 00 14 02 00 00 00 00 40 00 14 AA 00 00 00 00 60")
    );
    // The last complete session begins at block 64.
    assert_eq!(
        good(drive, "43 00 01 00 00 00 00 00 0C 00"),
        common::bytes("00 0A 01 02 00 14 02 00 00 00 00 40")
    );
    assert_eq!(triple(read(drive, 96, 1)), (5, 0x21, 0));
    assert_eq!(triple(write(drive, 96, 32)), (5, 0x21, 2));
    assert_eq!(sense(drive, "53 00 00 00 00 00 00 00 20 00"), (5, 0x2C, 0));
}

#[test]
fn tracks_can_be_reserved_and_filled_in_any_order() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    good(drive, "53 00 00 00 00 00 00 00 21 00"); // 33 blocks: two ECC blocks
    assert_eq!(disc_information(drive), (1, 1, 1, 1, 2));
    assert!(write(drive, 64, 32).sense.is_none());
    assert!(write(drive, 0, 32).sense.is_none());
    assert!(track(drive, 1).reserved);
    assert_eq!(triple(write(drive, 32, 33)), (5, 0x63, 0));
    assert_eq!(sense(drive, "53 00 00 00 00 00 00 00 20 00"), (5, 0x2C, 0)); // the invisible track has data
    assert_eq!(sense(drive, CLOSE_SESSION), (5, 0x72, 4));
    assert!(write(drive, 32, 32).sense.is_none());
    good(drive, CLOSE_SESSION);
    assert_eq!(disc_information(drive), (1, 0, 2, 3, 3));
}

#[test]
fn reservations_end_at_the_mediums_limit() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    for _ in 0..15 {
        good(drive, "53 00 00 00 00 00 00 00 20 00");
    }
    assert_eq!(sense(drive, "53 00 00 00 00 00 00 00 20 00"), (5, 0x72, 5));
    assert_eq!(sense(drive, "53 00 00 FF FF FF FF FF FF 00"), (5, 0x24, 0));
}

#[test]
fn a_full_disc_takes_no_second_session() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    for address in (0..CAPACITY).step_by(256) {
        assert!(write(drive, address, 256).sense.is_none());
    }
    good(drive, CLOSE_TRACK_1);
    good(drive, CLOSE_SESSION);
    assert_eq!(disc_information(drive), (2, 3, 1, 1, 1));
}

#[test]
fn dvd_plus_r_differs_by_its_table_only() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_PLUS_R);
    assert_eq!(good(drive, "46 00 00 00 00 00 00 00 08 00")[6..], [0, 0x1B]);
    write(drive, 0, 17);
    good(drive, "5B 01 01 00 00 01 00 00 00 00");
    good(drive, "5B 01 05 00 00 00 00 00 00 00");
    assert_eq!(track(drive, 1).size, 32);
    assert_eq!(disc_information(drive), (2, 3, 1, 1, 1));
    assert_eq!(
        good(drive, "AD 00 00 00 00 00 00 00 00 08 00 00")[..5],
        [8, 2, 0, 0, 0xA1]
    );
    assert_eq!(sense(drive, "AD 01 00 00 00 00 00 00 00 08 00 00"), (5, 0x30, 2));
}

#[test]
fn a_disc_survives_its_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = bd_r(&directory);
    write(&mut drive, 0, 40);
    good(&mut drive, SYNCHRONIZE);
    write(&mut drive, 64, 32); // in the buffer: the drive is dropped as if it were killed
    drop(drive);
    let image = directory.path().join("disc.img");
    assert_eq!(std::fs::metadata(&image).unwrap().len(), 96 * BLOCK as u64);
    let drive = &mut bd_r(&directory);
    assert_eq!(track(drive, 1).next, Some(64));
    assert_eq!(read(drive, 0, 40).data_in, blocks(0, 40, 0));
    assert_eq!(triple(read(drive, 64, 1)), (8, 0, 0));
    assert!(write(drive, 64, 32).sense.is_none());
    good(drive, FINALISE);
    assert_eq!(std::fs::metadata(&image).unwrap().len(), 96 * BLOCK as u64);
}

#[test]
fn a_disc_is_held_by_one_drive() {
    let directory = tempfile::tempdir().unwrap();
    let _drive = bd_r(&directory);
    let second = Disc::open(directory.path());
    assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
}

#[test]
fn a_state_that_contradicts_itself_is_refused_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = bd_r(&directory);
    write(&mut drive, 0, 32);
    good(&mut drive, FINALISE);
    drop(drive);
    let (state, image) = (
        directory.path().join("disc.toml"),
        directory.path().join("disc.img"),
    );
    let text = std::fs::read_to_string(&state).unwrap();
    for (from, to) in [
        ("start = 0", "start = 4"),
        ("written = 32", "written = 33"),
        ("bd-r", "hd-dvd"),
        ("tracks", "t"),
    ] {
        assert!(text.contains(from), "{text}");
        std::fs::write(&state, text.replace(from, to)).unwrap();
        assert!(
            matches!(Disc::open(directory.path()), Err(Error::State { .. })),
            "{from} -> {to}"
        );
        assert_eq!(std::fs::metadata(&image).unwrap().len(), 32 * BLOCK as u64);
    }
    for capacity in [0, 31, BD_R.capacity + 32] {
        let elsewhere = tempfile::tempdir().unwrap();
        let disc = Disc::open_or_create(elsewhere.path(), &BD_R, Some(capacity));
        assert!(matches!(disc, Err(Error::Capacity { .. })), "{capacity}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(u8, u8),
    Command(&'static str),
    Reserve(u16),
    CloseTrack(u8),
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..8u8, 1..80u8).prop_map(|(track, count)| Step::Write(track, count)),
        1 => prop_oneof![Just(SYNCHRONIZE), Just(CLOSE_SESSION)].prop_map(Step::Command),
        1 => (0..400u16).prop_map(Step::Reserve),
        1 => (0..8u8).prop_map(Step::CloseTrack),
        1 => Just(Step::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is sent in whatever order: what was written is read back, tracks cover the disc, and a
    /// restart changes nothing that was synchronized.
    #[test]
    fn what_was_written_stays(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let mut drive = bd_r(&directory);
        let mut written: Vec<(u32, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Write(number, count) => {
                    if u32::from(number) > u32::try_from(drive.disc().unwrap().recording().tracks().len()).unwrap() {
                        continue;
                    }
                    let track = track(&mut drive, number);
                    let Some(next) = track.next else { continue };
                    let count = u32::from(count).min(track.free);
                    prop_assert!(write(&mut drive, next, count).sense.is_none());
                    written.push((next, count));
                }
                Step::Command(cdb) => drop(common::send(&mut drive, cdb, &[])),
                Step::Reserve(size) => drop(common::send(&mut drive, &format!("53 00 00 00 00 00 00 {:02X} {:02X} 00", size >> 8, size & 0xFF), &[])),
                Step::CloseTrack(number) => drop(common::send(&mut drive, &format!("5B 00 01 00 00 {number:02X} 00 00 00 00"), &[])),
                Step::Reload => {
                    good(&mut drive, SYNCHRONIZE);
                    let before = drive.disc().unwrap().recording().clone();
                    drop(drive);
                    drive = bd_r(&directory);
                    prop_assert_eq!(&before, drive.disc().unwrap().recording());
                }
            }
        }
        for (address, count) in written {
            let data = read(&mut drive, address, u16::try_from(count).unwrap()).data_in;
            prop_assert!(data == blocks(address, count, 0), "{address} + {count}");
        }
        let recording = drive.disc().unwrap().recording();
        let mut end = 0;
        for track in recording.tracks() {
            prop_assert_eq!(track.start, end);
            end = track.end();
        }
        prop_assert_eq!(end, CAPACITY);
    }
}
