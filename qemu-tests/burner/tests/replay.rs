//! The command orders of real burning programs; notation in `replay/README.md`.

mod common;

use std::{fs, path::Path};

use burner::{
    BD_R, BD_R_DL, BD_RE, CD_R, CD_RW, DVD_PLUS_R, DVD_PLUS_R_DL, DVD_PLUS_RW, DVD_R, DVD_RAM, DVD_RW,
    DVD_RW_RESTRICTED, Drive, Profile, Status,
};
use common::{bd_r, blocks, bytes, disc_information, drive_of, read, take, write};

fn replay(drive: &mut Drive, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/replay")
        .join(name)
        .with_extension("txt");
    let script = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (number, line) in (1..)
        .zip(script.lines())
        .filter(|(_, line)| !line.starts_with('#'))
    {
        let context = format!("{name}:{number}: {line}");
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["use", other] => replay(drive, other),
            ["write", numbers @ ..] => {
                let [address, count, times] = parse(numbers);
                for address in (0..times).map(|time| address.wrapping_add(time * count)) {
                    let sense = write(drive, address, count).sense;
                    assert_eq!(sense, None, "{context}, at {address}");
                }
            }
            ["read", numbers @ ..] => {
                let [address, count] = parse(numbers);
                let data = read(drive, address, u16::try_from(count).expect("a short READ")).data_in;
                assert!(data == blocks(address, count, 0), "{context}");
            }
            _ => command(drive, line, &context),
        }
    }
}

fn command(drive: &mut Drive, line: &str, context: &str) {
    let (line, wanted) = line
        .split_once(" ! ")
        .map_or((line, None), |(line, sense)| (line, Some(sense)));
    let (cdb, data) = line.split_once(" < ").unwrap_or((line, ""));
    let response = drive.execute(&bytes(cdb), &bytes(data));
    match (wanted, response.sense) {
        (None, sense) => assert_eq!((response.status, sense), (Status::Good, None), "{context}"),
        (Some(wanted), sense) => assert_eq!(sense.expect(context).to_string(), wanted, "{context}"),
    }
}

fn parse<const N: usize>(numbers: &[&str]) -> [u32; N] {
    // Addresses in the pre-gap of a CD are negative.
    let number = |number: &&str| number.parse::<i64>().expect("a number").rem_euclid(1 << 32);
    let numbers: Vec<u32> = numbers
        .iter()
        .map(|text| u32::try_from(number(text)).expect("32 bits"))
        .collect();
    numbers.try_into().expect("the right count of numbers")
}

#[test]
fn xorriso_burns_and_finalises() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    replay(drive, "xorriso-close");
    assert_eq!(disc_information(drive), (2, 3, 1, 1, 1));
}

#[test]
fn xorriso_appends_and_growisofs_would() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    replay(drive, "xorriso-multi");
    assert_eq!(disc_information(drive), (1, 0, 2, 2, 2));
    replay(drive, "growisofs-append");
    replay(drive, "xorriso-append");
    assert_eq!(disc_information(drive), (1, 0, 3, 3, 3));
}

#[test]
fn cdrskin_burns_and_finalises() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    replay(drive, "cdrskin");
    assert_eq!(disc_information(drive), COMPLETE);
    assert_eq!(burns(&BD_R, &["cdrskin-at-once"], 1664), COMPLETE);
}

#[test]
fn wodim_leaves_a_padded_open_session() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    replay(drive, "wodim");
    assert_eq!(disc_information(drive), (1, 1, 1, 1, 2));
    assert_eq!(common::track(drive, 1).next, None);
}

/// Replays scripts on a full-size blank disc, takes the disc to another drive and compares it.
fn burns(profile: &'static Profile, scripts: &[&str], written: u32) -> (u8, u8, u8, u8, u8) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut drive = drive_of(directory.path(), profile, None);
    for script in scripts {
        match script.split_once(" < ") {
            Some((cdb, data)) => take(&mut drive, cdb, data),
            None => replay(&mut drive, script),
        }
    }
    let information = disc_information(&mut drive);
    drop(drive.remove());
    drop(drive);
    let drive = &mut drive_of(directory.path(), profile, None);
    assert_eq!(disc_information(drive), information);
    for address in (0..written).step_by(400) {
        let count = 400.min(written - address);
        let data = read(drive, address, u16::try_from(count).expect("a short READ")).data_in;
        assert!(data == blocks(address, count, 0), "{scripts:?} at {address}");
    }
    information
}

const APPENDABLE: (u8, u8, u8, u8, u8) = (1, 0, 2, 2, 2);
const OPEN: (u8, u8, u8, u8, u8) = (1, 1, 1, 1, 2);
const COMPLETE: (u8, u8, u8, u8, u8) = (2, 3, 1, 1, 1);
const UNFORMATTED: (u8, u8, u8, u8, u8) = (0, 0, 1, 1, 1);
const OVERWRITTEN: (u8, u8, u8, u8, u8) = (3, 3, 1, 1, 1);

