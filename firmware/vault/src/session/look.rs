//! Status, drives, discs, jobs: what can be seen without changing anything.

use wire::{Drives, Failure, FailureCode, JobLog, Jobs, Label, Outcome, RemoveTree, Reply, Status};

use super::Session;
use crate::catalog::{JobRecord, TreeRecord, TreeState};
use crate::clock;
use crate::errors::Refusal;
use crate::jobs::Job;
use crate::readers;

/// Jobs in one answer: it has to fit a frame.
const JOBS_MAX: usize = 400;

/// Discs told of one tree.
const DISCS_MAX: usize = 100;

/// Disc sessions in one answer.
const SESSIONS_MAX: usize = 1000;

impl Session {
    pub(super) fn status(&self) -> Status {
        let shared = &self.shared;
        let (mut notices, mut size, mut free) = (Vec::new(), 0, 0);
        match shared.data().and_then(|data| data.staging.room()) {
            Ok(room) => (size, free) = (room.size, room.free),
            Err(refusal) => notices.push(refusal.into()),
        }
        let drives = shared.drives.all();
        if drives.is_empty() {
            notices.push(Failure::new(
                FailureCode::NotFound,
                "no drive was found",
                "none is attached, or it has no power",
                "attach a burner",
            ));
        }
        if shared.clock_is_unset() {
            notices.push(Failure::new(
                FailureCode::Unavailable,
                "nobody has set the clock since the box was started",
                "no client that knows the time has connected",
                "connect with a client whose clock is right",
            ));
        }
        let jobs = shared.jobs.active();
        Status {
            box_id: shared.box_id(),
            name: shared.name.clone(),
            firmware: shared.firmware.clone(),
            uptime: clock::since_start().as_secs(),
            utc: clock::now(),
            data_size: size,
            data_free: free,
            sessions: u32::try_from(shared.session_count()).unwrap_or(u32::MAX),
            held: shared.hold.is_taken(),
            drives: u32::try_from(drives.len()).unwrap_or(u32::MAX),
            jobs: jobs.iter().take(JOBS_MAX).map(|job| active(job)).collect(),
            notices,
        }
    }

    pub(super) fn drives(&self) -> Drives {
        let drives = self.shared.drives.all();
        drives.iter().for_each(|drive| drive.glance());
        Drives {
            drives: drives.iter().map(|drive| drive.describe()).collect(),
        }
    }

    pub(super) fn disc(&self, drive: u32) -> Result<wire::Disc, Failure> {
        let drive = self.shared.drives.find(drive)?;
        let seen = drive.look()?;
        let mut disc = seen.disc;
        disc.sessions.truncate(SESSIONS_MAX);
        if seen.known.is_none() && seen.readable > 0 {
            // What the disc says of itself is for a reader to read; one without a label is shown all the same.
            let label = readers::with(&self.shared, &drive, 0, &|| self.is_closed(), |reader| {
                Ok(reader.label().to_owned())
            });
            disc.label = label.unwrap_or_default();
        }
        Ok(disc)
    }

    /// All there is to know of a disc.
    pub(super) fn disc_report(&self, drive: u32) -> Result<Reply, Failure> {
        let disc = self.disc(drive)?;
        let mut report = self.shared.drives.find(drive)?.report()?;
        report.disc = disc;
        Ok(Reply::DiscReport(report))
    }

    /// The trees, newest first, as many as fit a frame.
    pub(super) fn trees(&self) -> Result<Reply, Failure> {
        let mut size = 0;
        let mut trees = self.shared.data()?.catalog.trees()?;
        trees.reverse();
        let shown = trees.into_iter().map(|(tree, record)| wire::Tree {
            tree,
            state: state_of(&record).label(),
            created: record.created,
            files: record.files,
            bytes: record.bytes,
            copies: record.wanted,
            discs: record.discs.into_iter().take(DISCS_MAX).collect(),
            name: record.name,
        });
        let fits = shown.take_while(|tree| {
            size += 64 + tree.name.len() + 16 * tree.discs.len();
            size < wire::frame::BODY_MAX
        });
        Ok(Reply::Trees(wire::Trees {
            trees: fits.collect(),
        }))
    }

