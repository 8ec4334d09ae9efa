//! UDF on partitions that no program here writes, made from plain images of ours: with a virtual allocation table, with
//! spared packets, with a metadata partition. Blocks are moved about so that readers must follow the maps.

use super::{BLOCK, at, descriptors, identifiers, le16, le32, put16, put32, seal};

/// First block of the partition, the one place our author puts it.
pub const PARTITION: usize = 257;
const FILE_ENTRY: usize = 176;

/// An entity identifier, ECMA-167 1/7.4, with a UDF revision.
fn entity(out: &mut [u8], name: &[u8]) {
    out[..32].fill(0);
    out[1..=name.len()].copy_from_slice(name);
    put16(out, 24, 0x0250);
}

/// Gives both logical volume descriptors other partition maps, and the file set another partition.
fn remap(image: &mut [u8], maps: &[Vec<u8>], partition: u16) {
    for descriptor in descriptors(image, 6) {
        let logical = &mut image[descriptor..descriptor + BLOCK];
        let table = maps.concat();
        put32(logical, 264, u32::try_from(table.len()).unwrap());
        put32(logical, 268, u32::try_from(maps.len()).unwrap());
        logical[440..440 + table.len()].copy_from_slice(&table);
        put16(logical, 10, u16::try_from(440 + table.len() - 16).unwrap());
        put16(logical, 248 + 8, partition);
        seal(logical);
    }
    let set = descriptors(image, 256)[0];
    put16(image, set + 400 + 8, partition);
    seal(&mut image[set..set + BLOCK]);
}

fn physical_map() -> Vec<u8> {
    vec![1, 6, 1, 0, 0, 0]
}

/// A map of type 2, UDF 2.2.8 to 2.2.10, its first 40 bytes filled in.
fn named_map(name: &[u8]) -> Vec<u8> {
    let mut map = vec![0; 64];
    map[..2].copy_from_slice(&[2, 64]);
    entity(&mut map[4..36], name);
    put16(&mut map, 36, 1);
    map
}

/// Lets all file identifiers, and with them the whole tree, lead to file entries in another partition.
fn identifiers_lead_to(image: &mut [u8], partition: u16) {
    for block in PARTITION..image.len() / BLOCK {
        // Directories of ours begin at blocks, and the identifier of the parent has no name.
        if le16(image, block * BLOCK) != 257 || image[block * BLOCK + 18] & 8 == 0 {
            continue;
        }
        for place in identifiers(image, block * BLOCK) {
            put16(image, place + 20 + 8, partition);
            let length = usize::from(le16(image, place + 10)) + 16;
            seal(&mut image[place..place + length]);
        }
    }
}

/// Lets the partition, and the integrity descriptor with an entry for each partition map, reach to the end of the image.
fn grown(mut image: Vec<u8>, sizes: &[usize]) -> Vec<u8> {
    let blocks = u32::try_from(image.len() / BLOCK - PARTITION).unwrap();
    for place in descriptors(&image, 5) {
        put32(&mut image, place + 192, blocks);
        seal(&mut image[place..place + BLOCK]);
    }
    let place = descriptors(&image, 9)[0];
    let integrity = &mut image[place..place + BLOCK];
    let implementation = integrity[88..134].to_vec();
    put32(integrity, 72, u32::try_from(sizes.len()).unwrap());
    for (number, &size) in sizes.iter().enumerate() {
        put32(integrity, 80 + 4 * number, 0);
        put32(
            integrity,
            80 + 4 * (sizes.len() + number),
            u32::try_from(size).unwrap(),
        );
    }
    let behind = 80 + 8 * sizes.len();
    integrity[behind..behind + 46].copy_from_slice(&implementation);
    put16(integrity, 10, u16::try_from(behind + 46 - 16).unwrap());
    seal(integrity);
    image
}

