//! Computes the layout of an image from a tree.

use super::layout::{Directory, Entry, File, Hierarchy, Image, OwnFile, Recorded, Region, Symlink, What};
use super::layout::{length, number_of};
use super::names::{Form, IsoName, UnicodeName};
use super::udf_nodes::{EXTENT_MAX, EXTENTS_MAX};
use super::{Options, PlanError, measure};
use crate::tree::{Content, Own, Record, Tree};
use crate::{Attributes, DiscExtent, FileId, Time};
use alloc::{collections::BTreeSet, vec, vec::Vec};

/// Computes where everything of a tree will lie.
///
/// # Errors
/// When the tree cannot be represented in every view, with the path of what is in the way.
pub fn plan(tree: &Tree, options: &Options) -> Result<Image, PlanError> {
    let mut image = Image {
        options: options.clone(),
        ..Image::default()
    };
    let nodes = place_entries(&mut image, tree, options)?;
    if options.format.has_udf() {
        image.udf_numbers = number_names(&image, Form::Udf);
    }
    order_files(&mut image, tree, &nodes)?;
    drop(nodes);
    if options.format.has_iso() {
        let joliet = options.joliet.then(|| joliet_hierarchy(&image));
        let hierarchies = [Some(Hierarchy::default()), joliet];
        for hierarchy in hierarchies.into_iter().flatten() {
            let hierarchy = measure::hierarchy(&mut image, hierarchy)?;
            image.hierarchies.push(hierarchy);
        }
    }
    if options.format.has_udf() {
        measure::identifiers(&mut image)?;
    }
    measure::symlinks(&image)?;
    measure::assign_blocks(&mut image)?;
    Ok(image)
}

/// Sorts the tree into directories level by level; returns for each entry its record in the tree.
fn place_entries(image: &mut Image, tree: &Tree, options: &Options) -> Result<Vec<u32>, PlanError> {
    let records = tree.records();
    let (starts, children) = children(tree, options);
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
fn children(tree: &Tree, options: &Options) -> (Vec<u32>, Vec<u32>) {
    let records = tree.records();
    // There is a place for the signature in each tree, and a signature when one is asked for.
    let is_there =
        |record: &Record| options.signature.is_some() || record.content != Content::Own(Own::Signature);
    let mut starts = vec![0_u32; records.len() + 2];
    for record in records[1..].iter().filter(|record| is_there(record)) {
        starts[record.parent as usize + 2] += 1;
    }
    for at in 2..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut table = vec![0; records.len() - 1];
    for (number, record) in (0..).zip(records).skip(1).filter(|(_, record)| is_there(record)) {
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
                identifiers: Region::default(),
                identifier_bytes: 0,
            });
            if number > 0 {
                image.directories[parent as usize].directories += 1;
            }
            What::Directory(length(&image.directories) - 1)
        }
        // Files get their numbers when their order is known.
        Content::File { .. } | Content::Recorded { .. } => What::File(0),
        Content::Symlink { target } => {
            let target = keep(image, tree.bytes(target));
            image.symlinks.push(Symlink {
                entry: number,
                target,
            });
            What::Symlink(length(&image.symlinks) - 1)
        }
        &Content::Own(own) => {
            image.own.push(OwnFile {
                own,
                entry: number,
                bytes: 0,
                marks: Vec::new(),
            });
            image.own.sort_unstable_by_key(|file| file.own);
            What::Own(own)
        }
    };
    if tree.is_own(node) {
        let mtime = Time {
            seconds: image.options.time,
            nanoseconds: 0,
        };
        attributes = Attributes { mtime, ..attributes };
    }
    image.times.extend(tree.times(node).map(|times| (number, times)));
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

/// Numbers Unicode names that would be equal. Only names that are not shown as they are can be.
fn number_names(image: &Image, form: Form) -> Vec<(u32, u32)> {
    let mut numbers = Vec::new();
    let name = |entry: u32, number: u32| {
        let entry = &image.entries[entry as usize];
        UnicodeName::new(form, image.bytes(&entry.name), number)
    };
    for directory in &image.directories {
        let is_changed = |&entry: &u32| !name(entry, 0).exact;
        let changed: Vec<u32> = directory.entries.clone().filter(is_changed).collect();
        if changed.is_empty() {
            continue;
        }
        let names = directory.entries.clone().map(|entry| name(entry, 0));
        let mut taken: BTreeSet<Vec<u8>> = names
            .filter(|name| name.exact)
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let mut last = 0;
        for entry in changed {
            let mut number = 0;
            while !taken.insert(name(entry, number).as_bytes().to_vec()) {
                last += 1;
                number = last;
            }
            if number > 0 {
                numbers.push((entry, number));
            }
        }
    }
    numbers
}

