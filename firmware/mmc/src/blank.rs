//! Making a disc empty again.

use crate::command::{BlankDisc, Command};
use crate::disc::{Disc, DiscStatus, Model};
use crate::drive::Drive;
use crate::error::Error;
use crate::event::{Event, Stage};
use crate::profile::Profile;
use crate::strategy::{Order, strategy};
use crate::transport::{Host, Transport};

/// How thoroughly a disc is blanked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// Only the tables that lead to the data, in about a minute. A DVD-RW then takes nothing but a disc at
    /// once on the drives libburn was tried with.
    Fast,
    /// Everything: as long as a burn of the whole disc.
    Full,
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Blanks a CD-RW or DVD-RW, whatever its state; a DVD-RW in restricted overwrite becomes sequential
    /// again. Long; polled with progress ([`Event::Waiting`]).
    ///
    /// # Errors
    /// [`Error::NotErasable`] for other discs; [`Error::CloseUnfinished`] when the drive says it is done and
    /// the disc is not blank; [`Error::NoDisc`] and what the commands brought.
    pub fn blank(&mut self, blank: Blank) -> Result<Disc, Error> {
        let disc = self.disc()?;
        let profile = disc.profile;
        if !strategy(profile).is_some_and(|strategy| strategy.blanks) {
            return Err(Error::NotErasable { profile });
        }
        self.lock(true)?;
        self.host.event(Event::Stage(Stage::Blanking));
        let minimal = blank == Blank::Fast;
        let blanked = self.run_long(|immediate| BlankDisc { minimal, immediate }, true);
        self.generation = self.generation.wrapping_add(1);
        // An answer may have been lost: the disc tells whether it is blank.
        if let Err(Error::Refused { .. } | Error::Transport { .. }) = blanked {
            self.wait_ready(BlankDisc::NAME, self.patience(0xA1).completion)?;
        }
        let disc = self.disc()?;
        let _ = self.lock(false); // ejecting unlocks again
        match blanked {
            _ if disc.status == DiscStatus::Blank => Ok(disc),
            Ok(()) => Err(Error::CloseUnfinished {
                command: BlankDisc::NAME,
            }),
            Err(error) => Err(error),
        }
    }

    /// Makes the disc empty, doing no more than this kind of disc needs: nothing when it is empty already; a
    /// CD-RW is blanked fast, a DVD-RW fully, since it could not be appended to otherwise; on an overwritable
    /// disc zeroes replace what shows its contents. What was on it may still be found by who looks for it.
    ///
    /// # Errors
    /// [`Error::NotErasable`] for write-once and pressed discs; otherwise as [`Self::blank`] and
    /// [`Self::record`].
    pub fn erase(&mut self) -> Result<Disc, Error> {
        let disc = self.disc()?;
        let profile = disc.profile;
        match strategy(profile) {
            Some(strategy) if strategy.order == Order::Sequential => match profile {
                _ if !strategy.blanks => Err(Error::NotErasable { profile }),
                _ if disc.status == DiscStatus::Blank => Ok(disc),
                Profile::CD_RW => self.blank(Blank::Fast),
                _ => self.blank(Blank::Full),
            },
            Some(_) if disc.model == Model::Overwritable && disc.formatted => {
                self.host.event(Event::Stage(Stage::Erasing));
                self.wipe_front()?;
                self.disc()
            }
            Some(_) => Ok(disc),
            None => Err(Error::NotErasable { profile }),
        }
    }
}
