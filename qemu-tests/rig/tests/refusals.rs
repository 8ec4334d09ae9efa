//! Bad input through the real box: a clear error, nothing lost, no burn disturbed.

mod common;

use std::fs;
use std::io::Write;

use anyhow::{Result, ensure};
use client::SourceTree;
use common::Raw;
use rig::{patience, tree, until};
use wire::{Burn, ByteString, Entry, EntryKind, FailureCode, Outcome, PutBegin, Reply, Request, Role};

const BURN: Burn = Burn {
    drive: 0,
    tree: 0,
    label: String::new(),
    finalise: false,
};

fn file(path: &str, size: u64) -> Request {
    let kind = EntryKind::File.number();
    Request::PutEntry(Entry {
        path: ByteString::from(path),
        kind,
        size,
        mode: 0o644,
        ..Entry::default()
    })
}

#[test]
fn bad_input_is_refused_and_a_burn_goes_on() -> Result<()> {
    let ready = common::boot("refusals", false, Some(common::SMALL_DISC), 512)?;
    let address = ready.machine.control();
    common::wait_drive(address)?;

    // A tree that will be burned while everything else goes wrong.
    let source = ready.scratch.join("source");
    tree::sample(&source, 20, 20_000_000)?;
    let walked = SourceTree::walk([format!("{}/", source.display())])?;
    common::session(address)?.put(0, "good", &walked, |_| {})?;

    // More than the data partition holds is refused before a byte is sent.
    let mut session = Raw::welcomed(address, Role::Admin)?;
    session.send(
        2,
        &Request::PutBegin(PutBegin {
            tree: 0,
            name: "huge".into(),
            expected: 1 << 40,
        }),
    )?;
    session.refused(FailureCode::NoSpace)?;
    drop(session);

    ready
        .burner
        .drive
        .control(|drive| drive.faults().arm(common::slow_writes(20)));
    let burn = std::thread::spawn(move || {
        common::session(address)?
            .burn(BURN, |_| {})
            .map_err(anyhow::Error::from)
    });
    until("the burn to write", patience(30), || {
        let jobs = common::session(address)?.jobs()?;
        Ok(jobs.first().filter(|job| job.state.text == "writing").map(|_| ()))
    })?;

    // A second client may look but not touch.
    let mut second = Raw::welcomed(address, Role::Admin)?;
    second.send(2, &Request::Status(()))?;
    ensure!(matches!(second.next()?, (2, Reply::Status(_))));
    second.send(
        3,
        &Request::PutBegin(PutBegin {
            tree: 0,
            name: "second".into(),
            expected: 0,
        }),
    )?;
    second.refused(FailureCode::Busy)?;
    second.send(4, &Request::PowerOff(()))?;
    second.refused(FailureCode::Busy)?;

    let mut early = Raw::answered(address, 1)?;
    early.send(7, &Request::Status(()))?;
    early.refused(FailureCode::OutOfOrder)?;
    early.closed()?;

    let mut future = Raw::answered(address, 9)?;
    future.refused(FailureCode::BadVersion)?;
    future.closed()?;

    let mut noise = Raw::greeted(address)?;
    noise.0.write_all(&tree::noise(5, 4096))?;
    noise.next()?;
    noise.closed()?;

    let mut silent = Raw::greeted(address)?;
    silent.refused(FailureCode::TimedOut)?;
    silent.closed()?;

    let ended = burn
        .join()
        .map_err(|_| anyhow::anyhow!("the burning thread panicked"))??;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");

    // The disc is not blank any more: refused before anything is written.
    common::session(address)?.put(0, "again", &walked, |_| {})?;
    let refusal = common::failure(common::session(address)?.burn(BURN, |_| {}).and_then(|ended| {
        ended
            .failure
            .map_or(Ok(()), |failure| Err(client::Error::Box(failure)))
    }))?;
    ensure!(refusal.is(FailureCode::NotBlank), "{refusal:?}");
    Ok(())
}

