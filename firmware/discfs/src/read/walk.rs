//! Walks over a tree, bounded on hostile discs and, on request, past damage.

use super::blocks::BlockSource;
use super::node::{Node, NodeKind};
use super::volume::Volume;
use super::{DiscError, malformed};
use alloc::{collections::BTreeSet, vec::Vec};

/// Looks at blocks a walk may take for each block of the disc: a directory record is at least 34 bytes long and takes two
/// looks, and a third at what it stands for.
const LOOKS: u64 = 256;
/// Looks that any disc may take, however small.
const LOOKS_LEAST: u64 = 1 << 20;
/// Extents of all directories between the top and the current one: 32 bytes each.
const EXTENTS_MAX: usize = 1 << 18;

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkLimits {
    /// Levels below the start; deeper ones are an error.
    pub depth: u32,
    /// Entries at most; more are an error.
    pub entries: u64,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self {
            depth: 1024,
            entries: 10_000_000,
        }
    }
}

impl<S: BlockSource> Volume<S> {
    /// Visits everything below a directory, each directory before what is in it, with the path from `from`
    /// (components joined by `/`); ends early when `visit` returns false. A directory met a second time, within itself or
    /// elsewhere, is shown and not entered again.
    ///
    /// # Errors
    /// When a directory cannot be read, a limit is passed, or the disc makes more work than a sane one could: 256 looks
    /// at blocks for each of its blocks, and a million. Memory is bounded by the directories entered (about 32 bytes each), and
    /// 8 MiB for those between the top and the current one.
    pub fn walk(
        &mut self,
        from: &Node,
        limits: WalkLimits,
        visit: &mut dyn FnMut(&mut Self, &[u8], &Node) -> bool,
    ) -> Result<(), DiscError> {
        let mut first = None;
        self.walk_tolerant(from, limits, visit, &mut |_, error| {
            first = Some(error);
            false
        })?;
        first.map_or(Ok(()), Err)
    }

    /// As [`Volume::walk`], past damage, to save what can be saved: `trouble` is told of each directory or entry that cannot
    /// be read, or lies too deep, with the path of the directory, and says whether to go on.
    ///
    /// # Errors
    /// When there are more entries than the limit, or more work than a sane disc could make.
    pub fn walk_tolerant(
        &mut self,
        from: &Node,
        limits: WalkLimits,
        visit: &mut dyn FnMut(&mut Self, &[u8], &Node) -> bool,
        trouble: &mut dyn FnMut(&[u8], DiscError) -> bool,
    ) -> Result<(), DiscError> {
        let spent = self.blocks.looked_at();
        let most = spent
            .saturating_add(LOOKS_LEAST)
            .saturating_add(self.blocks.count().saturating_mul(LOOKS));
        let mut path = Vec::new();
        let mut count = 0;
        let mut entered = BTreeSet::from_iter(from.extents.position());
        let mut extents = from.extents.count();
        let mut stack = alloc::vec![(Self::directory(from)?, 0)];
        while let Some((directory, path_length)) = stack.last_mut() {
            path.truncate(*path_length);
            if self.blocks.looked_at() > most {
                return Err(DiscError::TooMuchWork);
            }
            let (name, node) = match self.next_entry(directory) {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    extents -= directory.node.extents.count();
                    stack.pop();
                    continue;
                }
                Err(error) if trouble(&path, error.clone()) => continue,
                Err(_) => return Ok(()),
            };
            count += 1;
            if count > limits.entries {
                return Err(DiscError::TooManyEntries(limits.entries));
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            if !visit(self, &path, &node) {
                return Ok(());
            }
            if node.kind != NodeKind::Directory
                || !node
                    .extents
                    .position()
                    .is_none_or(|position| entered.insert(position))
            {
                continue;
            }
            let refusal = if stack.len() >= limits.depth as usize {
                Some(DiscError::TooDeep(limits.depth))
            } else if extents + node.extents.count() > EXTENTS_MAX {
                Some(malformed(node.identity, "directories are in too many pieces"))
            } else {
                None
            };
            match refusal {
                Some(error) if trouble(&path, error.clone()) => {}
                Some(_) => return Ok(()),
                None => {
                    extents += node.extents.count();
                    stack.push((Self::directory(&node)?, path.len()));
                }
            }
        }
        Ok(())
    }
}
