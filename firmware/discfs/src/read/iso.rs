//! ISO 9660 (ECMA-119), with or without Rock Ridge.

use super::blocks::{BlockSource, Blocks};
use super::node::{Extent, Extents, Node, NodeKind};
use super::susp::{SystemUse, long_time, short_time};
use super::udf_names::{legal, wide};
use super::{DiscError, malformed};
use crate::structure::{Fields, OutOfStructure};
use crate::{Attributes, BLOCK, Time};
use alloc::{string::String, vec::Vec};

/// Volume descriptors looked at; real discs have a handful.
const DESCRIPTORS_MAX: u64 = 64;
/// Sections of one file: 4 GiB each.
const SECTIONS_MAX: usize = 4096;
/// Bytes of a directory record before the identifier.
const RECORD_HEAD: usize = 33;

/// Which hierarchy of a disc is read, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// The primary one as it is.
    Plain,
    /// The primary one with Rock Ridge, when it has it.
    RockRidge,
    /// The supplementary one of Joliet.
    Joliet,
}

pub(crate) struct Iso {
    pub root: Node,
    pub label: String,
    pub time: Time,
    pub rock_ridge: bool,
    pub joliet: bool,
    /// SUSP, P1281 5.3: bytes to pass over at the start of each system use field.
    skip: usize,
}

/// One directory record, ECMA-119 9.1.
struct Record {
    position: u64,
    extent: Extent,
    time: Time,
    flags: u8,
    identifier: Vec<u8>,
    system_use: SystemUse,
}

const DIRECTORY: u8 = 2;
const ASSOCIATED: u8 = 4;
const MULTI_EXTENT: u8 = 0x80;

impl Iso {
    /// Finds the volume descriptor of a hierarchy in a session. `None` when there is none.
    pub fn open<S: BlockSource>(
        blocks: &mut Blocks<S>,
        session: u64,
        hierarchy: Hierarchy,
    ) -> Result<Option<Self>, DiscError> {
        let mut descriptor = [0; BLOCK];
        let first = session.saturating_add(16);
        for block in first..first.saturating_add(DESCRIPTORS_MAX) {
            if block >= blocks.count() {
                return Ok(None);
            }
            blocks.block(block, &mut descriptor)?;
            let fields = Fields(&descriptor);
            if fields.bytes(1, 5) != Ok(b"CD001") || fields.u8(0) == Ok(255) {
                return Ok(None);
            }
            let wanted = match hierarchy {
                Hierarchy::Plain | Hierarchy::RockRidge => fields.u8(0) == Ok(1),
                Hierarchy::Joliet => is_joliet(fields),
            };
            if wanted {
                return Self::volume(blocks, block, fields, hierarchy).map(Some);
            }
        }
        Ok(None)
    }

    fn volume<S: BlockSource>(
        blocks: &mut Blocks<S>,
        block: u64,
        fields: Fields<'_>,
        hierarchy: Hierarchy,
    ) -> Result<Self, DiscError> {
        let broken = |_: OutOfStructure| malformed(block, "a volume descriptor is incomplete");
        let joliet = hierarchy == Hierarchy::Joliet;
        if fields.both16(128).map_err(broken)? != 2048 {
            return Err(DiscError::Unsupported("an ISO 9660 block size other than 2048"));
        }
        let root = fields.part(156, 34).map_err(broken)?;
        let position = block * BLOCK as u64 + 156;
        let label = fields.bytes(40, 32).map_err(broken)?;
        let label = if joliet { wide(label) } else { label.to_vec() };
        let label = String::from_utf8_lossy(&label);
        let mut iso = Self {
            root: Node::empty_directory(),
            label: String::from(label.trim_end_matches([' ', '\0'])),
            time: long_time(fields.part(813, 17).map_err(broken)?).map_err(broken)?,
            rock_ridge: false,
            joliet,
            skip: 0,
        };
        let record = iso.record(blocks, root, position)?;
        iso.root.extents = Extents::one(record.extent);
        if hierarchy == Hierarchy::RockRidge {
            iso.find_rock_ridge(blocks)?;
        }
        if let Some((_, node)) = iso.own_record(blocks, &iso.root)? {
            iso.root = node;
        }
        Ok(iso)
    }

