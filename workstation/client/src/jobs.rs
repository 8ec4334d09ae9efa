//! Jobs, and what else is done with drives and discs.

use wire::{
    Burn, BurnCopy, CopyDisc, DiscReport, DriveRequest, JobEnded, JobLog, JobProgress, JobRequest, Lock,
    Record, RemoveTree, Reply, Request, Scrub, SetSpeed, Speeds, Treat, Trees, Verify, WatchJob,
};

use crate::connection::unexpected;
use crate::{Connection, Error};

impl Connection {
    /// Burns a tree and follows the job to its end. Losing the connection does not end the job.
    pub fn burn(&mut self, burn: Burn, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Burn(burn), progress)
    }

    /// Burns a tree, as a new disc or a further session, on one drive or several; each disc is a job of its own.
    /// Follows all of them to their ends, which come in the order they ended.
    pub fn record(
        &mut self,
        record: Record,
        progress: impl FnMut(&JobProgress),
    ) -> Result<Vec<JobEnded>, Error> {
        self.all_jobs(&Request::Record(record), progress)
    }

    /// Burns a copy on one disc after the other; between two the box waits for the next blank disc.
    pub fn burn_copy(
        &mut self,
        burn: BurnCopy,
        progress: impl FnMut(&JobProgress),
    ) -> Result<Vec<JobEnded>, Error> {
        self.all_jobs(&Request::BurnCopy(burn), progress)
    }

    /// Takes the disc in a drive into the copy area.
    pub fn copy(&mut self, copy: CopyDisc, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Copy(copy), progress)
    }

    /// Verifies the disc in a drive and follows the job to its end.
    pub fn verify(&mut self, drive: u32, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Verify(Verify { drive }), progress)
    }

    /// Reads the whole disc and maps how well it reads.
    pub fn scrub(&mut self, scrub: Scrub, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Scrub(scrub), progress)
    }

    /// Finalises, repairs, blanks, formats or erases the disc in a drive.
    pub fn treat(&mut self, treat: Treat, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::Treat(treat), progress)
    }

    /// Follows a job started earlier to its end.
    pub fn watch(&mut self, job: u64, progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        self.job(&Request::WatchJob(WatchJob { job }), progress)
    }

    /// Cancels a job: one that works ends as soon as its disc is left in order.
    pub fn cancel(&mut self, job: u64) -> Result<(), Error> {
        self.done(&Request::Cancel(JobRequest { job }))
    }

    /// What has a job noted?
    pub fn job_log(&mut self, job: u64) -> Result<JobLog, Error> {
        match self.ask(&Request::JobLog(JobRequest { job }))? {
            Reply::JobLog(log) => Ok(log),
            other => Err(unexpected(&other)),
        }
    }

    /// Which trees and copies are on the box? Newest first.
    pub fn trees(&mut self) -> Result<Trees, Error> {
        match self.ask(&Request::Trees(()))? {
            Reply::Trees(trees) => Ok(trees),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes a tree or a copy from the box.
    pub fn remove_tree(&mut self, tree: u64, confirmed: bool) -> Result<(), Error> {
        self.done(&Request::RemoveTree(RemoveTree { tree, confirmed }))
    }

    /// All there is to know of the disc in a drive.
    pub fn disc_report(&mut self, drive: u32) -> Result<DiscReport, Error> {
        match self.ask(&Request::DiscReport(DriveRequest { drive }))? {
            Reply::DiscReport(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }

    /// Locks or unlocks a tray and its button.
    pub fn lock(&mut self, drive: u32, locked: bool) -> Result<(), Error> {
        self.done(&Request::Lock(Lock { drive, locked }))
    }

    /// Which speeds does a drive offer for its disc?
    pub fn speeds(&mut self, drive: u32) -> Result<Speeds, Error> {
        match self.ask(&Request::Speeds(DriveRequest { drive }))? {
            Reply::Speeds(speeds) => Ok(speeds),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks for speeds; returns those the drive took.
    pub fn set_speed(&mut self, speed: SetSpeed) -> Result<Speeds, Error> {
        match self.ask(&Request::SetSpeed(speed))? {
            Reply::Speeds(speeds) => Ok(speeds),
            other => Err(unexpected(&other)),
        }
    }

    fn job(&mut self, request: &Request, mut progress: impl FnMut(&JobProgress)) -> Result<JobEnded, Error> {
        let id = self.send(request)?;
        loop {
            match self.reply(id)? {
                Reply::JobStarted(_) => {}
                Reply::JobProgress(now) => progress(&now),
                Reply::JobEnded(ended) => return Ok(ended),
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn all_jobs(
        &mut self,
        request: &Request,
        mut progress: impl FnMut(&JobProgress),
    ) -> Result<Vec<JobEnded>, Error> {
        let id = self.send(request)?;
        let mut jobs = match self.reply(id)? {
            Reply::JobsStarted(started) => started.jobs,
            other => return Err(unexpected(&other)),
        };
        let mut all = Vec::new();
        while !jobs.is_empty() {
            match self.reply(id)? {
                Reply::JobProgress(now) => progress(&now),
                Reply::JobEnded(ended) => {
                    jobs.retain(|job| *job != ended.job);
                    all.push(ended);
                }
                other => return Err(unexpected(&other)),
            }
        }
        Ok(all)
    }
}
