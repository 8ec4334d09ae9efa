//! A drive that remembers what it was told, so that it can lose its power at any of those moments.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use burner::{Disc, Drive, Fault, Profile, SharedDrive};
use mmc::{Completion, Data, Transport, TransportError};
use power::{Dice, Disk};

use crate::burners::{Burner, InProcess};

/// READ CD, READ (10), READ (12): the only commands of a driver that are many and change nothing.
const READS: [u8; 3] = [0xBE, 0x28, 0xA8];
const WRITES: [u8; 2] = [0x2A, 0xAA];
/// FLUSH CACHE, CLOSE TRACK SESSION: what empties the drive's buffer.
const FLUSHES: [u8; 2] = [0x35, 0x5B];

/// What reached the drive, and when: by the moments of a disk that lost its power at the same time.
#[derive(Clone, Debug)]
enum Told {
    Fault(usize, Fault),
    Command {
        begun: usize,
        ended: usize,
        cdb: Vec<u8>,
        data: Vec<u8>,
    },
}

/// All an emulated drive with one disc was told. Clones are handles on the same list.
#[derive(Clone, Debug)]
pub struct DriveLog {
    serial: String,
    drive: SharedDrive,
    profile: &'static Profile,
    capacity: u32,
    clock: Disk,
    told: Arc<Mutex<Vec<Told>>>,
}

/// An emulated drive in this process whose commands are kept.
#[derive(Clone, Debug)]
pub struct RecordedDrive {
    /// What it was told.
    pub log: DriveLog,
}

impl RecordedDrive {
    /// A drive with a blank disc in `folder`, whose moments are those of `clock`.
    pub fn with_blank(
        serial: &str,
        profile: &'static Profile,
        capacity: u32,
        folder: &Path,
        clock: &Disk,
    ) -> Result<Self> {
        let disc = Disc::open_or_create(folder, profile, Some(capacity))?;
        let log = DriveLog::new(serial, drive(serial, disc), profile, capacity, clock);
        Ok(Self { log })
    }
}

impl DriveLog {
    fn new(serial: &str, drive: SharedDrive, profile: &'static Profile, capacity: u32, clock: &Disk) -> Self {
        Self {
            serial: serial.into(),
            drive,
            profile,
            capacity,
            clock: clock.clone(),
            told: Arc::default(),
        }
    }

    /// Listens to a burner that was just given a blank disc, of a kind that is written once. What it is told to
    /// write is known after [`Self::complete`].
    pub fn of_burner(
        serial: &str,
        burner: &Burner,
        profile: &'static Profile,
        capacity: u32,
        clock: &Disk,
    ) -> Self {
        let log = Self::new(serial, burner.drive.clone(), profile, capacity, clock);
        let (told, clock) = (log.told.clone(), log.clock.clone());
        burner.drive.control(|drive| {
            drive.observe(move |record| {
                if record
                    .cdb
                    .first()
                    .is_some_and(|operation| READS.contains(operation))
                {
                    return;
                }
                let ended = clock.mark("answer");
                let told = &mut told.lock().unwrap_or_else(PoisonError::into_inner);
                told.push(Told::Command {
                    begun: ended - 1,
                    ended,
                    cdb: record.cdb.clone(),
                    data: vec![0; record.data_out],
                });
            });
        });
        log
    }

    /// The drive's serial number, by which a box knows it again.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// What kind of disc is in it.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Learns what was written from the disc itself, which lies in `folder`.
    pub fn complete(&self, folder: &Path) -> Result<()> {
        let image = File::open(folder.join("disc.img"))?;
        for told in self.told().iter_mut() {
            if let Told::Command { cdb, data, .. } = told
                && cdb.first().is_some_and(|operation| WRITES.contains(operation))
            {
                let at = u64::from(address(cdb)) * burner::BLOCK as u64;
                image
                    .read_exact_at(data, at)
                    .context("a write that is not on the disc")?;
            }
        }
        Ok(())
    }

