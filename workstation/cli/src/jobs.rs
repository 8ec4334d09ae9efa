//! Jobs: burn, verify, and following them.

use client::wire::{self, Job, JobEnded, JobProgress, Outcome};
use client::{Connection, Error};
use serde_json::{Value, json};

use crate::arguments;
use crate::exit::Exit;
use crate::output::{Output, duration, failure, hex, label, moment, size};
use crate::progress::Progress;

pub fn burn(connection: &mut Connection, what: &arguments::Burn, output: Output) -> Result<Exit, Error> {
    let burn = wire::Burn {
        drive: what.drive,
        tree: what.tree,
        label: what.label.clone(),
        finalise: what.finalise,
    };
    follow(output, |each| connection.burn(burn, each))
}

pub fn verify(connection: &mut Connection, drive: u32, output: Output) -> Result<Exit, Error> {
    follow(output, |each| connection.verify(drive, each))
}

pub fn watch(connection: &mut Connection, job: u64, output: Output) -> Result<Exit, Error> {
    follow(output, |each| connection.watch(job, each))
}

fn follow(
    output: Output,
    job: impl FnOnce(&mut dyn FnMut(&JobProgress)) -> Result<JobEnded, Error>,
) -> Result<Exit, Error> {
    let mut progress = Progress::new(output, "queued", 0);
    let mut told = output.json;
    let ended = job(&mut |now| {
        if !std::mem::replace(&mut told, true) {
            let job = now.job;
            progress.note(&format!(
                "job {job}; it goes on without this command, `spindle watch {job}` follows it"
            ));
        }
        let buffer = match now.buffer {
            percent @ 0..=100 => format!("  buffer {percent} %"),
            _ => String::new(),
        };
        progress.at(&now.phase.text, now.done, now.total, &buffer);
    });
    progress.finish();
    let ended = ended?;
    output.print(|| ended_text(&ended), || ended_json(&ended))?;
    let good = [Outcome::Archived, Outcome::Burned, Outcome::Verified];
    Ok(
        match (&ended.failure, Outcome::from_number(ended.outcome.number)) {
            (None, Some(outcome)) if good.contains(&outcome) => Exit::Done,
            (Some(failure), _) => Exit::of_failure(failure),
            _ => Exit::Refused,
        },
    )
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
