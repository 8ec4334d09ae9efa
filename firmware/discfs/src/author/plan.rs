//! Computes the layout of an image from a tree.

use super::iso::{RECORD_MAX, length_of_items};
use super::layout::{Directory, Entry, File, Image, Region, Symlink, What, fixed, length};
use super::names::{IsoName, UdfName};
use super::udf_nodes::{SYMLINK_MAX, path_components};
use super::{Options, PlanError, rock_ridge};
use crate::digests::line_length;
use crate::structure::Mark;
use crate::tree::{Content, Tree};
use crate::{Attributes, BLOCK, FileId, Time};
use alloc::{collections::BTreeSet, vec, vec::Vec};

/// Largest file in one ISO 9660 extent (ECMA-119 9.1.4: 32 bits).
const FILE_MAX: u64 = u32::MAX as u64;

/// Computes where everything of a tree will lie.
///
/// # Errors
/// When the tree cannot be represented in every view, with the path of what is in the way.
pub fn plan(tree: &Tree, options: &Options) -> Result<Image, PlanError> {
    let mut image = Image {
        options: options.clone(),
        ..Image::default()
    };
    let nodes = place_entries(&mut image, tree)?;
    number_udf_names(&mut image);
    order_files(&mut image, tree, &nodes)?;
    drop(nodes);
    measure_iso(&mut image)?;
    measure_udf(&mut image)?;
    measure_path_table(&mut image);
    measure_digest_list(&mut image);
    assign_blocks(&mut image)?;
    Ok(image)
}

/// Sorts the tree into directories level by level; returns for each entry its record in the tree.
fn place_entries(image: &mut Image, tree: &Tree) -> Result<Vec<u32>, PlanError> {
    let records = tree.records();
    let (starts, children) = children(tree);
    let mut nodes: Vec<u32> = Vec::with_capacity(records.len());
    image.entries.reserve_exact(records.len());
    let mut sorted: Vec<(IsoName, u32)> = Vec::new();
    push_entry(image, tree, &mut nodes, 0, 0, 0);
    let mut next = 0;
    while next < image.directories.len() {
        let node = nodes[image.directories[next].entry as usize] as usize;
        let parent = length(&image.directories[..next]);
        sorted.clear();
        sorted.extend(
            children[starts[node] as usize..starts[node + 1] as usize]
                .iter()
                .map(|&child| {
                    let record = &records[child as usize];
                    let directory = record.content == Content::Directory;
                    (IsoName::new(tree.bytes(&record.name), directory, 0), child)
                }),
        );
        let name = |child: u32| tree.bytes(&records[child as usize].name);
        sorted.sort_unstable_by(|left, right| {
            left.0.cmp(&right.0).then_with(|| name(left.1).cmp(name(right.1)))
        });
        if let Some(pair) = sorted.windows(2).find(|pair| name(pair[0].1) == name(pair[1].1)) {
            return Err(PlanError::Duplicate(tree.path(pair[1].1)));
        }
        let numbered = number_iso_names(tree, &sorted);
        let first = length(&image.entries);
        for (child, number) in numbered {
            push_entry(image, tree, &mut nodes, child, parent, number);
        }
        image.directories[next].entries = first..length(&image.entries);
        next += 1;
    }
    Ok(nodes)
}

/// Children of each record, as one table and where each record's part of it starts.
fn children(tree: &Tree) -> (Vec<u32>, Vec<u32>) {
    let records = tree.records();
    let mut starts = vec![0_u32; records.len() + 2];
    for record in &records[1..] {
        starts[record.parent as usize + 2] += 1;
    }
    for at in 2..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut table = vec![0; records.len() - 1];
    for (number, record) in (0..).zip(records).skip(1) {
        let place = &mut starts[record.parent as usize + 1];
        table[*place as usize] = number;
        *place += 1;
    }
    (starts, table)
}

