//! UDF volumes (ECMA-167 part 3): from an anchor to the top directory.

use super::blocks::{BlockSource, Blocks};
use super::node::Node;
use super::udf_partition::{Map, PARTITIONS_MAX, Partition, Physical};
use super::{DiscError, malformed};
use crate::structure::{Fields, OutOfStructure};
use crate::tag::{id, verify};
use crate::time::Civil;
use crate::{BLOCK, Time};
use alloc::{string::String, vec::Vec};

/// Descriptors looked at in one volume descriptor sequence, and pointers to further extents followed.
const SEQUENCE_MAX: u64 = 256;
const POINTERS_MAX: u32 = 8;
/// Sizes of blocks: that of all optical discs before those of other media.
pub(crate) const SIZES: [u64; 7] = [2048, 512, 4096, 1024, 8192, 16_384, 32_768];

pub(crate) struct Udf {
    pub root: Node,
    pub label: String,
    pub time: Time,
    /// Bytes of a block: of the disc's, and so of the volume's (UDF 2.2.1.2).
    pub size: u64,
    /// Partitions as the logical volume numbers them.
    pub partitions: Vec<Partition>,
}

/// A long allocation descriptor, ECMA-167 4/14.14.2: type and length in one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongExtent {
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
    primary: Option<(u32, Vec<u8>)>,
    logical: Option<(u32, Vec<u8>)>,
    /// Sequence number and partition.
    partitions: Vec<(u32, Physical)>,
}

/// Where anchors may be, in the order in which they are looked for: ECMA-167 3/8.4.2.1 and UDF 2.2.3 have them at
/// two of 256, N - 256 and N, and a later session counts from its start; 512 is that of a disc not closed yet.
pub(crate) fn anchor_places(session: u64, last: u64) -> impl Iterator<Item = u64> {
    let places = [
        session.saturating_add(256),
        last,
        last.saturating_sub(256),
        512,
        256,
    ];
    let seen = move |at: usize, place: u64| places.iter().take(at).any(|&before| before == place);
    let inside = move |place: u64| place >= session && place <= last;
    let chosen = places.into_iter().enumerate();
    chosen
        .filter(move |&(at, place)| inside(place) && !seen(at, place))
        .map(|(_, place)| place)
}

impl Udf {
    /// Finds the volume of a session. `None` when the disc has no anchor.
    pub fn open<S: BlockSource>(blocks: &mut Blocks<S>, session: u64) -> Result<Option<Self>, DiscError> {
        let mut reason = None;
        for size in SIZES {
            // Sessions are of optical discs, and so are blocks of 2048 bytes.
            if size != BLOCK as u64 && session > 0 {
                break;
            }
            let last = (blocks.end() / size).saturating_sub(1);
            for place in anchor_places(session, last) {
                let anchor = blocks
                    .structure(place.saturating_mul(size), 512)
                    .unwrap_or_default();
                if descriptor(&anchor, place) != Some(id::ANCHOR) {
                    continue;
                }
                for at in [16, 24] {
                    match Self::from_sequence(blocks, Fields(&anchor), at, place, size) {
                        Ok(udf) => return Ok(Some(udf)),
                        Err(error) => reason = reason.or(Some(error)),
                    }
                }
            }
            if let Some(error) = reason {
                return Err(error);
            }
        }
        Ok(None)
    }

