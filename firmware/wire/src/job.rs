//! Jobs area: what takes long, and how it goes.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::label::numbered;
use crate::{Failure, Label, Time};

/// Burns a tree as a new disc, closes it, reads it back and compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burn {
    /// The drive.
    pub drive: u32,
    /// The tree; 0 for the newest that was not burned.
    pub tree: u64,
    /// Volume label, at most 32 characters; empty for one made from the tree.
    pub label: String,
    /// Whether the disc is finalised; otherwise sessions can be appended later.
    pub finalise: bool,
}

/// Reads a whole disc past every cache and compares it with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// The drive.
    pub drive: u32,
}

/// Follows a job started earlier, also by another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchJob {
    /// The job.
    pub job: u64,
}

/// The job exists; progress and its end follow under the same request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStarted {
    /// The job.
    pub job: u64,
}

/// How a job goes; a slow client misses some, never the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// The job.
    pub job: u64,
    /// What it does now: a [`Phase`] or one assigned later.
    pub phase: Label,
    /// Bytes done in this phase.
    pub done: u64,
    /// Bytes of this phase, 0 when unknown.
    pub total: u64,
    /// Bytes per second, lately.
    pub rate: u64,
    /// Fill of the drive's buffer in percent, 255 when unknown.
    pub buffer: u8,
}

/// A job ended, well or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnded {
    /// The job.
    pub job: u64,
    /// An [`Outcome`] or one assigned later.
    pub outcome: Label,
    /// What it did.
    pub summary: JobSummary,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// The figures of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSummary {
    /// The disc's identity; all zero when it has none.
    pub disc_id: [u8; 16],
    /// The session written or verified, from 1.
    pub session: u32,
    /// First block of the session.
    pub start: u64,
    /// Blocks written or compared.
    pub blocks: u64,
    /// Files.
    pub files: u64,
    /// Bytes in those files.
    pub bytes: u64,
    /// SHA-256 over the session's cluster digests in order; all zero when not computed.
    pub digest: [u8; 32],
    /// Milliseconds spent writing.
    pub write_time: u64,
    /// Milliseconds spent closing.
    pub close_time: u64,
    /// Milliseconds spent reading back.
    pub verify_time: u64,
    /// What else a person should know, such as how the cache was defeated.
    pub remarks: Vec<String>,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub job: u64,
    /// A [`JobKind`](crate::JobKind), or one assigned later.
    pub kind: Label,
    /// What it does now, or its outcome.
    pub state: Label,
    /// When it was asked for.
    pub created: Time,
    /// The drive.
    pub drive: u32,
    /// The tree, 0 for none.
    pub tree: u64,
}

/// The jobs the box remembers, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// The jobs.
    pub jobs: Vec<Job>,
}

numbered! {
    /// What a job does at a moment.
    Phase {
        /// Waits for its drive.
        Queued = 1 "queued",
        /// Plans the image and asks the drive whether it fits.
        Preparing = 2 "preparing",
        /// Writes.
        Writing = 3 "writing",
        /// Closes track, session or disc.
        Closing = 4 "closing",
        /// Defeats caches, then reads back and compares.
        Verifying = 5 "verifying",
        /// Ended; the outcome says how.
        Ended = 6 "ended",
        /// Waits until another disc is in the drive.
        AwaitingDisc = 7 "waiting for the next disc",
        /// Reads a disc into the copy area.
        Copying = 8 "copying",
        /// The drive works on the disc by itself.
        Treating = 9 "treating the disc",
        /// Its disc is good; the others of the same tree are waited for.
        AwaitingOthers = 10 "waiting for the other discs",
    }
}

numbered! {
    /// How a job ended.
    Outcome {
        /// On the required number of discs, closed, read back past every cache, digests equal.
        Archived = 1 "archived",
        /// Written and closed; not proved by reading back.
        Burned = 2 "burned",
        /// The disc was read and every digest is equal.
        Verified = 3 "verified",
        /// See the failure.
        Failed = 4 "failed",
        /// The box restarted meanwhile.
        Interrupted = 5 "interrupted",
        /// Every block was read, but for some there was nothing to compare with.
        Readable = 6 "readable",
        /// Somebody cancelled it.
        Cancelled = 7 "cancelled",
        /// Done: what was asked for had nothing to prove.
        Done = 8 "done",
        /// The disc is in the copy area; the failure tells what of it could not be read.
        Copied = 9 "copied",
    }
}
