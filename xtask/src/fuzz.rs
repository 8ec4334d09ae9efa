//! cargo xtask fuzz: runs a fuzz target of fuzz/ for a while; fuzz/README.md tells what there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{repository, target};

/// Seconds one input may take; what takes longer counts as a hang.
const PATIENCE: u32 = 10;

/// What to fuzz, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Name of the target; without one, all there are, one after the other.
    pub target: Option<String>,
    /// Seconds each target runs.
    #[arg(long, default_value_t = 60)]
    pub seconds: u32,
}

/// Fuzzes; fails when an input breaks a promise. What was found stays in target/fuzz, the committed corpus as it
/// is.
pub fn run(options: &Options) -> Result<()> {
    let folder = repository().join("fuzz");
    let targets = targets(&folder)?;
    let chosen = match &options.target {
        None => targets,
        Some(name) if targets.contains(name) => vec![name.clone()],
        Some(name) => bail!("there is no fuzz target {name}; there are {}", targets.join(", ")),
    };
    let build = target().join("fuzz");
    for name in chosen {
        let found = build.join("corpus").join(&name);
        let artifacts = build.join("artifacts").join(&name);
        for folder in [&found, &artifacts] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut fuzzer = Command::new("cargo");
        // The coverage it steers by is no stable feature of the compiler. Nothing fuzzed is unsafe, so no sanitizer
        // is needed, which are for nightly compilers only.
        fuzzer
            .env("RUSTC_BOOTSTRAP", "1")
            .current_dir(&folder)
            .args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"])
            .args([&folder, Path::new("--target-dir"), &build])
            .arg(&name)
            .args([&found, &folder.join("corpus").join(&name)])
            .args(["--", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .arg(format!("-timeout={PATIENCE}"))
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-artifact_prefix={}/", artifacts.display()));
        println!("fuzzing {name} for {} s", options.seconds);
        let status = fuzzer.status().context("cannot run cargo")?;
        if !status.success() {
            bail!(
                "{name} ended with {status}; if its input broke a promise, it lies in {}; if there is no `cargo fuzz`: \
                 cargo install cargo-fuzz --locked, and the Debian package g++",
                artifacts.display()
            );
        }
    }
    Ok(())
}

/// The targets, in the order of their names.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let sources = folder.join("fuzz_targets");
    let entries = fs::read_dir(&sources).with_context(|| sources.display().to_string())?;
    let files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    let mut names: Vec<String> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|file| file.file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}
