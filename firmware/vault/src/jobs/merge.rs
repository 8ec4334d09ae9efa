//! The tree of a disc's session, told by a reader, with a new tree laid over it.
//!
//! What a reader says is its disc's word: paths, numbers and addresses are checked here, and a lie about where a
//! file lies harms that file on that disc alone.

use std::collections::BTreeMap;

use discfs::{Attributes, DiscExtent, FileId, Kind, Tree};
use seam::reader::{FromReader, Recorded, ToReader};
use wire::{ByteString, Entry, EntryKind, Failure};

use super::content::{File, attributes};
use super::through;
use super::{Task, Worker};
use crate::errors::{self, Refusal};

/// Entries of a merged tree, and runs of blocks in it: the box has 256 MiB in all.
const ENTRIES_MAX: usize = 250_000;
const EXTENTS_MAX: usize = 1_000_000;

/// What a session shows.
pub(super) struct Base {
    /// Its label.
    pub label: String,
    /// The view in which it was told.
    pub view: String,
    /// First block behind all that it uses.
    pub end: u32,
    entries: BTreeMap<Vec<u8>, Old>,
}

/// An entry of a session.
struct Old {
    entry: Entry,
    file: u64,
    extents: Vec<DiscExtent>,
    bytes: Option<Vec<u8>>,
}

/// Times a reader is started until it shows the view that is wanted.
const TRIES: usize = 3;

/// Has a reader tell the tree of the session that begins at `start`, in that view if one is wanted; refused when a
/// further session would lose some of it.
pub(super) fn import(
    task: &Task<'_>,
    worker: &mut Worker,
    start: u32,
    readable: u32,
    view: Option<&str>,
) -> Result<Base, Failure> {
    let mut base = tell(task, worker, start, readable)?;
    for _ in 1..TRIES {
        match view {
            Some(view) if base.view != view => base = tell(task, worker, start, readable)?,
            _ => break,
        }
    }
    Ok(base)
}

fn tell(task: &Task<'_>, worker: &mut Worker, start: u32, readable: u32) -> Result<Base, Failure> {
    through::reader(task, worker, Some(start), |reader, over| {
        reader.ask(&ToReader::Import, None)?;
        let mut base = Base {
            label: reader.label().to_owned(),
            view: reader.view().to_owned(),
            end: 0,
            entries: BTreeMap::new(),
        };
        let mut runs = 0;
        let mut open = None;
        loop {
            match reader.answer(over)? {
                FromReader::Recorded(some) => {
                    for recorded in some {
                        runs += recorded.extents.len();
                        base.take(recorded, readable, &mut open)?;
                    }
                    if base.entries.len() > ENTRIES_MAX || runs > EXTENTS_MAX {
                        return Err(Refusal::TooManyEntries(ENTRIES_MAX).into());
                    }
                }
                FromReader::ImportEnd { left_out: 0, end, .. } => {
                    base.end = u32::try_from(end).unwrap_or(u32::MAX);
                    return Ok(base);
                }
                FromReader::ImportEnd {
                    left_out, examples, ..
                } => {
                    return Err(errors::would_lose(left_out, examples.first()));
                }
                FromReader::Failed { reason, .. } => return Err(Refusal::Unreadable(reason).into()),
                _ => return Err(Refusal::ReaderStrange.into()),
            }
        }
    })
}

impl Base {
    /// Takes an entry, or further extents of the one that is `open`.
    fn take(&mut self, recorded: Recorded, readable: u32, open: &mut Option<Vec<u8>>) -> Result<(), Refusal> {
        let path = recorded.entry.path.as_bytes().to_vec();
        wire::check_path(&path).map_err(|_| Refusal::ReaderStrange)?;
        let within = |&(block, bytes): &(u32, u64)| {
            bytes > 0 && u64::from(block) + bytes.div_ceil(wire::BLOCK_SIZE) <= u64::from(readable)
        };
        if !recorded.extents.iter().all(within) {
            return Err(Refusal::ReaderStrange);
        }
        let extents = recorded
            .extents
            .iter()
            .map(|&(block, bytes)| DiscExtent { block, bytes });
        if open.take().is_some_and(|open| open == path) {
            let old = self.entries.get_mut(&path).ok_or(Refusal::ReaderStrange)?;
            old.extents.extend(extents);
        } else {
            let old = Old {
                extents: extents.collect(),
                file: recorded.file,
                bytes: recorded.bytes,
                entry: recorded.entry,
            };
            self.entries.insert(path.clone(), old);
        }
        *open = recorded.more.then_some(path);
        Ok(())
    }

    /// Makes way for an entry of the new tree: what it replaces goes, with all that is below. A directory on a
    /// directory replaces nothing but its attributes.
    pub(super) fn give_way(&mut self, path: &[u8], is_directory: bool) {
        let old = self.entries.remove(path);
        let both = is_directory && old.is_some_and(|old| old.entry.kind == EntryKind::Directory.number());
        if !both {
            // All that is below stands together, between the path with `/` and with `0`, the byte behind it.
            let mut below = self.entries.split_off(&[path, b"/"].concat());
            let mut behind = below.split_off(&[path, b"0"].concat());
            self.entries.append(&mut behind);
        }
    }

    /// Entries that are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The paths that are kept, each before what is below it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.keys().map(Vec::as_slice)
    }

    /// Adds a kept entry to a tree: a file is described where it lies, one without blocks is written again.
    pub(super) fn add(&self, path: &[u8], tree: &mut Tree, files: &mut Vec<File>) -> Result<(), Failure> {
        let Some(old) = self.entries.get(path) else {
            return Ok(());
        };
        let entry = &old.entry;
        let attributes: Attributes = attributes(entry.mode, entry.uid, entry.gid, entry.mtime);
        let kind = match EntryKind::from_number(entry.kind) {
            Some(EntryKind::Directory) => Kind::Directory,
            Some(EntryKind::Symlink) => Kind::Symlink {
                target: entry.target.as_bytes(),
            },
            Some(EntryKind::File) => match &old.bytes {
                Some(bytes) => {
                    let file = FileId(files.len() as u64);
                    let size = bytes.len() as u64;
                    files.push(File::of_bytes(bytes.clone()));
                    Kind::File { size, file }
                }
                None => Kind::Recorded {
                    file: FileId(old.file),
                    extents: &old.extents,
                    digest: entry.sha256,
                    crc32c: None,
                },
            },
            _ => return Err(Refusal::UnknownEntry(ByteString::from(path).to_string()).into()),
        };
        tree.add_path(path, attributes, kind)
            .map_err(|error| errors::tree(&error))?;
        Ok(())
    }
}
