//! The same of real boxes in QEMU, whose data disk is served over NBD.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use power::nbd::Server;
use power::{Dice, Disk, Loss, Seeds, Style};
use rig::{
    Artifacts, Burner, DataDisk, DriveLog, Machine, MachineOptions, Scratch, Spindle, check_file_system,
    new_data_disk, patience,
};

use crate::check;
use crate::common::{SMALL_DISC, session};
use crate::story::{self, Plot, Story};

/// Tells a story with a box, and boots one from what is left of its disk and its discs at the moment of each seed.
fn cut(name: &str, seeds: Seeds) -> Result<()> {
    Scratch::within(name, |scratch| {
        let artifacts = Artifacts::from_environment()?;
        let story = tell(&artifacts, scratch, true)?;
        let mut count = 0;
        for seed in seeds {
            let moment = check::moment(&story, &mut Dice::new(seed ^ 0x5EED));
            let recovered = recover(&artifacts, &story, scratch, seed, moment, &Loss::default());
            let (ready, interrupted) =
                recovered.with_context(|| format!("seed {seed}, cut at moment {moment}"))?;
            println!(
                "seed {seed}: cut at moment {moment}: greets {ready:?} after QEMU's start, {interrupted} jobs interrupted"
            );
            count += 1;
        }
        ensure!(count > 0, "no seed was tried");
        Ok(())
    })
}

fn boot(
    artifacts: &Artifacts,
    folder: &Path,
    data: DataDisk,
    burners: &[Burner],
) -> Result<(Machine, Duration)> {
    let command_line = artifacts.command_line.clone();
    let mut options = MachineOptions::new(
        artifacts.release.clone(),
        command_line,
        &folder.join("serial.log"),
    );
    options.data = Some(data);
    let mut machine = Machine::start(&options, &burners.iter().collect::<Vec<_>>())?;
    let ready = machine.wait_ready()?;
    Ok((machine, ready))
}

fn tell(artifacts: &Artifacts, scratch: &Scratch, honest: bool) -> Result<Story> {
    let folder = scratch.join("story");
    fs::create_dir_all(&folder)?;
    let disk = Disk::new(new_data_disk(&folder)?);
    if !honest {
        disk.ignore_flushes();
    }
    let server = Server::listen(&folder.join("nbd"), disk.clone()).context("serving the data disk")?;
    let disc = |number: u32| folder.join(format!("disc-{number}"));
    let (mut burners, mut logs) = (Vec::new(), Vec::new());
    for (number, profile) in (0..).zip(Plot::Archive.discs(1)) {
        let serial = story::serial(number);
        let burner = Burner::with_disc(&serial, profile, &disc(number), Some(SMALL_DISC))?;
        logs.push(DriveLog::of_burner(&serial, &burner, profile, SMALL_DISC, &disk));
        burners.push(burner);
    }
    let (machine, _) = boot(
        artifacts,
        &folder,
        DataDisk::Served(server.path().into()),
        &burners,
    )?;
    let story = story::play(machine.control(), &disk, logs, &folder, Plot::Archive, 1)?;
    drop(machine);
    ensure!(
        !honest || story.recording.flushes(story.recording.end()) > 0,
        "no flush of the box reached the disk"
    );
    for (number, log) in (0..).zip(&story.drives) {
        log.complete(&disc(number))?;
    }
    Ok(story)
}

/// The time until the box greets, and the jobs it says were interrupted.
fn recover(
    artifacts: &Artifacts,
    story: &Story,
    scratch: &Scratch,
    seed: u64,
    moment: usize,
    loss: &Loss,
) -> Result<(Duration, usize)> {
    let folder = scratch.join(&format!("cut-{seed}"));
    fs::create_dir_all(&folder)?;
    let disk = folder.join("disk");
    story.recording.cut(moment, loss, seed).store(&disk)?;
    let mut burners = Vec::new();
    for (number, log) in story.drives.iter().enumerate() {
        let disc = folder.join(format!("disc-{number}"));
        log.cut(moment, seed, &disc)?;
        burners.push(Burner::with_disc(log.serial(), log.profile(), &disc, None)?);
    }
    burners.push(Burner::with_disc(
        "fresh",
        &burner::BD_R,
        &folder.join("fresh"),
        Some(SMALL_DISC),
    )?);
    let (mut machine, ready) = boot(artifacts, &folder, DataDisk::File(disk.clone()), &burners)?;
    let seen = check::check(story, moment, machine.control(), seed)?;
    // What people see says the same.
    let jobs = Spindle::new(&artifacts.cli, machine.control()).run(["jobs"])?;
    let jobs = jobs["jobs"].as_array().context("no jobs in the list of jobs")?;
    let interrupted = jobs
        .iter()
        .filter(|job| job["state"]["text"] == "interrupted")
        .count();
    ensure!(interrupted == seen.interrupted, "{jobs:?}");
    session(machine.control())?.power_off()?;
    machine.wait_off(patience(60))?;
    check_file_system(&disk)?;
    fs::remove_dir_all(&folder)?;
    Ok((ready, interrupted))
}

#[test]
fn boxes_lose_nothing_with_their_power() -> Result<()> {
    cut("power-boxes", Seeds::or(0..10))
}

#[test]
#[ignore = "full: forty more boxes that lose their power, 4 minutes"]
fn forty_boxes_lose_nothing_with_their_power() -> Result<()> {
    cut("power-forty-boxes", Seeds::or(10..50))
}

/// The negative control: a disk that ignores the box's flushes.
#[test]
#[ignore = "full: a box is booted twice, to see the check fail"]
fn a_box_whose_disk_ignores_flushes_is_found_out() -> Result<()> {
    Scratch::within("power-box-ignored", |scratch| {
        let artifacts = Artifacts::from_environment()?;
        let story = tell(&artifacts, scratch, false)?;
        let all = Loss {
            style: Some(Style::All),
            ..Loss::default()
        };
        let end = story.recording.end();
        let found = recover(&artifacts, &story, scratch, 0, end, &all).err();
        println!("{:#}", found.context("it is not found out")?);
        Ok(())
    })
}
