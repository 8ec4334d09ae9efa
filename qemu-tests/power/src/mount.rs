//! File systems of disks in files, mounted on this host where only this test sees them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountPropagationFlags, UnmountFlags};

/// From now on, what this thread mounts is seen by it and the threads and processes it starts, and is gone with
/// the last of them: nothing stays behind when a test is killed.
///
/// # Errors
///
/// The caller is not root.
pub fn keep_private() -> io::Result<()> {
    sys::own_mounts()?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(rustix::mount::mount_change("/", private)?)
}

/// A mounted file system; dropping it unmounts, by force if need be.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts what begins `offset` bytes into the file `disk` and is `length` bytes long, through a loop device
    /// that goes with the mount. `options` are those of mount(8).
    ///
    /// # Errors
    ///
    /// What mount(8) says.
    pub fn mount(disk: &Path, offset: u64, length: u64, at: &Path, options: &str) -> io::Result<Self> {
        std::fs::create_dir_all(at)?;
        let output = Command::new("mount")
            .args(["-t", "ext4", "-o"])
            .arg(format!("loop,offset={offset},sizelimit={length},{options}"))
            .args([disk, at])
            .output()
            .map_err(|error| io::Error::other(format!("mount cannot be run (Debian's mount): {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(said.trim().to_owned()));
        }
        Ok(Self { at: at.into() })
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts in order.
    ///
    /// # Errors
    ///
    /// Something in it is still open; it is detached then.
    pub fn unmount(self) -> io::Result<()> {
        Ok(rustix::mount::unmount(&self.at, UnmountFlags::empty())?)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // After an orderly unmount there is nothing to detach.
        let _ = rustix::mount::unmount(&self.at, UnmountFlags::DETACH);
    }
}

mod sys {
    #![allow(unsafe_code, reason = "unshare(2) is unsafe for a flag not used here")]

    use std::io;

    use rustix::thread::{UnshareFlags, unshare_unsafe};

    /// Gives this thread a list of mounts of its own.
    pub(super) fn own_mounts() -> io::Result<()> {
        // SAFETY: descriptors stay shared (no CLONE_FILES), which is what unshare(2) could break memory safety with.
        Ok(unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?)
    }
}
