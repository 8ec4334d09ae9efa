//! Directories of UDF (ECMA-167 4/14.4): file identifiers and what they lead to.

use super::iso_directory::hash;
use super::udf::{Tree, Waiting};
use super::udf_descriptors::bad_tag;
use super::{Check, Fault, Place};
use crate::BLOCK;
use crate::read::{BlockSource, DiscError, Identifier, Node, expand, legal, next_identifier};
use crate::structure::Fields;
use crate::tag::{id, verify};
use alloc::vec::Vec;

impl<S: BlockSource> Check<'_, S> {
    pub(super) fn udf_directory(&mut self, tree: &mut Tree, waiting: &Waiting) -> Result<(), DiscError> {
        let mut node = Node::empty_directory();
        node.extents = waiting.extents.clone();
        let end = node.extents.bytes();
        let mut names = Vec::new();
        let mut parents = 0;
        let mut at = 0;
        while at < end && tree.names.len() < self.most_entries() {
            self.advance(1)?;
            let located = node.extents.locate(at).and_then(|extent| extent.position);
            let place_at = located.unwrap_or(waiting.icb) / BLOCK as u64;
            let mut bytes = [0; BLOCK];
            let count = node.extents.read(&mut self.blocks, at, &mut bytes);
            let fields = Fields(bytes.get(..*count.as_ref().unwrap_or(&0)).unwrap_or_default());
            let identifier = Identifier::parse(fields).ok();
            let verified = identifier
                .as_ref()
                .map(|identifier| verify(identifier.fields, None));
            let Some((identifier, Ok(id::FILE_IDENTIFIER))) = identifier.zip(verified) else {
                tree.incomplete = true;
                let path = || tree.names.path(waiting.entry);
                let place = Place::block(place_at).of(&path);
                match (count, verified) {
                    (Err(error), _) => self.find(Fault::Unreadable, place, error),
                    (_, Some(Err(bad))) => self.find(Fault::IdentifierDamaged, place, bad_tag(bad)),
                    _ => self.find(
                        Fault::IdentifierDamaged,
                        place,
                        format_args!("at byte {at} of the directory"),
                    ),
                }
                at = next_identifier(&mut self.blocks, &node, at);
                continue;
            };
            self.identifier_location(tree, waiting, at, &identifier, place_at);
            parents += u32::from(identifier.is_parent());
            if identifier.is_parent() {
                self.parent_identifier(tree, waiting, &identifier, place_at);
            } else if !identifier.is_deleted() {
                if parents == 0 {
                    let path = || tree.names.path(waiting.entry);
                    self.find(
                        Fault::IdentifierParent,
                        Place::block(place_at).of(&path),
                        "it is not the first",
                    );
                    parents = 1;
                }
                self.identifier(tree, waiting, &identifier, place_at, &mut names);
            }
            at += identifier.length as u64;
        }
        if parents != 1 {
            let path = || tree.names.path(waiting.entry);
            self.find(
                Fault::IdentifierParent,
                Place::position(waiting.icb).of(&path),
                format_args!("{parents} of them"),
            );
        }
        self.same_names(&mut names, &tree.names, Place::position(waiting.icb));
        Ok(())
    }

    /// ECMA-167 4/14.4.1: the tag says which block of the partition the identifier begins in.
    fn identifier_location(
        &mut self,
        tree: &Tree,
        waiting: &Waiting,
        at: u64,
        identifier: &Identifier<'_>,
        block: u64,
    ) {
        let extent = waiting.places.iter().rev().find(|&&(offset, _)| offset <= at);
        if let Some(&(offset, first)) = extent {
            let expected = u64::from(first) + (at - offset) / tree.udf.size;
            let said = u64::from(identifier.fields.le32(12).unwrap_or(0));
            let path = || tree.names.path(waiting.entry);
            let detail = format_args!("a directory entry says {said} instead of {expected}");
            self.demand(
                said == expected,
                Fault::TagLocation,
                Place::block(block).of(&path),
                detail,
            );
        }
    }

    fn parent_identifier(
        &mut self,
        tree: &mut Tree,
        waiting: &Waiting,
        identifier: &Identifier<'_>,
        block: u64,
    ) {
        let icb = identifier.icb;
        let position = tree.udf.position(&mut self.blocks, icb.partition, icb.block);
        let same = position == Ok(waiting.parent);
        if let Some(met) = tree.met.get_mut(&waiting.parent).filter(|_| same) {
            met.names += 1;
        }
        let path = || tree.names.path(waiting.entry);
        let detail = format_args!("block {} of partition {}", icb.block, icb.partition);
        self.demand(
            same,
            Fault::IdentifierParent,
            Place::block(block).of(&path),
            detail,
        );
    }

    fn identifier(
        &mut self,
        tree: &mut Tree,
        waiting: &Waiting,
        identifier: &Identifier<'_>,
        block: u64,
        names: &mut Vec<(u64, u32)>,
    ) {
        let entry = tree.names.add(waiting.entry, &legal(expand(identifier.name)));
        names.push((hash(&expand(identifier.name)), entry));
        let icb = identifier.icb;
        let said = identifier.characteristics & 2 != 0;
        tree.file_names += u64::from(!said);
        {
            let path = || tree.names.path(entry);
            let place = Place::block(block).of(&path);
            // UDF 2.1.1: 8 or 16 bits a character; 254 and 255 are those of deleted entries.
            let code = identifier.name.first().copied().unwrap_or(0);
            self.demand(
                matches!(code, 8 | 16),
                Fault::BadField,
                place,
                format_args!("compression {code} of a name"),
            );
        }
        let position = match tree.udf.position(&mut self.blocks, icb.partition, icb.block) {
            Ok(position) => position,
            Err(error) => {
                tree.incomplete = true;
                let path = || tree.names.path(entry);
                return self.find(Fault::PastPartition, Place::block(block).of(&path), error);
            }
        };
        let known = tree.met.get_mut(&position).map(|met| {
            met.names += 1;
            (met.directory, met.unique)
        });
        let found = match known {
            Some((directory, unique)) => {
                let path = || tree.names.path(entry);
                self.demand(
                    !directory,
                    Fault::DirectoryMetTwice,
                    Place::block(block).of(&path),
                    "",
                );
                Some((directory, unique))
            }
            None => {
                let found = self.file_entry(tree, icb, position, entry, waiting.icb);
                if let Some(met) = tree.met.get_mut(&position) {
                    met.names = 1;
                }
                found.map(|found| (found.directory, found.unique))
            }
        };
        if let Some((directory, unique)) = found {
            let path = || tree.names.path(entry);
            let place = Place::block(block).of(&path);
            self.demand(directory == said, Fault::IdentifierKind, place, "");
            // UDF 2.3.4.3: the lower half of the unique identifier.
            let low = u32::try_from(unique & u64::from(u32::MAX)).unwrap_or(0);
            let detail = format_args!("{} and {low}", identifier.unique);
            self.demand(identifier.unique == low, Fault::UniqueIdsDiffer, place, detail);
        }
    }
}