    /// Removes a tree or copy that nobody works with.
    pub(super) fn remove_tree(&self, request: RemoveTree) -> Result<Reply, Failure> {
        let RemoveTree { tree, confirmed } = request;
        let data = self.shared.data()?;
        let known = data.catalog.tree(tree)?;
        let record = known.ok_or_else(|| Refusal::NotFound(format!("tree {tree}")))?;
        let state = match record.state {
            _ if record.receiving => Some("still being received"),
            TreeState::Claimed(_) => Some("being burned"),
            TreeState::Archived(_) => Some("archived"),
            TreeState::Open | TreeState::Kept | TreeState::Image => None,
        };
        if let Some(state) = state {
            return Err(Refusal::TreeNotOpen { tree, state }.into());
        }
        let works = |job: &std::sync::Arc<Job>| job.record.order.tree() == Some(tree);
        if let Some(job) = self.shared.jobs.active().into_iter().find(works) {
            return Err(Refusal::JobRuns(job.number).into());
        }
        if !confirmed {
            return Err(Refusal::NotConfirmed.into());
        }
        data.catalog.forget_tree(tree)?;
        data.staging.remove_work_tree(tree)?; // what is left when the power fails now goes at the next start
        Ok(Reply::Done(()))
    }

    /// What a job noted so far, as much as fits.
    pub(super) fn job_log(&self, number: u64) -> Result<Reply, Failure> {
        let log = match self.shared.jobs.find(number) {
            Some(job) => job.log(),
            None => {
                let data = self.shared.data()?;
                data.catalog
                    .job(number)?
                    .ok_or_else(|| Self::refuse_unknown_job(number))?;
                data.catalog.log(number)?.unwrap_or_default()
            }
        };
        let mut size = 0;
        let fits = log.0.iter().rev().take_while(|line| {
            size += 24 + line.text.len();
            size < wire::frame::BODY_MAX
        });
        let first = log.0.len() - fits.count();
        Ok(Reply::JobLog(JobLog {
            job: number,
            lines: log.0.into_iter().skip(first).collect(),
        }))
    }

    pub(super) fn jobs(&self) -> Result<Jobs, Failure> {
        let data = self.shared.data()?;
        let recorded = data.catalog.jobs(JOBS_MAX)?.into_iter();
        let jobs = recorded.map(|(number, record)| match self.shared.jobs.find(number) {
            Some(job) => active(&job),
            None => {
                let ending = record.ending.as_ref();
                let outcome = ending.map_or(Outcome::Interrupted.number(), |ending| ending.outcome);
                described(number, &record, outcome_label(outcome))
            }
        });
        Ok(Jobs { jobs: jobs.collect() })
    }

    pub(super) fn refuse_unknown_job(number: u64) -> Failure {
        Refusal::NotFound(format!("job {number}")).into()
    }
}

/// An outcome as clients see it; one recorded by a later firmware has only its number.
pub(super) fn outcome_label(number: u16) -> Label {
    Outcome::from_number(number)
        .map_or_else(|| Label::new(number, format!("outcome {number}")), Outcome::label)
}

fn active(job: &Job) -> wire::Job {
    described(job.number, &job.record, job.phase())
}

fn described(number: u64, record: &JobRecord, state: Label) -> wire::Job {
    wire::Job {
        job: number,
        kind: record.order.kind(),
        state,
        created: record.created,
        drive: record.drive,
        tree: record.order.tree().unwrap_or(0),
    }
}

/// Where a tree is in its life, as clients see it.
fn state_of(record: &TreeRecord) -> wire::TreeState {
    use wire::TreeState as Shown;
    match record.state {
        _ if record.receiving => Shown::Receiving,
        TreeState::Open if record.discs.is_empty() => Shown::Received,
        TreeState::Open => Shown::Burned,
        TreeState::Claimed(_) => Shown::Burning,
        TreeState::Archived(_) => Shown::Archived,
        TreeState::Kept => Shown::CopyOfTree,
        TreeState::Image => Shown::CopyOfImage,
    }
}
