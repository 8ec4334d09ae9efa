//! What the two threads of a connection tell each other.

use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Ended;

/// The state both threads see; the thread of replies writes, the thread of requests waits.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Who ended the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The vault.
    Vault,
    /// The client, or it takes nothing.
    Client,
}

#[derive(Default)]
struct State {
    /// The role the vault granted.
    granted: Option<u16>,
    /// The vault refused the hello.
    denied: bool,
    /// Replies end, and with them everything else.
    gone: Option<Gone>,
    /// A get is copied: until it is, the vault's answers wait behind it.
    copying: bool,
    /// Request id of the newest put.
    put: Option<u32>,
    /// Request id of the newest put that failed: its client heard so, and hears no more of it.
    muted: Option<u32>,
    /// The descriptor for the put's file.
    file: Option<OwnedFd>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// The vault answered the hello: with a role, or not.
    pub(super) fn grant(&self, role: Option<u16>) {
        self.change(|state| (state.granted, state.denied) = (role, role.is_none()));
    }

    /// Replies end.
    pub(super) fn leave(&self, gone: Gone) {
        self.change(|state| state.gone = Some(gone));
    }

    /// Whether replies ended, and who is to blame.
    pub(super) fn gone(&self) -> Option<Gone> {
        self.lock().gone
    }

    /// Whether the hello was answered.
    pub(super) fn is_granted(&self) -> bool {
        self.lock().granted.is_some()
    }

    /// A get begins or ends.
    pub(super) fn copying(&self, copying: bool) {
        self.change(|state| state.copying = copying);
    }

    /// A put begins.
    pub(super) fn begin(&self, id: u32) {
        self.change(|state| (state.put, state.muted, state.file) = (Some(id), None, None));
    }

    /// A descriptor that nobody took belongs to a file before.
    pub(super) fn forget_file(&self) {
        self.change(|state| state.file = None);
    }

    /// The vault granted a file for a put.
    pub(super) fn grant_file(&self, id: u32, file: Option<OwnedFd>) {
        self.change(|state| {
            if state.put == Some(id) {
                state.file = file;
            }
        });
    }

    /// Ends what the client hears of its newest put, if it has this id; false when it had ended before.
    pub(super) fn mute(&self, id: u32) -> bool {
        let mut first = true;
        self.change(|state| {
            first = state.muted != Some(id);
            if state.put == Some(id) {
                state.muted = Some(id);
            }
        });
        first
    }

    /// The client uses the id again.
    pub(super) fn unmute(&self, id: u32) {
        let mut state = self.lock();
        if state.muted == Some(id) {
            (state.put, state.muted) = (None, None);
        }
    }

    /// Whether the client hears no more of this request.
    pub(super) fn is_muted(&self, id: u32) -> bool {
        self.lock().muted == Some(id)
    }

    /// Waits for the vault's answer to the hello.
    pub(super) fn granted(&self, limit: Duration) -> Result<u16, Ended> {
        self.wait(limit, |state| {
            if state.denied {
                Some(Err(Ended::Closed))
            } else {
                state.granted.map(Ok)
            }
        })?
    }

    /// Waits for the descriptor of the put's file; `None` when the vault failed the put instead.
    pub(super) fn file(&self, id: u32, limit: Duration) -> Result<Option<OwnedFd>, Ended> {
        self.wait(limit, |state| {
            if state.muted == Some(id) {
                Some(None)
            } else {
                state.file.take().map(Some)
            }
        })
    }

    fn wait<T>(&self, limit: Duration, mut ready: impl FnMut(&mut State) -> Option<T>) -> Result<T, Ended> {
        let mut end = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(value) = ready(&mut state) {
                return Ok(value);
            }
            let now = Instant::now();
            if state.copying {
                end = now + limit;
            }
            if state.gone == Some(Gone::Client) {
                return Err(Ended::Closed);
            }
            if state.gone.is_some() || now >= end {
                return Err(Ended::vault_gone());
            }
            (state, _) = self
                .changed
                .wait_timeout(state, end - now)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
