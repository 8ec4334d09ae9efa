//! Takes a disc into the copy area: its files, or every block that can be read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use mmc::Piece;
use seam::reader::{FromReader, ToReader};
use sha2::{Digest, Sha256};
use wire::{ByteString, Entry, EntryKind, Failure, JobSummary, Outcome, Phase};

use super::{Failed, Task, Worker, through};
use crate::catalog::{EntryRecord, ImageRecord, sort_key};
use crate::clock;
use crate::drives::Seen;
use crate::errors::{self, Refusal};
use crate::readers::Reader;
use crate::staging::TreeDirectory;

/// Entries of a copy.
const ENTRIES_MAX: usize = 250_000;

/// Bytes hashed at once.
const PIECE: usize = 256 << 10;

/// Runs of bad blocks that are listed.
const BAD_RUNS: usize = 10_000;

pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    image: bool,
    session: u32,
    speed: u32,
) -> Result<Outcome, Failed> {
    let device = worker.device()?;
    let seen = device.look(Some(task.data))?;
    if seen.readable == 0 {
        return Err(Refusal::Blank.into());
    }
    device.drive().host().follow(task.job);
    if speed > 0
        && let Err(failure) = device.set_speeds(0, speed)
    {
        summary
            .remarks
            .push(format!("the speed asked for was not taken: {}", failure.what));
    }
    let start = match session {
        0 => None,
        number => Some(seen.start_of(number)?),
    };
    if let Some((id, _)) = &seen.known {
        summary.disc_id = *id;
    }
    let label = match through::reader(task, worker, start, |reader, _| Ok(reader.label().to_owned())) {
        Ok(label) => label,
        Err(_) if image => seen.disc.label.clone(),
        Err(failure) => return Err(failure.into()),
    };
    let tree = task.data.catalog.begin_tree(&label, clock::now())?;
    let copied = match image {
        true => copy_blocks(task, worker, summary, &seen, tree),
        false => copy_files(task, worker, summary, start, tree),
    };
    if let Err(failed) = copied {
        if let Err(refusal) = task.data.undo_put(tree) {
            eprintln!("jobs: error: half of copy {tree} is removed only at the next start: {refusal}");
        }
        return Err(failed.into());
    }
    let remark = format!("it is tree {tree} in the copy area");
    task.job.note(&*remark);
    summary.remarks.insert(0, remark);
    Ok(Outcome::Copied)
}

/// What of the disc could not be read is told, and does not undo the rest.
fn tell_lost(summary: &mut JobSummary, lost: u64, what: &str) {
    if lost > 0 {
        summary.remarks.push(format!("{lost} {what} could not be read"));
    }
}

fn copy_files(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    start: Option<u32>,
    tree: u64,
) -> Result<(), Failure> {
    let directory = task.data.staging.work_tree(tree)?;
    let mut copy = Files {
        task,
        directory,
        entries: BTreeMap::new(),
        links: BTreeMap::new(),
        files: 0,
        bytes: 0,
        lost: 0,
        remarks: Vec::new(),
    };
    let mut copy = through::reader(task, worker, start, |reader, over| {
        let listed = list(reader, over)?;
        let total = listed.iter().map(|entry| entry.size).sum();
        task.data.staging.check_room(total)?;
        task.job.begin(Phase::Copying, total);
        for entry in listed {
            task.job.go_on()?;
            copy.take(reader, over, entry)?;
            task.job.done(copy.bytes);
        }
        Ok(copy)
    })?;
    summary.remarks.append(&mut copy.remarks);
    tell_lost(summary, copy.lost, "files");
    (summary.files, summary.bytes) = (copy.files, copy.bytes);
    task.data.staging.sync()?;
    let Files {
        entries,
        files,
        bytes,
        ..
    } = copy;
    Ok(task.data.catalog.keep_copy(tree, &entries, None, files, bytes)?)
}

