//! What only CDs have: cue sheets, gaps between tracks, whole sectors, CD-TEXT that is not there.

mod common;

use burner::{BLOCK, CD_R, CD_ROM, DVD_PLUS_R, Disc, Drive};
use common::{block, blocks, bytes, drive_of, good, holding, read, send, sense, take, track, triple, write};

const SYNCHRONIZE: &str = "35 00 00 00 00 00 00 00 00 00";
const CLOSE_SESSION: &str = "5B 00 02 00 00 00 00 00 00 00";

/// Sets the write type: 1 a track at once, 2 a session at once.
fn write_type(drive: &mut Drive, kind: u8) {
    let page = format!("00 00 00 00 00 00 00 00 05 32 4{kind} C4 08 {}", "00 ".repeat(47));
    take(drive, "55 10 00 00 00 00 00 00 3C 00", page.trim());
}

/// Sends a cue sheet of entries of eight bytes.
fn cue(drive: &mut Drive, entries: &[&str]) -> Option<(u8, u8, u8)> {
    let sheet = bytes(&entries.join(" "));
    let length = u8::try_from(sheet.len()).expect("a short sheet");
    let response = drive.execute(&[0x5D, 0, 0, 0, 0, 0, 0, 0, length, 0], &sheet);
    response.sense.is_some().then(|| triple(response))
}

const LEAD_IN: &str = "41 00 00 14 00 00 00 00";
const GAP_1: &str = "41 01 00 10 00 00 00 00";
const TRACK_1: &str = "41 01 01 10 00 00 02 00"; // block 0
const GAP_2: &str = "41 02 00 10 00 00 06 00";
const TRACK_2: &str = "41 02 01 10 00 00 08 00"; // block 450
const LEAD_OUT: &str = "41 AA 01 14 00 00 0A 00"; // block 600
const SHEET: [&str; 6] = [LEAD_IN, GAP_1, TRACK_1, GAP_2, TRACK_2, LEAD_OUT];

#[test]
fn a_cue_sheet_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &CD_R, None);
    write_type(drive, 1);
    assert_eq!(cue(drive, &SHEET), Some((5, 0x2C, 0))); // not a session at once
    write_type(drive, 2);
    assert_eq!(triple(write(drive, 0, 1)), (5, 0x2C, 0)); // no cue sheet yet
    let audio = "01 02 01 00 00 00 08 00";
    let third = "41 03 01 10 00 00 08 00";
    let no_frame = "41 02 01 10 00 00 08 4B";
    for wrong in [
        &[][..],
        &[LEAD_IN, LEAD_OUT],                                   // no track
        &[LEAD_IN, GAP_1, TRACK_1, GAP_2, TRACK_2],             // no end
        &[LEAD_IN, GAP_1, TRACK_1, LEAD_OUT, GAP_2, TRACK_2],   // something behind the end
        &[GAP_1, LEAD_IN, TRACK_1, LEAD_OUT],                   // the lead-in is not first
        &[LEAD_IN, GAP_2, TRACK_2, LEAD_OUT],                   // track 2 first
        &[LEAD_IN, GAP_1, TRACK_1, GAP_2, third, LEAD_OUT],     // track 3 after 1
        &[LEAD_IN, GAP_1, TRACK_1, TRACK_2, GAP_2, LEAD_OUT],   // backwards
        &[LEAD_IN, GAP_1, TRACK_1, GAP_2, audio, LEAD_OUT],     // audio
        &[LEAD_IN, GAP_1, TRACK_1, GAP_2, no_frame, LEAD_OUT],  // 75 frames
        &[LEAD_IN, GAP_1, "41 01 01 10 00 00 03 00", LEAD_OUT], // not where the session begins
    ] {
        assert_eq!(cue(drive, wrong), Some((5, 0x26, 0)), "{wrong:?}");
    }
    assert_eq!(
        triple(drive.execute(&bytes("5D 00 00 00 00 00 00 00 0C 00"), &[0x41; 12])),
        (5, 0x26, 0)
    );
    assert_eq!(
        triple(drive.execute(&bytes("5D 00 00 00 00 00 00 00 10 00"), &[0; 8])),
        (5, 0x1A, 0)
    );
    assert_eq!(track(drive, 1).next, Some(0));
    assert_eq!(cue(drive, &SHEET), None);
}

