//! Going on with a burn that was interrupted, exactly where the disc ends.

use core::ops::Range;

use crate::disc::{Disc, DiscStatus, Model, SessionState, Track};
use crate::drive::Drive;
use crate::error::Error;
use crate::recorder::{Intent, Plan, Preparation, plan_session};
use crate::repair::{Condition, State};
use crate::strategy::strategy;
use crate::transport::{Host, Transport};

/// A drive's buffer when it does not tell its size, in KiB: larger than any known.
const ASSUMED_BUFFER_KIB: u16 = 16 * 1024;

/// What is known of the burn: from its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// As it was planned.
    pub intent: Intent,
    /// Blocks whose digests the journal holds, in whole clusters: no more had been handed to the drive.
    pub journalled: u32,
}

/// How it can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it, on the stack, for a moment"
)]
pub enum Resumption {
    /// Exactly here: [`Drive::record`] takes the plan, and [`Recorder::written`](crate::Recorder::written)
    /// then tells how many blocks of the image are on the disc. It may be all of them; then only
    /// [`Recorder::finish`](crate::Recorder::finish) is left to do.
    Continue {
        /// The rest of the burn.
        plan: Plan,
        /// Blocks that the drive says are on the disc, but that were in its buffer when it was interrupted:
        /// to be read back and compared with the journal before the burn goes on. If they differ, the
        /// disc is to be repaired instead. Everything before them is proved when the burn is verified.
        doubtful: Range<u32>,
    },
    /// All of it is on the disc, and its session is closed: it only needs to be verified.
    Closed(Disc),
    /// Not in this session, but the disc takes another one after [`Drive::repair`]: a new image, made for
    /// the address where the disc then goes on, must be burned.
    Repair(Condition),
    /// Not on this disc.
    Lost(Loss),
}

/// Why a burn cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, displaydoc::Display)]
pub enum Loss {
    /// the disc was finalised before the burn was complete
    Finalised,
    /// the disc is not the one the burn began on
    OtherDisc,
    /// the disc cannot take the rest any more
    NoRoom,
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Finds out where an interrupted burn stands. Changes nothing. That the disc is the right one is shown by
    /// its tracks only: the caller compares what it holds.
    ///
    /// # Errors
    /// As [`Self::disc`] and [`Self::plan`].
    pub fn resume(&mut self, burn: &Interrupted) -> Result<Resumption, Error> {
        let condition = self.diagnose()?;
        if condition.disc.model == Model::Overwritable {
            return self.resume_overwriting(burn);
        }
        let (disc, first) = (&condition.disc, burn.intent.first);
        if disc.model != Model::Sequential && disc.status != DiscStatus::Complete {
            return Err(Error::CannotWrite {
                profile: disc.profile,
            });
        }
        if let Some(track) = self.closed_track_at(disc, first)? {
            let whole = track.size >= burn.intent.blocks;
            let complete = disc.status == DiscStatus::Complete;
            return Ok(match (condition.state, whole) {
                (State::Sound, true) => Resumption::Closed(condition.disc),
                (State::Sound, false) if complete => Resumption::Lost(Loss::Finalised),
                (State::Sound, false) => Resumption::Repair(condition),
                // Its track is complete and its session open: as the burn would have gone on.
                (State::SessionOpen, true) => self
                    .go_on(burn, &condition, &track, None)?
                    .unwrap_or(Resumption::Repair(condition)),
                _ => Resumption::Repair(condition),
            });
        }
        if disc.status == DiscStatus::Complete {
            return Ok(Resumption::Lost(Loss::OtherDisc));
        }
        let unclosed = condition.tracks.iter().find(|track| track.start == first);
        // A track in which nothing is yet, or a blank disc.
        let unbegun = disc
            .open
            .filter(|open| open.blank && open.next_writable == Some(first));
        let Some(track) = unclosed.copied().or(unbegun) else {
            return Ok(match condition.is_sound() {
                true => Resumption::Lost(Loss::OtherDisc),
                false => Resumption::Repair(condition),
            });
        };
        let written = track.next_writable.map(|next| next.saturating_sub(first));
        match written.filter(|_| !track.damaged) {
            Some(written) => Ok(self
                .go_on(burn, &condition, &track, Some(written))?
                .unwrap_or(Resumption::Repair(condition))),
            None => Ok(Resumption::Repair(condition)),
        }
    }

