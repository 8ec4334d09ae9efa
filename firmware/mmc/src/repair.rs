//! Discs that were left half-written: what is wrong with them, and making it good.

use crate::BLOCK;
use crate::command::{CloseTrackSession, Command, RepairTrack};
use crate::disc::{Background, Disc, DiscStatus, Model, SessionState, Track};
use crate::drive::Drive;
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::profile::Profile;
use crate::recorder::{Close, Plan, Preparation, ZEROES};
use crate::sense::{Reaction, Sense};
use crate::strategy::{Order, Strategy, strategy};
use crate::transport::{Host, Transport};

/// Unclosed tracks listed; BD-R and DVD+R hold sixteen at most.
const TRACKS: usize = 16;

/// Tracks of the last session looked at.
const LOOKED_AT: usize = 99;

/// How a disc stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, displaydoc::Display)]
pub enum State {
    /// the disc is as it should be
    Sound,
    /// a track was begun and not closed
    Begun,
    /// a track is reserved and not full
    Reserved,
    /// a track is damaged: the power failed while it was written
    Damaged,
    /// all tracks are closed, their session is not
    SessionOpen,
    /// the disc is formatted only as far as it was written
    FormatStopped,
    /// what was written to a DVD-RW was not closed behind
    GrowthOpen,
}

/// What [`Drive::diagnose`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The disc.
    pub disc: Disc,
    /// The worst there is.
    pub state: State,
    /// The tracks that must be closed, by address.
    pub tracks: heapless::Vec<Track, TRACKS>,
    /// Blocks of the sessions closed before: they stay readable whatever happens.
    pub kept: u32,
    /// What [`Drive::repair`] can make of the disc; nothing where nothing is to be done.
    pub remedies: heapless::Vec<Close, 2>,
}

impl Condition {
    /// Nothing needs repair. A DVD+RW whose format was stopped is sound: every burn of less than the whole disc
    /// leaves it so, and the next one takes the format up again where it needs to.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        matches!(self.state, State::Sound | State::FormatStopped)
    }
}

/// It has to be closed, filled or repaired before its session can be closed. The invisible track, in which
/// nothing is written, is no such.
fn is_unclosed(track: &Track) -> bool {
    let room = track.next_writable.is_some() && track.free_blocks > 0;
    track.damaged || room && (track.reserved || !track.blank)
}

