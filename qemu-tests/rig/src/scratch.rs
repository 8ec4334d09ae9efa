//! A folder of a test: logs and discs; kept when the test fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

/// A folder below `target/rig/`, removed at the end unless the thread is panicking.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new, empty folder of this name; an old one of that name is removed.
    pub fn new(name: &str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/rig")
            .join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self {
            path: path.canonicalize()?,
        })
    }

    /// Runs a test in a new folder, which is kept when the test fails in either way: by panic or by result.
    pub fn within(name: &str, test: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let scratch = Self::new(name)?;
        let result = test(&scratch);
        if result.is_err() {
            eprintln!(
                "logs and discs of this test are kept in {}",
                scratch.path.display()
            );
            std::mem::forget(scratch);
        }
        result
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("logs and discs of this test are kept in {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}
