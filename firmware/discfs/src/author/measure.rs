//! Measures the parts of an image and gives each its blocks.

use super::PlanError;
use super::iso::RECORD_MAX;
use super::layout::{Hierarchy, Image, Part, RecordMark, Region, fixed, length};
use super::rock_ridge;
use super::supply::Supply;
use super::udf_nodes::{SYMLINK_MAX, path_components};
use crate::BLOCK;
use crate::structure::Mark;
use alloc::vec::Vec;

/// Measures directory records, the path table and, for Rock Ridge, continuation areas.
pub(super) fn hierarchy(image: &mut Image, mut hierarchy: Hierarchy) -> Result<Hierarchy, PlanError> {
    hierarchy.records = alloc::vec![Region::default(); image.directories.len()];
    let mut continuations = Vec::new();
    let mut continued = Vec::new();
    let mut marks = Vec::new();
    let mut regions = Vec::with_capacity(image.directories.len());
    let mut record = [0; RECORD_MAX];
    for directory in &image.directories {
        let start = length(&marks);
        let mut filled = 2048;
        for at in image.records_from(&hierarchy, directory, RecordMark::default()) {
            let (record_length, bytes) = image.write_record(&hierarchy, directory, at, &mut record);
            if filled + record_length > 2048 {
                marks.push(at);
                filled = 0;
            }
            filled += record_length;
            if bytes > 0 && at.section == 0 {
                // That of the top directory's own record is the extension reference.
                let entry = if at.item < 2 {
                    0
                } else {
                    hierarchy.entry(directory, at.item)
                };
                continued.push((entry, u64::from(bytes)));
            }
        }
        let blocks = length(&marks) - start;
        if u64::from(blocks) * 2048 > u64::from(u32::MAX) {
            return Err(PlanError::DirectoryTooLarge(image.readable_path(directory.entry)));
        }
        regions.push(Region { start, blocks });
        let mut offset = marks.len() as u64 * 2048;
        for (entry, bytes) in continued.drain(..) {
            // Whole within a block: Linux reads no continuation area that crosses into the next.
            if offset % 2048 + bytes > 2048 {
                offset = offset.next_multiple_of(2048);
            }
            let place = u32::try_from(offset).map_err(|_| PlanError::ImageTooLarge(offset / 2048))?;
            continuations.push((entry, place));
            offset += bytes;
        }
        let blocks = usize::try_from(offset.div_ceil(2048)).unwrap_or(usize::MAX);
        marks.resize(blocks, RecordMark::default());
    }
    hierarchy.records = regions;
    hierarchy.record_marks = marks;
    if !hierarchy.joliet {
        image.continuations = continuations;
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

/// Measures the files of `.spindle`. They lie behind all data, the blocks of which they name.
fn own_files(image: &mut Image) -> Result<(), PlanError> {
    let mut supply = Supply::measuring();
    let mut line = Vec::new();
    for number in 0..image.own.len() {
        let own = image.own[number].own;
        let mut marks = Vec::new();
        let mut bytes = 0;
        for at in 0..image.own_lines(own) {
            line.clear();
            // Nothing is read while measuring, and so nothing fails.
            let _ = image.own_line(own, at, &mut supply, &mut line);
            let next = bytes + line.len() as u64;
            mark_blocks(&mut marks, 0, at, bytes, next);
            bytes = next;
        }
        let blocks = length(&marks);
        let file = &mut image.own[number];
        (file.bytes, file.marks) = (bytes, marks);
        place(image, Part::Own(own), u64::from(blocks))?;
    }
    Ok(())
}

/// Gives a part its blocks, behind those that have theirs.
fn place(image: &mut Image, part: Part, blocks: u64) -> Result<(), PlanError> {
    let end = u64::from(image.blocks) + blocks;
    let in_disc = u64::from(image.options.start_block) + end <= u64::from(u32::MAX);
    match (u32::try_from(blocks), u32::try_from(end)) {
        (Ok(blocks), Ok(end)) if in_disc => {
            let start = core::mem::replace(&mut image.blocks, end);
            image.parts.push((part, Region { start, blocks }));
            Ok(())
        }
        _ => Err(PlanError::ImageTooLarge(end)),
    }
}

/// Lays the parts one behind the other and gives every file its blocks.
pub(super) fn assign_blocks(image: &mut Image) -> Result<(), PlanError> {
    let udf = image.options.format.has_udf();
    let descriptors = if udf {
        fixed::AFTER_FILE_SET
    } else {
        fixed::AFTER_VOLUME_DESCRIPTORS
    };
    let icbs = if udf { image.icbs() } else { 0 };
    let mut parts = alloc::vec![
        (Part::Descriptors, descriptors),
        (Part::Icbs, icbs),
        (Part::Identifiers, length(&image.identifier_marks)),
    ];
    for (number, hierarchy) in image.hierarchies.iter().enumerate() {
        parts.push((Part::PathTable(number, false), length(&hierarchy.path_marks)));
        parts.push((Part::PathTable(number, true), length(&hierarchy.path_marks)));
        parts.push((Part::Records(number), length(&hierarchy.record_marks)));
    }
    for (part, blocks) in parts {
        place(image, part, u64::from(blocks))?;
    }
    let data = image.files.iter().map(|file| file.size.div_ceil(2048)).sum();
    place(image, Part::Data, data)?;
    let mut at = image.region(Part::Data).start;
    for file in &mut image.files {
        file.block = at;
        at += u32::try_from(file.size.div_ceil(2048)).unwrap_or_default();
    }
    own_files(image)?;
    // UDF has an anchor in the last block.
    let used = u64::from(image.blocks);
    let blocks = (used + u64::from(udf)).next_multiple_of(u64::from(image.options.alignment.max(1)));
    place(image, Part::Padding, blocks - used)?;
    // The partition reaches back to before the first block that an earlier session gave to a file: libudfread takes
    // address 0 in it for none.
    let earliest = image
        .extents
        .iter()
        .map(|extent| extent.block.saturating_sub(1))
        .min();
    let file_set = image.options.start_block + fixed::FILE_SET;
    image.partition = earliest.map_or(file_set, |block| block.min(file_set));
    Ok(())
}
