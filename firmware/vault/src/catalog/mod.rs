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
//! | writes | job | [`WriteRecord`], until the job ends |
//! | logs | job | [`LogRecord`], of the newest jobs |
//! | maps | disc id | [`MapRecord`] |
//! | images | tree | [`ImageRecord`] |
//!
//! Version 1 of the schema had neither of the last four; they are made when it is opened.
//!
//! One transaction writes at a time and readers never wait for it. Each commit saves the allocator's
//! state (quick repair), so that opening after a power cut costs no walk through the file. After an error of
//! the disk, a full one included, the library takes nothing more: then the file is closed and opened again, as
//! after a power cut, and the next request finds the catalog as it was last acknowledged.

mod discs;
mod events;
mod jobs;
mod records;
mod trees;
mod workstations;
mod writes;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use rustix::fs::{Mode as FileMode, OFlags};
use rustix::io::Errno;

pub(crate) use events::log;
pub(crate) use records::{
    DiscRecord, Ending, EntryRecord, EventRecord, ImageRecord, JobRecord, LogRecord, MapRecord, Mode, Order,
    Record, Recording, SessionRecord, Severity, TreeRecord, TreeState, WriteRecord,
};
pub(crate) use trees::sort_key;
pub(crate) use workstations::WorkstationRecord;

/// The version of the tables above.
const SCHEMA: u64 = 2;

/// The oldest version that is migrated.
const SCHEMA_OLDEST: u64 = 1;

const NAME: &str = "catalog.redb";

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
const WRITES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("writes");
const LOGS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("logs");
const MAPS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("maps");
const IMAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("images");

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
    /// its file is being opened again after an error
    Closed,
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

impl CatalogError {
    /// Whether the library takes nothing more until the file is opened again.
    fn is_final(&self) -> bool {
        use redb::Error;
        let Self::Database(error) = self else {
            return matches!(self, Self::Closed);
        };
        matches!(
            **error,
            Error::Io(_) | Error::PreviousIo | Error::DatabaseClosed | Error::LockPoisoned(_)
        )
    }
}

/// The catalog; see the module.
pub(crate) struct Catalog {
    /// The data partition's directory.
    directory: OwnedFd,
    /// None while it could not be opened again.
    database: RwLock<Option<Database>>,
    box_id: [u8; 16],
}

fn open_file(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(directory, NAME, flags, FileMode::RUSR | FileMode::WUSR)
}

impl Catalog {
    /// Opens `catalog.redb` in the data partition's directory, or makes it.
    ///
    /// It is made under another name and renamed when complete, so that a power cut in between leaves
    /// either none or a whole one. Where there `must` be one, none is made.
    pub(crate) fn open(data: BorrowedFd<'_>, must: bool) -> Result<Self, CatalogError> {
        const UNFINISHED: &str = "catalog.redb.new";
        let directory = rustix::io::fcntl_dupfd_cloexec(data, 0)?;
        match open_file(data) {
            Err(Errno::NOENT) if must => Err(CatalogError::Lost),
            Err(Errno::NOENT) => {
                let flags =
                    OFlags::RDWR | OFlags::CLOEXEC | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
                let file = rustix::fs::openat(data, UNFINISHED, flags, FileMode::RUSR | FileMode::WUSR)?;
                let catalog = Self::create(directory, file.into())?;
                rustix::fs::renameat(data, UNFINISHED, data, NAME)?;
                rustix::fs::fsync(data)?;
                Ok(catalog)
            }
            opened => Self::existing(directory, opened?.into()),
        }
    }

    fn database(file: File) -> Result<Database, CatalogError> {
        let backend = redb::backends::FileBackend::new(file)?;
        Ok(Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(backend)?)
    }

    fn create(directory: OwnedFd, file: File) -> Result<Self, CatalogError> {
        let mut box_id = [0; 16];
        random(&mut box_id)?;
        let catalog = Self {
            directory,
            database: RwLock::new(Some(Self::database(file)?)),
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
            facts.insert("box id", box_id.as_slice())?;
            drop(facts);
            migrate(transaction)
        })?;
        Ok(catalog)
    }

    fn existing(directory: OwnedFd, file: File) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            directory,
            database: RwLock::new(Some(Self::database(file)?)),
            box_id: [0; 16],
        };
        let schema = catalog.fact("schema")?.ok_or(CatalogError::Missing)?;
        match schema.try_into().map(u64::from_be_bytes) {
            Ok(SCHEMA) => {}
            Ok(SCHEMA_OLDEST..SCHEMA) => catalog.write(migrate)?,
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
        let begin = || {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = database.as_ref().ok_or(CatalogError::Closed)?;
            Ok(database.begin_read()?)
        };
        match begin() {
            Err(error) if CatalogError::is_final(&error) => {
                self.open_again()?;
                begin()
            }
            begun => begun,
        }
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        if self.is_closed() {
            self.open_again()?;
        }
        let written: Result<T, CatalogError> = guarded(|| {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = database.as_ref().ok_or(CatalogError::Closed)?;
            let mut transaction = database.begin_write()?;
            transaction.set_quick_repair(true);
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        if let Err(error) = &written
            && error.is_final()
            && let Err(again) = self.open_again()
        {
            eprintln!("catalog: error: it stays closed until the disk takes it again: {again}");
        }
        written
    }

    fn is_closed(&self) -> bool {
        self.database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    /// Closes the file and opens it again, unless somebody else just did.
    fn open_again(&self) -> Result<(), CatalogError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let sound = database.as_ref().is_some_and(|database| {
            guarded::<_, CatalogError>(|| Ok(database.begin_write()?.abort()?)).is_ok()
        });
        if sound {
            return Ok(());
        }
        *database = None; // the file is locked until then
        let file = open_file(self.directory.as_fd())?;
        let opened: Result<_, CatalogError> = guarded(|| Self::database(file.into()));
        *database = Some(opened?);
        eprintln!("catalog: it was opened again after an error of the disk");
        Ok(())
    }
}

/// Brings tables and schema up to this version, from the oldest on.
fn migrate(transaction: &WriteTransaction) -> Result<(), CatalogError> {
    transaction.open_table(workstations::WORKSTATIONS)?;
    transaction.open_table(WRITES)?;
    transaction.open_table(LOGS)?;
    transaction.open_table(MAPS)?;
    transaction.open_table(IMAGES)?;
    let mut facts = transaction.open_table(FACTS)?;
    facts.insert("schema", SCHEMA.to_be_bytes().as_slice())?;
    Ok(())
}

/// The library panics on a page it can make nothing of; here that is an error like any other.
pub(crate) fn guarded<T, E: From<CatalogError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(CatalogError::Damaged("page").into()))
}

/// Fills a buffer with random bytes.
pub(crate) fn random<const N: usize>(into: &mut [u8; N]) -> Result<(), CatalogError> {
    let flags = rustix::rand::GetRandomFlags::empty();
    match rustix::rand::getrandom(&mut into[..], flags) {
        Ok(filled) if filled == N => Ok(()),
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

#[cfg(test)]
mod tests;
