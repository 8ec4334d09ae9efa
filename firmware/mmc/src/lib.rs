//! SCSI/MMC command set and the recorder state machines.
//!
//! A [`Drive`] is reached through a [`Transport`]: SG_IO on Linux (feature `sg`), or whatever a test offers.
//! It tells about its [`Disc`], reads blocks through a [`Reader`] and writes a session through a
//! [`Recorder`]:
//!
//! ```text
//! let mut drive = Drive::identify(transport, host)?;
//! let disc = drive.disc()?;                               // blank or appendable? where, how much room?
//! let plan = drive.plan(first, blocks)?;                  // refuses, with figures, before anything is
//! written let mut recorder = drive.record(plan)?; while ... { recorder.write(cluster)?; }                 //
//! whole clusters, in order let disc = recorder.finish(Close::Appendable)?; let mut reader = drive.reader();
//! let way = reader.defeat_cache(first..first + blocks, Reload::Allowed)?; reader.read(first, buffer)?;
//! ```
//!
//! Principles:
//! - No allocation, no panics on what a drive sends: every answer goes through one checked view.
//! - Sense data is judged once: retry, wait, degrade or stop, each with text, cause and remedy.
//! - Nothing is guessed after a lost answer: the drive is asked where it stands.
//! - Families of discs and peculiarities of drives are rows in tables.
//! - No command that rewrites firmware, no raw pass-through, and BD-R is never formatted.
//!
//! Limits: writes sequential BD-R and DVD+R; identifies everything.
#![no_std]

#[cfg(any(feature = "std", test))]
extern crate std;

mod bytes;
pub mod command;
mod disc;
mod drive;
mod error;
mod event;
mod profile;
mod quirk;
mod reader;
mod recorder;
mod sense;
mod sense_table;
#[cfg(feature = "sg")]
pub mod sg;
#[cfg(feature = "std")]
mod std_host;
mod strategy;
#[cfg(test)]
mod tests;
mod timeout;
mod transport;

pub use bytes::TooShort;
pub use disc::{Disc, DiscStatus, SessionState, Track};
pub use drive::{Drive, Identity, MediaEvent, MediaStatus};
pub use error::Error;
pub use event::{Event, Stage};
pub use profile::Profile;
pub use quirk::Quirks;
pub use reader::{CacheDefeat, Reader, Reload};
pub use recorder::{Close, Plan, Recorder};
pub use sense::{Reaction, Sense};
pub use sense_table::Diagnosis;
#[cfg(feature = "std")]
pub use std_host::StdHost;
pub use timeout::{Patience, patience};
pub use transport::{Completion, Data, Host, SENSE_LENGTH, Status, Transport, TransportError};

/// Bytes in a block, on every disc this driver works with.
pub const BLOCK: usize = 2048;
