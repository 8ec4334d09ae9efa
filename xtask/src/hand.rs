//! cargo xtask box: boots a box for use by hand.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use images::data_disk;
use rig::{Artifacts, Burner, Machine, MachineOptions};

use crate::{build, setup, target};

/// What the box is made of.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The folder of the disc in its emulated burner; a blank BD-R is made there unless it holds one.
    /// Default: target/box-by-hand/disc
    #[arg(long, value_name = "DIR")]
    pub disc: Option<PathBuf>,
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

/// Boots a box, says how to reach it, and ends when it switches off.
pub fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let artifacts = build::run(&build::Options::default())?;
    let cli = build::cli()?;
    let folder = target().join("box-by-hand");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let disc = options.disc.clone().unwrap_or_else(|| folder.join("disc"));
    let burner = Burner::with_disc("by-hand", &burner::BD_R, &disc, None)?;
    let data = options.data.clone().unwrap_or_else(|| folder.join("data.img"));
    if !data.exists() {
        data_disk::create(&data, 4 << 30, b"spindle-by-hand!")?;
    }
    let log = options
        .serial
        .clone()
        .unwrap_or_else(|| folder.join("serial.log"));
    let mut machine_options = MachineOptions::new(artifacts, Artifacts::command_line()?, &log);
    machine_options.data = Some(data);
    machine_options.memory = options.memory;
    machine_options.echo = options.serial.is_none();
    let mut machine = Machine::start(&machine_options, &[&burner])?;
    machine.wait_ready()?;
    let address = machine.control();
    println!("\nthe box is ready. In another terminal:\n");
    println!("    export SPINDLE_BOX={address}\n    {} status\n", cli.display());
    println!("`spindle poweroff` ends it; the disc is in {}", disc.display());
    let week = Duration::from_secs(7 * 24 * 3600);
    machine.wait_off(week)?;
    Ok(())
}
