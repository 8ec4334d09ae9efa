//! The control protocol: types, framing, versions. One language for all.
//!
//! What travels from a workstation to the box is what travels from a door to the vault. A connection is
//! a [`Greeting`] from the box, an [`Answer`] from the client, and then [`frame`]s both ways: a fixed
//! big-endian header and a body in postcard. `docs/protocol.md` is the specification.
//!
//! Principles:
//! - Numbers are assigned once and never reused; a body is never extended, a new shape takes a new kind.
//! - What may grow in the field (media, job kinds, errors) travels as [`Label`]: a number and a text, so
//!   that an old client shows what it does not know instead of failing.
//! - Every length is bounded before anything is allocated; nothing here panics on bytes from outside.
#![no_std]

extern crate alloc;

mod access;
mod bytes;
mod drive;
mod failure;
pub mod frame;
mod greeting;
mod job;
mod label;
mod message;
mod order;
mod path;
mod place;
mod session;
mod tree;

pub use access::{Allow, PairBegin, PairCode, Revoke, Workstation, Workstations};
pub use bytes::ByteString;
pub use drive::{
    Disc, DiscReport, DiscRequest, DiscSession, DiscTrack, Drive, DriveRequest, DriveState, Drives, Lock,
    Region, SetSpeed, Speeds,
};
pub use failure::{Failure, FailureCode};
pub use greeting::{
    Answer, CHANNEL_CLEAR, CHANNEL_NOISE, CHANNEL_PAIRING, Flags, GREETING_SIZE, Greeting, GreetingError,
    MAGIC, VERSION,
};
pub use job::{
    Burn, Job, JobEnded, JobProgress, JobStarted, JobSummary, Jobs, Outcome, Phase, Verify, WatchJob,
};
pub use label::Label;
pub use message::{DecodeError, KindRow, Reply, Request};
pub use order::{
    BurnCopy, CopyDisc, CopyMode, JobKind, JobLog, JobRequest, JobsStarted, LogLine, PRIORITY_DEFAULT,
    Record, RecordMode, Scrub, Treat, Treatment, Tree, TreeState, Trees,
};
pub use path::{PATH_COMPONENT_MAX, PATH_MAX, PathError, check_link_target, check_path};
pub use place::{GetIn, ListIn, Place, PlaceKind, RemoveTree};
pub use session::{Hello, Role, Status, Time, Welcome};
pub use tree::{
    Entry, EntryKind, Get, GetEnd, GetFile, List, ListEnd, ListEntries, PutBegin, PutDone, PutFileEnd,
    PutReady, Source,
};

/// The TCP port of the control protocol.
pub const PORT: u16 = 2352;

/// Bytes in one block of every disc this box writes (ECMA-119 §6.1.2, logical sector).
pub const BLOCK_SIZE: u64 = 2048;
