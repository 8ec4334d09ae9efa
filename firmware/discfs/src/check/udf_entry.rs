//! File entries of UDF (ECMA-167 4/14.9 and 14.17) and their allocation descriptors.

use super::claims::Owner;
use super::names::TOP;
use super::udf::{Met, Tree, Waiting};
use super::{Check, Fault, Place};
use crate::read::{Allocation, BlockSource, EntryLayout, Extent, Extents, LongExtent, Partition};
use crate::structure::{Fields, OutOfStructure};
use crate::tag::{TAG, id};
use alloc::vec::Vec;

/// Blocks of allocation descriptors of one file, as followed by the reader.
const ALLOCATION_BLOCKS_MAX: u32 = 4096;
/// File types, ECMA-167 4/14.6.6.
const DIRECTORY: u8 = 4;
const SYMLINK: u8 = 12;

/// What a file entry is, for the directory that names it.
pub(super) struct Found {
    pub directory: bool,
    pub unique: u64,
}

/// Where the bytes of a file are, with what is wrong counted up.
#[derive(Default)]
struct Body {
    extents: Extents,
    /// Offsets with blocks of the partition.
    places: Vec<(u64, u32)>,
    bytes: u64,
    allocated: u64,
    recorded_bytes: u64,
    recorded_blocks: u64,
}

