//! A put: entries as they come, then one sync and one commit for all of them.
//!
//! Until that commit the tree's record says that it receives, and the catalog has none of the entries:
//! whatever cuts a put short, what it brought is found and removed.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use seam::session::{send_file_opened, send_reply};
use seam::{Channel, ChannelError};
use wire::{ByteString, Entry, EntryKind, PutBegin, PutDone, PutReady, Reply, Request};

use super::Session;
use crate::catalog::{EntryRecord, TreeState, sort_key};
use crate::clock;
use crate::data::Data;
use crate::errors::Refusal;
use crate::staging::TreeDirectory;

/// Bytes on the partition that an entry costs at once beside its data, about.
const ENTRY_COST: u64 = 4096;

/// Bytes an entry will cost in the catalog, about: old and new pages stand beside each other for a while.
const RECORD_COST: u64 = 1024;

/// Entries of a tree: what is received and what is burned is known whole, and the box has 256 MiB in all.
const ENTRIES_MAX: usize = 250_000;

/// Time between two signs of life while a put is synced.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Characters of a tree's name that are kept.
const NAME_MAX: usize = 200;

/// A put under way.
pub(super) struct Put {
    id: u32,
    data: Arc<Data>,
    tree: u64,
    directory: TreeDirectory,
    /// By sort key.
    entries: BTreeMap<Vec<u8>, EntryRecord>,
    /// Entries the tree had before.
    before: usize,
    /// Files with several names, by their number in this put.
    links: HashMap<u64, Link>,
    /// Hard-link numbers given in the tree so far.
    next_link: u64,
    files: u64,
    bytes: u64,
    /// The file whose bytes come.
    file: Option<OpenFile>,
}

/// A file with several names.
struct Link {
    first: Vec<u8>,
    record: EntryRecord,
}

/// A file whose bytes come.
struct OpenFile {
    path: Vec<u8>,
    record: EntryRecord,
    link: u64,
    descriptor: OwnedFd,
}

/// What the door hears of a step.
enum Step {
    Nothing,
    Opened,
    Done(PutDone),
}

impl Session {
    /// Whether a request belongs to this session's put: returns it then, and nothing to do inside when that
    /// put failed.
    pub(super) fn put_goes_on<'r>(&mut self, id: u32, request: &'r Request) -> Option<Option<&'r Request>> {
        let end = matches!(request, Request::PutEnd(()) | Request::PutAbort(()));
        let middle = matches!(
            request,
            Request::PutEntry(_) | Request::PutFileEnd(_) | Request::PutFileAbandon(())
        );
        if !end && !middle {
            return None;
        }
        if self.refused == Some(id) {
            if end {
                self.refused = None;
            }
            return Some(None);
        }
        self.put
            .as_ref()
            .is_some_and(|put| put.id == id)
            .then_some(Some(request))
    }

    pub(super) fn begin_put(&mut self, id: u32, begin: &PutBegin) -> Result<(), ChannelError> {
        let begun = match &self.put {
            Some(_) => Err(Refusal::OutOfOrder("a put begins before the last one ended")),
            None => self.shared.data().and_then(|data| Put::begin(id, data, begin)),
        };
        match begun {
            Ok(put) => {
                let tree = put.tree;
                (self.put, self.refused) = (Some(put), None);
                self.reply(id, Reply::PutReady(PutReady { tree }))
            }
            Err(refusal) => {
                self.refused = Some(id);
                self.reply(id, Reply::Failure(refusal.into()))
            }
        }
    }

    pub(super) fn continue_put(&mut self, id: u32, request: Option<&Request>) -> Result<(), ChannelError> {
        let (Some(request), Some(put)) = (request, &mut self.put) else {
            return Ok(());
        };
        let step = match request {
            Request::PutEntry(entry) => put.entry(entry),
            Request::PutFileEnd(end) => put.end_file(end.sha256),
            Request::PutFileAbandon(()) => put.abandon_file(),
            Request::PutEnd(()) => {
                let life = SignsOfLife::begin(&self.channel);
                let step = put.end();
                drop(life);
                step
            }
            _ => {
                if let Some(put) = self.put.take() {
                    put.undo();
                }
                return self.reply(id, Reply::Done(()));
            }
        };
        match step {
            Ok(Step::Nothing) => Ok(()),
            Ok(Step::Opened) => match &put.file {
                Some(file) => send_file_opened(&self.channel, id, file.descriptor.as_fd()),
                None => Ok(()),
            },
            Ok(Step::Done(done)) => {
                self.put = None;
                self.reply(id, Reply::PutDone(done))
            }
            Err(refusal) => {
                // Its last request leaves nothing to ignore.
                self.refused = (!matches!(request, Request::PutEnd(()))).then_some(id);
                if let Some(put) = self.put.take() {
                    put.undo();
                }
                self.reply(id, Reply::Failure(refusal.into()))
            }
        }
    }
}

