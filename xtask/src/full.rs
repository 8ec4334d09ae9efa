//! The long tests as well: each in a process of its own with a limit, and what passed is remembered.
//!
//! Long are the tests marked `#[ignore = "full: ..."]`; any other ignored test is a part of some test and is run
//! by that. What passed is kept in `target/full/`, under a digest of all sources: a run that was stopped goes on
//! where it stood, and any change of a source begins again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::test::{Options, Tally, cargo, count};
use crate::{repository, target};

/// How long one long test may take, and all quick tests of one file.
const LIMIT: Duration = Duration::from_secs(600);

/// What the tests find in their environment.
pub type Environment<'a> = [(&'a str, PathBuf)];

/// A file of tests, built.
struct Executable {
    /// Its source, seen from the repository.
    source: String,
    is_library: bool,
    program: PathBuf,
    folder: PathBuf,
}

/// What is run in one process.
struct Unit<'a> {
    name: String,
    executable: &'a Executable,
    arguments: Vec<String>,
    /// Long tests among those this unit leaves out.
    long: u64,
}

/// Runs the quick tests and the long ones.
pub fn run(options: &Options, environment: &Environment<'_>) -> Result<Tally> {
    let executables = build(options)?;
    let mut memory = Memory::open(options.afresh)?;
    let mut units = Vec::new();
    for executable in &executables {
        let long = long_tests(executable, options.filter.as_deref())?;
        units.push(Unit {
            name: match &options.filter {
                None => executable.source.clone(),
                Some(filter) => format!("{} (only {filter})", executable.source),
            },
            executable,
            arguments: options.filter.iter().cloned().collect(),
            long: u64::try_from(long.len())?,
        });
        units.extend(long.into_iter().map(|test| {
            Unit {
                name: format!("{}: {test}", executable.source),
                executable,
                arguments: ["--exact", &test, "--ignored", "--nocapture"]
                    .map(str::to_owned)
                    .into(),
                long: 0,
            }
        }));
    }
    // The quick ones first: they tell soonest that something is wrong.
    units.sort_by_key(|unit| unit.arguments.len() > 1);
    let mut tally = Tally {
        complete: true,
        ..Tally::default()
    };
    let mut failed = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        let name = match &options.seeds {
            None => unit.name.clone(),
            Some(seeds) => format!("{} (seeds {seeds})", unit.name),
        };
        let position = format!("{} of {}", number + 1, units.len());
        if let Some(&(passed, skipped)) = memory.passed.get(&name) {
            println!("{position}: {name}: passed before");
            tally.passed += passed;
            tally.ignored += skipped;
            continue;
        }
        println!("{position}: {name}");
        let started = Instant::now();
        let ran = unit.run(environment)?;
        let skipped = ran.ignored.saturating_sub(unit.long);
        tally.passed += ran.passed;
        tally.failed += ran.failed;
        tally.ignored += skipped;
        if ran.failed == 0 && ran.complete {
            println!(
                "{position}: {name}: passed after {} s",
                started.elapsed().as_secs()
            );
            memory.remember(&name, ran.passed, skipped)?;
        } else {
            tally.complete = false;
            failed.push(name);
        }
    }
    if executables.iter().any(|executable| executable.is_library) {
        documentation(options, &mut tally)?;
    }
    for name in failed {
        println!("failed: {name}");
    }
    Ok(tally)
}

/// The examples in the documentation.
fn documentation(options: &Options, tally: &mut Tally) -> Result<()> {
    let mut examples = cargo(&["test", "--locked", "--no-fail-fast", "--doc"]);
    options.choose_packages(&mut examples);
    examples.arg("--").args(&options.filter);
    let ran = count(examples)?;
    tally.passed += ran.passed;
    tally.failed += ran.failed;
    tally.ignored += ran.ignored;
    tally.complete &= ran.complete;
    Ok(())
}

