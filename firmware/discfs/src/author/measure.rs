//! Measures the parts of an image and gives each its blocks.

use super::PlanError;
use super::iso::RECORD_MAX;
use super::layout::{Hierarchy, Image, Part, RecordMark, Region, fixed, length};
use super::rock_ridge;
use super::udf_nodes::{SYMLINK_MAX, path_components};
use crate::BLOCK;
use crate::digests::line_length;
use crate::structure::Mark;
use alloc::vec::Vec;

/// Measures directory records, the path table and, for Rock Ridge, continuation areas.
pub(super) fn hierarchy(image: &mut Image, mut hierarchy: Hierarchy) -> Result<Hierarchy, PlanError> {
    hierarchy.records = alloc::vec![Region::default(); image.directories.len()];
    let mut continuations = alloc::vec![(0, 0)];
    let mut continued_to = rock_ridge::EXTENSION_REFERENCE as u64;
    let mut marks = Vec::new();
    let mut regions = Vec::with_capacity(image.directories.len());
    let mut record = [0; RECORD_MAX];
    for directory in &image.directories {
        let start = length(&marks);
        let mut filled = 2048;
        for at in image.records_from(&hierarchy, directory, RecordMark::default()) {
            let (record_length, continued) = image.write_record(&hierarchy, directory, at, &mut record);
            if filled + record_length > 2048 {
                marks.push(at);
                filled = 0;
            }
            filled += record_length;
            if continued > 0 && at.item >= 2 && at.section == 0 {
                // Whole within a block: Linux reads no continuation area that crosses into the next.
                let bytes = u64::from(continued);
                if continued_to % 2048 + bytes > 2048 {
                    continued_to = continued_to.next_multiple_of(2048);
                }
                let offset =
                    u32::try_from(continued_to).map_err(|_| PlanError::ImageTooLarge(continued_to / 2048))?;
                continuations.push((hierarchy.entry(directory, at.item), offset));
                continued_to += bytes;
            }
        }
        let blocks = length(&marks) - start;
        if u64::from(blocks) * 2048 > u64::from(u32::MAX) {
            return Err(PlanError::DirectoryTooLarge(image.readable_path(directory.entry)));
        }
        regions.push(Region { start, blocks });
    }
    hierarchy.records = regions;
    hierarchy.record_marks = marks;
    if !hierarchy.joliet {
        image.continuations = continuations;
        image.continuation_bytes = continued_to;
    }
    path_table(image, &mut hierarchy);
    Ok(hierarchy)
}

fn path_table(image: &Image, hierarchy: &mut Hierarchy) {
    let mut marks = Vec::new();
    let mut bytes = 0;
    for place in 0..length(&image.directories) {
        let next = bytes + u64::from(image.path_record_length(hierarchy, place));
        mark_blocks(&mut marks, 0, place, bytes, next);
        bytes = next;
    }
    hierarchy.path_table_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    hierarchy.path_marks = marks;
}

/// Measures UDF file identifiers.
pub(super) fn identifiers(image: &mut Image) -> Result<(), PlanError> {
    let mut marks: Vec<Mark> = Vec::new();
    let mut measures = Vec::with_capacity(image.directories.len());
    for directory in &image.directories {
        let start = length(&marks);
        let mut bytes = 0;
        for item in 0..=directory.entries.end - directory.entries.start {
            let next = bytes + u64::from(image.identifier_length(directory, item));
            mark_blocks(&mut marks, start, item, bytes, next);
            bytes = next;
        }
        let Ok(bytes) = u32::try_from(bytes) else {
            return Err(PlanError::DirectoryTooLarge(image.readable_path(directory.entry)));
        };
        let blocks = length(&marks) - start;
        measures.push((Region { start, blocks }, bytes));
    }
    image.identifier_marks = marks;
    for (directory, (region, bytes)) in image.directories.iter_mut().zip(measures) {
        directory.identifiers = region;
        directory.identifier_bytes = bytes;
    }
    Ok(())
}

