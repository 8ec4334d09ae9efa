//! Making images of many small files and of few large ones, beside genisoimage, xorriso and tar.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rig::tree::noise;

use super::{Row, megabytes};
use crate::{repository, target};

const SMALL_FILES: u32 = 100_000;
const LARGE_BYTES: u64 = 4_000_000_000;
const MILLION: u32 = 1_000_000;

/// How a program did.
#[derive(Debug, Clone, Copy)]
struct Run {
    seconds: f64,
    /// The most memory it had.
    peak: u64,
    /// Of ours: how long the layout took.
    plan: f64,
}

/// Measures with everything in the page cache and all output thrown away, the best of three for each program.
pub fn run(folder: &Path) -> Result<Vec<Row>> {
    println!("bench: building the command line as it is shipped");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--release", "--package", "spindle-cli"])
        .current_dir(repository())
        .status()?;
    ensure!(built.success(), "building the command line failed");
    let spindle = target().join("release/spindle");
    let mut rows = small(folder, &spindle)?;
    rows.extend(large(folder, &spindle)?);
    rows.extend(million(folder, &spindle)?);
    Ok(rows)
}

fn small(folder: &Path, spindle: &Path) -> Result<Vec<Row>> {
    let tree = folder.join("small");
    println!("bench: making {SMALL_FILES} small files");
    files(&tree, SMALL_FILES, 1500)?;
    let peers = peers(&tree)?;
    let ours = ours(spindle, &tree)?;
    fs::remove_dir_all(&tree)?;
    let (times, peers) = compared(ours, &peers);
    Ok(vec![
        peers,
        Row {
            what: "spindle author: 100,000 files of 1.5 kB",
            found: format!("{:.2} s", ours.seconds),
            promised: "tar's time",
            kept: Some(times.tar <= 1.0),
        },
        Row {
            what: "  how many times genisoimage takes",
            found: format!("{:.1}", times.genisoimage),
            promised: "3.0",
            kept: Some(times.genisoimage >= 3.0),
        },
        peak(ours),
    ])
}

fn large(folder: &Path, spindle: &Path) -> Result<Vec<Row>> {
    let tree = folder.join("large");
    println!("bench: making two files of {} GB", LARGE_BYTES / 2_000_000_000);
    fs::create_dir_all(&tree)?;
    let piece = noise(5, 1_000_000);
    for name in ["one", "two"] {
        let mut file = File::create(tree.join(name))?;
        for number in 0..LARGE_BYTES / 2_000_000 {
            file.write_all(&number.to_be_bytes())?;
            file.write_all(piece.get(8..).unwrap_or_default())?;
        }
        file.sync_all()?;
    }
    let digest = best(&[], || {
        Command::new("sha256sum")
            .arg(tree.join("one"))
            .stdout(Stdio::null())
            .spawn()
    })?;
    let peers = peers(&tree)?;
    let ours = ours(spindle, &tree)?;
    fs::remove_dir_all(&tree)?;
    let rate = |bytes: u64, seconds: f64| megabytes(bytes) / 1000.0 / seconds;
    let (mine, digests) = (
        rate(LARGE_BYTES, ours.seconds),
        rate(LARGE_BYTES / 2, digest.seconds),
    );
    let (_, peers) = compared(ours, &peers);
    Ok(vec![
        peers,
        Row {
            what: "sha256sum, as a peer",
            found: format!("{digests:.2} GB/s"),
            promised: "",
            kept: None,
        },
        Row {
            what: "spindle author: 4 GB in two files",
            found: format!("{mine:.2} GB/s"),
            promised: "1.20 GB/s",
            kept: Some(mine >= 1.2 || mine >= digests),
        },
        peak(ours),
    ])
}

fn million(folder: &Path, spindle: &Path) -> Result<Vec<Row>> {
    let tree = folder.join("million");
    println!("bench: making {MILLION} files");
    files(&tree, MILLION, 0)?;
    let ours = ours(spindle, &tree)?;
    fs::remove_dir_all(&tree)?;
    let memory = megabytes(ours.peak);
    Ok(vec![
        Row {
            what: "1,000,000 files: layout after the walk",
            found: format!("{:.2} s", ours.plan),
            promised: "2.00 s",
            kept: Some(ours.plan <= 2.0),
        },
        Row {
            what: "1,000,000 files: peak memory",
            found: format!("{memory:.0} MB"),
            promised: "500 MB",
            kept: Some(memory <= 500.0),
        },
    ])
}

