//! The descriptors a role is started with, by number.
//!
//! | number | net | doors | vault | reader |
//! |---|---|---|---|---|
//! | 0 | /dev/null | /dev/null | /dev/null | /dev/null |
//! | 1, 2 | log lines | log lines | log lines | log lines |
//! | 3 | init | init | init | requests of the vault |
//! | 4 | connections to doors | connections from net | sessions from doors | blocks from the vault |
//! | 5 | | sessions to vault | | |

/// The channel to init; for a reader, the vault's requests.
pub const CONTROL: i32 = 3;

/// Net and doors: connections. Vault: sessions. Reader: blocks.
pub const FIRST: i32 = 4;

/// Doors: sessions to the vault.
pub const SECOND: i32 = 5;

mod sys {
    #![allow(
        unsafe_code,
        reason = "a descriptor number becomes an owned descriptor in one place"
    )]

    use std::os::fd::{FromRawFd, OwnedFd};

    use rustix::io::Errno;

    /// Takes ownership of an inherited descriptor, closed on exec from now on.
    pub(super) fn take(number: i32) -> Result<OwnedFd, Errno> {
        // SAFETY: the caller names a descriptor of the role's contract and takes each once, before any
        // other thread or descriptor exists; the fcntl below fails on a number that is not open.
        let borrowed = unsafe { rustix::fd::BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
        // SAFETY: it is open (just shown) and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }
}

/// Takes an inherited channel; each number once, first thing in a role.
///
/// Fails with EBADF when the role was not started by init.
pub fn take(number: i32) -> Result<crate::Channel, rustix::io::Errno> {
    sys::take(number).map(Into::into)
}
