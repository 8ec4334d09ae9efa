//! What the catalog keeps, in shapes that never change without a new number.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::{ByteString, Entry, Failure, JobSummary, Label, LogLine, Region, Time};

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
            Some((version, body)) => {
                Self::decode_older(*version, body).unwrap_or(Err(CatalogError::Newer(u64::from(*version))))
            }
            None => Err(CatalogError::Damaged(Self::what())),
        }
    }

    /// Reads what an older firmware stored in another shape; `None` for a version that never was.
    fn decode_older(_version: u8, _body: &[u8]) -> Option<Result<Self, CatalogError>> {
        None
    }

    /// What it is, in words.
    fn what() -> &'static str;
}

/// Reads the body of an older shape.
fn older<Old: DeserializeOwned, New: From<Old> + Record>(body: &[u8]) -> Result<New, CatalogError> {
    let old: Old = postcard::from_bytes(body).map_err(|_| CatalogError::Damaged(New::what()))?;
    Ok(old.into())
}

macro_rules! records {
    ($($name:ident $what:literal,)*) => { $(impl Record for $name { fn what() -> &'static str { $what } })* };
}
records! {
    EntryRecord "entry",
    DiscRecord "disc",
    EventRecord "event",
    WriteRecord "begun session",
    MapRecord "map of a disc",
    ImageRecord "image",
    LogRecord "log",
}

impl Record for TreeRecord {
    const VERSION: u8 = 2;

    fn what() -> &'static str {
        "tree"
    }

    fn decode_older(version: u8, body: &[u8]) -> Option<Result<Self, CatalogError>> {
        (version == 1).then(|| older::<TreeRecord1, _>(body))
    }
}

impl Record for JobRecord {
    const VERSION: u8 = 2;

    fn what() -> &'static str {
        "job"
    }

    fn decode_older(version: u8, body: &[u8]) -> Option<Result<Self, CatalogError>> {
        (version == 1).then(|| older::<JobRecord1, _>(body))
    }
}

/// Where a tree is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TreeState {
    /// In `work/`; entries can be added.
    Open,
    /// Promised to the jobs of a group, still in `work/` or already in `jobs/<group>/tree`.
    Claimed(u64),
    /// Its bytes are on a disc that was read back, and no longer on the data partition.
    Archived([u8; 16]),
    /// Taken from a disc, in `copies/<tree>/tree`; never changed.
    Kept,
    /// A disc's blocks, in `copies/<tree>/image`; never changed.
    Image,
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
    /// Discs that must verify before it is archived.
    pub wanted: u32,
    /// The discs that did.
    pub discs: Vec<[u8; 16]>,
}

impl TreeRecord {
    /// Whether as many discs verified as are asked for.
    pub(crate) fn is_enough(&self) -> bool {
        u32::try_from(self.discs.len()).is_ok_and(|count| count >= self.wanted.max(1))
    }
}

/// A working tree as version 1 had it: one disc was enough.
#[derive(Serialize, Deserialize)]
struct TreeRecord1 {
    name: String,
    created: Time,
    state: TreeState,
    receiving: bool,
    files: u64,
    bytes: u64,
    links: u64,
}

impl From<TreeRecord1> for TreeRecord {
    fn from(old: TreeRecord1) -> Self {
        let discs = match old.state {
            TreeState::Archived(disc) => vec![disc],
            _ => Vec::new(),
        };
        Self {
            name: old.name,
            created: old.created,
            state: old.state,
            receiving: old.receiving,
            files: old.files,
            bytes: old.bytes,
            links: old.links,
            wanted: 1,
            discs,
        }
    }
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
    /// Burn a tree as a new disc; what version 1 knew of [`Self::Record`].
    Burn {
        tree: u64,
        label: String,
        finalise: bool,
    },
    /// Read a disc and compare.
    Verify,
    /// Burn a tree.
    Record(Recording),
    /// Take a disc, or a session's tree, into the copy area.
    Copy { image: bool, session: u32, speed: u32 },
    /// Read a disc, compare what can be compared, and map it.
    Scrub { speed: u32 },
    /// A [`wire::Treatment`].
    Treat(u16),
}

/// How a tree is burned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recording {
    pub tree: u64,
    /// Empty for one made from the tree.
    pub label: String,
    pub mode: Mode,
    pub finalise: bool,
    /// In 1000 bytes a second, 0 for the fastest.
    pub speed: u32,
    /// Another disc than a blank one is put out, and a blank one waited for: how copies are burned in a row.
    pub in_a_row: bool,
}

/// Onto which disc a tree goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// A blank one.
    New,
    /// One with sessions, whose newest tree is kept.
    Append,
    /// A rewritable one, whatever is on it.
    Overwrite,
}

