//! Every fault of the emulated burner at every stage of the driver's work, and discs that read badly.

mod driver;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use burner::{Disc, Fault, Profile};
use driver::{Place, Session, place};
use mmc::{BLOCK, Close, Effort, Event, Intent, Interrupted, Pace, Piece, Reload, Resumption, Salvage};

/// Blocks of a session.
const SESSION: u32 = 320;

/// One disc of each way of writing: closed by track and session, by borders, or never.
const FAMILIES: [(&Profile, u32); 4] = [
    (&burner::BD_R, 8_000),
    (&burner::DVD_R, 80_000),
    (&burner::CD_R, 60_000),
    (&burner::BD_RE, 8_000),
];

/// When the fault is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Burn,
    Close,
    Append,
    Verify,
}

const STAGES: [Stage; 4] = [Stage::Burn, Stage::Close, Stage::Append, Stage::Verify];

/// Every kind of fault, about the session that begins at `first`; `other` is the folder of another disc.
fn faults(first: u32, other: &Path) -> Vec<Fault> {
    let at = first + 100;
    let mut faults = vec![
        Fault::PowerCut { at },
        Fault::WriteError { at, times: None },
        Fault::WriteError { at, times: Some(1) },
        Fault::ReadError {
            at,
            blocks: Some(40),
            tries: None,
        },
        Fault::ReadError {
            at,
            blocks: None,
            tries: Some(2),
        },
        Fault::SparesExhausted { at, times: None },
        Fault::LongWrite { at, times: None },
        Fault::LongWrite { at, times: Some(50) },
        Fault::TrayOpens { at },
        Fault::NoDisc {},
        Fault::BecomingReady { times: 3 },
        Fault::SlowClose { times: 5 },
        Fault::FailClose { times: None },
        Fault::FailClose { times: Some(1) },
        Fault::LyingClose { times: None },
        Fault::LyingClose { times: Some(1) },
        Fault::OpcFails { times: None },
        Fault::FalseBuffer { free: 1, times: None },
        Fault::Rot { at, blocks: Some(2) },
    ];
    // TEST UNIT READY, READ, READ (12), WRITE, SYNCHRONIZE CACHE, READ DISC and TRACK INFORMATION, CLOSE.
    for opcode in [0x00, 0x28, 0xA8, 0x2A, 0x35, 0x51, 0x52, 0x5B] {
        for times in [Some(1), None] {
            faults.push(Fault::LostReply { opcode, times });
            faults.push(Fault::BusReset { opcode, times });
            faults.push(Fault::UnitAttention {
                opcode: Some(opcode),
                code: 0x28,
                qualifier: 0,
                times,
            });
        }
        for silent in [false, true] {
            faults.push(Fault::Swap {
                opcode,
                disc: other.into(),
                silent,
            });
        }
        faults.push(Fault::ReplyDelay {
            opcode,
            milliseconds: 1,
            times: Some(3),
        });
    }
    faults.push(Fault::UnitAttention {
        opcode: None,
        code: 0x2A,
        qualifier: 1,
        times: Some(20),
    });
    faults
}

/// Does the stage's work on the session and reads it back past the drive's buffer; says whether all is well.
fn work(place: &mut Place, stage: Stage, session: &Session, fault: &Fault) -> Result<bool> {
    let intent = Intent::new(session.first, SESSION);
    match stage {
        Stage::Burn | Stage::Append => {
            place.arm(fault.clone());
            place.burn(session, &intent)?;
        }
        Stage::Close => {
            let plan = place.drive.plan(&intent)?;
            let cluster = plan.cluster_blocks();
            let mut recorder = place.drive.record(plan)?;
            while recorder.written() < SESSION {
                recorder.write(session.part(session.first + recorder.written(), cluster))?;
            }
            place
                .burner
                .drive
                .control(|drive| drive.faults().arm(fault.clone()));
            recorder.finish()?;
        }
        Stage::Verify => {
            place.burn(session, &intent)?;
            place.arm(fault.clone());
        }
    }
    let region = session.first..session.first + SESSION;
    place.drive.reader().defeat_cache(region, Reload::Allowed)?;
    place.reads(session)
}

/// What the burner itself says: the session is there, and where sessions are closed, it is.
fn is_true(place: &Place, disc: &Path, session: &Session, sequential: bool) -> Result<bool> {
    place.burner.drive.control(|drive| drive.remove());
    let kept = Disc::open(disc)?;
    let closed = kept.recording().tracks().iter().any(|track| {
        track.start == session.first && track.closed && track.session < kept.recording().session()
    });
    let sealed = kept.recording().is_finalised() || closed || !sequential;
    place.burner.drive.control(|drive| drive.insert(kept));
    Ok(sealed && driver::holds(disc, session)?)
}

