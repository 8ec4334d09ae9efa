//! Free space of UDF partitions (ECMA-167 4/12 and 14.12, UDF 2.3.3): bitmap or table against what is in use.

use super::udf::{Integrity, Tree};
use super::udf_descriptors::{Volume, physical};
use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::{Allocation, BlockSource, Partition, Physical};
use crate::structure::Fields;
use crate::tag::id;
use alloc::vec::Vec;

/// Bytes of a space bitmap descriptor before the bitmap, and of an unallocated space entry before its descriptors.
const BITMAP_HEAD: usize = 24;
const SPACE_ENTRY_HEAD: usize = 40;

/// Which blocks of a partition are free, one bit each.
struct Free {
    bits: Vec<u8>,
    blocks: u32,
    /// Where it was read.
    position: u64,
}

impl Free {
    fn is_free(&self, block: u32) -> bool {
        let byte = self.bits.get(block as usize / 8).copied().unwrap_or(0);
        block < self.blocks && byte >> (block % 8) & 1 != 0
    }

    fn count(&self) -> u32 {
        (0..self.blocks).map(|block| u32::from(self.is_free(block))).sum()
    }
}

impl<S: BlockSource> Check<'_, S> {
    /// Compares free space as recorded with what was claimed.
    pub(super) fn space(&mut self, tree: &mut Tree, volume: &Volume, integrity: Option<&Integrity>) {
        for descriptor in &volume.partitions {
            let on = physical(descriptor);
            let header = |at: usize| Fields(descriptor).part(at, 8).and_then(Allocation::parse).ok();
            // Partition header descriptor, ECMA-167 4/14.3: unallocated and freed space, each as a table or a bitmap.
            let mut used: Vec<(u64, u64)> = Vec::new();
            let mut free: Option<Free> = None;
            for (at, table) in [(56, true), (64, false), (80, true), (88, false)] {
                let Some(extent) = header(at).filter(|extent| extent.bytes > 0) else {
                    continue;
                };
                let start = (u64::from(on.start) + u64::from(extent.block)) * volume.size;
                used.push((
                    start,
                    start + u64::from(extent.bytes).next_multiple_of(volume.size),
                ));
                let found = if table {
                    self.space_table(on, volume.size, extent.block)
                } else {
                    self.space_bitmap(on, volume.size, extent)
                };
                let Some(found) = found else { return };
                match &mut free {
                    None => free = Some(found),
                    Some(free) => free
                        .bits
                        .iter_mut()
                        .zip(&found.bits)
                        .for_each(|(one, other)| *one |= other),
                }
            }
            let Some(free) = free else { continue };
            self.compare_space(tree, on, volume.size, &free, used);
            let number = tree
                .udf
                .partitions
                .iter()
                .position(|partition| partition.physical() == Some(on));
            if let Some(stated) = number.and_then(|number| integrity?.free(number)) {
                let count = free.count();
                let place = Place::position(integrity.map_or(0, |integrity| integrity.position));
                self.demand(
                    stated == count,
                    Fault::IntegrityFree,
                    place,
                    format_args!("it says {stated}, the partition {count}"),
                );
            }
        }
    }

    /// Blocks of a partition that the disc has: a hostile one may claim any number.
    fn blocks_within(&self, on: Physical, size: u64) -> u32 {
        let blocks = (self.blocks.end() / size).saturating_sub(u64::from(on.start));
        u32::try_from(blocks).unwrap_or(u32::MAX).min(on.blocks)
    }

    /// Space bitmap descriptor, ECMA-167 4/14.12.
    fn space_bitmap(&mut self, on: Physical, size: u64, extent: Allocation) -> Option<Free> {
        let position = (u64::from(on.start) + u64::from(extent.block)) * size;
        let place = Place::position(position);
        let blocks = self.blocks_within(on, size);
        let length = (extent.bytes as usize).min(BITMAP_HEAD + blocks.div_ceil(8) as usize);
        let bytes = self.bytes(position, length, place)?;
        self.tag(&bytes, extent.block, &[id::SPACE_BITMAP], place)?;
        let bits = Fields(&bytes).le32(16).unwrap_or(0);
        let detail = format_args!("{bits} bits for {} blocks", on.blocks);
        self.demand(bits == on.blocks, Fault::SpaceDamaged, place, detail);
        Some(Free {
            bits: bytes.get(BITMAP_HEAD..)?.to_vec(),
            blocks: bits.min(blocks),
            position,
        })
    }

    /// Unallocated space entry, ECMA-167 4/14.11: free extents as allocation descriptors.
    fn space_table(&mut self, on: Physical, size: u64, block: u32) -> Option<Free> {
        let position = (u64::from(on.start) + u64::from(block)) * size;
        let place = Place::position(position);
        let bytes = self.bytes(position, usize::try_from(size).unwrap_or(BLOCK), place)?;
        self.tag(&bytes, block, &[id::SPACE_ENTRY], place)?;
        let fields = Fields(&bytes);
        let width = Allocation::width(fields.le16(34).unwrap_or(0) & 7)?;
        let length = fields.le32(36).unwrap_or(0) as usize;
        let Ok(table) = fields.part(SPACE_ENTRY_HEAD, length) else {
            self.find(
                Fault::SpaceDamaged,
                place,
                format_args!("a table of {length} bytes"),
            );
            return None;
        };
        let blocks = self.blocks_within(on, size);
        let mut bits = alloc::vec![0; blocks.div_ceil(8) as usize];
        for bytes in table.0.chunks_exact(width) {
            let Ok(extent) = Allocation::parse(Fields(bytes)) else {
                break;
            };
            let end = u64::from(extent.block) + u64::from(extent.bytes).div_ceil(size);
            if extent.kind == 3 || end > u64::from(blocks) {
                self.find(
                    Fault::SpaceDamaged,
                    place,
                    format_args!("an extent from block {}", extent.block),
                );
                return None;
            }
            for free in u64::from(extent.block)..end {
                let at = usize::try_from(free / 8).unwrap_or(0);
                if let Some(byte) = bits.get_mut(at) {
                    *byte |= 1 << (free % 8);
                }
            }
        }
        Some(Free {
            bits,
            blocks,
            position,
        })
    }

    fn compare_space(
        &mut self,
        tree: &mut Tree,
        on: Physical,
        size: u64,
        free: &Free,
        mut used: Vec<(u64, u64)>,
    ) {
        used.extend(tree.claims.sorted().iter().map(|claim| (claim.start, claim.end)));
        for partition in &tree.udf.partitions {
            if let Partition::Metadata { file, mirror } = partition {
                let extents = file.iter().chain(mirror.iter());
                used.extend(
                    extents.filter_map(|extent| Some((extent.position?, extent.position? + extent.length))),
                );
                tree.incomplete = true; // the metadata files' own file entries and bitmap are not counted
            }
        }
        let start = u64::from(on.start) * size;
        let mut taken = alloc::vec![0_u8; free.blocks.div_ceil(8) as usize];
        used.sort_unstable();
        let mut passed = 0;
        for (first, end) in used {
            let first = (first.saturating_sub(start) / size).max(passed);
            let end = end
                .saturating_sub(start)
                .div_ceil(size)
                .min(u64::from(free.blocks));
            passed = passed.max(end);
            let mut wrong = None;
            for block in first..end {
                let at = usize::try_from(block / 8).unwrap_or(0);
                if let Some(byte) = taken.get_mut(at) {
                    *byte |= 1 << (block % 8);
                }
                let number = u32::try_from(block).unwrap_or(u32::MAX);
                if wrong.is_none() && free.is_free(number) {
                    wrong = Some(block);
                }
            }
            if let Some(block) = wrong {
                let detail = format_args!("block {block} of the partition");
                self.find(Fault::UsedButFree, Place::position(start + block * size), detail);
            }
        }
        let is_taken = |block: u32| {
            taken
                .get(block as usize / 8)
                .is_some_and(|byte| byte >> (block % 8) & 1 != 0)
        };
        let lost = (0..free.blocks).filter(|&block| !is_taken(block) && !free.is_free(block));
        let (mut count, mut first) = (0_u64, 0);
        for block in lost {
            first = if count == 0 { block } else { first };
            count += 1;
        }
        if count > 0 && !tree.incomplete {
            let detail = format_args!("{count} blocks, the first is {first} of the partition");
            self.find(Fault::LostBlocks, Place::position(free.position), detail);
        }
    }
}
