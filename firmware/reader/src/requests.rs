//! The vault's requests, one at a time.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use discfs::{DiscError, Node, NodeKind, View, Volume, WalkLimits};
use rustix::io::Errno;
use seam::reader::{FromReader, ToReader};
use seam::{Channel, ChannelError};
use wire::{ByteString, Entry, EntryKind, Time, check_link_target, check_path};

use crate::blocks::Disc;
use crate::check;
use crate::digests::Digests;
use crate::import;

/// A list goes out in messages of about so many bytes.
const BATCH: usize = 48 << 10;

/// The most bytes an entry takes in a message beside its path and target.
const ENTRY: usize = 96;

/// Bytes of a file read and written at once: whole runs of the cache.
pub(crate) const CHUNK: usize = 62 << 10;

/// Why a request was not answered with what it asked for.
pub(crate) enum Trouble {
    /// The vault is told so.
    Disc(DiscError),
    /// The vault is told so, in these words.
    Other(String),
    /// The vault is gone.
    Vault(ChannelError),
}

impl From<DiscError> for Trouble {
    fn from(error: DiscError) -> Self {
        Self::Disc(error)
    }
}

impl From<ChannelError> for Trouble {
    fn from(error: ChannelError) -> Self {
        Self::Vault(error)
    }
}

/// A disc and who asks about it.
pub(crate) struct Requests {
    vault: Channel,
    blocks: Rc<Channel>,
    disc: Option<OpenDisc>,
}

struct OpenDisc {
    volume: Volume<Disc>,
    digests: Option<Digests>,
    /// First block behind the volume, as its own descriptor says; 0 when it has none.
    end: u64,
}

impl Requests {
    pub(crate) fn new(vault: Channel, blocks: Channel) -> Self {
        Self {
            vault,
            blocks: Rc::new(blocks),
            disc: None,
        }
    }

    /// Answers until a channel breaks.
    pub(crate) fn serve(mut self) -> Result<Infallible, ChannelError> {
        loop {
            let (request, mut descriptors) = self.vault.receive::<ToReader>()?;
            let failed = match self.answer(request, descriptors.pop()) {
                Ok(()) => continue,
                Err(Trouble::Vault(error)) => return Err(error),
                Err(Trouble::Disc(error)) => FromReader::Failed {
                    not_found: matches!(error, DiscError::NotFound(_)),
                    reason: error.to_string(),
                },
                Err(Trouble::Other(reason)) => FromReader::Failed {
                    not_found: false,
                    reason,
                },
            };
            self.vault.send(&failed, &[])?;
        }
    }

    fn answer(&mut self, request: ToReader, descriptor: Option<OwnedFd>) -> Result<(), Trouble> {
        if let ToReader::Open {
            blocks,
            session_start,
        } = request
        {
            return self.open(blocks, session_start);
        }
        let disc = self
            .disc
            .as_mut()
            .ok_or_else(|| Trouble::Other("no disc was opened".into()))?;
        match request {
            ToReader::Open { .. } => Ok(()),
            ToReader::List { path, depth } => list(&self.vault, &mut disc.volume, &path, depth),
            ToReader::Get { path, offset, length } => {
                let into =
                    descriptor.ok_or_else(|| Trouble::Other("no descriptor came to write to".into()))?;
                disc.get(&self.vault, &path, offset, length, into)
            }
            ToReader::Check => match disc.digests.as_mut() {
                Some(digests) => check::check(&self.vault, &mut disc.volume, digests),
                None => Ok(self.vault.send(&FromReader::NoDigests, &[])?),
            },
            ToReader::Import => {
                import::import(&self.vault, &mut disc.volume, disc.digests.as_mut(), disc.end)
            }
        }
    }

    fn open(&mut self, blocks: u64, session_start: u64) -> Result<(), Trouble> {
        self.disc = None;
        let mut source = Disc::new(Rc::clone(&self.blocks), blocks);
        let end = import::volume_end(&mut source, session_start);
        // One read that fails must not decide which view is shown: the richest is tried twice.
        let mut volume = match Volume::open_view(source, session_start, View::RockRidge) {
            Ok(volume) => volume,
            Err(_) => Volume::open(Disc::new(Rc::clone(&self.blocks), blocks), session_start)?,
        };
        let opened = FromReader::Opened {
            label: volume.label().into(),
            view: volume.view().to_string(),
        };
        // A list of digests that cannot be read is like none: the files themselves still can.
        let digests = Digests::open(&mut volume).unwrap_or_default();
        self.disc = Some(OpenDisc { volume, digests, end });
        Ok(self.vault.send(&opened, &[])?)
    }
}

