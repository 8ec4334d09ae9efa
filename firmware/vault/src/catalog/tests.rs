//! What becomes of the catalog when its disk fails for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;

/// A disk that takes nothing while it is full.
#[derive(Debug)]
struct Full {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Full {
    fn take(&self) -> std::io::Result<()> {
        match self.full.load(Ordering::Acquire) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Full {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.take()?;
        self.file.set_len(length)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.take()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.take()?;
        self.file.write(offset, data)
    }
    fn close(&self) -> std::io::Result<()> {
        self.file.close()
    }
}

#[test]
fn a_full_disk_costs_what_was_not_acknowledged_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let data: OwnedFd = File::open(directory.path()).unwrap().into();
    let catalog = Catalog::open(data.as_fd(), false).unwrap();
    catalog.set_fact("kept", b"yes").unwrap();
    *catalog.database.write().unwrap() = None;
    let full = Arc::new(AtomicBool::new(false));
    let backend = Full {
        file: FileBackend::new(open_file(data.as_fd()).unwrap().into()).unwrap(),
        full: full.clone(),
    };
    let database = Database::builder().create_with_backend(backend).unwrap();
    *catalog.database.write().unwrap() = Some(database);
    catalog.set_fact("kept too", b"yes").unwrap();

    full.store(true, Ordering::Release);
    assert!(catalog.set_fact("lost", b"yes").is_err());
    full.store(false, Ordering::Release);
    catalog.set_fact("after", b"yes").unwrap();
    for (name, there) in [
        ("kept", true),
        ("kept too", true),
        ("lost", false),
        ("after", true),
    ] {
        assert_eq!(catalog.fact(name).unwrap().is_some(), there, "{name}");
    }
}

#[test]
fn a_catalog_of_version_1_gets_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let data: OwnedFd = File::open(directory.path()).unwrap().into();
    let catalog = Catalog::open(data.as_fd(), false).unwrap();
    catalog
        .write(|transaction| {
            transaction.delete_table(WRITES)?;
            transaction.delete_table(MAPS)?;
            let mut facts = transaction.open_table(FACTS)?;
            facts.insert("schema", 1_u64.to_be_bytes().as_slice())?;
            Ok(())
        })
        .unwrap();
    assert!(catalog.map([0; 16]).is_err());
    drop(catalog);
    let catalog = Catalog::open(data.as_fd(), true).unwrap();
    assert!(catalog.map([0; 16]).unwrap().is_none());
    assert!(catalog.begun_write(1).unwrap().is_none());
    let schema = catalog.fact("schema").unwrap().unwrap();
    assert_eq!(schema, SCHEMA.to_be_bytes());
}
