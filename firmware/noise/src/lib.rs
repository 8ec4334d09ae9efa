//! The protected channel of the control protocol: Noise over any byte stream.
//!
//! After the greeting and the answer to it both ends shake hands; from then on the stream of frames travels in
//! records. A workstation that the box knows proves its key with [`Pattern::Known`]. One that it does not know
//! yet is paired: both ends derive a key from a short code that a person carried over, and bind it into the
//! handshake with [`Pattern::Paired`].
//!
//! ```text
//! record      length u16 BE, then that many bytes, at most 65535
//! known       Noise_XX_25519_ChaChaPoly_BLAKE2s
//! paired      one record each way with a SPAKE2 element (the workstation first), then
//!             Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s with the key that came of it
//! prologue    the greeting and the answer, as they were sent: neither can be changed on the way
//! ```
//!
//! Principles:
//! - One guess at a code costs one connection: SPAKE2 gives a listener or a man in the middle nothing to try
//!   others on.
//! - A record that was changed, left out, repeated or moved ends the channel; nothing of it is passed on.
//! - Keys are wiped from memory when dropped.
//!
//! Standards: The Noise Protocol Framework, revision 34; RFC 9382 (SPAKE2), in the Ed25519 group.
#![forbid(unsafe_code)]

mod code;
mod handshake;
mod key;
mod record;
mod stream;

pub use code::{Code, CodeError};
pub use handshake::{Established, Pattern, accept, connect};
pub use key::{KeyError, Public, Secret};
pub use record::{Opener, Sealer};
pub use stream::{Reading, Writing};

use displaydoc::Display;
use embedded_io::ErrorKind;
use thiserror::Error;

/// Longest record, without its length.
pub const RECORD: usize = 65535;

/// Bytes of a record that authenticate the others.
pub const TAG: usize = 16;

/// Why there is no protected channel, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, Error)]
#[non_exhaustive]
pub enum Error {
    /// the other end closed the connection within the handshake or a record
    Closed,
    /// the connection broke: {0:?}
    Broken(ErrorKind),
    /// the other end does not shake hands; what follows the two zeroes it began with may say why
    Refused,
    /// the other end's handshake is not one, or was changed on the way
    Handshake,
    /// the pairing code is not the one the other end has
    WrongCode,
    /// a record was changed, repeated or left out on the way
    Tampered,
    /// this machine has no random numbers: {0}
    NoRandomness(&'static str),
}
