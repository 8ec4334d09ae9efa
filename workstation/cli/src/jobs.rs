//! Jobs: what takes long, and following it.

use std::collections::BTreeMap;

use client::wire::{
    self, BurnCopy, CopyDisc, CopyMode, Job, JobEnded, JobProgress, Outcome, Phase, Record, RecordMode,
    Scrub, Treat, Treatment,
};
use client::{Connection, Error};
use serde_json::{Value, json};

use crate::arguments;
use crate::exit::Exit;
use crate::output::{Output, duration, failure, hex, label, moment, size};
use crate::progress::Progress;

pub fn burn(connection: &mut Connection, what: &arguments::Burn, output: Output) -> Result<Exit, Error> {
    if let Some(copy) = what.copy {
        let burn = BurnCopy {
            copy,
            drive: what.how.drive.first().copied().unwrap_or(0),
            count: what.count,
            label: what.how.label.clone(),
            finalise: what.how.finalise,
            speed: what.how.speed,
            priority: what.how.priority,
        };
        return follow_all(output, |each| connection.burn_copy(burn, each));
    }
    let how = &what.how;
    let plain = how.copies == 0 && how.speed == 0 && how.priority == wire::PRIORITY_DEFAULT;
    match (how.drive.as_slice(), what.overwrite) {
        // As boxes of before know it.
        ([drive], false) if plain => {
            let burn = wire::Burn {
                drive: *drive,
                tree: how.tree,
                label: how.label.clone(),
                finalise: how.finalise,
            };
            follow(output, |each| connection.burn(burn, each))
        }
        (_, overwrite) => {
            let mode = match overwrite {
                true => RecordMode::Overwrite,
                false => RecordMode::New,
            };
            follow_all(output, |each| connection.record(record(how, mode), each))
        }
    }
}

pub fn append(connection: &mut Connection, what: &arguments::Append, output: Output) -> Result<Exit, Error> {
    let record = record(&what.how, RecordMode::Append);
    follow_all(output, |each| connection.record(record, each))
}

fn record(how: &arguments::Burning, mode: RecordMode) -> Record {
    Record {
        drives: how.drive.clone(),
        tree: how.tree,
        label: how.label.clone(),
        mode: mode.number(),
        finalise: how.finalise,
        speed: how.speed,
        copies: how.copies,
        priority: how.priority,
    }
}

pub fn copy(connection: &mut Connection, what: &arguments::Copy, output: Output) -> Result<Exit, Error> {
    let mode = match what.image {
        true => CopyMode::Image,
        false => CopyMode::Tree,
    };
    let copy = CopyDisc {
        drive: what.which.drive,
        mode: mode.number(),
        session: what.session,
        speed: what.reading.speed,
        priority: what.reading.priority,
    };
    follow(output, |each| connection.copy(copy, each))
}

pub fn verify(connection: &mut Connection, drive: u32, output: Output) -> Result<Exit, Error> {
    follow(output, |each| connection.verify(drive, each))
}

pub fn scrub(connection: &mut Connection, what: &arguments::Scrub, output: Output) -> Result<Exit, Error> {
    let scrub = Scrub {
        drive: what.which.drive,
        speed: what.reading.speed,
        priority: what.reading.priority,
    };
    follow(output, |each| connection.scrub(scrub, each))
}

pub fn treat(
    connection: &mut Connection,
    drive: u32,
    treatment: Treatment,
    confirmed: bool,
    output: Output,
) -> Result<Exit, Error> {
    let treat = Treat {
        drive,
        treatment: treatment.number(),
        confirmed,
        priority: wire::PRIORITY_DEFAULT,
    };
    follow(output, |each| connection.treat(treat, each))
}

pub fn watch(connection: &mut Connection, job: u64, output: Output) -> Result<Exit, Error> {
    follow(output, |each| connection.watch(job, each))
}

pub fn log(connection: &mut Connection, job: u64, output: Output) -> Result<Exit, Error> {
    let log = connection.job_log(job)?;
    output.print(
        || match log.lines.as_slice() {
            [] => "the job has noted nothing".into(),
            some => {
                let lines = some
                    .iter()
                    .map(|line| format!("{}  {}\n", moment(line.at), line.text));
                lines.collect()
            }
        },
        || {
            let lines = log
                .lines
                .iter()
                .map(|line| json!({ "at": line.at.seconds, "text": line.text }));
            json!({ "job": log.job, "lines": lines.collect::<Vec<_>>() })
        },
    )?;
    Ok(Exit::Done)
}

/// Shows how jobs go, all of them together.
struct Watch {
    progress: Progress,
    /// Nothing is told beside the progress.
    quiet: bool,
    /// Where each is.
    jobs: BTreeMap<u64, JobProgress>,
}

impl Watch {
    fn new(output: Output) -> Self {
        Self {
            progress: Progress::new(output, "queued", 0),
            quiet: output.json,
            jobs: BTreeMap::new(),
        }
    }

