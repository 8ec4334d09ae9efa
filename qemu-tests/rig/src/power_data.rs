//! A box's data disk as it is when its power fails: made, mounted and looked at as the box does.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use images::data_disk;
use power::fuse::Front;
use power::mount::Mounted;
use power::{Disk, Image};

/// What a data disk of these tests has.
const SIZE: u64 = 192 << 20;

/// Where its partition begins, and the unit of its length.
const MIB: u64 = 1 << 20;

/// As `init::data` mounts the partition.
const OPTIONS: &str = "nosuid,nodev,noexec,noatime,errors=remount-ro";

/// A new data disk, as it leaves the factory.
pub fn new_data_disk(folder: &Path) -> Result<Image> {
    let path = folder.join("new-disk");
    data_disk::create(&path, SIZE, b"spindle-test-box")?;
    let image = Image::load(&path)?;
    fs::remove_file(&path)?;
    Ok(image)
}

/// The mounted data partition of a disk; with it goes what it was mounted from.
#[derive(Debug)]
pub struct DataPartition {
    mounted: Mounted,
    _front: Option<Front>,
}

impl DataPartition {
    /// Mounts that of a disk that runs; `folder` is empty.
    pub fn of_disk(disk: &Disk, folder: &Path) -> Result<Self> {
        let front = folder.join("front");
        fs::create_dir_all(&front)?;
        let front =
            Front::mount(&front, disk.clone()).context("a disk as a file needs root and /dev/fuse")?;
        Ok(Self {
            mounted: mount(front.path(), folder)?,
            _front: Some(front),
        })
    }

    /// Mounts that of a disk that is a file.
    pub fn of_file(file: &Path, folder: &Path) -> Result<Self> {
        Ok(Self {
            mounted: mount(file, folder)?,
            _front: None,
        })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.mounted.path()
    }

    /// Unmounts it in order.
    pub fn unmount(self) -> Result<()> {
        self.mounted
            .unmount()
            .context("the data partition is still in use")
    }
}

fn mount(file: &Path, folder: &Path) -> Result<Mounted> {
    let mounted = Mounted::mount(file, MIB, SIZE - 2 * MIB, &folder.join("data"), OPTIONS);
    mounted.context("the data partition cannot be mounted")
}

/// The partition of an unmounted disk is sound, says e2fsck.
pub fn check_file_system(file: &Path) -> Result<()> {
    let output = Command::new("/usr/sbin/e2fsck")
        .args(["-f", "-n"])
        .arg(format!("{}?offset={MIB}", file.display()))
        .output()
        .context("e2fsck cannot be run: it is in Debian's e2fsprogs")?;
    ensure!(
        output.status.success(),
        "e2fsck: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}
