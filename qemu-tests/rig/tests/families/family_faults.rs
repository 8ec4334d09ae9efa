//! The driver on every kind of disc while the drive misbehaves: good is only what is there.

use super::place::{
    BLANK, BLOCK, CLOSE, FORMAT, Family, RESERVE, SELECT, SYNCHRONIZE, WRITE, image, on_each, place,
};
use anyhow::{Context, Result, bail, ensure};
use burner::Fault;
use mmc::{Blank, Close, DiscStatus, Error, Format, Intent};

/// Two sessions, the second with this fault. It is good only if it is all there; the first stays in any
/// case. Returns why it was not.
fn second_session_with(
    family: &Family,
    fault: impl Fn(u32) -> Fault,
    at_once: bool,
) -> Result<Option<Error>> {
    let mut place = place(family.profile, family.capacity)?;
    let mut sessions = Vec::new();
    if family.appends && !at_once {
        let first = place.next(&sessions)?;
        sessions.push(place.burn(1, &Intent::new(first, 400))?);
    }
    let first = place.next(&sessions)?;
    let mut intent = Intent::new(first, 500);
    if at_once {
        intent = intent.at_once();
    }
    if !family.appends || at_once && family.finalises {
        intent = intent.finalised();
    }
    place
        .burner
        .drive
        .control(|drive| drive.faults().arm(fault(first)));
    let burned = place.burn(2, &intent);
    place.burner.drive.control(|drive| drive.faults().disarm());
    // Whatever was done to the drive, it answers again.
    place.burner.drive.control(|drive| {
        if drive.tray_open() {
            drive.push_tray();
        }
    });
    place.drive.ready()?;
    match burned {
        Ok(session) => {
            sessions.push(session);
            place.compare(&sessions)?;
            Ok(None)
        }
        Err(error) => {
            ensure!(!error.cause().is_empty() && !error.remedy().is_empty(), "{error}");
            place
                .compare(&sessions)
                .with_context(|| format!("after {error}"))?;
            Ok(Some(error))
        }
    }
}

#[test]
fn what_a_drive_recovers_from_costs_no_session() -> Result<()> {
    let times = |times| Some(times);
    let faults: &[(&str, &dyn Fn(u32) -> Fault)] = &[
        ("long write", &|first| Fault::LongWrite {
            at: first + 100,
            times: times(50),
        }),
        ("slow close", &|_| Fault::SlowClose { times: 30 }),
        ("write unanswered", &|_| Fault::LostReply {
            opcode: WRITE,
            times: times(1),
        }),
        ("flush unanswered", &|_| Fault::LostReply {
            opcode: SYNCHRONIZE,
            times: times(1),
        }),
        ("close unanswered", &|_| Fault::LostReply {
            opcode: CLOSE,
            times: times(1),
        }),
        ("reset at a write", &|_| Fault::BusReset {
            opcode: WRITE,
            times: times(3),
        }),
        ("reset at the flush", &|_| Fault::BusReset {
            opcode: SYNCHRONIZE,
            times: times(2),
        }),
        ("reset at the close", &|_| Fault::BusReset {
            opcode: CLOSE,
            times: times(2),
        }),
        ("reset at the parameters", &|_| Fault::BusReset {
            opcode: SELECT,
            times: times(2),
        }),
        ("attentions", &|_| Fault::UnitAttention {
            opcode: None,
            code: 0x2A,
            qualifier: 1,
            times: times(6),
        }),
        ("write parameters unanswered", &|_| Fault::LostReply {
            opcode: SELECT,
            times: times(1),
        }),
        ("reservation unanswered", &|_| Fault::LostReply {
            opcode: RESERVE,
            times: times(1),
        }),
        ("format unanswered", &|_| Fault::LostReply {
            opcode: FORMAT,
            times: times(1),
        }),
    ];
    for (name, fault) in faults {
        on_each(|family| match second_session_with(family, fault, false)? {
            None => Ok(()),
            Some(error) => bail!("the session was given up: {error}"),
        })
        .with_context(|| name.to_string())?;
    }
    Ok(())
}

