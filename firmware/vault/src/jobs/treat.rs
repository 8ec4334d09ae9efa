//! Work on a disc without data: finalise, repair, blank, format, erase.

use std::time::Instant;

use mmc::{Blank, Close, Format};
use wire::{JobSummary, Outcome, Phase, Treatment};

use super::read_back::milliseconds;
use super::{Failed, Task, Worker};
use crate::errors::{self, Refusal};

pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    treatment: u16,
) -> Result<Outcome, Failed> {
    let treatment = Treatment::from_number(treatment).ok_or(Refusal::UnknownTreatment(treatment))?;
    let device = worker.device()?;
    let seen = device.look(Some(task.data))?;
    device.drive().host().follow(task.job);
    if let Some((id, _)) = &seen.known {
        summary.disc_id = *id;
    }
    task.job.begin(Phase::Treating, 0);
    let begun = Instant::now();
    let drive = device.drive();
    let treated = match treatment {
        Treatment::Finalise => drive.finalise(),
        Treatment::Repair => drive.repair(Close::Appendable),
        Treatment::Blank => drive.blank(Blank::Fast),
        Treatment::BlankFully => drive.blank(Blank::Full),
        Treatment::Format => drive.format(Format::Usual),
        Treatment::FormatFully => drive.format(Format::Whole),
        Treatment::Erase => drive.erase(),
        _ => return Err(Refusal::UnknownTreatment(treatment.number()).into()),
    };
    device.forget_disc();
    let disc = treated.map_err(|error| errors::drive(&error))?;
    summary.close_time = milliseconds(begun);
    if errors::destroys(treatment)
        && let Some((id, _)) = &seen.known
    {
        task.data.catalog.disc_destroyed(*id)?;
    }
    let remark = format!("the {} is {:?} now", disc.profile, disc.status);
    task.job.note(&*remark);
    summary.remarks.push(remark);
    Ok(Outcome::Done)
}
