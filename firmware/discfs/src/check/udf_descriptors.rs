//! UDF's volume structures (ECMA-167 parts 2 and 3): recognition, anchors, both descriptor sequences.

use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::{BlockSource, Physical, SIZES, anchor_places};
use crate::structure::Fields;
use crate::tag::{BadTag, TAG, id, verify};
use alloc::vec::Vec;
use core::ops::Range;

/// Descriptors looked at in one sequence, as by the reader.
const SEQUENCE_MAX: u64 = 256;
/// Volume structure descriptors looked at: those of ISO 9660 stand among them.
const RECOGNITION_MAX: u64 = 64;

/// An anchor that is in order.
struct Anchor {
    place: u64,
    /// Length and first block of the main and the reserve sequence.
    extents: [(u32, u32); 2],
}

/// What the volume descriptors say.
pub(super) struct Volume {
    /// Bytes of a block.
    pub size: u64,
    /// The logical volume descriptor.
    pub logical: Vec<u8>,
    /// Partition descriptors.
    pub partitions: Vec<Vec<u8>>,
    /// Blocks of the sequences, as byte positions.
    pub taken: Vec<Range<u64>>,
    /// How many anchors were found.
    pub anchors: usize,
}

/// A descriptor of a sequence: its kind and its bytes.
type Descriptor = (u16, Vec<u8>);

