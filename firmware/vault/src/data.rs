//! The data partition: staging and catalog together, recovered at each start.

use std::os::fd::OwnedFd;

use wire::Outcome;

use crate::catalog::{Catalog, Ending, EventRecord, JobRecord, Order, Severity, TreeState, WriteRecord};
use crate::clock;
use crate::errors::{self, Refusal};
use crate::staging::Staging;
use crate::sync::Locked;

/// The kernel's name of the time between two starts.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// See the module.
pub(crate) struct Data {
    pub staging: Staging,
    pub catalog: Catalog,
    /// Burns that the last end of power interrupted in the middle, until they are taken up.
    pub interrupted: Locked<Vec<(u64, JobRecord)>>,
}

impl Data {
    /// Opens both and undoes what the last end of power left half done.
    pub(crate) fn open(directory: OwnedFd) -> Result<Self, Refusal> {
        let staging = Staging::open(directory)?;
        // A tree without a catalog was acknowledged by one that is lost: nothing may take it for rubbish.
        let must = !staging.work_trees()?.is_empty() || !staging.frozen_trees()?.is_empty();
        let catalog = Catalog::open(staging.directory(), must)?;
        let data = Self {
            staging,
            catalog,
            interrupted: Locked::default(),
        };
        data.recover()?;
        Ok(data)
    }

    /// Each step can be cut short and is done again at the next start.
    fn recover(&self) -> Result<(), Refusal> {
        let mut go_on = Vec::new();
        for (job, record) in self.catalog.unfinished_jobs()? {
            let begun = self.catalog.begun_write(job)?;
            match (begun, &record.order) {
                (Some(write), Order::Record(_)) if !write.verified => go_on.push((job, record)),
                (Some(write), Order::Record(_)) => self.end_verified(job, &record, &write)?,
                _ => self.end_interrupted(job, &record)?,
            }
        }
        for group in self.staging.frozen_trees()? {
            let Some(record) = self.catalog.job(group)? else {
                eprintln!(
                    "recovery: warning: jobs/{group} has a tree but the catalog has no such job; it is left"
                );
                continue;
            };
            let Some(tree) = record.order.tree() else {
                continue;
            };
            if go_on.iter().any(|(_, record)| record.group == group) {
                continue; // they take it up
            }
            match self.catalog.tree(tree)?.map(|tree| tree.state) {
                Some(TreeState::Archived(_)) => self.staging.remove_frozen_tree(group)?,
                Some(_) => self.staging.thaw(tree, group)?,
                None => eprintln!(
                    "recovery: warning: jobs/{group} has a tree the catalog does not know; it is left"
                ),
            }
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
        for (_, record) in &go_on {
            // Its tree was released, but the power failed before its end was recorded.
            if let Some(tree) = record.order.tree() {
                self.catalog.claim_again(tree, record.group)?;
            }
        }
        for (tree, record) in self.catalog.trees()? {
            if let TreeState::Claimed(group) = record.state
                && !go_on.iter().any(|(_, record)| record.group == group)
            {
                self.staging.thaw(tree, group)?; // no job runs now, whatever became of this one's record
                self.catalog
                    .change_tree(tree, |record| record.state = TreeState::Open)?;
            }
            if record.receiving {
                self.undo_put(tree)?;
                let what = format!("an unfinished put into tree {tree} was undone");
                self.catalog.event(&EventRecord::note("trees", what));
            }
        }
        *self.interrupted.lock() = go_on;
        Ok(())
    }

    /// Ends a job that wrote nothing.
    fn end_interrupted(&self, job: u64, record: &JobRecord) -> Result<(), Refusal> {
        let failure = errors::interrupted(job);
        let summary = wire::JobSummary {
            disc_id: record.disc,
            ..Default::default()
        };
        self.end(job, Outcome::Interrupted, summary, Some(failure))
    }

    /// Ends a job whose disc had verified, by what the policy makes of its tree.
    fn end_verified(&self, job: u64, record: &JobRecord, write: &WriteRecord) -> Result<(), Refusal> {
        let tree = record.order.tree().unwrap_or(0);
        let summary = wire::JobSummary {
            disc_id: write.id,
            start: u64::from(write.first),
            blocks: u64::from(write.blocks),
            remarks: vec!["the box restarted after the disc was read back".into()],
            ..Default::default()
        };
        match self.catalog.tree(tree)? {
            Some(record) if matches!(record.state, TreeState::Claimed(_) | TreeState::Open) => {
                let failure = errors::copies_missing(tree, record.discs.len(), record.wanted);
                self.end(job, Outcome::Burned, summary, Some(failure))
            }
            _ => self.end(job, Outcome::Archived, summary, None),
        }
    }

    fn end(
        &self,
        job: u64,
        outcome: Outcome,
        summary: wire::JobSummary,
        failure: Option<wire::Failure>,
    ) -> Result<(), Refusal> {
        let event = match &failure {
            None => EventRecord::note("jobs", format!("job {job}: {outcome}")),
            Some(failure) => EventRecord::failure("jobs", Severity::Error, failure),
        };
        let ending = Ending {
            outcome: outcome.number(),
            summary,
            failure,
            at: clock::now(),
        };
        let log = self.catalog.log(job)?.unwrap_or_default();
        Ok(self.catalog.end_job(job, &ending, &log, &event)?)
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
