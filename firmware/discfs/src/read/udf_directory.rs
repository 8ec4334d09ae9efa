//! UDF directories (ECMA-167 4/14.4): file identifiers, and what leads to them past damage.

use super::blocks::{BlockSource, Blocks};
use super::node::Node;
use super::udf::{LongExtent, Udf};
use super::udf_names::{expand, legal};
use super::{DiscError, malformed};
use crate::BLOCK;
use crate::structure::{Fields, OutOfStructure};
use crate::tag::{TAG, id, verify};
use alloc::vec::Vec;

/// Bytes of a symbolic link's components.
const LINK_MAX: usize = 16_384;
/// Bytes of a file identifier before implementation use and name.
pub(crate) const IDENTIFIER_HEAD: usize = 38;

/// A file identifier descriptor, ECMA-167 4/14.4.
pub(crate) struct Identifier<'a> {
    /// Bytes of the whole descriptor.
    pub length: usize,
    /// 4/14.4.3: 1 hidden, 2 directory, 4 deleted, 8 parent.
    pub characteristics: u8,
    pub icb: LongExtent,
    /// The unique identifier in the ICB's implementation use (UDF 2.3.4.3).
    pub unique: u32,
    pub name: &'a [u8],
    /// The descriptor, its tag first.
    pub fields: Fields<'a>,
}

impl<'a> Identifier<'a> {
    /// Parses the descriptor at the start of some bytes; its tag is not looked at.
    pub fn parse(fields: Fields<'a>) -> Result<Self, OutOfStructure> {
        let name_length = usize::from(fields.u8(19)?);
        let use_length = usize::from(fields.le16(36)?);
        let length = (IDENTIFIER_HEAD + use_length + name_length).next_multiple_of(4);
        let fields = fields.part(0, length)?;
        Ok(Self {
            length,
            characteristics: fields.u8(18)?,
            icb: LongExtent::parse(fields.part(20, 16)?)?,
            unique: fields.le32(32)?,
            name: fields.bytes(IDENTIFIER_HEAD + use_length, name_length)?,
            fields,
        })
    }

    pub fn is_deleted(&self) -> bool {
        self.characteristics & 4 != 0
    }

    pub fn is_parent(&self) -> bool {
        self.characteristics & 8 != 0
    }
}

impl Udf {
    /// The next entry of a directory from `offset`, which is moved past it; past damage to the next sound one.
    pub(super) fn next_entry<S: BlockSource>(
        &self,
        blocks: &mut Blocks<S>,
        directory: &Node,
        offset: &mut u64,
    ) -> Result<Option<(Vec<u8>, Node)>, DiscError> {
        while *offset < directory.extents.bytes() {
            let here = *offset;
            let mut bytes = [0; BLOCK];
            let count = match directory.extents.read(blocks, here, &mut bytes) {
                Ok(count) => count,
                Err(error) => {
                    *offset = next_identifier(blocks, directory, here);
                    return Err(error);
                }
            };
            let fields = Fields(bytes.get(..count).unwrap_or_default());
            let sound = Identifier::parse(fields)
                .ok()
                .filter(|identifier| verify(identifier.fields, None) == Ok(id::FILE_IDENTIFIER));
            let Some(identifier) = sound else {
                *offset = next_identifier(blocks, directory, here);
                let place = directory.extents.locate(here).and_then(|extent| extent.position);
                let place = place.unwrap_or(0) / BLOCK as u64;
                return Err(malformed(place, "a UDF directory has a damaged entry"));
            };
            *offset = here + identifier.length as u64;
            if identifier.is_deleted() || identifier.is_parent() {
                continue;
            }
            let name = legal(expand(identifier.name));
            let node = self.node(blocks, identifier.icb)?;
            return Ok(Some((name, node)));
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
                _ => target.extend_from_slice(&legal(expand(name))),
            }
            rest = rest.from(4 + length).map_err(damaged)?;
        }
        Ok(target)
    }
}

/// The offset of the next sound file identifier behind a damaged one, the directory's end when there is none: they
/// begin at multiples of four bytes (4/14.4.9). An unreadable block is passed over.
pub(crate) fn next_identifier<S: BlockSource>(blocks: &mut Blocks<S>, directory: &Node, damaged: u64) -> u64 {
    let end = directory.extents.bytes();
    let mut at = (damaged + 1).next_multiple_of(4);
    while at < end {
        let mut bytes = [0; 2 * BLOCK];
        let Ok(count) = directory.extents.read(blocks, at, &mut bytes) else {
            // Also when the second block of the two is the bad one: what begins before it ends in it, or is lost with it.
            at = (at + 1).next_multiple_of(BLOCK as u64);
            continue;
        };
        let bytes = bytes.get(..count).unwrap_or_default();
        let step = bytes.len().min(BLOCK);
        for within in (0..step).step_by(4) {
            let fields = Fields(bytes.get(within..).unwrap_or_default());
            if fields.bytes(0, 2) == Ok(&id::FILE_IDENTIFIER.to_le_bytes())
                && fields.len() >= TAG
                && Identifier::parse(fields).is_ok_and(|found| verify(found.fields, None).is_ok())
            {
                return at + within as u64;
            }
        }
        at += step as u64;
    }
    end
}