/// The whole tree of a session; `.spindle` is each disc's own.
fn list(reader: &Reader, over: &dyn Fn() -> bool) -> Result<Vec<Entry>, Failure> {
    let mut listed = Vec::new();
    let request = ToReader::List {
        path: Vec::new(),
        depth: u32::MAX,
    };
    reader.ask(&request, None)?;
    loop {
        match reader.answer(over)? {
            FromReader::Entries(entries) => listed.extend(entries.into_iter().filter(|entry| {
                wire::check_path(entry.path.as_bytes()).is_ok()
                    && entry.path.as_bytes().split(|byte| *byte == b'/').next() != Some(b".spindle")
            })),
            FromReader::EntriesEnd => return Ok(listed),
            FromReader::Failed { reason, .. } => return Err(Refusal::Unreadable(reason).into()),
            _ => return Err(Refusal::ReaderStrange.into()),
        }
        if listed.len() > ENTRIES_MAX {
            return Err(Refusal::TooManyEntries(ENTRIES_MAX).into());
        }
    }
}

/// A copy of files under way.
struct Files<'a> {
    task: &'a Task<'a>,
    directory: TreeDirectory,
    entries: BTreeMap<Vec<u8>, EntryRecord>,
    /// Files with several names: their first paths, by their numbers on the disc.
    links: BTreeMap<u64, Vec<u8>>,
    files: u64,
    bytes: u64,
    lost: u64,
    remarks: Vec<String>,
}

impl Files<'_> {
    fn take(&mut self, reader: &Reader, over: &dyn Fn() -> bool, entry: Entry) -> Result<(), Failure> {
        let path = entry.path.as_bytes().to_vec();
        let mut record = EntryRecord::new(&entry);
        self.directory.make_parents(&path)?;
        match EntryKind::from_number(entry.kind) {
            Some(EntryKind::Directory) => {
                self.directory.make_directory(&path)?;
                (record.size, record.hard_link) = (0, 0);
            }
            Some(EntryKind::Symlink) if wire::check_link_target(entry.target.as_bytes()).is_ok() => {
                self.directory.make_symlink(&path, entry.target.as_bytes())?;
                (record.size, record.hard_link) = (0, 0);
            }
            Some(EntryKind::File) => {
                let first = self.links.get(&entry.hard_link).filter(|_| entry.hard_link != 0);
                if let Some(first) = first {
                    self.directory.make_link(first, &path)?;
                    let first = self.entries.get(&sort_key(first)).cloned();
                    self.entries
                        .insert(sort_key(&path), first.ok_or(Refusal::ReaderStrange)?);
                    return Ok(());
                }
                match self.fetch(reader, over, &path, entry.size)? {
                    Some(digest) => record.sha256 = Some(digest),
                    None => return Ok(()),
                }
                if entry.hard_link != 0 {
                    self.links.insert(entry.hard_link, path.clone());
                }
                self.files += 1;
                self.bytes = self.bytes.saturating_add(record.size);
            }
            _ => {
                self.lose(&path, "it is no file, directory or link");
                return Ok(());
            }
        }
        self.entries.insert(sort_key(&path), record);
        Ok(())
    }

    /// Fetches a file; its digest, `None` when it cannot be read.
    fn fetch(
        &mut self,
        reader: &Reader,
        over: &dyn Fn() -> bool,
        path: &[u8],
        size: u64,
    ) -> Result<Option<[u8; 32]>, Failure> {
        let file = self.directory.create_file(path, size)?;
        let request = ToReader::Get {
            path: path.to_vec(),
            offset: 0,
            length: u64::MAX,
        };
        reader.ask(&request, Some(file.as_fd()))?;
        drop(file);
        let listed = loop {
            match reader.answer(over)? {
                FromReader::File { entry, length } if entry.size == size && length == size => {}
                FromReader::FileEnd(listed) => break listed,
                FromReader::Failed { reason, .. } => {
                    self.directory.remove(path)?;
                    self.lose(path, &reason);
                    self.task.data.staging.check_room(0)?; // a full partition looks like a bad disc from there
                    return Ok(None);
                }
                _ => return Err(Refusal::ReaderStrange.into()),
            }
        };
        let (bytes, digest) = digest(&mut File::from(self.directory.open_file(path)?))?;
        if bytes != size {
            return Err(Refusal::ReaderStrange.into());
        }
        if listed.is_some_and(|listed| listed != digest) {
            self.directory.remove(path)?;
            self.lose(path, "its SHA-256 differs from the disc's own list");
            return Ok(None);
        }
        Ok(Some(digest))
    }

    fn lose(&mut self, path: &[u8], why: &str) {
        self.lost += 1;
        if self.remarks.len() < 20 {
            let remark = errors::bounded(format!("{}: {why}", ByteString::from(path)));
            self.task.job.note(&*remark);
            self.remarks.push(remark);
        }
    }
}

