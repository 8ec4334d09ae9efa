//! UDF nodes (ECMA-167 part 4): file entries and allocation descriptors.

use super::blocks::{BlockSource, Blocks};
use super::node::{Extent, Extents, Node, NodeKind};
use super::udf::{LongExtent, Udf, timestamp};
use super::udf_partition::Partition;
use super::{DiscError, malformed};
use crate::structure::{Fields, OutOfStructure};
use crate::tag::{TAG, id, verify};
use crate::{Attributes, BLOCK};
use alloc::vec::Vec;

/// Extents of one file, and blocks of allocation descriptors followed: 262144 extents of 1 GiB at most.
const EXTENTS_MAX: usize = 262_144;
const ALLOCATION_BLOCKS_MAX: u32 = 4096;
/// Times a file was written again on write-once media (strategy 4096); each is two blocks of the disc.
const REWRITES_MAX: u32 = 4096;

/// Where the fields of a file entry are that an extended one (ECMA-167 4/14.17) has further on.
#[derive(Clone, Copy)]
pub(crate) struct EntryLayout {
    /// Modification time.
    pub modification: usize,
    /// Unique identifier, directly before the lengths of what follows.
    pub unique: usize,
    /// The end of the fixed part.
    pub tail: usize,
}

impl EntryLayout {
    /// That of a descriptor by its tag's identifier, `None` when it is no file entry.
    pub fn of(tag: u16) -> Option<Self> {
        match tag {
            id::FILE_ENTRY => Some(Self {
                modification: 84,
                unique: 160,
                tail: 176,
            }),
            id::EXTENDED_FILE_ENTRY => Some(Self {
                modification: 92,
                unique: 200,
                tail: 216,
            }),
            _ => None,
        }
    }
}

/// An allocation descriptor, ECMA-167 4/14.14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// 0 recorded, 1 allocated but not recorded, 2 neither, 3 more descriptors (4/14.14.1.1).
    pub kind: u32,
    pub bytes: u32,
    /// A partition by its number, that of the descriptor itself when it does not say.
    pub partition: Option<u16>,
    pub block: u32,
}

impl Allocation {
    /// Bytes of a descriptor of a form: short (0) or long (1).
    pub fn width(form: u16) -> Option<usize> {
        match form {
            0 => Some(8),
            1 => Some(16),
            _ => None,
        }
    }

    pub fn parse(fields: Fields<'_>) -> Result<Self, OutOfStructure> {
        let length = fields.le32(0)?;
        Ok(Self {
            kind: length >> 30,
            bytes: length & 0x3FFF_FFFF,
            partition: if fields.len() >= 16 {
                Some(fields.le16(8)?)
            } else {
                None
            },
            block: fields.le32(4)?,
        })
    }
}