/// Makes ISO 9660 names unique within a directory, and orders by them. Of names that come out equal the
/// first by its bytes keeps it, the others are numbered; no number is used twice in a directory, so
/// numbered names can be equal to unnumbered ones only, and such a number is passed over.
fn number_iso_names(tree: &Tree, sorted: &[(IsoName, u32)]) -> Vec<(u32, u32)> {
    let records = tree.records();
    let mut last = 0;
    let mut numbered: Vec<(IsoName, u32, u32)> = Vec::with_capacity(sorted.len());
    for (at, &(name, child)) in sorted.iter().enumerate() {
        let taken = at > 0 && sorted[at - 1].0 == name;
        let mut unique = (name, child, 0);
        while taken && (unique.2 == 0 || sorted.binary_search_by(|(other, _)| other.cmp(&unique.0)).is_ok()) {
            last += 1;
            let record = &records[child as usize];
            let directory = record.content == Content::Directory;
            unique = (
                IsoName::new(tree.bytes(&record.name), directory, last),
                child,
                last,
            );
        }
        numbered.push(unique);
    }
    if last > 0 {
        numbered.sort_unstable_by_key(|&(name, _, _)| name);
    }
    numbered
        .into_iter()
        .map(|(_, child, number)| (child, number))
        .collect()
}

fn push_entry(image: &mut Image, tree: &Tree, nodes: &mut Vec<u32>, node: u32, parent: u32, iso_number: u32) {
    let record = &tree.records()[node as usize];
    let number = length(&image.entries);
    let mut attributes = record.attributes;
    let what = match &record.content {
        Content::Directory => {
            image.directories.push(Directory {
                entry: number,
                parent,
                entries: 0..0,
                directories: 0,
                iso: Region::default(),
                identifiers: Region::default(),
                identifier_bytes: 0,
            });
            if number > 0 {
                image.directories[parent as usize].directories += 1;
            }
            What::Directory(length(&image.directories) - 1)
        }
        // Files get their numbers when their order is known.
        Content::File { .. } => What::File(0),
        Content::Symlink { target } => {
            let target = keep(image, tree.bytes(target));
            image.symlinks.push(Symlink {
                entry: number,
                target,
            });
            What::Symlink(length(&image.symlinks) - 1)
        }
        Content::DigestList => {
            image.digest_entry = number;
            What::DigestList
        }
    };
    if tree.is_own(node) {
        let mtime = Time {
            seconds: image.options.time,
            nanoseconds: 0,
        };
        attributes = Attributes { mtime, ..attributes };
    }
    let name = keep(image, tree.bytes(&record.name));
    image.entries.push(Entry {
        parent,
        name,
        what,
        attributes,
        iso_number,
    });
    nodes.push(node);
}

/// Copies into the image's arena; the tree's, of the same size, was numbered by 32 bits as well.
fn keep(image: &mut Image, bytes: &[u8]) -> core::ops::Range<u32> {
    let start = length(&image.bytes);
    image.bytes.extend_from_slice(bytes);
    start..length(&image.bytes)
}

/// Numbers UDF names that would be equal. Only names that are not shown as they are can be.
fn number_udf_names(image: &mut Image) {
    let mut numbers = Vec::new();
    let mut name = UdfName::new();
    for directory in &image.directories {
        let raw = |entry: u32| image.bytes(&image.entries[entry as usize].name);
        let changed: Vec<u32> = directory
            .entries
            .clone()
            .filter(|&entry| {
                name.set(raw(entry), 0);
                !name.exact
            })
            .collect();
        if changed.is_empty() {
            continue;
        }
        let mut taken = BTreeSet::new();
        for entry in directory.entries.clone() {
            name.set(raw(entry), 0);
            if name.exact {
                taken.insert(name.as_bytes().to_vec());
            }
        }
        let mut last = 0;
        for entry in changed {
            let mut number = 0;
            name.set(raw(entry), 0);
            while !taken.insert(name.as_bytes().to_vec()) {
                last += 1;
                number = last;
                name.set(raw(entry), number);
            }
            if number > 0 {
                numbers.push((entry, number));
            }
        }
    }
    image.udf_numbers = numbers;
}