fn digest(file: &mut File) -> Result<(u64, [u8; 32]), Failure> {
    let mut buffer = vec![0; PIECE];
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(errors::storage("reading a copied file"))?;
        if read == 0 {
            return Ok((bytes, hasher.finalize().into()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}

/// Every block from 0 on, in place; between sessions, and where nothing can be read, zeroes.
fn copy_blocks(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    seen: &Seen,
    tree: u64,
) -> Result<(), Failure> {
    let device = worker.device()?;
    let layout = device.drive().layout().map_err(|error| errors::drive(&error))?;
    let blocks = layout.end();
    let total = u64::from(blocks) * wire::BLOCK_SIZE;
    task.data.staging.check_room(total)?;
    task.job.begin(Phase::Copying, total);
    let directory = task.data.staging.work_tree(tree)?;
    let mut sink = Blocks {
        file: directory.create_file(super::image::NAME, total)?.into(),
        hasher: Sha256::new(),
        at: 0,
        bad: Vec::new(),
    };
    let mut lost = 0;
    for track in layout.tracks.iter().filter(|track| track.data) {
        sink.fill(track.start)?; // what lies between sessions cannot be read on any drive
        let mut failed = None;
        let mut reader = device.drive().reader();
        let salvage = reader.rescue(track.range(), track.tail, |piece| {
            let taken = task.job.go_on().and_then(|()| sink.take(&piece));
            task.job.done(u64::from(sink.at) * wire::BLOCK_SIZE);
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    failed = Some(failure);
                    ControlFlow::Break(())
                }
            }
        });
        let salvage = salvage.map_err(|error| errors::drive(&error))?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        lost += u64::from(salvage.bad);
    }
    sink.fill(blocks)?;
    let audio = layout.tracks.iter().filter(|track| !track.data).count() as u64;
    tell_lost(summary, audio, "audio tracks");
    tell_lost(summary, lost, "blocks");
    let image = ImageRecord {
        profile: seen.disc.media.number,
        blocks,
        digest: sink.hasher.finalize().into(),
        bad: sink.bad,
    };
    (summary.blocks, summary.bytes, summary.digest) = (u64::from(blocks), total, image.digest);
    task.data.staging.sync()?;
    Ok(task
        .data
        .catalog
        .keep_copy(tree, &BTreeMap::new(), Some(&image), 0, total)?)
}

/// An image being written.
struct Blocks {
    file: File,
    hasher: Sha256,
    at: u32,
    bad: Vec<(u32, u32)>,
}

impl Blocks {
    fn take(&mut self, piece: &Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Read { data, .. } => self.write(data),
            Piece::Bad { address, blocks, .. } => {
                let listed = self.bad.len();
                match self.bad.last_mut() {
                    Some((first, count)) if *first + *count == *address => *count += blocks,
                    _ if listed < BAD_RUNS => self.bad.push((*address, *blocks)),
                    _ => return Err(errors::bad_all_over(BAD_RUNS)),
                }
                self.fill(address + blocks)
            }
            Piece::RunOut { address, blocks } => self.fill(address + blocks),
        }
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.hasher.update(data);
        self.file
            .write_all(data)
            .map_err(errors::storage("writing an image"))?;
        self.at += u32::try_from(data.len() / discfs::BLOCK).unwrap_or(0);
        Ok(())
    }

    /// Zeroes up to a block.
    fn fill(&mut self, to: u32) -> Result<(), Failure> {
        let zeroes = [0; 32 * discfs::BLOCK];
        while self.at < to {
            let blocks = usize::try_from(to - self.at).unwrap_or(usize::MAX).min(32);
            self.write(zeroes.get(..blocks * discfs::BLOCK).unwrap_or(&zeroes))?;
        }
        Ok(())
    }
}
