//! Drives that only read: QEMU's ATAPI drive, by what its hw/ide/atapi.c implements, and older ones.

use core::ops::ControlFlow;
use core::time::Duration;
use std::vec::Vec;

use super::model::{Ear, image};
use crate::transport::{Completion, Data, Transport, TransportError};
use crate::{
    BLOCK, CacheDefeat, DiscStatus, Drive, Error, Intent, Pace, Piece, Profile, Reload,
    TransportError as Lost,
};

/// What the drive knows beyond reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// QEMU's `ide-cd`.
    Atapi,
    /// Nothing but INQUIRY, TEST UNIT READY, READ CAPACITY and READ (10).
    Ancient,
}

struct Player {
    age: Age,
    blocks: Vec<u8>,
    /// A new disc is told in two steps: it is not there, and then it is another.
    changed: u8,
    /// A READ of this block is never answered.
    hangs_at: Option<u32>,
    commands: usize,
}

fn sense(key: u8, code: u8) -> Completion {
    Completion::check_condition(&[0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, 0, 0, 0, 0, 0])
}

impl Player {
    fn reply(&self, cdb: &[u8]) -> Result<Vec<u8>, Completion> {
        let count = u32::try_from(self.blocks.len() / BLOCK).unwrap();
        let is_dvd = count > 333_000;
        let at = u32::from_be_bytes([cdb[2], cdb[3], cdb[4], cdb[5]]);
        let length = |at: usize| usize::from(u16::from_be_bytes([cdb[at], cdb[at + 1]]));
        let older = self.age == Age::Ancient;
        Ok(match cdb[0] {
            0x00 => Vec::new(),
            0x12 => {
                let mut data = std::vec![0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0];
                data.extend(b"QEMU    QEMU DVD-ROM    2.5+");
                data
            }
            0x25 => [(count - 1).to_be_bytes(), 2048u32.to_be_bytes()].concat(),
            0x28 | 0xA8 if cdb[0] == 0x28 || !older => {
                let blocks = if cdb[0] == 0x28 { length(7) } else { length(8) };
                let first = usize::try_from(at).unwrap();
                let data = self.blocks.get(first * BLOCK..(first + blocks) * BLOCK);
                data.ok_or(sense(5, 0x21))?.to_vec()
            }
            _ if older => return Err(sense(5, 0x20)),
            0x03 => std::vec![0; 18],
            0x1B | 0x1E | 0xBB => Vec::new(),
            0x46 => {
                let profile = if is_dvd { 0x10 } else { 0x08 };
                let mut data = std::vec![0, 0, 0, 16, 0, 0, 0, profile, 0, 0, 3, 8];
                data.extend([0, 0x10, 0, 0, 0, 0x08, 0, 0]);
                data
            }
            0x4A => std::vec![0, 6, 4, 0x10, 0, 2, 0, 0],
            0x51 if cdb[1] & 7 == 0 => {
                let mut data = std::vec![0; 34];
                data[1..9].copy_from_slice(&[32, 0x0E, 1, 1, 1, 1, 0x20, 0]);
                data
            }
            0x5A if cdb[2] == 0x2A => {
                let mut data = std::vec![0; 30];
                (data[1], data[2], data[8], data[9]) = (28, 0x70, 0x2A, 20);
                data[20..22].copy_from_slice(&512u16.to_be_bytes());
                data[16..18].copy_from_slice(&704u16.to_be_bytes());
                data[22..24].copy_from_slice(&704u16.to_be_bytes());
                data
            }
            // The format is looked for where SFF-8020 had it.
            0x43 if cdb[9] >> 6 == 0 => {
                let mut data = std::vec![0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xAA, 0];
                data.extend(count.to_be_bytes());
                data
            }
            _ => {
                return Err(sense(
                    5,
                    if matches!(cdb[0], 0x43 | 0x51 | 0x5A) {
                        0x24
                    } else {
                        0x20
                    },
                ));
            }
        })
    }
}