/// Builds the tests; cargo tells where they lie.
fn build(options: &Options) -> Result<Vec<Executable>> {
    let mut build = cargo(&["test", "--locked", "--no-run", "--tests"]);
    options.choose_packages(&mut build);
    build.arg("--message-format=json-render-diagnostics");
    let output = build
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo test")?;
    if !output.status.success() {
        bail!("the tests do not build; cargo's messages are above");
    }
    let mut executables = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        let (Some(program), Some(true)) = (
            message["executable"].as_str(),
            message["profile"]["test"].as_bool(),
        ) else {
            continue;
        };
        let text = |value: &serde_json::Value| {
            value
                .as_str()
                .map(PathBuf::from)
                .context("cargo's messages have changed")
        };
        let source = text(&message["target"]["src_path"])?;
        let manifest = text(&message["manifest_path"])?;
        executables.push(Executable {
            source: source
                .strip_prefix(repository())
                .unwrap_or(&source)
                .display()
                .to_string(),
            is_library: message["target"]["kind"][0] == "lib",
            program: program.into(),
            folder: manifest
                .parent()
                .context("a manifest lies in a folder")?
                .to_path_buf(),
        });
    }
    Ok(executables)
}

impl Executable {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder);
        command.env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command().args(arguments).output();
        let output = output.with_context(|| format!("running {}", self.program.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The names of the long tests.
fn long_tests(executable: &Executable, filter: Option<&str>) -> Result<Vec<String>> {
    let mut arguments = vec!["--list", "--format", "terse", "--ignored"];
    arguments.extend(filter);
    let listed = executable.ask(&arguments)?;
    let ignored: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    if ignored.is_empty() {
        return Ok(Vec::new());
    }
    // The list does not tell why a test is ignored; passing it over does, and runs nothing.
    let passed_over = executable.ask(&[&["--exact"], &ignored[..]].concat())?;
    Ok(reasons(&passed_over)
        .filter(|(_, reason)| reason.starts_with("full:"))
        .map(|(test, _)| test.to_owned())
        .collect())
}

/// Tests that were passed over, and why: of `test NAME ... ignored, REASON`.
fn reasons(output: &str) -> impl Iterator<Item = (&str, &str)> {
    output.lines().filter_map(|line| {
        line.strip_prefix("test ")?
            .split_once(" ... ignored, ")
            .map(|(test, reason)| (test.trim_end_matches(" - should panic"), reason))
    })
}

impl Unit<'_> {
    fn run(&self, environment: &Environment<'_>) -> Result<Tally> {
        let mut child = self
            .executable
            .command()
            .args(&self.arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("running {}", self.executable.program.display()))?;
        let output = child.stdout.take().context("a test has no output")?;
        let reader = thread::spawn(move || {
            let mut tally = Tally::default();
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                tally.add(&line);
            }
            tally
        });
        let limit = LIMIT * multiplier();
        let deadline = Instant::now() + limit;
        let status: Option<ExitStatus> = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => break None,
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        let Some(status) = status else {
            println!("{}: stopped after {} s, its limit", self.name, limit.as_secs());
            // Whatever it started would outlive it, machines above all.
            let family = descendants(child.id());
            child.kill().and_then(|()| child.wait())?;
            for process in family {
                let _ = kill_process(process, Signal::KILL); // it may have ended meanwhile
            }
            return Ok(Tally {
                failed: 1,
                ..Tally::default()
            });
        };
        let mut tally = reader.join().unwrap_or_default();
        tally.complete = status.success();
        if !tally.complete && tally.failed == 0 {
            println!("{}: ended with {status}", self.name);
            tally.failed = 1;
        }
        Ok(tally)
    }
}

