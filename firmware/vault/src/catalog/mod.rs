//! The catalog: every acknowledged change is durable, opening it never asks.
//!
//! | table | key | value |
//! |---|---|---|
//! | counters | name | the next number to give: trees, jobs, sessions, events |
//! | facts | name | schema version, box id, where the clock was anchored |
//! | trees | tree | [`TreeRecord`] |
//! | entries | tree, sort key of the path | [`EntryRecord`] |
//! | jobs | job | [`JobRecord`] |
//! | discs | disc id | [`DiscRecord`] |
//! | fingerprints | SHA-256 of a session's descriptors | disc id |
//! | events | sequence number | [`EventRecord`] |
//!
//! One transaction writes at a time and readers never wait for it. Each commit saves the allocator's
//! state (quick repair), so that opening after a power cut costs no walk through the file.

mod discs;
mod events;
mod jobs;
mod records;
mod trees;

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{Database, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

pub(crate) use events::log;
pub(crate) use records::{
    DiscRecord, Ending, EntryRecord, EventRecord, JobRecord, Order, Record, SessionRecord, Severity,
    TreeRecord, TreeState,
};
pub(crate) use trees::sort_key;

/// The version of the tables above.
const SCHEMA: u64 = 1;

/// Bytes of the file kept in memory: the box has 256 MiB in all.
const CACHE: usize = 6 << 20;

/// Session numbers kept for one start of the box; should it serve more, the next start's repeat some.
const SESSIONS_A_START: u64 = 1 << 20;

const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");
const TREES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("trees");
const ENTRIES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("entries");
const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs");
const DISCS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("discs");
const FINGERPRINTS: TableDefinition<'_, [u8; 32], [u8; 16]> = TableDefinition::new("fingerprints");
const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

/// Why the catalog could not do what was asked.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
pub(crate) enum CatalogError {
    /// {0}
    Database(Box<redb::Error>),
    /// its file cannot be opened: {0}
    File(#[from] Errno),
    /// a {0} in it is damaged
    Damaged(&'static str),
    /// it was written by a later firmware (version {0})
    Newer(u64),
    /// its file is gone, but trees it described are there
    Lost,
    /// its schema or a record it must have is missing
    Missing,
    /// the box has no random numbers: {0}
    Random(Errno),
}

macro_rules! from_redb {
    ($($error:ident)*) => { $(impl From<redb::$error> for CatalogError {
        fn from(error: redb::$error) -> Self {
            Self::Database(Box::new(error.into()))
        }
    })* };
}
from_redb!(DatabaseError TransactionError TableError StorageError CommitError);

/// The catalog; see the module.
pub(crate) struct Catalog {
    database: Database,
    box_id: [u8; 16],
}

impl Catalog {
    /// Opens `catalog.redb` in the data partition's directory, or makes it.
    ///
    /// It is made under another name and renamed when complete, so that a power cut in between leaves
    /// either none or a whole one. Where there `must` be one, none is made.
    pub(crate) fn open(data: BorrowedFd<'_>, must: bool) -> Result<Self, CatalogError> {
        const NAME: &str = "catalog.redb";
        const UNFINISHED: &str = "catalog.redb.new";
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::openat(data, NAME, flags, mode) {
            Err(Errno::NOENT) if must => Err(CatalogError::Lost),
            Err(Errno::NOENT) => {
                let flags = flags | OFlags::CREATE | OFlags::TRUNC;
                let file = rustix::fs::openat(data, UNFINISHED, flags, mode)?;
                let catalog = Self::create(file.into())?;
                rustix::fs::renameat(data, UNFINISHED, data, NAME)?;
                rustix::fs::fsync(data)?;
                Ok(catalog)
            }
            opened => Self::existing(opened?.into()),
        }
    }

    fn database(file: File) -> Result<Database, CatalogError> {
        let backend = redb::backends::FileBackend::new(file)?;
        Ok(Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(backend)?)
    }

    fn create(file: File) -> Result<Self, CatalogError> {
        let mut box_id = [0; 16];
        random(&mut box_id)?;
        let catalog = Self {
            database: Self::database(file)?,
            box_id,
        };
        catalog.write(|transaction| {
            transaction.open_table(COUNTERS)?;
            transaction.open_table(TREES)?;
            transaction.open_table(ENTRIES)?;
            transaction.open_table(JOBS)?;
            transaction.open_table(DISCS)?;
            transaction.open_table(FINGERPRINTS)?;
            transaction.open_table(EVENTS)?;
            let mut facts = transaction.open_table(FACTS)?;
            facts.insert("schema", SCHEMA.to_be_bytes().as_slice())?;
            facts.insert("box id", box_id.as_slice())?;
            Ok(())
        })?;
        Ok(catalog)
    }

    fn existing(file: File) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            database: Self::database(file)?,
            box_id: [0; 16],
        };
        let schema = catalog.fact("schema")?.ok_or(CatalogError::Missing)?;
        match schema.try_into().map(u64::from_be_bytes) {
            Ok(SCHEMA) => {}
            Ok(later) => return Err(CatalogError::Newer(later)),
            Err(_) => return Err(CatalogError::Damaged("schema")),
        }
        let box_id = catalog.fact("box id")?.ok_or(CatalogError::Missing)?;
        catalog.box_id = box_id.try_into().map_err(|_| CatalogError::Damaged("box id"))?;
        Ok(catalog)
    }

    /// The box, for ever.
    pub(crate) fn box_id(&self) -> [u8; 16] {
        self.box_id
    }

    /// The first session number of this start.
    pub(crate) fn sessions(&self) -> Result<u64, CatalogError> {
        self.write(|transaction| take(transaction, "sessions", SESSIONS_A_START))
    }

    /// A remembered fact.
    pub(crate) fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogError> {
        let facts = self.read()?.open_table(FACTS)?;
        Ok(facts.get(name)?.map(|value| value.value().to_vec()))
    }

    /// Remembers a fact.
    pub(crate) fn set_fact(&self, name: &str, value: &[u8]) -> Result<(), CatalogError> {
        self.write(|transaction| {
            transaction.open_table(FACTS)?.insert(name, value)?;
            Ok(())
        })
    }

    fn read(&self) -> Result<ReadTransaction, CatalogError> {
        use redb::ReadableDatabase;
        Ok(self.database.begin_read()?)
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        guarded(|| {
            let mut transaction = self.database.begin_write()?;
            transaction.set_quick_repair(true);
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }
}

/// The library panics on a page it can make nothing of; here that is an error like any other.
pub(crate) fn guarded<T, E: From<CatalogError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(CatalogError::Damaged("page").into()))
}

/// Fills a buffer with random bytes.
pub(crate) fn random(into: &mut [u8; 16]) -> Result<(), CatalogError> {
    let flags = rustix::rand::GetRandomFlags::empty();
    match rustix::rand::getrandom(&mut into[..], flags) {
        Ok(16) => Ok(()),
        Ok(_) => Err(CatalogError::Random(Errno::AGAIN)),
        Err(error) => Err(CatalogError::Random(error)),
    }
}

/// Takes the next numbers of a counter, from 1.
fn take(transaction: &WriteTransaction, counter: &str, count: u64) -> Result<u64, CatalogError> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let next = counters.get(counter)?.map_or(1, |value| value.value());
    counters.insert(counter, next.saturating_add(count))?;
    Ok(next)
}

/// Reads one record of an opened table.
fn get<'k, K: redb::Key + 'static, R: Record>(
    table: &impl ReadableTable<K, &'static [u8]>,
    key: impl std::borrow::Borrow<K::SelfType<'k>>,
) -> Result<Option<R>, CatalogError> {
    table.get(key)?.map(|value| R::decode(value.value())).transpose()
}
