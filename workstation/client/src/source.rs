//! Trees of this machine: what a put will send, known before it begins.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use wire::{ByteString, Entry, EntryKind, Time};

use crate::Error;

/// One thing to send.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is called in the tree and what it is.
    pub entry: Entry,
    /// Where it is on this machine.
    pub local: PathBuf,
    /// Whether its bytes are sent; not for the further names of a hard link.
    pub has_data: bool,
}

/// Something that was left out, and why.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Where it is on this machine.
    pub local: PathBuf,
    /// Why it was left out.
    pub reason: String,
}

/// What a put will send: directories before what is in them, names in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub struct SourceTree {
    /// What is sent.
    pub items: Vec<Item>,
    /// What cannot be sent: devices, sockets, pipes, and what cannot be read.
    pub skipped: Vec<Skipped>,
    /// Bytes in the files, hard links counted once.
    pub bytes: u64,
    /// Files, hard links counted once.
    pub files: u64,
    links: HashMap<(u64, u64), u64>,
}

impl SourceTree {
    /// Walks the given files and directories. Each lands under its own name; of a path that ends in a
    /// slash, or is `.` or `..`, the contents land at the top, as with rsync.
    ///
    /// What cannot be read below them is left out; a path given that cannot be read is an error.
    pub fn walk<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let mut tree = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text = path.as_os_str().as_encoded_bytes();
            let contents = text.ends_with(b"/") || path.file_name().is_none();
            if contents {
                tree.directory(path, Vec::new())?;
            } else {
                let name = path
                    .file_name()
                    .map(|name| name.as_encoded_bytes().to_vec())
                    .unwrap_or_default();
                tree.add(path, name)?;
            }
        }
        Ok(tree)
    }

    fn directory(&mut self, local: &Path, prefix: Vec<u8>) -> Result<(), Error> {
        let mut names: Vec<OsString> = fs::read_dir(local)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(Error::local(local))?;
        names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        for name in names {
            let mut path = prefix.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_encoded_bytes());
            let local = local.join(&name);
            match self.add(&local, path) {
                Err(Error::Local { error, .. }) => self.leave_out(local, error.to_string()),
                Err(Error::Unsuitable(_, reason)) => self.leave_out(local, reason),
                other => other?,
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, local: PathBuf, reason: String) {
        self.skipped.push(Skipped { local, reason });
    }

    fn add(&mut self, local: &Path, path: Vec<u8>) -> Result<(), Error> {
        if let Err(error) = wire::check_path(&path) {
            return Err(Error::Unsuitable(local.into(), error.to_string()));
        }
        let metadata = fs::symlink_metadata(local).map_err(Error::local(local))?;
        let kind = metadata.file_type();
        let mut entry = Entry {
            path: ByteString::from(path.clone()),
            ..platform::attributes(&metadata)
        };
        let mut has_data = false;
        if kind.is_dir() {
            entry.kind = EntryKind::Directory.number();
        } else if kind.is_symlink() {
            entry.kind = EntryKind::Symlink.number();
            let target = fs::read_link(local).map_err(Error::local(local))?;
            entry.target = ByteString::from(target.into_os_string().into_encoded_bytes());
        } else if kind.is_file() {
            entry.kind = EntryKind::File.number();
            entry.size = metadata.len();
            has_data = self.first_name(&metadata, &mut entry);
            if has_data {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(entry.size);
            }
        } else {
            let reason = "it is neither a file nor a directory nor a symbolic link";
            self.leave_out(local.into(), reason.into());
            return Ok(());
        }
        self.items.push(Item {
            entry,
            local: local.into(),
            has_data,
        });
        match kind.is_dir() {
            true => self.directory(local, path),
            false => Ok(()),
        }
    }

    /// Numbers files with several names; true for the name met first.
    fn first_name(&mut self, metadata: &Metadata, entry: &mut Entry) -> bool {
        let Some(identity) = platform::link_identity(metadata) else {
            return true;
        };
        let next = self.links.len() as u64 + 1;
        let number = *self.links.entry(identity).or_insert(next);
        entry.hard_link = number;
        number == next
    }
}

pub(crate) fn modified(metadata: &Metadata) -> Time {
    platform::attributes(metadata).mtime
}

#[cfg(unix)]
mod platform {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;

    use wire::{Entry, Time};

    pub(super) fn attributes(metadata: &Metadata) -> Entry {
        Entry {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: Time {
                seconds: metadata.mtime(),
                nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
            },
            ..Entry::default()
        }
    }

    pub(super) fn link_identity(metadata: &Metadata) -> Option<(u64, u64)> {
        (metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
    }
}

#[cfg(not(unix))]
mod platform {
    use std::fs::Metadata;
    use std::time::UNIX_EPOCH;

    use wire::{Entry, Time};

    /// Systems without modes and owners: what every reader may see.
    pub(super) fn attributes(metadata: &Metadata) -> Entry {
        let since = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let since = since.unwrap_or_default();
        Entry {
            mode: if metadata.is_dir() { 0o755 } else { 0o644 },
            mtime: Time {
                seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
                nanoseconds: since.subsec_nanos(),
            },
            ..Entry::default()
        }
    }

    pub(super) fn link_identity(_: &Metadata) -> Option<(u64, u64)> {
        None
    }
}
