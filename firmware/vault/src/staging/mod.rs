//! The data partition: working trees as real files, and the room there is.
//!
//! Names come from strangers. No path is ever followed out of its tree: every one is opened with openat2,
//! RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, from the tree's own directory. What clients say of owner and
//! mode lives in the catalog; the inodes here are plain.

mod lease;
mod tree;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::errors::Refusal;
pub(crate) use lease::has_writer;
pub(crate) use tree::TreeDirectory;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

/// Bytes kept for the catalog: 2 %, within these bounds, so that a full partition can still be recorded.
const RESERVE: std::ops::RangeInclusive<u64> = 4 << 20..=32 << 20;

/// The digests of what a job burned, in its directory.
pub(crate) const DIGESTS: &str = "clusters";

/// How full the data partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// All its bytes.
    pub size: u64,
    /// Bytes that files may still take: what the catalog needs is left out.
    pub free: u64,
}

/// The directories of the data partition.
pub(crate) struct Staging {
    data: OwnedFd,
    work: OwnedFd,
    jobs: OwnedFd,
    /// A bound below the partition's own, for tests.
    pub(crate) quota: Option<u64>,
}

/// Names what was tried, for the error.
fn failed(doing: &'static str) -> impl Fn(Errno) -> Refusal {
    move |why| Refusal::Storage { doing, why }
}

impl Staging {
    /// Opens the partition's directories, or makes them.
    pub(crate) fn open(data: OwnedFd) -> Result<Self, Refusal> {
        let work = directory(&data, "work").map_err(failed("opening work/"))?;
        let jobs = directory(&data, "jobs").map_err(failed("opening jobs/"))?;
        rustix::fs::fsync(&data).map_err(failed("syncing its top directory"))?;
        Ok(Self {
            data,
            work,
            jobs,
            quota: None,
        })
    }

    /// The partition's own directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.data.as_fd()
    }

    /// How full the partition is.
    pub(crate) fn room(&self) -> Result<Room, Refusal> {
        let figures = rustix::fs::fstatvfs(&self.data).map_err(failed("asking how full it is"))?;
        let size = figures.f_blocks.saturating_mul(figures.f_frsize);
        let free = figures.f_bavail.saturating_mul(figures.f_frsize);
        let reserve = (size / 50).clamp(*RESERVE.start(), *RESERVE.end());
        let free = free.saturating_sub(reserve);
        Ok(Room {
            size,
            free: self.quota.map_or(free, |quota| free.min(quota)),
        })
    }

    /// Refuses what does not fit.
    pub(crate) fn check_room(&self, needed: u64) -> Result<(), Refusal> {
        let free = self.room()?.free;
        if needed > free {
            return Err(Refusal::NoSpace { needed, free });
        }
        Ok(())
    }

    /// Everything written so far is on the disk when this returns.
    pub(crate) fn sync(&self) -> Result<(), Refusal> {
        rustix::fs::syncfs(&self.data).map_err(failed("syncing"))
    }

    /// The directory of an open tree, made when it is not there.
    pub(crate) fn work_tree(&self, tree: u64) -> Result<TreeDirectory, Refusal> {
        let opened = directory(&self.work, &tree.to_string()).map_err(failed("opening a working tree"))?;
        Ok(TreeDirectory::new(opened))
    }

    /// The directory of a tree frozen for a job.
    pub(crate) fn frozen_tree(&self, job: u64) -> Result<TreeDirectory, Refusal> {
        let path = format!("{job}/tree");
        let opened = rustix::fs::openat(&self.jobs, path, DIRECTORY, Mode::empty());
        opened
            .map(TreeDirectory::new)
            .map_err(failed("opening a frozen tree"))
    }

    /// The directory of a job, made when it is not there.
    pub(crate) fn job(&self, job: u64) -> Result<OwnedFd, Refusal> {
        directory(&self.jobs, &job.to_string()).map_err(failed("opening a job's directory"))
    }

    /// Freezes a tree: its directory moves to the job.
    pub(crate) fn freeze(&self, tree: u64, job: u64) -> Result<(), Refusal> {
        let to = self.job(job)?;
        rustix::fs::renameat(&self.work, tree.to_string(), &to, "tree").map_err(failed("freezing a tree"))?;
        self.sync_moved(&to)
    }

    /// Takes a frozen tree back to `work/`; nothing happens when it is not frozen.
    pub(crate) fn thaw(&self, tree: u64, job: u64) -> Result<(), Refusal> {
        let from = format!("{job}/tree");
        match rustix::fs::renameat(&self.jobs, from, &self.work, tree.to_string()) {
            Ok(()) => self.sync_moved(&self.job(job)?),
            Err(Errno::NOENT) => Ok(()),
            Err(why) => Err(failed("taking a tree back")(why)),
        }
    }

    /// Whether a group's tree was moved to it.
    pub(crate) fn is_frozen(&self, group: u64) -> bool {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::statat(&self.jobs, format!("{group}/tree"), flags).is_ok()
    }

    fn sync_moved(&self, job: &OwnedFd) -> Result<(), Refusal> {
        for directory in [job, &self.work, &self.jobs] {
            rustix::fs::fsync(directory).map_err(failed("syncing a move"))?;
        }
        Ok(())
    }

    /// Removes the digests of a job that say nothing about any disc; its directory goes when nothing else is in it.
    pub(crate) fn remove_digests(&self, job: u64) -> Result<(), Refusal> {
        use rustix::fs::AtFlags;
        let list = format!("{job}/{DIGESTS}");
        for (path, flags) in [(list, AtFlags::empty()), (job.to_string(), AtFlags::REMOVEDIR)] {
            match rustix::fs::unlinkat(&self.jobs, path, flags) {
                Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => {}
                Err(why) => return Err(failed("removing a job's digests")(why)),
            }
        }
        Ok(())
    }

    /// Removes a working tree and all that is in it.
    pub(crate) fn remove_work_tree(&self, tree: u64) -> Result<(), Refusal> {
        let name = tree.to_string();
        remove_tree(&self.work, &name).map_err(failed("removing a working tree"))
    }

    /// Removes a job's frozen tree; its log and digests stay.
    pub(crate) fn remove_frozen_tree(&self, job: u64) -> Result<(), Refusal> {
        let job = self.job(job)?;
        remove_tree(&job, "tree").map_err(failed("removing a frozen tree"))
    }

    /// The numbers of what is in `work/`; what has no number is none of ours and is left.
    pub(crate) fn work_trees(&self) -> Result<Vec<u64>, Refusal> {
        numbered(&self.work).map_err(failed("listing work/"))
    }

    /// The numbers of the jobs that still have a frozen tree.
    pub(crate) fn frozen_trees(&self) -> Result<Vec<u64>, Refusal> {
        let mut jobs = numbered(&self.jobs).map_err(failed("listing jobs/"))?;
        jobs.retain(|job| {
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::statat(&self.jobs, format!("{job}/tree"), flags).is_ok()
        });
        Ok(jobs)
    }
}

fn directory(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty())
}

fn numbered(directory: &OwnedFd) -> Result<Vec<u64>, Errno> {
    let mut numbers = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .ok()
                .and_then(|name| name.parse::<u64>().ok()),
        );
    }
    Ok(numbers)
}

fn remove_tree(parent: &OwnedFd, name: &str) -> Result<(), Errno> {
    match rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()) {
        Ok(opened) => TreeDirectory::new(opened).remove_all()?,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    }
    rustix::fs::unlinkat(parent, name, rustix::fs::AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests;
