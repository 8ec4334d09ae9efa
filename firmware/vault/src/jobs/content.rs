//! A frozen tree as an image's content: names and digests from the catalog, bytes from its files.
//!
//! A tree that is appended is laid over that of the disc's last session.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use discfs::{Attributes, Content, ContentError, FileId, Kind, Tree};
use sha2::{Digest, Sha256};
use wire::{ByteString, EntryKind, Failure, Time};

use super::merge::Base;

use crate::catalog::{Catalog, EntryRecord};
use crate::errors::{self, Refusal};
use crate::staging::{TreeDirectory, has_writer};

/// Entries of a tree: what is burned is known whole.
const ENTRIES_MAX: usize = 250_000;

/// One file of the tree; all its names are one.
pub(super) struct File {
    bytes: Bytes,
    sha256: Option<[u8; 32]>,
}

/// Where a file's bytes are.
enum Bytes {
    /// In the frozen tree, under this path.
    Path(Vec<u8>),
    /// Here: a file of an earlier session that had no blocks of its own.
    Here(Vec<u8>),
}

impl File {
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            sha256: Some(Sha256::digest(&bytes).into()),
            bytes: Bytes::Here(bytes),
        }
    }
}

pub(super) fn attributes(mode: u32, uid: u32, gid: u32, mtime: Time) -> Attributes {
    Attributes {
        mode,
        uid,
        gid,
        mtime: time(mtime),
    }
}

/// A tree as the image writer takes it, laid over that of an earlier session if there is one, and its files by
/// the numbers they have there.
pub(super) fn tree(
    catalog: &Catalog,
    number: u64,
    created: Time,
    base: Option<Base>,
) -> Result<(Tree, Vec<File>), Failure> {
    let mut tree = Tree::new(attributes(0o755, 0, 0, created));
    let mut files = Vec::new();
    let mut links = BTreeMap::new();
    let Some(mut base) = base else {
        catalog.each_entry(number, |path, entry| {
            add(&mut tree, &mut files, &mut links, path, &entry)
        })?;
        return Ok((tree, files));
    };
    let mut new = BTreeMap::new();
    catalog.each_entry(number, |path, entry| -> Result<(), Failure> {
        base.give_way(&path, entry.kind == EntryKind::Directory.number());
        new.insert(path, entry);
        Ok(())
    })?;
    if base.len() + new.len() > ENTRIES_MAX {
        return Err(Refusal::TooManyEntries(ENTRIES_MAX).into());
    }
    // Both in the order of their bytes, in which a directory comes before what is in it.
    let mut new = new.into_iter().peekable();
    for path in base.paths() {
        while let Some((path, entry)) = new.next_if(|(next, _)| &next[..] < path) {
            add(&mut tree, &mut files, &mut links, path, &entry)?;
        }
        base.add(path, &mut tree, &mut files)?;
    }
    for (path, entry) in new {
        add(&mut tree, &mut files, &mut links, path, &entry)?;
    }
    Ok((tree, files))
}

/// Adds an entry of the new tree.
fn add(
    tree: &mut Tree,
    files: &mut Vec<File>,
    links: &mut BTreeMap<u64, FileId>,
    path: Vec<u8>,
    entry: &EntryRecord,
) -> Result<(), Failure> {
    let kind = match EntryKind::from_number(entry.kind) {
        Some(EntryKind::Directory) => Kind::Directory,
        Some(EntryKind::Symlink) => Kind::Symlink {
            target: entry.target.as_bytes(),
        },
        Some(EntryKind::File) => {
            let mut new = || {
                files.push(File {
                    bytes: Bytes::Path(path.clone()),
                    sha256: entry.sha256,
                });
                FileId(files.len() as u64 - 1)
            };
            let file = match entry.hard_link {
                0 => new(),
                link => *links.entry(link).or_insert_with(new),
            };
            Kind::File {
                size: entry.size,
                file,
            }
        }
        _ => return Err(Refusal::UnknownEntry(ByteString(path).to_string()).into()),
    };
    let attributes = attributes(entry.mode, entry.uid, entry.gid, entry.mtime);
    tree.add_path(&path, attributes, kind)
        .map_err(|error| errors::tree(&error))?;
    Ok(())
}

fn time(time: Time) -> discfs::Time {
    discfs::Time {
        seconds: time.seconds,
        nanoseconds: time.nanoseconds,
    }
}

/// Refuses a frozen tree that somebody can still write into.
pub(super) fn check_frozen(directory: &TreeDirectory, files: &[File]) -> Result<(), Failure> {
    for file in files {
        if let Bytes::Path(path) = &file.bytes
            && has_writer(directory.open_file(path)?.as_fd())
        {
            return Err(errors::writer_lingers(&ByteString::from(&path[..]).to_string()));
        }
    }
    Ok(())
}

/// Reads a frozen tree's files; one descriptor is open at a time, as an image asks for them in order.
pub(super) struct Files<'a> {
    directory: &'a TreeDirectory,
    files: &'a [File],
    open: Option<(FileId, OwnedFd)>,
}

impl<'a> Files<'a> {
    pub(super) fn new(directory: &'a TreeDirectory, files: &'a [File]) -> Self {
        Self {
            directory,
            files,
            open: None,
        }
    }
}

fn find(files: &[File], file: FileId) -> Option<&File> {
    files.get(usize::try_from(file.0).ok()?)
}

impl Content for Files<'_> {
    fn read(&mut self, file: FileId, offset: u64, buffer: &mut [u8]) -> Result<(), ContentError> {
        let unreadable = |why: &dyn std::fmt::Display| ContentError::Unreadable(why.to_string());
        let known = find(self.files, file).ok_or_else(|| unreadable(&"it is not of this tree"))?;
        let path = match &known.bytes {
            Bytes::Path(path) => path,
            Bytes::Here(bytes) => {
                let wanted = usize::try_from(offset)
                    .ok()
                    .and_then(|offset| bytes.get(offset..));
                let wanted = wanted.and_then(|bytes| bytes.get(..buffer.len()));
                buffer.copy_from_slice(wanted.ok_or(ContentError::Short)?);
                return Ok(());
            }
        };
        let descriptor = match &mut self.open {
            Some((open, descriptor)) if *open == file => descriptor,
            slot => {
                let opened = self
                    .directory
                    .open_file(path)
                    .map_err(|refusal| unreadable(&refusal))?;
                let _ = rustix::fs::fadvise(&opened, 0, None, rustix::fs::Advice::Sequential);
                &mut slot.insert((file, opened)).1
            }
        };
        let (mut at, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            match rustix::io::pread(&*descriptor, &mut *rest, at) {
                Ok(0) => return Err(ContentError::Short),
                Ok(count) => {
                    at += count as u64;
                    rest = rest.get_mut(count..).unwrap_or_default();
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(unreadable(&why)),
            }
        }
        Ok(())
    }

    fn digest(&mut self, file: FileId) -> Option<[u8; 32]> {
        find(self.files, file)?.sha256
    }
}