/// What the tests' own limits are stretched by.
fn multiplier() -> u32 {
    let text = std::env::var("SPINDLE_TIMEOUT_MULTIPLIER").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The processes a process has started, and those they have.
fn descendants(ancestor: u32) -> Vec<Pid> {
    let parents: HashMap<u32, u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let process = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // The name, in brackets, may hold anything.
            let (_, rest) = stat.rsplit_once(')')?;
            Some((process, rest.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let descends = |mut process: u32| {
        while let Some(&parent) = parents.get(&process) {
            if parent == ancestor {
                return true;
            }
            process = parent;
        }
        false
    };
    let family = parents.keys().copied().filter(|process| descends(*process));
    family
        .filter_map(|process| Pid::from_raw(process.try_into().ok()?))
        .collect()
}

/// What passed with these sources: by name, how many tests, and how many were left out.
struct Memory {
    file: File,
    passed: HashMap<String, (u64, u64)>,
}

impl Memory {
    fn open(afresh: bool) -> Result<Self> {
        let folder = target().join("full");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join(sources_digest()?);
        let what = || format!("remembering what passed in {}", path.display());
        if afresh && path.exists() {
            fs::remove_file(&path).with_context(what)?;
        }
        let mut options = File::options();
        options.create(true).read(true).append(true);
        let file = options.open(&path).with_context(what)?;
        let passed = fs::read_to_string(&path).with_context(what)?;
        let passed = passed.lines().filter_map(remembered).collect();
        Ok(Self { file, passed })
    }

    fn remember(&mut self, name: &str, passed: u64, skipped: u64) -> Result<()> {
        writeln!(self.file, "{passed} {skipped} {name}").context("remembering what passed")
    }
}

fn remembered(line: &str) -> Option<(String, (u64, u64))> {
    let mut parts = line.splitn(3, ' ');
    let counts = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((parts.next()?.to_owned(), counts))
}

/// A digest of every file git does not ignore: names and bytes.
fn sources_digest() -> Result<String> {
    let listed = git(
        &["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        &[],
    )?;
    let mut names: Vec<&str> = listed.split_terminator('\0').collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| {
        repository()
            .join(name)
            .symlink_metadata()
            .is_ok_and(|file| file.is_file())
    });
    let names = names.join("\n");
    let digests = git(
        &["hash-object", "--no-filters", "--stdin-paths"],
        names.as_bytes(),
    )?;
    let all = git(
        &["hash-object", "--stdin"],
        format!("{names}\n{digests}").as_bytes(),
    )?;
    Ok(all.trim().to_owned())
}

fn git(arguments: &[&str], input: &[u8]) -> Result<String> {
    let mut child = Command::new("git")
        .current_dir(repository())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("git cannot be run: install Debian's package git")?;
    let mut stdin = child.stdin.take().context("git has no input")?;
    let input = input.to_vec();
    // Of its own thread: git answers while it is still being asked.
    let asking = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().context("running git")?;
    if !output.status.success() || !asking.join().is_ok_and(|asked| asked.is_ok()) {
        bail!("git failed; a full run needs a repository, to know its sources by");
    }
    String::from_utf8(output.stdout).context("a source has a name that is not UTF-8")
}

/// Whether a text is a range of seeds, such as 0..50.
pub fn seeds(text: &str) -> Result<String, String> {
    let range = text
        .split_once("..")
        .and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    match range {
        Some((from, to)) if from < to => Ok(text.to_owned()),
        _ => Err("give the first seed and the one after the last, such as 0..50".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_tests_tell_why() {
        let output = "test a::b ... ignored, full: long\ntest c ... ignored\ntest d ... ok\ntest e ... ignored, part of d\n";
        let found: Vec<_> = reasons(output).collect();
        assert_eq!(found, [("a::b", "full: long"), ("e", "part of d")]);
    }

    #[test]
    fn what_passed_is_read_as_it_was_written() {
        let name = "qemu-tests/rig/tests/power.rs: a (seeds 0..5)";
        assert_eq!(
            remembered(&format!("1 0 {name}")),
            Some((name.to_owned(), (1, 0)))
        );
        assert_eq!(remembered("1 0"), None);
    }

    #[test]
    fn the_same_sources_have_the_same_digest() {
        assert_eq!(sources_digest().unwrap(), sources_digest().unwrap());
    }

    #[test]
    fn seeds_are_a_range() {
        assert!(seeds("0..50").is_ok());
        assert!(seeds("5..5").is_err());
        assert!(seeds("5").is_err());
    }

    #[test]
    fn children_of_children_are_found() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 30 & read line; kill $!"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let family = || descendants(std::process::id()).len();
        let deadline = Instant::now() + Duration::from_secs(20);
        while family() < 2 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(family() >= 2);
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }
}
