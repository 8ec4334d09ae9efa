//! Partitions of a UDF volume (ECMA-167 3/10.7, UDF 2.2.8 to 2.2.11): from their addresses to the disc's.

use super::blocks::{BlockSource, Blocks};
use super::node::{Extent, Extents};
use super::udf::Udf;
use super::{DiscError, malformed};
use crate::BLOCK;
use crate::structure::{Fields, OutOfStructure};
use crate::tag::verify;
use alloc::vec::Vec;

/// Partition maps of a volume; real ones have one or two.
pub(crate) const PARTITIONS_MAX: usize = 16;
/// Blocks looked at for the VAT's ICB, from the last one back: drives leave run-out blocks behind it.
const VAT_SEARCH: u64 = 512;
/// UDF 2.2.11: the table's length has 16 bits.
const SPARED_MAX: usize = 65_535;

/// A partition as the logical volume numbers it.
#[derive(Clone, Debug)]
pub(crate) enum Partition {
    /// ECMA-167 3/10.7.2: from a block of the disc on.
    Physical(Physical),
    /// UDF 2.2.8: every block is found by the virtual allocation table.
    Virtual { on: Physical, table: Vat },
    /// UDF 2.2.9: packets that went bad are elsewhere.
    Sparable {
        on: Physical,
        packet: u32,
        spared: Vec<(u32, u32)>,
    },
    /// UDF 2.2.10: the bytes of a file.
    Metadata { file: Extents, mirror: Extents },
}

/// Where a partition lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Physical {
    /// Partition number, ECMA-167 3/10.5.3.
    pub number: u16,
    /// First block.
    pub start: u32,
    pub blocks: u32,
}

/// The virtual allocation table, UDF 2.2.11 (1.50: 2.2.10).
#[derive(Clone, Debug)]
pub(crate) struct Vat {
    /// Block of the disc its ICB is in.
    pub icb: u64,
    file: Extents,
    /// Byte of the file where the entries begin, and how many there are.
    pub head: u64,
    pub entries: u64,
}

/// A partition map as recorded, before what it needs was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Physical,
    Virtual,
    Sparable {
        packet: u32,
        tables: u8,
        table_bytes: u32,
        places: [u32; 4],
    },
    Metadata {
        file: u32,
        mirror: u32,
        bitmap: u32,
        duplicated: bool,
    },
}

impl Map {
    /// Reads one partition map; returns it with the number of the partition that it is on.
    pub fn parse(map: Fields<'_>) -> Result<Option<(Self, u16)>, OutOfStructure> {
        if map.u8(0)? == 1 {
            return Ok(Some((Self::Physical, map.le16(4)?)));
        }
        let kind = match trimmed(map.bytes(5, 23).unwrap_or_default()) {
            b"*UDF Virtual Partition" => Self::Virtual,
            b"*UDF Sparable Partition" => Self::Sparable {
                packet: u32::from(map.le16(40)?),
                tables: map.u8(42)?,
                table_bytes: map.le32(44)?,
                places: [map.le32(48)?, map.le32(52)?, map.le32(56)?, map.le32(60)?],
            },
            b"*UDF Metadata Partition" => Self::Metadata {
                file: map.le32(40)?,
                mirror: map.le32(44)?,
                bitmap: map.le32(48)?,
                duplicated: map.u8(58)? & 1 != 0,
            },
            _ => return Ok(None),
        };
        Ok(Some((kind, map.le16(38)?)))
    }
}

/// ECMA-167 1/7.4.3: the 23 characters of an entity identifier are filled up with zeros.
pub(crate) fn trimmed(identifier: &[u8]) -> &[u8] {
    let end = identifier
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    identifier.get(..end).unwrap_or_default()
}

impl Partition {
    /// Where it lies, or what it stands on.
    pub fn physical(&self) -> Option<Physical> {
        match self {
            Self::Physical(on) | Self::Virtual { on, .. } | Self::Sparable { on, .. } => Some(*on),
            Self::Metadata { .. } => None,
        }
    }

    /// The first block of the disc behind it.
    pub fn end(&self) -> u64 {
        self.physical()
            .map_or(0, |on| u64::from(on.start) + u64::from(on.blocks))
    }
}

