//! The recorder's verbs as users meet them: append, copies, cancel, copy, treat, scrub, in one process.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use burner::{Fault, Profile};
use client::SourceTree;
use common::place::{BURN, Place, archived, failed, place};
use doors::Limits;
use rig::{Burner, Native, Scratch, patience, tree, until};
use wire::{
    BurnCopy, CopyDisc, CopyMode, FailureCode, JobEnded, Outcome, Phase, Place as Where, PlaceKind, Record,
    RecordMode, Scrub, Source, Treat, Treatment, TreeState,
};

fn record(mode: RecordMode) -> Record {
    Record {
        mode: mode.number(),
        ..Record::default()
    }
}

fn only(mut all: Vec<JobEnded>) -> Result<JobEnded> {
    ensure!(all.len() == 1, "{all:?}");
    all.pop().context("no job")
}

fn ended_as(ended: &JobEnded, outcome: Outcome) -> Result<()> {
    ensure!(ended.outcome.number == outcome.number(), "{ended:?}");
    Ok(())
}

/// Burns the newest tree on the first drive.
fn burn(native: &Native, mode: RecordMode) -> Result<JobEnded> {
    only(common::session(native.control())?.record(record(mode), |_| {})?)
}

/// Puts files with these contents, in a tree of their own.
fn put(native: &Native, scratch: &Scratch, name: &str, files: &[(&str, &[u8])]) -> Result<u64> {
    let folder = scratch.join(name);
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("no parent")?)?;
        fs::write(path, bytes)?;
    }
    let walked = SourceTree::walk([format!("{}/", folder.display())])?;
    let report = common::session(native.control())?.put(0, name, &walked, |_| {})?;
    Ok(report.done.tree)
}

fn session_of(number: u32) -> Where {
    Where {
        kind: PlaceKind::Disc.number(),
        number: 0,
        session: number,
    }
}

fn get(native: &Native, place: Where, path: &str) -> Result<Vec<u8>> {
    let mut got = Vec::new();
    common::session(native.control())?.get_in(place, path.as_bytes(), &mut got, |_, _| {})?;
    Ok(got)
}

fn names(native: &Native, place: Where) -> Result<Vec<String>> {
    let mut names = Vec::new();
    common::session(native.control())?.list_in(place, b"", u32::MAX, |entry| {
        names.push(entry.path.to_string());
    })?;
    Ok(names)
}

fn disc(native: &Native) -> Result<wire::Disc> {
    until("the disc", patience(20), || {
        Ok(common::session(native.control())?.disc(0).ok())
    })
}

/// A box with these drives, each with a blank disc of that kind.
fn drives(name: &str, profile: &'static Profile, count: usize) -> Result<(Scratch, Vec<Burner>, Native)> {
    let scratch = Scratch::new(name)?;
    let burner = |number| {
        let folder = scratch.join(&format!("disc-{number}"));
        Burner::with_disc(
            &format!("{name}-{number}"),
            profile,
            &folder,
            Some(common::SMALL_DISC),
        )
    };
    let burners = (0..count).map(burner).collect::<Result<Vec<_>>>()?;
    let transports = burners.iter().map(|burner| Box::new(burner.transport()) as _);
    let native = Native::start(&scratch.join("data"), transports.collect(), Limits::default())?;
    until("the drives", patience(20), || {
        let drives = common::session(native.control())?.drives()?.drives;
        let known = drives.iter().filter(|drive| !drive.product.is_empty()).count();
        Ok((known == count).then_some(()))
    })?;
    Ok((scratch, burners, native))
}

