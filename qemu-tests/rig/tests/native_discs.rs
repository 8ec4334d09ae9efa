//! Discs the box knows nothing of, and readers that fail it, in one process.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use common::place::{Place, archived, failed, place};
use doors::Limits;
use rig::{Native, patience, tree, until};
use seam::Channel;
use seam::reader::{Blocks, BlocksAnswer, FromReader, ToReader};
use wire::{Entry, EntryKind, FailureCode, JobEnded, Outcome, Phase, Role, Source};

fn verify(place: &Place) -> Result<JobEnded> {
    Ok(common::session(place.native.control())?.verify(0, |_| {})?)
}

/// Changes one byte of the disc, in a file with these contents.
fn rot(disc: &Path, contents: &[u8]) -> Result<()> {
    let start = contents.get(..64).context("the file is too short to be found")?;
    let at = fs::read(disc)?
        .windows(64)
        .position(|window| window == start)
        .context("the file is not on the disc")?;
    let image = fs::OpenOptions::new().write(true).open(disc)?;
    Ok(image.write_all_at(&[contents[0] ^ 1], u64::try_from(at)?)?)
}

/// Puts other blocks on a disc, which stays as long as it is.
fn overwrite(disc: &Path, bytes: &[u8]) -> Result<()> {
    let length = usize::try_from(fs::metadata(disc)?.len())?;
    ensure!(bytes.len() <= length, "{} bytes are too many", bytes.len());
    let mut whole = bytes.to_vec();
    whole.resize(length, 0);
    let image = fs::OpenOptions::new().write(true).open(disc)?;
    Ok(image.write_all_at(&whole, 0)?)
}

#[test]
fn a_strange_disc_with_digests_verifies_until_it_rots() -> Result<()> {
    let place = Place::stranger("discs-strange", 4_000_000)?;
    let disc = common::session(place.native.control())?.disc(0)?;
    ensure!(
        disc.disc_id == [0; 16] && disc.label.eq_ignore_ascii_case("sample"),
        "{disc:?}"
    );
    let ended = verify(&place)?;
    ensure!(ended.outcome.number == Outcome::Verified.number(), "{ended:?}");
    let files = place.walked.items.iter().filter(|item| item.has_data);
    ensure!(ended.summary.files >= files.count() as u64, "{ended:?}");

    let victim = place
        .walked
        .items
        .iter()
        .find(|item| item.has_data && item.entry.size > 10_000)
        .context("the sample has no larger file")?;
    rot(&place.scratch.join("disc/disc.img"), &fs::read(&victim.local)?)?;
    let ended = verify(&place)?;
    failed(&ended, FailureCode::VerifyFailed)?;
    let name = victim.entry.path.to_string();
    ensure!(
        ended.summary.remarks.iter().any(|remark| remark.contains(&name)),
        "{ended:?}"
    );
    Ok(())
}

#[test]
fn a_disc_without_digests_is_read_and_not_called_verified() -> Result<()> {
    let place = Place::stranger("discs-no-digests", 4_000_000)?;
    let source = place.scratch.join("foreign");
    fs::create_dir(&source)?;
    fs::write(source.join("file"), tree::noise(7, 100_000))?;
    let image = place.scratch.join("foreign.iso");
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-V", "FOREIGN", "-o"])
        .args([&image, &source])
        .status()
        .context("xorriso is missing: `cargo xtask setup` installs it")?;
    ensure!(made.success(), "xorriso made no image");
    overwrite(&place.scratch.join("disc/disc.img"), &fs::read(image)?)?;
    place.burner.drive.control(burner::Drive::power_cycle);

    let ended = verify(&place)?;
    failed(&ended, FailureCode::Unsupported)?;
    ensure!(ended.summary.blocks > 0, "{ended:?}");
    ensure!(
        ended
            .summary
            .remarks
            .iter()
            .any(|remark| remark.ends_with("blocks can be read")),
        "{ended:?}"
    );
    let mut session = common::session(place.native.control())?;
    ensure!(session.disc(0)?.label == "FOREIGN");
    let mut got = Vec::new();
    session.get(Source::Disc(0), b"file", &mut got, |_, _| {})?;
    ensure!(got == tree::noise(7, 100_000), "the file came back different");
    Ok(())
}