impl Udf {
    /// Looks up what a partition map needs and adds the partition.
    pub(super) fn add_partition<S: BlockSource>(
        &mut self,
        blocks: &mut Blocks<S>,
        map: Map,
        on: Physical,
    ) -> Result<(), DiscError> {
        let partition = match map {
            Map::Physical => Partition::Physical(on),
            Map::Virtual => Partition::Virtual {
                on,
                table: self.find_vat(blocks, on)?,
            },
            Map::Sparable {
                packet,
                tables,
                table_bytes,
                places,
            } => {
                let places = places.get(..usize::from(tables)).unwrap_or(&places);
                let tables = places
                    .iter()
                    .filter_map(|&place| self.sparing_table(blocks, place, table_bytes));
                // UDF 2.2.11: the table with the highest sequence number counts.
                let newest = tables.max_by_key(|&(sequence, _)| sequence);
                let missing = malformed(u64::from(on.start), "no UDF sparing table can be read");
                let (_, mut spared) = newest.ok_or(missing)?;
                let packet = packet.max(1);
                spared.retain(|&(original, _)| original.is_multiple_of(packet));
                Partition::Sparable { on, packet, spared }
            }
            Map::Metadata { file, mirror, .. } => {
                let main = self.metadata_file(blocks, on, file);
                let mirror = self.metadata_file(blocks, on, mirror);
                match (main, mirror) {
                    (Ok(file), mirror) => Partition::Metadata {
                        file,
                        mirror: mirror.unwrap_or_default(),
                    },
                    (Err(_), Ok(file)) => Partition::Metadata {
                        mirror: file.clone(),
                        file,
                    },
                    (Err(error), Err(_)) => return Err(error),
                }
            }
        };
        self.partitions.push(partition);
        Ok(())
    }