/// Numbers files in the order in which a walk meets them, so that a disc is read back without seeking.
fn order_files(image: &mut Image, tree: &Tree, nodes: &[u32]) -> Result<(), PlanError> {
    let mut listed = Vec::new();
    let mut walk = vec![image.directories[0].entries.clone()];
    while let Some(entries) = walk.last_mut() {
        let Some(entry) = entries.next() else {
            walk.pop();
            continue;
        };
        match image.entries[entry as usize].what {
            What::Directory(number) => walk.push(image.directories[number as usize].entries.clone()),
            What::File(_) => listed.push(entry),
            What::Symlink(_) | What::DigestList => {}
        }
    }
    let file = |entry: u32| match tree.records()[nodes[entry as usize] as usize].content {
        Content::File { size, file } => (file, size),
        _ => (FileId(0), 0),
    };
    // Hard links: of the names of a file the one listed first leads.
    let mut by_id: Vec<(FileId, u32)> = (0..)
        .zip(&listed)
        .map(|(at, &entry)| (file(entry).0, at))
        .collect();
    by_id.sort_unstable();
    let mut leaders: Vec<u32> = (0..length(&listed)).collect();
    for group in by_id.chunk_by(|left, right| left.0 == right.0) {
        group
            .iter()
            .for_each(|&(_, at)| leaders[at as usize] = group[0].1);
    }
    for (at, &entry) in listed.iter().enumerate() {
        let leader = listed[leaders[at] as usize];
        let (id, size) = file(entry);
        if leader == entry {
            if size > FILE_MAX {
                return Err(PlanError::FileTooLarge(image.readable_path(entry)));
            }
            image.entries[entry as usize].what = What::File(length(&image.files));
            image.files.push(File {
                id,
                size,
                block: 0,
                entry,
                links: 1,
            });
        } else {
            if file(leader).1 != size {
                return Err(PlanError::LinksDiffer(image.readable_path(entry)));
            }
            image.entries[entry as usize].what = image.entries[leader as usize].what;
            if let What::File(number) = image.entries[leader as usize].what {
                image.files[number as usize].links += 1;
            }
        }
    }
    image.listed = listed;
    Ok(())
}

/// Measures directory records and continuation areas.
fn measure_iso(image: &mut Image) -> Result<(), PlanError> {
    let mut continuations = vec![(0, 0)];
    let mut continued_to = rock_ridge::EXTENSION_REFERENCE as u64;
    let mut marks = Vec::new();
    let mut regions = Vec::with_capacity(image.directories.len());
    let mut record = [0; RECORD_MAX];
    for directory in &image.directories {
        let start = length(&marks);
        let mut filled = 2048;
        for item in 0..length_of_items(directory) {
            let (record_length, continued) = image.write_record(directory, item, &mut record);
            if filled + record_length > 2048 {
                marks.push(item);
                filled = 0;
            }
            filled += record_length;
            if continued > 0 && item >= 2 {
                // Whole within a block: Linux reads no continuation area that crosses into the next.
                let bytes = u64::from(continued);
                if continued_to % 2048 + bytes > 2048 {
                    continued_to = continued_to.next_multiple_of(2048);
                }
                let offset =
                    u32::try_from(continued_to).map_err(|_| PlanError::ImageTooLarge(continued_to / 2048))?;
                continuations.push((directory.entries.start + item - 2, offset));
                continued_to += bytes;
            }
        }
        let blocks = length(&marks) - start;
        if u64::from(blocks) * 2048 > u64::from(u32::MAX) {
            return Err(PlanError::DirectoryTooLarge(image.readable_path(directory.entry)));
        }
        regions.push(Region { start, blocks });
    }
    image.iso_region.blocks = length(&marks);
    image.continuation_region.blocks = u32::try_from(continued_to.div_ceil(2048)).unwrap_or(u32::MAX);
    image.iso_marks = marks;
    image.continuations = continuations;
    image
        .directories
        .iter_mut()
        .zip(regions)
        .for_each(|(directory, region)| directory.iso = region);
    Ok(())
}

