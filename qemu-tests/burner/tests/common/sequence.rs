//! Bytes as a sequence of commands, faults and hands at a drive, for fuzzing.
//!
//! The first byte chooses the medium, the second what it is like. Then come steps, each a byte and what it takes:
//! below 192 a command of 12 bytes and a byte for its data; then a fault, a hand or time. Bytes that are missing
//! are zero.

use std::{path::Path, time::Duration};

use burner::{BLOCK, Disc, Drive, Fault, PROFILES, Status, Strategy, Timing};

/// Steps of one sequence, blocks of a disc: what bounds the work of one input.
const STEPS: usize = 64;
const BLOCKS: u32 = 640;
/// Blocks that come with one command.
const MOST: usize = 64;

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.next())
    }

    /// An address on the disc or a little behind it.
    fn address(&mut self) -> u32 {
        u32::from(u16::from_be_bytes(self.take())) % (BLOCKS + 64)
    }

    fn times(&mut self) -> Option<u32> {
        match self.next() % 4 {
            0 => None,
            times => Some(times.into()),
        }
    }
}

/// Plays one sequence. Panics where the drive breaks a promise: it answers every command, within the allocation
/// length, with sense data exactly when it fails, and its disc can be opened again as it was.
pub fn play(input: &[u8]) {
    // Discs in memory where there is such a place: thousands are made.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.expect("a directory for discs");
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    let mut bytes = Bytes(input);
    let profile = PROFILES[usize::from(bytes.next()) % PROFILES.len()];
    let flags = bytes.next();
    let disc = if profile.strategy == Strategy::Pressed || flags & 1 == 1 {
        let image = folder.path().join("image");
        std::fs::write(&image, vec![0x5A; BLOCK * 64]).expect("an image");
        Disc::from_image(&first, profile, &image, Some(BLOCKS))
    } else {
        Disc::open_or_create(&first, profile, Some(BLOCKS))
    };
    let mut drive = Drive::new("FUZZ");
    drive.use_virtual_time();
    drive.insert(disc.expect("a disc"));
    if flags & 2 == 2 {
        drive.set_timing(Some(Timing {
            cav: flags & 4 == 4,
            ..Timing::default()
        }));
    }
    if flags & 8 == 0 {
        while drive
            .execute(&[0; 6], &[])
            .sense
            .is_some_and(|sense| sense.key == 6)
        {}
    }
    for _ in 0..STEPS {
        if bytes.0.is_empty() {
            break;
        }
        match bytes.next() {
            ..192 => command(&mut drive, &mut bytes),
            192..240 => {
                let other = (&second, profile);
                let fault = fault(&mut bytes, other.0);
                if matches!(fault, Fault::Swap { .. }) {
                    drop(Disc::open_or_create(other.0, other.1, Some(BLOCKS))); // there, or busy in the tray
                }
                drive.faults().arm(fault);
            }
            240..242 => drive.faults().disarm(),
            242..244 => drive.power_cycle(),
            244..246 => drop(drive.press_eject()),
            246..248 => drive.push_tray(),
            248..252 => drive.pass(Duration::from_millis(u64::from(bytes.next()) * 40)),
            _ => {
                let back = drive.remove();
                back.into_iter().for_each(|disc| drop(drive.insert(disc)));
            }
        }
        let state = drive.state();
        assert!(
            state.track.iter().all(|track| track.written <= track.size),
            "{state:?}"
        );
    }
    // What the disc says of itself is what it will be tomorrow.
    drive.faults().disarm();
    if let Some(disc) = drive.remove() {
        let (recording, directory) = (disc.recording().clone(), disc.image_path());
        drop(disc);
        let again = Disc::open(directory.parent().expect("a disc is a directory")).expect("a sound disc");
        assert_eq!(again.recording(), &recording);
    }
}

fn command(drive: &mut Drive, bytes: &mut Bytes<'_>) {
    let mut cdb: [u8; 12] = bytes.take();
    // Most addresses and lengths a fuzzer would think of lie beyond every disc.
    if matches!(cdb[0], 0x28 | 0x2A | 0x2E | 0xA8 | 0xAA | 0xBE) && cdb[11] & 1 == 0 {
        (cdb[2], cdb[3]) = (0, 0);
        cdb[4] %= 4;
        cdb[7] = 0;
    }
    let kind = bytes.next();
    let blocks = match cdb[0] {
        0x2A | 0x2E if kind != 0xFF => usize::from(u16::from_be_bytes([cdb[7], cdb[8]])).min(MOST),
        0xAA if kind != 0xFF => usize::from(cdb[9]).min(MOST),
        _ => 0,
    };
    let data = match blocks {
        0 => {
            let length = usize::from(kind).min(bytes.0.len());
            let (data, rest) = bytes.0.split_at(length);
            bytes.0 = rest;
            data.to_vec()
        }
        blocks => vec![kind; blocks * BLOCK],
    };
    let response = drive.execute(&cdb, &data);
    assert_eq!(
        response.status == Status::CheckCondition,
        response.sense.is_some(),
        "{cdb:02X?}"
    );
    assert!(
        response.sense.is_none() || response.data_in.is_empty(),
        "{cdb:02X?}"
    );
    let allocation = match cdb[0] {
        0x23 | 0x43 | 0x46 | 0x4A | 0x51 | 0x52 | 0x5A | 0x5C => u16::from_be_bytes([cdb[7], cdb[8]]).into(),
        0x12 => u16::from_be_bytes([cdb[3], cdb[4]]).into(),
        0xAD | 0xBD => u16::from_be_bytes([cdb[8], cdb[9]]).into(),
        0x03 | 0x1A => cdb[4].into(),
        _ => usize::MAX,
    };
    assert!(
        response.data_in.len() <= allocation,
        "{cdb:02X?}: {} bytes",
        response.data_in.len()
    );
}

fn fault(bytes: &mut Bytes<'_>, other: &Path) -> Fault {
    let (kind, at, times) = (bytes.next() % 22, bytes.address(), bytes.times());
    let opcode = [0x2A, 0x28, 0x35, 0x5B, 0x00, 0x51, 0x52, 0x25][usize::from(bytes.next() % 8)];
    match kind {
        0 => Fault::WriteError { at, times },
        1 => Fault::ReadError {
            at,
            blocks: times,
            tries: times,
        },
        2 => Fault::SparesExhausted { at, times },
        3 => Fault::LongWrite { at, times },
        4 => Fault::TrayOpens { at },
        5 => Fault::NoDisc {},
        6 => Fault::BecomingReady {
            times: times.unwrap_or(1),
        },
        7 => Fault::SlowClose {
            times: times.unwrap_or(1),
        },
        8 => Fault::FailClose { times },
        9 => Fault::LyingClose { times },
        10 => Fault::PowerCut { at },
        11 => Fault::LostReply { opcode, times },
        12 => Fault::BusReset { opcode, times },
        13 => Fault::UnitAttention {
            opcode: times.map(|_| opcode),
            code: bytes.next(),
            qualifier: 0,
            times,
        },
        14 => Fault::Swap {
            opcode,
            disc: other.into(),
            silent: at % 2 == 0,
        },
        15 => Fault::OpcFails { times },
        16 => Fault::FalseBuffer { free: at, times },
        17 => Fault::Rot { at, blocks: times },
        18 => Fault::ReplyDelay {
            opcode,
            milliseconds: at.into(),
            times,
        },
        19 => Fault::Refusal {
            opcode: times.map(|_| opcode),
            key: bytes.next(),
            code: bytes.next(),
            qualifier: 0,
            times,
        },
        _ => Fault::Defect { at, blocks: times },
    }
}
