//! The tray: what lies in it, whether it is open, who may open it.

use crate::{
    attention::MediaEvent,
    bytes::Cdb,
    disc::Disc,
    drive::Drive,
    fault::Fault,
    sense::{BECOMING_READY, INVALID_FIELD_IN_CDB, MEDIUM_MAY_HAVE_CHANGED, MEDIUM_REMOVAL_PREVENTED, Sense},
};

/// The tray and the disc in it.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    pub open: bool,
    pub disc: Option<Disc>,
}

/// Who closes the tray.
enum By {
    Hand,
    Host,
}

/// What a hand at the front panel does.
impl Drive {
    /// Opens the tray if need be, takes out what lies there, puts `disc` in and closes it.
    pub fn insert(&mut self, disc: Disc) -> Option<Disc> {
        let before = self.remove();
        self.tray.disc = Some(disc);
        self.load(By::Hand);
        before
    }

    /// Forces the tray open and takes the disc out, whatever prevents it.
    pub fn remove(&mut self) -> Option<Disc> {
        self.open_tray();
        self.tray.disc.take()
    }

    /// Presses the eject button: opens the tray, or tells the host if that is prevented. True when the tray
    /// is open.
    pub fn press_eject(&mut self) -> bool {
        if self.attention.is_removal_prevented() {
            self.attention.event(MediaEvent::EjectRequest);
        } else {
            self.open_tray();
        }
        self.tray.open
    }

    /// Pushes the tray in.
    pub fn push_tray(&mut self) {
        self.load(By::Hand);
    }

    /// The tray is open.
    #[must_use]
    pub fn tray_open(&self) -> bool {
        self.tray.open
    }

    /// The disc in the tray, open or closed.
    #[must_use]
    pub fn disc(&self) -> Option<&Disc> {
        self.tray.disc.as_ref()
    }
}

impl Drive {
    /// Opens the tray; what the drive had buffered reaches the disc first.
    pub(crate) fn open_tray(&mut self) {
        if self.tray.open {
            return;
        }
        if let Some(disc) = &mut self.tray.disc {
            let _ = disc.synchronize(); // the tray opens all the same; a failure was said on standard error
            self.attention.event(MediaEvent::MediaRemoval);
        }
        self.cue = None;
        self.tray.open = true;
    }

    /// Every initiator is told of a disc that was put in. One among several that commanded the load itself is
    /// not (SAM-5 section 5.14); an only one is, by ATAPI drives and so in this process.
    fn load(&mut self, by: By) {
        if !self.tray.open {
            return;
        }
        self.tray.open = false;
        if self.tray.disc.is_some() {
            match by {
                By::Host if !self.attention.is_local() => {
                    self.attention.unit_of_others(MEDIUM_MAY_HAVE_CHANGED);
                }
                _ => self.attention.unit(MEDIUM_MAY_HAVE_CHANGED),
            }
            self.attention.event(MediaEvent::NewMedia);
            let slow = |fault: &Fault| match fault {
                Fault::BecomingReady { times } => Some(*times),
                _ => None,
            };
            self.attention
                .busy(BECOMING_READY, self.faults.fire(slow).unwrap_or(0));
            let now = self.now();
            if let Some(pace) = &mut self.pace {
                pace.work(now, pace.timing.spin_up, BECOMING_READY);
            }
        }
    }

    /// START STOP UNIT (MMC-6).
    pub(crate) fn start_stop(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        if cdb.u8(4) >> 4 != 0 {
            return Ok(Vec::new()); // a power condition: nothing spins here
        }
        match (cdb.bit(4, 1), cdb.bit(4, 0)) {
            (true, false) if self.attention.is_removal_prevented() => return Err(MEDIUM_REMOVAL_PREVENTED),
            (true, false) => self.open_tray(),
            (true, true) => self.load(By::Host),
            (false, true) => drop(self.ready()?),
            (false, false) => {
                if let Some(disc) = self.tray.disc.as_mut().filter(|_| !self.tray.open) {
                    disc.synchronize()?;
                }
            }
        }
        Ok(Vec::new())
    }

    /// PREVENT ALLOW MEDIUM REMOVAL (MMC-6).
    pub(crate) fn prevent_allow(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        if cdb.u8(4) > 3 {
            return Err(INVALID_FIELD_IN_CDB);
        }
        self.attention.prevent_removal(cdb.bit(4, 0));
        Ok(Vec::new())
    }

    /// MECHANISM STATUS (MMC-6): no changer, and the tray's position.
    pub(crate) fn mechanism_status(&self) -> Vec<u8> {
        vec![0, u8::from(self.tray.open) << 4, 0, 0, 0, 0, 0, 0]
    }
}