    /// The recorded track that begins at `first` and takes no more data.
    fn closed_track_at(&mut self, disc: &Disc, first: u32) -> Result<Option<Track>, Error> {
        if disc.status == DiscStatus::Blank {
            return Ok(None);
        }
        for number in disc.tracks().rev().take(99) {
            let track = match self.track(number) {
                Ok(track) => track,
                Err(Error::Refused { sense, .. }) if sense.key == 0x5 => continue,
                Err(error) => return Err(error),
            };
            let closed = track.next_writable.is_none() && !track.damaged && !track.blank;
            if track.start <= first {
                return Ok(Some(track).filter(|_| closed && track.start == first));
            }
        }
        Ok(None)
    }

    /// The plan of the rest: that of the whole, made as if nothing had been written yet, with so much done;
    /// `None`: all, the track being closed.
    fn go_on(
        &mut self,
        burn: &Interrupted,
        condition: &Condition,
        track: &Track,
        written: Option<u32>,
    ) -> Result<Option<Resumption>, Error> {
        let disc = &condition.disc;
        let strategy = strategy(disc.profile).ok_or(Error::CannotWrite {
            profile: disc.profile,
        })?;
        let cluster = u32::from(strategy.cluster);
        let before = Disc {
            status: match track.session {
                0 | 1 => DiscStatus::Blank,
                _ => disc.status,
            },
            last_session: SessionState::Empty,
            open: Some(Track {
                blank: true,
                reserved: false,
                next_writable: Some(burn.intent.first),
                free_blocks: match written {
                    Some(written) => track.free_blocks.saturating_add(written),
                    None => u32::MAX - burn.intent.first,
                },
                ..*track
            }),
            ..disc.clone()
        };
        let plan = match plan_session(&burn.intent, &before, strategy) {
            Ok(plan) => plan,
            Err(Error::TooLarge { .. }) => return Ok(Some(Resumption::Lost(Loss::NoRoom))),
            Err(error) => return Err(error),
        };
        let preparation = written.map_or(Preparation::None, |_| plan.preparation);
        let written = written.unwrap_or(plan.padded);
        // A cue sheet, and a disc at once on DVD-R, do not outlive the power of the drive.
        let goes_on = match preparation {
            Preparation::Cue | Preparation::Reserve(Some(_)) => written == 0,
            _ => true,
        };
        // More than was planned, or half a cluster: not ours, or not to be trusted.
        let ours = written <= plan.padded && written.is_multiple_of(cluster);
        if !goes_on || !ours {
            return Ok(None);
        }
        let on_disc = plan.first.saturating_add(written);
        let doubtful = on_disc.saturating_sub(self.buffer_blocks()).max(plan.first)..on_disc;
        // Behind the image come zeroes, which no journal knows.
        let end = plan.first.saturating_add(plan.blocks);
        let doubtful = doubtful.start.min(end)..doubtful.end.min(end);
        Ok(Some(Resumption::Continue {
            plan: Plan {
                written,
                preparation,
                ..plan
            },
            doubtful,
        }))
    }

    /// Where blocks can be written again, those that may have been in the buffer are, and as many before them
    /// are compared.
    fn resume_overwriting(&mut self, burn: &Interrupted) -> Result<Resumption, Error> {
        let plan = match self.plan(&burn.intent) {
            Ok(plan) => plan,
            Err(Error::TooLarge { .. }) => return Ok(Resumption::Lost(Loss::NoRoom)),
            Err(error) => return Err(error),
        };
        let cluster = plan.cluster_blocks().max(1);
        // Formatted since: what was written went with it.
        let formats = matches!(plan.preparation, Preparation::Format(_));
        let journalled = if formats {
            0
        } else {
            burn.journalled.min(plan.blocks)
        };
        let unsure = self.buffer_blocks();
        let written = journalled.saturating_sub(unsure) / cluster * cluster;
        let on_disc = plan.first.saturating_add(written);
        let doubtful = on_disc.saturating_sub(unsure).max(plan.first)..on_disc;
        Ok(Resumption::Continue {
            plan: Plan { written, ..plan },
            doubtful,
        })
    }

    /// Blocks the drive's buffer holds.
    fn buffer_blocks(&self) -> u32 {
        let kib = Some(self.identity.buffer_kib).filter(|kib| *kib != 0);
        u32::from(kib.unwrap_or(ASSUMED_BUFFER_KIB)) / 2
    }
}
