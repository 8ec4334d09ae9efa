//! Each role dies, and the box comes back; a burn outlives net, doors and readers.

mod common;

use std::fs;

use anyhow::{Context, Result, ensure};
use client::SourceTree;
use doors::Limits;
use rig::{Artifacts, Burner, Native, Scratch, patience, tree, until};
use wire::{Burn, Outcome, Source};

const BURN: Burn = Burn {
    drive: 0,
    tree: 0,
    label: String::new(),
    finalise: false,
};

/// Sends a small tree.
fn put(address: std::net::SocketAddr, scratch: &Scratch, bytes: u64) -> Result<u64> {
    let source = scratch.join(&format!("source-{bytes}"));
    fs::create_dir_all(&source)?;
    tree::sample(&source, 20, bytes)?;
    let source = SourceTree::walk([format!("{}/", source.display())])?;
    Ok(common::session(address)?
        .put(0, "roles", &source, |_| {})?
        .done
        .tree)
}

/// Entries on the disc in the second drive, through a reader.
fn entries_on_second_disc(address: std::net::SocketAddr) -> Result<u64> {
    let mut entries = 0;
    common::session(address)?.list(Source::Disc(1), b"", u32::MAX, |_| entries += 1)?;
    Ok(entries)
}

#[test]
fn the_burn_outlives_net_doors_and_a_reader() -> Result<()> {
    let scratch = Scratch::new("roles-burn")?;
    let small = Some(common::SMALL_DISC);
    let burner = Burner::with_disc("first", &burner::BD_R, &scratch.join("disc"), small)?;
    // A second drive with a disc to read, burned by the same vault in this process.
    let second = Burner::with_disc("second", &burner::BD_R, &scratch.join("disc-2"), small)?;
    let native = Native::start(
        &scratch.join("native"),
        vec![Box::new(second.transport())],
        Limits::default(),
    )?;
    common::wait_drive(native.control())?;
    put(native.control(), &scratch, 1_000_000)?;
    let ended = common::session(native.control())?.burn(BURN, |_| {})?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    native.vault.shutdown();

    let artifacts = Artifacts::from_environment()?;
    let mut machine = common::start(&artifacts, true, &scratch, &[&burner, &second], 1024)?;
    let address = machine.control();
    put(address, &scratch, 24_000_000)?;
    until("both drives", patience(20), || {
        let drives = common::session(address)?.drives()?.drives;
        Ok((drives.iter().filter(|drive| !drive.product.is_empty()).count() == 2).then_some(()))
    })?;
    // The burn is held up while it writes, so that the roles die in the midst of it.
    burner
        .drive
        .control(|drive| drive.faults().arm(common::slow_writes(40)));
    let starter =
        std::thread::spawn(move || Ok::<_, anyhow::Error>(common::session(address)?.burn(BURN, |_| {})?));
    let job = until("the job", patience(30), || {
        let jobs = common::session(address)?.jobs()?;
        Ok(jobs
            .first()
            .filter(|job| job.state.text == "writing")
            .map(|job| job.job))
    })?;
    ensure!(
        entries_on_second_disc(address)? > 20,
        "the second disc is not read during the burn"
    );
    for (role, count) in [("reader", 1), ("net", 1), ("doors", 1)] {
        let from = machine.serial.type_line(&format!("kill {role}"))?;
        machine.serial.expect_after(
            from,
            &format!("init: fault: killed {count} of {role}"),
            patience(10),
        )?;
        // The box is there again, the job with it, and the other disc is read by a new reader.
        until("the box after the kill", patience(30), || {
            Ok(entries_on_second_disc(address).ok())
        })
        .with_context(|| format!("after {role} was killed"))?;
    }
    let jobs = common::session(address)?.jobs()?;
    ensure!(
        jobs.iter().any(|job| job.state.text == "writing"),
        "the burn ended too early to prove anything: {jobs:?}"
    );
    // The client that started it lost its connection; another follows the job to its good end.
    ensure!(
        starter.join().is_ok_and(|result| result.is_err()),
        "the first client's connection survived net"
    );
    burner.drive.control(|drive| drive.faults().disarm());
    let ended = common::session(address)?.watch(job, |_| {})?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    Ok(())
}

#[test]
fn every_role_comes_back_and_nothing_received_is_lost() -> Result<()> {
    let mut ready = common::boot("roles-back", true, Some(common::SMALL_DISC), 1024)?;
    let address = ready.machine.control();
    let tree = put(address, &ready.scratch, 1_000_000)?;
    for role in ["net", "doors", "vault"] {
        let from = ready.machine.serial.type_line(&format!("kill {role}"))?;
        ready
            .machine
            .serial
            .expect_after(from, "init: fault: ", patience(10))?;
        let entries = until("the tree after the kill", patience(30), || {
            let list = |mut session: client::Connection| {
                let mut entries = 0_u64;
                session.list(Source::Tree(tree), b"", u32::MAX, |_| entries += 1)?;
                Ok(entries)
            };
            Ok(common::session(address).and_then(list).ok())
        })
        .with_context(|| format!("after {role} was killed"))?;
        ensure!(entries > 20, "{entries} entries after {role} was killed");
    }
    common::wait_drive(address)?;
    let ended = common::session(address)?.burn(BURN, |_| {})?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    Ok(())
}

#[test]
fn a_vault_that_dies_in_a_burn_takes_it_up_again() -> Result<()> {
    let mut ready = common::boot("roles-vault", true, Some(common::SMALL_DISC), 1024)?;
    let address = ready.machine.control();
    common::wait_drive(address)?;
    put(address, &ready.scratch, 8_000_000)?;
    ready
        .burner
        .drive
        .control(|drive| drive.faults().arm(common::slow_writes(40)));
    let starter = std::thread::spawn(move || {
        common::session(address)?
            .burn(BURN, |_| {})
            .map_err(anyhow::Error::from)
    });
    let job = until("the job", patience(30), || {
        let jobs = common::session(address)?.jobs()?;
        Ok(jobs
            .first()
            .filter(|job| job.state.text == "writing")
            .map(|job| job.job))
    })?;
    let from = ready.machine.serial.type_line("kill vault")?;
    ready
        .machine
        .serial
        .expect_after(from, "init: fault: ", patience(10))?;
    ensure!(
        starter.join().is_ok_and(|result| result.is_err()),
        "a burn cannot succeed without its vault"
    );
    ready.burner.drive.control(|drive| drive.faults().disarm());
    // Drive and disc are the same: the burn goes on by itself, under its number.
    let ended = until("the job's end", patience(120), || {
        let watched = common::session(address).and_then(|mut session| Ok(session.watch(job, |_| {})?));
        Ok(watched.ok())
    })?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    let how = ["exactly where the disc ended", "was closed where it ended"];
    let remarks = &ended.summary.remarks;
    ensure!(
        remarks
            .iter()
            .any(|remark| how.iter().any(|how| remark.contains(how))),
        "it is not said how: {ended:?}"
    );
    Ok(())
}
