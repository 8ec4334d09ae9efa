//! What UDF partitions stand on: virtual allocation tables, sparing tables, metadata files (UDF 2.2.8 to 2.2.13).

use super::udf_descriptors::{Volume, physical};
use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::{BlockSource, Extents, Map, PARTITIONS_MAX, Partition, Physical, Udf, Vat};
use crate::structure::Fields;
use alloc::vec::Vec;

/// Bytes compared at once.
const PIECE: usize = 16 * BLOCK;

impl<S: BlockSource> Check<'_, S> {
    pub(super) fn supports(&mut self, udf: &Udf, volume: &Volume) {
        for (map, partition) in maps(&volume.logical).into_iter().zip(&udf.partitions) {
            match (map, partition) {
                (_, Partition::Virtual { on, table }) => self.virtual_table(udf, *on, table),
                (
                    Map::Sparable {
                        tables,
                        table_bytes,
                        places,
                        ..
                    },
                    _,
                ) => {
                    let places = places.get(..usize::from(tables)).unwrap_or(&places);
                    self.sparing_tables(udf, places, table_bytes);
                }
                (Map::Metadata { duplicated, .. }, Partition::Metadata { file, mirror }) => {
                    self.within(udf, volume, file);
                    self.within(udf, volume, mirror);
                    self.mirror(file, mirror, duplicated);
                }
                _ => {}
            }
        }
    }

    /// Every entry leads to a block of the disc, or to none.
    fn virtual_table(&mut self, udf: &Udf, on: Physical, table: &Vat) {
        let last = self.blocks.end() / udf.size;
        let place = Place::position(table.icb * udf.size);
        // While a disc is not full, its partition may reach further than what is recorded, never less far.
        let within = table.icb < u64::from(on.start) + u64::from(on.blocks);
        self.demand(
            within,
            Fault::VirtualTable,
            place,
            "the table itself is behind the partition",
        );
        // No more virtual blocks can be in use than the disc has.
        for block in 0..u32::try_from(table.entries.min(last)).unwrap_or(u32::MAX) {
            let Ok(physical) = table.entry(&mut self.blocks, block) else {
                continue; // not in use
            };
            let inside = u64::from(on.start) + u64::from(physical) < last;
            let detail = format_args!("virtual block {block} is block {physical} of the partition");
            self.demand(inside, Fault::VirtualTable, place, detail);
        }
    }

    /// The metadata file lies in the partition that it is on.
    fn within(&mut self, udf: &Udf, volume: &Volume, file: &Extents) {
        let inside = |position: u64| {
            volume
                .partitions
                .iter()
                .map(|descriptor| physical(descriptor))
                .any(|on| {
                    let first = position / udf.size;
                    (u64::from(on.start)..u64::from(on.start) + u64::from(on.blocks)).contains(&first)
                })
        };
        for position in file.iter().filter_map(|extent| extent.position) {
            self.demand(
                inside(position),
                Fault::PastPartition,
                Place::position(position),
                "the metadata file",
            );
        }
    }

    /// UDF 2.2.12: all tables are the same but for the location in their tags.
    fn sparing_tables(&mut self, udf: &Udf, places: &[u32], table_bytes: u32) {
        let mut first: Option<Vec<u8>> = None;
        for &block in places {
            let position = u64::from(block) * udf.size;
            let place = Place::position(position);
            let length = (table_bytes as usize).clamp(56, PIECE * 32);
            let Some(bytes) = self.bytes(position, length, place) else {
                continue;
            };
            if self.tag(&bytes, block, &[0], place).is_none() {
                self.find(Fault::SparingTables, place, "its tag is damaged");
                continue;
            }
            let body = bytes.get(16..).unwrap_or_default();
            match &first {
                Some(first) => self.demand(
                    first == body,
                    Fault::SparingTables,
                    place,
                    "it differs from the first",
                ),
                None => first = Some(body.to_vec()),
            }
        }
    }

    /// UDF 2.2.13: the mirror has the same bytes, elsewhere if it is said to be a duplicate.
    fn mirror(&mut self, file: &Extents, mirror: &Extents, duplicated: bool) {
        let place = |extents: &Extents, offset: u64| {
            let found = extents.locate(offset).and_then(|extent| extent.position);
            Place::position(found.unwrap_or(0))
        };
        let same = file.bytes() == mirror.bytes();
        let detail = format_args!("{} and {} bytes", file.bytes(), mirror.bytes());
        self.demand(same, Fault::MirrorDiffers, place(mirror, 0), detail);
        let elsewhere = file.position() != mirror.position();
        self.demand(
            elsewhere == duplicated || !same,
            Fault::MirrorDiffers,
            place(mirror, 0),
            "it is said to be a duplicate, or not, and is not so",
        );
        if !elsewhere {
            return;
        }
        let mut offset = 0;
        while offset < file.bytes().min(mirror.bytes()).min(self.blocks.end()) {
            let mut pieces = [alloc::vec![0; PIECE], alloc::vec![0; PIECE]];
            for (piece, extents) in pieces.iter_mut().zip([file, mirror]) {
                if let Err(error) = extents.read(&mut self.blocks, offset, piece) {
                    return self.find(Fault::Unreadable, place(extents, offset), error);
                }
            }
            let [one, other] = &pieces;
            if let Some(at) = one.iter().zip(other).position(|(one, other)| one != other) {
                return self.find(Fault::MirrorDiffers, place(mirror, offset + at as u64), "");
            }
            offset += PIECE as u64;
        }
    }
}

/// The partition maps of a logical volume, ECMA-167 3/10.7.
fn maps(logical: &[u8]) -> Vec<Map> {
    let logical = Fields(logical);
    let mut found = Vec::new();
    let mut at = 440;
    for _ in 0..logical
        .le32(268)
        .unwrap_or(0)
        .min(u32::try_from(PARTITIONS_MAX).unwrap_or(16))
    {
        let length = usize::from(logical.u8(at + 1).unwrap_or(0));
        let map = logical.part(at, length).and_then(Map::parse);
        let Ok(Some((map, _))) = map else { break };
        found.push(map);
        at += length;
    }
    found
}
