//! Many sessions, deaf ones, and ends without warning, in one process.

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use common::place::{BURN, Place, archived, place, start};
use common::{Raw, session};
use rig::{Burner, patience, until};
use wire::{Entry, EntryKind, FailureCode, Outcome, Phase, PutBegin, Reply, Request, Role, Source};

/// The job that writes now.
fn writing(place: &Place) -> Result<u64> {
    until("the burn to write", patience(20), || {
        let jobs = session(place.native.control())?.jobs()?;
        let writes = |job: &&wire::Job| job.state.number == Phase::Writing.number();
        Ok(jobs.iter().find(writes).map(|job| job.job))
    })
}

#[test]
fn thirty_two_sessions_watch_a_burn_and_hinder_nothing() -> Result<()> {
    let place = place("sessions-many", 2_000_000)?;
    place.stall();
    let address = place.native.control();
    let looks = AtomicUsize::new(0);
    thread::scope(|scope| -> Result<()> {
        let burn = scope.spawn(|| place.burn());
        let job = writing(&place)?;
        let looks = &looks;
        let watch = move || -> Result<()> {
            let mut looking = session(address)?;
            looking.status()?;
            looking.jobs()?;
            ensure!(looking.drives()?.drives.iter().any(|drive| drive.job == job));
            let failure = common::failure(looking.eject(0))?;
            ensure!(failure.is(FailureCode::Busy), "{failure:?}");
            let failure = common::failure(looking.disc(0))?;
            ensure!(failure.is(FailureCode::DriveBusy), "{failure:?}");
            looks.fetch_add(1, Ordering::AcqRel);
            archived(&looking.watch(job, |_| {})?)
        };
        let watchers: Vec<_> = (0..32).map(|_| scope.spawn(watch)).collect();
        let all = until("every session to look", patience(60), || {
            Ok((looks.load(Ordering::Acquire) == 32).then_some(()))
        });
        place.release();
        all?;
        for watcher in watchers {
            watcher.join().ok().context("a watcher panicked")??;
        }
        archived(&burn.join().ok().context("the burn panicked")??)
    })
}

#[test]
fn a_deaf_client_delays_no_burn() -> Result<()> {
    let place = place("sessions-deaf", 2_000_000)?;
    place.stall();
    let mut deaf = Raw::welcomed(place.native.control(), Role::Admin)?;
    deaf.send(2, &Request::Burn(BURN))?;
    let job = writing(&place)?;
    // Asks more than any queue on the way holds, and takes no answer.
    deaf.0.set_nonblocking(true)?;
    for id in 3..20_000 {
        if deaf.send(id, &Request::Jobs(())).is_err() {
            break;
        }
    }
    place.release();
    archived(&session(place.native.control())?.watch(job, |_| {})?)?;
    session(place.native.control())?.status()?;
    Ok(())
}

#[test]
fn a_client_that_leaves_takes_no_burn_with_it() -> Result<()> {
    let place = place("sessions-leaves", 2_000_000)?;
    place.stall();
    let mut leaving = Raw::welcomed(place.native.control(), Role::Admin)?;
    leaving.send(2, &Request::Burn(BURN))?;
    let job = writing(&place)?;
    drop(leaving);
    let mut next = session(place.native.control())?;
    let failure = common::failure(next.power_off())?;
    ensure!(failure.is(FailureCode::Busy), "{failure:?}");
    let failure = common::failure(next.eject(0))?;
    ensure!(failure.is(FailureCode::DriveBusy), "{failure:?}");
    place.release();
    archived(&next.watch(job, |_| {})?)
}

