//! Listing and getting, from trees here and from discs through their readers.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::SeekFrom;
use rustix::pipe::{PipeFlags, pipe_with};
use seam::ChannelError;
use seam::reader::{FromReader, ToReader};
use wire::{
    ByteString, Entry, EntryKind, Failure, GetEnd, GetFile, GetIn, ListEnd, ListEntries, ListIn, Place,
    PlaceKind, Reply,
};

use super::Session;
use crate::catalog::TreeState;
use crate::drives::Drive;
use crate::errors::{self, Refusal};
use crate::readers::{self, Reader};

/// Bytes of entries in one message, about: it has to fit a frame with one entry of 8 KiB more.
const BATCH: usize = 32 << 10;

/// Why an answer that has begun does not go on.
enum Stop {
    Failed(Failure),
    Gone(ChannelError),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Checks the path of a listing: the empty one is the root.
fn check_path(path: &ByteString, root: bool) -> Result<(), Refusal> {
    match path.as_bytes() {
        [] if root => Ok(()),
        bytes => wire::check_path(bytes).map_err(|why| Refusal::BadPath {
            path: path.to_string(),
            why,
        }),
    }
}

/// The drive of a place.
fn drive_of(place: &Place) -> Result<u32, Refusal> {
    u32::try_from(place.number).map_err(|_| Refusal::NotFound(format!("drive {}", place.number)))
}

fn no_entry(path: &ByteString) -> Refusal {
    Refusal::NotFound(format!("entry `{path}`"))
}

impl Session {
    fn finish(&self, id: u32, result: Result<(), Stop>) -> Result<(), ChannelError> {
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Failed(failure)) => self.reply(id, Reply::Failure(failure)),
            Err(Stop::Gone(error)) => Err(error),
        }
    }

    fn pass_on(&self, id: u32, reply: Reply) -> Result<(), Stop> {
        self.reply(id, reply).map_err(Stop::Gone)
    }

    pub(super) fn list(&self, id: u32, list: &ListIn) -> Result<(), ChannelError> {
        let listed = check_path(&list.path, true).map_err(Stop::from).and_then(|()| {
            match PlaceKind::from_number(list.place.kind) {
                Some(PlaceKind::Tree) => self.list_tree(id, list.place.number, list),
                Some(PlaceKind::Disc) => self.list_disc(id, drive_of(&list.place)?, list),
                _ => Err(Refusal::UnknownPlace(list.place.kind).into()),
            }
        });
        self.finish(id, listed)
    }

    fn list_tree(&self, id: u32, tree: u64, list: &ListIn) -> Result<(), Stop> {
        let data = self.shared.data()?;
        match data.catalog.tree(tree)? {
            None => return Err(Refusal::NotFound(format!("tree {tree}")).into()),
            Some(record) if record.state == TreeState::Image => {
                return Err(Refusal::IsAnImage(tree).into());
            }
            Some(_) => {}
        }
        let path = list.path.as_bytes();
        if !path.is_empty() && data.catalog.entry(tree, path)?.is_none() {
            return Err(no_entry(&list.path).into());
        }
        let (mut count, mut after) = (0, None);
        loop {
            let page = data
                .catalog
                .page(tree, path, list.depth, after.as_deref(), BATCH)?;
            count += page.entries.len() as u64;
            if !page.entries.is_empty() {
                self.pass_on(
                    id,
                    Reply::ListEntries(ListEntries {
                        entries: page.entries,
                    }),
                )?;
            }
            after = page.next;
            if after.is_none() {
                return self.pass_on(id, Reply::ListEnd(ListEnd { count }));
            }
        }
    }

    fn list_disc(&self, id: u32, drive: u32, list: &ListIn) -> Result<(), Stop> {
        let drive = self.shared.drives.find(drive)?;
        let request = ToReader::List {
            path: list.path.as_bytes().to_vec(),
            depth: list.depth,
        };
        let mut count = 0;
        let mut gone = None;
        let given_up = || self.is_closed();
        let listed = readers::with(&self.shared, &drive, list.place.session, &given_up, |reader| {
            reader.ask(&request, None)?;
            loop {
                match reader
                    .answer(&given_up)
                    .map_err(|refusal| begun(count > 0, refusal))?
                {
                    FromReader::Entries(entries) if entries.iter().all(is_plain) => {
                        count += entries.len() as u64;
                        gone = self.send_entries(id, entries).err();
                        if gone.is_some() {
                            return Err(Refusal::ReaderSilent); // what it still says is for nobody
                        }
                    }
                    FromReader::EntriesEnd => return Ok(()),
                    FromReader::Failed { not_found: true, .. } => return Err(no_entry(&list.path)),
                    FromReader::Failed { reason, .. } => return Err(Refusal::Unreadable(reason)),
                    _ => return Err(Refusal::ReaderStrange),
                }
            }
        });
        match gone {
            Some(error) => Err(Stop::Gone(error)),
            None => listed
                .map_err(Stop::from)
                .and_then(|()| self.pass_on(id, Reply::ListEnd(ListEnd { count }))),
        }
    }

    /// Sends a reader's entries in messages of a size that fits.
    fn send_entries(&self, id: u32, entries: Vec<Entry>) -> Result<(), ChannelError> {
        let (mut batch, mut size) = (Vec::new(), 0);
        for entry in entries {
            size += 64 + entry.path.as_bytes().len() + entry.target.as_bytes().len();
            batch.push(entry);
            if size >= BATCH {
                let entries = std::mem::take(&mut batch);
                self.reply(id, Reply::ListEntries(ListEntries { entries }))?;
                size = 0;
            }
        }
        match batch.is_empty() {
            true => Ok(()),
            false => self.reply(id, Reply::ListEntries(ListEntries { entries: batch })),
        }
    }

    pub(super) fn get(&self, id: u32, get: &GetIn) -> Result<(), ChannelError> {
        let got =
            check_path(&get.path, false).map_err(Stop::from).and_then(|()| {
                match PlaceKind::from_number(get.place.kind) {
                    Some(PlaceKind::Tree) => self.get_from_tree(id, get.place.number, get),
                    Some(PlaceKind::Disc) => self.get_from_disc(id, drive_of(&get.place)?, get),
                    _ => Err(Refusal::UnknownPlace(get.place.kind).into()),
                }
            });
        self.finish(id, got)
    }

    fn get_from_tree(&self, id: u32, tree: u64, get: &GetIn) -> Result<(), Stop> {
        let data = self.shared.data()?;
        let record = data
            .catalog
            .tree(tree)?
            .ok_or_else(|| Refusal::NotFound(format!("tree {tree}")))?;
        let path = get.path.as_bytes();
        let entry = data
            .catalog
            .entry(tree, path)?
            .ok_or_else(|| no_entry(&get.path))?;
        if entry.kind != EntryKind::File.number() {
            return Err(Refusal::NotAFile(get.path.to_string()).into());
        }
        // A tree may be frozen, or taken back, between the look at its state and the opening.
        let opened = match record.state {
            TreeState::Archived(disc) => {
                let disc = data
                    .catalog
                    .disc(disc)?
                    .map_or_else(String::new, |disc| disc.label);
                return Err(Refusal::TreeOnDisc(tree, disc).into());
            }
            TreeState::Image => return Err(Refusal::IsAnImage(tree).into()),
            TreeState::Open | TreeState::Kept => {
                data.staging.work_tree(tree).and_then(|tree| tree.open_file(path))
            }
            TreeState::Claimed(job) => match data
                .staging
                .frozen_tree(job)
                .and_then(|tree| tree.open_file(path))
            {
                Err(_) => data.staging.work_tree(tree).and_then(|tree| tree.open_file(path)),
                opened => opened,
            },
        };
        let file = opened?;
        let length = get.length.min(entry.size.saturating_sub(get.offset));
        if length > 0 {
            rustix::fs::seek(&file, SeekFrom::Start(get.offset)).map_err(|why| Refusal::Storage {
                doing: "going to an offset",
                why,
            })?;
        }
        let sha256 = entry.sha256;
        let reply = Reply::GetFile(GetFile {
            entry: entry.into_entry(path.to_vec()),
            length,
        });
        self.reply_with(id, reply, file.as_fd()).map_err(Stop::Gone)?;
        self.pass_on(id, Reply::GetEnd(GetEnd { sha256 }))
    }

    fn get_from_disc(&self, id: u32, drive: u32, get: &GetIn) -> Result<(), Stop> {
        let drive: Arc<Drive> = self.shared.drives.find(drive)?;
        let mut gone = None;
        let end = readers::with(
            &self.shared,
            &drive,
            get.place.session,
            &|| self.is_closed(),
            |reader| self.get_through(reader, id, get, &mut gone),
        )?;
        match gone {
            Some(error) => Err(Stop::Gone(error)),
            None => self.pass_on(id, Reply::GetEnd(end)),
        }
    }

    /// The reader writes into a pipe, the door reads from it; what passes is not seen here.
    fn get_through(
        &self,
        reader: &Reader,
        id: u32,
        get: &GetIn,
        gone: &mut Option<ChannelError>,
    ) -> Result<GetEnd, Refusal> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|why| Refusal::Storage {
            doing: "making a pipe",
            why,
        })?;
        let GetIn { offset, length, .. } = *get;
        let request = ToReader::Get {
            path: get.path.as_bytes().to_vec(),
            offset,
            length,
        };
        reader.ask(&request, Some(write.as_fd()))?;
        drop(write);
        let mut read = Some(read);
        loop {
            match reader
                .answer(&|| self.is_closed())
                .map_err(|refusal| begun(read.is_none(), refusal))?
            {
                FromReader::File { entry, length } => {
                    let whole = length == get.length.min(entry.size.saturating_sub(get.offset));
                    let Some(read) = read.take().filter(|_| whole && is_plain(&entry)) else {
                        return Err(Refusal::ReaderStrange);
                    };
                    let reply = Reply::GetFile(GetFile {
                        entry: *entry,
                        length,
                    });
                    // If the client is gone the reader finds its pipe closed, and answers all the same.
                    *gone = self.reply_with(id, reply, read.as_fd()).err();
                }
                FromReader::FileEnd(sha256) if read.is_none() => return Ok(GetEnd { sha256 }),
                FromReader::Failed { not_found: true, .. } => return Err(no_entry(&get.path)),
                FromReader::Failed { reason, .. } => return Err(Refusal::Unreadable(reason)),
                _ => return Err(Refusal::ReaderStrange),
            }
        }
    }
}

/// Whether an entry is one a client can be shown: a reader's words count for no more than its disc's.
fn is_plain(entry: &Entry) -> bool {
    let target = entry.target.as_bytes();
    wire::check_path(entry.path.as_bytes()).is_ok()
        && (target.is_empty() || wire::check_link_target(target).is_ok())
}

/// A reader that died after something was passed on cannot be asked again.
fn begun(begun: bool, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::ReaderDied if begun => Refusal::Unreadable(errors::READER_DIED_MIDWAY.into()),
        other => other,
    }
}
