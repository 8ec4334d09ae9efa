//! SCSI/MMC command set and the recorder state machines.
//!
//! A [`Drive`] is reached through a [`Transport`]: SG_IO on Linux (feature `sg`), or whatever a test offers.
//! It tells about its [`Disc`], reads blocks through a [`Reader`] and writes a session through a
//! [`Recorder`]:
//!
//! ```text
//! let mut drive = Drive::identify(transport, host)?;
//! let disc = drive.disc()?;                       // what kind, how written, where, how much room?
//! let plan = drive.plan(&Intent::new(at, blocks))?; // refuses, with figures, before anything is written
//! let mut recorder = drive.record(plan)?;         // formats, reserves, prepares
//! while ... { recorder.write(cluster)?; }         // whole clusters, in order
//! recorder.rewrite(&front)?;                      // overwritable discs only: what shows the session
//! let disc = recorder.finish()?;                  // closes as intended
//! ```
//!
//! Discs left half-written: [`Drive::diagnose`], [`Drive::resume`] exactly where the disc ends, [`Drive::repair`];
//! [`Drive::finalise`]. Discs that read badly: [`Drive::layout`], [`Reader::rescue`].
//!
//! Principles:
//! - No allocation, no panics on what a drive sends: every answer goes through one checked view.
//! - Sense data is judged once: retry, wait, degrade or stop, each with text, cause and remedy.
//! - Nothing is guessed after a lost answer: the drive is asked where it stands, or what it holds is read.
//! - Families of discs and peculiarities of drives are rows in tables.
//! - No command that rewrites firmware, no raw pass-through, and BD-R is never formatted.
//! - A new kind of disc is a row in `strategy` and at most a preparation in `recorder`.
//!
//! Limits: data in blocks of 2048 bytes, one track a session. Writes CD-R, CD-RW, DVD-R, DVD-RW, DVD-R DL,
//! DVD+R, DVD+R DL, DVD+RW, DVD-RAM, BD-R and BD-RE; not BD-R in random recording mode, not DVD-R DL with layer
//! jumps. What a DVD-R DL or a DVD-RW blanked minimally takes is one disc at once.
#![no_std]

#[cfg(any(feature = "std", test))]
extern crate std;

mod blank;
mod bytes;
pub mod command;
mod disc;
mod drive;
mod error;
mod event;
mod finalise;
mod format;
mod layout;
mod profile;
mod quirk;
mod reader;
mod recorder;
mod repair;
mod rescue;
mod resume;
mod sense;
mod sense_table;
#[cfg(feature = "sg")]
pub mod sg;
mod speed;
#[cfg(feature = "std")]
mod std_host;
mod strategy;
#[cfg(test)]
mod tests;
mod timeout;
mod transport;

pub use blank::Blank;
pub use bytes::TooShort;
pub use disc::{Background, Disc, DiscStatus, Model, SessionState, Track};
pub use drive::{Drive, Identity, MediaEvent, MediaStatus};
pub use error::Error;
pub use event::{Event, Stage};
pub use format::Format;
pub use layout::{EXTENTS, Extent, Layout};
pub use profile::Profile;
pub use quirk::{Answer, PECULIARITIES, Peculiarity, Quirks};
pub use reader::{CacheDefeat, Effort, Reader, Reload};
pub use recorder::{Close, Intent, Mode, Plan, Recorder};
pub use repair::{Condition, State};
pub use rescue::{BAD_RANGES, Piece, REGIONS, Region, Salvage};
pub use resume::{Interrupted, Loss, Resumption};
pub use sense::{Reaction, Sense};
pub use sense_table::Diagnosis;
pub use speed::{Pace, Rotation, Speeds, WriteSpeed};
#[cfg(feature = "std")]
pub use std_host::StdHost;
pub use timeout::{Patience, patience, patience_on};
pub use transport::{Completion, Data, Host, SENSE_LENGTH, Status, Transport, TransportError};

/// Bytes in a block, on every disc this driver works with.
pub const BLOCK: usize = 2048;