/// A file entry whose bytes are in some extents of its own partition: length and first block.
fn file_entry(location: usize, file_type: u8, size: usize, extents: &[(usize, usize)]) -> Vec<u8> {
    let mut entry = vec![0; BLOCK];
    put16(&mut entry, 0, 261);
    put16(&mut entry, 2, 3);
    put16(&mut entry, 6, 1);
    put16(
        &mut entry,
        10,
        u16::try_from(FILE_ENTRY + 8 * extents.len() - 16).unwrap(),
    );
    put32(&mut entry, 12, u32::try_from(location).unwrap());
    put16(&mut entry, 20, 4);
    put16(&mut entry, 24, 1);
    entry[27] = file_type;
    put16(&mut entry, 48, 1);
    put32(&mut entry, 56, u32::try_from(size).unwrap());
    put32(&mut entry, 64, u32::try_from(size.div_ceil(BLOCK)).unwrap());
    put32(&mut entry, 172, u32::try_from(8 * extents.len()).unwrap());
    for (number, &(length, block)) in extents.iter().enumerate() {
        put32(
            &mut entry,
            FILE_ENTRY + 8 * number,
            u32::try_from(length).unwrap(),
        );
        put32(
            &mut entry,
            FILE_ENTRY + 8 * number + 4,
            u32::try_from(block).unwrap(),
        );
    }
    seal(&mut entry);
    entry
}

/// Without the anchor in the last block, which what is appended would hide.
fn without_last_anchor(image: &[u8]) -> Vec<u8> {
    image[..image.len() - BLOCK].to_vec()
}

/// An image with a virtual partition (UDF 2.2.8): file entries stand in reverse order, and the table (the shape of 1.50
/// or of 2.00 and later) sorts them out.
pub fn with_vat(plain: &[u8], later: bool) -> Vec<u8> {
    let mut image = without_last_anchor(plain);
    remap(
        &mut image,
        &[physical_map(), named_map(b"*UDF Virtual Partition")],
        1,
    );
    identifiers_lead_to(&mut image, 1);
    let entries: Vec<usize> = descriptors(&image, 261)
        .iter()
        .map(|place| place / BLOCK)
        .collect();
    let moved: Vec<Vec<u8>> = entries
        .iter()
        .rev()
        .map(|&block| image[at(block)].to_vec())
        .collect();
    for (&block, bytes) in entries.iter().zip(&moved) {
        image[at(block)].copy_from_slice(bytes);
    }
    let mut table: Vec<u32> = (0..u32::try_from(image.len() / BLOCK - PARTITION).unwrap()).collect();
    for (&block, &now) in entries.iter().zip(entries.iter().rev()) {
        table[block - PARTITION] = u32::try_from(now - PARTITION).unwrap();
    }
    let mut file = Vec::new();
    if later {
        file.resize(152, 0);
        put16(&mut file, 0, 152);
        put32(&mut file, 132, u32::MAX);
        put16(&mut file, 144, 0x0201);
    }
    table.iter().for_each(|entry| file.extend(entry.to_le_bytes()));
    if !later {
        let mut tail = vec![0; 36];
        entity(&mut tail, b"*UDF Virtual Alloc Tbl");
        put32(&mut tail, 32, u32::MAX);
        file.extend(tail);
    }
    let start = image.len() / BLOCK - PARTITION;
    let size = file.len();
    file.resize(size.next_multiple_of(BLOCK), 0);
    image.extend(file);
    let icb = image.len() / BLOCK - PARTITION;
    let file_type = if later { 248 } else { 0 };
    image.extend(file_entry(icb, file_type, size, &[(size, start)]));
    let blocks = image.len() / BLOCK - PARTITION;
    grown(image, &[blocks, u32::MAX as usize])
}

/// Blocks of a packet.
const PACKET: usize = 32;
/// Where the sparing tables stand, in blocks that our author leaves empty.
pub const TABLES: [usize; 2] = [80, 96];

