//! UDF volume structures (ECMA-167 part 3): anchors, descriptor sequences, file set.

use super::UdfRevision;
use super::layout::{Image, Part, Region, fixed, length};
use super::names::{Form, UnicodeName};
use crate::structure::Cursor;
use crate::tag::{TAG, id, seal};
use crate::time::{Civil, Time};

impl UdfRevision {
    /// UDF 2.1.5.3: in hexadecimal digits.
    fn digits(self) -> u16 {
        match self {
            Self::V1_02 => 0x0102,
            Self::V2_01 => 0x0201,
        }
    }

    /// Version of the descriptors: the edition of ECMA-167 (3/7.2.2).
    pub(super) fn edition(self) -> u8 {
        match self {
            Self::V1_02 => 2,
            Self::V2_01 => 3,
        }
    }
}

/// UDF 6.3: operating system class UNIX, Linux.
const SYSTEM: [u8; 2] = [4, 5];

/// Timestamp, ECMA-167 1/7.3: local time with an offset of 0, to the microsecond.
pub(super) fn timestamp(out: &mut Cursor<'_>, time: Time) {
    let civil = Civil::from_seconds(time.seconds.clamp(-62_135_596_800, 253_402_300_799)); // years 1 to 9999
    out.le16(1 << 12);
    out.le16(u16::try_from(civil.year).unwrap_or_default());
    out.bytes(&[civil.month, civil.day, civil.hour, civil.minute, civil.second]);
    let microseconds = time.nanoseconds / 1000;
    for part in [
        microseconds / 10_000,
        microseconds / 100 % 100,
        microseconds % 100,
    ] {
        out.u8(u8::try_from(part).unwrap_or_default());
    }
}

/// Entity identifier, ECMA-167 1/7.4.
fn entity(out: &mut Cursor<'_>, identifier: &[u8], suffix: &[u8]) {
    out.u8(0);
    out.padded(identifier, 23, 0);
    out.padded(suffix, 8, 0);
}

/// Who wrote the structure.
pub(super) fn implementation(out: &mut Cursor<'_>) {
    entity(out, b"*Spindle", &SYSTEM);
}

/// Domain, UDF 2.1.5.3, with no write protection stated: the medium states it.
fn domain(out: &mut Cursor<'_>, revision: UdfRevision) {
    entity(out, b"*OSTA UDF Compliant", &revision.digits().to_le_bytes());
}

/// Character set, UDF 2.1.2.
fn character_set(out: &mut Cursor<'_>) {
    out.u8(0);
    out.padded(b"OSTA Compressed Unicode", 63, 0);
}

/// Text in a field of fixed width, ECMA-167 1/7.2.12: its last byte is the length.
fn text(out: &mut Cursor<'_>, text: &str, width: usize) {
    let name = UnicodeName::new(Form::Udf, text.as_bytes(), 0);
    let bytes = name.as_bytes();
    let unit = if bytes.first() == Some(&16) { 2 } else { 1 };
    let length = match bytes.len().min(width - 1) {
        0 | 1 => 0, // empty text has no compression code either
        length => length - (length - 1) % unit,
    };
    out.padded(bytes.get(..length).unwrap_or_default(), width - 1, 0);
    out.u8(u8::try_from(length).unwrap_or_default());
}

fn extent(out: &mut Cursor<'_>, region: Region) {
    out.le32(region.blocks * 2048);
    out.le32(region.start);
}

/// Long allocation descriptor, ECMA-167 4/14.14.2, in the only partition; ends with its implementation use.
pub(super) fn long_extent(out: &mut Cursor<'_>, bytes: u32, block: u32, unique: u32) {
    out.le32(bytes);
    out.le32(block);
    out.le16(0);
    out.le16(0);
    out.le32(unique);
}

