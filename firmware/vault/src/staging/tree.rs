//! One tree's directory: made, filled, read and removed without following anything.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use wire::ByteString;

use super::DIRECTORY;
use crate::errors::Refusal;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Files from this size on get their room at once: a full partition shows before the bytes come, and they
/// lie together, as a burn wants to read them.
const ALLOCATE: u64 = 1 << 20;

const PARENTS: &str = "making parent directories";

/// The directory of one tree. All paths given to it have passed [`wire::check_path`].
pub(crate) struct TreeDirectory(OwnedFd);

/// The directory part of a path, if it has one, and the last component.
fn split(path: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash), path.get(slash + 1..).unwrap_or_default()),
        None => (None, path),
    }
}

/// What the system said of a path, as a refusal of that path where it is the path's fault.
fn refused(path: &[u8], doing: &'static str, why: Errno) -> Refusal {
    let shown = ByteString::from(path).to_string();
    match why {
        Errno::EXIST | Errno::ISDIR => Refusal::Exists(shown),
        Errno::NOTDIR | Errno::LOOP | Errno::XDEV => Refusal::NotADirectory(shown),
        Errno::NOSPC | Errno::DQUOT => Refusal::Full,
        Errno::NAMETOOLONG => Refusal::BadPath {
            path: shown,
            why: wire::PathError::TooLong,
        },
        Errno::NOENT => Refusal::NotFound(format!("file `{shown}`")),
        why => Refusal::Storage { doing, why },
    }
}

impl TreeDirectory {
    pub(super) fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    fn open(&self, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        rustix::io::retry_on_intr(|| {
            rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, BENEATH)
        })
    }

    /// Does something in the directory a path lies in: with its descriptor and the last component.
    fn beside<T>(
        &self,
        path: &[u8],
        act: impl FnOnce(&OwnedFd, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let (parent, name) = split(path);
        match parent {
            None => act(&self.0, name),
            Some(parent) => act(
                &self.open(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?,
                name,
            ),
        }
    }

    /// Makes the directories above a path that are missing; says which, top first.
    pub(crate) fn make_parents(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let mut made = Vec::new();
        if let (Some(parents), _) = split(path)
            && self.open(parents, flags, Mode::empty()).is_err()
        {
            // Step by step, as a path may have 2,000 components.
            let mut above = Self(
                self.open(b".", flags, Mode::empty())
                    .map_err(|why| refused(path, PARENTS, why))?,
            );
            let mut end = 0;
            for component in parents.split(|byte| *byte == b'/') {
                end += component.len();
                let parent = path.get(..end).unwrap_or_default();
                if above
                    .directory(component)
                    .map_err(|why| refused(parent, PARENTS, why))?
                {
                    made.push(parent.to_vec());
                }
                above = Self(
                    above
                        .open(component, flags, Mode::empty())
                        .map_err(|why| refused(parent, PARENTS, why))?,
                );
                end += 1;
            }
        }
        Ok(made)
    }

    /// Makes a directory; false when it is there already.
    pub(crate) fn make_directory(&self, path: &[u8]) -> Result<bool, Refusal> {
        self.directory(path)
            .map_err(|why| refused(path, "making a directory", why))
    }

    fn directory(&self, path: &[u8]) -> Result<bool, Errno> {
        match self.beside(path, |parent, name| rustix::fs::mkdirat(parent, name, Mode::RWXU)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => {
                self.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
                Ok(false)
            }
            Err(why) => Err(why),
        }
    }

    /// Makes a new file of so many bytes to come, open for writing only.
    pub(crate) fn create_file(&self, path: &[u8], size: u64) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = self
            .open(path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|why| refused(path, "making a file", why))?;
        if size >= ALLOCATE {
            let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&file, flags, 0, size) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(why) => {
                    self.remove(path)?;
                    return Err(refused(path, "making room for a file", why));
                }
            }
        }
        Ok(file)
    }

    /// Makes a symbolic link; nothing here ever follows it.
    pub(crate) fn make_symlink(&self, path: &[u8], target: &[u8]) -> Result<(), Refusal> {
        self.beside(path, |parent, name| rustix::fs::symlinkat(target, parent, name))
            .map_err(|why| refused(path, "making a symbolic link", why))
    }

    /// Gives a file another name.
    pub(crate) fn make_link(&self, existing: &[u8], path: &[u8]) -> Result<(), Refusal> {
        self.beside(existing, |from, old| {
            self.beside(path, |to, new| {
                rustix::fs::linkat(from, old, to, new, AtFlags::empty())
            })
        })
        .map_err(|why| refused(path, "making a hard link", why))
    }

    /// Opens a file for reading.
    pub(crate) fn open_file(&self, path: &[u8]) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        self.open(path, flags, Mode::empty())
            .map_err(|why| refused(path, "opening a file", why))
    }

    /// Removes a file, a link, or an empty directory; one that is gone already is no error.
    pub(crate) fn remove(&self, path: &[u8]) -> Result<(), Refusal> {
        match self.beside(path, unlink) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(why) => Err(refused(path, "removing an entry", why)),
        }
    }

    /// Removes everything in the directory.
    pub(crate) fn remove_all(&self) -> Result<(), Errno> {
        self.walk(|_| false)
    }

    /// Removes every entry whose path is not to be kept; what is kept has its parents kept.
    ///
    /// Depth costs no stack and no descriptors: directories are opened again by their paths.
    pub(crate) fn walk(&self, mut keep: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
        let mut open: Vec<(Vec<u8>, bool)> = vec![(Vec::new(), false)];
        while let Some((path, visited)) = open.pop() {
            if visited {
                self.beside(&path, |parent, name| {
                    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
                })?;
                continue;
            }
            let shown: &[u8] = if path.is_empty() { b"." } else { &path };
            let directory = self.open(shown, DIRECTORY, Mode::empty())?;
            if !path.is_empty() && !keep(&path) {
                open.push((path.clone(), true));
            }
            for entry in rustix::fs::Dir::read_from(&directory)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                let below = if path.is_empty() {
                    name.to_vec()
                } else {
                    [&path, name].join(&b'/')
                };
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let kind = FileType::from_raw_mode(rustix::fs::statat(&directory, name, flags)?.st_mode);
                if kind == FileType::Directory {
                    open.push((below, false));
                } else if !keep(&below) {
                    rustix::fs::unlinkat(&directory, name, AtFlags::empty())?;
                }
            }
        }
        Ok(())
    }
}

fn unlink(parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR),
        done => done,
    }
}
