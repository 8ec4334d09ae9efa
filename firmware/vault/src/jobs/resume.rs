//! Goes on with a burn that a restart interrupted: where the disc really ends, or behind a session that is closed
//! where it ended, or not at all; and says which.
//!
//! Nothing depends on what the journal may have lost: the image is made anew, the tree read again, and what is on
//! the disc is read back in the end as after any other burn.

use mmc::{Close, Intent, Interrupted, Loss, Resumption};
use wire::{JobSummary, Outcome};

use super::burn::{Prepared, Spot, burn, leave_in_order};
use super::clusters::Kept;
use super::{Failed, Task, Worker};
use crate::catalog::{Recording, WriteRecord};
use crate::errors;

/// Blocks that a drive may lose with its power, more or less: a disc that should have more and has nothing is
/// another one.
const UNPROVED: u32 = 8_448;

pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    recording: &Recording,
    write: &WriteRecord,
) -> Result<Outcome, Failed> {
    let elsewhere = |why: &str| Failed {
        outcome: Outcome::Interrupted,
        failure: errors::cannot_go_on(task.job.number, why),
    };
    let known = &task.job.record.identity;
    let device = worker.device()?;
    let identity = crate::drives::identity(device.drive().identity());
    if !known.is_empty() && *known != identity {
        return Err(elsewhere("it began on another drive"));
    }
    // A disc that was in the drive when the power came back may still be becoming ready.
    if let Err(error) = device.drive().ready() {
        return Err(elsewhere(&error.to_string()));
    }
    let close = match recording.finalise {
        true => Close::Finalised,
        false => Close::Appendable,
    };
    let journal = task.data.staging.job(task.job.number)?;
    let kept = Kept::count(&journal).saturating_mul(u64::from(write.cluster));
    let interrupted = Interrupted {
        intent: Intent::new(write.first, write.blocks).close(close),
        journalled: u32::try_from(kept).unwrap_or(u32::MAX).min(write.blocks),
    };
    let resumption = match device.drive().resume(&interrupted) {
        Ok(resumption) => resumption,
        Err(error) => return Err(elsewhere(&error.to_string())),
    };
    match resumption {
        Resumption::Continue { doubtful, .. } if doubtful.is_empty() && interrupted.journalled > UNPROVED => {
            Err(elsewhere("the disc in the drive has nothing of it"))
        }
        Resumption::Continue { plan, doubtful } => {
            let prepared = again(task, worker, summary, recording, write)?;
            if prepared.course.blocks != write.blocks || !prepared.is_on(task, worker.device()?, doubtful)? {
                return behind(
                    task,
                    worker,
                    summary,
                    recording,
                    write,
                    "its end is not as it was burned",
                );
            }
            tell(
                task,
                summary,
                "an interrupted burn went on exactly where the disc ended",
            );
            let written = prepared.write_and_prove(task, worker, summary, plan);
            if written.is_err() {
                leave_in_order(task, worker, summary);
            }
            Ok(written?)
        }
        Resumption::Closed(_) => {
            let prepared = again(task, worker, summary, recording, write)?;
            let end = write.first.saturating_add(write.blocks);
            let last = end.saturating_sub(write.cluster).max(write.first)..end;
            if prepared.course.blocks != write.blocks || !prepared.is_on(task, worker.device()?, last)? {
                return Err(elsewhere("the disc in the drive is another one"));
            }
            tell(
                task,
                summary,
                "the interrupted burn had been closed; its disc was read back",
            );
            prepared.digest(task, summary, write.cluster)?;
            Ok(prepared.prove(task, worker, summary, write.cluster)?)
        }
        Resumption::Repair(condition) => {
            let state = condition.state.to_string();
            behind(task, worker, summary, recording, write, &state)
        }
        Resumption::Lost(Loss::OtherDisc) => Err(elsewhere("the disc in the drive is another one")),
        Resumption::Lost(loss) => Err(errors::disc_lost(&loss.to_string()).into()),
    }
}

fn tell(task: &Task<'_>, summary: &mut JobSummary, what: &str) {
    task.job.note(what);
    summary.remarks.push(what.into());
}

/// The same image again.
fn again(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    recording: &Recording,
    write: &WriteRecord,
) -> Result<Prepared, Failed> {
    let spot = Spot {
        first: Some(write.first),
        ..spot(task, worker, write)?
    };
    Ok(Prepared::new(task, worker, summary, recording, spot)?)
}

fn spot(task: &Task<'_>, worker: &mut Worker, write: &WriteRecord) -> Result<Spot, Failed> {
    let device = worker.device()?;
    device.forget_disc();
    let mut seen = device.look(Some(task.data))?;
    // Drives count only closed sessions as readable; what the base refers to lies before the burn.
    seen.readable = seen.readable.max(write.first);
    let disc = device.drive().disc().map_err(|error| errors::drive(&error))?;
    let front = disc.model == mmc::Model::Overwritable;
    Ok(Spot {
        first: disc.next_writable().filter(|_| !front),
        base: write.base,
        front,
        cluster: write.cluster,
        seen: Some(seen),
        view: write.base.map(|_| write.view.clone()),
        known: Some((write.id, write.label.clone())),
        broken: None,
    })
}

/// The session is closed where it ended, and the whole tree burned behind it.
fn behind(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    recording: &Recording,
    write: &WriteRecord,
    why: &str,
) -> Result<Outcome, Failed> {
    task.job
        .note(format!("the burn cannot go on where it was: {why}"));
    let device = worker.device()?;
    if let Err(error) = device.drive().repair(Close::Appendable) {
        return Err(errors::disc_lost(&format!("{why}, and it cannot be repaired: {error}")).into());
    }
    let spot = Spot {
        broken: Some(write.first),
        ..spot(task, worker, write)?
    };
    let what =
        format!("an interrupted session was closed where it ended ({why}); the tree is burned behind it");
    tell(task, summary, &what);
    burn(task, worker, summary, recording, spot)
}
