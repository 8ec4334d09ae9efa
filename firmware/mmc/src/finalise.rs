//! Closing a disc for good without writing anything more to it.

use crate::disc::{Disc, DiscStatus, Model};
use crate::drive::Drive;
use crate::error::Error;
use crate::recorder::Close;
use crate::strategy::{Order, strategy};
use crate::transport::{Host, Transport};

impl<T: Transport, H: Host> Drive<T, H> {
    /// Finalises the disc: nothing can be added any more, and drives that know no open discs read it. One
    /// that is finalised stays as it is. Long; polled with progress. That it happened is proved by READ DISC
    /// INFORMATION, not by the drive's answer.
    ///
    /// # Errors
    /// [`Error::Blank`]; [`Error::OpenTrack`] when an interrupted burn must be repaired first
    /// ([`Self::repair`] does both); [`Error::NotFinalisable`] for discs that are overwritten,
    /// [`Error::NoOpenSession`] for those that can be finalised only with new data (CD, DVD-R), and
    /// [`Error::CannotWrite`] for those this driver does not know; what the commands brought.
    pub fn finalise(&mut self) -> Result<Disc, Error> {
        let condition = self.diagnose()?;
        let disc = condition.disc;
        let profile = disc.profile;
        let row = strategy(profile);
        // First: a disc that is overwritten may call itself complete and yet be written at any time.
        if row.is_some_and(|row| row.order != Order::Sequential) {
            return Err(Error::NotFinalisable { profile });
        }
        if disc.status == DiscStatus::Complete {
            return Ok(disc);
        }
        let row = row.ok_or(Error::CannotWrite { profile })?;
        if let Some(track) = condition.tracks.first() {
            return Err(Error::OpenTrack {
                track: track.number,
                start: track.start,
            });
        }
        if disc.status == DiscStatus::Blank {
            return Err(Error::Blank);
        }
        self.lock(true)?;
        let closed = match disc.open.filter(|_| disc.model == Model::Overwritable) {
            // Pseudo-overwrite keeps its track open for as long as it can.
            Some(track) if !track.blank => self.close_track(track.number, track.start),
            _ => Ok(()),
        };
        let closed = closed.and_then(|()| self.close_session(row, Close::Finalised));
        let _ = self.lock(false); // ejecting unlocks again
        match closed {
            // Closing a session in which nothing is "does not produce an error and a write to the media will
            // not occur" (Pioneer's command reference on CD and DVD-R).
            Err(Error::CloseUnfinished { .. }) if row.finalise.is_none() => {
                Err(Error::NoOpenSession { profile })
            }
            Err(error) => Err(error),
            Ok(()) => self.disc(),
        }
    }
}
