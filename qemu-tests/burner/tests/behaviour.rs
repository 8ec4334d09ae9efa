//! Attention, tray, identification, mode pages and speeds.

mod common;

use burner::{BD_R, Disc, Drive, PROFILES, Sense};
use common::{CAPACITY, bd_r, bytes, drive_with, good, send, sense, triple, write};
use proptest::prelude::*;

const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
const MEDIA_EVENT: &str = "4A 01 00 00 10 00 00 00 08 00";

#[test]
fn attentions_come_before_the_disc() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = Drive::new("TEST");
    drive.insert(Disc::open_or_create(directory.path(), &BD_R, Some(CAPACITY)).unwrap());
    let drive = &mut drive;
    good(drive, "12 00 00 00 24 00"); // tells nothing and takes nothing away
    good(drive, "46 00 00 00 00 00 00 00 08 00");
    assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x29, 0));
    let reply = good(drive, "03 00 00 00 12 00");
    assert_eq!((reply[2], reply[12], reply[13]), (6, 0x28, 0));
    good(drive, TEST_UNIT_READY);
    drive.unit_attention(Sense::new(6, 0x2A, 1));
    assert_eq!(sense(drive, "51 00 00 00 00 00 00 00 22 00"), (6, 0x2A, 1));
    good(drive, TEST_UNIT_READY);
    drive.power_cycle();
    assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x29, 0));
}

#[test]
fn the_tray_obeys_host_and_hand() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    assert_eq!(good(drive, MEDIA_EVENT), [0, 6, 4, 0x56, 2, 2, 0, 0]);
    assert_eq!(good(drive, MEDIA_EVENT), [0, 6, 4, 0x56, 0, 2, 0, 0]);
    good(drive, "1E 00 00 00 01 00");
    assert_eq!(sense(drive, "1B 00 00 00 02 00"), (5, 0x53, 2));
    assert!(!drive.press_eject());
    assert_eq!(good(drive, MEDIA_EVENT)[4], 1);
    good(drive, "1E 00 00 00 00 00");
    good(drive, "1B 00 00 00 02 00");
    assert_eq!(sense(drive, TEST_UNIT_READY), (2, 0x3A, 2));
    assert_eq!(good(drive, MEDIA_EVENT)[4..6], [3, 1]);
    assert_eq!(good(drive, "46 00 00 00 00 00 00 00 08 00")[6..], [0, 0]);
    good(drive, "1B 00 00 00 03 00");
    assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x28, 0));
    good(drive, TEST_UNIT_READY);
    let disc = drive.remove().unwrap();
    drive.push_tray();
    assert_eq!(sense(drive, TEST_UNIT_READY), (2, 0x3A, 1));
    assert_eq!(sense(drive, "25 00 00 00 00 00 00 00 00 00"), (2, 0x3A, 1));
    assert!(drive.insert(disc).is_none());
    assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x28, 0));
}

#[test]
fn an_ejected_disc_keeps_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    write(drive, 0, 32);
    drop(drive.remove());
    let disc = Disc::open(directory.path()).unwrap();
    assert_eq!(disc.recording().tracks()[0].next(), 32);
}

#[test]
fn unknown_commands_and_fields_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    for opcode in ["01", "3B", "9E", "B5", "FF"] {
        assert_eq!(sense(drive, opcode), (5, 0x20, 0), "{opcode}");
    }
    for cdb in [
        "12 00 80 00 FF 00",                   // a page without EVPD
        "12 01 B0 00 FF 00",                   // a page there is not
        "5A 00 30 00 00 00 00 00 08 00",       // likewise
        "4A 00 00 00 10 00 00 00 08 00",       // asynchronous notification
        "5B 00 03 00 00 00 00 00 00 00",       // a close function of other media
        "51 03 00 00 00 00 00 00 22 00",       // a data type there is not
        "52 01 00 00 00 02 00 00 22 00",       // a track there is not
        "AC 00 00 00 00 00 00 00 00 01 05 00", // a performance type there is not
        "AD 01 00 00 00 00 00 08 00 FF 00 00", // a structure there is not
        "43 00 04 00 00 00 00 00 FF 00",       // ATIP
    ] {
        assert_eq!(sense(drive, cdb), (5, 0x24, 0), "{cdb}");
    }
    assert_eq!(sense(drive, "5A 00 FF 00 00 00 00 00 08 00"), (5, 0x39, 0)); // saved values
}

