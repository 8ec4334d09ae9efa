//! Ordering jobs: what can be refused is refused before one exists.

use std::sync::Arc;

use seam::ChannelError;
use wire::{Burn, BurnCopy, CopyDisc, CopyMode, Failure, Record, RecordMode, Reply, Scrub, Treat, Treatment};

use super::Session;
use crate::catalog::{JobRecord, Mode, Order, Recording, TreeState, random};
use crate::clock;
use crate::errors::{self, Refusal};
use crate::jobs::{Group, Job, abandon, cancel_waiting};

/// Jobs that wait or work at once.
const JOBS_MAX: usize = 64;

/// Characters of a label.
const LABEL_MAX: usize = 32;

/// Discs one order burns, on as many drives or one after the other.
const DISCS_MAX: usize = 16;

/// Jobs to begin.
struct Orders {
    order: Order,
    /// One job each.
    drives: Vec<u32>,
    priority: u8,
    /// Discs that must verify, if that is said.
    wanted: Option<u32>,
}

fn check_label(label: &str) -> Result<(), Refusal> {
    match label.chars().count() {
        length if length > LABEL_MAX => Err(Refusal::LabelTooLong(length)),
        _ => Ok(()),
    }
}

impl Session {
    pub(super) fn order_burn(&self, burn: Burn) -> Result<Vec<Arc<Job>>, Failure> {
        self.order_record(Record {
            drives: vec![burn.drive],
            tree: burn.tree,
            label: burn.label,
            finalise: burn.finalise,
            priority: wire::PRIORITY_DEFAULT,
            ..Record::default()
        })
    }

    pub(super) fn order_record(&self, record: Record) -> Result<Vec<Arc<Job>>, Failure> {
        let mode = match RecordMode::from_number(record.mode) {
            Some(RecordMode::New) => Mode::New,
            Some(RecordMode::Append) => Mode::Append,
            Some(RecordMode::Overwrite) => Mode::Overwrite,
            _ => return Err(Refusal::UnknownMode(record.mode).into()),
        };
        check_label(&record.label)?;
        let mut drives = record.drives;
        if drives.is_empty() {
            drives.push(0);
        }
        let mut unique = drives.clone();
        unique.sort_unstable();
        unique.dedup();
        if unique.len() < drives.len() || drives.len() > DISCS_MAX {
            return Err(Refusal::TooManyDrives.into());
        }
        let tree = match record.tree {
            0 => self
                .shared
                .data()?
                .catalog
                .newest_open_tree()?
                .ok_or_else(|| Refusal::NotFound("tree to burn".into()))?,
            tree => tree,
        };
        let recording = Recording {
            tree,
            label: record.label,
            mode,
            finalise: record.finalise,
            speed: record.speed,
            in_a_row: false,
        };
        self.begin(Orders {
            order: Order::Record(recording),
            drives,
            priority: record.priority,
            wanted: (record.copies > 0).then_some(record.copies),
        })
    }

    pub(super) fn order_burn_copy(&self, burn: BurnCopy) -> Result<Vec<Arc<Job>>, Failure> {
        check_label(&burn.label)?;
        let record = self.shared.data()?.catalog.tree(burn.copy)?;
        let record = record.ok_or_else(|| Refusal::NotFound(format!("copy {}", burn.copy)))?;
        if !matches!(record.state, TreeState::Kept | TreeState::Image) || record.receiving {
            return Err(Refusal::NotACopy(burn.copy).into());
        }
        let count = usize::try_from(burn.count.max(1)).unwrap_or(usize::MAX);
        if count > DISCS_MAX {
            return Err(Refusal::TooManyWatches(count).into());
        }
        let recording = Recording {
            tree: burn.copy,
            label: burn.label,
            mode: Mode::New,
            finalise: burn.finalise,
            speed: burn.speed,
            in_a_row: true,
        };
        self.begin(Orders {
            order: Order::Record(recording),
            drives: vec![burn.drive; count],
            priority: burn.priority,
            wanted: None,
        })
    }

    pub(super) fn order_verify(&self, drive: u32) -> Result<Vec<Arc<Job>>, Failure> {
        self.begin_one(drive, Order::Verify, wire::PRIORITY_DEFAULT)
    }

    pub(super) fn order_scrub(&self, scrub: Scrub) -> Result<Vec<Arc<Job>>, Failure> {
        self.begin_one(scrub.drive, Order::Scrub { speed: scrub.speed }, scrub.priority)
    }

    pub(super) fn order_copy(&self, copy: CopyDisc) -> Result<Vec<Arc<Job>>, Failure> {
        let mode = CopyMode::from_number(copy.mode).ok_or(Refusal::UnknownMode(copy.mode))?;
        let order = Order::Copy {
            image: mode == CopyMode::Image,
            session: copy.session,
            speed: copy.speed,
        };
        self.begin_one(copy.drive, order, copy.priority)
    }