    /// SP in the first record of the top directory says that SUSP is used, P1281 5.3; that it is Rock Ridge
    /// is known by PX, as the texts of ER differ.
    fn find_rock_ridge<S: BlockSource>(&mut self, blocks: &mut Blocks<S>) -> Result<(), DiscError> {
        let mut head = [0; 256];
        let count = self.root.extents.read(blocks, 0, &mut head)?;
        let head = Fields(head.get(..count).unwrap_or_default());
        // The record of `.` is 34 bytes long; some writers put 15 bytes of CD-ROM XA before SP.
        for skip in [0, 14, 15] {
            let at = 34 + skip;
            if head.bytes(at, 3) == Ok(b"SP\x07") && head.bytes(at + 4, 2) == Ok(&[0xBE, 0xEF]) {
                self.skip = usize::from(head.u8(at + 6).unwrap_or(0));
                let length = usize::from(head.u8(0).unwrap_or(0));
                let field = head.part(at, length.saturating_sub(at));
                let field = field.unwrap_or(Fields(&[]));
                self.rock_ridge = SystemUse::read(blocks, field)?.present;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The record of `.` of a directory, which has its own attributes.
    fn own_record<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        directory: &Node,
    ) -> Result<Option<(Vec<u8>, Node)>, DiscError> {
        let Some(record) = self.record_at(blocks, directory, 0)? else {
            return Ok(None);
        };
        let mut record = record;
        record.flags |= DIRECTORY;
        if !self.rock_ridge {
            record.system_use = SystemUse::default();
        }
        // The extent of the directory counts, not what its own record claims.
        let extents = directory.extents.clone();
        Ok(Some(self.node(record, extents)))
    }

    /// The next entry of a directory from `offset`, which is moved past it.
    pub fn next_entry<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        directory: &Node,
        offset: &mut u64,
    ) -> Result<Option<(Vec<u8>, Node)>, DiscError> {
        loop {
            let Some(record) = self.next_record(blocks, directory, offset)? else {
                return Ok(None);
            };
            let mut extents = Extents::one(record.extent);
            // ECMA-119 6.5.1: sections of a file are records one behind the other, all but the last marked.
            let mut last_flags = record.flags;
            while last_flags & MULTI_EXTENT != 0 {
                let Some(section) = self.next_record(blocks, directory, offset)? else {
                    break;
                };
                if extents.count() >= SECTIONS_MAX || section.identifier != record.identifier {
                    return Err(malformed(
                        section.position / BLOCK as u64,
                        "a file's sections do not end",
                    ));
                }
                last_flags = section.flags;
                extents.push(section.extent);
            }
            if record.identifier == [0] || record.identifier == [1] || record.flags & ASSOCIATED != 0 {
                continue;
            }
            if record.system_use.relocated {
                continue;
            }
            if let Some(child) = record.system_use.child.filter(|_| self.rock_ridge) {
                let name = record.system_use.name.clone();
                return self.moved_directory(blocks, u64::from(child), name).map(Some);
            }
            return Ok(Some(self.node(record, extents)));
        }
    }

    /// A directory that CL stands for, P1282 4.1.5.1: its `.` says how long it is.
    fn moved_directory<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        block: u64,
        name: Vec<u8>,
    ) -> Result<(Vec<u8>, Node), DiscError> {
        let mut place = self.root.clone();
        let position = block.saturating_mul(BLOCK as u64);
        place.extents = Extents::one(Extent::within(position, BLOCK as u64, blocks.end())?);
        let Some(record) = self.record_at(blocks, &place, 0)? else {
            return Err(malformed(block, "a relocated directory has no record of its own"));
        };
        place.extents = Extents::one(record.extent);
        match self.own_record(blocks, &place)? {
            Some((_, node)) => Ok((name, node)),
            None => Err(malformed(block, "a relocated directory has no record of its own")),
        }
    }

