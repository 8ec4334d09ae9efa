//! What the catalog keeps, in shapes that never change without a new number.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::{ByteString, Entry, Failure, JobSummary, Time};

use super::CatalogError;

/// A value of the catalog: its bytes are a version number and the postcard of that version's shape.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The version of the shape below.
    const VERSION: u8 = 1;

    /// The bytes that are stored.
    fn encode(&self) -> Result<Vec<u8>, CatalogError> {
        postcard::to_extend(self, vec![Self::VERSION]).map_err(|_| CatalogError::Damaged(Self::what()))
    }

    /// Reads what is stored.
    fn decode(bytes: &[u8]) -> Result<Self, CatalogError> {
        match bytes.split_first() {
            Some((version, body)) if *version == Self::VERSION => {
                postcard::from_bytes(body).map_err(|_| CatalogError::Damaged(Self::what()))
            }
            Some((version, _)) => Err(CatalogError::Newer(u64::from(*version))),
            None => Err(CatalogError::Damaged(Self::what())),
        }
    }

    /// What it is, in words.
    fn what() -> &'static str;
}

macro_rules! records {
    ($($name:ident $what:literal,)*) => { $(impl Record for $name { fn what() -> &'static str { $what } })* };
}
records! {
    TreeRecord "tree",
    EntryRecord "entry",
    JobRecord "job",
    DiscRecord "disc",
    EventRecord "event",
}

/// Where a tree is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TreeState {
    /// In `work/`; entries can be added.
    Open,
    /// Promised to a job, still in `work/` or already in `jobs/<job>/tree`.
    Claimed(u64),
    /// Its bytes are on a disc that was read back, and no longer on the data partition.
    Archived([u8; 16]),
}

/// A working tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreeRecord {
    /// What its client calls it.
    pub name: String,
    /// When it was begun.
    pub created: Time,
    /// Where it is in its life.
    pub state: TreeState,
    /// A put is under way: after a restart its directory may hold what no entry names.
    pub receiving: bool,
    /// Files, hard links counted once.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Hard-link numbers given so far.
    pub links: u64,
}

/// An entry of a tree; its path is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub kind: u16,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    pub size: u64,
    pub target: ByteString,
    pub hard_link: u64,
    pub sha256: Option<[u8; 32]>,
}

impl EntryRecord {
    /// What is kept of an entry as it came.
    pub(crate) fn new(entry: &Entry) -> Self {
        Self {
            kind: entry.kind,
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: Time {
                nanoseconds: entry.mtime.nanoseconds.min(999_999_999),
                ..entry.mtime
            },
            size: entry.size,
            target: entry.target.clone(),
            hard_link: entry.hard_link,
            sha256: None,
        }
    }

    /// The entry as clients see it.
    pub(crate) fn into_entry(self, path: Vec<u8>) -> Entry {
        Entry {
            path: ByteString(path),
            kind: self.kind,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            size: self.size,
            target: self.target,
            hard_link: self.hard_link,
            sha256: self.sha256,
        }
    }
}

/// What a job is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Burn a tree as a new disc.
    Burn {
        tree: u64,
        label: String,
        finalise: bool,
    },
    /// Read a disc and compare.
    Verify,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// A [`wire::Outcome`].
    pub outcome: u16,
    pub summary: JobSummary,
    pub failure: Option<Failure>,
    pub at: Time,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub order: Order,
    pub drive: u32,
    /// Also the date of the image's own records.
    pub created: Time,
    /// The identity given to the disc; all zero for none.
    pub disc: [u8; 16],
    /// `None` while it waits or works, or when a restart found it so.
    pub ending: Option<Ending>,
}

/// One session of a disc, as it was burned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    /// Its number, from 1.
    pub session: u32,
    pub start: u64,
    pub blocks: u64,
    /// The job that wrote it; `jobs/<job>/clusters` has its digests.
    pub job: u64,
    /// Blocks in a cluster, the last excepted.
    pub cluster: u32,
    /// SHA-256 over the cluster digests in order.
    pub digest: [u8; 32],
    pub files: u64,
    pub bytes: u64,
}

/// A disc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiscRecord {
    pub label: String,
    /// Profile (MMC-6 §5.3.1).
    pub profile: u16,
    pub media_id: String,
    pub created: Time,
    pub sessions: Vec<SessionRecord>,
    /// Seconds since 1970 of its last successful verification, 0 for never.
    pub verified: i64,
}

/// How much attention an event wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Severity {
    Note,
    Warning,
    Error,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    pub at: Time,
    pub severity: Severity,
    /// The part of the box that tells: `clock`, `trees`, `jobs`, `drives`.
    pub component: String,
    pub what: String,
    pub cause: String,
    pub remedy: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_later_version_is_told_apart_from_damage() {
        let event = EventRecord {
            at: Time::default(),
            severity: Severity::Note,
            component: "clock".into(),
            what: "set".into(),
            cause: String::new(),
            remedy: String::new(),
        };
        let mut bytes = event.encode().unwrap();
        assert_eq!(EventRecord::decode(&bytes).unwrap(), event);
        bytes.truncate(bytes.len() - 1);
        assert!(matches!(
            EventRecord::decode(&bytes),
            Err(CatalogError::Damaged("event"))
        ));
        bytes[0] = 2;
        assert!(matches!(EventRecord::decode(&bytes), Err(CatalogError::Newer(2))));
    }
}
