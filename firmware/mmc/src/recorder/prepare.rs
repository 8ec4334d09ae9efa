//! What is done to a disc before the first block of a burn.

use super::{Close, Preparation, Recorder, Verdict, ZEROES, failure, write_verdict};
use crate::BLOCK;
use crate::command::{
    Command, CueSheet, FormatDescriptor, ReserveTrack, SelectWriteParameters, SendCueSheet, SendLayerBreak,
    SenseWriteParameters, Write10, WriteParameters, WriteType, format_type,
};
use crate::drive::{Attempts, Drive};
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::sense::Reaction;
use crate::transport::{Data, Host, Transport};

/// Blocks in one WRITE of a pre-gap.
const PRE_GAP_TRANSFER: u16 = 15;

impl<T: Transport, H: Host> Recorder<'_, T, H> {
    /// All that comes before the first block. A burn that goes on finds most of it done.
    pub(super) fn prepare(&mut self) -> Result<(), Error> {
        let goes_on = self.plan.written > 0;
        match self.plan.preparation {
            Preparation::Parameters(kind) => {
                self.drive.set_write_parameters(kind, self.plan.close)?;
                self.begins_where_planned()?;
            }
            // A power cut stops these, too.
            Preparation::Restart => self.drive.restart_background_format()?,
            Preparation::Grow => self.drive.format_unit(FormatDescriptor {
                blocks: 0, // as far as it will be written
                kind: format_type::DVD_RW_QUICK_GROW,
                parameter: 16,
            })?,
            _ if goes_on => {}
            Preparation::None => {}
            Preparation::Cue => self.cue()?,
            Preparation::Reserve(kind) => self.reserve(kind)?,
            Preparation::LayerBreak(blocks) => self.break_layers(blocks)?,
            Preparation::Format(descriptor) => self.format(descriptor)?,
        }
        // FORMAT UNIT lets no plan but this one stand.
        self.plan.generation = self.drive.generation;
        if let Some(from) = self.plan.fill.filter(|_| !goes_on) {
            self.drive.host.event(Event::Stage(Stage::Preparing));
            let length = usize::from(self.plan.strategy.cluster) * BLOCK;
            let mut at = from;
            while at < self.plan.first {
                self.send(at, ZEROES.get(..length).unwrap_or(&ZEROES))?;
                at = at.saturating_add(self.plan.cluster_blocks());
            }
        }
        self.drive.host.event(Event::Stage(Stage::Writing));
        Ok(())
    }

    /// The next writable address depends on the write parameters on some drives: here it is final.
    fn begins_where_planned(&mut self) -> Result<(), Error> {
        let expected = self.next();
        match self.drive.track(self.plan.track)?.next_writable {
            Some(found) if found != expected => Err(Error::Displaced { expected, found }),
            Some(_) => Ok(()),
            None => Err(Error::AddressUnknown),
        }
    }

    fn reserve(&mut self, kind: Option<WriteType>) -> Result<(), Error> {
        if let Some(kind) = kind {
            self.drive.set_write_parameters(kind, self.plan.close)?;
        }
        self.drive.host.event(Event::Stage(Stage::Reserving));
        let blocks = self.plan.padded;
        let command = ReserveTrack { blocks };
        let patience = self.drive.patience(command.cdb().operation_code());
        let mut attempts = Attempts::new(ReserveTrack::NAME, patience.completion, &self.drive.host);
        while let Err(fault) = self.drive.issue(&command, Data::None, patience.answer) {
            match write_verdict(&fault) {
                Verdict::Wait => attempts.wait(None, &mut self.drive.host)?,
                // Once more would reserve once more, so that the track is asked first.
                Verdict::Doubt => {
                    attempts.retry(fault, &mut self.drive.host)?;
                    self.drive.wait_ready(ReserveTrack::NAME, patience.completion)?;
                    if self.drive.track(self.plan.track)?.reserved {
                        break;
                    }
                }
                Verdict::Fail => return Err(fault.into_error(ReserveTrack::NAME)),
            }
        }
        self.drive.wait_ready(ReserveTrack::NAME, patience.completion)?;
        self.settle_reset()?;
        self.begins_where_planned()
    }

    /// DVD+R DL: a drive that will not move its layer break keeps its own.
    fn break_layers(&mut self, blocks: u32) -> Result<(), Error> {
        let structure = SendLayerBreak::structure(blocks);
        match self.drive.run(&SendLayerBreak, Data::Out(&structure)) {
            Err(error) if error.reaction() != Reaction::Degrade => Err(error),
            _ => self.drive.ready(),
        }
    }

    fn format(&mut self, descriptor: FormatDescriptor) -> Result<(), Error> {
        self.drive.format_medium(descriptor)?;
        let disc = self.drive.disc()?;
        let needed = self.plan.padded;
        let free = disc.capacity.saturating_sub(self.plan.first);
        if needed > free {
            return Err(Error::TooLarge { needed, free });
        }
        Ok(())
    }

    /// SEND CUE SHEET, then the pre-gap, which is the host's to write: 150 blocks from block -150 on.
    fn cue(&mut self) -> Result<(), Error> {
        self.drive
            .set_write_parameters(WriteType::SessionAtOnce, self.plan.close)?;
        let needed = self.plan.padded;
        let sheet = CueSheet { blocks: needed }.to_bytes();
        let free = self.plan.free;
        let sheet = sheet.ok_or(Error::TooLarge { needed, free })?;
        self.drive.run(&SendCueSheet, Data::Out(&sheet))?;
        let mut left = CueSheet::PRE_GAP;
        while left > 0 {
            self.send_pre_gap(self.plan.first.wrapping_sub(left))?;
            left = left.saturating_sub(u32::from(PRE_GAP_TRANSFER));
        }
        Ok(())
    }

    /// One WRITE of the pre-gap, in which no drive tells where it stands: when an answer was lost, a refusal
    /// of the repetition as out of order shows that it had been carried out.
    fn send_pre_gap(&mut self, address: u32) -> Result<(), Error> {
        let command = Write10 {
            address,
            blocks: PRE_GAP_TRANSFER,
        };
        let data = ZEROES
            .get(..usize::from(PRE_GAP_TRANSFER) * BLOCK)
            .unwrap_or(&ZEROES);
        let patience = self.drive.patience(command.cdb().operation_code());
        let mut attempts = Attempts::flowing(Write10::NAME, patience.completion, &self.drive.host);
        let mut lost = false;
        while let Err(fault) = self.drive.issue(&command, Data::Out(data), patience.answer) {
            let refused = fault.sense().is_some_and(|sense| sense.is_wrong_address());
            match write_verdict(&fault) {
                Verdict::Wait => attempts.wait(None, &mut self.drive.host)?,
                _ if refused && lost => return Ok(()),
                Verdict::Doubt if !refused => {
                    lost |= fault.sense().is_none();
                    attempts
                        .retry(fault, &mut self.drive.host)
                        .map_err(|_| failure(fault, address))?;
                }
                Verdict::Doubt | Verdict::Fail => return Err(failure(fault, address)),
            }
        }
        Ok(())
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Sets the write parameters page: the drive's own with what this driver decides.
    pub(crate) fn set_write_parameters(&mut self, kind: WriteType, close: Close) -> Result<(), Error> {
        let own = self.write_parameters()?.unwrap_or_default();
        let parameters = own.with(kind, close == Close::Appendable);
        match self.run(&SelectWriteParameters, Data::Out(parameters.as_bytes())) {
            // Some drives send a page they do not take back (growisofs on SANYO and Optorite).
            Err(Error::Refused { sense, .. }) if sense.is_unsupported() => {
                let parameters = WriteParameters::default().with(kind, close == Close::Appendable);
                self.run(&SelectWriteParameters, Data::Out(parameters.as_bytes()))
            }
            other => other,
        }
    }

    /// Sets the write parameters page again if a reset, or another program, has changed it.
    pub(crate) fn keep_write_parameters(&mut self, kind: WriteType, close: Close) -> Result<(), Error> {
        match self.write_parameters()? {
            Some(own) if !own.agrees(&own.with(kind, close == Close::Appendable)) => {
                self.set_write_parameters(kind, close)
            }
            _ => Ok(()),
        }
    }

    /// The page as it is, if the drive tells.
    fn write_parameters(&mut self) -> Result<Option<WriteParameters>, Error> {
        match self.query(&SenseWriteParameters, &mut [0; 60]) {
            Ok(parameters) => Ok(Some(parameters)),
            Err(error @ (Error::Transport { .. } | Error::NoDisc)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}