impl Image {
    /// Writes a descriptor of one block: `body` after the tag, up to `length` bytes in all.
    pub(super) fn descriptor(
        &self,
        block: &mut [u8],
        tag: u16,
        location: u32,
        length: usize,
        body: impl FnOnce(&mut Cursor<'_>),
    ) {
        let mut out = Cursor::new(block);
        out.zeros(TAG);
        body(&mut out);
        seal(block, tag, self.options.udf_revision.edition(), location, length);
    }

    /// Anchor volume descriptor pointer for an absolute block, ECMA-167 3/10.2.
    pub(super) fn write_anchor(&self, location: u32, block: &mut [u8]) {
        let start = self.options.start_block;
        self.descriptor(block, id::ANCHOR, location, 512, |out| {
            for sequence in [fixed::MAIN_SEQUENCE, fixed::RESERVE_SEQUENCE] {
                extent(
                    out,
                    Region {
                        start: start + sequence,
                        blocks: fixed::SEQUENCE_BLOCKS,
                    },
                );
            }
        });
    }

    /// One block of a volume descriptor sequence, ECMA-167 3/8.4.2.
    pub(super) fn write_sequence(&self, sequence: u32, index: u32, block: &mut [u8]) {
        let location = self.options.start_block + sequence + index;
        match index {
            0 => self.descriptor(block, id::PRIMARY_VOLUME, location, 512, |out| {
                self.primary_volume(out)
            }),
            1 => self.descriptor(block, id::IMPLEMENTATION_USE, location, 512, |out| {
                self.volume_information(out)
            }),
            2 => self.descriptor(block, id::PARTITION, location, 512, |out| self.partition(out)),
            3 => self.descriptor(block, id::LOGICAL_VOLUME, location, 446, |out| {
                self.logical_volume(out)
            }),
            4 => self.descriptor(block, id::UNALLOCATED_SPACE, location, 24, |out| out.le32(4)),
            5 => self.descriptor(block, id::TERMINATING, location, 512, |_| ()),
            _ => {}
        }
    }

    fn primary_volume(&self, out: &mut Cursor<'_>) {
        out.le32(0); // volume descriptor sequence number
        out.le32(0);
        text(out, &self.options.label, 32);
        out.le16(1);
        out.le16(1);
        out.le16(2); // interchange level: one volume
        out.le16(2);
        out.le32(1); // character set 0
        out.le32(1);
        self.volume_set(out);
        character_set(out);
        character_set(out);
        out.zeros(16); // abstract, copyright notice
        entity(out, b"*Spindle", &[]);
        timestamp(out, self.time());
        implementation(out);
    }

    /// UDF 2.2.2.5: the set identifier begins with sixteen characters that tell it from others.
    fn volume_set(&self, out: &mut Cursor<'_>) {
        let identity = match self.options.identity {
            Some(identity) => u128::from_be_bytes(identity),
            None => u128::from(self.options.time.cast_unsigned()) << 64,
        };
        text(out, &alloc::format!("{identity:032X}{}", self.options.label), 128);
    }

    /// UDF 2.2.7.
    fn volume_information(&self, out: &mut Cursor<'_>) {
        out.le32(1);
        let [low, high] = self.options.udf_revision.digits().to_le_bytes();
        entity(out, b"*UDF LV Info", &[low, high, SYSTEM[0], SYSTEM[1]]);
        character_set(out);
        text(out, &self.options.label, 128);
        out.zeros(36 * 3);
        implementation(out);
    }

    fn partition(&self, out: &mut Cursor<'_>) {
        out.le32(2);
        out.le16(1); // allocated
        out.le16(0);
        entity(out, &[b'+', b'N', b'S', b'R', b'0', self.edition_digit()], &[]);
        out.zeros(128);
        out.le32(1); // read only
        out.le32(self.partition);
        out.le32(self.partition_blocks());
        implementation(out);
    }

    fn logical_volume(&self, out: &mut Cursor<'_>) {
        out.le32(3);
        character_set(out);
        text(out, &self.options.label, 128);
        out.le32(2048);
        domain(out, self.options.udf_revision);
        long_extent(out, 2 * 2048, self.file_set(), 0); // file set descriptor and its terminator
        out.le32(6);
        out.le32(1);
        implementation(out);
        out.zeros(128);
        extent(
            out,
            Region {
                start: self.options.start_block + fixed::INTEGRITY,
                blocks: 2,
            },
        );
        // Partition map of type 1, ECMA-167 3/10.7.2.
        out.bytes(&[1, 6]);
        out.le16(1);
        out.le16(0);
    }

    /// Logical volume integrity descriptor, ECMA-167 3/10.10 and UDF 2.2.6, and its terminator.
    pub(super) fn write_integrity(&self, index: u32, block: &mut [u8]) {
        let location = self.options.start_block + fixed::INTEGRITY + index;
        if index == 1 {
            return self.descriptor(block, id::TERMINATING, location, 512, |_| ());
        }
        self.descriptor(block, id::INTEGRITY, location, 88 + 46, |out| {
            timestamp(out, self.time());
            out.le32(1); // closed
            out.zeros(8);
            out.le64(u64::from(FIRST_UNIQUE + self.icbs()));
            out.zeros(24);
            out.le32(1); // partitions
            out.le32(46); // bytes of implementation use
            out.le32(0); // free
            out.le32(self.partition_blocks());
            implementation(out);
            out.le32(length(&self.files) + length(&self.recorded) + length(&self.own));
            out.le32(length(&self.directories));
            for _ in 0..3 {
                out.le16(self.options.udf_revision.digits()); // least to read, least and most to write
            }
        });
    }

    /// File set descriptor, ECMA-167 4/14.1, and its terminator. Locations are in the partition from here on.
    pub(super) fn write_file_set(&self, index: u32, block: &mut [u8]) {
        let location = self.file_set() + index;
        if index == 1 {
            return self.descriptor(block, id::TERMINATING, location, 512, |_| ());
        }
        self.descriptor(block, id::FILE_SET, location, 512, |out| {
            timestamp(out, self.time());
            out.le16(3); // interchange level, UDF 2.3.2.1
            out.le16(3);
            out.le32(1);
            out.le32(1);
            out.zeros(8); // file set and descriptor numbers
            character_set(out);
            text(out, &self.options.label, 128);
            character_set(out);
            text(out, &self.options.label, 32);
            out.zeros(32 * 2); // copyright, abstract
            long_extent(out, 2048, self.in_partition(Part::Icbs), 0);
            domain(out, self.options.udf_revision);
        });
    }

    fn partition_blocks(&self) -> u32 {
        self.options.start_block + self.blocks - 1 - self.partition
    }

    /// The file set descriptor's place in the partition.
    fn file_set(&self) -> u32 {
        self.options.start_block + fixed::FILE_SET - self.partition
    }

    /// Volume structure descriptors of the recognition sequence, ECMA-167 2/9.1.
    pub(super) fn write_recognition(&self, index: u32, block: &mut [u8]) {
        let identifier = match index {
            0 => *b"BEA01",
            1 => [b'N', b'S', b'R', b'0', self.edition_digit()],
            _ => *b"TEA01",
        };
        let out = &mut Cursor::new(block);
        out.u8(0);
        out.bytes(&identifier);
        out.u8(1);
    }

    fn edition_digit(&self) -> u8 {
        b'0' + self.options.udf_revision.edition()
    }

    fn time(&self) -> Time {
        Time {
            seconds: self.options.time,
            nanoseconds: 0,
        }
    }
}

/// UDF 3.2.1.1: unique identifiers of all but the top directory, which has 0, start here.
pub(super) const FIRST_UNIQUE: u32 = 16;
