//! Flushing and closing, each with the proof that it happened.

use super::{Close, Preparation, Recorder};
use crate::command::{CloseFunction, CloseTrackSession, Command, ReadFormatCapacities, SynchronizeCache};
use crate::disc::{Background, DiscStatus, Model, SessionState};
use crate::drive::Drive;
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::profile::Profile;
use crate::strategy::{Order, Strategy};
use crate::transport::{Host, Transport};

impl<T: Transport, H: Host> Recorder<'_, T, H> {
    /// SYNCHRONIZE CACHE; then the proof, where the drive tells: it stands exactly at the session's end.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.recent.is_empty() && self.plan.model == Model::Overwritable {
            return Ok(());
        }
        let address = self.next();
        self.drive.flush().map_err(|error| match error {
            Error::Refused { sense, .. } => Error::WriteFailed { address, sense },
            other => other,
        })?;
        if !self.plan.tells_next() || self.drive.quirks.address_stands_still {
            self.prove_recent()?;
            self.recent.clear();
            return Ok(());
        }
        match self.drive.track(self.plan.track)?.next_writable {
            Some(found) if found != address => Err(Error::Displaced {
                expected: address,
                found,
            }),
            _ => Ok(()), // a track that is full, or was ended by the flush, has no next writable address
        }
    }

    /// What ends this session on this kind of disc.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        let (strategy, close) = (self.plan.strategy, self.plan.close);
        match (strategy.order, self.plan.preparation) {
            // The flush ended the session: there is nothing left to close. A reset before it has it flushed again,
            // with the write parameters that let it.
            (Order::Sequential, Preparation::Cue | Preparation::Reserve(Some(_))) => {
                if !self.drive.shows_closed(close)? {
                    self.settle_reset()?;
                    self.drive.flush()?;
                }
                self.drive.session_is_closed(close)
            }
            // Pseudo-overwrite: the track is closed, the session never (growisofs).
            (Order::Sequential, _) if self.plan.model == Model::Overwritable => {
                if self.next() > self.plan.track_start {
                    self.close_written_track()?;
                }
                match close {
                    Close::Appendable => Ok(()),
                    Close::Finalised => self.drive.close_session(strategy, close),
                }
            }
            (Order::Sequential, _) => {
                if strategy.closes_track {
                    self.close_written_track()?;
                }
                self.drive.close_session(strategy, close)
            }
            (Order::Random, _) if strategy.profile == Profile::DVD_PLUS_RW => {
                self.drive.stop_background_format()
            }
            (Order::Random, _) => Ok(()),
            (Order::Restricted, _) => self.drive.end_growth(),
        }
    }

    fn close_written_track(&mut self) -> Result<(), Error> {
        self.drive.close_track(self.plan.track, self.plan.track_start)
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// SYNCHRONIZE CACHE.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.host.event(Event::Stage(Stage::Flushing));
        let immediate = !self.quirks.synchronous_flush;
        self.run_long(|immediate| SynchronizeCache { immediate }, immediate)
    }

    /// Closes the track of this number that begins there.
    pub(crate) fn close_track(&mut self, number: u16, start: u32) -> Result<(), Error> {
        self.host.event(Event::Stage(Stage::ClosingTrack));
        self.close_with_proof(CloseFunction::Track(number), |drive| {
            let track = drive.track(number)?;
            Ok(track.next_writable.is_none() && !track.damaged || track.start != start)
        })
    }

    /// Closes the session, whose track is closed where the family wants that, and with it the disc when it
    /// is to be finalised.
    pub(crate) fn close_session(&mut self, strategy: &Strategy, close: Close) -> Result<(), Error> {
        let (stage, function) = match (close, strategy.finalise) {
            (Close::Finalised, Some(function)) => (Stage::Finalising, function),
            (Close::Finalised, None) => (Stage::Finalising, CloseFunction::Session),
            (Close::Appendable, _) => (Stage::ClosingSession, CloseFunction::Session),
        };
        self.host.event(Event::Stage(stage));
        // A reset since the first block would have undone what the page says about the disc's future.
        if let Some(kind) = strategy.write_types.and_then(|types| types.tracks) {
            self.keep_write_parameters(kind, close)?;
        }
        self.close_with_proof(function, |drive| drive.shows_closed(close))
    }

    /// CLOSE TRACK SESSION. An error counts only if the disc does not show the effect: the answer to a
    /// command that was carried out may have been lost, and its repetition refused.
    fn close_with_proof(
        &mut self,
        function: CloseFunction,
        shows: impl FnOnce(&mut Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let closed = self.run_long(|immediate| CloseTrackSession { function, immediate }, true);
        let command = CloseTrackSession::NAME;
        match closed {
            Err(error @ (Error::Refused { .. } | Error::Transport { .. })) => {
                self.wait_ready(command, self.patience(0x5B).completion)?;
                if shows(self)? { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
            Ok(()) if shows(self)? => Ok(()),
            Ok(()) => Err(Error::CloseUnfinished { command }),
        }
    }

    /// The disc is left as asked.
    fn shows_closed(&mut self, close: Close) -> Result<bool, Error> {
        let disc = self.disc()?;
        let complete = disc.status == DiscStatus::Complete;
        Ok(match close {
            _ if disc.profile == Profile::NONE => false,
            Close::Appendable => complete || disc.last_session == SessionState::Empty,
            Close::Finalised => complete,
        })
    }

    fn session_is_closed(&mut self, close: Close) -> Result<(), Error> {
        match self.shows_closed(close)? {
            true => Ok(()),
            false => Err(Error::CloseUnfinished {
                command: SynchronizeCache::NAME,
            }),
        }
    }

    /// DVD+RW: stops the format in the background, if it runs, and writes the lead-out that other drives
    /// read by (growisofs sends both functions, libburn the second).
    pub(crate) fn stop_background_format(&mut self) -> Result<(), Error> {
        if self.disc()?.background != Background::Running {
            return Ok(());
        }
        self.host.event(Event::Stage(Stage::ClosingSession));
        let mut ended = Ok(());
        for function in [CloseFunction::StopBackgroundFormat, CloseFunction::Session] {
            let closed = self.run_long(|immediate| CloseTrackSession { function, immediate }, true);
            ended = match closed {
                Err(Error::Refused { .. } | Error::Transport { .. }) => closed,
                other => other.and(ended),
            };
        }
        match self.disc()?.background {
            Background::Running => ended.and(Err(Error::CloseUnfinished {
                command: CloseTrackSession::NAME,
            })),
            _ => Ok(()),
        }
    }

    /// DVD-RW in restricted overwrite: closes what has grown. "It seems to do no harm" where nothing has
    /// (libburn's cookbook), so that only the disc's state counts.
    pub(crate) fn end_growth(&mut self) -> Result<(), Error> {
        const FORMATTED: u8 = 2;
        self.host.event(Event::Stage(Stage::ClosingSession));
        self.close_with_proof(CloseFunction::Session, |drive| {
            let mut answer = [0; 252];
            let capacities = drive.query(&ReadFormatCapacities, &mut answer)?;
            Ok(capacities.descriptor_type() == FORMATTED)
        })
    }
}
