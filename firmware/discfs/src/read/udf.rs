//! UDF volumes (ECMA-167 part 3): from an anchor to the top directory.

use super::blocks::{BlockSource, Blocks};
use super::node::Node;
use super::{DiscError, malformed};
use crate::structure::{Fields, OutOfStructure};
use crate::tag::{id, verify};
use crate::time::Civil;
use crate::{BLOCK, Time};
use alloc::{string::String, vec::Vec};

/// Descriptors looked at in one volume descriptor sequence, and pointers to further extents followed.
const SEQUENCE_MAX: u64 = 256;
const POINTERS_MAX: u32 = 8;
/// Partitions of a volume; real ones have one or two.
const PARTITIONS_MAX: usize = 16;

pub(super) struct Udf {
    pub root: Node,
    pub label: String,
    pub time: Time,
    /// First blocks of the partitions, as the logical volume numbers them.
    partitions: Vec<u64>,
}

/// A long allocation descriptor, ECMA-167 4/14.14.2: type and length in one field.
#[derive(Clone, Copy)]
pub(super) struct LongExtent {
    pub length: u32,
    pub block: u32,
    pub partition: u16,
}

impl LongExtent {
    pub fn parse(fields: Fields<'_>) -> Result<Self, OutOfStructure> {
        Ok(Self {
            length: fields.le32(0)?,
            block: fields.le32(4)?,
            partition: fields.le16(8)?,
        })
    }
}

/// The descriptors of a sequence that count: of several with equal meaning the one with the highest number.
#[derive(Default)]
struct Sequence {
    primary: Option<(u32, [u8; 512])>,
    logical: Option<(u32, [u8; BLOCK])>,
    /// Number, sequence number, first block.
    partitions: Vec<(u16, u32, u32)>,
}

impl Udf {
    /// Finds the volume of a session. `None` when the disc has no anchor.
    pub fn open<S: BlockSource>(blocks: &mut Blocks<S>, session: u64) -> Result<Option<Self>, DiscError> {
        let last = blocks.count().saturating_sub(1);
        // ECMA-167 3/8.4.2.1 and UDF 2.2.3: two of 256, N - 256 and N; a later session counts from its start.
        let places = [
            session.saturating_add(256),
            last,
            last.saturating_sub(256),
            512,
            256,
        ];
        let mut reason = None;
        for place in places
            .into_iter()
            .filter(|&place| place >= session && place <= last)
        {
            let mut anchor = [0; BLOCK];
            if blocks.block(place, &mut anchor).is_err() || descriptor(&anchor, place) != Some(id::ANCHOR) {
                continue;
            }
            for at in [16, 24] {
                match Self::from_sequence(blocks, Fields(&anchor), at, place) {
                    Ok(udf) => return Ok(Some(udf)),
                    Err(error) => reason = reason.or(Some(error)),
                }
            }
        }
        reason.map_or(Ok(None), Err)
    }

    fn from_sequence<S: BlockSource>(
        blocks: &mut Blocks<S>,
        anchor: Fields<'_>,
        at: usize,
        place: u64,
    ) -> Result<Self, DiscError> {
        let broken = |_: OutOfStructure| malformed(place, "a volume structure of UDF is incomplete");
        let mut sequence = Sequence::default();
        let mut extent = Some((
            anchor.le32(at).map_err(broken)?,
            anchor.le32(at + 4).map_err(broken)?,
        ));
        for _ in 0..POINTERS_MAX {
            let Some((length, first)) = extent else { break };
            extent = sequence.read(blocks, u64::from(length), u64::from(first))?;
        }
        let (_, primary) = sequence
            .primary
            .ok_or(malformed(place, "UDF has no primary volume descriptor"))?;
        let (_, logical) = sequence
            .logical
            .ok_or(malformed(place, "UDF has no logical volume descriptor"))?;
        let logical = Fields(&logical);
        if logical.le32(212).map_err(broken)? != 2048 {
            return Err(DiscError::Unsupported("a UDF block size other than 2048"));
        }
        let partitions = partition_maps(logical, &sequence.partitions, place)?;
        let mut udf = Self {
            root: Node::empty_directory(),
            label: fixed_text(logical.bytes(84, 128).map_err(broken)?),
            time: timestamp(Fields(&primary).part(376, 12).map_err(broken)?).map_err(broken)?,
            partitions,
        };
        let set = LongExtent::parse(logical.part(248, 16).map_err(broken)?).map_err(broken)?;
        let root = udf.file_set(blocks, set)?;
        udf.root = udf.node(blocks, root)?;
        if udf.root.kind != super::NodeKind::Directory {
            return Err(malformed(
                udf.root.identity,
                "the top of the UDF file set is not a directory",
            ));
        }
        Ok(udf)
    }

    /// The top directory's address, from the file set descriptor (ECMA-167 4/14.1).
    fn file_set<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        set: LongExtent,
    ) -> Result<LongExtent, DiscError> {
        let place = self.absolute(set.partition, set.block)?;
        let mut block = [0; BLOCK];
        blocks.block(place, &mut block)?;
        let fields = Fields(&block);
        if verify(fields, Some(set.block)) != Ok(id::FILE_SET) {
            return Err(malformed(place, "there is no UDF file set descriptor"));
        }
        let root = fields.part(400, 16).and_then(LongExtent::parse);
        root.map_err(|_| malformed(place, "the UDF file set descriptor is incomplete"))
    }

    /// The absolute address of a block of a partition.
    pub fn absolute(&self, partition: u16, block: u32) -> Result<u64, DiscError> {
        let start = self.partitions.get(usize::from(partition)).copied();
        let start = start.ok_or(malformed(u64::from(block), "a UDF address names no partition"))?;
        Ok(start.saturating_add(u64::from(block)))
    }
}

