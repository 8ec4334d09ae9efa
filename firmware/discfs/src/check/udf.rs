//! A logical volume of UDF: integrity, file set, and the tree below it.

use super::claims::{Claims, Owner};
use super::names::{Names, TOP};
use super::udf_descriptors::{Volume, is_virtual};
use super::{Check, CheckStage, Fault, Place, Shown};
use crate::BLOCK;
use crate::read::{BlockSource, DiscError, LongExtent, Partition, Udf, View};
use crate::structure::Fields;
use crate::tag::id;
use alloc::{collections::BTreeMap, vec::Vec};

/// Integrity descriptors looked at: each may point to an extent of further ones.
const INTEGRITY_MAX: u32 = 64;

/// A file entry that was met.
pub(super) struct Met {
    /// Names it says it has, and those met.
    pub links: u32,
    pub names: u32,
    pub entry: u32,
    pub directory: bool,
    pub unique: u64,
}

/// A directory whose entries are still to be looked at.
pub(super) struct Waiting {
    pub extents: crate::read::Extents,
    /// Offsets in it with the blocks of its partition that they are in, for the tags' locations.
    pub places: Vec<(u64, u32)>,
    pub entry: u32,
    pub icb: u64,
    pub parent: u64,
}

/// A logical volume while it is checked.
pub(super) struct Tree {
    pub udf: Udf,
    pub names: Names,
    pub claims: Claims,
    /// File entries by their byte positions.
    pub met: BTreeMap<u64, Met>,
    pub waiting: Vec<Waiting>,
    pub contents: Vec<(u64, u64, u32)>,
    pub files: u64,
    pub directories: u64,
    /// Names that are no directory's.
    pub file_names: u64,
    /// Symbolic links, which some writers do not count as files.
    pub links: u64,
    /// Something was passed over, so that blocks nothing leads to may be its.
    pub incomplete: bool,
}

/// Logical volume integrity descriptor, ECMA-167 3/10.10.
pub(super) struct Integrity {
    pub position: u64,
    pub bytes: Vec<u8>,
}

impl Integrity {
    fn field(&self, at: usize) -> Option<u32> {
        Fields(&self.bytes).le32(at).ok()
    }

    fn partitions(&self) -> usize {
        self.field(72).unwrap_or(0).min(64) as usize
    }

    /// Free blocks of a partition, when they are stated.
    pub fn free(&self, partition: usize) -> Option<u32> {
        let within = partition < self.partitions();
        self.field(80 + 4 * partition)
            .filter(|&free| within && free != u32::MAX)
    }

    fn size(&self, partition: usize) -> Option<u32> {
        let within = partition < self.partitions();
        self.field(80 + 4 * (self.partitions() + partition))
            .filter(|_| within)
    }

    /// Files and directories, UDF 2.2.6.4.
    fn counts(&self) -> Option<(u32, u32)> {
        let at = 80 + 8 * self.partitions() + 32;
        Some((self.field(at)?, self.field(at + 4)?))
    }

    pub fn next_unique(&self) -> u64 {
        Fields(&self.bytes).le64(40).unwrap_or(u64::MAX)
    }
}

