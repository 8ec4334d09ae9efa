//! Files by their numbers: each a name in a directory, whose handle is kept while its neighbours are read.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use discfs::FileId;

use crate::platform::Folder;
use crate::supply::Supply;

/// Directories kept open at once, over all threads: those of files being read and the ones before.
const OPEN: usize = 32;

/// A directory that was walked.
struct Directory {
    parent: u32,
    name: (u32, u32),
}

/// Where the files of a tree are on this machine.
pub struct Files {
    root: PathBuf,
    /// Names, one behind the other.
    names: Vec<u8>,
    directories: Vec<Directory>,
    /// Directory and name of each file.
    files: Vec<(u32, (u32, u32))>,
    open: Mutex<Vec<(u32, Arc<Folder>)>>,
}

impl Files {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            names: Vec::new(),
            directories: vec![Directory {
                parent: 0,
                name: (0, 0),
            }],
            files: Vec::new(),
            open: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn directory(&mut self, parent: u32, name: &[u8]) -> Option<u32> {
        let number = u32::try_from(self.directories.len()).ok()?;
        let name = self.keep(name)?;
        self.directories.push(Directory { parent, name });
        Some(number)
    }

    pub(crate) fn file(&mut self, directory: u32, name: &[u8]) -> Option<FileId> {
        let number = FileId(self.files.len() as u64);
        let name = self.keep(name)?;
        self.files.push((directory, name));
        Some(number)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn keep(&mut self, name: &[u8]) -> Option<(u32, u32)> {
        let start = u32::try_from(self.names.len()).ok()?;
        self.names.extend_from_slice(name);
        Some((start, u32::try_from(self.names.len()).ok()?))
    }

    fn name(&self, (start, end): (u32, u32)) -> &[u8] {
        self.names.get(start as usize..end as usize).unwrap_or_default()
    }

    fn folder(&self, number: u32) -> io::Result<Arc<Folder>> {
        let kept = |open: &mut Vec<(u32, Arc<Folder>)>| {
            let at = open.iter().rposition(|(of, _)| *of == number)?;
            let found = open.remove(at);
            open.push(found);
            open.last().map(|(_, folder)| Arc::clone(folder))
        };
        if let Some(folder) = kept(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(folder);
        }
        // Up to a directory that is open, and down again, holding two at once whatever the depth.
        let mut below = vec![number];
        let mut folder = loop {
            let at = below.last().copied().unwrap_or_default();
            if at == 0 {
                break Arc::new(Folder::open(&self.root)?);
            }
            let parent = self
                .directories
                .get(at as usize)
                .map_or(0, |directory| directory.parent);
            if let Some(folder) = kept(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner)) {
                break folder;
            }
            below.push(parent);
        };
        for at in below.iter().rev().filter(|at| **at != 0) {
            let name = self
                .directories
                .get(*at as usize)
                .map_or((0, 0), |directory| directory.name);
            folder = Arc::new(folder.inside(self.name(name))?);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN {
            open.remove(0);
        }
        open.push((number, Arc::clone(&folder)));
        Ok(folder)
    }
}

impl Supply for Files {
    fn open(&self, file: FileId) -> io::Result<Arc<File>> {
        let found = usize::try_from(file.0)
            .ok()
            .and_then(|number| self.files.get(number));
        let &(directory, name) = found.ok_or(io::ErrorKind::NotFound)?;
        let folder = self.folder(directory)?;
        Ok(Arc::new(folder.file(self.name(name))?))
    }
}