/// Checks that the targets of symbolic links fit, in each view that has them.
pub(super) fn symlinks(image: &Image) -> Result<(), PlanError> {
    let options = &image.options;
    let mut components = Vec::new();
    for link in &image.symlinks {
        path_components(image.bytes(&link.target), &mut components);
        let mut continued = 0;
        rock_ridge::name_and_target(image, link.entry, |bytes| continued += bytes.len());
        let in_udf = options.format.has_udf() && options.udf_has_symlinks();
        let too_long = in_udf && components.len() > SYMLINK_MAX;
        if too_long || (options.format.has_iso() && continued > BLOCK) {
            return Err(PlanError::TargetTooLong(image.readable_path(link.entry)));
        }
    }
    Ok(())
}

/// Notes an item that covers the bytes `from..to` of a stream at each block it begins, the blocks of the
/// stream being numbered from `start`.
fn mark_blocks(marks: &mut Vec<Mark>, start: u32, item: u32, from: u64, to: u64) {
    while from < to && u64::from(length(marks) - start) * 2048 < to {
        let block = u64::from(length(marks) - start) * 2048;
        marks.push(Mark {
            item,
            skip: u32::try_from(block - from).unwrap_or_default(),
        });
    }
}

pub(super) fn digest_list(image: &mut Image) {
    let mut marks = Vec::new();
    let mut bytes = 0;
    let mut path = Vec::new();
    for (at, &entry) in (0..).zip(&image.listed) {
        image.path_into(entry, &mut path);
        let next = bytes + line_length(&path);
        mark_blocks(&mut marks, 0, at, bytes, next);
        bytes = next;
    }
    image.digest_list_bytes = bytes;
    image.digest_marks = marks;
}

/// Lays the parts one behind the other and gives every file its blocks.
pub(super) fn assign_blocks(image: &mut Image) -> Result<(), PlanError> {
    let udf = image.options.format.has_udf();
    let mut parts = Vec::new();
    parts.push((
        Part::Descriptors,
        u64::from(if udf {
            fixed::AFTER_FILE_SET
        } else {
            fixed::AFTER_VOLUME_DESCRIPTORS
        }),
    ));
    let mut part = |part: Part, blocks: u32| parts.push((part, u64::from(blocks)));
    part(Part::Icbs, if udf { image.icbs() } else { 0 });
    part(Part::Identifiers, length(&image.identifier_marks));
    for (number, hierarchy) in image.hierarchies.iter().enumerate() {
        part(Part::PathTable(number, false), length(&hierarchy.path_marks));
        part(Part::PathTable(number, true), length(&hierarchy.path_marks));
        part(Part::Records(number), length(&hierarchy.record_marks));
        if !hierarchy.joliet {
            // Right behind the directories: libarchive reads them there only.
            let blocks = image.continuation_bytes.div_ceil(2048);
            part(Part::Continuations, u32::try_from(blocks).unwrap_or(u32::MAX));
        }
    }
    let data = image.files.iter().map(|file| file.size.div_ceil(2048)).sum();
    parts.push((Part::Data, data));
    parts.push((Part::Digests, image.digest_marks.len() as u64));
    let used: u64 = parts.iter().map(|&(_, blocks)| blocks).sum();
    // UDF has an anchor in the last block.
    let blocks = used + u64::from(udf);
    let blocks = blocks.next_multiple_of(u64::from(image.options.alignment.max(1)));
    parts.push((Part::Padding, blocks - used));
    if u64::from(image.options.start_block) + blocks > u64::from(u32::MAX) {
        return Err(PlanError::ImageTooLarge(blocks));
    }
    let too_large = |_| PlanError::ImageTooLarge(blocks);
    let mut start = 0;
    for (part, blocks) in parts {
        let blocks = u32::try_from(blocks).map_err(too_large)?;
        image.parts.push((part, Region { start, blocks }));
        start += blocks;
    }
    image.blocks = start;
    // The partition reaches back to the first block that an earlier session gave to a file.
    let earliest = image.extents.iter().map(|extent| extent.block).min();
    let file_set = image.options.start_block + fixed::FILE_SET;
    image.partition = earliest.map_or(file_set, |block| block.min(file_set));
    let mut at = image.region(Part::Data).start;
    for file in &mut image.files {
        file.block = at;
        at += u32::try_from(file.size.div_ceil(2048)).unwrap_or_default();
    }
    Ok(())
}