#[test]
fn a_session_at_once_is_written_from_its_gap_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &CD_R, None);
    write_type(drive, 2);
    assert_eq!(cue(drive, &SHEET), None);
    let next = |drive: &mut Drive| {
        let reply = good(drive, "52 01 00 00 00 FF 00 00 30 00");
        u32::from_be_bytes(reply[12..16].try_into().unwrap())
    };
    assert_eq!(next(drive), 150u32.wrapping_neg()); // the gap before block 0
    assert_eq!(triple(write(drive, 0, 30)), (5, 0x21, 2));
    for address in (0..150u32).step_by(30) {
        assert!(
            write(drive, (address).wrapping_sub(150), 30).sense.is_none(),
            "{address}"
        );
    }
    assert_eq!(next(drive), 0);
    assert_eq!(triple(write(drive, 450, 30)), (5, 0x21, 2)); // the second track before the first
    for address in (0..600).step_by(50) {
        assert!(write(drive, address, 50).sense.is_none(), "{address}");
    }
    good(drive, SYNCHRONIZE);
    assert_eq!(
        (track(drive, 1).size, track(drive, 2).start, track(drive, 2).size),
        (450, 450, 150)
    );
    assert_eq!(track(drive, 3).session, 2);
    let table = good(drive, "43 00 00 00 00 00 00 00 FF 00");
    assert_eq!(table[2..4], [1, 2]);
    assert_eq!(table[table.len() - 4..], 600u32.to_be_bytes()); // the lead-out
    assert!(read(drive, 400, 100).data_in == blocks(400, 100, 0));
}

#[test]
fn tracks_at_once_have_run_out_blocks_and_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(directory.path(), &CD_R, None);
    write_type(drive, 1);
    assert!(write(drive, 0, 100).sense.is_none());
    good(drive, SYNCHRONIZE); // ends the track
    assert_eq!(track(drive, 2).next, Some(252)); // 2 run-out blocks, a gap of 150
    assert_eq!(triple(read(drive, 100, 1)), (5, 0x64, 0));
    assert_eq!(triple(write(drive, 100, 1)), (5, 0x21, 2));
    assert!(write(drive, 252, 50).sense.is_none());
    good(drive, SYNCHRONIZE);
    good(drive, CLOSE_SESSION);
    assert_eq!(
        (track(drive, 3).start, track(drive, 3).session),
        (252 + 50 + 2 + 11_400, 2)
    );
    assert!(write(drive, 11_704, 10).sense.is_none());
    good(drive, SYNCHRONIZE);
    good(drive, CLOSE_SESSION);
    assert_eq!(track(drive, 4).start, 11_704 + 10 + 2 + 6_900);
    assert_eq!(
        good(drive, "43 00 01 00 00 00 00 00 0C 00")[2..8],
        [1, 2, 0, 0x14, 3, 0]
    );
}

/// A CD of two tracks: blocks 0 to 99 and 252 to 301.
fn two_tracks(directory: &tempfile::TempDir) -> Drive {
    let mut drive = drive_of(directory.path(), &CD_R, None);
    write_type(&mut drive, 1);
    assert!(write(&mut drive, 0, 100).sense.is_none());
    good(&mut drive, SYNCHRONIZE);
    assert!(write(&mut drive, 252, 50).sense.is_none());
    good(&mut drive, SYNCHRONIZE);
    good(&mut drive, CLOSE_SESSION);
    drive
}

