//! The client library: a workstation's end of the control protocol.
//!
//! [`Connection`] is one session with one box, blocking and meant for one thread; open as many as needed.
//! Each request of the protocol is a method that returns what the box answered or an [`Error`]; long work
//! tells how it goes through a callback.
//!
//! ```no_run
//! let mut session = client::Connection::open("192.0.2.7:2352", &client::Options::default())?;
//! let status = session.status()?;
//! println!("{} is up since {} s", session.welcome().name(), status.uptime);
//! # Ok::<(), client::Error>(())
//! ```

mod access;
mod connection;
mod error;
mod get;
mod jobs;
mod open;
mod put;
mod socket;
mod source;
mod stream;

pub use connection::{Connection, Session};
pub use error::Error;
pub use noise::{Code, Public, Secret};
pub use open::Options;
pub use put::{PutProgress, PutReport};
pub use source::{Item, Skipped, SourceTree};
pub use wire;

use sha2::{Digest, Sha256};

/// CRC-32C of a chunk, as it travels before it.
fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

fn finish(digest: Sha256) -> [u8; 32] {
    digest.finalize().into()
}
