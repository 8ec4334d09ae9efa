//! Drives and discs that lie, break and vanish: good is never said of what is not, and nothing hangs.

mod common;

use anyhow::{Context, Result, ensure};
use burner::Fault;
use common::place::{Place, place};
use rig::{patience, until};
use wire::{JobEnded, Outcome};

/// WRITE (10), READ (10), CLOSE TRACK SESSION, SYNCHRONIZE CACHE (10).
const WRITE: u8 = 0x2A;
const READ: u8 = 0x28;
const CLOSE: u8 = 0x5B;
const SYNCHRONIZE: u8 = 0x35;

/// Burns with the faults armed; the job must end within the time a person waits.
fn burn_with(name: &str, faults: &[Fault]) -> Result<(Place, JobEnded)> {
    let place = place(name, 3_000_000)?;
    faults.iter().for_each(|fault| place.arm(fault.clone()));
    let ended = place.burn().with_context(|| name.to_string())?;
    Ok((place, ended))
}

/// A job that did not archive says why, and the same tree goes on the next disc.
fn refused_in_words_and_burned_again(name: &str, faults: &[Fault]) -> Result<()> {
    let (place, ended) = burn_with(name, faults)?;
    let failure = ended.failure.clone().unwrap_or_default();
    ensure!(
        ended.outcome.number == Outcome::Failed.number(),
        "{name}: {ended:?}"
    );
    ensure!(
        !failure.what.is_empty() && !failure.remedy.is_empty(),
        "{name}: {failure:?}"
    );
    place.release();
    place.burner.insert(
        &burner::BD_R,
        &place.scratch.join("next-disc"),
        Some(common::SMALL_DISC),
    )?;
    let address = place.native.control();
    until("the next disc", patience(20), || {
        Ok(common::session(address)?
            .disc(0)
            .is_ok_and(|disc| disc.state.number == 0)
            .then_some(()))
    })?;
    let again = place.burn()?;
    ensure!(
        again.outcome.number == Outcome::Archived.number(),
        "{name}, again: {again:?}"
    );
    Ok(())
}

#[test]
fn what_cannot_end_well_is_never_called_archived() -> Result<()> {
    let rows: [(&str, Vec<Fault>); 5] = [
        ("fault-power-cut", vec![Fault::PowerCut { at: 640 }]),
        ("fault-lying-close", vec![Fault::LyingClose { times: None }]),
        (
            "fault-rot",
            vec![Fault::Rot {
                at: 700,
                blocks: Some(2),
            }],
        ),
        (
            "fault-unreadable",
            vec![Fault::ReadError {
                at: 700,
                blocks: Some(32),
                tries: None,
            }],
        ),
        (
            "fault-write-error",
            vec![Fault::WriteError { at: 0, times: None }],
        ),
    ];
    rows.iter()
        .try_for_each(|(name, faults)| refused_in_words_and_burned_again(name, faults))
}

#[test]
fn what_can_be_made_good_is_made_good() -> Result<()> {
    let storm = Fault::UnitAttention {
        opcode: Some(WRITE),
        code: 0x2A,
        qualifier: 0x01,
        times: Some(3),
    };
    let rows: [(&str, Vec<Fault>); 5] = [
        (
            "fault-lost-write",
            vec![Fault::LostReply {
                opcode: WRITE,
                times: Some(2),
            }],
        ),
        (
            "fault-lost-close",
            vec![Fault::LostReply {
                opcode: CLOSE,
                times: Some(1),
            }],
        ),
        (
            "fault-lost-flush",
            vec![Fault::LostReply {
                opcode: SYNCHRONIZE,
                times: Some(1),
            }],
        ),
        ("fault-storm", vec![storm]),
        (
            "fault-weak-read",
            vec![Fault::ReadError {
                at: 700,
                blocks: None,
                tries: Some(2),
            }],
        ),
    ];
    for (name, faults) in rows {
        let (_place, ended) = burn_with(name, &faults)?;
        ensure!(
            ended.outcome.number == Outcome::Archived.number(),
            "{name}: {ended:?}"
        );
    }
    Ok(())
}

#[test]
fn a_disc_exchanged_before_it_is_read_back_is_not_the_one_that_was_burned() -> Result<()> {
    for (name, silent) in [("fault-swap", false), ("fault-swap-silent", true)] {
        let place = place(name, 3_000_000)?;
        // Another disc of the same kind, with the same number of blocks but other files on it.
        let other = place.scratch.join("other");
        let drive = rig::Burner::with_disc("other", &burner::BD_R, &other, Some(common::SMALL_DISC))?;
        let native = common::place::start(&place.scratch.join("other-data"), &drive)?;
        common::session(native.control())?.put(0, "other", &place.walked, |_| {})?;
        let first = common::session(native.control())?.burn(common::place::BURN, |_| {})?;
        ensure!(first.outcome.number == Outcome::Archived.number(), "{first:?}");
        native.vault.shutdown();
        drive.drive.control(|drive| drive.remove());

        place.arm(Fault::Swap {
            opcode: READ,
            disc: other,
            silent,
        });
        let ended = place.burn()?;
        ensure!(
            ended.outcome.number != Outcome::Archived.number(),
            "{name}: {ended:?}"
        );
    }
    Ok(())
}