#[test]
fn a_disc_of_garbage_is_refused_in_words() -> Result<()> {
    let place = Place::stranger("discs-garbage", 2_000_000)?;
    overwrite(&place.scratch.join("disc/disc.img"), &tree::noise(3, 2_000_000))?;
    place.burner.drive.control(burner::Drive::power_cycle);
    failed(&verify(&place)?, FailureCode::ReadFailed)?;
    let mut session = common::session(place.native.control())?;
    let disc = session.disc(0)?;
    ensure!(disc.label.is_empty() && disc.disc_id == [0; 16], "{disc:?}");
    let failure = common::failure(session.list(Source::Disc(0), b"", 1, |_| {}))?;
    ensure!(failure.is(FailureCode::ReadFailed), "{failure:?}");
    Ok(())
}

#[test]
fn a_blank_disc_and_none_have_nothing_to_verify() -> Result<()> {
    let place = place("discs-none", 1_000_000)?;
    failed(&verify(&place)?, FailureCode::Unsupported)?;
    let mut session = common::session(place.native.control())?;
    let failure = common::failure(session.list(Source::Disc(0), b"", 1, |_| {}))?;
    ensure!(failure.is(FailureCode::Unsupported), "{failure:?}");
    session.eject(0)?;
    drop(session);
    failed(&verify(&place)?, FailureCode::NoDisc)?;
    failed(&place.burn()?, FailureCode::NoDisc)?;
    let mut session = common::session(place.native.control())?;
    session.load(0)?;
    drop(session);
    archived(&place.burn()?) // the refused burn took nothing away
}

#[test]
fn a_disc_exchanged_before_it_is_read_back_is_never_archived() -> Result<()> {
    let place = place("discs-exchanged", 1_000_000)?;
    place.arm(burner::Fault::SlowClose { times: u32::MAX });
    let ended = std::thread::scope(|scope| -> Result<JobEnded> {
        let burn = scope.spawn(|| place.burn());
        until("the disc to be closed", patience(20), || {
            let jobs = common::session(place.native.control())?.jobs()?;
            let closes = |job: &wire::Job| job.state.number == Phase::Closing.number();
            Ok(jobs.iter().any(closes).then_some(()))
        })?;
        place.burner.insert(
            &burner::BD_R,
            &place.scratch.join("other-disc"),
            Some(common::SMALL_DISC),
        )?;
        place.release();
        burn.join().ok().context("the burn panicked")?
    })?;
    ensure!(
        ended.outcome.number == Outcome::Failed.number() && ended.failure.is_some(),
        "{ended:?}"
    );
    // The tree is kept, and the disc that is in now takes it.
    archived(&place.burn()?)
}

/// Burns a sample, then gives its disc to a box with other readers.
fn read_by(name: &str, reader: impl Fn(Channel, Channel) + Clone + Send + Sync + 'static) -> Result<Place> {
    let mut place = place(name, 1_000_000)?;
    archived(&place.burn()?)?;
    place.native.vault.shutdown();
    place.native = Native::with_readers(
        &place.scratch.join("other-data"),
        vec![Box::new(place.burner.transport())],
        Limits::default(),
        reader,
    )?;
    common::wait_drive(place.native.control())?;
    Ok(place)
}

#[test]
fn a_reader_that_dies_is_started_again() -> Result<()> {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let place = read_by("discs-reader-dies", move |requests, blocks| {
        if count.fetch_add(1, Ordering::AcqRel) > 0 {
            let _ = reader::serve(requests, blocks);
        }
    })?;
    let mut session = common::session(place.native.control())?;
    let mut entries = 0;
    session.list(Source::Disc(0), b"", u32::MAX, |_| entries += 1)?;
    ensure!(entries >= place.walked.items.len(), "{entries} entries");
    ensure!(started.load(Ordering::Acquire) == 2);
    Ok(())
}

