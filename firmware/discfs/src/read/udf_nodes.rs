//! UDF nodes (ECMA-167 part 4): file entries, allocation descriptors, file identifiers, names.

use super::blocks::{BlockSource, Blocks};
use super::node::{Extent, Extents, Node, NodeKind};
use super::udf::{LongExtent, Udf, timestamp};
use super::{DiscError, malformed};
use crate::structure::{Fields, OutOfStructure};
use crate::tag::{id, verify};
use crate::{Attributes, BLOCK, Time};
use alloc::vec::Vec;

/// Extents of one file, and blocks of allocation descriptors followed: 262144 extents of 1 GiB at most.
const EXTENTS_MAX: usize = 262_144;
const ALLOCATION_BLOCKS_MAX: u32 = 4096;
/// Bytes of a symbolic link's components.
const LINK_MAX: usize = 16_384;
/// Bytes of a file identifier before implementation use and name.
const IDENTIFIER_HEAD: usize = 38;

impl Node {
    /// A place for the top directory until it is known.
    pub(super) fn empty_directory() -> Self {
        Self {
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
        }
    }
}

impl Udf {
    /// The node whose information control block is at an address.
    pub(super) fn node<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        icb: LongExtent,
    ) -> Result<Node, DiscError> {
        let place = self.absolute(icb.partition, icb.block)?;
        let mut block = [0; BLOCK];
        blocks.block(place, &mut block)?;
        let fields = Fields(&block);
        // Extended file entries (ECMA-167 4/14.17) have 8 bytes of object size and 32 more further on.
        let extended = match verify(fields, Some(icb.block)) {
            Ok(id::FILE_ENTRY) => false,
            Ok(id::EXTENDED_FILE_ENTRY) => true,
            Ok(_) => return Err(malformed(place, "there is no UDF file entry where one should be")),
            Err(_) => return Err(malformed(place, "a UDF file entry is damaged")),
        };
        self.file_entry(blocks, fields, extended, icb.partition, place)
    }

    fn file_entry<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        fields: Fields<'_>,
        extended: bool,
        partition: u16,
        place: u64,
    ) -> Result<Node, DiscError> {
        let broken = |_: OutOfStructure| malformed(place, "a UDF file entry is incomplete");
        if fields.le16(20).map_err(broken)? != 4 {
            return Err(DiscError::Unsupported("a UDF ICB strategy other than 4"));
        }
        let kind = match fields.u8(27).map_err(broken)? {
            4 => NodeKind::Directory,
            0 | 5 => NodeKind::File,
            12 => NodeKind::Symlink,
            _ => NodeKind::Special,
        };
        let flags = fields.le16(34).map_err(broken)?;
        let length = fields.le64(56).map_err(broken)?;
        let modification = if extended { 92 } else { 84 };
        let tail = if extended { 216 } else { 176 };
        let attribute_bytes = fields.le32(tail - 8).map_err(broken)? as usize;
        let allocation_bytes = fields.le32(tail - 4).map_err(broken)? as usize;
        let start = tail.saturating_add(attribute_bytes);
        let allocation = fields.part(start, allocation_bytes).map_err(broken)?;
        let extents = if flags & 7 == 3 {
            if length > allocation_bytes as u64 {
                return Err(malformed(place, "embedded data are shorter than the file"));
            }
            Extents::one(Extent {
                position: Some(place * BLOCK as u64 + start as u64),
                length,
            })
        } else if kind == NodeKind::Special {
            Extents::default()
        } else {
            self.extents(blocks, allocation, flags & 7, partition, length, place)?
        };
        let known = |id: u32| if id == u32::MAX { 0 } else { id };
        let permissions = fields.le32(44).map_err(broken)?;
        Ok(Node {
            kind,
            attributes: Attributes {
                mode: mode(permissions, flags),
                uid: known(fields.le32(36).map_err(broken)?),
                gid: known(fields.le32(40).map_err(broken)?),
                mtime: timestamp(fields.part(modification, 12).map_err(broken)?).map_err(broken)?,
            },
            size: if kind == NodeKind::File { length } else { 0 },
            links: u32::from(fields.le16(48).map_err(broken)?).max(1),
            identity: place,
            extents,
            target: Vec::new(),
        })
    }

    /// Allocation descriptors, ECMA-167 4/14.14: short (0) or long (1), cut where the file ends.
    fn extents<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        allocation: Fields<'_>,
        form: u16,
        partition: u16,
        length: u64,
        place: u64,
    ) -> Result<Extents, DiscError> {
        let width = match form {
            0 => 8,
            1 => 16,
            _ => return Err(DiscError::Unsupported("extended UDF allocation descriptors")),
        };
        let mut extents = Extents::default();
        let mut left = length;
        let mut further = [0; BLOCK];
        let mut area = None; // bytes of `further` that are descriptors, once it is their turn
        for _ in 0..ALLOCATION_BLOCKS_MAX {
            let descriptors = match area {
                None => allocation,
                Some(bytes) => Fields(&further).part(24, bytes).unwrap_or(Fields(&[])),
            };
            let mut next = None;
            for bytes in descriptors.0.chunks_exact(width) {
                let fields = Fields(bytes);
                let descriptor = if form == 1 {
                    LongExtent::parse(fields)
                } else {
                    fields.le32(0).and_then(|length| {
                        Ok(LongExtent {
                            length,
                            block: fields.le32(4)?,
                            partition,
                        })
                    })
                };
                let descriptor =
                    descriptor.map_err(|_| malformed(place, "a UDF allocation descriptor is incomplete"))?;
                let bytes = u64::from(descriptor.length & 0x3FFF_FFFF);
                if bytes == 0 || left == 0 {
                    break;
                }
                if descriptor.length >> 30 == 3 {
                    next = Some(descriptor);
                    break;
                }
                let bytes = bytes.min(left);
                left -= bytes;
                extents.push(if descriptor.length >> 30 == 0 {
                    let block = self.absolute(descriptor.partition, descriptor.block)?;
                    Extent::within(block, bytes, blocks.count())?
                } else {
                    Extent {
                        position: None,
                        length: bytes,
                    }
                });
                if extents.count() > EXTENTS_MAX {
                    return Err(malformed(place, "a file has too many extents"));
                }
            }
            let Some(next) = next else { break };
            let at = self.absolute(next.partition, next.block)?;
            blocks.block(at, &mut further)?;
            if verify(Fields(&further), None) != Ok(id::ALLOCATION_EXTENT) {
                return Err(malformed(
                    at,
                    "allocation descriptors do not go on where they should",
                ));
            }
            let bytes = Fields(&further).le32(20).unwrap_or(0) as usize;
            area = Some(bytes.min(BLOCK - 24));
        }
        if left > 0 {
            return Err(malformed(place, "a file's extents are shorter than the file"));
        }
        Ok(extents)
    }

    /// The next entry of a directory from `offset`, which is moved past it.
    pub(super) fn next_entry<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        directory: &Node,
        offset: &mut u64,
    ) -> Result<Option<(Vec<u8>, Node)>, DiscError> {
        while *offset < directory.extents.bytes() {
            // Without a sound entry there is no way to the one behind it, and no coming back to it.
            let here = core::mem::replace(offset, directory.extents.bytes());
            let mut bytes = [0; BLOCK];
            let count = directory.extents.read(blocks, here, &mut bytes)?;
            let fields = Fields(bytes.get(..count).unwrap_or_default());
            let place = directory.identity;
            let damaged = |_: OutOfStructure| malformed(place, "a UDF directory has a damaged entry");
            let characteristics = fields.u8(18).map_err(damaged)?;
            let name_length = usize::from(fields.u8(19).map_err(damaged)?);
            let use_length = usize::from(fields.le16(36).map_err(damaged)?);
            let length = (IDENTIFIER_HEAD + use_length + name_length).next_multiple_of(4);
            let entry = fields.part(0, length).map_err(damaged)?;
            if verify(entry, None) != Ok(id::FILE_IDENTIFIER) {
                return Err(malformed(place, "a UDF directory has a damaged entry"));
            }
            *offset = here + length as u64;
            // ECMA-167 4/14.4.3: deleted entries, and the parent.
            if characteristics & 0b1100 != 0 {
                continue;
            }
            let name = entry
                .bytes(IDENTIFIER_HEAD + use_length, name_length)
                .map_err(damaged)?;
            let icb = LongExtent::parse(entry.part(20, 16).map_err(damaged)?).map_err(damaged)?;
            let node = self.node(blocks, icb)?;
            return Ok(Some((legal_name(expand(name)), node)));
        }
        Ok(None)
    }

    /// A symbolic link's target, from its components (ECMA-167 4/14.16.1).
    pub(super) fn link_target<S: BlockSource>(
        blocks: &mut Blocks<S>,
        node: &Node,
    ) -> Result<Vec<u8>, DiscError> {
        let length = usize::try_from(node.extents.bytes())
            .unwrap_or(LINK_MAX)
            .min(LINK_MAX);
        let mut bytes = alloc::vec![0; length];
        let count = node.extents.read(blocks, 0, &mut bytes)?;
        let mut rest = Fields(bytes.get(..count).unwrap_or_default());
        let mut target = Vec::new();
        let damaged = |_: OutOfStructure| malformed(node.identity, "a UDF symbolic link is damaged");
        while rest.len() > 0 {
            let length = usize::from(rest.u8(1).map_err(damaged)?);
            let name = rest.bytes(4, length).map_err(damaged)?;
            if !target.is_empty() && target.last() != Some(&b'/') {
                target.push(b'/');
            }
            match rest.u8(0).map_err(damaged)? {
                1 | 2 => target.push(b'/'),
                3 => target.extend_from_slice(b".."),
                4 => target.push(b'.'),
                _ => target.extend_from_slice(&legal_name(expand(name))),
            }
            rest = rest.from(4 + length).map_err(damaged)?;
        }
        Ok(target)
    }
}

