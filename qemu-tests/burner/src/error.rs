//! What can go wrong before a command reaches the drive.

use std::{io, path::PathBuf};

use displaydoc::Display;
use thiserror::Error;

/// Why a disc, a fault file or a target could not be set up.
#[derive(Debug, Display, Error)]
#[non_exhaustive]
pub enum Error {
    /// {path}: {source}
    File {
        /// The file or directory that was asked for.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// {path}: another burner holds this disc; end it first, or use another directory
    InUse {
        /// The disc's directory.
        path: PathBuf,
    },
    /// {path}: the disc's state cannot be read ({reason}); the sectors in disc.img are untouched
    State {
        /// The state file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// {path}: not a list of faults: {reason}
    Faults {
        /// The fault file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// a {name} of {blocks} blocks does not exist: give a multiple of {unit} from {unit} to {most}
    Capacity {
        /// The medium's name.
        name: &'static str,
        /// What was asked for, in blocks of 2048 bytes.
        blocks: u32,
        /// The medium's ECC block.
        unit: u32,
        /// The largest medium of that kind.
        most: u32,
    },
    /// {path}: cannot become a disc: {blocks} blocks for {room}, or the directory holds a disc already
    Image {
        /// The image file.
        path: PathBuf,
        /// Its blocks of 2048 bytes.
        blocks: u32,
        /// Blocks of the medium.
        room: u32,
    },
    /// "{name}" cannot be part of an iSCSI name: use 1 to 64 of a-z, 0-9, '-', '.' and give each drive its
    /// own
    Name {
        /// The name refused.
        name: String,
    },
    /// {reason}
    Order {
        /// Why an order to the drive was not carried out.
        reason: String,
    },
    /// {address}: {source}
    Listen {
        /// Where it should have listened, or been reached.
        address: String,
        /// What the system answered.
        source: io::Error,
    },
}
