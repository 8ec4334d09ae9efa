//! Python packages of the tests: programs nobody here wrote, in an environment of their own below target/.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::target;

/// Name, version, what it is for. The registry gives exactly these.
const PACKAGES: &[(&str, &str, &str)] = &[
    ("pycdlib", "1.22.0", "writes and reads ISO 9660 and UDF"),
    (
        "noiseprotocol",
        "0.3.1",
        "Noise: a second implementation of the protected channel",
    ),
    ("spake2", "0.9", "SPAKE2: a second implementation of pairing"),
];

/// The interpreter of the tests' environment, with every package; made or completed when it is not.
pub fn interpreter() -> Result<PathBuf> {
    let folder = target().join("python");
    let python = folder.join("bin/python");
    let stamp = folder.join("complete");
    let wanted: String = PACKAGES
        .iter()
        .map(|(name, version, _)| format!("{name}=={version}\n"))
        .collect();
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    println!("setup: Python packages into {}", folder.display());
    for (name, version, reason) in PACKAGES {
        println!("  {name:18} {version:8} {reason}");
    }
    run(Command::new("/usr/bin/python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))
    .context("python3-venv makes the environment; `cargo xtask setup` installs it")?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(install).args(wanted.lines()))
        .context("is the Python package registry reachable?")?;
    std::fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("running {program}"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("{program} failed with {status}; its own messages are above"),
    }
}