#[test]
fn a_session_appended_keeps_every_earlier_file() -> Result<()> {
    let place = place("jobs-append", 3_000_000)?;
    archived(&place.burn()?)?;
    let before = names(&place.native, session_of(0))?;
    let new = tree::noise(5, 70_000);
    let files = [("added/new", &new[..]), ("one-block", b"replaced")];
    put(&place.native, &place.scratch, "more", &files)?;
    let mut session = common::session(place.native.control())?;
    let ended = only(session.record(record(RecordMode::Append), |_| {})?)?;
    archived(&ended)?;
    ensure!(ended.summary.session == 2, "{ended:?}");
    let now = names(&place.native, session_of(0))?;
    ensure!(before.iter().all(|name| now.contains(name)), "{now:?}");
    ensure!(now.len() == before.len() + 2, "{now:?}");
    ensure!(get(&place.native, session_of(0), "added/new")? == new);
    ensure!(get(&place.native, session_of(0), "one-block")? == b"replaced");
    // The first session is as it was.
    ensure!(names(&place.native, session_of(1))? == before);
    let old = fs::read(place.scratch.join("source/one-block"))?;
    ensure!(get(&place.native, session_of(1), "one-block")? == old);
    let failure = common::failure(session.list_in(session_of(3), b"", 1, |_| {}))?;
    ensure!(failure.is(FailureCode::NotFound), "{failure:?}");
    // Both sessions verify, and the disc is one.
    let disc = disc(&place.native)?;
    ensure!(
        disc.sessions.len() == 2 && disc.disc_id == ended.summary.disc_id,
        "{disc:?}"
    );
    ended_as(&session.verify(0, |_| {})?, Outcome::Verified)?;
    // Programs that nobody here wrote read the merged tree.
    let start = disc.sessions[1].start.to_string();
    let image = format!("stdio:{}", place.scratch.join("disc/disc.img").display());
    let out = place.scratch.join("xorriso");
    let arguments = [
        "-abort_on",
        "WARNING",
        "-load",
        "sbsector",
        &start,
        "-indev",
        &image,
        "-osirrox",
        "on",
    ];
    let read = Command::new("xorriso")
        .args(arguments)
        .args([Path::new("-extract"), Path::new("/"), &out])
        .output()
        .context("xorriso is missing: `cargo xtask setup` installs it")?;
    ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    ensure!(fs::read(out.join("added/new"))? == new && fs::read(out.join("one-block"))? == b"replaced");
    let deep = fs::read(place.scratch.join("source/one-block-and-a-byte"))?;
    ensure!(fs::read(out.join("second-name"))? == deep);
    let writable = Command::new("chmod").args(["-R", "u+w"]).arg(&out).status()?;
    ensure!(writable.success());
    Ok(())
}