#[test]
fn cds_are_burned() {
    for profile in [&CD_R, &CD_RW] {
        for (script, blocks, state) in [
            ("cd/cdrskin", 1651, COMPLETE),
            ("cd/cdrskin-at-once", 1651, COMPLETE),
            ("cd/xorriso-close", 1801, COMPLETE),
            ("cd/xorriso-multi", 1801, APPENDABLE),
            ("cd/wodim", 1651, COMPLETE),
            ("cd/wodim-at-once", 1651, COMPLETE),
            ("cd/wodim-two-tracks", 1648, (2, 3, 1, 1, 2)),
            ("cd/wodim-two-at-once", 2958, (2, 3, 1, 1, 2)),
        ] {
            assert_eq!(burns(profile, &[script], blocks), state, "{script}");
        }
    }
}

#[test]
fn dvd_r_and_sequential_dvd_rw_are_burned() {
    for profile in [&DVD_R, &DVD_RW] {
        for (scripts, blocks, state) in [
            (
                &["dvd-r/growisofs", "dvd-r/growisofs-append"][..],
                1664,
                APPENDABLE,
            ),
            (&["dvd-r/xorriso-multi"], 1808, APPENDABLE),
            (&["dvd-r/xorriso-close"], 1801, COMPLETE),
            (&["dvd-r/growisofs-compatible"], 1664, COMPLETE),
            (&["dvd-r/wodim"], 1651, COMPLETE),
        ] {
            assert_eq!(burns(profile, scripts, blocks), state, "{scripts:?}");
        }
    }
    for (profile, script, state) in [
        (&DVD_RW, "dvd-rw/growisofs", APPENDABLE),
        (&DVD_RW, "dvd-rw/growisofs-compatible", COMPLETE),
        (&DVD_RW_RESTRICTED, "dvd-rw-restricted/growisofs", COMPLETE),
    ] {
        assert_eq!(burns(profile, &[script], 1664), state, "{script}");
    }
}

#[test]
fn dvd_plus_r_is_burned_in_one_layer_and_in_two() {
    for (scripts, blocks, state) in [
        (
            &["dvd+r/growisofs", "dvd+r/growisofs-append"][..],
            1664,
            APPENDABLE,
        ),
        (&["dvd+r/xorriso-multi"], 1808, APPENDABLE),
        (&["dvd+r/xorriso-close"], 1808, COMPLETE),
        (&["dvd+r/growisofs-compatible"], 1664, COMPLETE),
        (&["dvd+r/cdrskin"], 1651, COMPLETE),
        (&["dvd+r/cdrskin-at-once"], 1664, COMPLETE),
        (&["dvd+r/wodim"], 1651, APPENDABLE),
    ] {
        assert_eq!(burns(&DVD_PLUS_R, scripts, blocks), state, "{scripts:?}");
    }
    for (script, blocks, state) in [
        ("dvd+r-dl/growisofs", 1664, APPENDABLE),
        ("dvd+r-dl/growisofs-compatible", 1664, COMPLETE),
        ("dvd+r-dl/xorriso-multi", 1808, APPENDABLE),
        ("dvd+r-dl/xorriso-close", 1808, COMPLETE),
        ("dvd+r-dl/wodim", 1651, COMPLETE),
    ] {
        assert_eq!(burns(&DVD_PLUS_R_DL, &[script], blocks), state, "{script}");
    }
}

#[test]
fn media_that_are_overwritten_are_burned() {
    const FORMAT_PLUS: &str = "04 11 00 00 00 00 < 00 02 00 08 FF FF FF FF 98 00 00 00";
    for (profile, scripts, blocks, state) in [
        (&DVD_PLUS_RW, &["dvd+rw/growisofs"][..], 1664, COMPLETE),
        (
            &DVD_PLUS_RW,
            &["dvd+rw/xorriso", "dvd+rw/xorriso"],
            1824,
            COMPLETE,
        ),
        (&DVD_PLUS_RW, &[FORMAT_PLUS, "dvd+rw/wodim"], 1651, COMPLETE),
        (&DVD_PLUS_RW, &["dvd+rw/growisofs-compatible"], 1664, COMPLETE),
        (&DVD_RAM, &["dvd-ram/growisofs-looks"], 0, OVERWRITTEN),
        (&DVD_RAM, &["dvd-ram/growisofs"], 1664, OVERWRITTEN),
        (&DVD_RAM, &["dvd-ram/xorriso"], 1824, OVERWRITTEN),
        (&BD_RE, &["bd-re/growisofs"], 1664, OVERWRITTEN),
        (&BD_RE, &["bd-re/cdrskin-looks"], 0, UNFORMATTED),
        (&BD_RE, &["bd-re/xorriso"], 1824, OVERWRITTEN),
    ] {
        assert_eq!(
            burns(profile, scripts, blocks),
            state,
            "{} {scripts:?}",
            profile.name
        );
    }
}

#[test]
fn growisofs_makes_a_bd_r_overwritable_and_xorriso_burns_two_layers() {
    assert_eq!(burns(&BD_R, &["bd-r/growisofs"], 1664), OPEN);
    assert_eq!(
        burns(&BD_R_DL, &["xorriso-multi", "xorriso-append"], 1824),
        (1, 0, 3, 3, 3)
    );
}
