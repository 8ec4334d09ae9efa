//! Reading: whole clusters, bounded retries, and past every cache when it matters.

use core::ops::Range;

use crate::BLOCK;
use crate::command::{Command, Read10, Read12, StartStop, Tray};
use crate::disc::Disc;
use crate::drive::Drive;
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::sense::Reaction;
use crate::timeout::patience;
use crate::transport::{Data, Host, Transport};

/// Blocks of one READ: 64 KiB, an ECC cluster of a BD.
pub(crate) const TRANSFER: usize = 32;

/// Times a block is asked for before it counts as unreadable. The drive itself retries within each.
const TRIES: u8 = 3;

/// What a buffer holds before a READ.
const UNREAD: u8 = 0xA5;

/// A drive's buffer when it does not tell its size, in KiB: larger than any known.
const ASSUMED_BUFFER_KIB: u16 = 16 * 1024;

/// May the tray move?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Yes, if the drive can close it again by itself.
    Allowed,
    /// No: somebody's hands or another disc may be in the way.
    Forbidden,
}

/// How the drive was kept from answering out of its buffer, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheDefeat {
    /// The disc went out and in again: nothing survives that.
    Reloaded,
    /// The disc was stopped, and more blocks than the buffer holds were read from another region of the disc.
    Flooded {
        /// Blocks read.
        blocks: u32,
    },
    /// The disc was stopped and started, and every block is read with FUA (from the medium).
    ForcedAccess,
    /// The disc was stopped and started; the drive does not take FUA and the disc holds too little to flood
    /// it.
    Restarted,
}

/// Reads blocks of the disc. Made by [`Drive::reader`].
#[derive(Debug)]
pub struct Reader<'d, T, H> {
    drive: &'d mut Drive<T, H>,
    generation: u32,
    forced: bool,
    retried: u32,
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// A reader of the disc that is in.
    pub fn reader(&mut self) -> Reader<'_, T, H> {
        let generation = self.generation;
        Reader {
            drive: self,
            generation,
            forced: false,
            retried: 0,
        }
    }
}

