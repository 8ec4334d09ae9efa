//! Formatting: what an overwritable disc needs once, and how its spare areas are chosen.

use crate::BLOCK;
use crate::command::{
    Command, FormatDescriptor, FormatUnit, ReadFormatCapacities, SynchronizeCache, format_type,
};
use crate::disc::{Background, Disc};
use crate::drive::{Attempts, Drive};
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::profile::Profile;
use crate::timeout::Patience;
use crate::transport::{Data, Host, Transport};

/// How a disc is formatted. What is on it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As is usual for the medium, and as quickly as it can be: BD-RE and DVD-RAM with their usual spare
    /// areas; DVD+RW in the background; DVD-RW becomes overwritable, and grows as it is written.
    Usual,
    /// BD-RE and DVD-RAM: with the smallest spare areas the drive offers, for more room.
    LeastSpare,
    /// BD-RE: without spare areas. Faster, since nothing is checked, and without defence against bad spots.
    NoSpare,
    /// The whole disc before the command ends; takes up to an hour on DVD+RW and DVD-RW. Others are never
    /// formatted less.
    Whole,
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Formats the disc; its contents are lost. Long; polled with progress ([`Event::Waiting`]).
    ///
    /// A format in the background ([`Background::Running`]) is not waited for: the disc can be burned at
    /// once. BD-R is never formatted: that would make it useless to most programs.
    ///
    /// # Errors
    /// [`Error::FormatUnavailable`] when the medium has no such format or the drive does not offer it;
    /// [`Error::NoDisc`] and what the commands brought.
    pub fn format(&mut self, format: Format) -> Result<Disc, Error> {
        let disc = self.disc()?;
        let descriptor = self.format_descriptor(disc.profile, format)?;
        self.lock(true)?;
        let formatted = self.format_so(&disc, descriptor, format);
        let _ = self.lock(false); // ejecting unlocks again
        formatted?;
        self.disc()
    }

    fn format_so(&mut self, disc: &Disc, descriptor: FormatDescriptor, format: Format) -> Result<(), Error> {
        if disc.background == Background::Running {
            self.stop_background_format()?;
        }
        self.format_medium(descriptor)?;
        match (disc.profile, format) {
            (Profile::DVD_PLUS_RW, Format::Whole) => self.await_background_format(),
            // Left in the intermediate state, a DVD-RW is hardly recognised by other drives.
            (Profile::DVD_RW | Profile::DVD_RW_RESTRICTED, Format::Usual) => self.wipe_front(),
            _ => Ok(()),
        }
    }

    /// The descriptor to send for this medium and wish, out of those the drive offers.
    pub(crate) fn format_descriptor(
        &mut self,
        profile: Profile,
        format: Format,
    ) -> Result<FormatDescriptor, Error> {
        use format_type::{
            BD_RE_NO_SPARES, BD_RE_SPARES, DVD_PLUS_RW, DVD_RW_FULL, DVD_RW_QUICK, FULL, SPARES_EXPANDED,
        };
        // Preferred types first; of one type the first descriptor is the usual one, the largest that with the
        // least spare area.
        let kinds: &[u8] = match (profile, format) {
            (Profile::BD_RE, Format::Usual | Format::Whole) => &[FULL, BD_RE_SPARES],
            (Profile::BD_RE, Format::LeastSpare) => &[BD_RE_SPARES],
            (Profile::BD_RE, Format::NoSpare) => &[BD_RE_NO_SPARES],
            (Profile::DVD_RAM, Format::Usual | Format::LeastSpare | Format::Whole) => {
                &[FULL, SPARES_EXPANDED]
            }
            (Profile::DVD_PLUS_RW, Format::Usual | Format::Whole) => {
                return Ok(FormatDescriptor {
                    blocks: FormatDescriptor::ALL,
                    kind: DVD_PLUS_RW,
                    parameter: 0,
                });
            }
            (Profile::DVD_RW | Profile::DVD_RW_RESTRICTED, Format::Usual) => &[DVD_RW_QUICK],
            (Profile::DVD_RW | Profile::DVD_RW_RESTRICTED, Format::Whole) => &[FULL, DVD_RW_FULL],
            _ => return Err(Error::FormatUnavailable { profile }),
        };
        let mut answer = [0; 252];
        let offered = self.query(&ReadFormatCapacities, &mut answer)?;
        let of = |kind: u8| offered.formats().filter(move |offer| offer.kind == kind);
        let found = match format {
            Format::LeastSpare => {
                let all = kinds.iter().flat_map(|kind| of(*kind));
                all.max_by_key(|offer| offer.blocks)
            }
            _ => kinds.iter().find_map(|kind| of(*kind).next()),
        };
        let mut found = found.ok_or(Error::FormatUnavailable { profile })?;
        if found.kind == DVD_RW_QUICK {
            (found.blocks, found.parameter) = (0, 16); // grows as it is written, in blocks of 16
        }
        Ok(found)
    }

    /// The drive lets the formatted area of a DVD-RW grow.
    pub(crate) fn can_grow(&mut self) -> Result<bool, Error> {
        let mut answer = [0; 252];
        let offered = self.query(&ReadFormatCapacities, &mut answer)?;
        Ok(offered
            .formats()
            .any(|offer| offer.kind == format_type::DVD_RW_QUICK_GROW && offer.blocks > 0))
    }

    /// Formats, and flushes as growisofs and xorriso do then; a drive that sees no need is right.
    pub(crate) fn format_medium(&mut self, descriptor: FormatDescriptor) -> Result<(), Error> {
        self.format_unit(descriptor)?;
        match self.run_long(|immediate| SynchronizeCache { immediate }, true) {
            Err(Error::Refused { .. }) => Ok(()),
            other => other,
        }
    }

    /// FORMAT UNIT, and what of its work has to be waited for. The disc is another one then.
    pub(crate) fn format_unit(&mut self, descriptor: FormatDescriptor) -> Result<(), Error> {
        self.host.event(Event::Stage(Stage::Formatting));
        let patience = self.patience(FormatUnit.cdb().operation_code());
        let list = descriptor.to_bytes(true);
        match self.run_for(&FormatUnit, Data::Out(&list), patience) {
            Err(Error::Refused { sense, .. }) if sense.is_unsupported() => {
                let whole = Patience {
                    answer: patience.completion,
                    ..patience
                };
                self.run_for(&FormatUnit, Data::Out(&descriptor.to_bytes(false)), whole)?;
            }
            other => other?,
        }
        self.wait_ready(FormatUnit::NAME, patience.completion)?;
        self.generation = self.generation.wrapping_add(1);
        Ok(())
    }

    /// DVD+RW: takes the format in the background up again.
    pub(crate) fn restart_background_format(&mut self) -> Result<(), Error> {
        const RESTART: u32 = 1;
        self.format_unit(FormatDescriptor {
            blocks: FormatDescriptor::ALL,
            kind: format_type::DVD_PLUS_RW,
            parameter: RESTART,
        })
    }

    /// Waits until the format in the background has come to the disc's end.
    pub(crate) fn await_background_format(&mut self) -> Result<(), Error> {
        let patience = self.patience(FormatUnit.cdb().operation_code()).completion;
        let mut attempts = Attempts::new(FormatUnit::NAME, patience, &self.host);
        while self.disc()?.background == Background::Running {
            let progress = self.progress();
            attempts.wait(progress, &mut self.host)?;
        }
        Ok(())
    }

    /// Writes zeroes over all that shows what is on an overwritable disc: system area, volume descriptors
    /// and recognition sequence (ECMA-119 6.2.1, ECMA-167 2/8.3), anchors at 256 and 512.
    pub(crate) fn wipe_front(&mut self) -> Result<(), Error> {
        const FRONT: u32 = 544;
        let capacity = self.disc()?.capacity;
        let plan = self.plan(&crate::Intent::new(0, FRONT.min(capacity)))?;
        let cluster = usize::try_from(plan.cluster_blocks()).unwrap_or(1);
        let clusters = plan.padded_blocks() / plan.cluster_blocks();
        let mut recorder = self.record(plan)?;
        for _ in 0..clusters {
            let zeroes = crate::recorder::ZEROES.get(..cluster * BLOCK);
            recorder.write(zeroes.unwrap_or(&crate::recorder::ZEROES))?;
        }
        recorder.finish().map(drop)
    }
}