/// While many bytes are synced the client hears now and then that the box is at work, and does not take its
/// silence for the end of it.
struct SignsOfLife(Option<(Sender<()>, JoinHandle<()>)>);

impl SignsOfLife {
    fn begin(channel: &Channel) -> Self {
        let Ok(channel) = channel.try_clone() else {
            return Self(None);
        };
        let (end, ended) = std::sync::mpsc::channel();
        let tell = move || {
            while ended.recv_timeout(SIGN_OF_LIFE) == Err(RecvTimeoutError::Timeout) {
                if send_reply(&channel, super::BOX, &Reply::Done(()), None, false).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("syncing".into()).spawn(tell);
        Self(thread.ok().map(|thread| (end, thread))) // without one the client may have to be patient
    }
}

impl Drop for SignsOfLife {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            let _ = thread.join(); // nothing of it may come behind the reply
        }
    }
}

impl Put {
    fn begin(id: u32, data: Arc<Data>, begin: &PutBegin) -> Result<Self, Refusal> {
        data.staging.check_room(begin.expected)?;
        let (tree, next_link, before) = match begin.tree {
            0 => {
                let name: String = begin
                    .name
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(NAME_MAX)
                    .collect();
                (data.catalog.begin_tree(&name, clock::now())?, 0, 0)
            }
            tree => (tree, reopen(&data, tree)?, data.catalog.count_entries(tree)?),
        };
        let directory = data.staging.work_tree(tree)?;
        Ok(Self {
            id,
            data,
            tree,
            directory,
            entries: BTreeMap::new(),
            before,
            links: HashMap::new(),
            next_link,
            files: 0,
            bytes: 0,
            file: None,
        })
    }

    fn entry(&mut self, entry: &Entry) -> Result<Step, Refusal> {
        if self.file.is_some() {
            return Err(Refusal::OutOfOrder("an entry came before the last file ended"));
        }
        if self.before + self.entries.len() >= ENTRIES_MAX {
            return Err(Refusal::TooManyEntries(ENTRIES_MAX));
        }
        let shown = || entry.path.to_string();
        let path = entry.path.as_bytes();
        wire::check_path(path).map_err(|why| Refusal::BadPath { path: shown(), why })?;
        let kind = EntryKind::from_number(entry.kind).ok_or_else(|| Refusal::UnknownEntry(shown()))?;
        let mut record = EntryRecord::new(entry);
        match kind {
            EntryKind::Directory => {
                self.check_room(0)?;
                self.make_parents(path)?;
                self.directory.make_directory(path)?;
                (record.size, record.hard_link) = (0, 0);
                record.target = ByteString::default();
                self.entries.insert(sort_key(path), record);
                Ok(Step::Nothing)
            }
            EntryKind::Symlink => {
                let target = entry.target.as_bytes();
                wire::check_link_target(target).map_err(|why| Refusal::BadPath { path: shown(), why })?;
                self.check_room(0)?;
                self.make_parents(path)?;
                self.directory.make_symlink(path, target)?;
                (record.size, record.hard_link) = (0, 0);
                self.entries.insert(sort_key(path), record);
                Ok(Step::Nothing)
            }
            EntryKind::File => {
                record.target = ByteString::default();
                self.file(path, record)
            }
            _ => Err(Refusal::UnknownEntry(shown())),
        }
    }

