//! Assembles what a box boots: kernel, initramfs, disks.
//!
//! One door per product: [`kernel::build`], [`initramfs::assemble`], [`data_disk::create`]. What each is made
//! of comes from a board's folder ([`board::Board`]); where the results lie is a [`BoxArtifacts`].
//!
//! Principles:
//!
//! - The same sources give the same bytes: no time stamps, user names or machine paths in any product.
//! - What was asked for is what came out: a kernel option that did not make it into the configuration, or a
//!   forbidden one that did, fails the build and is named.
//! - A product appears under its final name only when it is complete and synced.
//!
//! Limits: x86-64 boxes, built on Linux with Debian's kernel sources, `make`, `gcc` and `mke2fs`.

pub mod board;
pub mod data_disk;
pub mod elf;
mod error;
mod files;
pub mod gpt;
pub mod initramfs;
pub mod kconfig;
pub mod kernel;
pub mod newc;
mod process;

use std::path::{Path, PathBuf};

pub use error::{Error, Result};

/// The files a box is booted from, all of them present when this value exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxArtifacts {
    /// The kernel, a bzImage that is an EFI executable too.
    pub kernel: PathBuf,
    /// The initramfs: a Zstandard-compressed newc archive with the one executable as `/init`.
    pub initramfs: PathBuf,
    /// The configuration the kernel was built with, in `.config` form.
    pub config: PathBuf,
}

impl BoxArtifacts {
    /// Where the artifacts of one build lie inside `directory`, whether or not they are there yet.
    pub fn inside(directory: &Path) -> Self {
        Self {
            kernel: directory.join("bzImage"),
            initramfs: directory.join("initramfs.zst"),
            config: directory.join("kernel.config"),
        }
    }

    /// The artifacts in `directory`, refused when one of them is missing.
    pub fn at(directory: &Path) -> Result<Self> {
        let artifacts = Self::inside(directory);
        for path in [&artifacts.kernel, &artifacts.initramfs, &artifacts.config] {
            if !path.is_file() {
                return Err(Error::NotBuilt { path: path.clone() });
            }
        }
        Ok(artifacts)
    }

    /// Bytes of kernel and initramfs together: what a slot has to hold and a boot has to load.
    pub fn boot_bytes(&self) -> Result<u64> {
        Ok(files::length(&self.kernel)? + files::length(&self.initramfs)?)
    }
}
