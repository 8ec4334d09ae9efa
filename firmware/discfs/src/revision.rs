//! The tree of a disc while it is changed, from the last session to the next.

use crate::catalog::{CATALOG_PATH, CatalogEntry, CatalogLine, EarlierSession, parse_catalog_line};
use crate::digests::{DIGESTS_PATH, parse_digest_line};
use crate::tree::OWN_DIRECTORY;
use crate::{Attributes, BlockSource, DiscError, DiscExtent, FileId, Kind, Node, NodeKind, Times, Tree};
use crate::{TreeError, Volume, WalkLimits};
use alloc::{collections::BTreeMap, vec::Vec};
use sha2::{Digest, Sha256};

/// Levels of directories looked into, more than a path that can be written has.
const DEPTH_MAX: u32 = 4096;
/// Bytes of a list read at once, and of its longest line.
const PIECE: usize = 65_536;

/// What stands at a path.
#[derive(Clone, Debug)]
enum Item {
    Directory,
    File {
        size: u64,
        file: FileId,
    },
    Recorded {
        file: FileId,
        extents: Vec<DiscExtent>,
        digest: Option<[u8; 32]>,
        crc32c: Option<u32>,
    },
    Symlink {
        target: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    attributes: Attributes,
    times: Option<Times>,
    item: Item,
}

/// Numbers of recorded files. Some writers give different files one serial number, so that it takes equal
/// extents as well to be the same file.
type Numbers = BTreeMap<(u64, Vec<DiscExtent>), u64>;

/// The tree of a disc as it will be after the next session: what is recorded on it, with entries added,
/// replaced, removed and renamed. Paths are from the top, components joined by `/`.
///
/// [`Revision::tree`] gives what [`crate::plan`] takes, with [`crate::Options::start_block`] behind all sessions;
/// files that are kept are described again where they are. Earlier sessions stay as they are on the disc.
#[derive(Clone, Debug)]
pub struct Revision {
    root: Attributes,
    entries: BTreeMap<Vec<u8>, Entry>,
    not_kept: Vec<Vec<u8>>,
    sessions: Vec<EarlierSession>,
}

impl Revision {
    /// The tree of a session, as the view shows it: names and links are best kept by [`crate::View::RockRidge`]. Digests
    /// are taken over from the disc's own list, if it has one; they are not verified.
    ///
    /// # Errors
    /// When a directory or the digest list cannot be read, or there are more entries than the limit: a disc that
    /// cannot be read whole would lose what is not seen.
    pub fn import<S: BlockSource>(volume: &mut Volume<S>, limits: WalkLimits) -> Result<Self, DiscError> {
        let root = volume.root();
        let mut revision = Self {
            root: root.attributes,
            entries: BTreeMap::new(),
            not_kept: Vec::new(),
            sessions: Vec::new(),
        };
        let limits = WalkLimits {
            depth: DEPTH_MAX,
            ..limits
        };
        let mut numbers = BTreeMap::new();
        let mut failure = None;
        volume.walk(&root, limits, &mut |volume, path, node| {
            if path.split(|&byte| byte == b'/').next() != Some(OWN_DIRECTORY) {
                failure = revision.take(volume, path, node, &mut numbers).err();
            }
            failure.is_none()
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        match volume.lookup(DIGESTS_PATH) {
            Ok(list) => revision.take_digests(volume, &list)?,
            Err(DiscError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        match volume.lookup(CATALOG_PATH) {
            Ok(list) => revision.take_catalog(volume, &list)?,
            Err(DiscError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(revision)
    }

    /// Paths that the new session would lack: devices and the like, names that come twice, and files whose bytes do not have blocks of
    /// their own (embedded, or with holes), which the caller can read from the volume and [`Revision::put`] as new.
    #[must_use]
    pub fn not_kept(&self) -> &[Vec<u8>] {
        &self.not_kept
    }

    /// The sessions on the disc, oldest first, as its catalog tells them: what [`crate::Provenance::earlier`] is to be. None
    /// of a disc without a catalog.
    #[must_use]
    pub fn sessions(&self) -> &[EarlierSession] {
        &self.sessions
    }

    /// Adds an entry, or replaces what is at its path; a directory put on a directory changes its attributes
    /// only. Whether path and kind can be on a disc is found by [`Revision::tree`].
    pub fn put(&mut self, path: &[u8], attributes: Attributes, kind: Kind<'_>) {
        let item = match kind {
            Kind::Directory => Item::Directory,
            Kind::File { size, file } => Item::File { size, file },
            Kind::Recorded {
                file,
                extents,
                digest,
                crc32c,
            } => Item::Recorded {
                file,
                extents: extents.to_vec(),
                digest,
                crc32c,
            },
            Kind::Symlink { target } => Item::Symlink {
                target: target.to_vec(),
            },
        };
        if !matches!(item, Item::Directory) {
            self.remove(path);
        }
        let entry = Entry {
            attributes,
            times: None,
            item,
        };
        self.entries.insert(path.to_vec(), entry);
    }

    /// Gives an entry that is there further times.
    pub fn set_times(&mut self, path: &[u8], times: Times) {
        if let Some(entry) = self.entries.get_mut(path) {
            entry.times = Some(times);
        }
    }

    /// Gives the top directory other attributes.
    pub fn set_root(&mut self, attributes: Attributes) {
        self.root = attributes;
    }

    /// Removes an entry with everything below it; returns how many entries that were.
    pub fn remove(&mut self, path: &[u8]) -> usize {
        self.cut(path).len()
    }

    /// Gives an entry, with everything below it, another path, replacing what is there. Returns whether it was
    /// done: not when there is no such entry or the new path lies within it.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        let within = to.strip_prefix(from).is_some_and(|rest| rest.starts_with(b"/"));
        if within || from == to || !self.entries.contains_key(from) {
            return false;
        }
        let moved = self.cut(from);
        self.remove(to);
        self.entries.extend(moved.into_iter().map(|(path, entry)| {
            let below = path.get(from.len()..).unwrap_or_default();
            ([to, below].concat(), entry)
        }));
        true
    }

    /// Entries below the top directory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing but the top directory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tree to plan the next session with.
    ///
    /// # Errors
    /// As [`Tree::add_path`], with the first path that cannot be on a disc.
    pub fn tree(&self) -> Result<Tree, TreeError> {
        let mut tree = Tree::new(self.root);
        // Directories come before what is in them, since a path sorts before all that begin with it.
        for (path, entry) in &self.entries {
            let kind = match &entry.item {
                Item::Directory => Kind::Directory,
                &Item::File { size, file } => Kind::File { size, file },
                Item::Recorded {
                    file,
                    extents,
                    digest,
                    crc32c,
                } => Kind::Recorded {
                    file: *file,
                    extents,
                    digest: *digest,
                    crc32c: *crc32c,
                },
                Item::Symlink { target } => Kind::Symlink { target },
            };
            let node = tree.add_path(path, entry.attributes, kind)?;
            if let Some(times) = entry.times {
                tree.set_times(node, times);
            }
        }
        Ok(tree)
    }

    /// Takes out an entry and everything below it.
    fn cut(&mut self, path: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
        let mut cut = BTreeMap::new();
        cut.extend(self.entries.remove_entry(path));
        // All that begin with the path and `/` stand together, before the path and `0`, the byte behind `/`.
        let mut below = self.entries.split_off(&[path, b"/"].concat());
        let mut behind = below.split_off(&[path, b"0"].concat());
        self.entries.append(&mut behind);
        cut.append(&mut below);
        cut
    }

    fn take<S: BlockSource>(
        &mut self,
        volume: &mut Volume<S>,
        path: &[u8],
        node: &Node,
        numbers: &mut Numbers,
    ) -> Result<(), DiscError> {
        let item = match node.kind {
            NodeKind::Directory => Some(Item::Directory),
            NodeKind::Symlink => Some(Item::Symlink {
                target: volume.link_target(node)?,
            }),
            NodeKind::File => node.recorded().map(|extents| {
                let next = numbers.len() as u64;
                let number = numbers.entry((node.identity, extents.clone()));
                Item::Recorded {
                    file: FileId(*number.or_insert(next)),
                    extents,
                    digest: None,
                    crc32c: None,
                }
            }),
            NodeKind::Special => None,
        };
        match item {
            // A name that comes twice can be kept once only.
            Some(item) if !self.entries.contains_key(path) => {
                let entry = Entry {
                    attributes: node.attributes,
                    times: None,
                    item,
                };
                self.entries.insert(path.to_vec(), entry);
            }
            _ => self.not_kept.push(path.to_vec()),
        }
        Ok(())
    }

    /// Takes over the digests of a list; lines of other forms are passed over.
    fn take_digests<S: BlockSource>(&mut self, volume: &mut Volume<S>, list: &Node) -> Result<(), DiscError> {
        each_line(volume, list, &mut |line| {
            if let Some(line) = parse_digest_line(line)
                && let Some(entry) = self.entries.get_mut(&line.path)
                && let Item::Recorded { digest, .. } = &mut entry.item
            {
                *digest = Some(line.digest);
            }
        })
    }

    /// Takes over from a catalog which sessions there are, and what the digest list does not have.
    fn take_catalog<S: BlockSource>(&mut self, volume: &mut Volume<S>, list: &Node) -> Result<(), DiscError> {
        let mut hasher = Sha256::new();
        let mut session = None;
        each_line(volume, list, &mut |line| {
            hasher.update(line);
            hasher.update(b"\n");
            match parse_catalog_line(line) {
                Some(CatalogLine::Session { number, start }) => session = Some((number, start)),
                Some(CatalogLine::Earlier(earlier)) => self.sessions.push(earlier),
                Some(CatalogLine::Entry(line)) => {
                    if let Some(entry) = self.entries.get_mut(&line.path) {
                        entry.take_catalog(&line);
                    }
                }
                _ => {}
            }
        })?;
        if let Some((number, start)) = session {
            self.sessions.push(EarlierSession {
                number,
                start,
                catalog: Some(hasher.finalize().into()),
            });
        }
        Ok(())
    }
}

impl Entry {
    /// Takes over what the catalog says beyond the file systems, if it speaks of the same.
    fn take_catalog(&mut self, line: &CatalogEntry) {
        // Rock Ridge has whole seconds, UDF microseconds.
        if line.attributes.mtime.seconds == self.attributes.mtime.seconds {
            self.attributes.mtime = line.attributes.mtime;
            self.times = Some(line.times).filter(|times| *times != Times::default());
        }
        if let Item::Recorded { digest, crc32c, .. } = &mut self.item
            && *digest == line.sha256
        {
            *crc32c = line.crc32c;
        }
    }
}

/// Hands each line of a file to `visit`, without its line feed; lines longer than any of ours are passed over.
fn each_line<S: BlockSource>(
    volume: &mut Volume<S>,
    file: &Node,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<(), DiscError> {
    let mut buffer = alloc::vec![0; PIECE];
    let (mut offset, mut kept) = (0, 0);
    loop {
        let count = volume.read_file(file, offset, buffer.get_mut(kept..).unwrap_or_default())?;
        let filled = kept + count;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            visit(rest.get(..end).unwrap_or_default());
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        if count == 0 {
            return Ok(());
        }
        offset += count as u64;
        kept = if rest.len() == PIECE { 0 } else { rest.len() };
        buffer.copy_within(filled - kept..filled, 0);
    }
}
