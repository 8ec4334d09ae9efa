//! Sessions that are being written, and what is known of discs and images beside their names.

use std::collections::BTreeMap;

use super::trees::change_tree;
use super::{
    Catalog, CatalogError, DISCS, DiscRecord, ENTRIES, EntryRecord, FINGERPRINTS, IMAGES, ImageRecord, MAPS,
    MapRecord, Record, TreeRecord, TreeState, WRITES, WriteRecord, get,
};

impl Catalog {
    /// A job is about to write: known before the first WRITE, so that a restart can go on.
    pub(crate) fn begin_write(&self, job: u64, write: &WriteRecord) -> Result<(), CatalogError> {
        self.write(|transaction| {
            transaction
                .open_table(WRITES)?
                .insert(job, write.encode()?.as_slice())?;
            Ok(())
        })
    }

    /// What a job has begun to write.
    pub(crate) fn begun_write(&self, job: u64) -> Result<Option<WriteRecord>, CatalogError> {
        get(&self.read()?.open_table(WRITES)?, job)
    }

    /// A session was read back with equal digests: the disc is known from now on, and counts for its tree.
    /// Returns whether the tree is on as many discs as are asked for; for a copy it always is.
    pub(crate) fn verified(
        &self,
        job: u64,
        tree: u64,
        id: [u8; 16],
        disc: &DiscRecord,
        fingerprint: [u8; 32],
        map: &MapRecord,
    ) -> Result<bool, CatalogError> {
        self.write(|transaction| {
            let mut writes = transaction.open_table(WRITES)?;
            if let Some(mut write) = get::<u64, WriteRecord>(&writes, job)? {
                write.verified = true;
                writes.insert(job, write.encode()?.as_slice())?;
            }
            transaction
                .open_table(DISCS)?
                .insert(id, disc.encode()?.as_slice())?;
            transaction.open_table(FINGERPRINTS)?.insert(fingerprint, id)?;
            transaction
                .open_table(MAPS)?
                .insert(id, map.encode()?.as_slice())?;
            let enough = change_tree(transaction, tree, |tree| {
                if !tree.discs.contains(&id) {
                    tree.discs.push(id);
                }
                match tree.state {
                    TreeState::Claimed(_) if tree.is_enough() => {
                        tree.state = TreeState::Archived(id);
                        true
                    }
                    TreeState::Claimed(_) | TreeState::Open => false,
                    TreeState::Archived(_) | TreeState::Kept | TreeState::Image => true,
                }
            })?;
            Ok(enough.unwrap_or(false))
        })
    }

    /// Remembers a disc that others wrote, or how one looks now; it is found by this fingerprint as well.
    pub(crate) fn remember_disc(
        &self,
        id: [u8; 16],
        disc: &DiscRecord,
        fingerprint: [u8; 32],
    ) -> Result<(), CatalogError> {
        self.write(|transaction| {
            transaction
                .open_table(DISCS)?
                .insert(id, disc.encode()?.as_slice())?;
            transaction.open_table(FINGERPRINTS)?.insert(fingerprint, id)?;
            Ok(())
        })
    }

    /// Remembers how well a disc read.
    pub(crate) fn set_map(&self, id: [u8; 16], map: &MapRecord) -> Result<(), CatalogError> {
        self.write(|transaction| {
            transaction
                .open_table(MAPS)?
                .insert(id, map.encode()?.as_slice())?;
            Ok(())
        })
    }

    /// How well a disc read.
    pub(crate) fn map(&self, id: [u8; 16]) -> Result<Option<MapRecord>, CatalogError> {
        get(&self.read()?.open_table(MAPS)?, id)
    }

    /// A copy is whole and synced: its entries, or its image, are there from now on and never change.
    pub(crate) fn keep_copy(
        &self,
        tree: u64,
        entries: &BTreeMap<Vec<u8>, EntryRecord>,
        image: Option<&ImageRecord>,
        files: u64,
        bytes: u64,
    ) -> Result<(), CatalogError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ENTRIES)?;
            for (key, entry) in entries {
                table.insert((tree, key.as_slice()), entry.encode()?.as_slice())?;
            }
            if let Some(image) = image {
                transaction
                    .open_table(IMAGES)?
                    .insert(tree, image.encode()?.as_slice())?;
            }
            change_tree(transaction, tree, |record| {
                record.receiving = false;
                record.state = image.map_or(TreeState::Kept, |_| TreeState::Image);
                (record.files, record.bytes) = (files, bytes);
            })?
            .ok_or(CatalogError::Missing)
        })
    }

    /// An image of the copy area.
    pub(crate) fn image(&self, tree: u64) -> Result<Option<ImageRecord>, CatalogError> {
        get(&self.read()?.open_table(IMAGES)?, tree)
    }

    /// Takes a tree or copy that nobody works with out of the catalog; its state then, `None` when there is no
    /// such tree.
    pub(crate) fn forget_tree(&self, tree: u64) -> Result<Option<TreeRecord>, CatalogError> {
        let Some(record) = self.tree(tree)? else {
            return Ok(None);
        };
        let idle = matches!(record.state, TreeState::Open | TreeState::Kept | TreeState::Image);
        if idle && !record.receiving {
            self.remove_tree(tree)?;
            self.write(|transaction| {
                transaction.open_table(IMAGES)?.remove(tree)?;
                Ok(())
            })?;
        }
        Ok(Some(record))
    }
}
