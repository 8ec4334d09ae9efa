//! Doors, vault, reader and the emulated burner in one process: quick, and with faults at will.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};
use burner::Fault;
use common::place::{BURN, Place, archived, failed, place, start};
use rig::{patience, until};
use wire::{FailureCode, Outcome, Phase, Source};

#[test]
fn archived_is_said_after_reading_back_and_phases_are_told() -> Result<()> {
    let place = place("native-archive", 8_000_000)?;
    let mut phases = Vec::new();
    let ended = common::session(place.native.control())?.burn(BURN, |now| {
        if phases.last() != Some(&now.phase.number) {
            phases.push(now.phase.number);
        }
    })?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    let order = [Phase::Writing, Phase::Verifying].map(Phase::number);
    ensure!(
        order.iter().all(|phase| phases.contains(phase)) && phases.is_sorted(),
        "{phases:?}"
    );
    // The same bytes come back from the disc and from the tree.
    let mut session = common::session(place.native.control())?;
    for item in place.walked.items.iter().filter(|item| item.has_data) {
        let mut got = Vec::new();
        session.get(Source::Disc(0), item.entry.path.as_bytes(), &mut got, |_, _| {})?;
        ensure!(
            got == fs::read(&item.local)?,
            "{} came back different",
            item.entry.path
        );
    }
    Ok(())
}

#[test]
fn a_disc_that_changed_does_not_verify() -> Result<()> {
    let place = place("native-rot", 4_000_000)?;
    archived(&place.burn()?)?;
    let image = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(place.scratch.join("disc/disc.img"))?;
    let mut byte = [0];
    image.read_exact_at(&mut byte, 2_000_000)?;
    image.write_all_at(&[byte[0] ^ 1], 2_000_000)?;
    let ended = common::session(place.native.control())?.verify(0, |_| {})?;
    failed(&ended, FailureCode::VerifyFailed)
}

#[test]
fn a_write_error_fails_the_job_and_keeps_the_tree() -> Result<()> {
    let place = place("native-write-error", 6_000_000)?;
    place.arm(Fault::WriteError { at: 800, times: None });
    failed(&place.burn()?, FailureCode::WriteFailed)?;
    // A fresh disc takes the same tree.
    place.release();
    place.burner.insert(
        &burner::BD_R,
        &place.scratch.join("disc-2"),
        Some(common::SMALL_DISC),
    )?;
    until("the fresh disc", patience(20), || {
        Ok(common::session(place.native.control())?
            .disc(0)
            .is_ok_and(|disc| disc.state.number == 0)
            .then_some(()))
    })?;
    archived(&place.burn()?)?;
    Ok(())
}

#[test]
fn a_close_that_fails_is_never_archived() -> Result<()> {
    let place = place("native-close", 2_000_000)?;
    place.arm(Fault::FailClose { times: None });
    let ended = place.burn()?;
    ensure!(
        ended.outcome.number == Outcome::Failed.number() && ended.failure.is_some(),
        "{ended:?}"
    );
    Ok(())
}

#[test]
fn an_unreadable_block_is_never_archived() -> Result<()> {
    let place = place("native-read-error", 2_000_000)?;
    place.burner.drive.control(|drive| {
        drive.faults().arm(Fault::ReadError {
            at: 500,
            blocks: None,
            tries: None,
        })
    });
    let ended = place.burn()?;
    ensure!(
        ended.outcome.number != Outcome::Archived.number() && ended.failure.is_some(),
        "{ended:?}"
    );
    Ok(())
}

#[test]
fn a_full_buffer_and_a_weak_block_are_waited_out() -> Result<()> {
    let place = place("native-long-write", 4_000_000)?;
    place.burner.drive.control(|drive| {
        drive.faults().arm(Fault::LongWrite {
            at: 320,
            times: Some(5),
        });
        drive.faults().arm(Fault::SlowClose { times: 3 });
        drive.faults().arm(Fault::ReadError {
            at: 500,
            blocks: None,
            tries: Some(1),
        });
    });
    archived(&place.burn()?)?;
    Ok(())
}

#[test]
fn a_tray_that_opens_fails_the_job_with_words() -> Result<()> {
    let place = place("native-tray", 4_000_000)?;
    place.arm(Fault::TrayOpens { at: 640 });
    let ended = place.burn()?;
    ensure!(ended.outcome.number == Outcome::Failed.number(), "{ended:?}");
    Ok(())
}

#[test]
fn more_than_the_disc_holds_is_refused_before_a_block_is_written() -> Result<()> {
    let place = place("native-too-big", 140_000_000)?;
    failed(&place.burn()?, FailureCode::TooBig)?;
    let disc = common::session(place.native.control())?.disc(0)?;
    ensure!(disc.state.number == 0 && disc.next_writable == 0, "{disc:?}");
    Ok(())
}

#[test]
fn a_restart_forgets_nothing() -> Result<()> {
    let first = place("native-restart", 2_000_000)?;
    archived(&first.burn()?)?;
    let Place {
        scratch,
        burner,
        native,
        walked,
    } = first;
    native.vault.shutdown();
    drop(native);
    let native = start(&scratch.join("data"), &burner)?;
    let mut session = common::session(native.control())?;
    let jobs = session.jobs()?;
    ensure!(
        jobs.iter()
            .any(|job| job.state.number == Outcome::Archived.number()),
        "{jobs:?}"
    );
    let disc = until("the disc to be known", patience(20), || {
        let disc = common::session(native.control())?.disc(0)?;
        Ok((disc.disc_id != [0; 16]).then_some(disc))
    })?;
    ensure!(disc.verified > 0, "{disc:?}");
    let mut entries = 0;
    session.list(Source::Disc(0), b"", u32::MAX, |_| entries += 1)?;
    ensure!(entries >= walked.items.len(), "{entries} entries");
    Ok(())
}
