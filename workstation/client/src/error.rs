//! Why a request to a box did not succeed.

use std::io;
use std::path::PathBuf;

use noise::Public;
use wire::{DecodeError, Failure, GreetingError};

/// Everything that can end a request early.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// {0}
    Box(#[source] Failure),
    /// cannot reach the box at {address}: {error}
    Connect {
        /// Where it was looked for.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// something answers at {address}, but no box greets there: {error}
    NoGreeting {
        /// Where the box was looked for.
        address: String,
        /// How it ended.
        error: io::Error,
    },
    /// the connection to the box was lost: {0}
    Lost(io::Error),
    /// {0}
    NotABox(#[from] GreetingError),
    /// the box speaks protocol version {0}, older than this program's
    TooOld(u16),
    /// the box does not speak in the clear with this address, and this workstation is not paired with it
    KeyNeeded,
    /// this workstation has no key to prove itself with
    NoIdentity,
    /// what answers has the key {found}; the box this workstation was paired with has {known}
    AnotherBox {
        /// The key from pairing.
        known: Public,
        /// The key that was proved.
        found: Public,
    },
    /// the box did not take the code: it is another, or used up after five minutes, three tries or one workstation
    WrongCode,
    /// no protected channel to the box came about: {0}
    Handshake(noise::Error),
    /// the box sent what the protocol does not allow: {0}
    Protocol(#[from] DecodeError),
    /// the box answered {0:?}, which does not belong to the request
    Unexpected(String),
    /// bytes arrived other than the box sent them: {0}
    Damaged(&'static str),
    /// {path:?}: {error}
    Local {
        /// The file or directory of this machine.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// writing the received bytes failed: {0}
    Output(io::Error),
    /// {0:?} cannot be archived: {1}
    Unsuitable(PathBuf, String),
}

impl Error {
    /// The box's own words, when it was the box that refused.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Error::Box(failure) => Some(failure),
            _ => None,
        }
    }

    pub(crate) fn local(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Local { path, error }
    }
}
