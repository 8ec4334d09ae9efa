//! cargo xtask setup: what is missing gets installed, or the command that would do it is shown.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::packages::{PACKAGES, Package};

/// Installs the missing packages; as an ordinary user, says how and fails.
pub fn run() -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        println!("setup: all {} packages are installed", PACKAGES.len());
        return Ok(());
    }
    println!("setup: {} packages are missing", missing.len());
    for Package { name, reason } in &missing {
        println!("  {name:18} {reason}");
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !rustix::process::geteuid().is_root() {
        bail!(
            "installing needs root; run\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
            names.join(" ")
        );
    }
    install(&names)?;
    let still: Vec<&str> = self::missing()?.iter().map(|package| package.name).collect();
    if !still.is_empty() {
        bail!(
            "apt-get reported success, yet these packages are not installed: {}",
            still.join(", ")
        );
    }
    Ok(())
}

/// The packages that are not completely installed: one question for all of them.
fn missing() -> Result<Vec<Package>> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(PACKAGES.iter().map(|package| package.name))
        .stderr(Stdio::null()) // it names what it does not know; so do we
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("there is no dpkg-query here: Spindle is built on Debian 12 (bookworm)")
        }
        other => other.context("cannot run dpkg-query")?,
    };
    Ok(not_installed(&String::from_utf8_lossy(&output.stdout)))
}

fn not_installed(listing: &str) -> Vec<Package> {
    let installed: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    PACKAGES
        .iter()
        .filter(|package| !installed.contains(package.name))
        .copied()
        .collect()
}

/// Cheapest first: with the package lists as they are, then with new ones, then with the one downgrade known to help.
fn install(names: &[&str]) -> Result<()> {
    if apt_get(&[], names)? {
        return Ok(());
    }
    println!("setup: not possible with the present package lists, updating them");
    if !apt(&["update"])? {
        bail!("apt-get update failed; is a Debian mirror reachable?");
    }
    if apt_get(&[], names)? {
        return Ok(());
    }
    // A qemu-utils from backports is newer than, and breaks, the qemu-system-common of the release.
    if names.iter().any(|name| name.starts_with("qemu-")) {
        println!("setup: WARNING: trying again with qemu-utils DOWNGRADED to the release's own version,");
        println!("setup: WARNING: because one from backports conflicts with the release's QEMU");
        if apt_get(&["--allow-downgrades", "qemu-utils/bookworm"], names)? {
            return Ok(());
        }
    }
    bail!(
        "apt-get could not install {}; its own messages are above",
        names.join(" ")
    )
}

fn apt_get(special: &[&str], names: &[&str]) -> Result<bool> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(special);
    arguments.extend(names);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<bool> {
    println!("setup: apt-get {}", arguments.join(" "));
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_packages_count() {
        let everything: String = PACKAGES
            .iter()
            .map(|package| format!("{} installed\n", package.name))
            .collect();
        assert!(not_installed(&everything).is_empty());
        let without_one = everything.replace("bison installed", "bison config-files");
        let names: Vec<&str> = not_installed(&without_one)
            .iter()
            .map(|package| package.name)
            .collect();
        assert_eq!(names, ["bison"]);
        assert_eq!(not_installed("").len(), PACKAGES.len());
    }

    #[test]
    fn packages_are_named_once_each_with_its_reason() {
        let names: BTreeSet<&str> = PACKAGES.iter().map(|package| package.name).collect();
        assert_eq!(names.len(), PACKAGES.len());
        assert!(PACKAGES.iter().all(|package| !package.reason.is_empty()));
    }
}