impl<S: BlockSource> Check<'_, S> {
    /// Checks what leads to the logical volume. `None` when the disc has no UDF, or none that can be found.
    pub(super) fn udf_volume(&mut self) -> Option<Volume> {
        let session = self.options.session_start;
        let sizes = SIZES
            .into_iter()
            .filter(|&size| session == 0 || size == BLOCK as u64);
        let mut found = (BLOCK as u64, Vec::new());
        for size in sizes {
            let anchors = self.anchors(session, size);
            if !anchors.is_empty() {
                found = (size, anchors);
                break;
            }
        }
        let (size, anchors) = found;
        let place = Place::block(session + 16);
        let announced = self.recognition(session, size.max(BLOCK as u64));
        let Some(first) = anchors.first() else {
            if announced.is_some() {
                self.find(
                    Fault::NotReadable,
                    Place::block(session + 256),
                    "there is no anchor",
                );
            }
            return None;
        };
        let mut volume = Volume {
            size,
            logical: Vec::new(),
            partitions: Vec::new(),
            taken: Vec::new(),
            anchors: anchors.len(),
        };
        for other in anchors.iter().filter(|anchor| anchor.extents != first.extents) {
            // That of another session leads to a sequence of its own.
            let (_, start) = other.extents[0];
            let head = self
                .blocks
                .structure(u64::from(start).saturating_mul(size), 512)
                .unwrap_or_default();
            let sound = verify(Fields(&head), Some(start)).is_ok();
            let detail = format_args!("blocks {} and {}", first.place, other.place);
            self.demand(
                sound,
                Fault::AnchorsDiffer,
                Place::position(other.place * size),
                detail,
            );
        }
        for anchor in &anchors {
            let start = anchor.place * size;
            volume.taken.push(start..start + size);
        }
        let [main, reserve] = first.extents;
        let main = self.sequence(&mut volume, main);
        let reserve_place = Place::position(u64::from(reserve.1) * size);
        let reserve = self.sequence(&mut volume, reserve);
        let differing = main
            .iter()
            .zip(&reserve)
            .find(|(one, other)| body(one) != body(other));
        let same = differing.is_none() && main.len() == reserve.len();
        let which = differing.map_or(0, |((kind, _), _)| *kind);
        let fault = match differing {
            Some((one, other)) if without_set(one) == without_set(other) => Fault::SetIdentifiersDiffer,
            _ => Fault::SequencesDiffer,
        };
        self.demand(
            same,
            fault,
            reserve_place,
            format_args!("descriptor of kind {which}"),
        );
        let chosen = if main.iter().any(|(kind, _)| *kind == id::LOGICAL_VOLUME) {
            main
        } else {
            reserve
        };
        self.volume_descriptors(&mut volume, chosen, announced, place)?;
        Some(volume)
    }

    /// ECMA-167 2/9.1 and UDF 2.1.7: BEA01, NSR02 or NSR03, TEA01. Returns the digit of the edition.
    fn recognition(&mut self, session: u64, step: u64) -> Option<u8> {
        let first = session.saturating_add(16) * BLOCK as u64;
        let (mut begun, mut edition) = (false, None);
        for number in 0..RECOGNITION_MAX {
            let position = first + number * step;
            let Ok(head) = self.blocks.structure(position, 7) else {
                break;
            };
            let place = Place::position(position);
            match head.get(1..6).unwrap_or_default() {
                b"CD001" | b"CDW02" | b"BOOT2" => {}
                b"BEA01" => begun = true,
                [b'N', b'S', b'R', b'0', digit @ b'2'..=b'3'] => {
                    self.demand(begun, Fault::Recognition, place, "NSR before BEA01");
                    edition = Some(*digit);
                }
                b"TEA01" => {
                    self.demand(
                        edition.is_some(),
                        Fault::Recognition,
                        place,
                        "no NSR02 or NSR03 before TEA01",
                    );
                    return edition;
                }
                _ => {
                    self.demand(!begun, Fault::Recognition, place, "it does not end with TEA01");
                    return edition;
                }
            }
        }
        edition
    }

    /// The anchors of a size of blocks, those in order; damaged ones are findings.
    fn anchors(&mut self, session: u64, size: u64) -> Vec<Anchor> {
        let last = (self.blocks.end() / size).saturating_sub(1);
        let mut found = Vec::new();
        for place in anchor_places(session, last) {
            let position = place.saturating_mul(size);
            let Ok(bytes) = self.blocks.structure(position, 512) else {
                continue;
            };
            let fields = Fields(&bytes);
            let here = u32::try_from(place).ok();
            let claims = fields.le16(0) == Ok(id::ANCHOR) && fields.le32(12).ok() == here;
            match (verify(fields, here), claims) {
                (Ok(id::ANCHOR), _) => {}
                (Err(bad), true) => {
                    self.find(bad_tag(bad), Place::position(position), "anchor");
                    continue;
                }
                _ => continue,
            }
            let number = |at: usize| fields.le32(at).unwrap_or(0);
            found.push(Anchor {
                place,
                extents: [(number(16), number(20)), (number(24), number(28))],
            });
        }
        found
    }

    /// The descriptors of one sequence up to its terminator.
    fn sequence(&mut self, volume: &mut Volume, extent: (u32, u32)) -> Vec<Descriptor> {
        let (length, first) = extent;
        let size = volume.size;
        let mut found = Vec::new();
        let start = u64::from(first).saturating_mul(size);
        volume.taken.push(start..start.saturating_add(u64::from(length)));
        let count = (u64::from(length) / size).min(SEQUENCE_MAX);
        for block in u64::from(first)..u64::from(first) + count {
            let place = Place::position(block * size);
            let Some(bytes) = self.bytes(block * size, usize::try_from(size).unwrap_or(BLOCK), place) else {
                return found;
            };
            if bytes.iter().all(|&byte| byte == 0) {
                break;
            }
            let location = u32::try_from(block).unwrap_or(u32::MAX);
            if let Some(kind) = self.tag(&bytes, location, &SEQUENCE_KINDS, place) {
                if kind == id::TERMINATING {
                    return found;
                }
                found.push((kind, bytes));
            }
        }
        self.find(Fault::SequenceOpen, Place::position(start), "");
        found
    }

    /// Verifies a descriptor's tag; returns its kind when it is one of those expected.
    pub(super) fn tag(
        &mut self,
        bytes: &[u8],
        location: u32,
        kinds: &[u16],
        place: Place<'_>,
    ) -> Option<u16> {
        let fields = Fields(bytes);
        let kind = match verify(fields, None) {
            Ok(kind) => kind,
            Err(bad) => {
                self.find(bad_tag(bad), place, "");
                return None;
            }
        };
        if !kinds.contains(&kind) {
            self.find(Fault::TagKind, place, format_args!("kind {kind}"));
            return None;
        }
        let said = fields.le32(12).unwrap_or(0);
        self.demand(
            said == location,
            Fault::TagLocation,
            place,
            format_args!("{said} instead of {location}"),
        );
        let version = fields.le16(2).unwrap_or(0);
        self.demand(
            matches!(version, 2 | 3),
            Fault::TagVersion,
            place,
            format_args!("version {version}"),
        );
        Some(kind)
    }

    fn volume_descriptors(
        &mut self,
        volume: &mut Volume,
        descriptors: Vec<Descriptor>,
        announced: Option<u8>,
        place: Place<'_>,
    ) -> Option<()> {
        for (kind, what) in [
            (id::PRIMARY_VOLUME, "primary volume"),
            (id::LOGICAL_VOLUME, "logical volume"),
            (id::PARTITION, "partition"),
            (id::UNALLOCATED_SPACE, "unallocated space"),
            (id::IMPLEMENTATION_USE, "implementation use"),
        ] {
            let there = descriptors.iter().any(|(found, _)| *found == kind);
            self.demand(there, Fault::DescriptorMissing, place, what);
        }
        // Of several with equal meaning the one with the highest number counts (ECMA-167 3/8.4.3).
        let newest = |kind: u16| {
            let of_kind = descriptors.iter().filter(move |(found, _)| *found == kind);
            of_kind.max_by_key(|(_, bytes)| Fields(bytes).le32(16).unwrap_or(0))
        };
        volume.logical = newest(id::LOGICAL_VOLUME).map(|(_, bytes)| bytes.clone())?;
        for (kind, bytes) in &descriptors {
            if *kind == id::PARTITION {
                self.partition(volume, bytes, announced);
            }
        }
        let logical = Fields(&volume.logical);
        let stated = u64::from(logical.le32(212).unwrap_or(0));
        self.demand(
            stated == volume.size,
            Fault::BadField,
            place,
            format_args!("logical block size {stated}"),
        );
        let domain = logical.bytes(217, 19).unwrap_or_default();
        let detail = format_args!("domain {}", domain.escape_ascii());
        self.demand(domain == b"*OSTA UDF Compliant", Fault::BadField, place, detail);
        Some(())
    }

    /// Partition descriptor, ECMA-167 3/10.5.
    fn partition(&mut self, volume: &mut Volume, bytes: &[u8], announced: Option<u8>) {
        let fields = Fields(bytes);
        let location = fields.le32(12).unwrap_or(0);
        let place = Place::position(u64::from(location) * volume.size);
        let (start, count) = (fields.le32(188).unwrap_or(0), fields.le32(192).unwrap_or(0));
        let end = (u64::from(start) + u64::from(count)) * volume.size;
        // An image may have up to three sectors of 512 bytes less than whole blocks of 2048.
        let inside = end
            <= self
                .blocks
                .end()
                .saturating_add(BLOCK as u64 - volume.size.min(BLOCK as u64));
        // Discs that are not full state what there is room for: their last blocks are not recorded yet.
        let write_once = fields.le32(184) == Ok(2) || is_virtual(&volume.logical);
        let detail = format_args!("{count} blocks from block {start}");
        self.demand(inside || write_once, Fault::PartitionTooLarge, place, detail);
        let contents = fields.bytes(25, 5).unwrap_or_default();
        let edition = match contents {
            b"+NSR0" => fields.u8(30).ok(),
            _ => None,
        };
        let same = edition.is_some() && (announced.is_none() || announced == edition);
        let shown = fields.bytes(25, 6).unwrap_or_default().escape_ascii();
        self.demand(
            same,
            Fault::Recognition,
            place,
            format_args!("the partition holds {shown}"),
        );
        volume.partitions.push(bytes.to_vec());
    }
}