    pub(super) fn from_sequence<S: BlockSource>(
        blocks: &mut Blocks<S>,
        anchor: Fields<'_>,
        at: usize,
        place: u64,
        size: u64,
    ) -> Result<Self, DiscError> {
        let broken = |_: OutOfStructure| malformed(place, "a volume structure of UDF is incomplete");
        let mut sequence = Sequence::default();
        let mut extent = Some((
            anchor.le32(at).map_err(broken)?,
            anchor.le32(at + 4).map_err(broken)?,
        ));
        for _ in 0..POINTERS_MAX {
            let Some((length, first)) = extent else { break };
            extent = sequence.read(blocks, u64::from(length), u64::from(first), size)?;
        }
        let (_, primary) = sequence
            .primary
            .ok_or(malformed(place, "UDF has no primary volume descriptor"))?;
        let (_, logical) = sequence
            .logical
            .ok_or(malformed(place, "UDF has no logical volume descriptor"))?;
        let logical = Fields(&logical);
        if u64::from(logical.le32(212).map_err(broken)?) != size {
            return Err(DiscError::Unsupported("a UDF block size other than the medium's"));
        }
        let mut udf = Self {
            root: Node::empty_directory(),
            label: fixed_text(logical.bytes(84, 128).map_err(broken)?),
            time: timestamp(Fields(&primary).part(376, 12).map_err(broken)?).map_err(broken)?,
            size,
            partitions: Vec::new(),
        };
        udf.read_maps(blocks, logical, &sequence.partitions, place)?;
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

    /// Partition maps, ECMA-167 3/10.7.
    fn read_maps<S: BlockSource>(
        &mut self,
        blocks: &mut Blocks<S>,
        logical: Fields<'_>,
        partitions: &[(u32, Physical)],
        place: u64,
    ) -> Result<(), DiscError> {
        let broken = |_: OutOfStructure| malformed(place, "a UDF partition map is incomplete");
        let count = logical.le32(268).map_err(broken)? as usize;
        if count > PARTITIONS_MAX {
            return Err(malformed(place, "there are too many UDF partition maps"));
        }
        let mut at = 440;
        for _ in 0..count {
            let length = usize::from(logical.u8(at + 1).map_err(broken)?);
            let map = logical.part(at, length).map_err(broken)?;
            let (map, number) = Map::parse(map)
                .map_err(broken)?
                .ok_or(DiscError::Unsupported("an unknown UDF partition map"))?;
            let found = partitions
                .iter()
                .find(|(_, partition)| partition.number == number);
            let &(_, on) = found.ok_or(malformed(place, "a UDF partition is missing"))?;
            self.add_partition(blocks, map, on)?;
            at += length;
        }
        Ok(())
    }

    /// The top directory's address, from the file set descriptor (ECMA-167 4/14.1).
    fn file_set<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        set: LongExtent,
    ) -> Result<LongExtent, DiscError> {
        let position = self.position(blocks, set.partition, set.block)?;
        let place = position / BLOCK as u64;
        let block = blocks.structure(position, 512)?;
        let fields = Fields(&block);
        if verify(fields, Some(set.block)) != Ok(id::FILE_SET) {
            return Err(malformed(place, "there is no UDF file set descriptor"));
        }
        let root = fields.part(400, 16).and_then(LongExtent::parse);
        root.map_err(|_| malformed(place, "the UDF file set descriptor is incomplete"))
    }

    /// The byte position of a block of a partition.
    pub fn position<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        partition: u16,
        block: u32,
    ) -> Result<u64, DiscError> {
        let found = self.locate(blocks, partition, block)?;
        Ok(found.position.unwrap_or(u64::MAX))
    }

    /// Bytes of a block, as a structure's length.
    pub fn size_of_block(&self) -> usize {
        usize::try_from(self.size).unwrap_or(BLOCK)
    }
}

impl Sequence {
    /// Reads one extent of a sequence; returns where it goes on, if it does (ECMA-167 3/8.4.2).
    fn read<S: BlockSource>(
        &mut self,
        blocks: &mut Blocks<S>,
        length: u64,
        first: u64,
        size: u64,
    ) -> Result<Option<(u32, u32)>, DiscError> {
        for place in first..first.saturating_add((length / size).min(SEQUENCE_MAX)) {
            let position = place.saturating_mul(size);
            let block = blocks.structure(position, usize::try_from(size).unwrap_or(BLOCK))?;
            let fields = Fields(&block);
            let at = position / BLOCK as u64;
            let broken = |_: OutOfStructure| malformed(at, "a volume descriptor is incomplete");
            let number = fields.le32(16).map_err(broken)?;
            match descriptor(&block, place) {
                Some(id::TERMINATING) | None => return Ok(None),
                Some(id::VOLUME_POINTER) => {
                    return Ok(Some((
                        fields.le32(20).map_err(broken)?,
                        fields.le32(24).map_err(broken)?,
                    )));
                }
                Some(id::PRIMARY_VOLUME) if self.primary.as_ref().is_none_or(|(kept, _)| *kept <= number) => {
                    self.primary = Some((number, block));
                }
                Some(id::LOGICAL_VOLUME) if self.logical.as_ref().is_none_or(|(kept, _)| *kept <= number) => {
                    self.logical = Some((number, block));
                }
                Some(id::PARTITION) => {
                    let partition = Physical {
                        number: fields.le16(22).map_err(broken)?,
                        start: fields.le32(188).map_err(broken)?,
                        blocks: fields.le32(192).map_err(broken)?,
                    };
                    let count = self.partitions.len();
                    let mut known = self.partitions.iter_mut();
                    match known.find(|(_, known)| known.number == partition.number) {
                        Some((kept, _)) if *kept > number => {}
                        Some(known) => *known = (number, partition),
                        None if count < PARTITIONS_MAX => {
                            self.partitions.push((number, partition));
                        }
                        None => return Err(malformed(at, "there are too many UDF partitions")),
                    }
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }
}

/// The identifier of a descriptor whose tag is in order.
fn descriptor(block: &[u8], place: u64) -> Option<u16> {
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
    String::from_utf8(super::udf_names::expand(field.get(..length).unwrap_or_default())).unwrap_or_default()
}
