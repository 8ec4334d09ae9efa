//! What was built for the machines to run.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};
use images::BoxArtifacts;

/// The built things, found through the environment.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// Kernel and release initramfs: `SPINDLE_ARTIFACTS` names their folder.
    pub release: BoxArtifacts,
    /// The same with faults that tests can command: `SPINDLE_ARTIFACTS_FAULTS`.
    pub faults: Option<BoxArtifacts>,
    /// The `spindle` command: `SPINDLE_CLI`.
    pub cli: PathBuf,
    /// The kernel's command line for QEMU.
    pub command_line: String,
}

impl Artifacts {
    /// Reads the environment.
    pub fn from_environment() -> Result<Self> {
        let folder = |name: &str| {
            let folder =
                env::var_os(name).with_context(|| format!("{name} is not set: run `cargo xtask test`"))?;
            Ok::<_, anyhow::Error>(PathBuf::from(folder))
        };
        let release = BoxArtifacts::at(&folder("SPINDLE_ARTIFACTS")?)?;
        let faults = folder("SPINDLE_ARTIFACTS_FAULTS")
            .ok()
            .map(|path| BoxArtifacts::at(&path))
            .transpose()?;
        let cli = folder("SPINDLE_CLI")?;
        Ok(Self {
            release,
            faults,
            cli,
            command_line: Self::command_line()?,
        })
    }

    /// The kernel's command line for QEMU, from board/qemu/cmdline without its comments.
    pub fn command_line() -> Result<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../board/qemu/cmdline");
        let text = std::fs::read_to_string(path).context(path)?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Ok(lines
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" "))
    }
}
