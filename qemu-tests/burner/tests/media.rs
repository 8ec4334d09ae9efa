//! What is particular to each family of media, seen through commands.

mod common;

use burner::{
    BD_R, BD_R_DL, BD_RE, BD_RE_DL, BD_ROM, CD_R, CD_ROM, CD_RW, DVD_PLUS_R_DL, DVD_PLUS_RW, DVD_R, DVD_R_DL,
    DVD_RAM, DVD_ROM, DVD_RW, Disc, Drive, Error, PROFILES, Strategy,
};
use common::{
    CAPACITY, blocks, disc_information, drive_of, drive_with, good, holding, read, sense, take, track,
    triple, write, write_bytes,
};

const SYNCHRONIZE: &str = "35 00 00 00 00 00 00 00 00 00";
const CLOSE_SESSION: &str = "5B 00 02 00 00 00 00 00 00 00";
const FORMAT: &str = "04 11 00 00 00 00";
const FORMAT_DVD_PLUS_RW: &str = "00 02 00 08 FF FF FF FF 98 00 00 00";
const READ_CAPACITY: &str = "25 00 00 00 00 00 00 00 00 00";
const CAPACITIES: &str = "23 00 00 00 00 00 00 00 FC 00";
/// Room for the border zones of a DVD-R: 256 MiB.
const LARGE: u32 = 131_072;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn features(drive: &mut Drive) -> Vec<u16> {
    let reply = good(drive, "46 01 00 00 00 00 00 10 00 00");
    let mut rest = &reply[8..];
    let mut current = Vec::new();
    while let [high, low, flags, length, ..] = rest {
        if flags & 1 == 1 {
            current.push(u16::from_be_bytes([*high, *low]));
        }
        rest = &rest[4 + usize::from(*length)..];
    }
    current
}

fn profile_number(drive: &mut Drive) -> u8 {
    good(drive, "46 00 00 00 00 00 00 00 08 00")[7]
}

/// Sets write type and multi-session bits of the write parameters page.
fn write_parameters(drive: &mut Drive, write_type: u8, multi_session: bool) {
    let mut list = good(drive, "5A 00 05 00 00 00 00 00 3C 00");
    list[..2].fill(0);
    list[10] = 0x40 | write_type;
    list[11] = if multi_session { 0xC4 } else { 0x04 };
    let response = drive.execute(&common::bytes("55 10 00 00 00 00 00 00 3C 00"), &list);
    assert_eq!(response.sense, None);
}

/// Background format status.
fn background(drive: &mut Drive) -> u8 {
    good(drive, "51 00 00 00 00 00 00 00 22 00")[7] & 3
}

#[test]
fn every_medium_is_recognised_with_its_features() {
    for profile in PROFILES
        .iter()
        .filter(|profile| profile.strategy != Strategy::Pressed)
    {
        let directory = tempfile::tempdir().unwrap();
        let drive = &mut drive_with(directory.path(), profile);
        assert_eq!(
            u16::from(profile_number(drive)),
            profile.number,
            "{}",
            profile.name
        );
        let current = features(drive);
        let missing: Vec<&u16> = profile
            .features
            .iter()
            .filter(|feature| **feature != 0x38 && !current.contains(feature))
            .collect();
        assert!(missing.is_empty(), "{}: {missing:02X?}", profile.name);
        let structures = common::send(drive, "AD 00 00 00 00 00 00 FF 00 FF 00 00", &[]);
        assert_eq!(structures.sense.is_some(), profile.is_cd(), "{}", profile.name);
        assert!(profile.capacity.is_multiple_of(profile.ecc_blocks));
    }
}

