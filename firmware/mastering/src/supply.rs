//! Where files are.

use std::fs::File;
use std::io;
use std::sync::Arc;

use discfs::{Content, ContentError, FileId};

use crate::platform::read_exact_at;

/// Opens the files of an image; from several threads at once.
pub trait Supply: Sync {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// When it is not there any more or may not be read.
    fn open(&self, file: FileId) -> io::Result<Arc<File>>;

    /// Its SHA-256 when it is known, with which that of the bytes read is compared.
    fn digest(&self, file: FileId) -> Option<[u8; 32]> {
        let _ = file;
        None
    }
}

/// What one thread reads of a supply: a file stays open until the next one.
pub(crate) struct Reading<'a> {
    supply: &'a dyn Supply,
    open: Option<(FileId, Arc<File>)>,
}

impl<'a> Reading<'a> {
    pub fn new(supply: &'a dyn Supply) -> Self {
        Self { supply, open: None }
    }
}

impl Content for Reading<'_> {
    fn read(&mut self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<(), ContentError> {
        if buf.is_empty() {
            return Ok(());
        }
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ContentError::Short,
            _ => ContentError::Unreadable(error.to_string()),
        };
        let handle = match &mut self.open {
            Some((open, handle)) if *open == file => handle,
            slot => {
                let handle = self.supply.open(file).map_err(unreadable)?;
                &mut slot.insert((file, handle)).1
            }
        };
        read_exact_at(handle, buf, offset).map_err(unreadable)
    }

    fn digest(&mut self, file: FileId) -> Option<[u8; 32]> {
        self.supply.digest(file)
    }
}
