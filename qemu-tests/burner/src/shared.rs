//! A drive that several threads may use: transports, and a hand at its front.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::{
    attention::LOCAL,
    drive::{Drive, Response},
};

struct Shared {
    /// Held for a whole command with its delayed reply: a drive does one thing at a time.
    turn: Mutex<()>,
    /// Held only while the drive works, so that the front panel stays usable during a delay.
    drive: Mutex<Drive>,
}

/// A handle on a [`Drive`]; clones are handles on the same one.
#[derive(Clone)]
pub struct SharedDrive(Arc<Shared>);

impl SharedDrive {
    /// Shares `drive`.
    #[must_use]
    pub fn new(drive: Drive) -> Self {
        Self(Arc::new(Shared {
            turn: Mutex::new(()),
            drive: Mutex::new(drive),
        }))
    }

    /// Executes one command; see [`Drive::execute`]. Commands of several callers take turns.
    #[must_use]
    pub fn execute(&self, cdb: &[u8], data_out: &[u8]) -> Response {
        self.execute_for(LOCAL, cdb, data_out)
    }

    /// The same for the initiator of that name.
    pub(crate) fn execute_for(&self, initiator: &[u8], cdb: &[u8], data_out: &[u8]) -> Response {
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (response, delay) = self.lock().perform(initiator, cdb, data_out);
        thread::sleep(delay);
        response
    }

    /// Uses the drive's front panel or arms faults, between two commands or while a reply is being delayed.
    pub fn control<T>(&self, action: impl FnOnce(&mut Drive) -> T) -> T {
        action(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Drive> {
        self.0.drive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDrive").finish_non_exhaustive()
    }
}
