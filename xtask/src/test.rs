//! cargo xtask test: every test there is; CI runs exactly this.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{build, full, python, repository, setup};

/// Which tests.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// The kernel's source archive, instead of Debian's.
    #[arg(long, value_name = "FILE")]
    pub kernel_source: Option<std::path::PathBuf>,
    /// Only the tests whose name contains this; formatting and lints are left out.
    pub filter: Option<String>,
    /// Only the tests of this package.
    #[arg(short, long)]
    pub package: Option<String>,
    /// The long tests too, each at most ten minutes; what passed is remembered until a source changes.
    #[arg(long)]
    pub full: bool,
    /// With --full: forget what passed before.
    #[arg(long, requires = "full")]
    pub afresh: bool,
    /// The seeds for seeded tests, instead of each one's own.
    #[arg(long, value_name = "A..B", value_parser = full::seeds)]
    pub seeds: Option<String>,
}

impl Options {
    /// Adds the choice of packages to cargo's arguments.
    pub(crate) fn choose_packages(&self, cargo: &mut Command) {
        match &self.package {
            Some(package) => cargo.args(["--package", package]),
            None => cargo.arg("--workspace"),
        };
    }
}

/// Sets up, builds, checks and tests; fails when anything does.
pub fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    setup::run()?;
    let everything = options.filter.is_none() && options.package.is_none();
    if everything {
        step("format", cargo(&["fmt", "--all", "--check"]))?;
        let mut lints = cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]);
        lints.env("CARGO_TERM_PROGRESS_WHEN", "never");
        step("lints", lints)?;
    }
    let build = build::Options {
        kernel_source: options.kernel_source.clone(),
        ..build::Options::default()
    };
    let release = build::run(&build)?;
    let faults = build::run(&build::Options {
        faults: true,
        ..build
    })?;
    let peer = build::peer(options.kernel_source.as_deref())?;
    let cli = build::cli()?;
    println!("built after {} s", start.elapsed().as_secs());

    let folder = |file: &Path| {
        file.parent()
            .map(Path::to_path_buf)
            .context("an artifact lies in a folder")
    };
    let mut environment = vec![
        ("SPINDLE_ARTIFACTS", folder(&release.kernel)?),
        ("SPINDLE_ARTIFACTS_FAULTS", folder(&faults.kernel)?),
        ("SPINDLE_PEER_KERNEL", peer),
        ("SPINDLE_CLI", cli),
        ("SPINDLE_PYTHON", python::interpreter()?),
    ];
    environment.extend(options.seeds.iter().map(|seeds| ("SPINDLE_SEEDS", seeds.into())));
    let tally = if options.full {
        full::run(options, &environment)?
    } else {
        let mut tests = cargo(&["test", "--locked", "--no-fail-fast"]);
        options.choose_packages(&mut tests);
        tests.envs(environment);
        tests.arg("--").args(&options.filter);
        count(tests)?
    };
    println!("\n{} s in all", start.elapsed().as_secs());
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.ignored
    );
    match tally {
        Tally {
            failed: 0,
            passed: 1..,
            complete: true,
            ..
        } => Ok(()),
        Tally {
            passed: 0, failed: 0, ..
        } => bail!("no test ran"),
        _ => bail!("tests failed; what they said is above"),
    }
}

pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).args(arguments);
    command
}

fn step(what: &str, mut command: Command) -> Result<()> {
    println!("checking: {what}");
    let status = command
        .status()
        .with_context(|| format!("running the check of {what}"))?;
    if !status.success() {
        bail!("the check of {what} failed; its messages are above");
    }
    Ok(())
}

/// How many tests did what.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub ignored: u64,
    /// Every process of tests ended well.
    pub complete: bool,
}

/// Runs the tests, passing on what they print and adding up their closing lines.
pub(crate) fn count(mut tests: Command) -> Result<Tally> {
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.add(&line);
    }
    tally.complete = child.wait()?.success();
    Ok(tally)
}

impl Tally {
    /// Adds a line such as `test result: ok. 4 passed; 0 failed; 0 ignored; ...`.
    pub(crate) fn add(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else {
            return;
        };
        let (_, counts) = result.split_once(". ").unwrap_or_default();
        for count in counts.split("; ") {
            match count
                .split_once(' ')
                .map(|(number, what)| (number.parse::<u64>().unwrap_or(0), what))
            {
                Some((number, "passed")) => self.passed += number,
                Some((number, "failed")) => self.failed += number,
                Some((number, "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
        );
        tally.add("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured");
        tally.add("test something ... ok");
        assert_eq!((tally.passed, tally.failed, tally.ignored), (6, 3, 1));
    }
}
