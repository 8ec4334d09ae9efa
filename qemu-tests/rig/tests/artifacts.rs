//! What was built is what was promised.

use std::fs;

use anyhow::{Result, ensure};
use images::kconfig;
use rig::Artifacts;

/// The kernel parses neither packets nor discs, and loads nothing.
#[test]
fn forbidden_kernel_options_are_off() -> Result<()> {
    let artifacts = Artifacts::from_environment()?;
    kconfig::check_forbidden(&fs::read_to_string(&artifacts.release.config)?)?;
    Ok(())
}

/// Kernel and initramfs fit the slot they will have.
#[test]
fn kernel_and_initramfs_are_small() -> Result<()> {
    let bytes = Artifacts::from_environment()?.release.boot_bytes()?;
    ensure!(bytes <= 6_000_000, "{bytes} bytes");
    Ok(())
}
