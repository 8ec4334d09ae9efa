//! Drives and discs area.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::label::numbered;
use crate::{Failure, Label};

/// Names one drive of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveRequest {
    /// The drive's number, from [`Drives`].
    pub drive: u32,
}

/// Asks for the disc in a drive.
pub type DiscRequest = DriveRequest;

/// Locks or unlocks a tray and its button.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The drive.
    pub drive: u32,
    /// Whether it is locked from now on.
    pub locked: bool,
}

/// Asks for speeds, in 1000 bytes a second; 0 for the fastest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSpeed {
    /// The drive.
    pub drive: u32,
    /// For writing; the drive takes the nearest it can.
    pub write: u32,
    /// For reading.
    pub read: u32,
}

/// The speeds a drive offers for the disc that is in it, in 1000 bytes a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speeds {
    /// The drive.
    pub drive: u32,
    /// For writing, fastest first; empty when it does not tell.
    pub write: Vec<u32>,
    /// The write speed set now, 0 when it does not tell.
    pub write_now: u32,
    /// The read speed set now, 0 when it does not tell.
    pub read_now: u32,
}

/// All there is to know of a disc in a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscReport {
    /// What [`Disc`] tells.
    pub disc: Disc,
    /// Its tracks.
    pub tracks: Vec<DiscTrack>,
    /// What is not as it should be, why, and what to do: an interrupted burn, open tracks. Empty when all is well.
    pub condition: Vec<Failure>,
    /// When the regions below were read, in seconds since 1970; 0 for never.
    pub mapped: i64,
    /// How well it read then.
    pub regions: Vec<Region>,
}

/// A track of a disc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscTrack {
    /// Its number.
    pub track: u32,
    /// Its session.
    pub session: u32,
    /// Its first block.
    pub start: u64,
    /// Its blocks, written or not.
    pub blocks: u64,
    /// Where it would be written next.
    pub next_writable: Option<u64>,
    /// Nothing is in it.
    pub blank: bool,
    /// It has a size reserved for it.
    pub reserved: bool,
    /// Its end was never recorded properly.
    pub damaged: bool,
}

/// How well a region of a disc read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its first block.
    pub start: u64,
    /// Its blocks.
    pub blocks: u64,
    /// Milliseconds it took.
    pub time: u64,
    /// Reads that had to be repeated.
    pub retried: u32,
    /// Blocks that could not be read.
    pub unreadable: u32,
}

/// Every drive of the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drives {
    /// In the order of their numbers.
    pub drives: Vec<Drive>,
}

/// One drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Its number.
    pub drive: u32,
    /// Who made it, as INQUIRY says.
    pub vendor: String,
    /// What it is, as INQUIRY says.
    pub product: String,
    /// Its firmware.
    pub revision: String,
    /// Its serial number; empty when it tells none.
    pub serial: String,
    /// A [`DriveState`]'s number; the text says more where there is more to say.
    pub state: Label,
    /// The current profile (MMC-6 §5.3.1), 0 without a disc.
    pub media: Label,
    /// The job it works on, 0 for none.
    pub job: u64,
}

/// A disc in a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disc {
    /// The drive it is in.
    pub drive: u32,
    /// The current profile (MMC-6 §5.3.1).
    pub media: Label,
    /// Disc status (MMC-6 §6.22): 0 blank, 1 appendable, 2 complete, 3 other.
    pub state: Label,
    /// Blocks of 2048 bytes the medium has in all.
    pub capacity: u64,
    /// Blocks that can still be written.
    pub free: u64,
    /// Where the next block goes; meaningful unless complete.
    pub next_writable: u64,
    /// The medium's own identification (disc information of its maker).
    pub media_id: String,
    /// Volume label; empty when blank or unreadable.
    pub label: String,
    /// Closed sessions, oldest first.
    pub sessions: Vec<DiscSession>,
    /// What the catalog calls this disc; all zero when it does not know it.
    pub disc_id: [u8; 16],
    /// Seconds since 1970 of its last successful verification, 0 for never.
    pub verified: i64,
}

/// One session of a disc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscSession {
    /// Its number, from 1.
    pub session: u32,
    /// Its first block.
    pub start: u64,
    /// Its blocks.
    pub blocks: u64,
}

numbered! {
    /// What a drive is doing.
    DriveState {
        /// It has not told who it is yet.
        Unknown = 0 "not identified",
        /// A disc is in it.
        Ready = 1 "ready",
        /// The tray is closed and empty.
        Empty = 2 "empty",
        /// The tray is out.
        Open = 3 "open",
        /// It works on something.
        Busy = 4 "busy",
        /// It has worked on one command for longer than any should take.
        Hung = 5 "hung",
        /// It answers wrongly or not at all.
        Failed = 6 "failed",
    }
}