#[test]
fn absurd_names_and_a_client_that_dies_leave_nothing() -> Result<()> {
    let ready = common::boot("names", false, None, 512)?;
    let address = ready.machine.control();
    for path in [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        ".",
        "nul\0byte",
        &"x".repeat(256),
    ] {
        let mut session = Raw::welcomed(address, Role::Admin)?;
        session.send(
            2,
            &Request::PutBegin(PutBegin {
                tree: 0,
                name: "names".into(),
                expected: 0,
            }),
        )?;
        ensure!(matches!(session.next()?, (2, Reply::PutReady(_))));
        session.send(2, &file(path, 0))?;
        session.refused(FailureCode::BadPath)?;
    }

    let free = common::session(address)?.status()?.data_free;
    let mut session = Raw::welcomed(address, Role::Admin)?;
    session.send(
        2,
        &Request::PutBegin(PutBegin {
            tree: 0,
            name: "cut".into(),
            expected: 0,
        }),
    )?;
    let tree = match session.next()? {
        (2, Reply::PutReady(ready)) => ready.tree,
        other => anyhow::bail!("{other:?}"),
    };
    session.send(2, &file("half", 100 << 20))?;
    let body = tree::noise(3, 200_000);
    for _ in 0..100 {
        let mut data = crc32c::crc32c(&body).to_be_bytes().to_vec();
        data.extend_from_slice(&body);
        session.send_raw(wire::frame::DATA, 2, &data)?;
    }
    drop(session);
    until("the half put to be removed", patience(20), || {
        let now = common::session(address)?.status()?.data_free;
        Ok((now + (1 << 20) >= free).then_some(()))
    })?;
    let gone = common::session(address)?.list(wire::Source::Tree(tree), b"", u32::MAX, |_| {});
    ensure!(common::failure(gone)?.is(FailureCode::NotFound));

    // No disc: said before the tree is touched.
    let source = ready.scratch.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("one"), b"1")?;
    common::wait_drive(address)?;
    common::session(address)?.put(0, "one", &SourceTree::walk([&source])?, |_| {})?;
    let ended = common::session(address)?.burn(BURN, |_| {});
    let refusal = common::failure(ended.and_then(|ended| {
        ended
            .failure
            .map_or(Ok(()), |failure| Err(client::Error::Box(failure)))
    }))?;
    ensure!(refusal.is(FailureCode::NoDisc), "{refusal:?}");
    Ok(())
}

#[test]
fn a_disc_too_small_and_a_drive_that_fails_are_told_with_words() -> Result<()> {
    let ready = common::boot("drive-errors", false, Some(4096), 512)?;
    let address = ready.machine.control();
    common::wait_drive(address)?;
    let put = |name: &str, bytes: u64| -> Result<u64> {
        let source = ready.scratch.join(name);
        fs::create_dir_all(&source)?;
        fs::write(source.join("record"), tree::noise(bytes, usize::try_from(bytes)?))?;
        Ok(common::session(address)?
            .put(0, name, &SourceTree::walk([&source])?, |_| {})?
            .done
            .tree)
    };
    let refusal =
        |tree: u64| {
            let burn = Burn { tree, ..BURN };
            common::failure(common::session(address)?.burn(burn, |_| {}).and_then(
                |ended| match ended.failure {
                    Some(failure) => Err(client::Error::Box(failure)),
                    None => Ok(ended),
                },
            ))
        };

    let large = put("large", 12_000_000)?;
    let failure = refusal(large)?;
    ensure!(
        failure.is(FailureCode::TooBig) && !failure.remedy.is_empty(),
        "{failure:?}"
    );
    let disc = common::session(address)?.disc(0)?;
    ensure!(
        disc.state.number == 0 && disc.next_writable == 0,
        "something was written: {disc:?}"
    );

    let small = put("small", 3_000_000)?;
    let error = burner::Fault::WriteError { at: 800, times: None };
    ready.burner.drive.control(|drive| drive.faults().arm(error));
    let failure = refusal(small)?;
    ensure!(
        failure.is(FailureCode::WriteFailed) && !failure.remedy.is_empty(),
        "{failure:?}"
    );

    // The tree is whole still, and the next disc takes it.
    ready.burner.drive.control(|drive| drive.faults().disarm());
    ready
        .burner
        .insert(&burner::BD_R, &ready.scratch.join("disc-2"), Some(4096))?;
    until("the next disc", patience(20), || {
        Ok(common::session(address)?
            .disc(0)
            .is_ok_and(|disc| disc.state.number == 0)
            .then_some(()))
    })?;
    let ended = common::session(address)?.burn(Burn { tree: small, ..BURN }, |_| {})?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    Ok(())
}