    fn at(&mut self, now: &JobProgress) {
        let job = now.job;
        let before = self.jobs.insert(job, now.clone());
        if before.is_none() && !self.quiet {
            self.progress.note(&format!(
                "job {job}; it goes on without this command, `spindle watch {job}` follows it"
            ));
        }
        let awaits = |job: &JobProgress| job.phase.number == Phase::AwaitingDisc.number();
        if awaits(now) && !before.is_some_and(|before| awaits(&before)) && !self.quiet {
            self.progress
                .note(&format!("job {job}: put a blank disc in and close the tray"));
        }
        let buffer = match now.buffer {
            percent @ 0..=100 => format!("  buffer {percent} %"),
            _ => String::new(),
        };
        // Several are shown as one, in the phase of the one that is least far.
        let same = |other: &&JobProgress| other.phase.number == now.phase.number;
        let (done, total) = self
            .jobs
            .values()
            .filter(same)
            .fold((0, 0), |(done, total), job| (done + job.done, total + job.total));
        self.progress.at(&now.phase.text, done, total, &buffer);
    }
}

fn follow(
    output: Output,
    job: impl FnOnce(&mut dyn FnMut(&JobProgress)) -> Result<JobEnded, Error>,
) -> Result<Exit, Error> {
    let mut watch = Watch::new(output);
    let ended = job(&mut |now| watch.at(now));
    watch.progress.finish();
    let ended = ended?;
    output.print(|| ended_text(&ended), || ended_json(&ended))?;
    Ok(exit_of(&ended))
}

fn follow_all(
    output: Output,
    jobs: impl FnOnce(&mut dyn FnMut(&JobProgress)) -> Result<Vec<JobEnded>, Error>,
) -> Result<Exit, Error> {
    let mut watch = Watch::new(output);
    let ended = jobs(&mut |now| watch.at(now));
    watch.progress.finish();
    let ended = ended?;
    output.print(
        || ended.iter().map(ended_text).collect(),
        || json!({ "jobs": ended.iter().map(ended_json).collect::<Vec<_>>() }),
    )?;
    // A tree on as many discs as were asked for is archived, whatever became of others.
    let archived = |ended: &JobEnded| ended.outcome.number == Outcome::Archived.number();
    let worst = || ended.iter().map(exit_of).max_by_key(|exit| *exit as u8);
    Ok(
        match ended.iter().any(archived) && ended.iter().all(|ended| archived(ended) || is_spare(ended)) {
            true => Exit::Done,
            false => worst().unwrap_or(Exit::Done),
        },
    )
}

/// Whether a job that did not archive took nothing from one that did.
fn is_spare(ended: &JobEnded) -> bool {
    ended.outcome.number == Outcome::Burned.number()
}

fn exit_of(ended: &JobEnded) -> Exit {
    let good = [
        Outcome::Archived,
        Outcome::Burned,
        Outcome::Verified,
        Outcome::Readable,
        Outcome::Done,
        Outcome::Copied,
    ];
    match (&ended.failure, Outcome::from_number(ended.outcome.number)) {
        (None, Some(outcome)) if good.contains(&outcome) => Exit::Done,
        (Some(failure), _) => Exit::of_failure(failure),
        _ => Exit::Refused,
    }
}

fn ended_text(ended: &JobEnded) -> String {
    let done = &ended.summary;
    let mut text = format!("job {}: {}\n", ended.job, ended.outcome);
    if let Some(failure) = &ended.failure {
        text += &format!("{failure}\n");
    }
    if done.blocks > 0 {
        text += &format!("  {} files, {}\n", done.files, size(done.bytes));
        text += &format!(
            "  session {}, {} blocks from block {}\n",
            done.session, done.blocks, done.start
        );
    }
    if done.disc_id != [0; 16] {
        text += &format!("  disc {}\n", hex(&done.disc_id));
    }
    for (name, time) in [
        ("written", done.write_time),
        ("closed", done.close_time),
        ("read back", done.verify_time),
    ] {
        if time > 0 {
            text += &format!("  {name} in {}\n", duration(time));
        }
    }
    for remark in &done.remarks {
        text += &format!("  {remark}\n");
    }
    text
}

fn ended_json(ended: &JobEnded) -> Value {
    let done = &ended.summary;
    json!({
        "job": ended.job,
        "outcome": label(&ended.outcome),
        "failure": ended.failure.as_ref().map(failure),
        "disc_id": hex(&done.disc_id),
        "session": done.session,
        "start": done.start,
        "blocks": done.blocks,
        "files": done.files,
        "bytes": done.bytes,
        "digest": hex(&done.digest),
        "write_ms": done.write_time,
        "close_ms": done.close_time,
        "verify_ms": done.verify_time,
        "remarks": done.remarks,
    })
}

pub fn list(connection: &mut Connection, output: Output) -> Result<Exit, Error> {
    let jobs = connection.jobs()?;
    let text = |job: &Job| {
        let tree = if job.tree == 0 {
            String::new()
        } else {
            format!(" of tree {}", job.tree)
        };
        format!(
            "{:5}  {}  {}{tree} on drive {}: {}\n",
            job.job,
            moment(job.created),
            job.kind,
            job.drive,
            job.state
        )
    };
    output.print(
        || {
            if jobs.is_empty() {
                "no jobs".into()
            } else {
                jobs.iter().map(text).collect()
            }
        },
        || json!({ "jobs": jobs.iter().map(job_json).collect::<Vec<_>>() }),
    )?;
    Ok(Exit::Done)
}

pub fn job_json(job: &Job) -> Value {
    json!({
        "job": job.job,
        "kind": label(&job.kind),
        "state": label(&job.state),
        "created": job.created.seconds,
        "drive": job.drive,
        "tree": job.tree,
    })
}
