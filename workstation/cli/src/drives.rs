//! The box, its drives, the disc in one of them.

use client::wire::{Disc, DiscReport, Drive, SetSpeed, Status};
use client::{Connection, Error};
use serde_json::{Value, json};

use crate::arguments;
use crate::exit::Exit;
use crate::output::{Output, duration, failure, hex, label, moment, size};

pub fn status(connection: &mut Connection, output: Output) -> Result<Exit, Error> {
    let status = connection.status()?;
    output.print(|| status_text(&status), || status_json(&status))?;
    Ok(Exit::Done)
}

fn status_text(status: &Status) -> String {
    let mut text = format!(
        "{} ({}), firmware {}, up {}\nclock     {} UTC\n",
        status.name,
        hex(&status.box_id),
        status.firmware,
        duration(status.uptime.saturating_mul(1000)),
        moment(status.utc),
    );
    text += &match status.data_size {
        0 => "data      no data partition\n".to_string(),
        total => format!("data      {} free of {}\n", size(status.data_free), size(total)),
    };
    let held = if status.held { ", one holds the box" } else { "" };
    text += &format!(
        "sessions  {}{held}\ndrives    {}\n",
        status.sessions, status.drives
    );
    for job in &status.jobs {
        text += &format!(
            "job {:5} {} on drive {}: {}\n",
            job.job, job.kind, job.drive, job.state
        );
    }
    for notice in &status.notices {
        text += &format!("attention {notice}\n");
    }
    text
}

fn status_json(status: &Status) -> Value {
    json!({
        "box_id": hex(&status.box_id),
        "name": status.name,
        "firmware": status.firmware,
        "uptime": status.uptime,
        "utc": status.utc.seconds,
        "data_size": status.data_size,
        "data_free": status.data_free,
        "sessions": status.sessions,
        "held": status.held,
        "drives": status.drives,
        "jobs": status.jobs.iter().map(crate::jobs::job_json).collect::<Vec<_>>(),
        "notices": status.notices.iter().map(failure).collect::<Vec<_>>(),
    })
}

pub fn list(connection: &mut Connection, output: Output) -> Result<Exit, Error> {
    let drives = connection.drives()?.drives;
    output.print(
        || match drives.as_slice() {
            [] => "no drive is connected".into(),
            some => some.iter().map(drive_text).collect(),
        },
        || json!({ "drives": drives.iter().map(drive_json).collect::<Vec<_>>() }),
    )?;
    Ok(Exit::Done)
}

fn drive_text(drive: &Drive) -> String {
    let job = if drive.job == 0 {
        String::new()
    } else {
        format!(", job {}", drive.job)
    };
    format!(
        "drive {}  {} {} {}  {}  {}{job}\n",
        drive.drive, drive.vendor, drive.product, drive.revision, drive.state, drive.media
    )
}

fn drive_json(drive: &Drive) -> Value {
    json!({
        "drive": drive.drive,
        "vendor": drive.vendor,
        "product": drive.product,
        "revision": drive.revision,
        "serial": drive.serial,
        "state": label(&drive.state),
        "media": label(&drive.media),
        "job": drive.job,
    })
}

pub fn disc(connection: &mut Connection, drive: u32, output: Output) -> Result<Exit, Error> {
    let disc = connection.disc(drive)?;
    output.print(|| disc_text(&disc), || disc_json(&disc))?;
    Ok(Exit::Done)
}

fn disc_text(disc: &Disc) -> String {
    const BLOCK: u64 = client::wire::BLOCK_SIZE;
    let mut text = format!("{}, {}", disc.media, disc.state);
    if !disc.media_id.is_empty() {
        text += &format!(", made as {}", disc.media_id);
    }
    text += &format!(
        "\ncapacity  {}, {} free\n",
        size(disc.capacity.saturating_mul(BLOCK)),
        size(disc.free.saturating_mul(BLOCK))
    );
    if !disc.label.is_empty() {
        text += &format!("label     {}\n", disc.label);
    }
    if disc.disc_id != [0; 16] {
        text += &format!("identity  {}\n", hex(&disc.disc_id));
        text += &match disc.verified {
            0 => "verified  never\n".to_string(),
            seconds => {
                format!(
                    "verified  {} UTC\n",
                    moment(client::wire::Time {
                        seconds,
                        nanoseconds: 0
                    })
                )
            }
        };
    }
    for session in &disc.sessions {
        text += &format!(
            "session {} from block {}, {}\n",
            session.session,
            session.start,
            size(session.blocks.saturating_mul(BLOCK))
        );
    }
    text
}

