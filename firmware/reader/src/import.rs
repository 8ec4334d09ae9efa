//! An import: every entry of a disc and where its bytes lie, for a session that is appended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};

use discfs::{BLOCK, BlockSource, DiscExtent, Node, NodeKind, Volume, WalkLimits};
use seam::Channel;
use seam::reader::{EXTENTS_MAX, FromReader, Recorded};
use wire::{ByteString, check_path};

use crate::blocks::Disc;
use crate::digests::{Digests, Line};
use crate::requests::{Trouble, entry};

/// Bytes of entries in one message, about: one more entry, of 8 KiB and as many extents as it may have, fits.
const BATCH: usize = 24 << 10;

/// Bytes an entry, and an extent of it, take in a message at most, beside path and target.
const ENTRY: usize = 150;
const EXTENT: usize = 15;

/// Entries told: as many as the vault burns at once.
const ENTRIES_MAX: u64 = 250_000;

/// Files that lie within their descriptions are told with their bytes up to this size, a block's.
const EMBEDDED_MAX: u64 = BLOCK as u64;

/// Entries left out that are named.
const EXAMPLES: usize = 20;

/// Bytes of such a name.
const EXAMPLE_MAX: usize = 500;

/// First block behind a volume as its primary volume descriptor says (ECMA-119 §8.4.8), which counts from block 0
/// or from the session's start, as its writer understood it: the larger. 0 when there is none.
pub(crate) fn volume_end(source: &mut Disc, session_start: u64) -> u64 {
    let mut block = [0; BLOCK];
    let at = session_start.saturating_add(16);
    if at >= source.blocks() || source.read(at, &mut block).is_err() {
        return 0;
    }
    match block.get(..84) {
        Some([1, b'C', b'D', b'0', b'0', b'1', .., a, b, c, d]) => {
            session_start + u64::from(u32::from_le_bytes([*a, *b, *c, *d]))
        }
        _ => 0,
    }
}

/// Tells the whole tree.
pub(crate) fn import(
    vault: &Channel,
    volume: &mut Volume<Disc>,
    digests: Option<&mut Digests>,
    volume_end: u64,
) -> Result<(), Trouble> {
    let mut import = Import {
        vault,
        hasher: RandomState::new(), // keyed by chance: no disc can bring names that collide
        digests: BTreeMap::new(),
        numbers: BTreeMap::new(),
        next: 0,
        seen: BTreeSet::new(),
        batch: Vec::new(),
        size: 0,
        left_out: 0,
        examples: Vec::new(),
        end: volume_end,
    };
    if let Some(digests) = digests {
        import.take_digests(volume, digests)?;
    }
    let root = volume.root();
    let limits = WalkLimits {
        depth: 2048, // more than a path that can be written has
        entries: ENTRIES_MAX,
    };
    let mut trouble = None;
    volume.walk(&root, limits, &mut |volume, path, node| {
        trouble = import.take(volume, path, node).err();
        trouble.is_none()
    })?;
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    import.send()?;
    let end = FromReader::ImportEnd {
        left_out: import.left_out,
        examples: import.examples,
        end: import.end,
    };
    Ok(vault.send(&end, &[])?)
}

struct Import<'a> {
    vault: &'a Channel,
    hasher: RandomState,
    /// By the hashes of paths.
    digests: BTreeMap<u64, [u8; 32]>,
    /// Numbers of files with several names. Some writers give different files one serial number, so that it
    /// takes equal extents as well to be the same file.
    numbers: BTreeMap<(u64, Vec<DiscExtent>), u64>,
    next: u64,
    /// Hashes of the paths told: a name that comes twice can be kept once only.
    seen: BTreeSet<u64>,
    batch: Vec<Recorded>,
    size: usize,
    left_out: u64,
    examples: Vec<String>,
    end: u64,
}