#[test]
fn sectors_are_read_in_the_parts_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut two_tracks(&directory);
    let whole = good(drive, "BE 00 00 00 01 01 00 00 02 F8 00 00"); // blocks 257 and 258
    assert_eq!(whole.len(), 2 * 2352);
    assert_eq!(whole[12..16], [0x00, 0x05, 0x32, 1]); // 257 + 150 = 5 seconds, 32 frames
    assert!(whole[16..2064] == block(257, 0) && whole[2368..4416] == block(258, 0));
    assert!(whole[2064..2352].iter().any(|byte| *byte != 0));
    for (main, length, part) in [
        ("10", 2048, 16..2064),
        ("20", 4, 12..16),
        ("30", 2052, 12..2064),
        ("60", 4, 12..16),
        ("80", 12, 0..12),
        ("A0", 16, 0..16),
        ("B0", 2064, 0..2064),
        ("18", 2336, 16..2352),
        ("38", 2340, 12..2352),
        ("08", 288, 2064..2352),
        ("40", 0, 0..0), // a sector of mode 1 has no sub-header
        ("00", 0, 0..0),
    ] {
        let reply = good(drive, &format!("BE 00 00 00 01 01 00 00 01 {main} 00 00"));
        assert_eq!(reply.len(), length, "{main}");
        assert!(reply == whole[part], "{main}");
    }
    // Error flags, and sub-channels: R to W, Q, and all bit by bit.
    for (main, sub, length) in [
        ("12", 0, 294),
        ("14", 0, 296),
        ("10", 4, 96),
        ("10", 2, 16),
        ("10", 1, 96),
    ] {
        let reply = good(drive, &format!("BE 00 00 00 01 01 00 00 01 {main} 0{sub} 00"));
        assert_eq!(reply.len(), BLOCK + length, "{main} {sub}");
    }
    let q = good(drive, "BE 00 00 00 01 01 00 00 01 00 02 00");
    // Track 2, index 1, block 5 of it, and where it lies on the disc.
    assert_eq!(q[..10], [0x41, 2, 1, 0, 0, 5, 0, 0, 5, 0x32]);
    let raw = good(drive, "BE 00 00 00 01 01 00 00 01 00 01 00");
    let bits = raw
        .chunks(8)
        .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit >> 6 & 1));
    assert_eq!(bits.collect::<Vec<u8>>(), q[..12]);
    // The same by minute, second and frame: 00:05:32 up to 00:05:34.
    assert!(good(drive, "B9 00 00 00 05 20 00 05 22 F8 00 00") == whole);

    for (cdb, wanted) in [
        ("BE 00 00 00 01 01 00 00 01 90 00 00", (5, 0x24, 0)), // parts that do not touch
        ("BE 00 00 00 01 01 00 00 01 28 00 00", (5, 0x24, 0)),
        ("BE 00 00 00 01 01 00 00 01 16 00 00", (5, 0x24, 0)), // error flags there are not
        ("BE 00 00 00 01 01 00 00 01 10 03 00", (5, 0x24, 0)), // a sub-channel there is not
        ("BE 04 00 00 01 01 00 00 01 10 00 00", (5, 0x64, 0)), // audio is expected
        ("BE 00 00 00 00 64 00 00 01 10 00 00", (5, 0x64, 0)), // run-out blocks
        ("BE 00 00 00 00 00 FF FF FF F8 00 00", (5, 0x24, 0)), // 36 GiB
        ("BE 00 00 0F 00 00 00 00 01 10 00 00", (5, 0x21, 0)), // beyond the disc
        ("B9 00 00 00 02 4B 00 02 4C 10 00 00", (5, 0x24, 0)), // 75 frames
        ("B9 00 00 00 03 00 00 02 00 10 00 00", (5, 0x24, 0)), // backwards
        ("B9 00 00 00 01 00 00 02 00 10 00 00", (5, 0x21, 0)), // before block 0
    ] {
        assert_eq!(sense(drive, cdb), wanted, "{cdb}");
    }
    let other = tempfile::tempdir().unwrap();
    let drive = &mut drive_of(other.path(), &DVD_PLUS_R, None);
    assert_eq!(sense(drive, "BE 00 00 00 00 00 00 00 01 10 00 00"), (5, 0x30, 2));
}

#[test]
fn there_is_no_cd_text() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    std::fs::write(&image, blocks(0, 300, 0)).unwrap();
    let pressed = Disc::from_image(&directory.path().join("disc"), &CD_ROM, &image, None).unwrap();
    let written = tempfile::tempdir().unwrap();
    for mut drive in [holding(pressed), two_tracks(&written)] {
        // The drive does not claim to read it (CD read feature, bit 0), and refuses the format.
        assert_eq!(good(&mut drive, "46 02 00 1E 00 00 00 00 10 00")[12] & 1, 0);
        assert_eq!(sense(&mut drive, "43 00 05 00 00 00 00 00 04 00"), (5, 0x24, 0));
        assert!(
            send(&mut drive, "43 00 02 00 00 00 00 00 FF 00", &[])
                .sense
                .is_none()
        );
    }
}