fn disc_json(disc: &Disc) -> Value {
    let sessions = disc.sessions.iter().map(
        |session| json!({ "session": session.session, "start": session.start, "blocks": session.blocks }),
    );
    json!({
        "drive": disc.drive,
        "media": label(&disc.media),
        "state": label(&disc.state),
        "capacity_blocks": disc.capacity,
        "free_blocks": disc.free,
        "next_writable": disc.next_writable,
        "media_id": disc.media_id,
        "label": disc.label,
        "sessions": sessions.collect::<Vec<_>>(),
        "disc_id": hex(&disc.disc_id),
        "verified": disc.verified,
    })
}

/// The disc with its tracks, what is wrong with it, and how well it read.
pub fn report(connection: &mut Connection, drive: u32, output: Output) -> Result<Exit, Error> {
    let report = connection.disc_report(drive)?;
    output.print(|| report_text(&report), || report_json(&report))?;
    Ok(Exit::Done)
}

fn report_text(report: &DiscReport) -> String {
    let mut text = disc_text(&report.disc);
    for track in &report.tracks {
        let marks = [
            (track.blank, "blank"),
            (track.reserved, "reserved"),
            (track.damaged, "damaged"),
        ];
        let marks: String = marks
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, mark)| format!(", {mark}"))
            .collect();
        let next = track
            .next_writable
            .map_or_else(String::new, |next| format!(", goes on at block {next}"));
        text += &format!(
            "track {:3} of session {}: {} blocks from block {}{next}{marks}\n",
            track.track, track.session, track.blocks, track.start
        );
    }
    for failure in &report.condition {
        text += &format!("attention {failure}\n");
    }
    if report.mapped != 0 {
        let at = client::wire::Time {
            seconds: report.mapped,
            nanoseconds: 0,
        };
        text += &format!("read last on {} UTC\n", moment(at));
        for region in report
            .regions
            .iter()
            .filter(|region| region.retried + region.unreadable > 0)
        {
            text += &format!(
                "  {} blocks from block {}: {} reads repeated, {} blocks unreadable\n",
                region.blocks, region.start, region.retried, region.unreadable
            );
        }
    }
    text
}

fn report_json(report: &DiscReport) -> Value {
    let tracks = report.tracks.iter().map(|track| {
        json!({
            "track": track.track,
            "session": track.session,
            "start": track.start,
            "blocks": track.blocks,
            "next_writable": track.next_writable,
            "blank": track.blank,
            "reserved": track.reserved,
            "damaged": track.damaged,
        })
    });
    let regions = report.regions.iter().map(|region| {
        json!({
            "start": region.start,
            "blocks": region.blocks,
            "read_ms": region.time,
            "retried": region.retried,
            "unreadable": region.unreadable,
        })
    });
    let mut value = disc_json(&report.disc);
    value["tracks"] = tracks.collect();
    value["condition"] = report.condition.iter().map(failure).collect();
    value["mapped"] = report.mapped.into();
    value["regions"] = regions.collect();
    value
}

pub fn speed(connection: &mut Connection, what: &arguments::Speed, output: Output) -> Result<Exit, Error> {
    let drive = what.which.drive;
    let speeds = match (what.write, what.read) {
        (None, None) => connection.speeds(drive)?,
        (write, read) => connection.set_speed(SetSpeed {
            drive,
            write: write.unwrap_or(0),
            read: read.unwrap_or(0),
        })?,
    };
    output.print(
        || {
            let offered: Vec<String> = speeds.write.iter().map(|speed| format!("{speed} kB/s")).collect();
            format!(
                "writes at {}\nset to   writing {} kB/s, reading {} kB/s\n",
                offered.join(", "),
                speeds.write_now,
                speeds.read_now
            )
        },
        || {
            json!({
                "drive": speeds.drive,
                "write": speeds.write,
                "write_now": speeds.write_now,
                "read_now": speeds.read_now,
            })
        },
    )?;
    Ok(Exit::Done)
}