impl Udf {
    /// The node whose information control block is at an address.
    pub(crate) fn node<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        icb: LongExtent,
    ) -> Result<Node, DiscError> {
        let unknown = malformed(u64::from(icb.block), "a UDF address names no partition");
        let partition = self.partitions.get(usize::from(icb.partition)).ok_or(unknown)?;
        self.file_at(blocks, partition, icb.block)
    }

    /// The node whose information control block is at a block of a partition. With strategy 4 that is one file entry; with
    /// 4096 (UDF 2.3.5.1, ECMA-167 4/14.6.2) an indirect entry behind it leads to the one that replaces it.
    pub(super) fn file_at<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: &Partition,
        block: u32,
    ) -> Result<Node, DiscError> {
        let place = self
            .locate_in(blocks, partition, block)?
            .position
            .unwrap_or(u64::MAX);
        let (mut newest, strategy) = self.entry_at(blocks, partition, block)?;
        let (mut partition, mut block, mut strategy) = (partition, block, strategy);
        for _ in 0..REWRITES_MAX {
            if strategy != 4096 {
                break;
            }
            // What cannot be read was never written: this entry is the last.
            let Some(next) = self.indirect(blocks, partition, block.saturating_add(1)) else {
                break;
            };
            let Some(target) = self.partitions.get(usize::from(next.partition)) else {
                break;
            };
            match self.entry_at(blocks, target, next.block) {
                Ok((node, next_strategy)) => (newest, strategy) = (node, next_strategy),
                Err(_) => break,
            }
            (partition, block) = (target, next.block);
        }
        newest.identity = place / self.size;
        Ok(newest)
    }

    /// Where an indirect entry leads, ECMA-167 4/14.7.
    fn indirect<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: &Partition,
        block: u32,
    ) -> Option<LongExtent> {
        let position = self.locate_in(blocks, partition, block).ok()?.position?;
        let bytes = blocks.structure(position, 512).ok()?;
        if verify(Fields(&bytes), Some(block)) != Ok(id::INDIRECT_ENTRY) {
            return None;
        }
        LongExtent::parse(Fields(&bytes).part(36, 16).ok()?).ok()
    }

    /// One file entry, with its strategy.
    fn entry_at<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: &Partition,
        block: u32,
    ) -> Result<(Node, u16), DiscError> {
        let position = self
            .locate_in(blocks, partition, block)?
            .position
            .unwrap_or(u64::MAX);
        let bytes = blocks.structure(position, self.size_of_block())?;
        let (fields, at) = (Fields(&bytes), position / BLOCK as u64);
        let tag = verify(fields, Some(block)).map_err(|_| malformed(at, "a UDF file entry is damaged"))?;
        let layout =
            EntryLayout::of(tag).ok_or(malformed(at, "there is no UDF file entry where one should be"))?;
        let strategy = fields.le16(20).unwrap_or(0);
        if !matches!(strategy, 4 | 4096) {
            return Err(DiscError::Unsupported("a UDF ICB strategy other than 4 and 4096"));
        }
        let node = self.file_entry(blocks, fields, layout, partition, position)?;
        Ok((node, strategy))
    }

    fn file_entry<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        fields: Fields<'_>,
        layout: EntryLayout,
        partition: &Partition,
        position: u64,
    ) -> Result<Node, DiscError> {
        let place = position / BLOCK as u64;
        let broken = |_: OutOfStructure| malformed(place, "a UDF file entry is incomplete");
        let kind = match fields.u8(27).map_err(broken)? {
            4 => NodeKind::Directory,
            // ECMA-167 4/14.6.6 and UDF 2.2.13: unspecified, a file, one to be read in real time; and those of the file system.
            0 | 5 | 248..=252 => NodeKind::File,
            12 => NodeKind::Symlink,
            _ => NodeKind::Special,
        };
        let flags = fields.le16(34).map_err(broken)?;
        let length = fields.le64(56).map_err(broken)?;
        let attribute_bytes = fields.le32(layout.tail - 8).map_err(broken)? as usize;
        let allocation_bytes = fields.le32(layout.tail - 4).map_err(broken)? as usize;
        let start = layout.tail.saturating_add(attribute_bytes);
        let allocation = fields.part(start, allocation_bytes).map_err(broken)?;
        let extents = if flags & 7 == 3 {
            if length > allocation_bytes as u64 {
                return Err(malformed(place, "embedded data are shorter than the file"));
            }
            Extents::one(Extent {
                position: Some(position + start as u64),
                length,
            })
        } else if kind == NodeKind::Special {
            Extents::default()
        } else {
            self.extents(blocks, allocation, flags & 7, partition, length, place)?
        };
        let known = |id: u32| if id == u32::MAX { 0 } else { id };
        let permissions = fields.le32(44).map_err(broken)?;
        let mtime = fields.part(layout.modification, 12).and_then(timestamp);
        Ok(Node {
            kind,
            attributes: Attributes {
                mode: mode(permissions, flags),
                uid: known(fields.le32(36).map_err(broken)?),
                gid: known(fields.le32(40).map_err(broken)?),
                mtime: mtime.map_err(broken)?,
            },
            size: if kind == NodeKind::File { length } else { 0 },
            links: u32::from(fields.le16(48).map_err(broken)?).max(1),
            identity: place,
            extents,
            target: Vec::new(),
        })
    }

    /// Allocation descriptors, ECMA-167 4/14.14: short (0) or long (1), cut where the file ends.
    fn extents<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        allocation: Fields<'_>,
        form: u16,
        partition: &Partition,
        length: u64,
        place: u64,
    ) -> Result<Extents, DiscError> {
        let width =
            Allocation::width(form).ok_or(DiscError::Unsupported("extended UDF allocation descriptors"))?;
        let mut extents = Extents::default();
        let mut left = length;
        let mut recorded = 0;
        let mut further = allocation.0.to_vec();
        for _ in 0..ALLOCATION_BLOCKS_MAX {
            let mut next = None;
            for bytes in further.chunks_exact(width) {
                let descriptor = Allocation::parse(Fields(bytes))
                    .map_err(|_| malformed(place, "a UDF allocation descriptor is incomplete"))?;
                if descriptor.bytes == 0 || left == 0 {
                    break;
                }
                let partition = self.named(descriptor.partition, partition)?;
                if descriptor.kind == 3 {
                    next = Some((partition, descriptor.block));
                    break;
                }
                let bytes = u64::from(descriptor.bytes).min(left);
                left -= bytes;
                if descriptor.kind == 0 {
                    recorded += bytes;
                    if recorded > blocks.end() {
                        return Err(malformed(
                            place,
                            "a file has more bytes recorded than the disc has",
                        ));
                    }
                    self.push_run(blocks, partition, descriptor.block, bytes, &mut extents)?;
                } else {
                    extents.push(Extent::hole(bytes));
                }
                if extents.count() > EXTENTS_MAX {
                    return Err(malformed(place, "a file has too many extents"));
                }
            }
            let Some((partition, block)) = next else { break };
            further = self.further(blocks, partition, block)?;
        }
        if left > 0 {
            return Err(malformed(place, "a file's extents are shorter than the file"));
        }
        Ok(extents)
    }

    fn named<'a>(&'a self, number: Option<u16>, own: &'a Partition) -> Result<&'a Partition, DiscError> {
        match number {
            None => Ok(own),
            Some(number) => self
                .partitions
                .get(usize::from(number))
                .ok_or(malformed(u64::from(number), "a UDF address names no partition")),
        }
    }

    /// Bytes of a partition from a block on, in as many extents as they lie in on the disc.
    pub(crate) fn push_run<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: &Partition,
        block: u32,
        bytes: u64,
        extents: &mut Extents,
    ) -> Result<(), DiscError> {
        let mut left = bytes;
        let mut block = block;
        while left > 0 {
            let found = self.locate_in(blocks, partition, block)?;
            let piece = found.length.min(left);
            let position = found.position.unwrap_or(u64::MAX);
            extents.push(Extent::within(position, piece, blocks.end())?);
            left -= piece;
            let passed = u32::try_from(piece.div_ceil(self.size)).unwrap_or(u32::MAX);
            block = block.saturating_add(passed.max(1));
        }
        Ok(())
    }

    /// The allocation descriptors of an allocation extent, ECMA-167 4/14.5.
    fn further<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: &Partition,
        block: u32,
    ) -> Result<Vec<u8>, DiscError> {
        const HEAD: usize = TAG + 8;
        let position = self
            .locate_in(blocks, partition, block)?
            .position
            .unwrap_or(u64::MAX);
        let mut bytes = blocks.structure(position, self.size_of_block())?;
        if verify(Fields(&bytes), Some(block)) != Ok(id::ALLOCATION_EXTENT) {
            return Err(malformed(
                position / BLOCK as u64,
                "allocation descriptors do not go on where they should",
            ));
        }
        let length = Fields(&bytes).le32(20).unwrap_or(0) as usize;
        bytes.drain(..HEAD);
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Permissions of ECMA-167 4/14.9.5 and flags of 4/14.6.8 as POSIX mode.
fn mode(permissions: u32, flags: u16) -> u32 {
    let classes = (0..3).fold(0, |mode, class| {
        mode | (permissions >> (5 * class) & 7) << (3 * class)
    });
    let flags = u32::from(flags);
    classes | (flags >> 6 & 1) << 11 | (flags >> 7 & 1) << 10 | (flags >> 8 & 1) << 9
}
