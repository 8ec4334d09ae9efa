//! A frozen tree as an image's content: names and digests from the catalog, bytes from its files.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use discfs::{Attributes, Content, ContentError, FileId, Kind, Tree};
use wire::{ByteString, EntryKind, Failure, Time};

use crate::catalog::{Catalog, EntryRecord};
use crate::errors::{self, Refusal};
use crate::staging::{TreeDirectory, has_writer};

/// One file of the tree; all its names are one.
pub(super) struct File {
    path: Vec<u8>,
    sha256: Option<[u8; 32]>,
}

/// A tree as the image writer takes it, and its files by the numbers they have there.
pub(super) fn tree(catalog: &Catalog, number: u64, created: Time) -> Result<(Tree, Vec<File>), Failure> {
    let top = Attributes {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: time(created),
    };
    let mut tree = Tree::new(top);
    let mut files = Vec::new();
    let mut links = BTreeMap::new();
    catalog.each_entry(number, |path, entry| -> Result<(), Failure> {
        let EntryRecord {
            mode,
            uid,
            gid,
            mtime,
            ..
        } = entry;
        let attributes = Attributes {
            mode,
            uid,
            gid,
            mtime: time(mtime),
        };
        let kind = match EntryKind::from_number(entry.kind) {
            Some(EntryKind::Directory) => Kind::Directory,
            Some(EntryKind::Symlink) => Kind::Symlink {
                target: entry.target.as_bytes(),
            },
            Some(EntryKind::File) => {
                let mut new = || {
                    files.push(File {
                        path: path.clone(),
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
        tree.add_path(&path, attributes, kind)
            .map_err(|error| errors::tree(&error))?;
        Ok(())
    })?;
    Ok((tree, files))
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
        if has_writer(directory.open_file(&file.path)?.as_fd()) {
            return Err(errors::writer_lingers(
                &ByteString::from(&file.path[..]).to_string(),
            ));
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
        let descriptor = match &mut self.open {
            Some((open, descriptor)) if *open == file => descriptor,
            slot => {
                let path = &find(self.files, file)
                    .ok_or_else(|| unreadable(&"it is not of this tree"))?
                    .path;
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