impl<T: Transport, H: Host> Reader<'_, T, H> {
    /// READs that were repeated so far because of medium errors.
    pub fn retried(&self) -> u32 {
        self.retried
    }

    /// Reads the blocks from `address` on into `buffer`, whose length is a multiple of 2048.
    ///
    /// # Errors
    /// [`Error::WrongLength`]; [`Error::Unreadable`] with the first block that failed after its retries,
    /// everything before it being in `buffer`; [`Error::DiscChanged`]; [`Error::NoDisc`] and what the
    /// connection brought.
    pub fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), Error> {
        if !buffer.len().is_multiple_of(BLOCK) {
            let rule = "a multiple of the block size";
            return Err(Error::WrongLength {
                got: buffer.len(),
                needed: BLOCK,
                rule,
            });
        }
        let mut at = address;
        for part in buffer.chunks_mut(TRANSFER * BLOCK) {
            self.transfer(at, part)?;
            at = at.saturating_add(blocks_of(part));
        }
        Ok(())
    }

    /// One READ, repeated; then block by block, so that one bad block costs only itself.
    fn transfer(&mut self, address: u32, part: &mut [u8]) -> Result<(), Error> {
        match self.attempt(address, part) {
            Err(Error::Unreadable { .. }) if part.len() > BLOCK => {}
            other => return other,
        }
        let mut at = address;
        for block in part.chunks_mut(BLOCK) {
            let mut tries = 1;
            while let Err(error) = self.attempt(at, block) {
                if tries == TRIES || !matches!(error, Error::Unreadable { .. }) {
                    return Err(error);
                }
                tries += 1;
            }
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// One READ as is. A drive or bridge that says GOOD and moves nothing must not pass off what the buffer
    /// held, mostly the cluster before, as the disc's; zeroes would be taken for a sparse file's.
    fn attempt(&mut self, address: u32, part: &mut [u8]) -> Result<(), Error> {
        part.fill(UNREAD);
        let blocks = u16::try_from(blocks_of(part)).unwrap_or(u16::MAX);
        let read = if self.forced {
            self.drive.run(
                &Read12 {
                    address,
                    blocks,
                    force_unit_access: true,
                },
                Data::In(part),
            )
        } else {
            self.drive.run(&Read10 { address, blocks }, Data::In(part))
        };
        if self.drive.generation != self.generation {
            return Err(Error::DiscChanged);
        }
        read.map_err(|error| match error {
            // Everything but "I cannot do that" and "you must not".
            Error::Refused { sense, .. } if !matches!(sense.key, 0x5 | 0x7) => {
                self.retried = self.retried.saturating_add(1);
                Error::Unreadable { address, sense }
            }
            other => other,
        })
    }

    /// Makes sure that what is read next of `region` comes from the disc, as far as this drive allows; says
    /// how far.
    ///
    /// The ladder: reload; else stop the disc and read more than the buffer holds from elsewhere; else stop
    /// it and force each access; else only stop it. The drive's buffer is all there is to defeat: commands
    /// through a generic SCSI device pass by the kernel's page cache.
    ///
    /// # Errors
    /// [`Error::DiscChanged`] when another disc came in; what the commands brought. That a rung is not
    /// available is no error.
    pub fn defeat_cache(&mut self, region: Range<u32>, reload: Reload) -> Result<CacheDefeat, Error> {
        self.drive.host.event(Event::Stage(Stage::DefeatingCache));
        self.forced = false;
        if reload == Reload::Allowed && self.reload()? {
            return Ok(CacheDefeat::Reloaded);
        }
        match self.drive.run(
            &StartStop {
                action: Tray::Stop,
                immediate: false,
            },
            Data::None,
        ) {
            Err(error) if error.reaction() != Reaction::Degrade => return Err(error),
            _ => self.drive.start()?,
        }
        self.drive.ready()?;
        if let Some(blocks) = self.flood(&region)? {
            return Ok(CacheDefeat::Flooded { blocks });
        }
        let mut probe = [0; BLOCK];
        let command = Read12 {
            address: region.start,
            blocks: 1,
            force_unit_access: true,
        };
        let timeout = patience(command.cdb().operation_code()).answer;
        self.forced = self.drive.issue(&command, Data::In(&mut probe), timeout).is_ok();
        Ok(if self.forced {
            CacheDefeat::ForcedAccess
        } else {
            CacheDefeat::Restarted
        })
    }

    /// Tray out and in; false when this drive cannot.
    fn reload(&mut self) -> Result<bool, Error> {
        if !self.drive.identity.loads || !self.drive.identity.ejects {
            return Ok(false);
        }
        let before = self.drive.disc()?;
        match self.drive.eject() {
            Err(error) if error.reaction() == Reaction::Degrade => return Ok(false),
            other => other?,
        }
        self.drive.load()?;
        let after = self.drive.disc()?;
        self.generation = self.drive.generation;
        // Two discs of one kind with the same figures remain: their contents tell them apart.
        let same = Disc {
            generation: before.generation,
            ..after
        } == before;
        if same { Ok(true) } else { Err(Error::DiscChanged) }
    }

    /// Reads twice the buffer's size outside `region`; `None` when the disc has not that much there.
    #[inline(never)]
    fn flood(&mut self, region: &Range<u32>) -> Result<Option<u32>, Error> {
        let kib = Some(self.drive.identity.buffer_kib)
            .filter(|kib| *kib != 0)
            .unwrap_or(ASSUMED_BUFFER_KIB);
        let blocks = u32::from(kib); // twice the buffer: a KiB of buffer is half a block
        let readable = self.drive.disc()?.readable;
        let start = if region.start >= blocks {
            0
        } else if readable.saturating_sub(region.end) >= blocks {
            region.end
        } else {
            return Ok(None);
        };
        let mut buffer = [0; TRANSFER * BLOCK];
        let mut done = 0;
        while done < blocks {
            match self.attempt(start.saturating_add(done), &mut buffer) {
                Ok(()) | Err(Error::Unreadable { .. }) => done += blocks_of(&buffer),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(done))
    }
}

/// Whole blocks in a buffer.
fn blocks_of(buffer: &[u8]) -> u32 {
    u32::try_from(buffer.len() / BLOCK).unwrap_or(u32::MAX)
}
