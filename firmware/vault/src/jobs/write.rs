//! Writes a session: all that is asked of the driver's recorder is asked here.

use std::os::fd::OwnedFd;
use std::time::Instant;

use mmc::{Close, Intent, Plan};
use wire::{Failure, JobSummary, Phase};

use super::ahead::{Ahead, Source};
use super::clusters::{Keeper, Kept};
use super::read_back::milliseconds;
use super::{Device, Task};
use crate::errors;

/// How a session is written.
#[derive(Clone, Copy)]
pub(super) struct Course {
    /// Where it begins.
    pub first: u32,
    /// Its blocks.
    pub blocks: u32,
    pub finalise: bool,
    /// In 1000 bytes a second, 0 for the fastest.
    pub speed: u32,
}

/// Single blocks with their addresses, for [`mmc::Recorder::rewrite`].
pub(super) type Front = Vec<(u32, [u8; discfs::BLOCK])>;

fn close_of(course: &Course) -> Close {
    match course.finalise {
        true => Close::Finalised,
        false => Close::Appendable,
    }
}

impl Course {
    /// Asks the drive whether the session can be written; nothing is.
    pub(super) fn plan(&self, device: &mut Device) -> Result<Plan, Failure> {
        let intent = Intent::new(self.first, self.blocks).close(close_of(self));
        device
            .drive()
            .plan(&intent)
            .map_err(|error| errors::drive(&error))
    }
}

/// A session to be written.
pub(super) struct Session<'a> {
    pub course: Course,
    pub plan: Plan,
    /// What takes readers to the session on an overwritable disc; written last.
    pub front: &'a Front,
    /// The job's directory.
    pub journal: &'a OwnedFd,
}

impl Session<'_> {
    /// Writes and closes it.
    pub(super) fn write(
        self,
        task: &Task<'_>,
        device: &mut Device,
        source: &mut dyn Source,
        summary: &mut JobSummary,
    ) -> Result<mmc::Disc, Failure> {
        let Self {
            course,
            plan,
            front,
            journal,
        } = self;
        let bytes = |blocks: u32| u64::from(blocks) * wire::BLOCK_SIZE;
        let blocks = plan.cluster_blocks().max(1);
        let cluster = usize::try_from(bytes(blocks)).unwrap_or(usize::MAX);
        task.job.begin(Phase::Writing, bytes(plan.padded_blocks()));
        let begun = Instant::now();
        let clusters = plan.padded_blocks() / blocks;
        device.drive().host().follow(task.job);
        set_speed(task, device, course.speed, summary);
        let mut recorder = device
            .drive()
            .record(plan)
            .map_err(|error| errors::drive(&error))?;
        // What a burn that goes on finds on the disc is compared with the digests of then, not written again.
        let written = recorder.written();
        let mut before = (written > 0).then(|| Kept::open(journal)).flatten();
        let mut keeper = Keeper::new(journal, clusters)?;
        std::thread::scope(|scope| {
            let ahead = Ahead::start(scope, source, cluster)?;
            let syncer = keeper.syncer(scope)?;
            let mut at = 0;
            loop {
                let buffer = ahead.next()?;
                if buffer.is_empty() {
                    return Ok::<_, Failure>(());
                }
                task.job.go_on()?;
                let digest = keeper.add(&buffer)?;
                if at >= written {
                    recorder.write(&buffer).map_err(|error| errors::drive(&error))?;
                } else {
                    let was = before.as_mut().and_then(|before| before.next().ok());
                    if was.is_some_and(|was| was != digest && was != [0; 32]) {
                        return Err(errors::other_image());
                    }
                }
                at += blocks;
                task.job.done(bytes(at));
                syncer.now_and_then();
                ahead.recycle(buffer);
            }
        })?;
        summary.write_time += milliseconds(begun);
        summary.digest = keeper.finish()?;
        task.job.begin(Phase::Closing, 0);
        let begun = Instant::now();
        if !front.is_empty() {
            recorder.rewrite(front).map_err(|error| errors::drive(&error))?;
        }
        let disc = recorder.finish().map_err(|error| errors::drive(&error))?;
        summary.close_time += milliseconds(begun);
        Ok(disc)
    }
}

/// Asks for a write speed; a drive that takes none burns at its own.
pub(super) fn set_speed(task: &Task<'_>, device: &mut Device, speed: u32, summary: &mut JobSummary) {
    if speed == 0 {
        return;
    }
    if let Err(failure) = device.set_speeds(speed, 0) {
        let remark = format!("the speed asked for was not taken: {}", failure.what);
        task.job.note(&*remark);
        summary.remarks.push(remark);
    }
}

/// Digests a session without writing it; SHA-256 over the list.
pub(super) fn digest(
    task: &Task<'_>,
    journal: &OwnedFd,
    source: &mut dyn Source,
    cluster: u32,
    blocks: u32,
) -> Result<[u8; 32], Failure> {
    let cluster = cluster.max(1);
    let mut keeper = Keeper::new(journal, blocks.div_ceil(cluster))?;
    let length = usize::try_from(u64::from(cluster) * wire::BLOCK_SIZE).unwrap_or(usize::MAX);
    let mut buffer = vec![0; length];
    let mut done = 0;
    loop {
        task.job.go_on()?;
        match source.next(&mut buffer)? {
            0 => return keeper.finish(),
            produced => {
                let part = buffer.get(..produced * discfs::BLOCK).unwrap_or_default();
                keeper.add(part)?;
                done += part.len() as u64;
                task.job.done(done);
            }
        }
    }
}