#[test]
fn a_dvd_plus_rw_is_formatted_in_the_background() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = drive_with(directory.path(), &DVD_PLUS_RW);
    assert_eq!(disc_information(&mut drive).0, 0);
    assert_eq!(background(&mut drive), 0);
    assert_eq!(triple(write(&mut drive, 0, 16)), (5, 0x30, 0x10));
    assert_eq!(good(&mut drive, CAPACITIES)[8], 1); // unformatted
    take(&mut drive, FORMAT, FORMAT_DVD_PLUS_RW);
    assert_eq!(background(&mut drive), 2);
    assert_eq!(word(&good(&mut drive, READ_CAPACITY), 0), CAPACITY - 1);
    assert!(write(&mut drive, 1000, 7).sense.is_none()); // anywhere, any length
    assert_eq!(read(&mut drive, 1000, 7).data_in, blocks(1000, 7, 0));
    assert_eq!(read(&mut drive, 900, 1).data_in, [0; 2048]);
    good(&mut drive, "5B 00 00 00 00 00 00 00 00 00"); // stop
    assert_eq!(background(&mut drive), 1);
    good(&mut drive, CLOSE_SESSION);
    drop(drive); // as if it were killed
    let mut drive = drive_with(directory.path(), &DVD_PLUS_RW);
    assert_eq!(background(&mut drive), 1);
    assert_eq!(read(&mut drive, 1000, 7).data_in, blocks(1000, 7, 0));
    take(&mut drive, FORMAT, "00 02 00 08 FF FF FF FF 98 00 00 01"); // restart
    assert_eq!(background(&mut drive), 2);
    for _ in 0..1100 {
        good(&mut drive, "00 00 00 00 00 00");
    }
    assert_eq!(background(&mut drive), 3);
    assert_eq!(read(&mut drive, 1000, 7).data_in, blocks(1000, 7, 0));
    // Not blank, never: no BLANK, no tracks to reserve, nothing behind the end.
    assert_eq!(
        sense(&mut drive, "A1 10 00 00 00 00 00 00 00 00 00 00"),
        (5, 0x24, 0)
    );
    assert_eq!(sense(&mut drive, "53 00 00 00 00 00 00 00 20 00"), (5, 0x2C, 0));
    assert_eq!(triple(write(&mut drive, CAPACITY - 1, 2)), (5, 0x21, 0));
}

#[test]
fn a_bd_re_has_the_spare_areas_it_was_formatted_with() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &BD_RE, None);
    let offered = good(drive, CAPACITIES);
    assert_eq!((offered.len(), offered[3]), (4 + 8 + 4 * 8, 40));
    let descriptors: Vec<(u32, u8)> = offered[12..]
        .chunks(8)
        .map(|descriptor| (word(descriptor, 0), descriptor[4] >> 2))
        .collect();
    assert_eq!(
        descriptors,
        [
            (11_826_176, 0),
            (11_826_176, 0x30),
            (12_088_320, 0x30),
            (12_219_392, 0x31)
        ]
    );
    assert_eq!(triple(write(drive, 0, 32)), (5, 0x30, 0x10));
    for (descriptor, capacity) in [
        ("00 02 00 08 00 B4 74 00 00 00 08 00", 11_826_176),
        ("00 82 00 08 00 B8 74 00 C0 00 00 00", 12_088_320),
        ("00 82 00 08 00 BA 74 00 C4 00 08 00", 12_219_392),
    ] {
        take(drive, FORMAT, descriptor);
        assert_eq!(word(&good(drive, READ_CAPACITY), 0), capacity - 1);
        assert_eq!(good(drive, CAPACITIES)[12..], offered[12..]); // still to be had
        assert!(write(drive, capacity - 5, 5).sense.is_none());
        assert_eq!(read(drive, capacity - 5, 5).data_in, blocks(capacity - 5, 5, 0));
        assert_eq!(triple(write(drive, capacity, 1)), (5, 0x21, 0));
    }
    assert_eq!(disc_information(drive), (3, 3, 1, 1, 1));
    assert_eq!(sense(drive, CLOSE_SESSION), (5, 0x24, 0));
    for wrong in [
        "00 02 00 08 FF 00 00 00 00 00 08 00", // more than there is
        "00 02 00 08 00 B4 74 00 98 00 00 00", // a format of other media
        "00 02 00 04 00 B4 74 00 00 00 08 00", // a descriptor of another length
    ] {
        let response = drive.execute(&common::bytes(FORMAT), &common::bytes(wrong));
        assert_eq!(triple(response), (5, 0x26, 0), "{wrong}");
    }
    let other = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(other.path(), &BD_RE_DL, None);
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF C4 00 08 00");
    assert_eq!(word(&good(drive, READ_CAPACITY), 0), 24_438_783);
}

#[test]
fn a_dvd_ram_is_ready_to_be_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = drive_with(directory.path(), &DVD_RAM);
    assert_eq!(disc_information(&mut drive), (3, 3, 1, 1, 1));
    for seed in 1..3 {
        assert!(write_bytes(&mut drive, 77, &blocks(77, 3, seed)).sense.is_none());
    }
    drop(drive);
    let drive = &mut drive_with(directory.path(), &DVD_RAM);
    assert_eq!(read(drive, 77, 3).data_in, blocks(77, 3, 2));
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF 00 00 08 00");
    assert!(read(drive, 77, 3).data_in == [0; 3 * 2048]);
    // Formatted table of contents: one track over the whole disc.
    let table = good(drive, "43 00 00 00 00 00 00 00 FF 00");
    assert_eq!((table.len(), word(&table, 16)), (20, CAPACITY));
}