    fn next_record<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        directory: &Node,
        offset: &mut u64,
    ) -> Result<Option<Record>, DiscError> {
        while *offset < directory.extents.bytes() {
            let here = *offset;
            // Where to go on when nothing, or nothing sensible, follows in this block (ECMA-119 6.8.1.1).
            *offset = (here + 1).next_multiple_of(BLOCK as u64);
            if let Some((bytes, length)) = Self::record_bytes(blocks, directory, here)? {
                *offset = here + length as u64;
                let position = directory.extents.position().unwrap_or(0) + here;
                let fields = Fields(bytes.get(..length).unwrap_or_default());
                return self.record(blocks, fields, position).map(Some);
            }
        }
        Ok(None)
    }

    /// The record at an offset of a directory, `None` when only zeros follow in its block.
    fn record_at<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        directory: &Node,
        offset: u64,
    ) -> Result<Option<Record>, DiscError> {
        let mut offset = offset;
        match Self::record_bytes(blocks, directory, offset)? {
            Some(_) => self.next_record(blocks, directory, &mut offset),
            None => Ok(None),
        }
    }

    /// The bytes of the record at an offset of a directory, and how many they are.
    fn record_bytes<S: BlockSource>(
        blocks: &mut Blocks<S>,
        directory: &Node,
        offset: u64,
    ) -> Result<Option<([u8; 256], usize)>, DiscError> {
        let mut bytes = [0; 256];
        let left = usize::try_from(BLOCK as u64 - offset % BLOCK as u64)
            .unwrap_or(0)
            .min(bytes.len());
        let room = bytes.get_mut(..left).unwrap_or_default();
        let count = directory.extents.read(blocks, offset, room)?;
        match usize::from(bytes[0]) {
            0 => Ok(None),
            length if length <= count => Ok(Some((bytes, length))),
            _ => {
                let position = directory.extents.position().unwrap_or(0) + offset;
                Err(malformed(
                    position / BLOCK as u64,
                    "a directory record crosses blocks",
                ))
            }
        }
    }

    fn record<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        fields: Fields<'_>,
        position: u64,
    ) -> Result<Record, DiscError> {
        let at = position / BLOCK as u64;
        let broken = |_: OutOfStructure| malformed(at, "a directory record is incomplete");
        let identifier_length = usize::from(fields.u8(32).map_err(broken)?);
        let identifier = fields.bytes(RECORD_HEAD, identifier_length).map_err(broken)?;
        if fields.bytes(26, 2) != Ok(&[0, 0]) {
            return Err(DiscError::Unsupported("interleaved files"));
        }
        let padded = RECORD_HEAD + identifier_length + usize::from(identifier_length.is_multiple_of(2));
        let system_use = if self.rock_ridge {
            let field = fields.from(padded + self.skip).unwrap_or(Fields(&[]));
            SystemUse::read(blocks, field)?
        } else {
            SystemUse::default()
        };
        let attribute_blocks = u64::from(fields.u8(1).map_err(broken)?);
        let block = u64::from(fields.both32(2).map_err(broken)?) + attribute_blocks;
        let length = u64::from(fields.both32(10).map_err(broken)?);
        // An empty file may claim any address.
        let extent = if length == 0 {
            Extent::hole(0)
        } else {
            Extent::within(block.saturating_mul(BLOCK as u64), length, blocks.end())?
        };
        Ok(Record {
            position,
            extent,
            time: short_time(fields.part(18, 7).map_err(broken)?).map_err(broken)?,
            flags: fields.u8(25).map_err(broken)?,
            identifier: identifier.to_vec(),
            system_use,
        })
    }

    /// The name and node of a record whose extents are known.
    fn node(&self, record: Record, extents: Extents) -> (Vec<u8>, Node) {
        let system_use = record.system_use;
        let by_flags = if record.flags & DIRECTORY != 0 {
            NodeKind::Directory
        } else {
            NodeKind::File
        };
        let kind = match system_use.kind() {
            // Never take for a directory what has no directory's extent, nor the other way round.
            Some(kind) if (kind == NodeKind::Directory) == (by_flags == NodeKind::Directory) => kind,
            _ => by_flags,
        };
        let kind = if system_use.encoded {
            NodeKind::Special
        } else {
            kind
        };
        let size = extents.bytes();
        let default_mode = if kind == NodeKind::Directory { 0o555 } else { 0o444 };
        let mut name = system_use.name;
        let special = matches!(&name[..], b"" | b"." | b"..");
        if special || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            name = if self.joliet {
                joliet_name(&record.identifier)
            } else {
                plain_name(&record.identifier)
            };
        }
        // Without serial numbers a file is known by where its data are, an empty one by its record.
        let place = extents.position().unwrap_or(record.position);
        let identity = match system_use.serial {
            0 => place | 1 << 63,
            serial => u64::from(serial),
        };
        let node = Node {
            kind,
            attributes: Attributes {
                mode: system_use.mode.unwrap_or(default_mode) & 0o7777,
                uid: system_use.uid,
                gid: system_use.gid,
                mtime: system_use.mtime.unwrap_or(record.time),
            },
            size: if kind == NodeKind::File { size } else { 0 },
            links: system_use.links.max(1),
            identity,
            extents,
            target: system_use.target,
        };
        (name, node)
    }
}

/// Whether a volume descriptor is Joliet's, by its escape sequences for UCS-2 (Joliet specification, "SVD").
pub(crate) fn is_joliet(fields: Fields<'_>) -> bool {
    let escape = fields.bytes(88, 3).unwrap_or_default();
    fields.u8(0) == Ok(2) && matches!(escape, b"%/@" | b"%/C" | b"%/E")
}

/// An identifier in UCS-2 without version.
fn joliet_name(identifier: &[u8]) -> Vec<u8> {
    let mut name = wide(identifier);
    if let Some(end) = name.iter().rposition(|&byte| byte == b';') {
        name.truncate(end);
    }
    legal(name)
}

/// An identifier without version and empty extension; bytes no name can have become `_`.
fn plain_name(identifier: &[u8]) -> Vec<u8> {
    let end = identifier
        .iter()
        .rposition(|&byte| byte == b';')
        .unwrap_or(identifier.len());
    let name = identifier.get(..end).unwrap_or_default();
    let name = name.strip_suffix(b".").unwrap_or(name);
    legal(name.to_vec())
}
