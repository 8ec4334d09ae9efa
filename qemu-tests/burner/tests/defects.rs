//! Defective blocks, spare areas and what is told of them; how far a long command is.

mod common;

use burner::{BD_R, BD_RE, DVD_PLUS_R, DVD_PLUS_RW, DVD_RAM, DVD_RW, Disc, Drive, Fault, Profile, Timing};
use common::{blocks, drive_of, drive_with, good, read, sense, take, triple, write, write_bytes};

const FORMAT: &str = "04 11 00 00 00 00";

fn defect(drive: &mut Drive, at: u32, count: u32) {
    drive.faults().arm(Fault::Defect {
        at,
        blocks: Some(count),
    });
}

/// READ DISC STRUCTURE 0Ah: free and, of a BD, allocated blocks of the spare areas.
fn spares(drive: &mut Drive, profile: &Profile) -> (u32, u32) {
    let reply = good(
        drive,
        &format!("AD 0{} 00 00 00 00 00 0A 00 10 00 00", profile.structure_family),
    );
    let word = |at: usize| u32::from_be_bytes(reply[at..at + 4].try_into().expect("four bytes"));
    if profile.structure_family == 1 {
        (word(8), word(12))
    } else {
        (word(4), 0)
    }
}

#[test]
fn defects_are_replaced_until_the_spare_areas_are_full() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &BD_RE);
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF C0 00 00 00");
    let (free, all) = spares(drive, &BD_RE);
    assert!(free == all && all == 32_768 / 31 / 32 * 32, "{free} of {all}");
    defect(drive, 70, 3); // in one ECC block
    assert_eq!(triple(read(drive, 64, 32)), (3, 0x11, 5)); // nothing was written there yet
    assert!(write(drive, 64, 32).sense.is_none());
    assert!(read(drive, 64, 32).data_in == blocks(64, 32, 0));
    assert_eq!(spares(drive, &BD_RE), (free - 32, all));
    assert!(write(drive, 64, 64).sense.is_none()); // replaced already
    assert_eq!(spares(drive, &BD_RE), (free - 32, all));
    // READ DISC INFORMATION, POW resources, tells the same in ECC blocks.
    let reply = good(drive, "51 02 00 00 00 00 00 00 10 00");
    assert_eq!(reply[4..8], (free / 32 - 1).to_be_bytes());

    // The disc remembers, in another drive too.
    let disc = drive.remove().unwrap();
    drive.insert(disc);
    assert_eq!(sense(drive, "00 00 00 00 00 00"), (6, 0x28, 0));
    assert_eq!(spares(drive, &BD_RE), (free - 32, all));
    let left = free / 32 - 1;
    defect(drive, 1024, 32 * (left + 1));
    for number in 0..left {
        assert!(write(drive, 1024 + number * 32, 32).sense.is_none(), "{number}");
    }
    assert_eq!(spares(drive, &BD_RE), (0, all));
    let last = 1024 + left * 32;
    let failed = write(drive, last, 32);
    assert_eq!(failed.sense.and_then(|sense| sense.information), Some(last));
    assert_eq!(triple(failed), (3, 0x0C, 2));
    assert!(write(drive, last - 32, 32).sense.is_none());
    // A new format has all of them again; the defects are still there.
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF C0 00 00 00");
    assert_eq!(spares(drive, &BD_RE), (all, all));
}

#[test]
fn without_spare_areas_a_defect_is_a_write_error() {
    for (profile, format) in [
        (&BD_RE, Some("00 02 00 08 FF FF FF FF C4 00 08 00")),
        (&DVD_PLUS_R, None),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let drive = &mut drive_with(directory.path(), profile);
        format.into_iter().for_each(|format| take(drive, FORMAT, format));
        defect(drive, 40, 1);
        assert!(write(drive, 0, 32).sense.is_none());
        assert_eq!(triple(write(drive, 32, 32)), (3, 0x0C, 0), "{}", profile.name);
    }
}

#[test]
fn dvd_ram_comes_with_a_spare_area() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &DVD_RAM, None);
    assert_eq!(spares(drive, &DVD_RAM), (12_800, 0));
    defect(drive, 20, 20);
    assert!(write(drive, 0, 64).sense.is_none());
    assert_eq!(spares(drive, &DVD_RAM), (12_800 - 2 * 16, 0));
    assert!(read(drive, 0, 64).data_in == blocks(0, 64, 0));
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF 00 00 08 00");
    assert_eq!(spares(drive, &DVD_RAM), (12_800, 0));
    assert_eq!(
        good(drive, "25 00 00 00 00 00 00 00 00 00")[..4],
        2_236_703u32.to_be_bytes()
    );
}