#[test]
fn a_dvd_r_has_border_zones_between_its_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &DVD_R, Some(LARGE));
    write_parameters(drive, 0, true);
    let mut start = 0;
    for (number, gap) in [(1, 28_672), (2, 9_216), (3, 9_216)] {
        assert_eq!(track(drive, number).next, Some(start));
        assert!(write(drive, start, 40).sense.is_none());
        good(drive, &format!("5B 01 01 00 00 {number:02X} 00 00 00 00"));
        good(drive, CLOSE_SESSION);
        assert_eq!(triple(read(drive, start + 48, 1)), (5, 0x21, 0)); // the border
        start += 48 + gap;
    }
    assert_eq!(disc_information(drive), (1, 0, 4, 4, 4));
    write_parameters(drive, 0, false);
    assert!(write(drive, start, 16).sense.is_none());
    good(drive, CLOSE_SESSION); // without another session
    assert_eq!(disc_information(drive), (2, 3, 4, 4, 4));
    assert_eq!(
        good(drive, "43 00 01 00 00 00 00 00 0C 00")[8..],
        start.to_be_bytes()
    );
}

#[test]
fn disc_at_once_needs_a_reservation_and_ends_by_itself() {
    for (profile, information) in [(&DVD_R, 2), (&DVD_R_DL, 2)] {
        let directory = tempfile::tempdir().unwrap();
        let drive = &mut drive_with(directory.path(), profile);
        write_parameters(drive, 2, false);
        assert_eq!(triple(write(drive, 0, 16)), (5, 0x2C, 0));
        good(drive, "53 00 00 00 00 00 00 00 2D 00");
        assert!(write(drive, 0, 32).sense.is_none());
        good(drive, SYNCHRONIZE); // not full yet
        assert_eq!(disc_information(drive).0, 1);
        assert!(write(drive, 32, 13).sense.is_none());
        good(drive, SYNCHRONIZE);
        assert_eq!(disc_information(drive).0, information);
        assert_eq!(track(drive, 1).size, 48);
    }
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_R_DL);
    assert_eq!(triple(write(drive, 0, 16)), (5, 0x64, 0)); // incremental is for one layer
}

#[test]
fn a_dvd_rw_is_blanked_and_changes_its_profile_when_formatted() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = drive_of(directory.path(), &DVD_RW, Some(LARGE));
    assert!(write(&mut drive, 0, 32).sense.is_none());
    good(&mut drive, CLOSE_SESSION);
    good(&mut drive, "A1 11 00 00 00 00 00 00 00 00 00 00"); // minimally
    assert_eq!(disc_information(&mut drive).0, 0);
    assert!(!features(&mut drive).contains(&0x21));
    assert_eq!(triple(write(&mut drive, 0, 16)), (5, 0x64, 0)); // disc at once only
    drop(drive);
    let mut drive = drive_of(directory.path(), &DVD_RW, Some(LARGE));
    assert_eq!(triple(write(&mut drive, 0, 16)), (5, 0x64, 0));
    good(&mut drive, "A1 10 00 00 00 00 00 00 00 00 00 00");
    assert!(write(&mut drive, 0, 16).sense.is_none());

    take(&mut drive, FORMAT, "00 02 00 08 00 00 00 00 54 00 00 10"); // quick
    assert_eq!(profile_number(&mut drive), 0x13);
    assert_eq!(triple(write(&mut drive, 16, 16)), (5, 0x21, 2)); // not a gap
    assert_eq!(triple(write(&mut drive, 0, 15)), (5, 0x21, 2)); // not half an ECC block
    for seed in 1..3 {
        assert!(write_bytes(&mut drive, 0, &blocks(0, 64, seed)).sense.is_none());
    }
    assert!(write(&mut drive, 64, 16).sense.is_none());
    good(&mut drive, SYNCHRONIZE);
    good(&mut drive, CLOSE_SESSION);
    drop(drive);
    let drive = &mut holding(Disc::open(directory.path()).unwrap());
    assert_eq!(profile_number(drive), 0x13);
    assert_eq!(read(drive, 0, 64).data_in, blocks(0, 64, 2));
    assert_eq!(word(&good(drive, READ_CAPACITY), 0), 79);
    good(drive, "A1 10 00 00 00 00 00 00 00 00 00 00");
    assert_eq!((profile_number(drive), disc_information(drive).0), (0x14, 0));
}

