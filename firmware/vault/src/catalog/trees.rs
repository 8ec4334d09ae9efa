//! Trees and their entries.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};
use wire::{Entry, Time};

use super::{Catalog, CatalogError, ENTRIES, EntryRecord, Record, TREES, TreeRecord, TreeState, get, take};

/// Some entries of a listing, and where it goes on.
pub(crate) struct Page {
    /// In the order of the listing.
    pub entries: Vec<Entry>,
    /// The sort key to go on after; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// A path as the table sorts it: with zero bytes for slashes, everything below a directory comes right
/// after it, and names in a directory come in the order of their bytes. Paths have no zero bytes.
pub(crate) fn sort_key(path: &[u8]) -> Vec<u8> {
    exchange(path, b'/', 0)
}

/// The path of a sort key.
pub(crate) fn path(key: &[u8]) -> Vec<u8> {
    exchange(key, 0, b'/')
}

fn exchange(bytes: &[u8], from: u8, to: u8) -> Vec<u8> {
    bytes
        .iter()
        .map(|byte| if *byte == from { to } else { *byte })
        .collect()
}

/// How many levels `key` is below `top`; `None` when it is not below it. The empty top is the root.
fn levels_below(top: &[u8], key: &[u8]) -> Option<u32> {
    let rest = match top {
        [] => return u32::try_from(key.split(|byte| *byte == 0).count()).ok(),
        _ => key.strip_prefix(top)?,
    };
    match rest {
        [] => Some(0),
        [0, ..] => u32::try_from(rest.iter().filter(|byte| **byte == 0).count()).ok(),
        _ => None,
    }
}

impl Catalog {
    /// Begins a new tree that receives a put.
    pub(crate) fn begin_tree(&self, name: &str, created: Time) -> Result<u64, CatalogError> {
        let record = TreeRecord {
            name: name.into(),
            created,
            state: TreeState::Open,
            receiving: true,
            files: 0,
            bytes: 0,
            links: 0,
            wanted: 1,
            discs: Vec::new(),
        };
        self.write(|transaction| {
            let tree = take(transaction, "trees", 1)?;
            transaction
                .open_table(TREES)?
                .insert(tree, record.encode()?.as_slice())?;
            Ok(tree)
        })
    }

    /// Changes a tree's record; `None` when there is no such tree.
    pub(crate) fn change_tree<T>(
        &self,
        tree: u64,
        change: impl FnOnce(&mut TreeRecord) -> T,
    ) -> Result<Option<T>, CatalogError> {
        self.write(|transaction| change_tree(transaction, tree, change))
    }