/// A reader that its disc has taken over: it opens, then answers every request with these.
fn turned(answers: Vec<FromReader>) -> impl Fn(Channel, Channel) + Clone + Send + Sync + 'static {
    move |requests, _blocks| {
        while let Ok((request, _)) = requests.receive::<ToReader>() {
            let opened = FromReader::Opened {
                label: "x".repeat(40_000),
                view: String::new(),
            };
            let said = match request {
                ToReader::Open { .. } => std::slice::from_ref(&opened),
                _ => &answers[..],
            };
            if said.iter().any(|answer| requests.send(answer, &[]).is_err()) {
                return;
            }
        }
    }
}

#[test]
fn what_a_reader_says_is_bounded_and_checked() -> Result<()> {
    let file = |path: &[u8], size| Entry {
        path: path.into(),
        kind: EntryKind::File.number(),
        size,
        ..Entry::default()
    };
    let opened = |path: &[u8], length| FromReader::File {
        entry: Box::new(file(path, 10)),
        length,
    };
    let findings = vec![String::new(); 60_000];
    let cases = [
        vec![FromReader::Entries(vec![file(b"../../etc/passwd", 1)])],
        vec![FromReader::Entries(vec![file(&[b'x'; 50_000], 1)])],
        vec![opened(b"file", u64::MAX)],
        vec![opened(&[b'x'; 50_000], 10)],
        vec![FromReader::FileEnd(None)],
        vec![
            FromReader::NoDigests,
            FromReader::EntriesEnd,
            FromReader::EntriesEnd,
        ],
    ];
    for (number, answers) in cases.into_iter().enumerate() {
        let place = read_by(&format!("discs-turned-{number}"), turned(answers))?;
        let mut session = common::session(place.native.control())?;
        ensure!(session.disc(0)?.label.len() < 2000);
        let listed = common::failure(session.list(Source::Disc(0), b"", u32::MAX, |_| {}))?;
        let got = common::failure(session.get(Source::Disc(0), b"file", &mut Vec::new(), |_, _| {}))?;
        for failure in [listed, got] {
            ensure!(
                failure.is(FailureCode::ReadFailed) && !failure.remedy.is_empty(),
                "case {number}: {failure:?}"
            );
        }
        session.ping()?;
    }
    let checked = FromReader::Checked {
        files: 1,
        bytes: 1,
        findings,
    };
    failed(
        &verify(&read_by("discs-turned-check", turned(vec![checked]))?)?,
        FailureCode::VerifyFailed,
    )
}

#[test]
fn a_reader_that_never_ends_is_let_go_with_its_client() -> Result<()> {
    let started = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicUsize::new(0));
    let (count, over) = (started.clone(), ended.clone());
    let place = read_by("discs-never-ends", move |requests, blocks| {
        if count.fetch_add(1, Ordering::AcqRel) > 0 {
            let _ = reader::serve(requests, blocks);
            return;
        }
        // Reads the same blocks for as long as it is given any, and answers nothing.
        let more = || -> Option<()> {
            blocks.send(&Blocks { block: 0, count: 31 }, &[]).ok()?;
            if let (BlocksAnswer::Granted, _) = blocks.receive().ok()? {
                blocks.receive_bytes().ok()?;
            }
            Some(())
        };
        while more().is_some() {}
        over.store(1, Ordering::Release);
        drop(requests);
    })?;
    let mut client = common::Raw::welcomed(place.native.control(), Role::Observer)?;
    client.send(
        2,
        &wire::Request::List(wire::List {
            source: Source::Disc(0),
            path: Default::default(),
            depth: 1,
        }),
    )?;
    until("the reader to begin", patience(20), || {
        Ok((started.load(Ordering::Acquire) == 1).then_some(()))
    })?;
    drop(client);
    until("the reader to be let go", patience(20), || {
        Ok((ended.load(Ordering::Acquire) == 1).then_some(()))
    })?;
    let mut session = common::session(place.native.control())?;
    session.list(Source::Disc(0), b"", 1, |_| {})?;
    Ok(())
}
