//! Boxes that lack something or have more than usual: each works as far as it can, and says what is amiss.

mod common;

use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use client::SourceTree;
use common::{Raw, failure, session, wait_drive};
use images::{BoxArtifacts, data_disk};
use rig::{Artifacts, Burner, DataDisk, Machine, MachineOptions, Scratch, Spindle, patience, until};
use wire::{FailureCode, Role};

/// Printed by builds that obey faults, and so in their executable.
const FAULTS: &[u8] = b"spindle-fault-injection";

/// A box with a network interface, and nothing else.
fn bare(artifacts: &Artifacts, build: &BoxArtifacts, scratch: &Scratch, parameters: &str) -> MachineOptions {
    let command_line = format!("{} {parameters}", artifacts.command_line);
    MachineOptions::new(build.clone(), command_line, &scratch.join("serial.log"))
}

fn faults(artifacts: &Artifacts) -> Result<&BoxArtifacts> {
    let faults = artifacts.faults.as_ref();
    faults.context("SPINDLE_ARTIFACTS_FAULTS is not set: run `cargo xtask test`")
}

/// The executable of a build, taken out of its initramfs by a program nobody here wrote.
fn executable(build: &BoxArtifacts) -> Result<Vec<u8>> {
    let mut command = Command::new("bsdtar");
    command.arg("-xOf").arg(&build.initramfs).arg("init");
    let output = command
        .output()
        .context("bsdtar cannot be started: `cargo xtask setup` installs it")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

#[test]
fn a_release_obeys_no_faults() -> Result<()> {
    let artifacts = Artifacts::from_environment()?;
    let has = |program: &[u8]| program.windows(FAULTS.len()).any(|window| window == FAULTS);
    ensure!(!has(&executable(&artifacts.release)?), "the release obeys faults");
    ensure!(
        has(&executable(faults(&artifacts)?)?),
        "the words are no longer these"
    );
    Ok(())
}

#[test]
fn without_drive_and_data_disk_a_box_says_what_is_missing() -> Result<()> {
    let artifacts = Artifacts::from_environment()?;
    let scratch = Scratch::new("boxes-bare")?;
    // QEMU forwards to this address whoever has it; of a name given twice the last counts.
    let network = "spindle.ip=10.0.2.15/24,10.0.2.2 spindle.name=-no-name-";
    let mut options = bare(&artifacts, &artifacts.release, &scratch, network);
    options.name = "attic-2".into();
    let mut machine = Machine::start(&options, &[])?;
    machine.wait_ready()?;
    for line in [
        "init: spindle.name=-no-name-: a name is",
        "init: this box is attic-2, network 10.0.2.15/24 by way of 10.0.2.2",
        "init: ready ",
        "init: no partition named spindle-data was found",
    ] {
        machine.serial.expect(line, patience(10))?;
    }
    let mut connection = session(machine.control())?;
    ensure!(
        connection.welcome().name() == "attic-2",
        "{:?}",
        connection.welcome()
    );
    let status = until("both notices", patience(10), || {
        let status = connection.status()?;
        Ok((status.notices.len() >= 2).then_some(status))
    })?;
    let notices: Vec<_> = status.notices.iter().map(|notice| notice.what.as_str()).collect();
    ensure!(status.data_size == 0 && status.drives == 0, "{status:?}");
    for what in ["drive", "data"] {
        ensure!(notices.iter().any(|notice| notice.contains(what)), "{notices:?}");
    }
    ensure!(
        status.notices.iter().all(|notice| !notice.remedy.is_empty()),
        "{status:?}"
    );
    // What cannot be done is refused with a reason, and costs nothing.
    let file = scratch.join("file");
    std::fs::write(&file, "data")?;
    let source = SourceTree::walk([&file])?;
    let refusal = failure(connection.put(0, "nowhere", &source, |_| {}))?;
    ensure!(refusal.is(FailureCode::Unavailable), "{refusal:?}");
    ensure!(
        failure(connection.disc(0))?.is(FailureCode::NotFound),
        "a disc without a drive"
    );
    connection.power_off()?;
    ensure!(machine.wait_off(patience(20))?.success(), "QEMU failed");
    machine.serial.expect("init: switching off", patience(1))?;
    Ok(())
}

#[test]
fn without_network_a_box_runs_and_init_outlives_panics_and_a_role_that_hangs() -> Result<()> {
    let artifacts = Artifacts::from_environment()?;
    let scratch = Scratch::new("boxes-alone")?;
    let mut options = bare(&artifacts, faults(&artifacts)?, &scratch, "spindle.silence=4");
    options.nics.clear();
    let mut machine = Machine::start(&options, &[])?;
    machine.serial.expect("init: ready ", patience(30))?;
    machine
        .serial
        .expect("init: no network interface was found", patience(5))?;
    for _ in 0..3 {
        let from = machine.serial.type_line("panic")?;
        let from = machine
            .serial
            .expect_after(from, "init: fault: init panics", patience(10))?;
        machine
            .serial
            .expect_after(from, "ordered from the console", patience(10))?;
    }
    for role in ["net", "doors"] {
        let from = machine.serial.type_line(&format!("hang {role}"))?;
        let end = format!("init: {role} ");
        let from = machine.serial.expect_after(from, &end, patience(30))?;
        let reason = "because it made no progress for 4.0 s; starting it again";
        machine.serial.expect_after(from, reason, patience(5))?;
    }
    // It counts its processes still, and all are there.
    let from = machine.serial.type_line("memory")?;
    let from = machine
        .serial
        .expect_after(from, "init: memory in KiB: init ", patience(10))?;
    machine.serial.expect_after(from, " total ", patience(10))?;
    Ok(())
}

#[test]
fn two_burners_and_a_flood_of_connections() -> Result<()> {
    let artifacts = Artifacts::from_environment()?;
    let scratch = Scratch::new("boxes-two")?;
    let burners = [Burner::empty("boxes-left")?, Burner::empty("boxes-right")?];
    let mut options = bare(&artifacts, &artifacts.release, &scratch, "");
    let data = scratch.join("data.img");
    data_disk::create(&data, 1 << 30, b"spindle-test-box")?;
    options.data = Some(DataDisk::File(data));
    let mut machine = Machine::start(&options, &[&burners[0], &burners[1]])?;
    machine.wait_ready()?;
    let address = machine.control();
    wait_drive(address)?;
    machine.serial.expect("first connection accepted", patience(10))?;

    let mut connection = session(address)?;
    let drives = until("both drives", patience(20), || {
        let drives = connection.drives()?.drives;
        Ok((drives.iter().filter(|drive| !drive.serial.is_empty()).count() == 2).then_some(drives))
    })?;
    ensure!(drives[0].serial != drives[1].serial, "{drives:?}");
    let spindle = Spindle::new(&artifacts.cli, address);
    spindle.run(["eject", "1"])?;
    let open = |burner: &Burner| burner.drive.control(|drive| drive.tray_open());
    let opened: Vec<_> = burners.iter().map(open).collect();
    ensure!(opened.iter().filter(|open| **open).count() == 1, "{opened:?}");

    // Half a frame on every connection there is: one more is told so, who was in before is served on, and
    // once they are gone everybody is.
    let most = doors::Limits::default().connections;
    let mut flood = Vec::new();
    for _ in 1..most {
        let mut raw = Raw::welcomed(address, Role::Observer)?;
        raw.0.write_all(&[0, 0x10, 0])?;
        flood.push(raw);
    }
    Raw::greeted(address)?.refused(FailureCode::TooManyConnections)?;
    ensure!(
        connection.status()?.drives == 2,
        "the flood drowned who was there before"
    );
    drop(flood);
    until("the flood to pass", patience(30), || {
        let status = session(address)
            .and_then(|mut session| Ok(session.status()?))
            .ok();
        Ok(status.filter(|status| status.sessions <= 2).map(drop))
    })?;
    let text = machine.serial.text();
    ensure!(!text.contains("starting it again"), "a role died:\n{text}");
    Ok(())
}