#[test]
fn what_cannot_end_well_is_never_called_good() -> Result<()> {
    let sequential = |family: &Family| !matches!(family.profile.number, 0x12 | 0x13 | 0x1A | 0x43);
    let any = |_: &Family| true;
    let none = |_: &Family| false;
    // What fails on which families; on the others it may end well, and is then compared.
    type Row<'a> = (&'a str, &'a dyn Fn(u32) -> Fault, &'a dyn Fn(&Family) -> bool);
    let rows: &[Row<'_>] = &[
        (
            "write error",
            &|first| Fault::WriteError {
                at: first + 200,
                times: None,
            },
            &any,
        ),
        (
            "no spares",
            &|first| Fault::SparesExhausted {
                at: first + 200,
                times: None,
            },
            &any,
        ),
        ("tray opens", &|first| Fault::TrayOpens { at: first + 200 }, &any),
        ("no disc", &|_| Fault::NoDisc {}, &any),
        (
            "power cut",
            &|first| Fault::PowerCut { at: first + 200 },
            &sequential,
        ),
        (
            "power cut at the first block",
            &|first| Fault::PowerCut { at: first },
            &none,
        ),
        ("close fails", &|_| Fault::FailClose { times: None }, &sequential),
        ("close lies", &|_| Fault::LyingClose { times: None }, &sequential),
        (
            "endless long write",
            &|first| Fault::LongWrite {
                at: first + 200,
                times: None,
            },
            &any,
        ),
        (
            "endless attentions",
            &|_| Fault::UnitAttention {
                opcode: Some(WRITE),
                code: 0x29,
                qualifier: 0,
                times: None,
            },
            &any,
        ),
        (
            "parameters always unanswered",
            &|_| Fault::LostReply {
                opcode: SELECT,
                times: None,
            },
            &none,
        ),
        (
            "flushes always unanswered",
            &|_| Fault::LostReply {
                opcode: SYNCHRONIZE,
                times: None,
            },
            &none,
        ),
    ];
    for (name, fault, fails) in rows {
        on_each(|family| {
            let at_once_only = !family.appends;
            // Nothing is closed that was written at once.
            let fails = fails(family) && !(at_once_only && name.starts_with("close"));
            match second_session_with(family, fault, false)? {
                None => ensure!(!fails, "it was called good"),
                Some(error) => ensure!(fails || *name != "power cut", "given up: {error}"),
            }
            if family.appends && family.profile.number != 0x13 {
                second_session_with(family, fault, true)?;
            }
            Ok(())
        })
        .with_context(|| name.to_string())?;
    }
    Ok(())
}

#[test]
fn a_disc_exchanged_in_the_middle_of_a_burn_is_not_written_on() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, family.capacity)?;
        let other = tempfile::tempdir()?;
        drop(burner::Disc::open_or_create(
            other.path(),
            family.profile,
            Some(family.capacity),
        )?);
        let close = if family.appends {
            Close::Appendable
        } else {
            Close::Finalised
        };
        let first = place.next(&[])?;
        let data = image(1, first, 128);
        let plan = place.drive.plan(&Intent::new(first, 128).close(close))?;
        let cluster = usize::try_from(plan.cluster_blocks())? * BLOCK;
        let mut recorder = place.drive.record(plan)?;
        let mut parts = data.chunks(cluster);
        recorder.write(parts.next().context("a first cluster")?)?;
        let disc = other.path().to_path_buf();
        let swap = Fault::Swap {
            opcode: WRITE,
            disc,
            silent: false,
        };
        place.burner.drive.control(|drive| drive.faults().arm(swap));
        let failed = parts.find_map(|part| recorder.write(part).err());
        ensure!(
            failed.is_some() || recorder.finish().is_err(),
            "the exchange was not noticed"
        );
        let written = std::fs::read(other.path().join("disc.img"))?;
        ensure!(
            written.iter().all(|byte| *byte == 0),
            "the other disc was written on"
        );
        Ok(())
    })
}

#[test]
fn blanking_and_formatting_whose_answer_is_lost_are_settled_by_the_disc() -> Result<()> {
    for (profile, opcode) in [
        (&burner::CD_RW, BLANK),
        (&burner::DVD_RW, BLANK),
        (&burner::DVD_RW, FORMAT),
        (&burner::BD_RE, FORMAT),
        (&burner::DVD_PLUS_RW, FORMAT),
    ] {
        let mut place = place(profile, 8192)?;
        for fault in [
            Fault::LostReply {
                opcode,
                times: Some(1),
            },
            Fault::BusReset {
                opcode,
                times: Some(2),
            },
            Fault::SlowClose { times: 20 },
        ] {
            place.burner.drive.control(|drive| drive.faults().arm(fault));
            let disc = if opcode == BLANK {
                place.drive.blank(Blank::Fast)?
            } else {
                place.drive.format(Format::Usual)?
            };
            ensure!(
                (disc.status == DiscStatus::Blank) == (opcode == BLANK),
                "{disc:?}"
            );
        }
    }
    Ok(())
}
