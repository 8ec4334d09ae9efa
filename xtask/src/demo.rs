//! cargo xtask demo: archives a directory end to end, and lets others judge the disc.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use images::{BoxArtifacts, data_disk};
use rig::foreign::Reader;
use rig::tree::{self, Listing, Node};
use rig::{Artifacts, Burner, DataDisk, Machine, MachineOptions, Spindle, patience};

use crate::{build, setup, target};

/// What to archive.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// The directory to archive; without one a small sample with difficult names is made.
    pub directory: Option<PathBuf>,
    /// The kernel's source archive, instead of Debian's.
    #[arg(long, value_name = "FILE")]
    pub kernel_source: Option<PathBuf>,
}

/// What was done when, printed as it happens.
struct Timeline {
    start: Instant,
    last: Instant,
}

impl Timeline {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last: Instant::now(),
        }
    }

    fn mark(&mut self, what: &str) {
        let now = Instant::now();
        let (total, step) = (now - self.start, now - self.last);
        println!(
            "{:7.1} s  +{:5.1}  {what}",
            total.as_secs_f64(),
            step.as_secs_f64()
        );
        self.last = now;
    }
}

/// Sets up, builds, archives, proves; the time of what follows the build.
pub fn run(options: &Options) -> Result<std::time::Duration> {
    setup::run()?;
    let build = build::Options {
        kernel_source: options.kernel_source.clone(),
        ..build::Options::default()
    };
    let artifacts = build::run(&build)?;
    let cli = build::cli()?;
    archive(options.directory.as_deref(), &artifacts, &cli)
}

/// Archives a directory with a box that is built.
pub fn archive(
    directory: Option<&Path>,
    artifacts: &BoxArtifacts,
    cli: &Path,
) -> Result<std::time::Duration> {
    let folder = target().join("demo");
    fresh(&folder)?;
    let source = match directory {
        Some(directory) => directory
            .canonicalize()
            .with_context(|| directory.display().to_string())?,
        None => {
            let sample = folder.join("sample");
            tree::sample(&sample, 200, 20_000_000)?;
            sample
        }
    };
    let (files, bytes) = tree::totals(&source)?;
    println!(
        "\narchiving {}: {files} files, {:.1} MB",
        source.display(),
        megabytes(bytes)
    );

    let mut timeline = Timeline::new();
    let disc = folder.join("disc");
    let burner = Burner::with_disc("demo", &burner::BD_R, &disc, None)?;
    timeline.mark("the emulated burner holds a blank BD-R");

    let data = folder.join("data.img");
    // Room for the tree and its catalog; an inode for each file, of which there is one per 64 KiB.
    let size = (2 * bytes + files * (128 << 10))
        .max(4 << 30)
        .next_multiple_of(1 << 20);
    data_disk::create(&data, size, b"spindle-demo-box")?;
    let mut machine_options = MachineOptions::new(
        artifacts.clone(),
        Artifacts::command_line()?,
        &folder.join("serial.log"),
    );
    machine_options.data = Some(DataDisk::File(data));
    let mut machine = Machine::start(&machine_options, &[&burner])?;
    machine.wait_ready()?;
    timeline.mark("the box greets");

    let spindle = Spindle::new(cli, machine.control());
    shown(&spindle, &["status"])?;
    timeline.mark("connected, clock set");
    let mut contents = source.clone().into_os_string();
    contents.push("/");
    shown(
        &spindle,
        &[
            "put".as_ref(),
            contents.as_os_str(),
            "--name".as_ref(),
            "demo".as_ref(),
        ],
    )?;
    timeline.mark("sent: received, synced and catalogued");
    shown(&spindle, &["burn"])?;
    timeline.mark("burned, closed, read back past the drive's cache, digests equal");
    let listed = spindle.run(["ls", "-R"])?;
    let listed = listed["entries"].as_array().map_or(0, Vec::len);
    timeline.mark(&format!("listed: {listed} entries on the disc"));
    let wanted = tree::listing(&source)?;
    fetch_one(&spindle, &source, &wanted, &folder)?;
    timeline.mark("one file fetched from the disc, equal");
    shown(&spindle, &["eject"])?;
    shown(&spindle, &["poweroff"])?;
    machine.wait_off(patience(30))?;
    timeline.mark("ejected, switched off");
    drop((machine, burner));

    let image = folder.join("disc.img");
    fs::rename(disc.join("disc.img"), &image).context("taking the disc's sectors")?;
    for reader in [Reader::Xorriso, Reader::Bsdtar, Reader::SevenZipUdf] {
        judge(reader, &image, &wanted, &folder.join("extracted"))?;
        let what = if reader == Reader::SevenZipUdf {
            "name"
        } else {
            "name, link"
        };
        timeline.mark(&format!("{}: every {what} and SHA-256 equal", reader.name()));
    }
    let took = timeline.start.elapsed();
    println!(
        "\nthe disc: {}\nthe console: {}",
        image.display(),
        folder.join("serial.log").display()
    );
    println!("archived and proved in {:.1} s", took.as_secs_f64());
    Ok(took)
}

#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

/// Runs a command as a person would see it.
fn shown<S: AsRef<std::ffi::OsStr>>(spindle: &Spindle, arguments: &[S]) -> Result<()> {
    let mut command = spindle.command();
    command.args(arguments).stderr(Stdio::inherit());
    let output = command.output().context("running spindle")?;
    let mut stdout = std::io::stdout();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        writeln!(stdout, "             {line}")?;
    }
    if !output.status.success() {
        bail!(
            "spindle {} failed with {}",
            arguments[0].as_ref().to_string_lossy(),
            output.status
        );
    }
    Ok(())
}

/// Fetches the file in the middle of the list and compares it.
fn fetch_one(spindle: &Spindle, source: &Path, wanted: &Listing, folder: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let files: Vec<_> = wanted
        .iter()
        .filter(|(_, node)| matches!(node, Node::File(_)))
        .collect();
    let Some((path, Node::File(digest))) = files.get(files.len() / 2) else {
        bail!("{} has no file to fetch back", source.display());
    };
    let fetched = folder.join("fetched");
    spindle.run([
        "get".as_ref(),
        "--force".as_ref(),
        std::ffi::OsStr::from_bytes(path),
        fetched.as_os_str(),
    ])?;
    if tree::sha256(&fetched)? != *digest {
        bail!("the file fetched from the disc differs from its source");
    }
    Ok(())
}

/// Extracts the disc with a foreign reader, compares, and checks the disc's own list with coreutils.
fn judge(reader: Reader, image: &Path, wanted: &Listing, folder: &Path) -> Result<()> {
    let mut found = reader.extract(image, folder)?;
    let ours = |path: &[u8]| path == b".spindle" || path.starts_with(b".spindle/");
    if !found.contains_key(&b".spindle/SHA256SUMS"[..]) {
        bail!("{} does not see .spindle/SHA256SUMS", reader.name());
    }
    found.retain(|path, _| !ours(path));
    tree::demand_equal(reader.name(), &reader.as_seen(wanted, &found), &found)?;
    if reader == Reader::Xorriso {
        let check = Command::new("sha256sum")
            .args(["--check", "--quiet", "--strict", ".spindle/SHA256SUMS"])
            .current_dir(folder)
            .output()
            .context("running sha256sum")?;
        if !check.status.success() {
            bail!(
                "sha256sum does not agree with the disc's list: {}",
                String::from_utf8_lossy(&check.stdout)
            );
        }
    }
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}
