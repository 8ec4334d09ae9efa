//! Reading: whole clusters, bounded retries, and past every cache when it matters.

use core::ops::Range;
use core::time::Duration;

use crate::BLOCK;
use crate::command::{Command, Read10, Read12, StartStop, Tray};
use crate::disc::Disc;
use crate::drive::Drive;
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::sense::Reaction;
use crate::transport::{Data, Host, Transport};

/// Blocks of one READ: 64 KiB, an ECC cluster of a BD.
pub(crate) const TRANSFER: usize = 32;

/// Transfers without trouble, at lowered speed, before the disc is read at full speed again: 4 MiB, since
/// damage comes in scratches and bands.
const CALM: u32 = 64;

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

/// What a block that cannot be read is worth. The drive itself retries within each READ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// READs of one block before it counts as unreadable.
    pub tries: u8,
    /// No READ of a block begins later than this after its first. So no block takes longer than this and one
    /// command's timeout.
    pub time: Duration,
    /// Find out which blocks of a cluster are bad; else the whole cluster counts as bad, as a first pass over
    /// a ruined disc may want it.
    pub isolate: bool,
    /// Lower the speed where there is trouble, and raise it again some megabytes behind it.
    pub slow_down: bool,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            tries: 3,
            time: Duration::from_secs(60),
            isolate: true,
            slow_down: true,
        }
    }
}

/// Reads blocks of the disc. Made by [`Drive::reader`].
#[derive(Debug)]
pub struct Reader<'d, T, H> {
    pub(crate) drive: &'d mut Drive<T, H>,
    generation: u32,
    forced: bool,
    retried: u32,
    pub(crate) effort: Effort,
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
            effort: Effort::default(),
        }
    }
}

impl<T: Transport, H: Host> Reader<'_, T, H> {
    /// READs that were repeated so far because of medium errors.
    pub fn retried(&self) -> u32 {
        self.retried
    }

    /// The same reader with another effort for blocks that cannot be read.
    #[must_use]
    pub fn with(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
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

    /// One READ; if it fails, slower and block by block, so that one bad block costs only itself.
    fn transfer(&mut self, address: u32, part: &mut [u8]) -> Result<(), Error> {
        match self.attempt(address, part) {
            Err(Error::Unreadable { .. }) if self.effort.isolate => self.trouble(),
            Ok(()) => {
                self.went_well();
                return Ok(());
            }
            other => return other,
        }
        let mut at = address;
        for block in part.chunks_mut(BLOCK) {
            self.block(at, block)?;
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// One block, as often as it is worth.
    pub(crate) fn block(&mut self, address: u32, block: &mut [u8]) -> Result<(), Error> {
        let begun = self.drive.host.now();
        let mut tries = 1;
        loop {
            let read = self.attempt(address, block);
            let Err(Error::Unreadable { sense, .. }) = read else {
                return read;
            };
            let spent = self.drive.host.now().saturating_sub(begun);
            // What was never written does not become so.
            if tries >= self.effort.tries || spent >= self.effort.time || sense.is_blank() {
                return read;
            }
            tries += 1;
        }
    }

    /// From here on slower, where the drive can be told so: the READs that follow say if not.
    pub(crate) fn trouble(&mut self) {
        if !self.effort.slow_down {
            return;
        }
        if self.drive.calm.is_none() && self.drive.slow_down().is_ok() {
            self.drive.host.event(Event::ReadingSlowly(true));
        }
        self.drive.calm = Some(0);
    }

    /// A transfer without trouble.
    pub(crate) fn went_well(&mut self) {
        match &mut self.drive.calm {
            Some(calm) if *calm >= CALM => self.full_speed(),
            Some(calm) => *calm += 1,
            None => {}
        }
    }

    /// Ends what [`Self::trouble`] began.
    pub(crate) fn full_speed(&mut self) {
        if self.drive.calm.take().is_some() && self.drive.restore_speed().is_ok() {
            self.drive.host.event(Event::ReadingSlowly(false));
        }
    }

    /// One READ as is. A drive or bridge that says GOOD and moves nothing must not pass off what the buffer
    /// held, mostly the cluster before, as the disc's; zeroes would be taken for a sparse file's.
    pub(crate) fn attempt(&mut self, address: u32, part: &mut [u8]) -> Result<(), Error> {
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
            Err(_) => {} // it never stops
            Ok(()) => self.drive.start()?,
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
        let timeout = self.drive.patience(command.cdb().operation_code()).answer;
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
pub(crate) fn blocks_of(buffer: &[u8]) -> u32 {
    u32::try_from(buffer.len() / BLOCK).unwrap_or(u32::MAX)
}
