//! The digests of a session's clusters, in `jobs/<job>/clusters`: 32 bytes each, in order.
//!
//! Written during the burn, read when the session is compared; later also what a burn resumes from.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use wire::Failure;

use crate::errors::Refusal;

const NAME: &str = "clusters";

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Refusal {
    move |error| Refusal::Storage {
        doing,
        why: Errno::from_io_error(&error).unwrap_or(Errno::IO),
    }
}

/// Keeps the digests of a session that is being written.
pub(super) struct Keeper {
    file: BufWriter<File>,
    all: Sha256,
}

impl Keeper {
    /// A keeper in the job's directory with room for so many digests: a full partition shows before the
    /// first WRITE, not in the middle of a disc. What an earlier try left there is gone.
    pub(super) fn new(job: &OwnedFd, clusters: u32) -> Result<Self, Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(job, NAME, flags, Mode::RUSR | Mode::WUSR).map_err(|why| {
            Refusal::Storage {
                doing: "making a list of digests",
                why,
            }
        })?;
        let room = FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&file, room, 0, u64::from(clusters.max(1)) * 32) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(Errno::NOSPC | Errno::DQUOT) => return Err(Refusal::Full.into()),
            Err(why) => {
                let doing = "making room for digests";
                return Err(Refusal::Storage { doing, why }.into());
            }
        }
        Ok(Self {
            file: BufWriter::new(file.into()),
            all: Sha256::new(),
        })
    }

    /// Adds the next cluster.
    pub(super) fn add(&mut self, cluster: &[u8]) -> Result<(), Failure> {
        let digest = Sha256::digest(cluster);
        self.all.update(digest);
        Ok(self.file.write_all(&digest).map_err(failed("keeping a digest"))?)
    }

    /// Syncs the list; returns the SHA-256 over it.
    pub(super) fn finish(mut self) -> Result<[u8; 32], Failure> {
        self.file.flush().map_err(failed("keeping digests"))?;
        rustix::fs::fsync(self.file.get_ref().as_fd()).map_err(|why| Refusal::Storage {
            doing: "syncing digests",
            why,
        })?;
        Ok(self.all.finalize().into())
    }
}

/// Gives the digests of a session that was written.
pub(super) struct Kept(BufReader<File>);

impl Kept {
    /// The list of a job; `None` when it is not there.
    pub(super) fn open(job: &OwnedFd) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(job, NAME, flags, Mode::empty()).ok()?;
        Some(Self(BufReader::new(file.into())))
    }

    /// The next cluster's digest.
    pub(super) fn next(&mut self) -> Result<[u8; 32], Failure> {
        let mut digest = [0; 32];
        self.0
            .read_exact(&mut digest)
            .map_err(failed("reading a digest"))?;
        Ok(digest)
    }
}