    /// UDF 2.2.13.1: the file whose bytes are the blocks of a metadata partition. Its own ICB and extents are in the
    /// partition below.
    fn metadata_file<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        on: Physical,
        block: u32,
    ) -> Result<Extents, DiscError> {
        let below = self.below(on);
        let node = self.file_at(blocks, &below, block)?;
        Ok(node.extents)
    }

    /// The partition that maps of the same number stand on: a sparable one if there is one (UDF 2.2.10).
    fn below(&self, on: Physical) -> Partition {
        let sparable = |partition: &&Partition| matches!(partition, Partition::Sparable { on: below, .. } if below.number == on.number);
        let found = self.partitions.iter().find(sparable);
        found.cloned().unwrap_or(Partition::Physical(on))
    }

    /// The table in the newest ICB on the disc that has one (UDF 2.2.10, 2.2.11). Its ICB is the last block recorded.
    fn find_vat<S: BlockSource>(&self, blocks: &mut Blocks<S>, on: Physical) -> Result<Vat, DiscError> {
        let last = blocks.end() / self.size;
        let first = last.saturating_sub(VAT_SEARCH).max(u64::from(on.start));
        let below = Partition::Physical(on);
        for place in (first..last).rev() {
            let Some(block) = u32::try_from(place - u64::from(on.start)).ok() else {
                continue;
            };
            if let Ok(vat) = self.vat_at(blocks, &below, block, place) {
                return Ok(vat);
            }
        }
        Err(malformed(
            blocks.count().saturating_sub(1),
            "there is no UDF virtual allocation table at the end of the disc",
        ))
    }

    fn vat_at<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        below: &Partition,
        block: u32,
        place: u64,
    ) -> Result<Vat, DiscError> {
        const NOT_A_TABLE: &str = "this is no UDF virtual allocation table";
        let broken = |_: OutOfStructure| malformed(place, NOT_A_TABLE);
        let icb = blocks.structure(place * self.size, self.size_of_block())?;
        let file_type = Fields(&icb).u8(27).map_err(broken)?;
        if verify(Fields(&icb), Some(block)).is_err() || !matches!(file_type, 0 | 248) {
            return Err(malformed(place, NOT_A_TABLE));
        }
        let node = self.file_at(blocks, below, block)?;
        let bytes = node.extents.bytes();
        let (head, end) = if file_type == 248 {
            let mut length = [0; 2];
            node.extents.read(blocks, 0, &mut length)?;
            (u64::from(u16::from_le_bytes(length)).max(152), bytes)
        } else {
            let mut tail = [0; 36];
            let at = bytes.checked_sub(36).ok_or(malformed(place, NOT_A_TABLE))?;
            node.extents.read(blocks, at, &mut tail)?;
            if Fields(&tail).bytes(1, 22) != Ok(b"*UDF Virtual Alloc Tbl") {
                return Err(malformed(place, NOT_A_TABLE));
            }
            (0, at)
        };
        Ok(Vat {
            icb: place,
            file: node.extents,
            head,
            entries: end.saturating_sub(head) / 4,
        })
    }

    /// A sparing table, UDF 2.2.12, with its sequence number; pairs of packets that are elsewhere and where.
    fn sparing_table<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        place: u32,
        table_bytes: u32,
    ) -> Option<(u32, Vec<(u32, u32)>)> {
        let length = usize::try_from(table_bytes).ok()?.clamp(56, 56 + 8 * SPARED_MAX);
        let length = length.next_multiple_of(self.size_of_block());
        let bytes = blocks.structure(u64::from(place) * self.size, length).ok()?;
        let table = Fields(&bytes);
        if verify(table, Some(place)) != Ok(0) || table.bytes(17, 18) != Ok(b"*UDF Sparing Table") {
            return None;
        }
        let count = usize::from(table.le16(48).ok()?);
        let entries = table.from(56).ok()?.0.chunks_exact(8).take(count);
        let mut spared: Vec<(u32, u32)> = entries
            .filter_map(|entry| Some((Fields(entry).le32(0).ok()?, Fields(entry).le32(4).ok()?)))
            .filter(|&(original, _)| original < 0xFFFF_FFF0) // defective and available ones
            .collect();
        spared.sort_unstable();
        Some((table.le32(52).ok()?, spared))
    }

    /// Where a block of a partition lies, as a byte position of the disc, and how many bytes follow it there
    /// (never more than a partition's 4 Gi blocks).
    pub(crate) fn locate<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: u16,
        block: u32,
    ) -> Result<Extent, DiscError> {
        let unknown = malformed(u64::from(block), "a UDF address names no partition");
        let partition = self.partitions.get(usize::from(partition)).ok_or(unknown)?;
        self.locate_in(blocks, partition, block)
    }

    pub(super) fn locate_in<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: &Partition,
        block: u32,
    ) -> Result<Extent, DiscError> {
        let size = self.size;
        let extent = |first: u64, count: u64| Extent {
            position: first.checked_mul(size),
            length: count.saturating_mul(size),
        };
        let place = |on: &Physical, block: u32| u64::from(on.start) + u64::from(block);
        let found = match partition {
            Partition::Physical(on) => extent(place(on, block), u64::from(u32::MAX)),
            Partition::Virtual { on, table } => {
                let physical = table.entry(blocks, block)?;
                extent(place(on, physical), 1)
            }
            Partition::Sparable { on, packet, spared } => {
                let (first, within) = (block - block % packet, block % packet);
                let next = spared.partition_point(|&(original, _)| original < first);
                match spared.get(next) {
                    Some(&(original, mapped)) if original == first => {
                        extent(u64::from(mapped) + u64::from(within), u64::from(packet - within))
                    }
                    Some(&(original, _)) => extent(place(on, block), u64::from(original - block)),
                    None => extent(place(on, block), u64::from(u32::MAX)),
                }
            }
            Partition::Metadata { file, .. } => {
                let offset = u64::from(block) * size;
                file.locate(offset).ok_or(malformed(
                    u64::from(block),
                    "an address lies past the end of the UDF metadata partition",
                ))?
            }
        };
        match found.position {
            Some(_) => Ok(found),
            None => Err(malformed(
                u64::from(block),
                "a UDF address leads to nothing recorded",
            )),
        }
    }
}

impl Vat {
    /// The block of the partition below that a virtual one is.
    pub fn entry<S: BlockSource>(&self, blocks: &mut Blocks<S>, block: u32) -> Result<u32, DiscError> {
        let missing = malformed(
            self.icb,
            "a virtual address has no entry in the UDF virtual allocation table",
        );
        if u64::from(block) >= self.entries {
            return Err(missing);
        }
        let at = self.head + 4 * u64::from(block);
        let mut entry = [0; 4];
        let located = self.file.locate(at).and_then(|extent| extent.position);
        match located {
            // Through the blocks that are kept: neighbours are asked for one by one.
            Some(position) if position % BLOCK as u64 <= BLOCK as u64 - 4 => {
                let bytes = blocks.structure(position, 4)?;
                entry.copy_from_slice(bytes.first_chunk::<4>().unwrap_or(&[0xFF; 4]));
            }
            _ => {
                self.file.read(blocks, at, &mut entry)?;
            }
        }
        match u32::from_le_bytes(entry) {
            u32::MAX => Err(missing),
            physical => Ok(physical),
        }
    }
}
