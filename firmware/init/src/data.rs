//! The data partition: found by its GPT name, mounted for the vault.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use seam::{Channel, Role};

use crate::Failure;
use crate::mounts::DATA;
use crate::spawn::Identity;

/// The name in the partition table.
const NAME: &str = "spindle-data";

const FLAGS: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC)
    .union(MountFlags::NOATIME);

/// Where the search for the partition stands.
#[derive(Debug)]
pub(crate) enum Data {
    /// Not there yet; missing after this moment.
    Looking(Instant),
    /// A thread mounts it and answers on the channel.
    Mounting(String, Channel),
    /// Mounted: the block device, and the directory for the vault.
    Mounted(String, OwnedFd),
    /// There is none, for this reason; it may still come.
    Missing(String),
}

/// Finds the partition's block device by name (`sda4`); of several the first in order.
pub(crate) fn find(blocks: &Path) -> Option<String> {
    let mut named: Vec<_> = fs::read_dir(blocks)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|device| {
            let properties = fs::read_to_string(blocks.join(device).join("uevent")).unwrap_or_default();
            properties
                .lines()
                .any(|line| line.strip_prefix("PARTNAME=") == Some(NAME))
        })
        .collect();
    named.sort();
    named.into_iter().next()
}

/// Mounts in a thread, since a disk may take its time over a journal, or never answer.
///
/// On the channel comes `None` with the directory's descriptor, or in words why not.
pub(crate) fn mount(device: String) -> Result<Channel, Failure> {
    let what = "cannot mount the data partition";
    let (ours, theirs) = Channel::pair()
        .map_err(|error| std::io::Error::other(error.to_string()))
        .map_err(Failure::of::<std::io::Error>(what))?;
    std::thread::Builder::new()
        .name("mount".into())
        .spawn(move || {
            let answered = match mount_now(&device) {
                Ok(directory) => theirs.send(&None::<String>, &[directory.as_fd()]),
                Err(failure) => theirs.send(&Some(failure.to_string()), &[]),
            };
            // The other end lives as long as init.
            drop(answered);
        })
        .map_err(Failure::of::<std::io::Error>(what))?;
    Ok(ours)
}

fn mount_now(device: &str) -> Result<OwnedFd, Failure> {
    let step = |what| Failure::of::<Errno>(format!("{what} (partition {NAME} on {device})"));
    rustix::mount::mount(
        format!("/dev/{device}"),
        DATA,
        "ext4",
        FLAGS,
        c"errors=remount-ro",
    )
    .map_err(step(
        "cannot mount the data partition as ext4; its file system may be damaged or was never made",
    ))?;
    let directory = open_for_vault();
    if directory.is_err() {
        // Nothing is inside; the next try starts afresh.
        let _ = rustix::mount::unmount(DATA, UnmountFlags::DETACH);
    }
    directory.map_err(step("cannot hand the data partition to the vault"))
}

fn open_for_vault() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(DATA, flags, Mode::empty())?;
    let vault = Identity::of(Role::Vault);
    rustix::fs::fchown(&directory, Some(vault.uid()), Some(vault.gid()))?;
    rustix::fs::fchmod(&directory, Mode::RWXU)?;
    Ok(directory)
}

/// Forgets a mount whose disk has gone.
pub(crate) fn detach() {
    // It was mounted, and a lazy unmount asks no disk.
    let _ = rustix::mount::unmount(DATA, UnmountFlags::DETACH);
}

/// Unmounts for good; what cannot be unmounted is made read-only, so that its journal is clean.
pub(crate) fn unmount() -> Result<(), Failure> {
    match rustix::mount::unmount(DATA, UnmountFlags::NOFOLLOW) {
        Err(Errno::BUSY) => rustix::mount::mount_remount(DATA, FLAGS | MountFlags::RDONLY, c"").map_err(
            Failure::of::<Errno>("the data partition is in use and cannot be made read-only"),
        ),
        unmounted => unmounted.map_err(Failure::of::<Errno>("cannot unmount the data partition")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_is_found_by_its_whole_name() {
        let blocks = tempfile::tempdir().unwrap();
        for (device, name) in [
            ("sda", ""),
            ("sda1", "spindle-data-old"),
            ("sdb2", NAME),
            ("sda4", NAME),
        ] {
            fs::create_dir(blocks.path().join(device)).unwrap();
            let text = format!("MAJOR=8\nDEVNAME={device}\nPARTNAME={name}\n");
            fs::write(blocks.path().join(device).join("uevent"), text).unwrap();
        }
        assert_eq!(find(blocks.path()).as_deref(), Some("sda4"));
        fs::remove_dir_all(blocks.path().join("sda4")).unwrap();
        fs::remove_dir_all(blocks.path().join("sdb2")).unwrap();
        assert_eq!(find(blocks.path()), None);
    }
}