impl<S: BlockSource> Check<'_, S> {
    /// The top directory, which has no entry that names it.
    pub(super) fn top_entry(&mut self, tree: &mut Tree, icb: LongExtent) {
        let Ok(position) = tree.udf.position(&mut self.blocks, icb.partition, icb.block) else {
            return;
        };
        let found = self.file_entry(tree, icb, position, TOP, position);
        let directory = found.is_some_and(|found| found.directory);
        self.demand(
            directory,
            Fault::IdentifierKind,
            Place::position(position),
            "the top of the file set",
        );
    }

    /// Checks the file entry at an address that was not met before, and takes note of it.
    pub(super) fn file_entry(
        &mut self,
        tree: &mut Tree,
        icb: LongExtent,
        position: u64,
        entry: u32,
        parent: u64,
    ) -> Option<Found> {
        let size = tree.udf.size;
        let names = core::mem::take(&mut tree.names);
        let path = || names.path(entry);
        let place = Place::position(position).of(&path);
        let found = self.entry_fields(tree, icb, position, entry, parent, place);
        tree.names = names;
        tree.claims
            .add(position, size, size, Owner::Structure("a file entry"));
        if found.is_none() {
            tree.incomplete = true;
        }
        found
    }

    fn entry_fields(
        &mut self,
        tree: &mut Tree,
        icb: LongExtent,
        position: u64,
        entry: u32,
        parent: u64,
        place: Place<'_>,
    ) -> Option<Found> {
        let bytes = self.bytes(position, tree.udf.size_of_block(), place)?;
        let kind = self.tag(
            &bytes,
            icb.block,
            &[id::FILE_ENTRY, id::EXTENDED_FILE_ENTRY],
            place,
        )?;
        let layout = EntryLayout::of(kind)?;
        let fields = Fields(&bytes);
        let cut = |check: &mut Self, _: OutOfStructure| check.find(Fault::DescriptorCut, place, "file entry");
        let read = (|| {
            let attributes = fields.le32(layout.tail - 8)? as usize;
            let length = fields.le32(layout.tail - 4)? as usize;
            let allocation = fields.part(layout.tail.saturating_add(attributes), length)?;
            Ok((
                fields.u8(27)?,
                fields.le16(34)?,
                fields.le16(48)?,
                fields.le64(56)?,
                fields.le64(layout.unique)?,
                allocation,
            ))
        })();
        let (file_type, flags, links, length, unique, allocation) = match read {
            Ok(read) => read,
            Err(error) => {
                cut(self, error);
                return None;
            }
        };
        let extended = kind == id::EXTENDED_FILE_ENTRY;
        // Stream directory ICB, ECMA-167 4/14.17.16.
        if extended && fields.le32(152).is_ok_and(|length| length > 0) {
            tree.incomplete = true;
            self.find(Fault::StreamsNotChecked, place, "");
        }
        let directory = file_type == DIRECTORY;
        let owner = if directory {
            Owner::Directory(entry)
        } else {
            Owner::File(entry)
        };
        let body = if fields.le16(20) == Ok(4096) {
            // Each rewriting has a file entry of its own; the reader knows which one counts.
            tree.incomplete = true;
            let node = tree.udf.node(&mut self.blocks, icb).ok()?;
            if flags & 7 != 3 {
                for extent in node.extents.iter() {
                    tree.claims
                        .add(extent.position.unwrap_or(0), extent.length, tree.udf.size, owner);
                }
            }
            Body {
                bytes: node.extents.bytes(),
                extents: node.extents,
                ..Body::default()
            }
        } else if flags & 7 == 3 {
            let same = length == allocation.len() as u64;
            let detail = format_args!("{length} bytes, {} embedded", allocation.len());
            self.demand(same, Fault::FileLength, place, detail);
            let start = layout.tail as u64;
            let attributes = u64::from(fields.le32(layout.tail - 8).unwrap_or(0));
            let extent = Extent::within(
                position + start + attributes,
                length.min(allocation.len() as u64),
                self.blocks.end(),
            );
            Body {
                extents: extent.map(Extents::one).unwrap_or_default(),
                places: alloc::vec![(0, icb.block)],
                bytes: length,
                ..Body::default()
            }
        } else if matches!(file_type, 6 | 7 | 9 | 10) {
            Body::default()
        } else {
            let body = self.body(tree, allocation, flags & 7, icb.partition, length, owner, place)?;
            let counted = fields.le64(if extended { 72 } else { 64 }).unwrap_or(0);
            let detail = format_args!("it says {counted}, there are {}", body.recorded_blocks);
            self.demand(
                counted == body.recorded_blocks,
                Fault::RecordedBlocks,
                place,
                detail,
            );
            body
        };
        tree.met.insert(
            position,
            Met {
                links: u32::from(links),
                names: 0,
                entry,
                directory,
                unique,
            },
        );
        if directory {
            tree.directories += 1;
            let larger = length > self.blocks.end();
            self.demand(
                !larger,
                Fault::DirectoryTooLarge,
                place,
                format_args!("{length} bytes"),
            );
            if !larger {
                tree.waiting.push(Waiting {
                    extents: body.extents,
                    places: body.places,
                    entry,
                    icb: position,
                    parent,
                });
            }
        } else {
            tree.files += 1;
            tree.links += u64::from(file_type == SYMLINK);
            let first = body.extents.position();
            if let Some(first) = first.filter(|_| length > 0 && flags & 7 != 3 && file_type != SYMLINK) {
                tree.contents.push((first, length, entry));
            }
        }
        Some(Found { directory, unique })
    }

    /// Follows allocation descriptors; claims what they lead to.
    #[expect(clippy::too_many_arguments, reason = "what a file entry says, field by field")]
    fn body(
        &mut self,
        tree: &mut Tree,
        allocation: Fields<'_>,
        form: u16,
        partition: u16,
        length: u64,
        owner: Owner,
        place: Place<'_>,
    ) -> Option<Body> {
        let Some(width) = Allocation::width(form) else {
            self.find(
                Fault::BadField,
                place,
                format_args!("allocation descriptors of form {form}"),
            );
            return None;
        };
        let size = tree.udf.size;
        let mut body = Body::default();
        let mut descriptors = allocation.0.to_vec();
        let mut partial = false;
        for _ in 0..ALLOCATION_BLOCKS_MAX {
            let mut next = None;
            for bytes in descriptors.chunks_exact(width) {
                let Ok(allocation) = Allocation::parse(Fields(bytes)) else {
                    break;
                };
                if allocation.bytes == 0 {
                    break;
                }
                let on = allocation.partition.unwrap_or(partition);
                if allocation.kind == 3 {
                    next = Some((on, allocation.block));
                    break;
                }
                self.demand(!partial, Fault::ExtentNotWhole, place, "");
                partial = !u64::from(allocation.bytes).is_multiple_of(size);
                if tree.claims.is_full() || body.allocated > self.blocks.end() {
                    self.find(Fault::FileLength, place, "its extents are larger than the disc");
                    return None;
                }
                self.extent(tree, &mut body, allocation, on, owner, place);
            }
            let Some((on, block)) = next else { break };
            let position = tree.udf.position(&mut self.blocks, on, block).ok()?;
            let further = self.bytes(position, tree.udf.size_of_block(), place)?;
            self.tag(
                &further,
                block,
                &[id::ALLOCATION_EXTENT],
                Place::position(position),
            )?;
            tree.claims
                .add(position, size, size, Owner::Structure("allocation descriptors"));
            let length = Fields(&further).le32(20).unwrap_or(0) as usize;
            descriptors = further.into_iter().skip(TAG + 8).take(length).collect();
        }
        // What is behind the end of the file may be allocated, not recorded (UDF 2.3.6.4, 2.3.7).
        let enough = body.bytes >= length;
        let tight = body.recorded_bytes.div_ceil(size) <= length.div_ceil(size);
        let detail = format_args!("{length} bytes, its extents have {}", body.bytes);
        self.demand(enough && tight, Fault::FileLength, place, detail);
        Some(body)
    }

    fn extent(
        &mut self,
        tree: &mut Tree,
        body: &mut Body,
        allocation: Allocation,
        on: u16,
        owner: Owner,
        place: Place<'_>,
    ) {
        let bytes = u64::from(allocation.bytes);
        let size = tree.udf.size;
        if allocation.kind == 2 {
            body.bytes += bytes;
            return body.extents.push(Extent::hole(bytes));
        }
        let count = bytes.div_ceil(size);
        body.allocated += bytes;
        let inside = match tree.udf.partitions.get(usize::from(on)) {
            Some(Partition::Physical(on) | Partition::Sparable { on, .. }) => {
                u64::from(allocation.block) + count <= u64::from(on.blocks)
            }
            _ => true,
        };
        let detail = format_args!("{count} blocks from block {} of partition {on}", allocation.block);
        let mut run = Extents::default();
        let reached = match tree.udf.partitions.get(usize::from(on)) {
            Some(partition) => tree
                .udf
                .push_run(&mut self.blocks, partition, allocation.block, bytes, &mut run)
                .is_ok(),
            None => false,
        };
        self.demand(inside && reached, Fault::PastPartition, place, detail);
        if !reached {
            tree.incomplete = true;
        }
        for extent in run.iter() {
            tree.claims
                .add(extent.position.unwrap_or(0), extent.length, size, owner);
        }
        body.places.push((body.bytes, allocation.block));
        body.bytes += bytes;
        if allocation.kind == 0 {
            body.recorded_bytes += bytes;
            body.recorded_blocks += count;
            run.iter().for_each(|extent| body.extents.push(extent));
        } else {
            body.extents.push(Extent::hole(bytes));
        }
    }
}
