//! Burns that a restart interrupts: each goes on, is burned behind what was begun, or says why not.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use burner::Fault;
use common::place::{BURN, Place, archived, place, start};
use rig::{Burner, patience, until};
use wire::{JobEnded, Outcome, Phase, Record, RecordMode, Source};

/// Where the burn stalls: the drive has committed some of it by then.
const STALL: u32 = 10_240;

/// A burn that was interrupted in the middle.
struct Cut {
    place: Place,
    job: u64,
    /// What the data partition held then, and the disc.
    data: PathBuf,
    disc: PathBuf,
}

fn copy(place: &Place, from: &str, to: &str) -> Result<PathBuf> {
    let copy = place.scratch.join(to);
    let copied = Command::new("cp")
        .arg("-a")
        .args([&place.scratch.join(from), &copy])
        .status()?;
    ensure!(copied.success(), "{from} could not be copied");
    Ok(copy)
}

/// Burns until the drive takes no more, copies everything as an end of power leaves it, and lets that burn come to
/// whatever end `then` makes of it.
fn cut(name: &str, order: &Record, then: impl FnOnce(&Place)) -> Result<Cut> {
    let place = place(name, 60_000_000)?;
    if order.mode == RecordMode::Append.number() {
        let first = Record {
            tree: 1,
            ..Record::default()
        };
        let small = place.scratch.join("small");
        std::fs::create_dir(&small)?;
        std::fs::write(small.join("earlier"), b"kept")?;
        let walked = client::SourceTree::walk([format!("{}/", small.display())])?;
        common::session(place.native.control())?.put(0, "small", &walked, |_| {})?;
        let first = Record { tree: 2, ..first };
        for ended in common::session(place.native.control())?.record(first, |_| {})? {
            archived(&ended)?;
        }
    }
    place.arm(Fault::LongWrite {
        at: STALL,
        times: None,
    });
    let order = order.clone();
    let address = place.native.control();
    let (job, data, disc) = std::thread::scope(|scope| -> Result<_> {
        let burn = scope.spawn(move || {
            common::session(address)?
                .record(order, |_| {})
                .map_err(anyhow::Error::from)
        });
        let stalled = until("the burn to stall", patience(60), || {
            let jobs = common::session(address)?.jobs()?;
            let writing = jobs
                .iter()
                .find(|job| job.state.number == Phase::Writing.number());
            let faults = place.burner.drive.control(|drive| drive.state().fault);
            let happened = faults.iter().any(|fault| fault.happened > 3);
            Ok(writing.filter(|_| happened).map(|job| job.job))
        });
        let copied = stalled.and_then(|job| {
            Ok((
                job,
                copy(&place, "data", "data-cut")?,
                copy(&place, "disc", "disc-cut")?,
            ))
        });
        place.release();
        then(&place);
        let _ = burn.join().ok().context("the burn panicked")?;
        copied
    })?;
    place.native.vault.shutdown();
    Ok(Cut {
        place,
        job,
        data,
        disc,
    })
}

impl Cut {
    /// A box that starts on what was left, with that disc in the same drive; how the job ends.
    fn restart(&self, name: &str, data: &Path, disc: &Path) -> Result<(Burner, rig::Native, JobEnded)> {
        let burner = Burner::with_disc(name, &burner::BD_R, disc, Some(common::SMALL_DISC))?;
        let native = start(data, &burner)?;
        let ended = common::session(native.control())?.watch(self.job, |_| {})?;
        Ok((burner, native, ended))
    }

    /// Every file of the sample is on the disc, which verifies.
    fn all_is_there(&self, native: &rig::Native) -> Result<()> {
        let mut session = common::session(native.control())?;
        for item in self.place.walked.items.iter().filter(|item| item.has_data) {
            let mut got = Vec::new();
            session.get(Source::Disc(0), item.entry.path.as_bytes(), &mut got, |_, _| {})?;
            ensure!(got == std::fs::read(&item.local)?, "{} differs", item.entry.path);
        }
        let ended = session.verify(0, |_| {})?;
        ensure!(ended.outcome.number == Outcome::Verified.number(), "{ended:?}");
        Ok(())
    }
}

fn says(ended: &JobEnded, words: &str) -> Result<()> {
    let remarks = &ended.summary.remarks;
    ensure!(
        remarks.iter().any(|remark| remark.contains(words)),
        "no {words:?} in {ended:?}"
    );
    Ok(())
}

#[test]
fn a_burn_goes_on_exactly_where_the_disc_ends() -> Result<()> {
    for (name, mode) in [
        ("restart-on", RecordMode::New),
        ("restart-on-append", RecordMode::Append),
    ] {
        let order = Record {
            mode: mode.number(),
            ..Record::default()
        };
        let cut = cut(name, &order, |_| {})?;
        let (_burner, native, ended) = cut.restart(name, &cut.data, &cut.disc)?;
        archived(&ended)?;
        says(&ended, "went on exactly where")?;
        cut.all_is_there(&native)?;
        if mode == RecordMode::Append {
            let mut got = Vec::new();
            common::session(native.control())?.get(Source::Disc(0), b"earlier", &mut got, |_, _| {})?;
            ensure!(got == b"kept");
        }
        native.vault.shutdown();
    }
    Ok(())
}

#[test]
fn a_session_that_cannot_go_on_is_closed_and_the_tree_burned_behind_it() -> Result<()> {
    let name = "restart-behind";
    // The power of the drive fails a little later: its track is damaged.
    let cut = cut(name, &Record::default(), |place| {
        place.arm(Fault::PowerCut { at: STALL + 64 });
    })?;
    let damaged = cut.place.scratch.join("disc");
    cut.place.burner.drive.control(burner::Drive::remove);
    let (_burner, native, ended) = cut.restart(name, &cut.data, &damaged)?;
    archived(&ended)?;
    says(&ended, "closed where it ended")?;
    cut.all_is_there(&native)
}

#[test]
fn a_disc_that_was_closed_before_the_power_failed_is_read_back_and_archived() -> Result<()> {
    let name = "restart-closed";
    let cut = cut(name, &Record::default(), |_| {})?;
    let closed = cut.place.scratch.join("disc");
    cut.place.burner.drive.control(burner::Drive::remove);
    let (_burner, native, ended) = cut.restart(name, &cut.data, &closed)?;
    archived(&ended)?;
    says(&ended, "had been closed")?;
    cut.all_is_there(&native)
}

#[test]
fn another_disc_is_left_alone_and_the_tree_kept() -> Result<()> {
    let name = "restart-other";
    let cut = cut(name, &Record::default(), |_| {})?;
    let blank = cut.place.scratch.join("blank");
    let (_burner, native, ended) = cut.restart(name, &cut.data, &blank)?;
    ensure!(ended.outcome.number == Outcome::Interrupted.number(), "{ended:?}");
    let failure = ended.failure.context("no reason")?;
    ensure!(
        !failure.what.is_empty() && !failure.remedy.is_empty(),
        "{failure:?}"
    );
    let disc = common::session(native.control())?.disc(0)?;
    ensure!(disc.state.number == 0 && disc.next_writable == 0, "{disc:?}");
    archived(&common::session(native.control())?.burn(BURN, |_| {})?)?;
    cut.all_is_there(&native)
}