/// Kinds that may stand in a volume descriptor sequence, ECMA-167 3/8.4.2.
const SEQUENCE_KINDS: [u16; 7] = [
    id::PRIMARY_VOLUME,
    id::VOLUME_POINTER,
    id::IMPLEMENTATION_USE,
    id::PARTITION,
    id::LOGICAL_VOLUME,
    id::UNALLOCATED_SPACE,
    id::TERMINATING,
];

/// A primary volume descriptor without its volume set identifier (ECMA-167 3/10.1.8); others as they are.
fn without_set(descriptor: &Descriptor) -> (&[u8], &[u8]) {
    let bytes = body(descriptor);
    match descriptor.0 {
        id::PRIMARY_VOLUME => (
            bytes.get(..SET.start).unwrap_or_default(),
            bytes.get(SET.end..).unwrap_or_default(),
        ),
        _ => (bytes, &[]),
    }
}

/// The volume set identifier in what [`body`] gives.
const SET: Range<usize> = 72 - TAG - 4..200 - TAG - 4;

/// Whether a logical volume has a virtual partition.
pub(super) fn is_virtual(logical: &[u8]) -> bool {
    logical
        .windows(22)
        .any(|bytes| bytes == b"*UDF Virtual Partition")
}

/// Where a partition descriptor says its partition lies.
pub(super) fn physical(bytes: &[u8]) -> Physical {
    let fields = Fields(bytes);
    Physical {
        number: fields.le16(22).unwrap_or(0),
        start: fields.le32(188).unwrap_or(0),
        blocks: fields.le32(192).unwrap_or(0),
    }
}

/// All of a descriptor but its tag, which says where it is, and its sequence number, which some writers count on.
fn body((_, bytes): &Descriptor) -> &[u8] {
    bytes.get(TAG + 4..).unwrap_or_default()
}

pub(super) fn bad_tag(bad: BadTag) -> Fault {
    match bad {
        BadTag::Checksum => Fault::TagChecksum,
        BadTag::Crc => Fault::TagCrc,
        BadTag::Location => Fault::TagLocation,
    }
}