/// Orders the second hierarchy by its own names, and its directories level by level.
fn joliet_hierarchy(image: &Image) -> Hierarchy {
    let mut hierarchy = Hierarchy {
        joliet: true,
        numbers: number_names(image, Form::Joliet),
        entries: (0..length(&image.entries)).collect(),
        ..Hierarchy::default()
    };
    for directory in &image.directories {
        let range = directory.entries.start as usize..directory.entries.end as usize;
        hierarchy.entries[range].sort_by_cached_key(|&entry| {
            let name = image.bytes(&image.entries[entry as usize].name);
            let number = number_of(&hierarchy.numbers, entry);
            UnicodeName::new(Form::Joliet, name, number).joliet_order()
        });
    }
    hierarchy.directories.push(0);
    hierarchy.places = vec![0; image.directories.len()];
    let mut next = 0;
    while let Some(&number) = hierarchy.directories.get(next) {
        hierarchy.places[number as usize] = u32::try_from(next).unwrap_or(u32::MAX);
        let entries = image.directories[number as usize].entries.clone();
        for entry in &hierarchy.entries[entries.start as usize..entries.end as usize] {
            if let What::Directory(below) = image.entries[*entry as usize].what {
                hierarchy.directories.push(below);
            }
        }
        next += 1;
    }
    hierarchy
}

/// Numbers files in the order in which a walk meets them, so that a disc is read back without seeking.
fn order_files(image: &mut Image, tree: &Tree, nodes: &[u32]) -> Result<(), PlanError> {
    let mut met = Vec::new();
    let mut walk = vec![image.directories[0].entries.clone()];
    while let Some(entries) = walk.last_mut() {
        let Some(entry) = entries.next() else {
            walk.pop();
            continue;
        };
        match image.entries[entry as usize].what {
            What::Directory(number) => walk.push(image.directories[number as usize].entries.clone()),
            What::File(_) => met.push(entry),
            What::Recorded(_) | What::Symlink(_) | What::Own(_) => {}
        }
    }
    let content = |entry: u32| &tree.records()[nodes[entry as usize] as usize].content;
    // Recorded files have numbers of their own.
    let identity = |entry: u32| match content(entry) {
        Content::Recorded { file, .. } => (true, *file),
        Content::File { file, .. } => (false, *file),
        _ => (false, FileId(0)),
    };
    let size = |entry: u32| match content(entry) {
        Content::Recorded { extents, .. } => tree.extents(extents).iter().map(|extent| extent.bytes).sum(),
        Content::File { size, .. } => *size,
        _ => 0,
    };
    // Hard links: of the names of a file the one met first leads.
    let mut by_id: Vec<((bool, FileId), u32)> = (0..)
        .zip(&met)
        .map(|(at, &entry)| (identity(entry), at))
        .collect();
    by_id.sort_unstable();
    let mut leaders: Vec<u32> = (0..length(&met)).collect();
    for group in by_id.chunk_by(|left, right| left.0 == right.0) {
        group
            .iter()
            .for_each(|&(_, at)| leaders[at as usize] = group[0].1);
    }
    for (at, &entry) in met.iter().enumerate() {
        let leader = met[leaders[at] as usize];
        if leader == entry {
            let blocks = size(entry).div_ceil(2048);
            if blocks > u64::from(u32::MAX) {
                return Err(PlanError::ImageTooLarge(blocks));
            }
            let what = number_file(image, tree, content(entry), entry, size(entry));
            image.entries[entry as usize].what = what;
            let pieces = image.pieces(what, EXTENT_MAX).count();
            if image.options.format.has_udf() && pieces > EXTENTS_MAX {
                return Err(PlanError::FileTooLarge(image.readable_path(entry)));
            }
            continue;
        }
        let places = |entry: u32| match content(entry) {
            Content::Recorded { extents, .. } => tree.extents(extents),
            _ => &[],
        };
        if size(leader) != size(entry) || places(leader) != places(entry) {
            return Err(PlanError::LinksDiffer(image.readable_path(entry)));
        }
        let what = image.entries[leader as usize].what;
        image.entries[entry as usize].what = what;
        match what {
            What::File(number) => image.files[number as usize].links += 1,
            What::Recorded(number) => image.recorded[number as usize].links += 1,
            What::Directory(_) | What::Symlink(_) | What::Own(_) => {}
        }
    }
    // Not every recorded file has a digest to be listed with.
    met.retain(|&entry| match image.entries[entry as usize].what {
        What::Recorded(number) => image.recorded[number as usize].digest.is_some(),
        _ => true,
    });
    image.listed = met;
    let start = image.options.start_block;
    let end = |extent: &DiscExtent| u64::from(extent.block) + extent.bytes.div_ceil(2048);
    for file in &image.recorded {
        let extents = &image.extents[file.extents.start as usize..file.extents.end as usize];
        if extents.iter().any(|extent| end(extent) > u64::from(start)) {
            return Err(PlanError::NotRecorded(image.readable_path(file.entry)));
        }
    }
    Ok(())
}

/// Gives a file that is met for the first time its number.
fn number_file(image: &mut Image, tree: &Tree, content: &Content, entry: u32, size: u64) -> What {
    match content {
        Content::Recorded {
            extents,
            digest,
            crc32c,
            ..
        } => {
            let start = length(&image.extents);
            image.extents.extend_from_slice(tree.extents(extents));
            image.recorded.push(Recorded {
                extents: start..length(&image.extents),
                size,
                digest: *digest,
                crc32c: *crc32c,
                entry,
                links: 1,
            });
            What::Recorded(length(&image.recorded) - 1)
        }
        Content::File { file: id, .. } => {
            image.files.push(File {
                id: *id,
                size,
                block: 0,
                entry,
                links: 1,
            });
            What::File(length(&image.files) - 1)
        }
        // Only files are numbered.
        Content::Directory | Content::Symlink { .. } | Content::Own(_) => What::Own(Own::Catalog),
    }
}
