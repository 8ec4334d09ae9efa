//! Jobs: begun, ended, or found unfinished after a restart.

use redb::ReadableTable;

use super::trees::change_tree;
use super::{
    Catalog, CatalogError, Ending, EventRecord, JOBS, JobRecord, LOGS, LogRecord, Record, TreeState, WRITES,
    events, get, take,
};

/// Logs kept: those of the newest jobs.
const LOGS_KEPT: u64 = 1000;

impl Catalog {
    /// Begins jobs of one group; a tree that is burned is claimed in the same transaction, for so many discs if
    /// that is said. `None` when it is not open.
    pub(crate) fn begin_jobs(
        &self,
        mut records: Vec<JobRecord>,
        wanted: Option<u32>,
    ) -> Result<Option<Vec<(u64, JobRecord)>>, CatalogError> {
        self.write(|transaction| {
            let first = take(transaction, "jobs", records.len() as u64)?;
            let tree = records.first().and_then(|record| record.order.tree());
            if let Some(tree) = tree {
                let claimed = change_tree(transaction, tree, |tree| {
                    match tree.state {
                        TreeState::Open if !tree.receiving => tree.state = TreeState::Claimed(first),
                        TreeState::Kept | TreeState::Image => {}
                        _ => return false,
                    }
                    tree.wanted = wanted.unwrap_or(tree.wanted);
                    true
                })?;
                if claimed != Some(true) {
                    return Ok(None);
                }
            }
            let mut jobs = transaction.open_table(JOBS)?;
            for (job, record) in (first..).zip(&mut records) {
                record.group = first;
                jobs.insert(job, record.encode()?.as_slice())?;
            }
            Ok(Some((first..).zip(records).collect()))
        })
    }

    /// Ends a job; what it began to write, if it did, is nobody's business any more.
    pub(crate) fn end_job(
        &self,
        job: u64,
        ending: &Ending,
        log: &LogRecord,
        event: &EventRecord,
    ) -> Result<(), CatalogError> {
        events::log(event);
        self.write(|transaction| {
            let mut jobs = transaction.open_table(JOBS)?;
            let mut record: JobRecord = get(&jobs, job)?.ok_or(CatalogError::Missing)?;
            record.ending.get_or_insert_with(|| ending.clone()); // what was said once stands
            jobs.insert(job, record.encode()?.as_slice())?;
            transaction.open_table(WRITES)?.remove(job)?;
            let mut logs = transaction.open_table(LOGS)?;
            logs.insert(job, log.encode()?.as_slice())?;
            logs.retain_in(..job.saturating_sub(LOGS_KEPT), |_, _| false)?;
            events::add(transaction, event)
        })
    }

    /// The jobs of a group are over: what they claimed is open again, unless it is archived.
    pub(crate) fn release_tree(&self, tree: u64, group: u64) -> Result<Option<TreeState>, CatalogError> {
        self.write(|transaction| {
            change_tree(transaction, tree, |tree| {
                if tree.state == TreeState::Claimed(group) {
                    tree.state = TreeState::Open;
                }
                tree.state
            })
        })
    }

    /// A job of the group goes on: its tree is not open to others.
    pub(crate) fn claim_again(&self, tree: u64, group: u64) -> Result<(), CatalogError> {
        self.write(|transaction| {
            change_tree(transaction, tree, |tree| {
                if tree.state == TreeState::Open {
                    tree.state = TreeState::Claimed(group);
                }
            })
            .map(drop)
        })
    }

    /// The log of a job that ended.
    pub(crate) fn log(&self, job: u64) -> Result<Option<LogRecord>, CatalogError> {
        get(&self.read()?.open_table(LOGS)?, job)
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
