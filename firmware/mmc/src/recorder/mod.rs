//! Writing one session: plan, prepare, write in order, rewrite what commits it, close.
//!
//! What makes a WRITE safe to repeat on a disc written sequentially is the drive's own next writable address
//! (NWA): after every answer that was lost or is in doubt the drive is asked where it stands, and only
//! "exactly before" or "exactly behind" this cluster goes on. On an overwritable disc a WRITE may always be
//! repeated, but nothing tells what a drive that was reset had not yet taken from its buffer to the disc: that
//! is read back.

mod close;
mod plan;
mod prepare;
mod recent;
mod rewrite;

pub use plan::{Close, Intent, Mode, Plan};
pub(crate) use plan::{Preparation, plan_session};
use recent::Recent;

use core::time::Duration;

use crate::BLOCK;
use crate::command::{Command, Query, ReadBufferCapacity, Write10};
use crate::disc::Disc;
use crate::drive::{Attempts, Drive, Fault};
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::sense::Reaction;
use crate::strategy::LARGEST_CLUSTER;
use crate::transport::{Data, Host, Transport, TransportError};

/// Time between two looks at the drive's buffer.
const BUFFER_INTERVAL: Duration = Duration::from_secs(1);

/// What gaps, pre-gaps and tails are filled with.
pub(crate) static ZEROES: [u8; LARGEST_CLUSTER * BLOCK] = [0; LARGEST_CLUSTER * BLOCK];

impl<T: Transport, H: Host> Drive<T, H> {
    /// Begins the burn: locks the tray and does to the disc what has to be done before its first block,
    /// formatting included. Until [`Recorder::finish`] the tray stays locked; [`Drive::eject`] unlocks it
    /// after a failure.
    ///
    /// # Errors
    /// [`Error::BurnInterrupted`] when the disc was changed since the plan; [`Error::Displaced`] when the
    /// drive would begin elsewhere; what the commands brought.
    pub fn record(&mut self, plan: Plan) -> Result<Recorder<'_, T, H>, Error> {
        self.lock(true)?;
        self.ready()?;
        if self.generation != plan.generation {
            return Err(Error::BurnInterrupted { address: plan.first });
        }
        let (looked, resets) = (self.host.now(), self.resets);
        let mut recorder = Recorder {
            drive: self,
            written: plan.written,
            plan,
            failed: false,
            looked,
            resets,
            recent: Recent::default(),
        };
        recorder.prepare()?;
        Ok(recorder)
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
    /// [`Drive::resets`] when nothing was in doubt the last time.
    resets: u32,
    /// Overwritable: what the drive may still hold in its buffer.
    recent: Recent,
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
            self.append(data)
        } else {
            self.append_padded(data)
        };
        self.failed = written.is_err();
        written
    }

    /// The image's last, partial cluster. Apart, so that the large buffer is on the stack only here.
    #[inline(never)]
    fn append_padded(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut cluster = [0; LARGEST_CLUSTER * BLOCK];
        for (to, from) in cluster.iter_mut().zip(data) {
            *to = *from;
        }
        let length = usize::from(self.plan.strategy.cluster) * BLOCK;
        self.append(cluster.get(..length).unwrap_or(&cluster))
    }

    /// One whole cluster at the burn's end.
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.send(self.next(), data)?;
        self.written = self.written.saturating_add(self.plan.cluster_blocks());
        self.drive.host.event(Event::Written {
            blocks: self.written,
            of: self.plan.padded,
        });
        self.look_at_buffer_now_and_then()
    }

    /// Where the next block of the burn goes.
    fn next(&self) -> u32 {
        self.plan.at(self.written)
    }

    /// Sends one whole cluster and sees it accepted, exactly once.
    fn send(&mut self, address: u32, data: &[u8]) -> Result<(), Error> {
        let command = Write10 {
            address,
            blocks: self.plan.strategy.cluster,
        };
        let patience = self.drive.patience(command.cdb().operation_code());
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
                        .map_err(|_| failure(fault, address))?;
                    if self.already_written(address)? {
                        return Ok(());
                    }
                }
                Verdict::Fail => return Err(failure(fault, address)),
            }
        }
        if !self.plan.tells_next() {
            self.recent.add(address, data);
        }
        Ok(())
    }

    /// Asks the drive where it stands: false before the cluster at `address`, true behind it. Where it does
    /// not tell, because blocks are overwritten, false: once more does no harm.
    fn already_written(&mut self, address: u32) -> Result<bool, Error> {
        self.drive
            .wait_ready(Write10::NAME, self.drive.patience(0x2A).completion)?;
        if !self.plan.tells_next() {
            // What is in doubt goes to the disc again; what went before it must be there.
            self.prove_recent()?;
            return Ok(false);
        }
        self.settle_reset()?;
        let changed = self.drive.generation != self.plan.generation;
        let track = self.drive.track(self.plan.track)?;
        if changed {
            // The same track with the same end is the same disc.
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

    /// A reset opens the lock and undoes the write parameters. A cue sheet cannot be sent twice: its session
    /// is lost, as the next WRITE will show.
    fn settle_reset(&mut self) -> Result<(), Error> {
        if self.drive.resets == self.resets {
            return Ok(());
        }
        self.resets = self.drive.resets;
        self.drive.lock(true)?;
        match self.plan.preparation {
            Preparation::Parameters(kind) | Preparation::Reserve(Some(kind)) => {
                self.drive.keep_write_parameters(kind, self.plan.close)
            }
            _ => Ok(()),
        }
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
        let timeout = self
            .drive
            .patience(ReadBufferCapacity.cdb().operation_code())
            .answer;
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
            Err(fault @ Fault::Sense(sense)) if sense.deferred && sense.reaction() == Reaction::Stop => {
                Err(failure(fault, self.next()))
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

    /// Writes the zeroes planned behind the image, flushes, closes, and looks at the disc again. Long; polled
    /// with progress.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when blocks are missing; [`Error::Displaced`] when the drive lost data on the
    /// way; [`Error::CloseUnfinished`]; what the commands brought. The data may be readable all the same.
    pub fn finish(mut self) -> Result<Disc, Error> {
        self.complete()?;
        self.flush()?;
        self.close()?;
        let disc = self.drive.disc()?;
        // The burn is good whatever becomes of the lock; ejecting unlocks again.
        let _ = self.drive.lock(false);
        Ok(disc)
    }

    /// Sees that the whole image was given, and writes the zeroes behind it.
    fn complete(&mut self) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        if self.written < self.plan.blocks {
            return Err(Error::Incomplete {
                written: self.written,
                planned: self.plan.padded,
            });
        }
        let length = usize::from(self.plan.strategy.cluster) * BLOCK;
        while self.written < self.plan.padded {
            self.failed = true;
            self.append(ZEROES.get(..length).unwrap_or(&ZEROES))?;
            self.failed = false;
        }
        Ok(())
    }
}

/// A WRITE at `address` failed so.
fn failure(fault: Fault, address: u32) -> Error {
    match fault.into_error(Write10::NAME) {
        Error::Refused { sense, .. } => Error::WriteFailed { address, sense },
        other => other,
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
