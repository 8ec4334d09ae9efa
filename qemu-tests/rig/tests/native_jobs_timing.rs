//! A burn at the pace of the fastest drives: does it keep the drive's buffer filled, and what does it cost?

mod common;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use burner::Timing;
use client::SourceTree;
use common::place::{BURN, archived};
use common::session;
use doors::Limits;
use mmc::{Completion, Data, Transport, TransportError};
use rig::{Burner, InProcess, Native, Scratch, tree};
use rustix::time::{ClockId, clock_gettime};
use wire::Phase;

/// BD-R at 16x, in kB/s.
const SPEED: u32 = 71_928;

/// Files and bytes in each: about 1 GB.
const FILES: u64 = 250;
const BYTES: usize = 4_000_000;

/// CPU time of this process or thread, in microseconds.
fn cpu(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    u64::try_from(micros).unwrap_or(0)
}

/// What the emulated drive costs is none of the box's.
struct Metered(InProcess, Arc<AtomicU64>);

impl Transport for Metered {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, limit: Duration) -> Result<Completion, TransportError> {
        let begun = cpu(ClockId::ThreadCPUTime);
        let done = self.0.execute(cdb, data, limit);
        self.1
            .fetch_add(cpu(ClockId::ThreadCPUTime) - begun, Ordering::AcqRel);
        done
    }
}

#[test]
#[ignore = "full: burns 1 GB in real time, half a minute on a quiet machine"]
fn a_burn_keeps_up_with_sixteen_times() -> Result<()> {
    let scratch = Scratch::new("jobs-timing")?;
    let source = scratch.join("source");
    fs::create_dir(&source)?;
    for number in 0..FILES {
        fs::write(
            source.join(format!("file-{number:04}")),
            tree::noise(number, BYTES),
        )?;
    }
    // The drive keeps real time: a disc in memory, so that no disk of this machine holds it up.
    let memory = tempfile::tempdir_in("/dev/shm")?;
    let burner = Burner::with_disc(
        "timing",
        &burner::BD_R,
        &memory.path().join("disc"),
        Some(1 << 20),
    )?;
    let drive_cost = Arc::new(AtomicU64::new(0));
    let transport = Metered(burner.transport(), drive_cost.clone());
    let native = Native::start(
        &scratch.join("data"),
        vec![Box::new(transport)],
        Limits::default(),
    )?;
    common::wait_drive(native.control())?;
    let walked = SourceTree::walk([format!("{}/", source.display())])?;
    session(native.control())?.put(0, "timing", &walked, |_| {})?;
    burner.drive.control(|drive| {
        drive.set_timing(Some(Timing {
            write: Some(SPEED),
            buffer: 4 << 20,
            spin_up: Duration::ZERO,
            close: Duration::from_secs(1),
            ..Timing::default()
        }));
    });
    let costs = || (cpu(ClockId::ProcessCPUTime), drive_cost.load(Ordering::Acquire));
    let before = costs();
    let mut after = None;
    let mut throughput = None;
    let ended = session(native.control())?.burn(BURN, |now| {
        if now.phase.number == Phase::Verifying.number() && after.is_none() {
            after = Some(costs());
            throughput = burner.drive.control(|drive| drive.throughput());
            burner.drive.control(|drive| drive.set_timing(None)); // reading back is not measured
        }
    })?;
    archived(&ended)?;
    let after = after.context("no progress while it was read back")?;
    let throughput = throughput.context("the drive kept no time")?;
    let micros = (after.0 - before.0).saturating_sub(after.1 - before.1);

    let there = Command::new("bash")
        .arg("-c")
        .arg("genisoimage -quiet -R -J -udf -allow-limited-size -o /dev/null . && find . -type f -exec sha256sum {} + >/dev/null; times")
        .current_dir(&source)
        .output()
        .context("genisoimage is missing: `cargo xtask setup` installs it")?;
    ensure!(
        there.status.success(),
        "{}",
        String::from_utf8_lossy(&there.stderr)
    );
    let told = String::from_utf8(there.stdout)?;
    let theirs = children(&told).with_context(|| format!("bash says {told:?}"))?;
    let gigabytes = throughput.bytes as f64 / 1e9;
    let ours = micros as f64 / 1e6 / gigabytes;
    let theirs = theirs / gigabytes;
    let ratio = throughput.rate() as f64 / f64::from(SPEED);
    eprintln!(
        "{gigabytes:.2} GB at {:.1} % of {SPEED} kB/s, {} underruns; CPU {ours:.2} s/GB, genisoimage and sha256sum {theirs:.2} s/GB",
        ratio * 100.0,
        throughput.underruns
    );
    ensure!(throughput.underruns == 0, "{} underruns", throughput.underruns);
    ensure!(ratio >= 0.99, "{ratio}");
    ensure!(ours <= theirs, "{ours} s/GB of CPU, others {theirs}");
    Ok(())
}

/// User and system time of a shell's children, in seconds: the second line of `times`.
fn children(told: &str) -> Option<f64> {
    let seconds = |field: &str| -> Option<f64> {
        let (minutes, seconds) = field.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    told.lines().nth(1)?.split_whitespace().map(seconds).sum()
}