    /// Commits a whole put: its entries by sort key, and what they add to the tree.
    pub(crate) fn finish_put(
        &self,
        tree: u64,
        entries: &BTreeMap<Vec<u8>, EntryRecord>,
        files: u64,
        bytes: u64,
        links: u64,
    ) -> Result<(), CatalogError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ENTRIES)?;
            for (key, entry) in entries {
                table.insert((tree, key.as_slice()), entry.encode()?.as_slice())?;
            }
            change_tree(transaction, tree, |record| {
                record.receiving = false;
                record.files = record.files.saturating_add(files);
                record.bytes = record.bytes.saturating_add(bytes);
                record.links = links;
            })?
            .ok_or(CatalogError::Missing)
        })
    }

    /// Forgets a tree and its entries.
    pub(crate) fn remove_tree(&self, tree: u64) -> Result<(), CatalogError> {
        self.write(|transaction| {
            transaction.open_table(ENTRIES)?.retain_in(
                (tree, [].as_slice())..(tree.saturating_add(1), [].as_slice()),
                |_, _| false,
            )?;
            transaction.open_table(TREES)?.remove(tree)?;
            Ok(())
        })
    }

    /// A tree.
    pub(crate) fn tree(&self, tree: u64) -> Result<Option<TreeRecord>, CatalogError> {
        get(&self.read()?.open_table(TREES)?, tree)
    }

    /// Every tree.
    pub(crate) fn trees(&self) -> Result<Vec<(u64, TreeRecord)>, CatalogError> {
        let trees = self.read()?.open_table(TREES)?;
        trees
            .iter()?
            .map(|row| {
                let (tree, record) = row?;
                Ok((tree.value(), TreeRecord::decode(record.value())?))
            })
            .collect()
    }

    /// The newest tree that is open and complete.
    pub(crate) fn newest_open_tree(&self) -> Result<Option<u64>, CatalogError> {
        let trees = self.read()?.open_table(TREES)?;
        for row in trees.iter()?.rev() {
            let (tree, record) = row?;
            let record = TreeRecord::decode(record.value())?;
            if record.state == TreeState::Open && !record.receiving {
                return Ok(Some(tree.value()));
            }
        }
        Ok(None)
    }

    /// How many entries a tree has.
    pub(crate) fn count_entries(&self, tree: u64) -> Result<usize, CatalogError> {
        let table = self.read()?.open_table(ENTRIES)?;
        let all = table.range((tree, [].as_slice())..(tree.saturating_add(1), [].as_slice()))?;
        all.map(|row| Ok(row.map(drop)?))
            .try_fold(0, |count, row: Result<(), CatalogError>| row.map(|()| count + 1))
    }

    /// An entry.
    pub(crate) fn entry(&self, tree: u64, path: &[u8]) -> Result<Option<EntryRecord>, CatalogError> {
        get(
            &self.read()?.open_table(ENTRIES)?,
            (tree, sort_key(path).as_slice()),
        )
    }

    /// The next entries at and below a path, at most `depth` levels below it and about `bytes` bytes of
    /// them, after the sort key `after`. A transaction lasts one page, so that a slow client keeps none.
    pub(crate) fn page(
        &self,
        tree: u64,
        path: &[u8],
        depth: u32,
        after: Option<&[u8]>,
        bytes: usize,
    ) -> Result<Page, CatalogError> {
        let top = sort_key(path);
        let table = self.read()?.open_table(ENTRIES)?;
        let mut page = Page {
            entries: Vec::new(),
            next: None,
        };
        let mut size = 0;
        // The key itself is skipped below; a range that begins after it would need a copy of it.
        let from = after.unwrap_or(&top);
        for row in table.range((tree, from)..(tree.saturating_add(1), [].as_slice()))? {
            let (key, value) = row?;
            let (_, key) = key.value();
            if after == Some(key) {
                continue;
            }
            let Some(levels) = levels_below(&top, key) else {
                break;
            };
            if levels > depth {
                continue;
            }
            let entry = EntryRecord::decode(value.value())?.into_entry(self::path(key));
            size += 64 + entry.path.as_bytes().len() + entry.target.as_bytes().len();
            page.entries.push(entry);
            if size >= bytes {
                page.next = Some(key.to_vec());
                break;
            }
        }
        Ok(page)
    }

    /// Calls for every entry of a tree, parents before what is in them.
    pub(crate) fn each_entry<E: From<CatalogError>>(
        &self,
        tree: u64,
        mut each: impl FnMut(Vec<u8>, EntryRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let page = self.page_records(tree, after.as_deref())?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (key, record) in page {
                each(path(&key), record)?;
            }
        }
    }

    fn page_records(
        &self,
        tree: u64,
        after: Option<&[u8]>,
    ) -> Result<Vec<(Vec<u8>, EntryRecord)>, CatalogError> {
        let table = self.read()?.open_table(ENTRIES)?;
        let from = after.unwrap_or_default();
        table
            .range((tree, from)..(tree.saturating_add(1), [].as_slice()))?
            .map(|row| {
                let (key, value) = row?;
                Ok((key.value().1.to_vec(), EntryRecord::decode(value.value())?))
            })
            .filter(|row| !matches!((row, after), (Ok((key, _)), Some(after)) if key == after))
            .take(1024)
            .collect()
    }
}

/// Changes a tree's record within a transaction.
pub(super) fn change_tree<T>(
    transaction: &WriteTransaction,
    tree: u64,
    change: impl FnOnce(&mut TreeRecord) -> T,
) -> Result<Option<T>, CatalogError> {
    let mut table = transaction.open_table(TREES)?;
    let Some(mut record) = get::<u64, TreeRecord>(&table, tree)? else {
        return Ok(None);
    };
    let value = change(&mut record);
    table.insert(tree, record.encode()?.as_slice())?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_from_the_path_asked_for() {
        assert_eq!(levels_below(b"", b"a"), Some(1));
        assert_eq!(levels_below(b"", b"a\0b"), Some(2));
        assert_eq!(levels_below(b"a", b"a"), Some(0));
        assert_eq!(levels_below(b"a", b"a\0b"), Some(1));
        assert_eq!(levels_below(b"a", b"ab"), None);
        assert_eq!(levels_below(b"a", b"b"), None);
    }
}
