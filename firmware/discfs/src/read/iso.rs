//! ISO 9660 (ECMA-119), with or without Rock Ridge.

use super::blocks::{BlockSource, Blocks};
use super::node::{Extent, Extents, Node, NodeKind};
use super::susp::{SystemUse, long_time, short_time};
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

pub(super) struct Iso {
    pub root: Node,
    pub label: String,
    pub time: Time,
    pub rock_ridge: bool,
    /// SUSP, P1281 5.3: bytes to pass over at the start of each system use field.
    skip: usize,
}

/// One directory record, ECMA-119 9.1.
struct Record {
    length: u64,
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
    /// Finds the primary volume descriptor of a session. `None` when there is none.
    pub fn open<S: BlockSource>(
        blocks: &mut Blocks<S>,
        session: u64,
        rock_ridge: bool,
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
            if fields.u8(0) == Ok(1) {
                return Self::primary(blocks, block, fields, rock_ridge).map(Some);
            }
        }
        Ok(None)
    }

    fn primary<S: BlockSource>(
        blocks: &mut Blocks<S>,
        block: u64,
        fields: Fields<'_>,
        rock_ridge: bool,
    ) -> Result<Self, DiscError> {
        let broken = |_: OutOfStructure| malformed(block, "the primary volume descriptor is incomplete");
        if fields.both16(128).map_err(broken)? != 2048 {
            return Err(DiscError::Unsupported("an ISO 9660 block size other than 2048"));
        }
        let root = fields.part(156, 34).map_err(broken)?;
        let position = block * BLOCK as u64 + 156;
        let label = String::from_utf8_lossy(fields.bytes(40, 32).map_err(broken)?);
        let mut iso = Self {
            root: Node {
                kind: NodeKind::Directory,
                attributes: Attributes {
                    mode: 0o555,
                    uid: 0,
                    gid: 0,
                    mtime: Time::default(),
                },
                size: 0,
                links: 1,
                identity: 0,
                extents: Extents::default(),
                target: Vec::new(),
            },
            label: String::from(label.trim_end_matches([' ', '\0'])),
            time: long_time(fields.part(813, 17).map_err(broken)?).map_err(broken)?,
            rock_ridge: false,
            skip: 0,
        };
        let record = iso.record(blocks, root, position)?;
        iso.root.extents = Extents::one(record.extent);
        if rock_ridge {
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
        place.extents = Extents::one(Extent::within(block, BLOCK as u64, blocks.count())?);
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
            if let Some(record) = self.record_at(blocks, directory, here)? {
                *offset = here + record.length;
                return Ok(Some(record));
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
        let mut bytes = [0; 256];
        let left = usize::try_from(BLOCK as u64 - offset % BLOCK as u64)
            .unwrap_or(0)
            .min(bytes.len());
        let count = directory
            .extents
            .read(blocks, offset, bytes.get_mut(..left).unwrap_or_default())?;
        let length = usize::from(bytes[0]);
        if length == 0 {
            return Ok(None);
        }
        let position = directory.extents.position().unwrap_or(0) + offset;
        let fields = Fields(bytes.get(..count).unwrap_or_default()).part(0, length);
        let fields =
            fields.map_err(|_| malformed(position / BLOCK as u64, "a directory record crosses blocks"))?;
        self.record(blocks, fields, position).map(Some)
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
            Extent {
                position: None,
                length: 0,
            }
        } else {
            Extent::within(block, length, blocks.count())?
        };
        Ok(Record {
            length: fields.len() as u64,
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
            name = plain_name(&record.identifier);
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

/// An identifier without version and empty extension; bytes no name can have become `_`.
fn plain_name(identifier: &[u8]) -> Vec<u8> {
    let end = identifier
        .iter()
        .rposition(|&byte| byte == b';')
        .unwrap_or(identifier.len());
    let name = identifier.get(..end).unwrap_or_default();
    let name = name.strip_suffix(b".").unwrap_or(name);
    let legal = |&byte: &u8| if matches!(byte, 0 | b'/') { b'_' } else { byte };
    let name: Vec<u8> = name.iter().map(legal).collect();
    match &name[..] {
        b"" | b"." | b".." => alloc::vec![b'_'],
        _ => name,
    }
}