/// A command that this drive, or this disc at this time, does not take.
fn refusal(error: &Error) -> Option<Sense> {
    match error {
        Error::Refused { sense, .. } | Error::WriteFailed { sense, .. } => Some(*sense),
        Error::CloseUnfinished { .. } => Some(Sense::default()),
        _ => None,
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Looks for what an interrupted burn or format, of this or another program, left behind. Changes nothing.
    ///
    /// # Errors
    /// As [`Self::disc`].
    pub fn diagnose(&mut self) -> Result<Condition, Error> {
        let disc = self.disc()?;
        let mut condition = Condition {
            state: State::Sound,
            tracks: heapless::Vec::new(),
            kept: disc.readable,
            remedies: heapless::Vec::new(),
            disc,
        };
        let disc = &condition.disc;
        let Some(strategy) = strategy(disc.profile) else {
            return Ok(condition);
        };
        let unclosed_session = matches!(
            disc.last_session,
            SessionState::Incomplete | SessionState::Damaged
        );
        match (strategy.order, disc.model) {
            (Order::Random, _) if disc.background == Background::Stopped => {
                condition.state = State::FormatStopped;
            }
            (Order::Restricted, _) if unclosed_session => condition.state = State::GrowthOpen,
            (Order::Sequential, Model::Sequential) if disc.status != DiscStatus::Complete => {
                self.diagnose_session(&mut condition, unclosed_session)?;
            }
            _ => {}
        }
        if condition.state != State::Sound {
            // A list of two takes both.
            let _ = condition.remedies.push(Close::Appendable);
            if strategy.order == Order::Sequential {
                let _ = condition.remedies.push(Close::Finalised);
            }
        }
        Ok(condition)
    }

    /// The last session's tracks.
    fn diagnose_session(&mut self, condition: &mut Condition, unclosed: bool) -> Result<(), Error> {
        let mut session = None;
        for number in condition.disc.tracks().rev().take(LOOKED_AT) {
            let track = match self.track(number) {
                Ok(track) => track,
                Err(Error::Refused { sense, .. }) if sense.key == 0x5 => continue,
                Err(error) => return Err(error),
            };
            if *session.get_or_insert(track.session) != track.session {
                break;
            }
            condition.kept = condition.kept.min(track.start);
            if is_unclosed(&track) && condition.tracks.insert(0, track).is_err() {
                break; // what is left comes to light when these are closed
            }
        }
        // Drives that number no open track show it as the invisible one.
        if condition.tracks.is_empty()
            && let Some(track) = condition.disc.open.filter(is_unclosed)
        {
            let _ = condition.tracks.push(track);
            condition.kept = condition.kept.min(track.start);
        }
        condition.state = match &condition.tracks {
            tracks if tracks.iter().any(|track| track.damaged) => State::Damaged,
            tracks if tracks.iter().any(|track| track.reserved) => State::Reserved,
            tracks if !tracks.is_empty() => State::Begun,
            _ if unclosed => State::SessionOpen,
            _ => State::Sound,
        };
        Ok(())
    }

    /// Makes the disc good: closes what was left open and the session around it, so that the disc takes a new
    /// session or none any more, as `close` says; ends an interrupted format. What the interrupted session
    /// holds becomes readable as far as it was written; whether it is worth reading its file system knows.
    /// Reserved tracks that the drive does not fill by itself are filled with zeroes first, which takes
    /// as long as a burn. A DVD+RW is formatted to its end. Long; polled with progress. A sound disc is left as it is, or
    /// finalised.
    ///
    /// # Errors
    /// [`Error::BeyondRepair`] when a track or the session cannot be closed: nothing can be added, what was
    /// closed before reads; [`Error::NotFinalisable`], [`Error::NoOpenSession`], [`Error::Blank`];
    /// [`Error::CloseUnfinished`], [`Error::NoDisc`] and what the commands brought.
    pub fn repair(&mut self, close: Close) -> Result<Disc, Error> {
        let condition = self.diagnose()?;
        if condition.state == State::Sound {
            return match close {
                Close::Appendable => Ok(condition.disc),
                Close::Finalised => self.finalise(),
            };
        }
        let profile = condition.disc.profile;
        let row = strategy(profile).ok_or(Error::CannotWrite { profile })?;
        if !condition.remedies.contains(&close) {
            return Err(Error::NotFinalisable { profile });
        }
        self.lock(true)?;
        let mended = match condition.state {
            State::Sound => Ok(()),
            State::FormatStopped => self.finish_background_format(),
            State::GrowthOpen => self.end_growth(),
            State::Begun | State::Reserved | State::Damaged | State::SessionOpen => {
                self.close_what_is_open(&condition, row, close)
            }
        };
        let _ = self.lock(false); // ejecting unlocks again
        mended?;
        let after = self.diagnose()?;
        match after.is_sound() {
            true => Ok(after.disc),
            false => Err(Error::CloseUnfinished {
                command: CloseTrackSession::NAME,
            }),
        }
    }

    fn close_what_is_open(
        &mut self,
        condition: &Condition,
        row: &'static Strategy,
        close: Close,
    ) -> Result<(), Error> {
        // What a drive still has in its buffer after a burn that was broken off belongs to the track. One that
        // lost its power has nothing, and may say so as it likes.
        match self.flush() {
            Err(error) if refusal(&error).is_none() => return Err(error),
            _ => {}
        }
        let kept = condition.kept;
        for track in &condition.tracks {
            self.end_track(track, row, close)
                .map_err(|error| match refusal(&error) {
                    Some(sense) => Error::BeyondRepair {
                        track: track.number,
                        kept,
                        sense,
                    },
                    None => error,
                })?;
        }
        let last = condition.tracks.last().map_or(0, |track| track.number);
        match self.close_session(row, close) {
            Err(Error::Refused { sense, .. }) => Err(Error::BeyondRepair {
                track: last,
                kept,
                sense,
            }),
            other => other,
        }
    }

    /// Ends one track, with as little as the drive is content with: closed as it is, which repairs a damaged
    /// one and pads a reserved one on most drives; else with one cluster more, for those that do not close an
    /// empty one; else filled.
    fn end_track(&mut self, track: &Track, row: &'static Strategy, close: Close) -> Result<(), Error> {
        if let Some(kind) = row.write_types.map(|types| types.tracks.unwrap_or(types.at_once)) {
            self.set_write_parameters(kind, close)?;
        }
        if track.damaged && matches!(track_kind(row.profile), Kind::Incremental) {
            self.repair_track(track.number)?;
        }
        let mut closed = self.close_track(track.number, track.start);
        for clusters in [1, u32::MAX] {
            match &closed {
                Err(error) if refusal(error).is_some() => {}
                _ => return closed,
            }
            if !self.fill(track, row, close, clusters)? {
                break;
            }
            closed = self.close_track(track.number, track.start);
        }
        closed
    }

    /// REPAIR TRACK; drives that repair at CLOSE TRACK do not know it.
    fn repair_track(&mut self, track: u16) -> Result<(), Error> {
        self.host.event(Event::Stage(Stage::Repairing));
        match self.run_long(|immediate| RepairTrack { track, immediate }, true) {
            Err(error) if error.reaction() == Reaction::Degrade || refusal(&error).is_some() => {
                self.wait_ready(RepairTrack::NAME, self.patience(0x58).completion)
            }
            other => other,
        }
    }

    /// Writes at most so many clusters of zeroes where the track goes on; false when it does not.
    fn fill(
        &mut self,
        track: &Track,
        row: &'static Strategy,
        close: Close,
        clusters: u32,
    ) -> Result<bool, Error> {
        let now = self.track(track.number)?;
        let cluster = u32::from(row.cluster);
        let clusters = clusters.min(now.free_blocks / cluster);
        let Some(first) = now
            .next_writable
            .filter(|_| clusters > 0 && now.start == track.start)
        else {
            return Ok(false);
        };
        self.host.event(Event::Stage(Stage::Repairing));
        let blocks = clusters.saturating_mul(cluster);
        let plan = Plan {
            strategy: row,
            model: Model::Sequential,
            preparation: Preparation::None,
            close,
            track: now.number,
            track_start: now.start,
            first,
            blocks,
            padded: blocks,
            free: now.free_blocks,
            fill: None,
            written: 0,
            generation: self.generation,
        };
        let length = usize::from(row.cluster) * BLOCK;
        let mut recorder = self.record(plan)?;
        for _ in 0..clusters {
            recorder.write(ZEROES.get(..length).unwrap_or(&ZEROES))?;
        }
        self.flush()?;
        Ok(true)
    }

    /// DVD+RW: takes the format up where it was stopped and lets it come to the disc's end.
    fn finish_background_format(&mut self) -> Result<(), Error> {
        self.restart_background_format()?;
        self.await_background_format()
    }
}

/// Families that REPAIR TRACK is for.
enum Kind {
    /// DVD-R and DVD-RW: packets with links between them.
    Incremental,
    /// The others.
    Other,
}

fn track_kind(profile: Profile) -> Kind {
    match profile {
        Profile::DVD_R | Profile::DVD_RW | Profile::DVD_R_DL => Kind::Incremental,
        _ => Kind::Other,
    }
}