    fn file(&mut self, path: &[u8], mut record: EntryRecord) -> Result<Step, Refusal> {
        let link = record.hard_link;
        if let Some(first) = self.links.get(&link).filter(|_| link != 0) {
            let (existing, record) = (first.first.clone(), first.record.clone());
            self.check_room(0)?;
            self.make_parents(path)?;
            self.directory.make_link(&existing, path)?;
            self.entries.insert(sort_key(path), record);
            return Ok(Step::Nothing);
        }
        self.check_room(record.size)?;
        self.make_parents(path)?;
        let descriptor = self.directory.create_file(path, record.size)?;
        if link != 0 {
            record.hard_link = self.next_link + 1; // numbers of one put mean nothing to the next one
        }
        self.file = Some(OpenFile {
            path: path.to_vec(),
            record,
            link,
            descriptor,
        });
        Ok(Step::Opened)
    }

    fn end_file(&mut self, sha256: [u8; 32]) -> Result<Step, Refusal> {
        let no_file = Refusal::OutOfOrder("the end of a file came for no file");
        let OpenFile {
            path,
            mut record,
            link,
            descriptor,
        } = self.file.take().ok_or(no_file)?;
        let status = rustix::fs::fstat(&descriptor).map_err(|why| Refusal::Storage {
            doing: "asking a file's size",
            why,
        })?;
        let got = u64::try_from(status.st_size).unwrap_or(0);
        if got != record.size {
            let path = ByteString(path).to_string();
            return Err(Refusal::WrongSize {
                path,
                expected: record.size,
                got,
            });
        }
        record.sha256 = Some(sha256);
        self.files += 1;
        self.bytes = self.bytes.saturating_add(record.size);
        if link != 0 {
            self.next_link += 1;
            self.links.insert(
                link,
                Link {
                    first: path.clone(),
                    record: record.clone(),
                },
            );
        }
        self.entries.insert(sort_key(&path), record);
        Ok(Step::Nothing)
    }

    fn abandon_file(&mut self) -> Result<Step, Refusal> {
        let file = self
            .file
            .take()
            .ok_or(Refusal::OutOfOrder("a file is abandoned that never began"))?;
        self.directory.remove(&file.path)?;
        Ok(Step::Nothing)
    }

    fn end(&mut self) -> Result<Step, Refusal> {
        if self.file.is_some() {
            return Err(Refusal::OutOfOrder("the put ended before its last file"));
        }
        self.data.staging.sync()?;
        let Self {
            tree,
            files,
            bytes,
            next_link,
            ..
        } = *self;
        self.data
            .catalog
            .finish_put(tree, &self.entries, files, bytes, next_link)?;
        Ok(Step::Done(PutDone { tree, files, bytes }))
    }

    fn check_room(&self, bytes: u64) -> Result<(), Refusal> {
        let records = (self.entries.len() as u64).saturating_mul(RECORD_COST);
        let needed = bytes.saturating_add(ENTRY_COST).saturating_add(records);
        self.data.staging.check_room(needed)
    }

    /// Directories that nobody described belong to root and were changed now.
    fn make_parents(&mut self, path: &[u8]) -> Result<(), Refusal> {
        for made in self.directory.make_parents(path)? {
            let entry = Entry {
                kind: EntryKind::Directory.number(),
                mode: 0o755,
                mtime: clock::now(),
                ..Entry::default()
            };
            self.entries.insert(sort_key(&made), EntryRecord::new(&entry));
        }
        Ok(())
    }

    /// Removes what the put brought.
    pub(super) fn undo(self) {
        let Self { data, tree, file, .. } = self;
        drop(file);
        if let Err(refusal) = data.undo_put(tree) {
            eprintln!("trees: error: a put into tree {tree} is undone only at the next start: {refusal}");
        }
    }
}

/// Opens a tree for a further put; returns the hard-link numbers given in it so far.
fn reopen(data: &Data, tree: u64) -> Result<u64, Refusal> {
    let record = data
        .catalog
        .change_tree(tree, |record| match (record.state, record.receiving) {
            (TreeState::Open, false) => {
                record.receiving = true;
                Ok(record.links)
            }
            (TreeState::Open, true) => Err("still being received"),
            (TreeState::Claimed(_), _) => Err("being burned"),
            (TreeState::Archived(_), _) => Err("archived"),
            (TreeState::Kept | TreeState::Image, _) => Err("a copy of a disc"),
        })?;
    let record = record.ok_or_else(|| Refusal::NotFound(format!("tree {tree}")))?;
    record.map_err(|state| Refusal::TreeNotOpen { tree, state })
}