/// Permissions of ECMA-167 4/14.9.5 and flags of 4/14.6.8 as POSIX mode.
fn mode(permissions: u32, flags: u16) -> u32 {
    let classes = (0..3).fold(0, |mode, class| {
        mode | (permissions >> (5 * class) & 7) << (3 * class)
    });
    let flags = u32::from(flags);
    classes | (flags >> 6 & 1) << 11 | (flags >> 7 & 1) << 10 | (flags >> 8 & 1) << 9
}

/// OSTA compressed unicode as UTF-8 (UDF 2.1.1). Halves of surrogate pairs become U+FFFD.
pub(super) fn expand(name: &[u8]) -> Vec<u8> {
    let Some((&code, characters)) = name.split_first() else {
        return Vec::new();
    };
    let mut text = alloc::string::String::with_capacity(characters.len());
    match code {
        16 | 255 => {
            let units = characters
                .chunks_exact(2)
                .filter_map(|pair| pair.first_chunk::<2>());
            let decoded = char::decode_utf16(units.map(|pair| u16::from_be_bytes(*pair)));
            text.extend(decoded.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
        _ => text.extend(characters.iter().map(|&byte| char::from(byte))),
    }
    text.into_bytes()
}

/// A name any system can have: what cannot be in one becomes `_`.
fn legal_name(mut name: Vec<u8>) -> Vec<u8> {
    for byte in &mut name {
        if matches!(*byte, 0 | b'/') {
            *byte = b'_';
        }
    }
    match &name[..] {
        b"" | b"." | b".." => alloc::vec![b'_'],
        _ => name,
    }
}