#[test]
fn the_layer_break_of_a_blank_dvd_plus_r_can_be_set() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_PLUS_R_DL);
    const READ: &str = "AD 00 00 00 00 00 00 20 00 0C 00 00";
    const SEND: &str = "BF 00 00 00 00 00 00 20 00 0C 00 00";
    take(drive, SEND, "00 0A 00 00 00 00 00 00 00 00 03 40");
    assert_eq!(word(&good(drive, READ), 8), 832);
    let odd = drive.execute(
        &common::bytes(SEND),
        &common::bytes("00 0A 00 00 00 00 00 00 00 00 03 41"),
    );
    assert_eq!(triple(odd), (5, 0x26, 0));
    write(drive, 0, 16);
    let late = drive.execute(
        &common::bytes(SEND),
        &common::bytes("00 0A 00 00 00 00 00 00 00 00 03 40"),
    );
    assert_eq!(triple(late), (5, 0x2C, 0));
}

#[test]
fn a_cd_has_lead_outs_gaps_and_run_out_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &CD_R, None);
    assert_eq!(triple(write(drive, 0, 16)), (5, 0x64, 0)); // packets are not for here
    assert_eq!(sense(drive, "AD 00 00 00 00 00 00 00 00 08 00 00"), (5, 0x30, 2));
    let atip = good(drive, "43 00 04 00 00 00 00 00 1C 00");
    assert_eq!(
        (atip.len(), &atip[8..11], &atip[12..15]),
        (28, &[97, 27, 0][..], &[79, 59, 72][..])
    );
    write_parameters(drive, 1, true);
    // Two tracks in the first session: two run-out blocks, then a pre-gap of two seconds.
    assert!(write(drive, 0, 301).sense.is_none());
    good(drive, "5B 00 01 00 00 01 00 00 00 00");
    assert_eq!(track(drive, 2).next, Some(301 + 2 + 150));
    assert_eq!(triple(read(drive, 301, 1)), (5, 0x64, 0));
    assert_eq!(sense(drive, "43 00 00 00 00 00 00 00 0C 00"), (5, 0x24, 0)); // no table before the close
    assert!(write(drive, 453, 300).sense.is_none());
    good(drive, CLOSE_SESSION);
    let end = 453 + 300 + 2;
    assert_eq!(track(drive, 3).next, Some(end + 11_400));
    assert_eq!(word(&good(drive, READ_CAPACITY), 0), end - 1);
    let table = good(drive, "43 00 00 00 00 00 00 00 FF 00");
    assert_eq!((table[2], table[3], word(&table, table.len() - 4)), (1, 2, end));
    // The second session at once; the third would begin 6900 blocks behind it.
    write_parameters(drive, 2, true);
    let (start, length) = (end + 11_400, 600);
    assert_eq!(triple(write(drive, start, 16)), (5, 0x2C, 0)); // no cue sheet
    let position = |address: u32| {
        let frames = address + 150;
        format!(
            "{:02X} {:02X} {:02X}",
            frames / 4500,
            frames / 75 % 60,
            frames % 75
        )
    };
    let sheet = format!(
        "41 00 00 14 00 00 00 00 41 03 00 10 00 {} 41 03 01 10 00 {} 41 AA 01 14 00 {}",
        position(start - 150),
        position(start),
        position(start + length)
    );
    take(drive, "5D 00 00 00 00 00 00 00 20 00", &sheet);
    assert_eq!(triple(write(drive, start, 16)), (5, 0x21, 2)); // the pre-gap comes first
    for address in (start - 150..start + length).step_by(25) {
        assert!(write(drive, address, 25).sense.is_none(), "{address}");
    }
    good(drive, SYNCHRONIZE);
    assert_eq!(disc_information(drive), (1, 0, 3, 4, 4));
    assert_eq!(track(drive, 4).next, Some(start + length + 6_900));
    assert_eq!(read(drive, start, 600).data_in, blocks(start, 600, 0));
    let full = good(drive, "43 02 02 00 00 00 00 03 FF 00");
    let points: Vec<(u8, u8)> = full[4..].chunks(11).map(|entry| (entry[0], entry[3])).collect();
    let wanted = [
        (1, 0xA0),
        (1, 0xA1),
        (1, 0xA2),
        (1, 1),
        (1, 2),
        (2, 0xA0),
        (2, 0xA1),
        (2, 0xA2),
        (2, 3),
    ];
    assert_eq!(points, wanted);
}