impl Sequence {
    /// Reads one extent of a sequence; returns where it goes on, if it does (ECMA-167 3/8.4.2).
    fn read<S: BlockSource>(
        &mut self,
        blocks: &mut Blocks<S>,
        length: u64,
        first: u64,
    ) -> Result<Option<(u32, u32)>, DiscError> {
        for place in first..first.saturating_add((length / BLOCK as u64).min(SEQUENCE_MAX)) {
            let mut block = [0; BLOCK];
            blocks.block(place, &mut block)?;
            let fields = Fields(&block);
            let broken = |_: OutOfStructure| malformed(place, "a volume descriptor is incomplete");
            let number = fields.le32(16).map_err(broken)?;
            match descriptor(&block, place) {
                Some(id::TERMINATING) | None => return Ok(None),
                Some(id::VOLUME_POINTER) => {
                    return Ok(Some((
                        fields.le32(20).map_err(broken)?,
                        fields.le32(24).map_err(broken)?,
                    )));
                }
                Some(id::PRIMARY_VOLUME) if self.primary.is_none_or(|(kept, _)| kept <= number) => {
                    self.primary = block.first_chunk().map(|chunk| (number, *chunk));
                }
                Some(id::LOGICAL_VOLUME) if self.logical.is_none_or(|(kept, _)| kept <= number) => {
                    self.logical = Some((number, block));
                }
                Some(id::PARTITION) => {
                    let partition = fields.le16(22).map_err(broken)?;
                    let start = fields.le32(188).map_err(broken)?;
                    match self.partitions.iter().position(|&(kept, _, _)| kept == partition) {
                        Some(at) if self.partitions[at].1 > number => {}
                        Some(at) => self.partitions[at] = (partition, number, start),
                        None if self.partitions.len() < PARTITIONS_MAX => {
                            self.partitions.push((partition, number, start));
                        }
                        None => return Err(malformed(place, "there are too many UDF partitions")),
                    }
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }
}

/// Partition maps, ECMA-167 3/10.7, as first blocks.
fn partition_maps(
    logical: Fields<'_>,
    partitions: &[(u16, u32, u32)],
    place: u64,
) -> Result<Vec<u64>, DiscError> {
    let broken = |_: OutOfStructure| malformed(place, "a UDF partition map is incomplete");
    let count = logical.le32(268).map_err(broken)? as usize;
    if count > PARTITIONS_MAX {
        return Err(malformed(place, "there are too many UDF partition maps"));
    }
    let mut starts = Vec::with_capacity(count);
    let mut at = 440;
    for _ in 0..count {
        let length = usize::from(logical.u8(at + 1).map_err(broken)?);
        let map = logical.part(at, length).map_err(broken)?;
        match map.u8(0).map_err(broken)? {
            1 => {
                let number = map.le16(4).map_err(broken)?;
                let found = partitions.iter().find(|&&(partition, _, _)| partition == number);
                let &(_, _, start) = found.ok_or(malformed(place, "a UDF partition is missing"))?;
                starts.push(u64::from(start));
            }
            // UDF 2.2.8 to 2.2.10.
            2 => {
                return Err(DiscError::Unsupported(
                    match map.bytes(5, 12).unwrap_or_default() {
                        b"*UDF Virtual" => "a UDF virtual partition (VAT)",
                        b"*UDF Sparabl" => "a UDF sparable partition",
                        b"*UDF Metadat" => "a UDF metadata partition",
                        _ => "an unknown UDF partition map",
                    },
                ));
            }
            _ => return Err(DiscError::Unsupported("an unknown UDF partition map")),
        }
        at += length;
    }
    Ok(starts)
}

/// The identifier of a descriptor whose tag is in order.
fn descriptor(block: &[u8; BLOCK], place: u64) -> Option<u16> {
    verify(Fields(block), Some(u32::try_from(place).ok()?)).ok()
}

/// Timestamp, ECMA-167 1/7.3.
pub(super) fn timestamp(field: Fields<'_>) -> Result<Time, OutOfStructure> {
    let zone = field.le16(0)?;
    let civil = Civil {
        year: i64::from(field.le16(2)?.cast_signed()),
        month: field.u8(4)?,
        day: field.u8(5)?,
        hour: field.u8(6)?,
        minute: field.u8(7)?,
        second: field.u8(8)?,
    };
    // Twelve bits of minutes east of UTC, -2047 when unknown; they count for type 1 only.
    let minutes = i64::from((zone << 4).cast_signed() >> 4);
    let offset = if zone >> 12 == 1 && minutes != -2047 {
        minutes * 60
    } else {
        0
    };
    let part = |at: usize, unit: u32| field.u8(at).map(|value| u32::from(value % 100) * unit);
    let nanoseconds = part(9, 10_000_000)? + part(10, 100_000)? + part(11, 1000)?;
    Ok(Time {
        seconds: civil.seconds() - offset,
        nanoseconds,
    })
}

/// Text in a field of fixed width, ECMA-167 1/7.2.12.
fn fixed_text(field: &[u8]) -> String {
    let length = field
        .last()
        .map_or(0, |&length| usize::from(length))
        .min(field.len().saturating_sub(1));
    String::from_utf8(super::udf_nodes::expand(field.get(..length).unwrap_or_default())).unwrap_or_default()
}
