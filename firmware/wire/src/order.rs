//! Orders of the jobs area: what long work can be asked for, beyond [`Burn`](crate::Burn) and
//! [`Verify`](crate::Verify).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::label::numbered;
use crate::{Label, Time};

/// The priority of a job that nobody gave one: of the jobs that wait for a drive the highest begins first, of
/// equals the oldest. A job that works is never put aside.
pub const PRIORITY_DEFAULT: u8 = 100;

/// Burns a tree, on one drive or on several at once: each is a job of its own, and one that fails stops no
/// other. The tree is archived when as many discs as `copies` says were read back with equal digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The drives, each at most once; empty for drive 0.
    pub drives: Vec<u32>,
    /// The tree; 0 for the newest that was not burned.
    pub tree: u64,
    /// Volume label, at most 32 characters; empty for one made from the tree, or the disc's own when appending.
    pub label: String,
    /// A [`RecordMode`].
    pub mode: u16,
    /// Whether the disc is finalised; otherwise sessions can be appended later.
    pub finalise: bool,
    /// Write speed in 1000 bytes a second, 0 for the fastest.
    pub speed: u32,
    /// Discs that must verify before the tree is archived; 0 leaves what was asked for before, at first 1.
    pub copies: u32,
    /// Its [priority](PRIORITY_DEFAULT).
    pub priority: u8,
}

numbered! {
    /// Onto which disc a tree goes.
    RecordMode {
        /// A blank one.
        New = 0 "new",
        /// One with sessions of any program: its newest tree and this one become one tree.
        Append = 1 "append",
        /// A rewritable one, whatever is on it.
        Overwrite = 2 "overwrite",
    }
}

/// The jobs exist; progress and the end of each follow under the same request id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsStarted {
    /// In the order of the drives that were named.
    pub jobs: Vec<u64>,
}

/// Takes a disc into the copy area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyDisc {
    /// The drive.
    pub drive: u32,
    /// A [`CopyMode`].
    pub mode: u16,
    /// The session whose tree is taken, 0 for the newest; an image has all.
    pub session: u32,
    /// Read speed in 1000 bytes a second, 0 for the fastest.
    pub speed: u32,
    /// Its [priority](PRIORITY_DEFAULT).
    pub priority: u8,
}

numbered! {
    /// What a copy of a disc is.
    CopyMode {
        /// Its files, which can be listed, fetched and burned like any tree.
        Tree = 0 "tree",
        /// Every block that can be read, in place; those that cannot are zeroes and listed.
        Image = 1 "image",
    }
}

/// Burns what is in the copy area, on one disc after the other in the same drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnCopy {
    /// The copy: a number of [`Trees`](crate::Trees).
    pub copy: u64,
    /// The drive.
    pub drive: u32,
    /// Discs to burn; 0 counts as 1. Between two the tray opens, and the job waits for the next blank disc.
    pub count: u32,
    /// Volume label of a tree's copies; empty for the copy's own.
    pub label: String,
    /// Whether the discs are finalised.
    pub finalise: bool,
    /// Write speed in 1000 bytes a second, 0 for the fastest.
    pub speed: u32,
    /// Its [priority](PRIORITY_DEFAULT).
    pub priority: u8,
}

/// Reads a whole disc, compares what can be compared, and keeps a map of how well each region reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// The drive.
    pub drive: u32,
    /// Read speed in 1000 bytes a second, 0 for the fastest.
    pub speed: u32,
    /// Its [priority](PRIORITY_DEFAULT).
    pub priority: u8,
}

/// Work on a disc itself, without data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treat {
    /// The drive.
    pub drive: u32,
    /// A [`Treatment`].
    pub treatment: u16,
    /// Whoever asks knows that what is on the disc is lost; without it what destroys is refused.
    pub confirmed: bool,
    /// Its [priority](PRIORITY_DEFAULT).
    pub priority: u8,
}

numbered! {
    /// What can be done to a disc without burning anything.
    Treatment {
        /// Close it for ever as it is.
        Finalise = 1 "finalise",
        /// Close what an interrupted burn left open, so that it can be read and appended to.
        Repair = 2 "repair",
        /// Make a CD-RW or DVD-RW blank by its tables alone.
        Blank = 3 "blank",
        /// Make a CD-RW or DVD-RW blank everywhere.
        BlankFully = 4 "blank fully",
        /// Format a rewritable disc as its family wants it.
        Format = 5 "format",
        /// Format it and have the drive check every block.
        FormatFully = 6 "format fully",
        /// Overwrite a rewritable disc so that nothing of it can be read.
        Erase = 7 "erase",
    }
}

/// Names a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRequest {
    /// Its number.
    pub job: u64,
}

/// What a job noted while it worked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLog {
    /// Its number.
    pub job: u64,
    /// Oldest first; of a long log the newest.
    pub lines: Vec<LogLine>,
}

/// A line of a job's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Time,
    /// What.
    pub text: String,
}

numbered! {
    /// What a job is for.
    JobKind {
        /// A tree on a new disc.
        Burn = 1 "burn",
        /// A disc compared with what is known of it.
        Verify = 2 "verify",
        /// A tree as a further session.
        Append = 3 "append",
        /// A disc into the copy area.
        Copy = 4 "copy",
        /// Discs out of the copy area.
        BurnCopy = 5 "burn copy",
        /// A disc read with a map of its regions.
        Scrub = 6 "scrub",
        /// Work on a disc without data; its text says which.
        Treat = 7 "treat",
    }
}

/// The trees on the data partition, and what is in its copy area; newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trees {
    /// As many as fit.
    pub trees: Vec<Tree>,
}

/// A tree on the data partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Its number.
    pub tree: u64,
    /// What it is called.
    pub name: String,
    /// A [`TreeState`].
    pub state: Label,
    /// When it was begun.
    pub created: Time,
    /// Files, hard links counted once; 0 for an image.
    pub files: u64,
    /// Bytes in them, or in the image.
    pub bytes: u64,
    /// Discs that must verify before it is archived.
    pub copies: u32,
    /// The discs that did, by their identities.
    pub discs: Vec<[u8; 16]>,
}

numbered! {
    /// Where a tree is in its life.
    TreeState {
        /// A put goes on.
        Receiving = 1 "receiving",
        /// On the data partition, synced and catalogued.
        Received = 2 "received",
        /// A job burns it.
        Burning = 3 "burning",
        /// On discs that verified, but on fewer than are asked for.
        Burned = 4 "burned",
        /// On as many discs as are asked for, each read back with equal digests; not here any more.
        Archived = 5 "archived",
        /// A disc's files in the copy area.
        CopyOfTree = 6 "copy",
        /// A disc's blocks in the copy area.
        CopyOfImage = 7 "image",
    }
}