fn peak(run: Run) -> Row {
    let memory = megabytes(run.peak);
    Row {
        what: "  its peak memory",
        found: format!("{memory:.0} MB"),
        promised: "100 MB",
        kept: Some(memory <= 100.0),
    }
}

/// Files in directories of 1,000.
fn files(tree: &Path, count: u32, length: usize) -> Result<()> {
    let bytes = noise(9, length);
    for number in 0..count {
        let directory = tree.join(format!("directory {:04}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir_all(&directory)?;
        }
        let mut file = File::create(directory.join(format!("file number {:03}.dat", number % 1000)))?;
        if length > 0 {
            file.write_all(&number.to_be_bytes())?;
            file.write_all(bytes.get(4..).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Seconds of genisoimage, xorriso and tar.
struct Peers {
    genisoimage: f64,
    xorriso: f64,
    tar: f64,
}

fn peers(tree: &Path) -> Result<Peers> {
    let image = |program: &str, arguments: &[&str]| {
        let run = best(&[], || {
            Command::new(program)
                .args(arguments)
                .args(["-quiet", "-R", "-J", "-o", "/dev/null"])
                .arg(tree)
                .stderr(Stdio::null())
                .spawn()
        });
        run.map(|run| run.seconds)
    };
    let tar = best(&[], || {
        Command::new("sh")
            .args(["-c", "tar cf - \"$0\" 2>/dev/null | cat > /dev/null"])
            .arg(tree)
            .spawn()
    });
    Ok(Peers {
        tar: tar?.seconds,
        genisoimage: image("genisoimage", &["-iso-level", "3"])?,
        xorriso: image("xorriso", &["-as", "mkisofs"])?,
    })
}

fn compared(ours: Run, peers: &Peers) -> (Peers, Row) {
    let times = Peers {
        genisoimage: peers.genisoimage / ours.seconds,
        xorriso: peers.xorriso / ours.seconds,
        tar: ours.seconds / peers.tar,
    };
    let Peers {
        genisoimage,
        xorriso,
        tar,
    } = peers;
    let row = Row {
        what: "peers: genisoimage, xorriso, tar; without digests",
        found: format!("{genisoimage:.1}, {xorriso:.1}, {tar:.2} s"),
        promised: "",
        kept: None,
    };
    (times, row)
}

/// Ours, with SHA-256 and CRC-32C of every file, ISO 9660, Rock Ridge, Joliet and UDF.
fn ours(spindle: &Path, tree: &Path) -> Result<Run> {
    best(&["plan"], || {
        Command::new(spindle)
            .args(["--json", "author", "-o", "/dev/null"])
            .arg(tree)
            .stdout(Stdio::piped())
            .spawn()
    })
}

/// The best of three runs, each of which must succeed; with figures to be found in the output.
fn best(figures: &[&str], mut start: impl FnMut() -> std::io::Result<std::process::Child>) -> Result<Run> {
    let mut best: Option<Run> = None;
    for _ in 0..3 {
        let begin = Instant::now();
        let child = start().context("a program to measure is missing: `cargo xtask setup` installs it")?;
        let (output, peak) = watch(child)?;
        let seconds = begin.elapsed().as_secs_f64();
        let document: serde_json::Value = serde_json::from_slice(&output).unwrap_or_default();
        let figure = |name: &&str| document["seconds"][*name].as_f64();
        let run = Run {
            seconds,
            peak,
            plan: figures.first().and_then(figure).unwrap_or_default(),
        };
        if best.is_none_or(|best| run.seconds < best.seconds) {
            best = Some(run);
        }
    }
    best.context("three runs")
}

/// Waits for a program; what it wrote, and the most memory it was seen to have.
fn watch(mut child: Child) -> Result<(Vec<u8>, u64)> {
    let mut stdout = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        stdout.as_mut().map(|stdout| stdout.read_to_end(&mut output));
        output
    });
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        // The system keeps the mark itself: looking now and then misses only what comes in the last moment.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = mark.and_then(|mark| mark.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kibibytes.unwrap_or_default() * 1024);
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        thread::sleep(Duration::from_millis(2));
    };
    ensure!(ended.success(), "a program to measure failed with {ended}");
    let output = reader
        .join()
        .map_err(|_| anyhow::anyhow!("reading its output failed"))?;
    Ok((output, peak))
}