#[test]
fn a_cd_rw_is_blanked() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &CD_RW, None);
    write_parameters(drive, 1, false);
    for seed in 0..2 {
        assert!(write_bytes(drive, 0, &blocks(0, 400, seed)).sense.is_none());
        good(drive, CLOSE_SESSION);
        assert_eq!(disc_information(drive), (2, 3, 1, 1, 1));
        assert_eq!(read(drive, 0, 400).data_in, blocks(0, 400, seed));
        good(drive, "A1 11 00 00 00 00 00 00 00 00 00 00");
        assert_eq!(disc_information(drive).0, 0);
        assert_eq!(triple(read(drive, 0, 1)), (8, 0, 0));
    }
}

#[test]
fn a_bd_r_formatted_for_pseudo_overwrite_takes_back_blocks_but_closes_no_session() {
    let directory = tempfile::tempdir().unwrap();
    let mut drive = drive_of(directory.path(), &BD_R, None);
    assert!(!features(&mut drive).contains(&0x38));
    take(&mut drive, FORMAT, "00 02 00 08 00 B8 74 00 C8 00 00 00");
    assert!(features(&mut drive).contains(&0x38));
    assert!(write_bytes(&mut drive, 0, &blocks(0, 96, 1)).sense.is_none());
    assert!(write_bytes(&mut drive, 32, &blocks(32, 32, 2)).sense.is_none());
    assert_eq!(triple(write(&mut drive, 128, 32)), (5, 0x21, 2));
    assert_eq!(track(&mut drive, 1).next, Some(96));
    good(&mut drive, "5B 01 01 00 00 01 00 00 00 00");
    assert!(write_bytes(&mut drive, 0, &blocks(0, 32, 3)).sense.is_none());
    assert_eq!(sense(&mut drive, CLOSE_SESSION), (5, 0x24, 0));
    good(&mut drive, SYNCHRONIZE);
    drop(drive);
    let drive = &mut drive_of(directory.path(), &BD_R, None);
    let expected = [blocks(0, 32, 3), blocks(32, 32, 2), blocks(64, 32, 1)].concat();
    assert_eq!(read(drive, 0, 96).data_in, expected);
    // What is recorded cannot be formatted; sequential recording with spare areas overwrites nothing.
    let again = drive.execute(
        &common::bytes(FORMAT),
        &common::bytes("00 02 00 08 00 B8 74 00 C8 00 00 00"),
    );
    assert_eq!(triple(again), (5, 0x2C, 0));
    let other = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(other.path(), &BD_R_DL, None);
    take(drive, FORMAT, "00 02 00 08 FF FF FF FF 01 00 08 00");
    assert!(track(drive, 1).size < BD_R_DL.capacity);
    assert!(write(drive, 0, 32).sense.is_none());
    assert_eq!(triple(write(drive, 0, 32)), (5, 0x21, 2));
    good(drive, CLOSE_SESSION);
}

#[test]
fn discs_are_made_from_images() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image.iso");
    std::fs::write(&image, blocks(0, 500, 9)).unwrap();
    for profile in PROFILES {
        let directory = folder.path().join(profile.name);
        let drive = &mut holding(Disc::from_image(&directory, profile, &image, None).unwrap());
        assert_eq!(read(drive, 0, 500).data_in, blocks(0, 500, 9), "{}", profile.name);
        let status = disc_information(drive).0;
        let table = good(drive, "43 00 00 00 00 00 00 00 FF 00");
        assert_eq!((table[2], table[3]), (1, 1));
        match profile.strategy {
            Strategy::Pressed => {
                assert_eq!((status, u16::from(profile_number(drive))), (2, profile.number));
                assert_eq!(triple(write(drive, 0, 32)), (7, 0x27, 0));
                assert_eq!(
                    word(&good(drive, READ_CAPACITY), 0),
                    500u32.next_multiple_of(profile.ecc_blocks) - 1
                );
            }
            Strategy::Sequential => assert_eq!(disc_information(drive), (1, 0, 2, 2, 2)),
            _ => assert!(write(drive, 32, 32).sense.is_none()),
        }
        let again = Disc::from_image(&directory, profile, &image, None);
        assert!(matches!(again, Err(Error::Image { .. })));
    }
    for (profile, capacity) in [(&CD_ROM, 400), (&BD_ROM, 480), (&DVD_ROM, 496)] {
        let disc = Disc::from_image(&folder.path().join("small"), profile, &image, Some(capacity));
        assert!(matches!(disc, Err(Error::Image { blocks: 500, .. })), "{disc:?}");
    }
}