/// After the fault: the burn is resumed, or repaired and made elsewhere, or the reason is told.
fn recover(place: &mut Place, session: &Session) -> Result<()> {
    place.acquaint()?;
    let burn = Interrupted {
        intent: Intent::new(session.first, SESSION),
        journalled: SESSION,
    };
    for _ in 0..3 {
        let next = match place.drive.resume(&burn)? {
            Resumption::Continue { plan, doubtful } => {
                let blocks = doubtful.end - doubtful.start;
                let mut read = vec![0; usize::try_from(blocks)? * BLOCK];
                place.drive.reader().read(doubtful.start, &mut read)?;
                if read == session.part(doubtful.start, blocks) {
                    place.write(plan, session, usize::MAX)?;
                    ensure!(place.reads(session)?, "resumed, and not equal");
                    return Ok(());
                }
                place.drive.repair(Close::Appendable)?;
                continue;
            }
            Resumption::Closed(_) if place.reads(session)? => return Ok(()),
            Resumption::Closed(_) => place.next()?,
            Resumption::Repair(_) => place
                .drive
                .repair(Close::Appendable)?
                .next_writable()
                .context("no room")?,
            Resumption::Lost(loss) => anyhow::bail!("lost: {loss}"),
        };
        let again = Session::new(3, next, SESSION);
        place.burn(&again, &Intent::new(next, SESSION))?;
        ensure!(place.reads(&again)?, "burned elsewhere, and not equal");
        return Ok(());
    }
    anyhow::bail!("neither resumed nor repaired")
}

fn try_one(
    (profile, capacity): (&'static Profile, u32),
    stage: Stage,
    number: usize,
    other: &Path,
) -> Result<Option<bool>> {
    let mut place = place(profile, capacity)?;
    let sequential = place.is_sequential()?;
    let earlier = match stage {
        Stage::Append if sequential => Some(place.append(1, SESSION)?),
        _ => None,
    };
    let session = Session::new(2, place.next()?, SESSION);
    // It may be written to.
    let exchanged = place.folder.path().join("other");
    std::fs::create_dir(&exchanged)?;
    for file in ["disc.img", "disc.toml"] {
        std::fs::copy(other.join(file), exchanged.join(file))?;
    }
    let Some(fault) = faults(session.first, &exchanged).into_iter().nth(number) else {
        return Ok(None);
    };
    let name = format!("{} {stage:?} {fault:?}", profile.name);
    let swaps = matches!(fault, Fault::Swap { .. });
    let outcome = work(&mut place, stage, &session, &fault);
    place.disarm();
    ensure!(
        place.drive.host().now < Duration::from_secs(4 * 3600),
        "{name}: waited {:?}",
        place.drive.host().now
    );
    let commands = place.commands.load(Ordering::Relaxed);
    ensure!(commands < 500_000, "{name}: {commands} commands");
    let disc = place.folder.path().join("disc");
    let good = matches!(outcome, Ok(true));
    if let Err(error) = &outcome {
        // A fault that is told is told in words.
        let told = error.chain().find_map(|cause| cause.downcast_ref::<mmc::Error>());
        let told = told.with_context(|| format!("{name}: {error:#}"))?;
        ensure!(!told.remedy().is_empty(), "{name}: {told} has no remedy");
        ensure!(
            !told.to_string().is_empty() && !told.cause().is_empty(),
            "{name}: {told}"
        );
    }
    if good && !swaps {
        ensure!(
            is_true(&place, &disc, &session, sequential)?,
            "{name}: called good and is not"
        );
    }
    if swaps {
        // Whichever disc it was that the burn began on: nothing was called good which is not on one.
        place.burner.drive.control(|drive| drive.remove());
        let somewhere = driver::holds(&disc, &session)? || driver::holds(&exchanged, &session)?;
        ensure!(!good || somewhere, "{name}: called good and on no disc");
        place.burner.drive.control(|drive| -> Result<()> {
            drive.insert(Disc::open(&disc)?);
            Ok(())
        })?;
    }
    if !good {
        place.burner.drive.control(|drive| drive.faults().disarm());
        place.drive.load().ok();
        recover(&mut place, &session).with_context(|| format!("{name}: {outcome:?}; then"))?;
    }
    if let Some(earlier) = earlier {
        place.acquaint()?;
        ensure!(place.reads(&earlier)?, "{name}: the session before suffered");
    }
    Ok(Some(good))
}

/// Another disc of the kind, with the same number of blocks on it but other ones.
fn other_disc(profile: &'static Profile, capacity: u32) -> Result<(tempfile::TempDir, PathBuf)> {
    let mut other = place(profile, capacity)?;
    let first = other.next()?;
    other.burn(&Session::new(7, first, SESSION), &Intent::new(first, SESSION))?;
    other.burner.drive.control(|drive| drive.remove());
    let disc = other.folder.path().join("disc");
    Ok((other.folder, disc))
}

/// What passes by itself costs no session: a driver that gave up at everything would pass everything else.
fn is_passing(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::ReadError { tries: Some(_), .. }
            | Fault::LongWrite { times: Some(_), .. }
            | Fault::LostReply { times: Some(_), .. }
            | Fault::BusReset { times: Some(_), .. }
            | Fault::BecomingReady { .. }
            | Fault::SlowClose { .. }
            | Fault::OpcFails { .. }
            | Fault::FalseBuffer { .. }
            | Fault::ReplyDelay { .. }
    )
}

