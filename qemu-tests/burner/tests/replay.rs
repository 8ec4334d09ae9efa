//! The command orders of real burning programs; notation in `replay/README.md`.

mod common;

use std::{fs, path::Path};

use burner::{Drive, Status};
use common::{bd_r, blocks, bytes, disc_information, read, write};

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
                for address in (0..times).map(|time| address + time * count) {
                    assert_eq!(
                        write(drive, address, count).sense,
                        None,
                        "{context}, at {address}"
                    );
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
    let numbers: Vec<u32> = numbers
        .iter()
        .map(|number| number.parse().expect("a number"))
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
    assert_eq!(disc_information(drive), (2, 3, 1, 1, 1));
}

#[test]
fn wodim_leaves_a_padded_open_session() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    replay(drive, "wodim");
    assert_eq!(disc_information(drive), (1, 1, 1, 1, 2));
    assert_eq!(common::track(drive, 1).next, None);
}
