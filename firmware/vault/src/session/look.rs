//! Status, drives, discs, jobs: what can be seen without changing anything.

use wire::{Drives, Failure, FailureCode, Jobs, Label, Outcome, Status};

use super::Session;
use crate::catalog::{JobRecord, Order};
use crate::clock;
use crate::errors::Refusal;
use crate::jobs::Job;
use crate::readers;

/// Jobs in one answer: it has to fit a frame.
const JOBS_MAX: usize = 400;

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
            let label = readers::with(&self.shared, &drive, &|| self.is_closed(), |reader| {
                Ok(reader.label().to_owned())
            });
            disc.label = label.unwrap_or_default();
        }
        Ok(disc)
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
    let (kind, tree) = match record.order {
        Order::Burn { tree, .. } => (Label::new(1, "burn"), tree),
        Order::Verify => (Label::new(2, "verify"), 0),
    };
    wire::Job {
        job: number,
        kind,
        state,
        created: record.created,
        drive: record.drive,
        tree,
    }
}