fn table(family: (&'static Profile, u32)) -> Result<()> {
    let (_kept, other) = other_disc(family.0, family.1)?;
    let faults = faults(0, &other);
    let mut lost = Vec::new();
    for stage in STAGES {
        let mut tried = 0;
        while let Some(good) = try_one(family, stage, tried, &other)? {
            if let Some(fault) = faults.get(tried).filter(|fault| !good && is_passing(fault)) {
                lost.push(format!("{stage:?} {fault:?}"));
            }
            tried += 1;
        }
        ensure!(tried == faults.len(), "{stage:?} tried {tried}");
    }
    ensure!(lost.is_empty(), "given up for what passes: {lost:#?}");
    Ok(())
}

#[test]
fn faults_with_a_blu_ray() -> Result<()> {
    table(FAMILIES[0])
}

#[test]
fn faults_with_a_dvd() -> Result<()> {
    table(FAMILIES[1])
}

#[test]
fn faults_with_a_cd() -> Result<()> {
    table(FAMILIES[2])
}

#[test]
fn faults_with_an_overwritten_disc() -> Result<()> {
    table(FAMILIES[3])
}

/// Reads a range to its end, bad blocks as zeroes.
fn copy(
    place: &mut Place,
    range: std::ops::Range<u32>,
    tail: u32,
    effort: Effort,
) -> Result<(Vec<u8>, Salvage)> {
    let mut copy = Vec::new();
    let mut next = range.start;
    let salvage = place.drive.reader().with(effort).rescue(range, tail, |piece| {
        let (address, blocks) = match piece {
            Piece::Read { address, data } => {
                copy.extend_from_slice(data);
                (address, u32::try_from(data.len() / BLOCK).expect("32 bits"))
            }
            Piece::Bad { address, blocks, .. } | Piece::RunOut { address, blocks } => {
                copy.resize(copy.len() + usize::try_from(blocks).expect("64 bits") * BLOCK, 0);
                (address, blocks)
            }
        };
        assert_eq!(address, next, "pieces come in order and without gaps");
        next = address + blocks;
        ControlFlow::Continue(())
    })?;
    Ok((copy, salvage))
}

#[test]
fn everything_readable_is_read_and_the_rest_is_listed() -> Result<()> {
    let mut place = place(&burner::BD_R, 8_000)?;
    let session = Session::new(1, 0, 4096);
    place.burn(&session, &Intent::new(0, 4096))?;
    let bad = [(40, Some(1)), (100, Some(3)), (2048, Some(32))];
    for (at, blocks) in bad {
        place.arm(Fault::ReadError {
            at,
            blocks,
            tries: None,
        });
    }
    place.arm(Fault::ReadError {
        at: 3000,
        blocks: None,
        tries: Some(2),
    });
    let before = place.drive.set_speeds(Pace::AtMost(10_000), Pace::Fastest)?;
    let (copied, salvage) = copy(&mut place, 0..4096, 0, Effort::default())?;
    ensure!(
        salvage.bad_ranges == [40..41, 100..103, 2048..2080],
        "{:?}",
        salvage.bad_ranges
    );
    ensure!((salvage.read, salvage.bad, salvage.unlisted, salvage.run_out) == (4060, 36, 0, 0));
    let mut expected = session.data.clone();
    for range in &salvage.bad_ranges {
        let at = |block: u32| usize::try_from(block).expect("64 bits") * BLOCK;
        expected[at(range.start)..at(range.end)].fill(0);
    }
    ensure!(copied == expected, "what can be read is not what was burned");
    let regions = &salvage.regions;
    ensure!(regions.iter().map(|region| region.blocks).sum::<u32>() == 4096 && regions.len() == 64);
    ensure!(regions.iter().map(|region| region.bad).sum::<u32>() == 36);
    ensure!(regions.iter().map(|region| region.retries).sum::<u32>() == salvage.retries);
    let of = |block: u32| regions.iter().rfind(|region| region.first <= block);
    ensure!(
        of(3000).is_some_and(|region| region.retries == 2 && region.bad == 0),
        "{:?}",
        of(3000)
    );
    ensure!(of(500).is_some_and(|region| region.retries == 0));
    // It read slowly where it had to, and the drive has its speed back.
    let slowed = place.drive.host().events.contains(&Event::ReadingSlowly(true));
    ensure!(
        slowed && place.drive.speeds()? == before,
        "{:?}",
        place.drive.speeds()?
    );
    // A quick first pass leaves whole clusters out, at once.
    let quick = Effort {
        isolate: false,
        ..Effort::default()
    };
    let (_, salvage) = copy(&mut place, 0..4096, 0, quick)?;
    ensure!(
        salvage.bad_ranges == [32..64, 96..128, 2048..2080],
        "{:?}",
        salvage.bad_ranges
    );
    ensure!(salvage.retries == 3);
    Ok(())
}

#[test]
fn a_copy_may_be_broken_off_and_the_map_ends_there() -> Result<()> {
    let mut place = place(&burner::BD_R, 8_000)?;
    let session = place.append(1, 640)?;
    let mut pieces = 0;
    let salvage = place.drive.reader().rescue(0..640, 0, |_| {
        pieces += 1;
        if pieces == 5 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    ensure!((salvage.read, salvage.bad) == (160, 0) && place.reads(&session)?);
    Ok(())
}

#[test]
fn the_run_out_of_a_cd_is_no_damage_and_its_sessions_are_told_apart() -> Result<()> {
    let mut place = place(&burner::CD_R, 60_000)?;
    let sessions = [place.append(1, 400)?, place.append(2, 333)?];
    let layout = place.drive.layout()?;
    ensure!(
        layout.sessions() == 2 && layout.tracks.len() == 2 && !layout.incomplete,
        "{layout:?}"
    );
    for (track, session) in layout.tracks.iter().zip(&sessions) {
        ensure!(
            track.data && track.start == session.first && track.tail == 2,
            "{track:?}"
        );
        let (copied, salvage) = copy(&mut place, track.range(), track.tail, Effort::default())?;
        ensure!((salvage.bad, salvage.run_out) == (0, 2), "{salvage:?}");
        ensure!(copied.starts_with(&session.data));
    }
    ensure!(layout.end() <= layout.readable, "READ CAPACITY covers the tracks");
    Ok(())
}

#[test]
fn pressed_discs_are_laid_out_and_copied_whole() -> Result<()> {
    for profile in [&burner::CD_ROM, &burner::DVD_ROM, &burner::BD_ROM] {
        let folder = tempfile::tempdir()?;
        let image = folder.path().join("image");
        let data = driver::image(6, 0, 1_000);
        std::fs::write(&image, &data)?;
        let disc = folder.path().join("pressed");
        Disc::from_image(&disc, profile, &image, None)?;
        let mut place = place(&burner::BD_R, 8_000)?;
        place.burner.drive.control(|drive| drive.remove());
        place.burner.drive.control(|drive| -> Result<()> {
            drive.insert(Disc::open(&disc)?);
            Ok(())
        })?;
        let layout = place.drive.layout()?;
        ensure!(
            layout.sessions() == 1 && layout.tracks.len() == 1,
            "{}: {layout:?}",
            profile.name
        );
        let (track, end) = (layout.tracks[0], layout.readable);
        ensure!(track.range() == (0..end), "{}: {layout:?}", profile.name);
        let (copied, salvage) = copy(&mut place, track.range(), track.tail, Effort::default())?;
        ensure!(
            salvage.bad == 0 && copied.starts_with(&data),
            "{}: {salvage:?}",
            profile.name
        );
    }
    Ok(())
}

#[test]
fn speeds_are_listed_set_and_read_back() -> Result<()> {
    let mut place = place(&burner::BD_R, 8_000)?;
    let listed = place.drive.speeds()?;
    let speeds: Vec<u32> = listed.write.iter().map(|speed| speed.kilobytes).collect();
    ensure!(speeds == burner::BD_R.speeds, "{speeds:?}");
    ensure!(listed.writing == speeds[0]);
    let slower = place
        .drive
        .set_speeds(Pace::AtMost(18_000), Pace::AtMost(9_000))?;
    ensure!((slower.reading, slower.writing) == (17_982, 8_991), "{slower:?}");
    let fastest = place.drive.set_speeds(Pace::Fastest, Pace::Fastest)?;
    ensure!(
        (fastest.reading, fastest.writing) == (speeds[0], speeds[0]),
        "{fastest:?}"
    );
    Ok(())
}