#[test]
fn features_are_current_with_their_disc() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    let all = good(drive, "46 00 00 00 00 00 00 10 00 00");
    assert_eq!(
        u32::from_be_bytes(all[..4].try_into().unwrap()),
        u32::try_from(all.len()).unwrap() - 4
    );
    let mut features = Vec::new();
    let mut rest = &all[8..];
    while let [high, low, flags, length, ..] = rest {
        features.push((u16::from_be_bytes([*high, *low]), flags & 1 == 1));
        assert_eq!(length % 4, 0, "{high:02X}{low:02X}");
        rest = &rest[4 + usize::from(*length)..];
    }
    assert!(features.is_sorted());
    let current: Vec<u16> = features
        .iter()
        .filter(|(_, current)| *current)
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(
        current,
        [
            0, 1, 2, 3, 0x10, 0x21, 0x23, 0x40, 0x41, 0x100, 0x105, 0x107, 0x108
        ]
    );
    assert_eq!(good(drive, "46 02 00 41 00 00 00 00 FF 00").len(), 8 + 24);
    assert_eq!(good(drive, "46 02 00 38 00 00 00 00 10 00")[10] & 1, 0); // pseudo-overwrite, not current
    drive.remove();
    assert_eq!(
        good(drive, "46 01 00 10 00 00 00 00 FF 00").len(),
        8 + 4 + 8 + 8 + 20
    );
}

#[test]
fn mode_pages_change_where_they_may() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    let mut page = good(drive, "5A 00 05 00 00 00 00 00 3C 00");
    assert_eq!(page.len(), 60);
    assert_eq!(page[..2], 58u16.to_be_bytes());
    page[..2].fill(0);
    page[8 + 2] = 0x41;
    let select = bytes("55 10 00 00 00 00 00 00 3C 00");
    assert!(drive.execute(&select, &page).sense.is_none());
    assert_eq!(good(drive, "5A 00 05 00 00 00 00 00 3C 00")[10], 0x41);
    assert_eq!(good(drive, "5A 00 85 00 00 00 00 00 3C 00")[10], 0x40);
    page[8 + 6] = 1;
    assert_eq!(triple(drive.execute(&select, &page)), (5, 0x26, 0));
    assert_eq!(triple(drive.execute(&select, &page[..30])), (5, 0x1A, 0));
    assert_eq!(good(drive, "5A 00 6A 00 00 00 00 00 0A 00")[8..], [0x2A, 42]);
    assert_eq!(good(drive, "1A 00 2A 00 FF 00")[4..6], [0x2A, 42]);
}

#[test]
fn speeds_are_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    let speeds = good(drive, "AC 00 00 00 00 00 00 00 00 08 03 00");
    assert_eq!(speeds.len(), 8 + 3 * 16);
    assert_eq!(speeds[..4], 52u32.to_be_bytes());
    assert_eq!(
        good(drive, "AC 00 00 00 00 00 00 00 00 00 03 00")[..4],
        52u32.to_be_bytes()
    );
    let streaming =
        bytes("00 00 00 00 00 00 00 00 00 00 7F FF 00 00 46 3C 00 00 03 E8 00 00 23 1F 00 00 03 E8");
    assert!(
        drive
            .execute(&bytes("B6 00 00 00 00 00 00 00 00 00 1C 00"), &streaming)
            .sense
            .is_none()
    );
    assert_eq!(
        good(drive, "AC 14 00 00 00 00 00 00 00 01 00 00")[12..16],
        8_991u32.to_be_bytes()
    );
    assert_eq!(
        triple(send(drive, "B6 00 00 00 00 00 00 00 00 00 1C 00", &[0; 28])),
        (5, 0x26, 0)
    );
    assert_eq!(
        good(drive, "5C 00 00 00 00 00 00 00 0C 00")[4..],
        bytes("00 40 00 00 00 40 00 00")
    );
}

proptest! {
    /// Any bytes are answered, and reply lengths honour the allocation length.
    #[test]
    fn any_command_is_answered(commands in prop::collection::vec((prop::array::uniform16(any::<u8>()), 0..3usize), 1..64), medium in 0..PROFILES.len()) {
        const KNOWN: [u8; 29] = [0, 3, 4, 0x12, 0x15, 0x1A, 0x1B, 0x1E, 0x23, 0x25, 0x28, 0x2A, 0x2E, 0x35, 0x43, 0x46, 0x4A,
            0x51, 0x52, 0x53, 0x55, 0x5A, 0x5B, 0x5D, 0xA1, 0xAC, 0xAD, 0xB6, 0xBF];
        let directory = tempfile::tempdir().unwrap();
        let mut drive = drive_with(directory.path(), PROFILES[medium]);
        for (mut cdb, data) in commands {
            cdb[0] = KNOWN[usize::from(cdb[0]) % KNOWN.len()];
            let response = drive.execute(&cdb, &vec![0x55; data * 100]);
            let limit = match cdb[0] {
                0x23 | 0x43 | 0x46 | 0x4A | 0x51 | 0x52 | 0x5A => usize::from(u16::from_be_bytes([cdb[7], cdb[8]])),
                0x12 => usize::from(u16::from_be_bytes([cdb[3], cdb[4]])),
                0x03 | 0x1A => usize::from(cdb[4]),
                _ => usize::MAX,
            };
            prop_assert!(response.data_in.len() <= limit, "{:02X?}", cdb);
        }
    }
}
