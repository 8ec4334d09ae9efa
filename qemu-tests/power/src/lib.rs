//! A disk with a volatile write cache whose power fails at any recorded moment.
//!
//! What a killed process wrote is safe in the host's page cache, so killing a box proves nothing about power. A
//! [`Disk`] keeps a log of every write and flush it was given, with marks the test enters beside them
//! ("acknowledged: tree 1"). The log's [`Recording`] can afterwards be cut at any moment, as often as wanted: what
//! was flushed is there, and of all later writes a seeded, reordered, possibly torn subset. Each cut is an
//! [`Image`], from which a file, or another disk, is made.
//!
//! Two fronts put a disk before programs: [`nbd::Server`] for machines in QEMU, [`fuse::Front`] as a file that this
//! host's loop devices and file systems use, see [`mount`].
//!
//! # Principles
//!
//! - The disk knows nothing of what is on it: one recording serves file systems, partition tables and boot slots.
//! - Never less than what was flushed, never more than what was written; everything between may happen.
//! - The same recording, moment and seed give the same bytes.
//!
//! # Limits
//!
//! A disk lives in memory: what was written and the log of it, tens of megabytes for a test. A sector is whole or
//! was not written; rotten or misdirected sectors are other faults. Discarding is not offered.

mod cut;
mod disk;
pub mod fuse;
mod image;
pub mod mount;
pub mod nbd;
mod seeds;

pub use cut::{Loss, Recording, Style};
pub use disk::{Disk, OutOfRange};
pub use image::Image;
pub use seeds::{Dice, Seeds};