/// An image on a sparable partition (UDF 2.2.9) whose first packet, with the file set and file entries, went bad.
pub fn with_spared_packet(plain: &[u8]) -> Vec<u8> {
    let mut image = without_last_anchor(plain);
    let mut map = named_map(b"*UDF Sparable Partition");
    put16(&mut map, 40, u16::try_from(PACKET).unwrap());
    map[42] = 2;
    put32(&mut map, 44, u32::try_from(BLOCK).unwrap());
    for (number, table) in TABLES.into_iter().enumerate() {
        put32(&mut map, 48 + 4 * number, u32::try_from(table).unwrap());
    }
    remap(&mut image, &[map], 0);
    let spare = image.len() / BLOCK;
    let packet = PARTITION * BLOCK..(PARTITION + PACKET) * BLOCK;
    image.extend_from_within(packet.clone());
    image[packet].chunks_exact_mut(BLOCK).for_each(|block| {
        block.fill(0);
        block[..16].fill(0xEE);
    });
    for table in TABLES {
        let place = &mut image[at(table)];
        put16(place, 2, 3);
        put16(place, 6, 1);
        put16(place, 10, 56 + 8 * 2 - 16);
        put32(place, 12, u32::try_from(table).unwrap());
        entity(&mut place[16..48], b"*UDF Sparing Table");
        put16(place, 48, 2);
        put32(place, 52, 7);
        put32(place, 56, 0);
        put32(place, 60, u32::try_from(spare).unwrap());
        put32(place, 64, u32::MAX); // a packet to spare
        put32(place, 68, u32::try_from(spare + PACKET).unwrap());
        seal(place);
    }
    let blocks = image.len() / BLOCK - PARTITION;
    grown(image, &[blocks])
}

/// An image with a metadata partition (UDF 2.2.10), of two extents that are far apart, and a mirror elsewhere.
pub fn with_metadata_partition(plain: &[u8]) -> Vec<u8> {
    let mut image = without_last_anchor(plain);
    identifiers_lead_to(&mut image, 1);
    // From the file set to the end of the directories; what lies behind is data.
    let mut end = PARTITION;
    for block in PARTITION..image.len() / BLOCK {
        let kind = le16(&image, block * BLOCK);
        if matches!(kind, 256 | 8 | 261) || (kind == 257 && image[block * BLOCK + 18] & 8 != 0) {
            end = block + 1;
        }
    }
    for entry in descriptors(&image, 261) {
        let place = &mut image[entry..entry + BLOCK];
        let length = le32(place, 172) as usize;
        match place[27] {
            4 => {
                // The last directory may have more blocks than the one that begins it.
                let blocks = (le32(place, 176) as usize).div_ceil(BLOCK);
                end = end.max(PARTITION + le32(place, 180) as usize + blocks);
            }
            5 => {
                let short = place[176..176 + length].to_vec();
                for (number, descriptor) in short.chunks_exact(8).enumerate() {
                    let long = &mut place[176 + 16 * number..192 + 16 * number];
                    long.fill(0);
                    long[..8].copy_from_slice(descriptor);
                }
                put16(place, 34, le16(place, 34) | 1);
                put32(place, 172, u32::try_from(2 * length).unwrap());
                put16(place, 10, u16::try_from(FILE_ENTRY + 2 * length - 16).unwrap());
                seal(place);
            }
            _ => {}
        }
    }
    let blocks = end - PARTITION;
    let half = blocks / 2;
    let mut map = named_map(b"*UDF Metadata Partition");
    let first = image.len() / BLOCK - PARTITION;
    let second_half = first + 2;
    let mirror = second_half + blocks - half;
    for (place, value) in [
        (40, first),
        (44, first + 1),
        (48, u32::MAX as usize),
        (52, PACKET),
    ] {
        put32(&mut map, place, u32::try_from(value).unwrap());
    }
    put16(&mut map, 56, 1);
    map[58] = 1; // the mirror is a duplicate
    remap(&mut image, &[physical_map(), map], 1);
    let size = blocks * BLOCK;
    let extents = [(half * BLOCK, 0), (size - half * BLOCK, second_half)];
    image.extend(file_entry(first, 250, size, &extents));
    image.extend(file_entry(first + 1, 251, size, &[(size, mirror)]));
    let whole = image[PARTITION * BLOCK..end * BLOCK].to_vec();
    image.extend(&whole[half * BLOCK..]);
    image[(PARTITION + half) * BLOCK..end * BLOCK]
        .chunks_exact_mut(BLOCK)
        .for_each(|block| {
            block.fill(0);
            block[..16].fill(0xEE);
        });
    image.extend(&whole);
    let data = image.len() / BLOCK - PARTITION;
    grown(image, &[data, blocks])
}
