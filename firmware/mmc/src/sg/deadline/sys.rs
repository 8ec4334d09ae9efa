//! The signal that ends a wait in the kernel.
#![allow(unsafe_code)]

use core::ptr;
use std::io::{Error, Result};

/// A thread that can be interrupted for as long as it lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter(libc::pthread_t);

// SAFETY: a pthread_t is only a name; on some platforms its type is a pointer, which nothing here follows.
unsafe impl Send for Waiter {}

/// Does nothing: that it is called is what ends the system call.
extern "C" fn interrupted(_: libc::c_int) {}

/// The first of the real-time signals, which nothing else in this program uses.
fn signal() -> libc::c_int {
    libc::SIGRTMIN()
}

/// Installs the handler, without SA_RESTART: interrupted calls fail with EINTR instead of starting again.
pub(super) fn listen() -> Result<()> {
    // SAFETY: sigaction is plain data for which all zeroes is a valid value (no flags, nothing masked).
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int) = interrupted;
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: `action` lives until the call returns; the handler touches nothing, so it may run anywhere and
    // at any time. The old action is not asked for.
    match unsafe { libc::sigaction(signal(), &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

impl Waiter {
    /// The calling thread.
    pub(super) fn myself() -> Self {
        // SAFETY: has no preconditions.
        Self(unsafe { libc::pthread_self() })
    }

    /// Interrupts the thread's system call. The caller sees to it that the thread still lives.
    pub(super) fn interrupt(self) {
        // SAFETY: the thread lives: it is waited for inside `Deadline::run`, which cannot return before it has
        // taken this value back under the lock that the caller holds. The signal has a handler (`listen`).
        unsafe { libc::pthread_kill(self.0, signal()) };
    }
}
