//! Whether anybody still has a file open for writing.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// Whether a file has a writer: a read lease (fcntl(2), F_SETLEASE) is refused then. The lease itself is
/// given back at once, as its holder would be sent signals.
///
/// File systems without leases cannot tell and say no; the digest compared in the burn pass still can.
pub(crate) fn has_writer(file: BorrowedFd<'_>) -> bool {
    match sys::set_lease(file, libc::F_RDLCK) {
        Ok(()) => {
            let _ = sys::set_lease(file, libc::F_UNLCK);
            false
        }
        Err(error) => error == Errno::AGAIN,
    }
}

mod sys {
    #![allow(unsafe_code, reason = "rustix has no F_SETLEASE")]

    use std::os::fd::{AsRawFd, BorrowedFd};

    use rustix::io::Errno;

    pub(super) fn set_lease(file: BorrowedFd<'_>, kind: libc::c_int) -> Result<(), Errno> {
        // SAFETY: the descriptor is open for as long as it is borrowed, and F_SETLEASE takes an integer.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
        match result {
            0 => Ok(()),
            _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        }
    }
}