impl<S: BlockSource> Check<'_, S> {
    /// Checks everything of UDF; returns the view.
    pub(super) fn udf(&mut self) -> Result<Option<Shown>, DiscError> {
        self.report.stage(CheckStage::Udf);
        self.report.view = Some(View::Udf);
        let Some(volume) = self.udf_volume() else {
            self.report.view = None;
            return Ok(None);
        };
        let session = self.options.session_start;
        let few = volume.anchors < 2 && !is_virtual(&volume.logical);
        self.demand(!few, Fault::FewAnchors, Place::block(session + 256), "");
        let integrity = self.integrity(&volume);
        let shown = match Udf::open(&mut self.blocks, session) {
            Ok(Some(udf)) => Some(self.udf_tree(&volume, udf, integrity.as_ref())?),
            Ok(None) => None,
            Err(error) => {
                self.find(Fault::NotReadable, Place::block(session + 256), error);
                None
            }
        };
        self.report.view = None;
        Ok(shown)
    }

    /// The last logical volume integrity descriptor.
    fn integrity(&mut self, volume: &Volume) -> Option<Integrity> {
        let logical = Fields(&volume.logical);
        let mut extent = (logical.le32(432).unwrap_or(0), logical.le32(436).unwrap_or(0));
        let mut last: Option<Integrity> = None;
        let start = Place::position(u64::from(extent.1) * volume.size);
        for _ in 0..INTEGRITY_MAX {
            let (length, block) = extent;
            if u64::from(length) < volume.size {
                break;
            }
            let position = u64::from(block) * volume.size;
            let place = Place::position(position);
            let size = usize::try_from(volume.size).unwrap_or(BLOCK);
            let Some(bytes) = self.bytes(position, size, place) else {
                break;
            };
            // What was never written ends the sequence.
            if bytes.iter().all(|&byte| byte == 0) {
                break;
            }
            let Some(kind) = self.tag(&bytes, block, &[id::INTEGRITY, id::TERMINATING], place) else {
                break;
            };
            if kind == id::TERMINATING {
                break;
            }
            let fields = Fields(&bytes);
            let next = (fields.le32(32).unwrap_or(0), fields.le32(36).unwrap_or(0));
            last = Some(Integrity { position, bytes });
            let behind = u32::try_from(u64::from(length) - volume.size).unwrap_or(0);
            extent = if next.0 > 0 {
                next
            } else {
                (behind, block.saturating_add(1))
            };
        }
        // A volume with a virtual partition has its state in the VAT (UDF 2.2.11).
        let needed = !is_virtual(&volume.logical);
        self.demand(last.is_some() || !needed, Fault::NoIntegrity, start, "");
        let last = last?;
        let place = Place::position(last.position);
        let closed = last.field(28) == Some(1);
        self.demand(closed || !needed, Fault::NotClosed, place, "");
        Some(last)
    }

    fn udf_tree(
        &mut self,
        volume: &Volume,
        udf: Udf,
        integrity: Option<&Integrity>,
    ) -> Result<Shown, DiscError> {
        let mut names = Names::default();
        names.add(TOP, b"");
        let mut tree = Tree {
            udf,
            names,
            claims: Claims::new(self.blocks.end(), volume.size),
            met: BTreeMap::new(),
            waiting: Vec::new(),
            contents: Vec::new(),
            files: 0,
            directories: 0,
            file_names: 0,
            links: 0,
            incomplete: false,
        };
        for range in &volume.taken {
            let length = range.end - range.start;
            tree.claims.add(
                range.start,
                length,
                volume.size,
                Owner::Structure("the volume descriptors"),
            );
        }
        if let Some(integrity) = integrity {
            tree.claims.add(
                integrity.position,
                volume.size,
                volume.size,
                Owner::Structure("the integrity descriptor"),
            );
        }
        let virtual_partition = is_virtual(&volume.logical);
        self.supports(&tree.udf, volume);
        if let Some(root) = self.file_set(&mut tree, volume) {
            self.top_entry(&mut tree, root);
            while let Some(waiting) = tree.waiting.pop() {
                self.udf_directory(&mut tree, &waiting)?;
                if tree.names.len() >= self.most_entries() || tree.claims.is_full() {
                    self.find(Fault::TooManyEntries, Place::default(), "");
                    tree.incomplete = true;
                    break;
                }
            }
        }
        if !tree.incomplete {
            let next = integrity
                .filter(|_| !virtual_partition)
                .map_or(u64::MAX, Integrity::next_unique);
            self.cross_links(&tree, next);
        }
        if let Some(integrity) = integrity.filter(|_| !virtual_partition) {
            self.integrity_of(&tree, integrity);
        }
        self.overlaps(&mut tree.claims, &tree.names);
        self.space(&mut tree, volume, integrity);
        Ok(Shown {
            view: View::Udf,
            files: tree.files,
            directories: tree.directories,
            names: tree.names,
            contents: tree.contents,
        })
    }

    /// File set descriptor, ECMA-167 4/14.1: returns where the top directory is.
    fn file_set(&mut self, tree: &mut Tree, volume: &Volume) -> Option<LongExtent> {
        let logical = Fields(&volume.logical);
        let set = LongExtent::parse(logical.part(248, 16).ok()?).ok()?;
        let position = tree
            .udf
            .position(&mut self.blocks, set.partition, set.block)
            .ok()?;
        let place = Place::position(position);
        let bytes = self.bytes(position, 512, place)?;
        self.tag(&bytes, set.block, &[id::FILE_SET], place)?;
        let length = u64::from(set.length & 0x3FFF_FFFF);
        tree.claims.add(
            position,
            length,
            volume.size,
            Owner::Structure("the file set descriptor"),
        );
        let fields = Fields(&bytes);
        // The system stream directory of UDF 2.00 and later.
        if fields.le32(464).is_ok_and(|length| length > 0) {
            tree.incomplete = true;
            self.find(Fault::StreamsNotChecked, place, "system streams");
        }
        LongExtent::parse(fields.part(400, 16).ok()?).ok()
    }

    /// What each file entry says of its names and identifiers, against what was met.
    fn cross_links(&mut self, tree: &Tree, next_unique: u64) {
        let mut identifiers = Vec::new();
        for (&position, met) in &tree.met {
            let path = || tree.names.path(met.entry);
            let place = Place::position(position).of(&path);
            // Sixteen bits are all there is for the number of names.
            let same = met.links == met.names.min(u32::from(u16::MAX));
            let detail = format_args!("it says {}, there are {}", met.links, met.names);
            self.demand(same, Fault::LinkCount, place, detail);
            let given = met.unique < next_unique;
            let detail = format_args!("{}, the next to be given is {next_unique}", met.unique);
            self.demand(given, Fault::UniqueId, place, detail);
            identifiers.push((met.unique, position, met.entry));
        }
        identifiers.sort_unstable();
        for pair in identifiers.windows(2) {
            if let [(before, ..), (unique, position, entry)] = *pair
                && before == unique
            {
                let path = || tree.names.path(entry);
                self.find(Fault::UniqueId, Place::position(position).of(&path), unique);
            }
        }
    }

    /// Counts and sizes of the integrity descriptor, UDF 2.2.6.
    fn integrity_of(&mut self, tree: &Tree, integrity: &Integrity) {
        let place = Place::position(integrity.position);
        if let Some((files, directories)) = integrity.counts().filter(|_| !tree.incomplete) {
            // Writers differ in whether further names of a file, and symbolic links, count.
            let range = tree.files.saturating_sub(tree.links)..=tree.file_names;
            let same = range.contains(&u64::from(files)) && u64::from(directories) == tree.directories;
            let detail = format_args!(
                "it says {files} files and {directories} directories, there are {} and {}",
                tree.files, tree.directories
            );
            self.demand(same, Fault::IntegrityCounts, place, detail);
        }
        for (number, partition) in tree.udf.partitions.iter().enumerate() {
            if let (Partition::Physical(on) | Partition::Sparable { on, .. }, Some(size)) =
                (partition, integrity.size(number))
            {
                let detail = format_args!("{size} blocks, not {}", on.blocks);
                self.demand(size == on.blocks, Fault::IntegritySize, place, detail);
            }
        }
    }
}