impl Transport for Player {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, _: Duration) -> Result<Completion, TransportError> {
        self.commands += 1;
        let allowed = matches!(cdb[0], 0x03 | 0x12 | 0x46 | 0x4A);
        if !allowed && self.changed > 0 {
            self.changed -= 1;
            return Ok(if self.changed == 1 {
                sense(2, 0x3A)
            } else {
                sense(6, 0x28)
            });
        }
        let address = cdb
            .get(2..6)
            .map(|at| u32::from_be_bytes([at[0], at[1], at[2], at[3]]));
        if cdb[0] == 0x28 && self.hangs_at.is_some() && self.hangs_at == address {
            return Err(TransportError::Hung);
        }
        match (self.reply(cdb), data) {
            (Err(refused), _) => Ok(refused),
            (Ok(reply), Data::In(buffer)) => {
                for (to, from) in buffer.iter_mut().zip(reply) {
                    *to = from;
                }
                Ok(Completion::GOOD)
            }
            (Ok(_), _) => Ok(Completion::GOOD),
        }
    }
}

fn player(age: Age, blocks: u32) -> Drive<Player, Ear> {
    let player = Player {
        age,
        blocks: image(blocks),
        changed: if age == Age::Atapi { 2 } else { 0 },
        hangs_at: None,
        commands: 0,
    };
    Drive::identify(player, Ear::default()).unwrap()
}

#[test]
fn a_drive_that_only_reads_is_identified_read_and_copied() {
    for age in [Age::Atapi, Age::Ancient] {
        let mut drive = player(age, 1_000);
        assert_eq!(drive.identity().product, "QEMU DVD-ROM");
        if age == Age::Atapi {
            assert_eq!(drive.identity().buffer_kib, 512);
        }
        let disc = drive.disc().unwrap();
        assert_eq!((disc.profile, disc.status), (Profile(0x08), DiscStatus::Complete));
        assert_eq!(
            (disc.readable, disc.free_blocks(), disc.next_writable()),
            (1_000, 0, None)
        );
        let layout = drive.layout().unwrap();
        assert_eq!((layout.sessions(), layout.end()), (1, 1_000));
        let mut copy = Vec::new();
        let track = layout.tracks[0];
        let salvage = drive.reader().rescue(track.range(), track.tail, |piece| {
            if let Piece::Read { data, .. } = piece {
                copy.extend_from_slice(data);
            }
            ControlFlow::Continue(())
        });
        assert_eq!(salvage.unwrap().bad, 0);
        assert!(copy == image(1_000));
        let way = drive.reader().defeat_cache(0..1_000, Reload::Allowed).unwrap();
        assert!(
            matches!(way, CacheDefeat::ForcedAccess | CacheDefeat::Restarted),
            "{way:?}"
        );
        let mut block = [0; BLOCK];
        drive.reader().read(999, &mut block).unwrap();
        assert!(drive.set_speeds(Pace::AtMost(1_000), Pace::Fastest).is_ok());
        assert!(drive.media_status().unwrap().present);
        assert!(drive.lock(true).is_ok() && drive.lock(false).is_ok());
        let refused = drive.plan(&Intent::new(0, 1));
        assert_eq!(
            refused,
            Err(Error::CannotWrite {
                profile: Profile(0x08)
            })
        );
        assert!(drive.diagnose().unwrap().is_sound());
    }
}

#[test]
fn a_drive_that_hangs_is_sent_nothing_more_until_it_was_reset() {
    let mut drive = player(Age::Atapi, 100);
    drive.transport.hangs_at = Some(32);
    let hung = drive.reader().read(0, &mut std::vec![0; 64 * BLOCK]).unwrap_err();
    assert!(
        matches!(
            hung,
            Error::Transport {
                error: Lost::Hung,
                ..
            }
        ),
        "{hung}"
    );
    assert!(drive.is_hung() && hung.remedy().contains("reset"));
    let before = drive.transport.commands;
    assert!(matches!(
        drive.disc(),
        Err(Error::Transport {
            error: Lost::Hung,
            ..
        })
    ));
    assert!(drive.eject().is_err());
    assert_eq!(drive.transport.commands, before, "nothing was sent");
    let generation = drive.generation();
    drive.transport.hangs_at = None;
    drive.was_reset();
    assert_ne!(drive.generation(), generation);
    assert!(drive.disc().is_ok());
}