#[test]
fn pseudo_overwriting_uses_the_spare_areas_up() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &BD_R);
    take(drive, FORMAT, "00 02 00 08 00 00 7F 80 C8 00 00 00"); // 128 blocks are left for spares
    assert_eq!(spares(drive, &BD_R), (128, 128));
    assert!(write(drive, 0, 256).sense.is_none());
    assert_eq!(spares(drive, &BD_R), (128, 128));
    assert!(write_bytes(drive, 40, &blocks(40, 32, 1)).sense.is_none()); // in two ECC blocks
    assert!(write_bytes(drive, 0, &blocks(0, 64, 2)).sense.is_none());
    assert_eq!(spares(drive, &BD_R), (0, 128));
    assert_eq!(triple(write(drive, 96, 32)), (3, 0x32, 0));
    assert!(write(drive, 256, 32).sense.is_none()); // goes on behind
    drop(drive.remove());
    let disc = Disc::open(directory.path()).unwrap();
    let sectors = std::fs::read(disc.image_path()).unwrap();
    assert!(sectors[..64 * 2048] == blocks(0, 64, 2) && sectors[64 * 2048..72 * 2048] == blocks(64, 8, 1));
}

/// Sense key, code, qualifier and progress of REQUEST SENSE.
fn progress(drive: &mut Drive) -> ((u8, u8, u8), Option<u16>) {
    let reply = good(drive, "03 00 00 00 12 00");
    let share = u16::from_be_bytes([reply[16], reply[17]]);
    (
        (reply[2] & 0xF, reply[12], reply[13]),
        (reply[15] & 0x80 != 0).then_some(share),
    )
}

#[test]
fn long_commands_tell_how_far_they_are() {
    const MINUTE: u64 = 60;
    for (profile, start, key) in [
        (&BD_RE, (FORMAT, "00 02 00 08 FF FF FF FF C0 00 00 00"), (2, 4, 4)),
        (&DVD_RW, ("A1 11 00 00 00 00 00 00 00 00 00 00", ""), (2, 4, 7)),
        (
            &DVD_RAM,
            (FORMAT, "00 02 00 08 FF FF FF FF 00 00 08 00"),
            (2, 4, 4),
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let drive = &mut drive_with(directory.path(), profile);
        drive.use_virtual_time();
        drive.set_timing(Some(Timing {
            format: std::time::Duration::from_secs(MINUTE),
            ..Timing::default()
        }));
        take(drive, start.0, start.1);
        for quarter in 0..4u16 {
            let told = common::send(drive, "00 00 00 00 00 00", &[]).sense.unwrap();
            assert_eq!(
                ((told.key, told.code, told.qualifier), told.progress),
                (key, Some(quarter * 0x4000))
            );
            assert_eq!(progress(drive), (key, Some(quarter * 0x4000)), "{}", profile.name);
            drive.pass(std::time::Duration::from_secs(MINUTE / 4));
        }
        good(drive, "00 00 00 00 00 00");
        assert_eq!(progress(drive), ((0, 0, 0), None));
    }
}

#[test]
fn a_background_format_is_told_to_request_sense_alone() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_PLUS_RW);
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF 98 00 00 00");
    good(drive, "00 00 00 00 00 00");
    let (first, second) = (
        progress(drive),
        (good(drive, "00 00 00 00 00 00"), progress(drive)).1,
    );
    assert_eq!((first.0, second.0), ((0, 4, 4), (0, 4, 4)));
    assert!(first.1 < second.1, "{first:?} {second:?}");
    good(drive, "5B 00 00 00 00 00 00 00 00 00"); // stopped
    assert_eq!(progress(drive), ((0, 0, 0), None));
}

#[test]
fn a_background_format_stands_still_while_the_tray_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_PLUS_RW);
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF 98 00 00 00");
    good(drive, "1B 00 00 00 02 00");
    let formatted = drive.state().track;
    assert_eq!(sense(drive, "00 00 00 00 00 00"), (2, 0x3A, 2));
    assert_eq!(drive.state().track, formatted);
}
