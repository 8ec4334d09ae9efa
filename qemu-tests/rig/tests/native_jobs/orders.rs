//! What is done with jobs: several drives and the copies policy, cancel, priorities; speeds and the lock.

use super::*;

#[test]
fn a_tree_is_archived_by_as_many_discs_as_the_policy_asks() -> Result<()> {
    let (scratch, burners, native) = drives("jobs-copies", &burner::BD_R, 3)?;
    let tree = put(
        &native,
        &scratch,
        "precious",
        &[("a", &tree::noise(1, 3_000_000))],
    )?;
    let order = Record {
        drives: vec![0, 1],
        copies: 2,
        ..record(RecordMode::New)
    };
    burners[1].drive.control(|drive| {
        drive.faults().arm(Fault::WriteError { at: 320, times: None });
    });
    let mut session = common::session(native.control())?;
    let all = session.record(order.clone(), |_| {})?;
    ensure!(all.len() == 2, "{all:?}");
    let by = |wanted: Outcome| all.iter().find(|ended| ended.outcome.number == wanted.number());
    let burned = by(Outcome::Burned).with_context(|| format!("{all:?}"))?;
    ensure!(
        burned
            .failure
            .as_ref()
            .is_some_and(|failure| failure.is(FailureCode::CopiesMissing))
    );
    ensure!(by(Outcome::Failed).is_some(), "{all:?}");
    let shown = session.trees()?.trees;
    ensure!(
        shown[0].state.number == TreeState::Burned.number() && shown[0].discs.len() == 1,
        "{shown:?}"
    );
    // One more disc, in another drive, is enough.
    let order = Record {
        drives: vec![2],
        tree,
        ..record(RecordMode::New)
    };
    archived(&only(session.record(order, |_| {})?)?)?;
    let shown = session.trees()?.trees;
    ensure!(
        shown[0].state.number == TreeState::Archived.number() && shown[0].discs.len() == 2,
        "{shown:?}"
    );
    drop(session);
    // Two good drives at once.
    for burner in &burners {
        let folder = scratch.join(&format!("{}-next", burner.name().replace([':', '.'], "-")));
        burner.drive.control(|drive| drive.faults().disarm());
        burner.insert(&burner::BD_R, &folder, Some(common::SMALL_DISC))?;
    }
    put(&native, &scratch, "twice", &[("b", b"bytes")])?;
    let mut session = common::session(native.control())?;
    let order = Record {
        drives: vec![0, 1],
        copies: 2,
        ..record(RecordMode::New)
    };
    let all = session.record(order, |_| {})?;
    ensure!(all.len() == 2, "{all:?}");
    all.iter().try_for_each(archived)?;
    let twice = Record {
        drives: vec![0, 0],
        ..record(RecordMode::New)
    };
    let failure = common::failure(session.record(twice, |_| {}))?;
    ensure!(failure.is(FailureCode::Unsupported), "{failure:?}");
    Ok(())
}

#[test]
fn a_job_is_cancelled_while_it_waits_and_while_it_writes() -> Result<()> {
    let place = place("jobs-cancel", 6_000_000)?;
    let address = place.native.control();
    place.arm(Fault::ReplyDelay {
        opcode: 0x2A,
        milliseconds: 40,
        times: None,
    });
    std::thread::scope(|scope| -> Result<()> {
        let burn = scope.spawn(|| place.burn());
        let writing = in_phase(&place.native, Phase::Writing)?;
        // Jobs are ordered by one who holds the box, and cancelled by anybody who may.
        let mut other = common::session(address)?;
        other.cancel(writing)?;
        let ended = burn.join().ok().context("the burn panicked")??;
        ended_as(&ended, Outcome::Cancelled)?;
        failed_words(&ended)?;
        let log = other.job_log(writing)?;
        ensure!(
            log.lines.iter().any(|line| line.text.contains("cancel")),
            "{log:?}"
        );
        let failure = common::failure(other.cancel(writing))?;
        ensure!(failure.is(FailureCode::Exists), "{failure:?}");
        let failure = common::failure(other.cancel(4711))?;
        ensure!(failure.is(FailureCode::NotFound), "{failure:?}");
        Ok(())
    })?;
    place.release();
    // The disc was closed where the burn ended: the same tree goes behind it.
    let mut session = common::session(address)?;
    let report = session.disc_report(0)?;
    ensure!(
        report.condition.is_empty() && report.disc.state.number == 1,
        "{report:?}"
    );
    drop(session);
    Ok(())
}

fn failed_words(ended: &JobEnded) -> Result<()> {
    let failure = ended.failure.clone().context("no reason")?;
    ensure!(
        !failure.what.is_empty() && !failure.remedy.is_empty(),
        "{failure:?}"
    );
    Ok(())
}

#[test]
fn the_higher_priority_begins_first_and_who_waits_can_be_cancelled() -> Result<()> {
    let place = place("jobs-priority", 2_000_000)?;
    archived(&place.burn()?)?;
    place.arm(Fault::ReplyDelay {
        opcode: 0x28,
        milliseconds: 20,
        times: None,
    });
    let address = place.native.control();
    let mut raw = common::Raw::welcomed(address, wire::Role::Operator)?;
    for (id, priority) in [(2, 100), (3, 10), (4, 200), (5, 50)] {
        let scrub = Scrub {
            priority,
            ..Scrub::default()
        };
        raw.send(id, &wire::Request::Scrub(scrub))?;
    }
    let mut jobs = std::collections::BTreeMap::new();
    let mut order = Vec::new();
    while order.len() < 4 {
        match raw.next()? {
            (id, wire::Reply::JobStarted(started)) => {
                jobs.insert(id, started.job);
                if id == 5 {
                    common::session(address)?.cancel(started.job)?;
                }
            }
            (id, wire::Reply::JobEnded(ended)) => order.push((id, ended.outcome.number)),
            (_, wire::Reply::JobProgress(_)) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    let verified = Outcome::Verified.number();
    let cancelled = (5, Outcome::Cancelled.number());
    ensure!(order.contains(&cancelled), "{order:?}");
    order.retain(|ended| *ended != cancelled);
    ensure!(
        order == [(2, verified), (4, verified), (3, verified)],
        "{order:?}"
    );
    Ok(())
}

#[test]
fn speeds_and_the_lock_are_the_users() -> Result<()> {
    let place = place("jobs-speed", 1_000_000)?;
    let mut session = common::session(place.native.control())?;
    let speeds = session.speeds(0)?;
    ensure!(
        speeds.write.len() > 1 && speeds.write.is_sorted_by(|a, b| a >= b),
        "{speeds:?}"
    );
    let slow = speeds.write[speeds.write.len() - 1];
    let set = wire::SetSpeed {
        drive: 0,
        write: slow,
        read: 0,
    };
    ensure!(session.set_speed(set)?.write_now == slow);
    session.lock(0, true)?;
    session.lock(0, false)?;
    let order = Record {
        speed: slow,
        ..record(RecordMode::New)
    };
    archived(&only(session.record(order, |_| {})?)?)
}
