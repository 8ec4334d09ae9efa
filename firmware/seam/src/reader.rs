//! What the vault and a reader say to each other about one disc.
//!
//! Two channels: on the first the vault asks and the reader answers; on the second the reader asks for
//! blocks ([`Blocks`]) and the vault answers with a [`BlocksAnswer`] whose data follow in a message of
//! their own when it is `Granted`. A reader works on one request at a time.

use serde::{Deserialize, Serialize};
use wire::Entry;

/// Blocks in one [`Blocks`] request at most: with 2048 bytes each they fit one message.
pub const BLOCKS_MAX: u32 = 31;

/// What the vault asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToReader {
    /// Look at the disc: its readable blocks, and where its newest session starts. First of all requests.
    Open {
        /// Blocks that can be read.
        blocks: u64,
        /// First block of the newest session.
        session_start: u64,
    },
    /// Entries at and below a path, as [`wire::List`] says.
    List {
        /// The path.
        path: Vec<u8>,
        /// Levels below it.
        depth: u32,
    },
    /// Write a file's bytes to the descriptor that comes with this.
    Get {
        /// The file.
        path: Vec<u8>,
        /// First byte.
        offset: u64,
        /// Most bytes.
        length: u64,
    },
    /// Read every file named in `.spindle/SHA256SUMS` and compare.
    Check,
    /// Tell every entry and where its bytes lie, so that a further session can describe them again.
    Import,
}

/// Extents in one [`Recorded`] at most.
pub const EXTENTS_MAX: usize = 1000;

/// An entry of a disc, and where its bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The entry, with its digest where the disc's own list has it.
    pub entry: Entry,
    /// A file's number: its other names have the same.
    pub file: u64,
    /// First block and bytes of each run of blocks, in order.
    pub extents: Vec<(u32, u64)>,
    /// Further extents of the same entry follow in the next of these.
    pub more: bool,
    /// The bytes themselves, of a small file that has no blocks of its own.
    pub bytes: Option<Vec<u8>>,
}

/// What the reader answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromReader {
    /// The disc is readable: its volume label and the view used (such as `Rock Ridge`).
    Opened {
        /// Volume label.
        label: String,
        /// The view.
        view: String,
    },
    /// Some of the entries asked for.
    Entries(Vec<Entry>),
    /// No more entries.
    EntriesEnd,
    /// The file found; its bytes go to the descriptor: this many.
    File {
        /// The file.
        entry: Box<Entry>,
        /// Bytes that will be written.
        length: u64,
    },
    /// All bytes were written; with the digest the disc's own list has for the file.
    FileEnd(Option<[u8; 32]>),
    /// How far a check is: files, bytes so far, and bytes in all (0 unknown).
    CheckProgress {
        /// Files compared.
        files: u64,
        /// Bytes compared.
        bytes: u64,
        /// Bytes to compare.
        total: u64,
    },
    /// Every file was compared.
    Checked {
        /// Files that are equal.
        files: u64,
        /// Bytes in them.
        bytes: u64,
        /// What is not as it should be, in words, at most 100 of them; empty when all is well.
        findings: Vec<String>,
    },
    /// Some of the entries of an import, parents before what is in them.
    Recorded(Vec<Recorded>),
    /// The end of an import.
    ImportEnd {
        /// Entries that a further session could not show.
        left_out: u64,
        /// The first of them, in words.
        examples: Vec<String>,
        /// First block behind all that the session uses, as far as it tells.
        end: u64,
    },
    /// The disc has no `.spindle/SHA256SUMS`.
    NoDigests,
    /// The request failed: what is wrong, in words. `not_found` when there is no such path.
    Failed {
        /// Whether the path does not exist.
        not_found: bool,
        /// What happened.
        reason: String,
    },
}

/// The reader asks for blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// First block.
    pub block: u64,
    /// How many, 1 to [`BLOCKS_MAX`].
    pub count: u32,
}

/// The vault's answer to [`Blocks`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlocksAnswer {
    /// The next message is the data: raw bytes, 2048 a block.
    Granted,
    /// They cannot be read, for this reason.
    Failed(String),
}
