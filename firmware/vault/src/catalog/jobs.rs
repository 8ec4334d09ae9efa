//! Jobs: begun, ended, or found unfinished after a restart.

use redb::{ReadableTable, WriteTransaction};

use super::trees::change_tree;
use super::{
    Catalog, CatalogError, DISCS, DiscRecord, Ending, EventRecord, FINGERPRINTS, JOBS, JobRecord, Order,
    Record, TreeState, events, get, take,
};

impl Catalog {
    /// Begins a job; a burn claims its tree in the same transaction. `None` when the tree is not open.
    pub(crate) fn begin_job(&self, record: &JobRecord) -> Result<Option<u64>, CatalogError> {
        self.write(|transaction| {
            let job = take(transaction, "jobs", 1)?;
            if let Order::Burn { tree, .. } = record.order {
                let claimed = change_tree(transaction, tree, |tree| {
                    let open = tree.state == TreeState::Open && !tree.receiving;
                    if open {
                        tree.state = TreeState::Claimed(job);
                    }
                    open
                })?;
                if claimed != Some(true) {
                    return Ok(None);
                }
            }
            transaction
                .open_table(JOBS)?
                .insert(job, record.encode()?.as_slice())?;
            Ok(Some(job))
        })
    }

    /// Ends a job that proved nothing new: its tree, if it claimed one, is open again.
    pub(crate) fn end_job(&self, job: u64, ending: &Ending, event: &EventRecord) -> Result<(), CatalogError> {
        events::log(event);
        self.write(|transaction| {
            let record = end(transaction, job, ending)?;
            if let Order::Burn { tree, .. } = record.order {
                change_tree(transaction, tree, |tree| {
                    if tree.state == TreeState::Claimed(job) {
                        tree.state = TreeState::Open;
                    }
                })?;
            }
            events::add(transaction, event)
        })
    }

    /// Ends a burn that was read back with equal digests: job, tree and disc change together.
    pub(crate) fn archive(
        &self,
        job: u64,
        ending: &Ending,
        disc: &DiscRecord,
        fingerprint: [u8; 32],
        event: &EventRecord,
    ) -> Result<(), CatalogError> {
        events::log(event);
        self.write(|transaction| {
            let record = end(transaction, job, ending)?;
            let id = record.disc;
            if let Order::Burn { tree, .. } = record.order {
                change_tree(transaction, tree, |tree| tree.state = TreeState::Archived(id))?;
            }
            transaction
                .open_table(DISCS)?
                .insert(id, disc.encode()?.as_slice())?;
            transaction.open_table(FINGERPRINTS)?.insert(fingerprint, id)?;
            events::add(transaction, event)
        })
    }

    /// A job.
    pub(crate) fn job(&self, job: u64) -> Result<Option<JobRecord>, CatalogError> {
        get(&self.read()?.open_table(JOBS)?, job)
    }

    /// The newest jobs, at most so many, newest first.
    pub(crate) fn jobs(&self, most: usize) -> Result<Vec<(u64, JobRecord)>, CatalogError> {
        let jobs = self.read()?.open_table(JOBS)?;
        jobs.iter()?
            .rev()
            .take(most)
            .map(|row| {
                let (job, record) = row?;
                Ok((job.value(), JobRecord::decode(record.value())?))
            })
            .collect()
    }

    /// The jobs that have no end: after a restart, those it interrupted.
    pub(crate) fn unfinished_jobs(&self) -> Result<Vec<(u64, JobRecord)>, CatalogError> {
        // Jobs are few and end in about the order of their numbers: looking at the newest is enough.
        let mut jobs = self.jobs(1000)?;
        jobs.retain(|(_, record)| record.ending.is_none());
        Ok(jobs)
    }
}

fn end(transaction: &WriteTransaction, job: u64, ending: &Ending) -> Result<JobRecord, CatalogError> {
    let mut jobs = transaction.open_table(JOBS)?;
    let mut record: JobRecord = get(&jobs, job)?.ok_or(CatalogError::Missing)?;
    record.ending.get_or_insert_with(|| ending.clone()); // what was said once stands
    jobs.insert(job, record.encode()?.as_slice())?;
    Ok(record)
}