#[test]
fn a_disc_begun_by_others_is_appended_to_and_known_from_then_on() -> Result<()> {
    for (name, program) in [
        (
            "xorriso",
            &["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "FOREIGN"][..],
        ),
        (
            "genisoimage",
            &[
                "genisoimage",
                "-quiet",
                "-R",
                "-udf",
                "-allow-limited-size",
                "-V",
                "FOREIGN",
            ],
        ),
    ] {
        let place = Place::stranger(&format!("jobs-foreign-{name}"), 4_000_000)?;
        let source = place.scratch.join("foreign");
        fs::create_dir_all(source.join("deep/er"))?;
        fs::write(source.join("deep/er/file"), tree::noise(7, 100_000))?;
        fs::write(source.join("empty"), b"")?;
        let image = place.scratch.join("foreign.iso");
        let made = Command::new(program[0])
            .args(&program[1..])
            .arg("-o")
            .args([&image, &source])
            .output()
            .with_context(|| format!("{name} is missing: `cargo xtask setup` installs it"))?;
        ensure!(made.status.success(), "{made:?}");
        let on_disc = place.scratch.join("disc/disc.img");
        let length = fs::metadata(&on_disc)?.len();
        let mut bytes = fs::read(&image)?;
        ensure!(bytes.len() as u64 <= length, "the image is too large");
        bytes.resize(usize::try_from(length)?, 0);
        fs::write(&on_disc, bytes)?;
        place.burner.drive.control(burner::Drive::power_cycle);

        put(&place.native, &place.scratch, "ours", &[("ours", b"ours")])?;
        let mut session = common::session(place.native.control())?;
        let ended = only(session.record(record(RecordMode::Append), |_| {})?)?;
        archived(&ended)?;
        ensure!(get(&place.native, session_of(0), "deep/er/file")? == tree::noise(7, 100_000));
        ensure!(get(&place.native, session_of(0), "ours")? == b"ours");
        let disc = disc(&place.native)?;
        ensure!(
            disc.label == "FOREIGN" && disc.disc_id == ended.summary.disc_id,
            "{disc:?}"
        );
        // What others wrote has no digests here: it is read, and "verified" is not said.
        ended_as(&session.verify(0, |_| {})?, Outcome::Readable)?;
    }
    Ok(())
}

#[test]
fn rewritable_discs_are_appended_to_overwritten_and_never_by_accident() -> Result<()> {
    for (name, profile) in [
        ("jobs-bd-re", &burner::BD_RE),
        ("jobs-dvd-rw", &burner::DVD_PLUS_RW),
    ] {
        let (scratch, _burners, native) = drives(name, profile, 1)?;
        put(&native, &scratch, "first", &[("first", b"1")])?;
        archived(&burn(&native, RecordMode::New)?)?;
        put(&native, &scratch, "second", &[("second", b"2")])?;
        failed(&burn(&native, RecordMode::New)?, FailureCode::NotBlank)?;
        archived(&burn(&native, RecordMode::Append)?)?;
        ensure!(get(&native, session_of(0), "first")? == b"1");
        ensure!(get(&native, session_of(0), "second")? == b"2");
        ended_as(
            &common::session(native.control())?.verify(0, |_| {})?,
            Outcome::Verified,
        )?;
        put(&native, &scratch, "third", &[("third", b"3")])?;
        archived(&burn(&native, RecordMode::Overwrite)?)?;
        let all = names(&native, session_of(0))?;
        ensure!(
            all.iter()
                .all(|name| name == "third" || name.contains(".spindle")),
            "{all:?}"
        );
    }
    Ok(())
}

fn treat(native: &Native, treatment: Treatment, confirmed: bool) -> Result<JobEnded, client::Error> {
    let treat = Treat {
        treatment: treatment.number(),
        confirmed,
        ..Treat::default()
    };
    let options = client::Options::default();
    client::Connection::open(&native.control().to_string(), &options)?.treat(treat, |_| {})
}

#[test]
fn a_disc_is_finalised_without_data_and_takes_no_more() -> Result<()> {
    let place = place("jobs-finalise", 1_000_000)?;
    archived(&place.burn()?)?;
    ended_as(&treat(&place.native, Treatment::Finalise, false)?, Outcome::Done)?;
    ensure!(disc(&place.native)?.state.number == 2);
    ended_as(
        &common::session(place.native.control())?.verify(0, |_| {})?,
        Outcome::Verified,
    )?;
    put(&place.native, &place.scratch, "late", &[("late", b"late")])?;
    failed(
        &burn(&place.native, RecordMode::Append)?,
        FailureCode::NotAppendable,
    )?;
    // What cannot be blanked says so, and what destroys must be confirmed.
    let failure = common::failure(treat(&place.native, Treatment::Blank, false))?;
    ensure!(failure.is(FailureCode::NotConfirmed), "{failure:?}");
    for treatment in [Treatment::Blank, Treatment::Format, Treatment::Erase] {
        let ended = treat(&place.native, treatment, true)?;
        ended_as(&ended, Outcome::Failed)?;
        let failure = ended.failure.context("no reason")?;
        ensure!(
            !failure.what.is_empty() && !failure.remedy.is_empty(),
            "{failure:?}"
        );
    }
    ended_as(
        &common::session(place.native.control())?.verify(0, |_| {})?,
        Outcome::Verified,
    )
}

#[test]
fn a_rewritable_disc_is_blanked_and_burned_again() -> Result<()> {
    let (scratch, _burners, native) = drives("jobs-blank", &burner::CD_RW, 1)?;
    put(&native, &scratch, "first", &[("first", b"1")])?;
    archived(&common::session(native.control())?.burn(BURN, |_| {})?)?;
    let id = disc(&native)?.disc_id;
    ensure!(id != [0; 16]);
    ended_as(&treat(&native, Treatment::Blank, true)?, Outcome::Done)?;
    ensure!(disc(&native)?.state.number == 0);
    put(&native, &scratch, "second", &[("second", b"2")])?;
    let ended = common::session(native.control())?.burn(BURN, |_| {})?;
    archived(&ended)?;
    ensure!(ended.summary.disc_id != id && get(&native, session_of(0), "second")? == b"2");
    Ok(())
}

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

/// The job in that phase.
fn in_phase(native: &Native, phase: Phase) -> Result<u64> {
    until("a job's phase", patience(20), || {
        let jobs = common::session(native.control())?.jobs()?;
        let found = jobs.iter().find(|job| job.state.number == phase.number());
        Ok(found.map(|job| job.job))
    })
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
fn a_copied_tree_is_listed_and_burned_many_times() -> Result<()> {
    let place = place("jobs-copy-tree", 2_000_000)?;
    archived(&place.burn()?)?;
    let mut session = common::session(place.native.control())?;
    let ended = session.copy(CopyDisc::default(), |_| {})?;
    ended_as(&ended, Outcome::Copied)?;
    let copy = session.trees()?.trees[0].clone();
    ensure!(
        copy.state.number == TreeState::CopyOfTree.number() && copy.files > 40,
        "{copy:?}"
    );
    for item in place.walked.items.iter().filter(|item| item.has_data) {
        let mut got = Vec::new();
        session.get(
            Source::Tree(copy.tree),
            item.entry.path.as_bytes(),
            &mut got,
            |_, _| {},
        )?;
        ensure!(got == fs::read(&item.local)?, "{} differs", item.entry.path);
    }
    drop(session);
    // The disc in the drive is put out, and two blank ones are burned one after the other.
    let order = BurnCopy {
        copy: copy.tree,
        count: 2,
        ..BurnCopy::default()
    };
    let address = place.native.control();
    std::thread::scope(|scope| -> Result<()> {
        let burns = scope.spawn(move || {
            common::session(address)?
                .burn_copy(order, |_| {})
                .map_err(Into::into)
        });
        let mut before = 0;
        for number in 0..2 {
            before = until("the next disc to be asked for", patience(20), || {
                let waiting = in_phase(&place.native, Phase::AwaitingDisc)?;
                Ok((waiting != before).then_some(waiting))
            })?;
            let folder = place.scratch.join(&format!("copy-{number}"));
            place
                .burner
                .insert(&burner::BD_R, &folder, Some(common::SMALL_DISC))?;
        }
        let all: Result<Vec<JobEnded>> = burns.join().ok().context("the burns panicked")?;
        let all = all?;
        ensure!(all.len() == 2, "{all:?}");
        ensure!(all[0].summary.disc_id != all[1].summary.disc_id, "{all:?}");
        all.iter().try_for_each(archived)
    })?;
    let mut session = common::session(place.native.control())?;
    let failure = common::failure(session.remove_tree(copy.tree, false))?;
    ensure!(failure.is(FailureCode::NotConfirmed), "{failure:?}");
    session.remove_tree(copy.tree, true)?;
    ensure!(session.trees()?.trees.iter().all(|tree| tree.tree != copy.tree));
    ensure!(!place.scratch.join(&format!("data/work/{}", copy.tree)).exists());
    Ok(())
}

#[test]
fn an_image_has_every_block_and_lists_what_could_not_be_read() -> Result<()> {
    let place = place("jobs-copy-image", 2_000_000)?;
    archived(&place.burn()?)?;
    let original = fs::read(place.scratch.join("disc/disc.img"))?;
    place.arm(Fault::ReadError {
        at: 700,
        blocks: Some(3),
        tries: None,
    });
    let mut session = common::session(place.native.control())?;
    let order = CopyDisc {
        mode: CopyMode::Image.number(),
        ..CopyDisc::default()
    };
    let ended = session.copy(order, |_| {})?;
    ended_as(&ended, Outcome::Copied)?;
    ensure!(
        ended
            .summary
            .remarks
            .iter()
            .any(|remark| remark.starts_with("3 blocks")),
        "{ended:?}"
    );
    place.release();
    let copy = session.trees()?.trees[0].clone();
    ensure!(copy.state.number == TreeState::CopyOfImage.number(), "{copy:?}");
    let image = fs::read(place.scratch.join(&format!("data/work/{}/image", copy.tree)))?;
    let bad = 700 * 2048..703 * 2048;
    ensure!(
        image.get(bad.clone()) == Some(&vec![0; 3 * 2048][..]),
        "bad blocks are zeroes"
    );
    let length = image.len();
    ensure!(original.get(..bad.start) == image.get(..bad.start));
    ensure!(original.get(bad.end..length) == image.get(bad.end..));
    let failure = common::failure(session.list(Source::Tree(copy.tree), b"", 1, |_| {}))?;
    ensure!(failure.is(FailureCode::NotFound), "{failure:?}");
    // A whole copy makes the same disc again.
    let ended = session.copy(order, |_| {})?;
    ended_as(&ended, Outcome::Copied)?;
    let copy = session.trees()?.trees[0].tree;
    let folder = place.scratch.join("next");
    place
        .burner
        .insert(&burner::BD_R, &folder, Some(common::SMALL_DISC))?;
    until("the blank disc", patience(20), || {
        Ok((disc(&place.native)?.state.number == 0).then_some(()))
    })?;
    let all = session.burn_copy(
        BurnCopy {
            copy,
            ..BurnCopy::default()
        },
        |_| {},
    )?;
    archived(&only(all)?)?;
    let again = fs::read(folder.join("disc.img"))?;
    ensure!(again.get(..length) == original.get(..length), "the discs differ");
    Ok(())
}

#[test]
fn a_scrub_maps_the_disc_and_goes_on_behind_what_is_bad() -> Result<()> {
    let place = place("jobs-scrub", 4_000_000)?;
    archived(&place.burn()?)?;
    let mut session = common::session(place.native.control())?;
    ended_as(&session.scrub(Scrub::default(), |_| {})?, Outcome::Verified)?;
    let report = session.disc_report(0)?;
    ensure!(report.mapped > 0 && !report.regions.is_empty(), "{report:?}");
    ensure!(
        !report.tracks.is_empty() && report.condition.is_empty(),
        "{report:?}"
    );
    place.arm(Fault::ReadError {
        at: 900,
        blocks: Some(2),
        tries: None,
    });
    let ended = session.scrub(Scrub::default(), |_| {})?;
    failed(&ended, FailureCode::ReadFailed)?;
    let report = session.disc_report(0)?;
    let lost: u32 = report.regions.iter().map(|region| region.unreadable).sum();
    let blocks: u64 = report.regions.iter().map(|region| region.blocks).sum();
    ensure!(
        lost == 2 && blocks == report.disc.sessions[0].blocks,
        "{report:?}"
    );
    place.release();
    drop(session);
    // A box that knows nothing of the disc enters it into its catalog.
    place.native.vault.shutdown();
    let native = common::place::start(&place.scratch.join("other-data"), &place.burner)?;
    let mut session = common::session(native.control())?;
    ended_as(&session.scrub(Scrub::default(), |_| {})?, Outcome::Verified)?;
    ensure!(session.disc(0)?.disc_id != [0; 16]);
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