/// Measures file identifiers and checks the targets of symbolic links, in both views.
fn measure_udf(image: &mut Image) -> Result<(), PlanError> {
    let mut name = UdfName::new();
    let mut marks: Vec<Mark> = Vec::new();
    let mut measures = Vec::with_capacity(image.directories.len());
    for directory in &image.directories {
        let start = length(&marks);
        let mut bytes = 0;
        for item in 0..=directory.entries.end - directory.entries.start {
            let next = bytes + u64::from(image.identifier_length(directory, item, &mut name));
            mark_blocks(&mut marks, start, item, bytes, next);
            bytes = next;
        }
        let Ok(bytes) = u32::try_from(bytes) else {
            return Err(PlanError::DirectoryTooLarge(image.readable_path(directory.entry)));
        };
        measures.push((
            Region {
                start,
                blocks: length(&marks) - start,
            },
            bytes,
        ));
    }
    image.identifier_region.blocks = length(&marks);
    image.identifier_marks = marks;
    for (directory, (region, bytes)) in image.directories.iter_mut().zip(measures) {
        directory.identifiers = region;
        directory.identifier_bytes = bytes;
    }
    let mut components = Vec::new();
    for link in &image.symlinks {
        path_components(image.bytes(&link.target), &mut components);
        let mut continued = 0;
        rock_ridge::name_and_target(image, link.entry, |bytes| continued += bytes.len());
        let embedded = image.options.udf_symlinks && components.len() > SYMLINK_MAX;
        if embedded || continued > BLOCK {
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

fn measure_path_table(image: &mut Image) {
    let mut marks = Vec::new();
    let mut bytes = 0;
    for number in 0..length(&image.directories) {
        let next = bytes + u64::from(image.path_record_length(number));
        mark_blocks(&mut marks, 0, number, bytes, next);
        bytes = next;
    }
    image.path_table_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    image.path_region_little.blocks = length(&marks);
    image.path_region_big.blocks = length(&marks);
    image.path_marks = marks;
}

fn measure_digest_list(image: &mut Image) {
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
    image.digest_region.blocks = length(&marks);
    image.digest_marks = marks;
}

/// Lays the regions one behind the other and gives every file its blocks.
fn assign_blocks(image: &mut Image) -> Result<(), PlanError> {
    image.icb_region.blocks = image.icbs();
    let data: u64 = image.files.iter().map(|file| file.size.div_ceil(2048)).sum();
    let metadata = [
        &image.icb_region,
        &image.identifier_region,
        &image.path_region_little,
        &image.path_region_big,
        &image.iso_region,
        &image.continuation_region,
        &image.digest_region,
    ];
    let blocks = metadata
        .iter()
        .map(|region| u64::from(region.blocks))
        .sum::<u64>()
        + data;
    // One more for the anchor in the last block.
    let blocks = u64::from(fixed::ICBS) + blocks + 1;
    let blocks = blocks.next_multiple_of(u64::from(image.options.alignment.max(1)));
    let too_large = PlanError::ImageTooLarge(blocks);
    if image.digest_list_bytes > FILE_MAX
        || u64::from(image.options.start_block) + blocks > u64::from(u32::MAX)
    {
        return Err(too_large);
    }
    image.blocks = u32::try_from(blocks).map_err(|_| too_large.clone())?;
    image.data_region.blocks = u32::try_from(data).map_err(|_| too_large)?;
    let mut at = fixed::ICBS;
    for region in [
        &mut image.icb_region,
        &mut image.identifier_region,
        &mut image.path_region_little,
        &mut image.path_region_big,
        &mut image.iso_region,
        &mut image.continuation_region,
        &mut image.data_region,
        &mut image.digest_region,
    ] {
        region.start = at;
        at += region.blocks;
    }
    let mut at = image.data_region.start;
    for file in &mut image.files {
        file.block = at;
        at += u32::try_from(file.size.div_ceil(2048)).unwrap_or_default();
    }
    Ok(())
}
