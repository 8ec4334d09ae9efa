//! An emulated MMC burner, in process or behind an iSCSI target.
//!
//! A [`Drive`] takes command descriptor blocks and answers as a burner does: data, or sense. Its disc is a
//! directory that survives the process: `disc.img` holds the user sectors as any reader of ISO 9660 or UDF
//! wants them, `disc.toml` the tracks and sessions. A [`Target`] serves any number of drives over iSCSI
//! (RFC 7143), which is how QEMU puts one behind the SCSI, USB or virtio adapter of a guest. A [`Control`]
//! takes [`Order`]s over another socket: a disc is put in, a fault armed, an attention queued while a guest
//! runs; in the same process, [`SharedDrive::control`] does the same.
//!
//! # Principles
//!
//! - It decodes commands by itself, never with the driver it tests, so that both cannot be wrong in one way.
//! - Media families, features and mode pages are tables ([`Profile`] and its neighbours); faults are data
//!   ([`Fault`]).
//! - Time is the caller's: a drive answers as fast as it can unless a [`Timing`] or a fault says otherwise.
//! - What comes over the wire is hostile: lengths are bounded, and a malformed PDU ends its connection and
//!   nothing else.
//!
//! # Limits
//!
//! Data in mode 1 only: no audio, no CD-TEXT, no packets of fixed length on CD-RW, no layer jump, no random
//! recording mode of BD-R. A killed process loses at most the last 16 MiB written without SYNCHRONIZE CACHE, as a
//! drive loses its buffer, and nothing where any block can be overwritten; the host's own power failing is not
//! modelled. Section numbers are those of MMC-6, SPC-4, SAM-5 and RFC 7143.

mod at_once;
mod attention;
mod bytes;
mod clock;
mod compare;
mod control;
mod describe;
mod disc;
mod drive;
mod error;
mod fault;
mod features;
mod format;
mod identify;
mod iscsi;
mod modes;
mod order;
mod profile;
mod read_cd;
mod record;
mod recording;
mod sense;
mod shared;
mod speed;
mod structure;
mod timing;
mod toc;
mod trace;
mod tray;

pub use compare::Comparison;
pub use control::{Control, ControlAddress, Remote};
pub use disc::Disc;
pub use drive::{Drive, Response, Status};
pub use error::Error;
pub use fault::{Fault, Faults};
pub use iscsi::Target;
pub use order::{ArmedFault, Order, State};
pub use profile::{
    BD_R, BD_R_DL, BD_RE, BD_RE_DL, BD_ROM, CD_R, CD_ROM, CD_RW, DVD_PLUS_R, DVD_PLUS_R_DL, DVD_PLUS_RW,
    DVD_R, DVD_R_DL, DVD_RAM, DVD_ROM, DVD_RW, DVD_RW_RESTRICTED, PROFILES, Profile, Strategy,
};
pub use recording::{Recording, Track};
pub use sense::Sense;
pub use shared::SharedDrive;
pub use timing::{Throughput, Timing};
pub use trace::Record;

/// Bytes in a logical block of every medium here.
pub const BLOCK: usize = 2048;