    /// Arms a fault, of the drive and of every repetition from now on.
    pub fn arm(&self, fault: Fault) {
        let moment = self.clock.moment();
        self.told().push(Told::Fault(moment, fault.clone()));
        self.drive.control(|drive| drive.faults().arm(fault));
    }

    /// What lies in `folder`, an empty one, is afterwards the disc as the power's failing at that moment left it: the
    /// drive's buffer lost, what was being written damaged. Returns what happened, in words.
    pub fn cut(&self, moment: usize, seed: u64, folder: &Path) -> Result<String> {
        fs::create_dir_all(folder)?;
        let disc = Disc::open_or_create(folder, self.profile, Some(self.capacity))?;
        let again = drive("again", disc);
        let mut dice = Dice::new(seed);
        // Where the next block goes, as long as the buffer holds any.
        let mut buffered = None;
        for told in self.told().iter() {
            let (begun, ended, cdb, data) = match told {
                Told::Fault(at, fault) if *at <= moment => {
                    again.control(|drive| drive.faults().arm(fault.clone()));
                    continue;
                }
                Told::Fault(..) => break,
                Told::Command {
                    begun,
                    ended,
                    cdb,
                    data,
                } => (*begun, *ended, cdb, data),
            };
            let operation = cdb.first().copied().unwrap_or(0);
            if begun > moment {
                break;
            }
            if ended <= moment {
                let _ = again.execute(cdb, data);
                if WRITES.contains(&operation) {
                    buffered = Some(address(cdb) + blocks(data));
                } else if FLUSHES.contains(&operation) {
                    buffered = None;
                }
            } else if WRITES.contains(&operation) {
                let at = address(cdb) + u32::try_from(dice.below(data.len() / burner::BLOCK))?;
                again.control(|drive| drive.faults().arm(Fault::PowerCut { at }));
                let _ = again.execute(cdb, data);
                return Ok(format!("in a write at block {at}"));
            } else if dice.below(2) == 0 {
                let _ = again.execute(cdb, data);
                return Ok(format!("after command {operation:02X}h, before its answer"));
            }
        }
        let Some(at) = buffered else {
            return Ok("with an empty buffer".into());
        };
        if dice.below(2) == 0 {
            return Ok(format!("with a buffer that ends before block {at}"));
        }
        // The drive was emptying its buffer by itself.
        let write = [&[0x2A, 0][..], &at.to_be_bytes(), &[0, 0, 32, 0]].concat();
        again.control(|drive| drive.faults().arm(Fault::PowerCut { at }));
        let _ = again.execute(&write, &[0; 32 * burner::BLOCK]);
        Ok(format!("emptying its buffer before block {at}"))
    }

    fn told(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A drive with the disc that lies in `folder`.
pub fn drive_with(serial: &str, folder: &Path) -> Result<InProcess> {
    let disc = Disc::open(folder).with_context(|| format!("the disc in {}", folder.display()))?;
    Ok(InProcess(drive(serial, disc)))
}

fn drive(serial: &str, disc: Disc) -> SharedDrive {
    let mut drive = Drive::new(serial);
    drive.insert(disc);
    SharedDrive::new(drive)
}

/// The address of a WRITE or READ.
fn address(cdb: &[u8]) -> u32 {
    let bytes = cdb.get(2..6).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
}

fn blocks(data: &[u8]) -> u32 {
    u32::try_from(data.len() / burner::BLOCK).unwrap_or(0)
}

impl Transport for RecordedDrive {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        if cdb.first().is_some_and(|operation| READS.contains(operation)) {
            return InProcess(self.log.drive.clone()).execute(cdb, data, timeout);
        }
        let out = match &data {
            Data::Out(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        };
        // A mark of its own for each end, so that there is a moment within the command.
        let begun = self.log.clock.mark("command");
        let completion = InProcess(self.log.drive.clone()).execute(cdb, data, timeout);
        let ended = self.log.clock.mark("answer");
        self.log.told().push(Told::Command {
            begun,
            ended,
            cdb: cdb.to_vec(),
            data: out,
        });
        completion
    }
}
