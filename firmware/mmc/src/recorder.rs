//! Writing one session: plan, write in order, close.
//!
//! What makes a WRITE safe to repeat is the drive's own next writable address (NWA): after every answer that
//! was lost or is in doubt the drive is asked where it stands, and only "exactly before" or "exactly behind"
//! this cluster goes on.

use core::time::Duration;

use crate::BLOCK;
use crate::command::{
    CloseFunction, CloseTrackSession, Command, Query, ReadBufferCapacity, ReserveTrack, SynchronizeCache,
    Write10,
};
use crate::disc::{Disc, DiscStatus, SessionState};
use crate::drive::{Attempts, Drive, Fault};
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::profile::Profile;
use crate::sense::Reaction;
use crate::strategy::{LARGEST_CLUSTER, Strategy, strategy};
use crate::timeout::patience;
use crate::transport::{Data, Host, Transport, TransportError};

/// Time between two looks at the drive's buffer.
const BUFFER_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the disc stays open for further sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Sessions can be added later.
    Appendable,
    /// Nothing can be added any more.
    Finalised,
}

/// A burn the drive has agreed to: what goes where. Made by [`Drive::plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    strategy: &'static Strategy,
    track: u16,
    track_start: u32,
    first: u32,
    blocks: u32,
    padded: u32,
    free: u32,
    reserve: bool,
    generation: u32,
}

impl Plan {
    /// Address of the first block.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.first
    }
    /// Blocks of the image.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.blocks
    }
    /// Blocks that will be written: the image, filled up with zeroes to whole clusters.
    #[must_use]
    pub fn padded_blocks(&self) -> u32 {
        self.padded
    }
    /// Blocks the drive reported free before the burn.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        self.free
    }
    /// Blocks in one WRITE: an ECC cluster of this family.
    #[must_use]
    pub fn cluster_blocks(&self) -> u32 {
        u32::from(self.strategy.cluster)
    }
    /// Reserves the session's space first (RESERVE TRACK), as some programs do. Off unless asked for.
    #[must_use]
    pub fn reserving(mut self, reserve: bool) -> Self {
        self.reserve = reserve;
        self
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Pre-flight: asks the drive whether an image of `blocks` blocks, made for address `first`
    /// ([`Disc::next_writable`]), can be written as a session now. Nothing is written.
    ///
    /// # Errors
    /// [`Error::CannotWrite`], [`Error::PseudoOverwrite`], [`Error::Finalised`], [`Error::OpenTrack`],
    /// [`Error::AddressUnknown`], [`Error::Displaced`], [`Error::TooLarge`]: each before the first WRITE,
    /// with figures; [`Error::NoDisc`] and what the commands brought.
    pub fn plan(&mut self, first: u32, blocks: u32) -> Result<Plan, Error> {
        let disc = self.disc()?;
        let strategy = strategy(disc.profile).ok_or(Error::CannotWrite {
            profile: disc.profile,
        })?;
        if disc.pseudo_overwrite {
            return Err(Error::PseudoOverwrite);
        }
        if disc.status == DiscStatus::Complete {
            return Err(Error::Finalised);
        }
        let track = disc.open.ok_or(Error::AddressUnknown)?;
        if track.damaged || !track.blank && disc.last_session != SessionState::Empty {
            return Err(Error::OpenTrack {
                track: track.number,
                start: track.start,
            });
        }
        let found = track.next_writable.ok_or(Error::AddressUnknown)?;
        if found != first {
            return Err(Error::Displaced {
                expected: first,
                found,
            });
        }
        let cluster = u32::from(strategy.cluster);
        let free = track.free_blocks;
        let too_large = Error::TooLarge {
            needed: u32::MAX,
            free,
        };
        let padded = blocks.max(1).checked_next_multiple_of(cluster).ok_or(too_large)?;
        let needed = padded.checked_add(strategy.margin * cluster).ok_or(too_large)?;
        if needed > free || first.checked_add(needed).is_none() {
            return Err(Error::TooLarge { needed, free });
        }
        Ok(Plan {
            strategy,
            track: track.number,
            track_start: track.start,
            first,
            blocks,
            padded,
            free,
            reserve: strategy.reserve,
            generation: self.generation,
        })
    }

    /// Begins the burn: locks the tray, reserves the space if planned so. Until [`Recorder::finish`] the tray
    /// stays locked; [`Drive::eject`] unlocks it after a failure.
    ///
    /// # Errors
    /// [`Error::BurnInterrupted`] when the disc was changed since the plan; what the commands brought.
    pub fn record(&mut self, plan: Plan) -> Result<Recorder<'_, T, H>, Error> {
        self.lock(true)?;
        self.ready()?;
        if self.generation != plan.generation {
            return Err(Error::BurnInterrupted { address: plan.first });
        }
        if plan.reserve {
            self.host.event(Event::Stage(Stage::Reserving));
            self.run(&ReserveTrack { blocks: plan.padded }, Data::None)?;
            self.wait_ready(ReserveTrack::NAME, patience(0x53).completion)?;
        }
        self.host.event(Event::Stage(Stage::Writing));
        let looked = self.host.now();
        Ok(Recorder {
            drive: self,
            plan,
            written: 0,
            failed: false,
            looked,
        })
    }
}