    pub(super) fn order_treat(&self, treat: Treat) -> Result<Vec<Arc<Job>>, Failure> {
        let treatment =
            Treatment::from_number(treat.treatment).ok_or(Refusal::UnknownTreatment(treat.treatment))?;
        if errors::destroys(treatment) && !treat.confirmed {
            return Err(Refusal::NotConfirmed.into());
        }
        self.begin_one(treat.drive, Order::Treat(treat.treatment), treat.priority)
    }

    fn begin_one(&self, drive: u32, order: Order, priority: u8) -> Result<Vec<Arc<Job>>, Failure> {
        self.begin(Orders {
            order,
            drives: vec![drive],
            priority,
            wanted: None,
        })
    }

    /// Records jobs of one group and gives each to its drive.
    fn begin(&self, orders: Orders) -> Result<Vec<Arc<Job>>, Failure> {
        let Orders {
            order,
            drives,
            priority,
            wanted,
        } = orders;
        let drives = drives.into_iter().map(|drive| self.shared.drives.find(drive));
        let drives: Vec<_> = drives.collect::<Result<_, _>>()?;
        self.may_follow(drives.len())?;
        let active = self.shared.jobs.active();
        if let Some(first) = active.first().filter(|_| active.len() + drives.len() > JOBS_MAX) {
            let (drive, job) = (first.record.drive, first.number);
            return Err(Refusal::DriveBusy { drive, job }.into());
        }
        let mut records = Vec::new();
        for drive in &drives {
            let mut disc = [0; 16];
            if order.tree().is_some() {
                random(&mut disc)?;
            }
            records.push(JobRecord {
                order: order.clone(),
                drive: drive.number,
                identity: drive.identity(),
                priority,
                created: clock::now(),
                disc,
                group: 0,
                ending: None,
            });
        }
        let data = self.shared.data()?;
        let begun = data.catalog.begin_jobs(records, wanted)?;
        let Some(begun) = begun else {
            return Err(self.refuse_tree(order.tree().unwrap_or(0)));
        };
        let group = begun.first().map_or(0, |(number, _)| *number);
        let group = Group::new(group, begun.len());
        let begun = begun.into_iter();
        let jobs: Vec<_> = begun
            .map(|(number, record)| Arc::new(Job::new(number, record, group.clone())))
            .collect();
        for job in &jobs {
            self.shared.jobs.add(job);
        }
        for (job, drive) in jobs.iter().zip(&drives) {
            if let Err(refusal) = drive.enqueue(job) {
                abandon(&self.shared, job, wire::Outcome::Failed, refusal.into());
            }
        }
        Ok(jobs)
    }

    /// Why a tree cannot be burned.
    fn refuse_tree(&self, tree: u64) -> Failure {
        let record = self.shared.data().and_then(|data| Ok(data.catalog.tree(tree)?));
        let state = match record {
            Err(refusal) => return refusal.into(),
            Ok(None) => return Refusal::NotFound(format!("tree {tree}")).into(),
            Ok(Some(record)) => match record.state {
                _ if record.receiving => "still being received",
                TreeState::Claimed(_) => "being burned",
                TreeState::Archived(_) => "archived already",
                TreeState::Open | TreeState::Kept | TreeState::Image => "open",
            },
        };
        Refusal::TreeNotOpen { tree, state }.into()
    }

    /// Cancels a job: one that waits is over at once, one that works as soon as its disc is left in order.
    pub(super) fn cancel(&self, number: u64) -> Result<Reply, Failure> {
        let Some(job) = self.shared.jobs.find(number) else {
            let known = self.shared.data()?.catalog.job(number)?;
            return match known {
                Some(_) => Err(Refusal::JobOver(number).into()),
                None => Err(Self::refuse_unknown_job(number)),
            };
        };
        job.cancel();
        if let Ok(drive) = self.shared.drives.find(job.record.drive) {
            if drive.withdraw(number) {
                cancel_waiting(&self.shared, &job);
            } else {
                drive.wake();
            }
        }
        Ok(Reply::Done(()))
    }

    /// Begins jobs and follows them for the client.
    pub(super) fn begin_job(
        &self,
        id: u32,
        begin: impl FnOnce(&Self) -> Result<Vec<Arc<Job>>, Failure>,
    ) -> Result<(), ChannelError> {
        match begin(self) {
            Ok(mut jobs) => match jobs.pop() {
                Some(job) => self.follow(id, job),
                None => self.reply(id, Reply::Done(())),
            },
            Err(failure) => self.reply(id, Reply::Failure(failure)),
        }
    }

    /// The same for orders that may be several jobs.
    pub(super) fn begin_jobs(
        &self,
        id: u32,
        begin: impl FnOnce(&Self) -> Result<Vec<Arc<Job>>, Failure>,
    ) -> Result<(), ChannelError> {
        match begin(self) {
            Ok(jobs) => self.follow_all(id, jobs),
            Err(failure) => self.reply(id, Reply::Failure(failure)),
        }
    }
}
