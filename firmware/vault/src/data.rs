//! The data partition: staging and catalog together, recovered at each start.

use std::os::fd::OwnedFd;

use wire::Outcome;

use crate::catalog::{Catalog, Ending, EventRecord, Order, Severity, TreeState};
use crate::clock;
use crate::errors::{self, Refusal};
use crate::staging::Staging;

/// The kernel's name of the time between two starts.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// See the module.
pub(crate) struct Data {
    pub staging: Staging,
    pub catalog: Catalog,
}

impl Data {
    /// Opens both and undoes what the last end of power left half done.
    pub(crate) fn open(directory: OwnedFd) -> Result<Self, Refusal> {
        let staging = Staging::open(directory)?;
        // A tree without a catalog was acknowledged by one that is lost: nothing may take it for rubbish.
        let must = !staging.work_trees()?.is_empty() || !staging.frozen_trees()?.is_empty();
        let catalog = Catalog::open(staging.directory(), must)?;
        let data = Self { staging, catalog };
        data.recover()?;
        Ok(data)
    }

    /// Each step can be cut short and is done again at the next start.
    fn recover(&self) -> Result<(), Refusal> {
        for job in self.staging.frozen_trees()? {
            let Some(record) = self.catalog.job(job)? else {
                eprintln!(
                    "recovery: warning: jobs/{job} has a tree but the catalog has no such job; it is left"
                );
                continue;
            };
            let Order::Burn { tree, .. } = record.order else {
                continue;
            };
            match self.catalog.tree(tree)?.map(|tree| tree.state) {
                Some(TreeState::Archived(_)) => self.staging.remove_frozen_tree(job)?,
                Some(_) => self.staging.thaw(tree, job)?,
                None => eprintln!(
                    "recovery: warning: jobs/{job} has a tree the catalog does not know; it is left"
                ),
            }
        }
        for (job, record) in self.catalog.unfinished_jobs()? {
            let failure = errors::interrupted(job);
            let event = EventRecord::failure("jobs", Severity::Error, &failure);
            let summary = wire::JobSummary {
                disc_id: record.disc,
                ..Default::default()
            };
            let outcome = Outcome::Interrupted.number();
            let ending = Ending {
                outcome,
                summary,
                failure: Some(failure),
                at: clock::now(),
            };
            self.catalog.end_job(job, &ending, &event)?;
        }
        for tree in self.staging.work_trees()? {
            match self.catalog.tree(tree)? {
                None => self.staging.remove_work_tree(tree)?,
                Some(record) if matches!(record.state, TreeState::Archived(_)) => {
                    self.staging.remove_work_tree(tree)?;
                }
                Some(_) => {}
            }
        }
        for (tree, record) in self.catalog.trees()? {
            if let TreeState::Claimed(job) = record.state {
                self.staging.thaw(tree, job)?; // no job runs now, whatever became of this one's record
                self.catalog
                    .change_tree(tree, |record| record.state = TreeState::Open)?;
            }
            if record.receiving {
                self.undo_put(tree)?;
                let what = format!("an unfinished put into tree {tree} was undone");
                self.catalog.event(&EventRecord::note("trees", what));
            }
        }
        Ok(())
    }

    /// Brings a tree back to what the catalog says of it; a tree it says nothing of is forgotten.
    pub(crate) fn undo_put(&self, tree: u64) -> Result<(), Refusal> {
        // A commit that failed may be on the disk all the same. A catalog that takes this one now stands by
        // what it says; for any other the files are left, and the next start judges by what it finds.
        self.catalog.change_tree(tree, |record| record.receiving = true)?;
        if self
            .catalog
            .page(tree, b"", u32::MAX, None, 1)?
            .entries
            .is_empty()
        {
            self.staging.remove_work_tree(tree)?;
            self.catalog.remove_tree(tree)?;
            return Ok(());
        }
        let mut failed = None;
        let walked = self
            .staging
            .work_tree(tree)?
            .walk(|path| match self.catalog.entry(tree, path) {
                Ok(entry) => entry.is_some(),
                Err(error) => {
                    failed = Some(error); // keeps what it cannot judge
                    true
                }
            });
        if let Some(error) = failed {
            return Err(error.into());
        }
        walked.map_err(|why| Refusal::Storage {
            doing: "undoing a put",
            why,
        })?;
        self.catalog
            .change_tree(tree, |record| record.receiving = false)?;
        Ok(())
    }

    /// Where the clock was anchored since the box was started.
    pub(crate) fn anchor(&self) -> Option<i64> {
        let fact = self.catalog.fact("clock anchor").ok()??;
        let (anchor, boot) = fact.split_first_chunk()?;
        let same = !boot.is_empty() && boot_id().as_deref() == Some(boot);
        same.then(|| i64::from_be_bytes(*anchor))
    }

    /// Remembers where the clock was anchored, for this start of the box only.
    pub(crate) fn remember_anchor(&self, anchor: i64) {
        let fact = [&anchor.to_be_bytes()[..], &boot_id().unwrap_or_default()].concat();
        if let Err(error) = self.catalog.set_fact("clock anchor", &fact) {
            eprintln!("clock: warning: the catalog does not remember that it was set: {error}");
        }
    }
}

/// Differs after each start of the kernel.
fn boot_id() -> Option<Vec<u8>> {
    std::fs::read(BOOT_ID).ok()
}

#[cfg(test)]
mod tests;