/// A burn in progress. Dropping it leaves the track open.
#[derive(Debug)]
pub struct Recorder<'d, T, H> {
    drive: &'d mut Drive<T, H>,
    plan: Plan,
    /// Blocks accepted by the drive, padding included.
    written: u32,
    failed: bool,
    /// When the drive's buffer was last looked at.
    looked: Duration,
}

impl<T: Transport, H: Host> Recorder<'_, T, H> {
    /// The plan of this burn.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Blocks the drive has accepted so far; they are on the disc only after [`Self::finish`].
    pub fn written(&self) -> u32 {
        self.written
    }

    /// The surroundings given to [`Drive::identify`].
    pub fn host(&mut self) -> &mut H {
        &mut self.drive.host
    }

    #[cfg(test)]
    pub(crate) fn drive_for_tests(&mut self) -> &mut Drive<T, H> {
        self.drive
    }

    /// Writes the next cluster: [`Plan::cluster_blocks`] blocks, fewer only at the image's end, where zeroes
    /// fill the cluster up.
    ///
    /// # Errors
    /// [`Error::WrongLength`] writes nothing and harms nothing. After any other the burn is over:
    /// [`Error::WriteFailed`] with the address, [`Error::Displaced`], [`Error::BurnInterrupted`], or what the
    /// connection brought.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        let due = self
            .plan
            .blocks
            .saturating_sub(self.written)
            .min(self.plan.cluster_blocks());
        let needed = usize::try_from(due).unwrap_or(usize::MAX).saturating_mul(BLOCK);
        if data.is_empty() || data.len() != needed {
            let rule = "whole clusters in order, the last one as long as the image";
            return Err(Error::WrongLength {
                got: data.len(),
                needed,
                rule,
            });
        }
        let written = if due == self.plan.cluster_blocks() {
            self.send(data)
        } else {
            self.send_padded(data)
        };
        self.failed = written.is_err();
        written
    }

    /// The image's last, partial cluster. Apart, so that the large buffer is on the stack only here.
    #[inline(never)]
    fn send_padded(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut cluster = [0; LARGEST_CLUSTER * BLOCK];
        for (to, from) in cluster.iter_mut().zip(data) {
            *to = *from;
        }
        let length = usize::from(self.plan.strategy.cluster) * BLOCK;
        self.send(cluster.get(..length).unwrap_or(&cluster))
    }

    /// Where the drive expects the next block.
    fn next(&self) -> u32 {
        self.plan.first.saturating_add(self.written)
    }

    /// Sends one whole cluster and sees it accepted, exactly once.
    fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        let address = self.next();
        let command = Write10 {
            address,
            blocks: self.plan.strategy.cluster,
        };
        let patience = patience(command.cdb().operation_code());
        let mut attempts = Attempts::flowing(Write10::NAME, patience.completion, &self.drive.host);
        while let Err(fault) = self.drive.issue(&command, Data::Out(data), patience.answer) {
            match write_verdict(&fault) {
                Verdict::Wait => {
                    self.look_at_buffer_now_and_then()?;
                    attempts.wait(
                        fault.sense().and_then(|sense| sense.progress),
                        &mut self.drive.host,
                    )?;
                }
                Verdict::Doubt => {
                    attempts
                        .retry(fault, &mut self.drive.host)
                        .map_err(|_| self.failure(fault))?;
                    if self.already_written(address)? {
                        break;
                    }
                }
                Verdict::Fail => return Err(self.failure(fault)),
            }
        }
        self.written = self.written.saturating_add(self.plan.cluster_blocks());
        self.drive.host.event(Event::Written {
            blocks: self.written,
            of: self.plan.padded,
        });
        self.look_at_buffer_now_and_then()
    }

    fn failure(&self, fault: Fault) -> Error {
        match fault.into_error(Write10::NAME) {
            Error::Refused { sense, .. } => Error::WriteFailed {
                address: self.next(),
                sense,
            },
            other => other,
        }
    }

    /// Asks the drive where it stands: false before the cluster at `address`, true behind it.
    fn already_written(&mut self, address: u32) -> Result<bool, Error> {
        self.drive.wait_ready(Write10::NAME, patience(0x2A).completion)?;
        let track = self.drive.track(self.plan.track)?;
        if self.drive.generation != self.plan.generation {
            // "The medium may have changed": the same track with the same end is the same disc.
            if track.start != self.plan.track_start {
                return Err(Error::BurnInterrupted { address });
            }
            self.plan.generation = self.drive.generation;
        }
        let found = track.next_writable.ok_or(Error::BurnInterrupted { address })?;
        if found == address {
            return Ok(false);
        }
        if found == address.saturating_add(self.plan.cluster_blocks()) {
            self.drive.host.event(Event::AlreadyWritten { address });
            return Ok(true);
        }
        Err(Error::Displaced {
            expected: address,
            found,
        })
    }

    /// Reports the drive's buffer level at most once in [`BUFFER_INTERVAL`].
    fn look_at_buffer_now_and_then(&mut self) -> Result<(), Error> {
        let now = self.drive.host.now();
        if !self.drive.tells_buffer || now.saturating_sub(self.looked) < BUFFER_INTERVAL {
            return Ok(());
        }
        self.looked = now;
        self.look_at_buffer()
    }

    /// READ BUFFER CAPACITY. Bad news about earlier writes may come as the answer.
    fn look_at_buffer(&mut self) -> Result<(), Error> {
        let mut answer = [0; 12];
        let timeout = patience(ReadBufferCapacity.cdb().operation_code()).answer;
        match self
            .drive
            .issue(&ReadBufferCapacity, Data::In(&mut answer), timeout)
        {
            Ok(()) => {
                if let Ok(level) = ReadBufferCapacity::response(&answer) {
                    let filled = level.total.saturating_sub(level.blank);
                    self.drive.host.event(Event::Buffer {
                        total: level.total,
                        filled,
                    });
                }
                Ok(())
            }
            Err(Fault::Sense(sense)) if sense.deferred && sense.reaction() == Reaction::Stop => {
                Err(self.failure(Fault::Sense(sense)))
            }
            // The attention was taken from the next WRITE, which would have asked.
            Err(Fault::Sense(sense)) if sense.is_unit_attention() => {
                match self.already_written(self.next())? {
                    false => Ok(()),
                    true => Err(Error::BurnInterrupted { address: self.next() }),
                }
            }
            Err(fault) => {
                self.drive.tells_buffer = fault.reaction() != Reaction::Degrade;
                Ok(())
            }
        }
    }

    /// Flushes, closes track and session, and looks at the disc again. Long; polled with progress.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when blocks are missing; [`Error::Displaced`] when the drive lost data on the
    /// way; [`Error::CloseUnfinished`]; what the commands brought. The data may be readable all the same.
    pub fn finish(mut self, close: Close) -> Result<Disc, Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        if self.written != self.plan.padded {
            return Err(Error::Incomplete {
                written: self.written,
                planned: self.plan.padded,
            });
        }
        self.flush()?;
        self.drive.host.event(Event::Stage(Stage::ClosingTrack));
        self.close(CloseFunction::Track(self.plan.track))?;
        let (stage, function) = match close {
            Close::Appendable => (Stage::ClosingSession, CloseFunction::Session),
            Close::Finalised => (Stage::Finalising, self.plan.strategy.finalise),
        };
        self.drive.host.event(Event::Stage(stage));
        self.close(function)?;
        let disc = self.drive.disc()?;
        // The burn is good whatever becomes of the lock; ejecting unlocks again.
        let _ = self.drive.lock(false);
        Ok(disc)
    }

    /// SYNCHRONIZE CACHE, then the proof: the drive stands exactly at the session's end.
    fn flush(&mut self) -> Result<(), Error> {
        self.drive.host.event(Event::Stage(Stage::Flushing));
        let immediate = !self.drive.quirks.synchronous_flush;
        let flushed = self
            .drive
            .run_long(|immediate| SynchronizeCache { immediate }, immediate);
        flushed.map_err(|error| match error {
            Error::Refused { sense, .. } => Error::WriteFailed {
                address: self.next(),
                sense,
            },
            other => other,
        })?;
        let expected = self.next();
        match self.drive.track(self.plan.track)?.next_writable {
            Some(found) if found != expected => Err(Error::Displaced { expected, found }),
            _ => Ok(()), // a reserved track that is full has no next writable address
        }
    }

    /// CLOSE TRACK SESSION. An error counts only if the disc does not show the effect: the answer to a
    /// command that was carried out may have been lost, and its repetition refused.
    fn close(&mut self, function: CloseFunction) -> Result<(), Error> {
        let closed = self
            .drive
            .run_long(|immediate| CloseTrackSession { function, immediate }, true);
        match closed {
            Err(error @ (Error::Refused { .. } | Error::Transport { .. })) => {
                self.drive
                    .wait_ready(CloseTrackSession::NAME, patience(0x5B).completion)?;
                if self.is_closed(function)? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
            Ok(()) if self.is_closed(function)? => Ok(()),
            Ok(()) => Err(Error::CloseUnfinished {
                command: CloseTrackSession::NAME,
            }),
        }
    }

    /// Does the disc show the effect of this close function?
    fn is_closed(&mut self, function: CloseFunction) -> Result<bool, Error> {
        if let CloseFunction::Track(number) = function {
            let track = self.drive.track(number)?;
            return Ok(track.next_writable.is_none() || track.start != self.plan.track_start);
        }
        let disc = self.drive.disc()?;
        if disc.profile == Profile::NONE {
            return Ok(false);
        }
        let complete = disc.status == DiscStatus::Complete;
        Ok(match function {
            CloseFunction::Session => complete || disc.last_session == SessionState::Empty,
            _ => complete,
        })
    }
}

/// What to make of a WRITE that was not answered with GOOD.
enum Verdict {
    /// Not carried out, and the drive will have room soon.
    Wait,
    /// Nobody can say whether it was carried out.
    Doubt,
    /// It cannot succeed.
    Fail,
}

fn write_verdict(fault: &Fault) -> Verdict {
    match fault {
        Fault::Transport(TransportError::Timeout | TransportError::Interrupted | TransportError::Reset) => {
            Verdict::Doubt
        }
        Fault::Sense(sense) if sense.is_wrong_address() => Verdict::Doubt,
        fault => match fault.reaction() {
            Reaction::Wait => Verdict::Wait,
            Reaction::Retry => Verdict::Doubt,
            Reaction::Degrade | Reaction::Stop => Verdict::Fail,
        },
    }
}