impl Import<'_> {
    fn take_digests(&mut self, volume: &mut Volume<Disc>, digests: &mut Digests) -> Result<(), Trouble> {
        digests.rewind();
        while let Some(line) = digests.next(volume)? {
            if let Line::File(line) = line
                && (self.digests.len() as u64) < ENTRIES_MAX
            {
                self.digests
                    .insert(self.hasher.hash_one(&line.path[..]), line.digest);
            }
        }
        Ok(())
    }

    fn take(&mut self, volume: &mut Volume<Disc>, path: &[u8], node: &Node) -> Result<(), Trouble> {
        let extents = node.recorded();
        for extent in extents.iter().flatten() {
            let end = u64::from(extent.block).saturating_add(extent.bytes.div_ceil(BLOCK as u64));
            self.end = self.end.max(end);
        }
        if path.split(|byte| *byte == b'/').next() == Some(&b".spindle"[..]) {
            return Ok(()); // each session has its own
        }
        if let Err(error) = check_path(path) {
            self.leave_out(path, error);
            return Ok(());
        }
        if !self.seen.insert(self.hasher.hash_one(path)) {
            self.leave_out(path, "the name comes twice");
            return Ok(());
        }
        let mut recorded = Recorded {
            entry: entry(volume, path, node)?,
            ..Recorded::default()
        };
        match (node.kind, extents) {
            (NodeKind::Special, _) => {
                self.leave_out(path, "it is a device, socket or pipe");
                return Ok(());
            }
            (NodeKind::Symlink, _) if recorded.entry.target.as_bytes().is_empty() => {
                self.leave_out(path, "its target cannot be written again");
                return Ok(());
            }
            (NodeKind::File, Some(extents)) => {
                recorded.entry.sha256 = self.digests.get(&self.hasher.hash_one(path)).copied();
                recorded.file = self.number(node, &extents);
                return self.tell(recorded, &extents);
            }
            (NodeKind::File, None) if node.size <= EMBEDDED_MAX => {
                let mut bytes = vec![0; usize::try_from(node.size).unwrap_or(0)];
                let read = volume.read_file(node, 0, &mut bytes)?;
                bytes.truncate(read);
                recorded.file = self.number(node, &[]);
                recorded.bytes = Some(bytes);
            }
            (NodeKind::File, None) => {
                self.leave_out(path, "it has holes, which cannot be pointed to");
                return Ok(());
            }
            (NodeKind::Directory | NodeKind::Symlink, _) => {}
        }
        self.push(recorded)
    }

    /// Tells a file, in parts when it has very many extents.
    fn tell(&mut self, recorded: Recorded, extents: &[DiscExtent]) -> Result<(), Trouble> {
        let mut parts = extents.chunks(EXTENTS_MAX).peekable();
        if parts.peek().is_none() {
            return self.push(recorded); // an empty file
        }
        while let Some(part) = parts.next() {
            self.push(Recorded {
                extents: part.iter().map(|extent| (extent.block, extent.bytes)).collect(),
                more: parts.peek().is_some(),
                ..recorded.clone()
            })?;
        }
        Ok(())
    }

    fn number(&mut self, node: &Node, extents: &[DiscExtent]) -> u64 {
        let number = self.next;
        self.next += 1;
        match node.links {
            0 | 1 => number,
            _ => *self
                .numbers
                .entry((node.identity, extents.to_vec()))
                .or_insert(number),
        }
    }

    fn leave_out(&mut self, path: &[u8], why: impl Display) {
        self.left_out += 1;
        if self.examples.len() < EXAMPLES {
            let mut example = format!("{}: {why}", ByteString::from(path));
            example.truncate(example.floor_char_boundary(EXAMPLE_MAX));
            self.examples.push(example);
        }
    }

    fn push(&mut self, recorded: Recorded) -> Result<(), Trouble> {
        self.size += ENTRY
            + recorded.entry.path.as_bytes().len()
            + recorded.entry.target.as_bytes().len()
            + recorded.extents.len() * EXTENT
            + recorded.bytes.as_ref().map_or(0, Vec::len);
        self.batch.push(recorded);
        if self.size >= BATCH { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Trouble> {
        self.size = 0;
        match std::mem::take(&mut self.batch) {
            none if none.is_empty() => Ok(()),
            some => Ok(self.vault.send(&FromReader::Recorded(some), &[])?),
        }
    }
}
