//! Each role dies, and the box comes back; a burn outlives net, doors and readers.

mod common;

use std::fs;

use anyhow::{Context, Result, ensure};
use client::SourceTree;
use rig::{Scratch, Spindle, patience, tree, until};
use wire::{Burn, Outcome, Source};

const BURN: Burn = Burn {
    drive: 0,
    tree: 0,
    label: String::new(),
    finalise: false,
};

/// Sends a small tree.
fn put(address: std::net::SocketAddr, scratch: &Scratch, bytes: u64) -> Result<u64> {
    let source = scratch.join("source");
    fs::create_dir_all(&source)?;
    tree::sample(&source, 20, bytes)?;
    let source = SourceTree::walk([format!("{}/", source.display())])?;
    Ok(common::session(address)?
        .put(0, "roles", &source, |_| {})?
        .done
        .tree)
}

#[test]
fn the_burn_outlives_net_doors_and_a_reader() -> Result<()> {
    let mut ready = common::boot("roles-burn", true, Some(common::SMALL_DISC), 1024)?;
    let address = ready.machine.control();
    common::wait_drive(address)?;
    put(address, &ready.scratch, 24_000_000)?;
    // The burn is held up while it writes, so that the roles die in the midst of it.
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
    for role in ["net", "doors", "reader"] {
        let from = ready.machine.serial.type_line(&format!("kill {role}"))?;
        ready
            .machine
            .serial
            .expect_after(from, "init: fault: ", patience(10))?;
        // The box is there again, and the job with it.
        until("the box after the kill", patience(30), || {
            Ok(common::session(address)
                .and_then(|mut session| Ok(session.jobs()?))
                .ok())
        })
        .with_context(|| format!("after {role} was killed"))?;
    }
    // The client that started it lost its connection; another follows the job to its good end.
    ensure!(
        starter.join().is_ok_and(|result| result.is_err()),
        "the first client's connection survived net"
    );
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
fn a_vault_that_dies_in_a_burn_says_so_afterwards() -> Result<()> {
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
    until("the job", patience(30), || {
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
    let state = until("the vault", patience(60), || {
        let jobs = common::session(address)
            .and_then(|mut session| Ok(session.jobs()?))
            .ok();
        Ok(jobs.and_then(|jobs| jobs.first().map(|job| job.state.text.clone())))
    })?;
    ensure!(state == Outcome::Interrupted.text(), "the job is {state}");
    // What was received is there still, and can be burned on another disc.
    let spindle = Spindle::new(&ready.artifacts.cli, address);
    ready.burner.drive.control(|drive| drive.faults().disarm());
    until("the drive after the restart", patience(60), || {
        let disc = common::session(address)
            .and_then(|mut session| Ok(session.disc(0)?))
            .ok();
        Ok(disc.map(|_| ()))
    })?;
    spindle.run(["eject"])?;
    ready.burner.insert(
        &burner::BD_R,
        &ready.scratch.join("disc-2"),
        Some(common::SMALL_DISC),
    )?;
    spindle.run(["load"])?;
    let burned = spindle.run(["burn"])?;
    ensure!(burned["outcome"]["text"] == "archived", "{burned}");
    Ok(())
}
