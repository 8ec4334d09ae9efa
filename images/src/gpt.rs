//! GUID partition tables: the primary, the backup and the protective MBR of a new disk.
//!
//! Source: UEFI Specification 2.10, chapter 5 (5.2.3 protective MBR, 5.3.2 header, 5.3.3 entries).
//! Limits: 512-byte blocks, 128 entries, tables where the specification puts them.

use crc::{CRC_32_ISO_HDLC, Crc};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Bytes of a logical block.
pub const BLOCK: u64 = 512;
/// Partitions start at multiples of this many blocks, 1 MiB, which suits every disk's real block size.
pub const ALIGNMENT: u64 = 2048;

const ENTRIES: u32 = 128;
const ENTRY_BYTES: u32 = 128;
const TABLE_BLOCKS: u64 = 32;
const TABLE_BYTES: usize = 128 * 128;
const HEADER_BYTES: u32 = 92;
const NAME_UNITS: usize = 36;
const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A GUID, in the byte order it is read aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The partition type "Linux file system data", 0FC63DAF-8483-4772-8E79-3D69D8477DE4.
    pub const LINUX_FILESYSTEM: Self = Self([
        0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
    ]);

    /// A GUID that follows from an identity and a purpose (version 8, RFC 9562 section 5.8): the same disk made
    /// twice is the same.
    pub fn derived(identity: &[u8; 16], purpose: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(identity)
            .chain_update(purpose)
            .finalize();
        let mut bytes = [0; 16];
        for (byte, digest) in bytes.iter_mut().zip(digest) {
            *byte = digest;
        }
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// On disk the first three fields are little-endian (UEFI appendix A).
    fn on_disk(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }
}

impl std::fmt::Display for Guid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(formatter, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Guid,
    /// Which one it is.
    pub identity: Guid,
    /// Its name, at most 36 UTF-16 units.
    pub name: String,
    /// Its first block.
    pub first: u64,
    /// Its last block, inclusive.
    pub last: u64,
}

/// The tables of one disk, as bytes ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Protective MBR, primary header and entries: from the disk's first byte on.
    pub primary: Vec<u8>,
    /// Backup entries and header: up to the disk's last byte.
    pub backup: Vec<u8>,
}

/// The first block a partition of any disk may use.
pub const FIRST_USABLE: u64 = 2 + TABLE_BLOCKS;

/// The last block a partition of a disk of `blocks` blocks may use.
pub fn last_usable(blocks: u64) -> u64 {
    blocks.saturating_sub(TABLE_BLOCKS + 2)
}

/// Lays out the tables of a disk with `blocks` blocks.
pub fn tables(blocks: u64, disk: Guid, partitions: &[Partition]) -> Result<Tables> {
    let entries = entries(blocks, partitions)?;
    let last = blocks.saturating_sub(1);
    let header =
        |own: u64, other: u64, table: u64| header(own, other, table, blocks, disk, CRC32.checksum(&entries));
    let mut primary = protective_mbr(blocks);
    primary.extend_from_slice(&header(1, last, 2));
    primary.extend_from_slice(&entries);
    let mut backup = entries.clone();
    backup.extend_from_slice(&header(last, 1, last.saturating_sub(TABLE_BLOCKS)));
    Ok(Tables { primary, backup })
}

fn entries(blocks: u64, partitions: &[Partition]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut free = FIRST_USABLE;
    for (number, partition) in (0..).zip(partitions) {
        let refuse = |reason| {
            Err(Error::Partition {
                name: partition.name.clone(),
                reason,
            })
        };
        let mut name: Vec<u16> = partition.name.encode_utf16().collect();
        if number >= ENTRIES {
            return refuse("the table has 128 entries");
        } else if name.len() > NAME_UNITS {
            return refuse("a name has at most 36 UTF-16 units");
        } else if partition.first < free || partition.last < partition.first {
            return refuse("partitions are listed in their order on the disk and do not overlap");
        } else if partition.last > last_usable(blocks) {
            return refuse("it ends behind the last usable block");
        }
        free = partition.last + 1;
        name.resize(NAME_UNITS, 0);
        bytes.extend_from_slice(&partition.kind.on_disk());
        bytes.extend_from_slice(&partition.identity.on_disk());
        bytes.extend_from_slice(&partition.first.to_le_bytes());
        bytes.extend_from_slice(&partition.last.to_le_bytes());
        bytes.extend_from_slice(&0_u64.to_le_bytes()); // attributes: none
        bytes.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
    }
    bytes.resize(TABLE_BYTES, 0);
    Ok(bytes)
}

fn header(own: u64, other: u64, table: u64, blocks: u64, disk: Guid, entries_crc: u32) -> Vec<u8> {
    let with_crc = |crc: u32| {
        let mut bytes = b"EFI PART".to_vec();
        bytes.extend_from_slice(&0x0001_0000_u32.to_le_bytes()); // revision 1.0
        bytes.extend_from_slice(&HEADER_BYTES.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        for block in [own, other, FIRST_USABLE, last_usable(blocks)] {
            bytes.extend_from_slice(&block.to_le_bytes());
        }
        bytes.extend_from_slice(&disk.on_disk());
        bytes.extend_from_slice(&table.to_le_bytes());
        for field in [ENTRIES, ENTRY_BYTES, entries_crc] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes
    };
    // The header's checksum is taken while its own field is zero.
    let mut bytes = with_crc(CRC32.checksum(&with_crc(0)));
    bytes.resize(512, 0);
    bytes
}

/// One partition of type EE over the whole disk, so that tools from before GPT see no free space.
fn protective_mbr(blocks: u64) -> Vec<u8> {
    let mut bytes = vec![0; 446];
    bytes.extend_from_slice(&[0x00, 0x00, 0x02, 0x00]); // not bootable; first block as cylinder, head, sector
    bytes.extend_from_slice(&[0xee, 0xff, 0xff, 0xff]); // type; last block, beyond what the notation can say
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(
        &u32::try_from(blocks.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    bytes.resize(510, 0);
    bytes.extend_from_slice(&[0x55, 0xaa]);
    bytes
}
