//! What the tests share: a drive with a small disc, and commands in hexadecimal.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;

use burner::{BD_R, BLOCK, Disc, Drive, Profile, Response, Sense, Status};

/// Blocks of the discs used here: 64 MiB.
pub const CAPACITY: u32 = 32_768;

/// A drive with the disc in `directory`, blank if there was none, its unit attentions consumed.
pub fn drive_with(directory: &Path, profile: &'static Profile) -> Drive {
    drive_of(directory, profile, Some(CAPACITY))
}

/// The same with a disc of so many blocks, or a full-size one.
pub fn drive_of(directory: &Path, profile: &'static Profile, capacity: Option<u32>) -> Drive {
    holding(Disc::open_or_create(directory, profile, capacity).expect("a disc"))
}

/// A drive with that disc, its unit attentions consumed.
pub fn holding(disc: Disc) -> Drive {
    let mut drive = Drive::new("TEST");
    assert!(drive.insert(disc).is_none());
    while send(&mut drive, "00 00 00 00 00 00", &[])
        .sense
        .is_some_and(|sense| sense.key == 6)
    {}
    drive
}

pub fn bd_r(directory: &tempfile::TempDir) -> Drive {
    drive_with(directory.path(), &BD_R)
}

/// Bytes written in hexadecimal.
pub fn bytes(hexadecimal: &str) -> Vec<u8> {
    hexadecimal
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect()
}

pub fn send(drive: &mut Drive, cdb: &str, data: &[u8]) -> Response {
    drive.execute(&bytes(cdb), data)
}

/// Sends a command that must succeed.
pub fn good(drive: &mut Drive, cdb: &str) -> Vec<u8> {
    let response = send(drive, cdb, &[]);
    assert_eq!(response.status, Status::Good, "{cdb}: {:?}", response.sense);
    response.data_in
}

/// Sends a command with data, written in hexadecimal too, that must succeed.
pub fn take(drive: &mut Drive, cdb: &str, data: &str) {
    let response = send(drive, cdb, &bytes(data));
    assert_eq!(response.sense, None, "{cdb} < {data}");
}

/// Sends a command that must fail, and returns key, code and qualifier.
pub fn sense(drive: &mut Drive, cdb: &str) -> (u8, u8, u8) {
    triple(send(drive, cdb, &[]))
}

pub fn triple(response: Response) -> (u8, u8, u8) {
    assert_eq!(response.status, Status::CheckCondition);
    let Sense {
        key, code, qualifier, ..
    } = response.sense.expect("CHECK CONDITION comes with sense");
    (key, code, qualifier)
}

/// A block's content, which tells its address and `seed`.
pub fn block(address: u32, seed: u32) -> Vec<u8> {
    [address, seed].map(u32::to_le_bytes).concat().repeat(BLOCK / 8)
}

pub fn blocks(address: u32, count: u32, seed: u32) -> Vec<u8> {
    (0..count)
        .flat_map(|index| block(address.wrapping_add(index), seed))
        .collect()
}

pub fn write(drive: &mut Drive, address: u32, count: u32) -> Response {
    write_bytes(drive, address, &blocks(address, count, 0))
}

pub fn write_bytes(drive: &mut Drive, address: u32, data: &[u8]) -> Response {
    let count = u16::try_from(data.len() / BLOCK)
        .expect("a short WRITE")
        .to_be_bytes();
    let [a, b, c, d] = address.to_be_bytes();
    drive.execute(&[0x2A, 0, a, b, c, d, 0, count[0], count[1], 0], data)
}

pub fn read(drive: &mut Drive, address: u32, count: u16) -> Response {
    let ([a, b, c, d], count) = (address.to_be_bytes(), count.to_be_bytes());
    drive.execute(&[0x28, 0, a, b, c, d, 0, count[0], count[1], 0], &[])
}

/// The fields of READ TRACK INFORMATION that the tests look at.
#[derive(Debug, PartialEq, Eq)]
pub struct TrackInformation {
    pub session: u8,
    pub reserved: bool,
    pub damaged: bool,
    pub blank: bool,
    pub next: Option<u32>,
    pub start: u32,
    pub free: u32,
    pub size: u32,
}

pub fn track(drive: &mut Drive, number: u8) -> TrackInformation {
    let reply = good(drive, &format!("52 01 00 00 00 {number:02X} 00 00 30 00"));
    let word = |at: usize| u32::from_be_bytes(reply[at..at + 4].try_into().expect("four bytes"));
    TrackInformation {
        session: reply[3],
        damaged: reply[5] & 0x20 != 0,
        reserved: reply[6] & 0x80 != 0,
        blank: reply[6] & 0x40 != 0,
        next: (reply[7] & 1 != 0).then(|| word(12)),
        start: word(8),
        free: word(16),
        size: word(24),
    }
}

/// Disc status, state of the last session, sessions, first and last track of the last session.
pub fn disc_information(drive: &mut Drive) -> (u8, u8, u8, u8, u8) {
    let reply = good(drive, "51 00 00 00 00 00 00 00 22 00");
    assert_eq!(reply.len(), 34);
    (reply[2] & 3, reply[2] >> 2 & 3, reply[4], reply[5], reply[6])
}