impl OpenDisc {
    fn get(
        &mut self,
        vault: &Channel,
        path: &[u8],
        mut offset: u64,
        length: u64,
        into: OwnedFd,
    ) -> Result<(), Trouble> {
        let node = self.volume.lookup(path)?;
        if node.kind != NodeKind::File {
            return Err(DiscError::NotFile.into());
        }
        let mut left = length.min(node.size.saturating_sub(offset));
        let entry = Box::new(entry(&mut self.volume, path, &node)?);
        vault.send(&FromReader::File { entry, length: left }, &[])?;
        let mut buffer = vec![0; CHUNK];
        while left > 0 {
            let most = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let part = buffer.get_mut(..most).unwrap_or_default();
            let read = match self.volume.read_file(&node, offset, part)? {
                0 => return Err(Trouble::Other("the file ends before its size".into())),
                read => read.min(most),
            };
            write_all(&into, part.get(..read).unwrap_or_default()).map_err(|error| {
                Trouble::Other(match error {
                    Errno::PIPE => "the receiver went away before the file's end".into(),
                    other => format!("the receiver cannot be written to: {other}"),
                })
            })?;
            offset += read as u64;
            left -= read as u64;
        }
        drop(into);
        let digest = match self.digests.as_mut() {
            // The bytes are delivered: a list that breaks off here only leaves their digest unknown.
            Some(digests) => digests.find(&mut self.volume, path).unwrap_or_default(),
            None => None,
        };
        Ok(vault.send(&FromReader::FileEnd(digest), &[])?)
    }
}

/// Sends the entries at and below a path.
fn list(vault: &Channel, volume: &mut Volume<Disc>, path: &[u8], depth: u32) -> Result<(), Trouble> {
    let from = volume.lookup(path)?;
    let mut batch = Batch {
        vault,
        entries: Vec::new(),
        size: 0,
    };
    if !path.is_empty() {
        batch.push(entry(volume, path, &from)?)?;
    }
    if depth > 0 && from.kind == NodeKind::Directory {
        let limits = WalkLimits {
            depth,
            ..WalkLimits::default()
        };
        let mut trouble = None;
        let mut damage = None;
        let mut visit = |volume: &mut Volume<Disc>, below: &[u8], node: &Node| {
            let full = join(path, below);
            if let Err(error) = check_path(&full) {
                eprintln!("left out of a list: {}: {error}", ByteString(full));
                return true;
            }
            let pushed = entry(volume, &full, node).and_then(|entry| batch.push(entry));
            trouble = pushed.err();
            trouble.is_none()
        };
        // What lies deeper was not asked for.
        volume.walk_tolerant(&from, limits, &mut visit, &mut |_, error| match error {
            DiscError::TooDeep(_) => true,
            error => {
                damage = Some(error);
                false
            }
        })?;
        if let Some(trouble) = trouble.or(damage.map(Trouble::Disc)) {
            return Err(trouble);
        }
    }
    batch.send()?;
    Ok(vault.send(&FromReader::EntriesEnd, &[])?)
}

/// Entries on their way.
struct Batch<'a> {
    vault: &'a Channel,
    entries: Vec<Entry>,
    size: usize,
}

impl Batch<'_> {
    fn push(&mut self, entry: Entry) -> Result<(), Trouble> {
        self.size += entry.path.0.len() + entry.target.0.len() + ENTRY;
        self.entries.push(entry);
        if self.size >= BATCH { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Trouble> {
        self.size = 0;
        match std::mem::take(&mut self.entries) {
            none if none.is_empty() => Ok(()),
            entries => Ok(self.vault.send(&FromReader::Entries(entries), &[])?),
        }
    }
}

/// A path below another.
fn join(above: &[u8], below: &[u8]) -> Vec<u8> {
    match above {
        [] => below.into(),
        _ => [above, below].join(&b'/'),
    }
}

/// What travels about a node. A device, socket or pipe has kind 0: it is shown, never opened.
pub(crate) fn entry(volume: &mut Volume<Disc>, path: &[u8], node: &Node) -> Result<Entry, Trouble> {
    let mut entry = Entry {
        path: path.into(),
        kind: match node.kind {
            NodeKind::File => EntryKind::File.number(),
            NodeKind::Directory => EntryKind::Directory.number(),
            NodeKind::Symlink => EntryKind::Symlink.number(),
            NodeKind::Special => 0,
        },
        mode: node.attributes.mode & 0o7777,
        uid: node.attributes.uid,
        gid: node.attributes.gid,
        mtime: Time {
            seconds: node.attributes.mtime.seconds,
            nanoseconds: node.attributes.mtime.nanoseconds,
        },
        size: node.size,
        hard_link: if node.links > 1 { node.identity } else { 0 },
        ..Entry::default()
    };
    if node.kind == NodeKind::Symlink {
        let target = volume.link_target(node)?;
        match check_link_target(&target) {
            Ok(()) => entry.target = target.into(),
            Err(error) => eprintln!("a target is left out of a list: {}: {error}", entry.path),
        }
    }
    Ok(entry)
}

fn write_all(into: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(into, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