#[test]
fn a_job_that_cannot_be_followed_does_not_begin() -> Result<()> {
    let place = place("sessions-jobs", 1_000_000)?;
    place.stall();
    let mut raw = Raw::welcomed(place.native.control(), Role::Admin)?;
    raw.send(2, &Request::Burn(BURN))?;
    let job = writing(&place)?;
    for id in 3..40 {
        raw.send(id, &Request::Verify(wire::Verify { drive: 0 }))?;
    }
    let (mut begun, mut refused) = (0, 0);
    while begun + refused < 38 {
        match raw.next()? {
            (_, Reply::JobStarted(_)) => begun += 1,
            (_, Reply::Failure(failure)) if failure.is(FailureCode::TooManyConnections) => refused += 1,
            (_, Reply::JobProgress(_)) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    let jobs = session(place.native.control())?.jobs()?;
    ensure!(
        begun == 16 && jobs.len() == begun,
        "{begun} begun, {} known",
        jobs.len()
    );
    place.release();
    archived(&session(place.native.control())?.watch(job, |_| {})?)
}

/// The data as a process that is killed now leaves it: nothing in it changes while it is copied.
fn killed(place: &Place, name: &str) -> Result<std::path::PathBuf> {
    let copy = place.scratch.join(name);
    let from: &Path = &place.scratch.join("data");
    let copied = Command::new("cp").arg("-a").arg(from).arg(&copy).status()?;
    ensure!(copied.success(), "the data could not be copied");
    Ok(copy)
}

/// Every file of the sample is in that tree of a box on this data, and the tree burns.
fn recovers(place: &Place, data: &Path, tree: u64) -> Result<()> {
    let folder = data.with_extension("disc");
    let burner = Burner::with_disc("after", &burner::BD_R, &folder, Some(common::SMALL_DISC))?;
    let native = start(data, &burner)?;
    let mut session = session(native.control())?;
    for item in place.walked.items.iter().filter(|item| item.has_data) {
        let mut got = Vec::new();
        session.get(
            Source::Tree(tree),
            item.entry.path.as_bytes(),
            &mut got,
            |_, _| {},
        )?;
        ensure!(got == std::fs::read(&item.local)?, "{} differs", item.entry.path);
    }
    let ended = session.burn(wire::Burn { tree, ..BURN }, |_| {})?;
    archived(&ended)?;
    native.vault.shutdown();
    Ok(())
}

#[test]
fn an_end_in_the_middle_of_a_burn_keeps_the_tree() -> Result<()> {
    let place = place("sessions-killed-burn", 2_000_000)?;
    place.stall();
    thread::scope(|scope| -> Result<()> {
        let burn = scope.spawn(|| place.burn());
        let job = writing(&place)?;
        let data = killed(&place, "killed");
        place.release();
        let data = data?;
        let folder = place.scratch.join("no-disc-yet");
        let idle = Burner::with_disc("idle", &burner::BD_R, &folder, Some(common::SMALL_DISC))?;
        let native = start(&data, &idle)?;
        let ended = session(native.control())?.watch(job, |_| {})?;
        ensure!(ended.outcome.number == Outcome::Interrupted.number(), "{ended:?}");
        ensure!(ended.failure.is_some_and(|failure| !failure.remedy.is_empty()));
        native.vault.shutdown();
        drop(native);
        recovers(&place, &data, 1)?;
        archived(&burn.join().ok().context("the burn panicked")??)
    })
}

#[test]
fn an_end_in_the_middle_of_a_put_undoes_it_alone() -> Result<()> {
    let place = place("sessions-killed-put", 1_000_000)?;
    let mut raw = Raw::welcomed(place.native.control(), Role::Admin)?;
    for (id, tree) in [(2, 0), (3, 1)] {
        let begin = PutBegin {
            tree,
            name: "cut".into(),
            expected: 0,
        };
        raw.send(id, &Request::PutBegin(begin))?;
        ensure!(matches!(raw.next()?, (_, Reply::PutReady(_))));
        let directory = Entry {
            path: b"half"[..].into(),
            kind: EntryKind::Directory.number(),
            ..Entry::default()
        };
        raw.send(id, &Request::PutEntry(directory))?;
        let begun = if tree == 0 { "2/half" } else { "1/half" };
        let begun = place.scratch.join("data/work").join(begun);
        until("the entry to arrive", patience(20), || {
            Ok(begun.exists().then_some(()))
        })?;
        let data = killed(&place, &format!("killed-{id}"))?;
        let cut = data.join("work").join(if tree == 0 { "2" } else { "1/half" });
        ensure!(cut.exists());
        recovers(&place, &data, 1)?;
        ensure!(!cut.exists(), "{} is left", cut.display());
        raw.send(id, &Request::PutAbort(()))?;
        ensure!(matches!(raw.next()?, (_, Reply::Done(()))));
    }
    Ok(())
}