impl Order {
    /// The tree that is burned.
    pub(crate) fn tree(&self) -> Option<u64> {
        match self {
            Self::Burn { tree, .. } | Self::Record(Recording { tree, .. }) => Some(*tree),
            _ => None,
        }
    }

    /// Its number and name.
    pub(crate) fn kind(&self) -> Label {
        use wire::JobKind;
        match self {
            Self::Record(Recording { in_a_row: true, .. }) => JobKind::BurnCopy.label(),
            Self::Record(Recording {
                mode: Mode::Append, ..
            }) => JobKind::Append.label(),
            Self::Burn { .. } | Self::Record(_) => JobKind::Burn.label(),
            Self::Verify => JobKind::Verify.label(),
            Self::Copy { .. } => JobKind::Copy.label(),
            Self::Scrub { .. } => JobKind::Scrub.label(),
            Self::Treat(treatment) => {
                let text = wire::Treatment::from_number(*treatment).map_or("treat", wire::Treatment::text);
                Label::new(JobKind::Treat.number(), text)
            }
        }
    }
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
    /// Vendor, product and serial number of the drive, as far as it told them by then.
    pub identity: String,
    /// Of those that wait the highest begins first.
    pub priority: u8,
    /// Also the date of the image's own records.
    pub created: Time,
    /// The identity given to the disc; all zero for none.
    pub disc: [u8; 16],
    /// The first of the jobs that burn the same tree together; 0 in records of version 1.
    pub group: u64,
    /// `None` while it waits or works, or when a restart found it so.
    pub ending: Option<Ending>,
}

/// A job as version 1 had it.
#[derive(Serialize, Deserialize)]
struct JobRecord1 {
    order: Order,
    drive: u32,
    created: Time,
    disc: [u8; 16],
    ending: Option<Ending>,
}

impl From<JobRecord1> for JobRecord {
    fn from(old: JobRecord1) -> Self {
        Self {
            order: old.order,
            drive: old.drive,
            identity: String::new(),
            priority: wire::PRIORITY_DEFAULT,
            created: old.created,
            disc: old.disc,
            group: 0,
            ending: old.ending,
        }
    }
}

/// A session that a job began to write: what it takes to go on after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WriteRecord {
    /// First block of the session.
    pub first: u32,
    /// Blocks of its image.
    pub blocks: u32,
    /// Blocks in a cluster.
    pub cluster: u32,
    /// The session whose tree was merged, by its first block.
    pub base: Option<u32>,
    /// The view in which it was, such as Rock Ridge: another has other times, and makes another image.
    pub view: String,
    /// The identity the disc has then, and its label.
    pub id: [u8; 16],
    pub label: String,
    /// The medium's own identification.
    pub media_id: String,
    /// Read back with equal digests: only the policy's word is missing.
    pub verified: bool,
}

/// How well a disc read when it was read last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MapRecord {
    /// Seconds since 1970.
    pub at: i64,
    pub regions: Vec<Region>,
}

/// An image in the copy area.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// Profile of the disc it was taken from.
    pub profile: u16,
    pub blocks: u32,
    /// SHA-256 of all blocks, those that could not be read as zeroes.
    pub digest: [u8; 32],
    /// Runs of blocks that could not be read: first block and how many.
    pub bad: Vec<(u32, u32)>,
}

/// What a job noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogRecord(pub Vec<LogLine>);

/// One session of a disc, as it was burned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    /// Its number, from 1.
    pub session: u32,
    pub start: u64,
    pub blocks: u64,
    /// The job that wrote it; `jobs/<job>/clusters` has its digests. 0 for one written elsewhere.
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
    fn records_of_version_1_are_understood() {
        let old = TreeRecord1 {
            name: "t".into(),
            created: Time::default(),
            state: TreeState::Archived([7; 16]),
            receiving: false,
            files: 1,
            bytes: 2,
            links: 3,
        };
        let bytes = postcard::to_extend(&old, vec![1]).unwrap();
        let tree = TreeRecord::decode(&bytes).unwrap();
        assert_eq!((tree.wanted, tree.discs, tree.links), (1, vec![[7; 16]], 3));
        let order = Order::Burn {
            tree: 5,
            label: String::new(),
            finalise: true,
        };
        let old = JobRecord1 {
            order: order.clone(),
            drive: 1,
            created: Time::default(),
            disc: [0; 16],
            ending: None,
        };
        let bytes = postcard::to_extend(&old, vec![1]).unwrap();
        let job = JobRecord::decode(&bytes).unwrap();
        assert_eq!((job.order, job.drive, job.group), (order, 1, 0));
        assert!(matches!(JobRecord::decode(&[3]), Err(CatalogError::Newer(3))));
    }

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
