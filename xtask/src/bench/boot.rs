//! Boot times, size, memory and the demo's whole run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use images::{BoxArtifacts, data_disk};
use rig::{Artifacts, Burner, DataDisk, Machine, MachineOptions, patience, tree};

use super::{Row, megabytes};
use crate::{build, demo};

/// Measures the box: boots, size, memory, the demo.
pub fn run(count: usize, folder: &Path) -> Result<Vec<Row>> {
    let release = build::run(&build::Options::default())?;
    let faults = build::run(&build::Options {
        faults: true,
        ..build::Options::default()
    })?;
    let cli = build::cli()?;
    let mut rows = boots(&release, folder, count)?;
    rows.push(size(&release)?);
    rows.push(memory(&faults, folder)?);
    rows.extend(whole_run(&release, &cli, folder)?);
    Ok(rows)
}

fn start(artifacts: &BoxArtifacts, folder: &Path, burner: &Burner) -> Result<Machine> {
    let data = folder.join("data.img");
    data_disk::create(&data, 1 << 30, b"spindle-benchbox")?;
    let log = folder.join("serial.log");
    let mut options = MachineOptions::new(artifacts.clone(), Artifacts::command_line()?, &log);
    options.data = Some(DataDisk::File(data));
    let mut machine = Machine::start(&options, &[burner])?;
    machine.wait_ready()?;
    Ok(machine)
}

/// The number before ` s` behind `before` in a console's text.
fn seconds(text: &str, before: &str) -> Option<f64> {
    let rest = text.split(before).nth(1)?;
    rest.split_whitespace().next()?.parse().ok()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn boots(artifacts: &BoxArtifacts, folder: &Path, count: usize) -> Result<Vec<Row>> {
    let (mut kernel, mut share, mut connection) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count.max(1) {
        let burner = Burner::with_disc("bench", &burner::BD_R, &folder.join("boot-disc"), None)?;
        let machine = start(artifacts, folder, &burner)?;
        machine.serial.expect("first connection accepted", patience(10))?;
        machine.serial.expect("init's share", patience(10))?;
        // The line may still be on its way to us.
        std::thread::sleep(Duration::from_millis(100));
        let text = machine.serial.text();
        kernel.extend(seconds(&text, "init: started "));
        share.extend(seconds(&text, "init's share "));
        connection.extend(seconds(&text, "first connection accepted "));
    }
    let (kernel, share, connection) = (median(kernel), median(share), median(connection));
    Ok(vec![
        Row {
            what: "kernel entry to init (the kernel alone, as a peer)",
            found: format!("{kernel:.3} s"),
            promised: "",
            kept: None,
        },
        Row {
            what: "init's share",
            found: format!("{share:.3} s"),
            promised: "0.150 s",
            kept: Some(share <= 0.15),
        },
        Row {
            what: "kernel entry to first accepted control connection",
            found: format!("{connection:.3} s"),
            promised: "2.000 s",
            kept: Some(connection <= 2.0),
        },
    ])
}

fn size(artifacts: &BoxArtifacts) -> Result<Row> {
    let bytes = artifacts.boot_bytes()?;
    let found = format!("{:.2} MB", megabytes(bytes));
    Ok(Row {
        what: "kernel + initramfs",
        found,
        promised: "6.00 MB",
        kept: Some(bytes <= 6_000_000),
    })
}

/// Resident memory of init and all roles with the drive identified and nothing to do.
fn memory(artifacts: &BoxArtifacts, folder: &Path) -> Result<Row> {
    let burner = Burner::with_disc("bench", &burner::BD_R, &folder.join("memory-disc"), None)?;
    let mut machine = start(artifacts, folder, &burner)?;
    std::thread::sleep(Duration::from_secs(3));
    let from = machine.serial.type_line("memory")?;
    machine.serial.expect_after(from, " total ", patience(10))?;
    std::thread::sleep(Duration::from_millis(200));
    let text = machine.serial.text();
    let kibibytes = seconds(text.get(from..).unwrap_or_default(), " total ").unwrap_or(f64::NAN);
    let megabytes = kibibytes * 1024.0 / 1e6;
    Ok(Row {
        what: "resident memory of all roles when idle",
        found: format!("{megabytes:.1} MB"),
        promised: "24.0 MB",
        kept: Some(megabytes <= 24.0),
    })
}

/// The demo on 2,000 files and 100 MB, beside what authoring and digests take with the usual programs.
fn whole_run(artifacts: &BoxArtifacts, cli: &Path, folder: &Path) -> Result<Vec<Row>> {
    let source = folder.join("source");
    tree::sample(&source, 2_000, 100_000_000)?;
    let took = demo::archive(Some(&source), artifacts, cli)?;
    let peer = |program: &str, arguments: &[&str]| -> Result<f64> {
        let begin = Instant::now();
        let status = Command::new(program)
            .args(arguments)
            .current_dir(&source)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("running {program}"))?;
        anyhow::ensure!(status.success(), "{program} failed with {status}");
        Ok(begin.elapsed().as_secs_f64())
    };
    let author = peer("xorriso", &["-as", "mkisofs", "-R", "-J", "-o", "/dev/null", "."])?;
    let digests = peer("sh", &["-c", "find . -type f -print0 | xargs -0 sha256sum"])?;
    let seconds = took.as_secs_f64();
    Ok(vec![
        Row {
            what: "peers: xorriso authors it natively, sha256sum digests it",
            found: format!("{author:.1} + {digests:.1} s"),
            promised: "",
            kept: None,
        },
        Row {
            what: "the demo's whole run, 2,000 files and 100 MB, TCG",
            found: format!("{seconds:.1} s"),
            promised: "60.0 s",
            kept: Some(seconds <= 60.0),
        },
    ])
}
