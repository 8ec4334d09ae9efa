//! cargo xtask box: boots a box for use by hand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use burner::{PROFILES, Profile};
use images::data_disk;
use rig::{Adapter, Artifacts, Burner, DataDisk, Machine, MachineOptions, OpticalDrive};

use crate::{build, setup, target};

/// What the box is made of.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// An emulated burner with a disc of this kind: cd-r, dvd+rw, bd-re, ...; once for each burner.
    /// Default: one with a BD-R, unless --drive is given
    #[arg(long, value_name = "PROFILE", value_parser = profile)]
    pub media: Vec<&'static Profile>,
    /// The folder of the first burner's disc, made blank there unless it holds one; those of further burners lie
    /// beside it with -2, -3, ... Default: target/box-by-hand/disc
    #[arg(long, value_name = "DIR")]
    pub disc: Option<PathBuf>,
    /// What the emulated burners hang on: virtio-scsi, usb-bot or uas.
    #[arg(long, default_value = "virtio-scsi")]
    pub adapter: Adapter,
    /// Another drive: iscsi://HOST:PORT/TARGET/LUN of any target, or FILE.iso for QEMU's own CD drive; with
    /// `,virtio-scsi`, `,usb-bot`, `,uas`, `,ahci` or `,piix` behind it for what it hangs on. Once for each.
    #[arg(long, value_name = "DRIVE")]
    pub drive: Vec<OpticalDrive>,
    /// The data disk; made, 4 GiB, unless it exists. Default: target/box-by-hand/data.img
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// MiB of memory.
    #[arg(long, default_value_t = 256)]
    pub memory: u32,
    /// Log the serial console here instead of showing it.
    #[arg(long, value_name = "FILE")]
    pub serial: Option<PathBuf>,
}

fn profile(name: &str) -> Result<&'static Profile> {
    Profile::named(name).ok_or_else(|| {
        let known: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        anyhow!("no kind of disc; there are {}", known.join(", "))
    })
}

/// Boots a box, says how to reach it, and ends when it switches off.
pub fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let artifacts = build::run(&build::Options::default())?;
    let cli = build::cli()?;
    let folder = target().join("box-by-hand");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let disc = options.disc.clone().unwrap_or_else(|| folder.join("disc"));
    let media = match options.media.as_slice() {
        [] if options.drive.is_empty() => &[&burner::BD_R],
        media => media,
    };
    let mut burners = Vec::new();
    for (number, media) in (1..).zip(media) {
        let place = beside(&disc, number);
        burners.push(Burner::with_disc(
            &format!("by-hand-{number}"),
            media,
            &place,
            None,
        )?);
        println!("burner {number}: {}, its disc in {}", media.name, place.display());
    }
    let data = options.data.clone().unwrap_or_else(|| folder.join("data.img"));
    if !data.exists() {
        data_disk::create(&data, 4 << 30, b"spindle-by-hand!")?;
    }
    let log = options
        .serial
        .clone()
        .unwrap_or_else(|| folder.join("serial.log"));
    let mut machine_options = MachineOptions::new(artifacts, Artifacts::command_line()?, &log);
    machine_options.data = Some(DataDisk::File(data));
    machine_options.memory = options.memory;
    machine_options.echo = options.serial.is_none();
    machine_options.adapter = options.adapter;
    machine_options.drives.clone_from(&options.drive);
    let mut machine = Machine::start(&machine_options, &burners.iter().collect::<Vec<_>>())?;
    machine.wait_ready()?;
    let address = machine.control();
    println!("\nthe box is ready. In another terminal:\n");
    println!("    export SPINDLE_BOX={address}\n    {} status\n", cli.display());
    println!("`spindle poweroff` ends it.");
    let week = Duration::from_secs(7 * 24 * 3600);
    machine.wait_off(week)?;
    Ok(())
}

/// The folder of a burner's disc.
fn beside(disc: &Path, number: u32) -> PathBuf {
    let mut path = disc.as_os_str().to_owned();
    if number > 1 {
        path.push(format!("-{number}"));
    }
    path.into()
}
