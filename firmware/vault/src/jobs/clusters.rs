//! The digests of a session's clusters, in `jobs/<job>/clusters`: 32 bytes each, in order.
//!
//! Written during the burn and synced now and then, read when the session is compared; after a restart what was
//! burned before is held against it.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use wire::Failure;

use crate::errors::Refusal;
use crate::staging::DIGESTS;

/// Bytes of digests kept back: those of 2 MiB.
const BUFFER: usize = 1 << 10;

/// Time between two syncs.
const SYNC: Duration = Duration::from_secs(2);

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
    /// first WRITE, not in the middle of a disc. What an earlier try left there is written over.
    pub(super) fn new(job: &OwnedFd, clusters: u32) -> Result<Self, Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(job, DIGESTS, flags, Mode::RUSR | Mode::WUSR).map_err(|why| {
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
            file: BufWriter::with_capacity(BUFFER, file.into()),
            all: Sha256::new(),
        })
    }

    /// Adds the next cluster; its digest.
    pub(super) fn add(&mut self, cluster: &[u8]) -> Result<[u8; 32], Failure> {
        let digest = Sha256::digest(cluster);
        self.all.update(digest);
        self.file.write_all(&digest).map_err(failed("keeping a digest"))?;
        Ok(digest.into())
    }

    /// Syncs the list on a thread of its own, so that no disk keeps the drive waiting.
    pub(super) fn syncer<'scope>(&self, scope: &'scope Scope<'scope, '_>) -> Result<Syncer, Failure> {
        let file = self
            .file
            .get_ref()
            .try_clone()
            .map_err(failed("syncing digests"))?;
        let (wake, asleep) = sync_channel::<()>(1);
        let sync = move || {
            while asleep.recv().is_ok() {
                let _ = rustix::fs::fdatasync(&file); // the end of the list is synced for certain
            }
        };
        let thread = Builder::new().name("digests".into()).spawn_scoped(scope, sync);
        thread.map_err(Refusal::NoThread)?;
        Ok(Syncer {
            wake,
            last: Cell::new(Instant::now()),
        })
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

/// Has a list synced while it grows.
pub(super) struct Syncer {
    wake: SyncSender<()>,
    last: Cell<Instant>,
}

impl Syncer {
    /// Asks for a sync if the last is some time ago.
    pub(super) fn now_and_then(&self) {
        if self.last.get().elapsed() > SYNC {
            self.last.set(Instant::now());
            let _ = self.wake.try_send(()); // one that goes on will do
        }
    }
}

/// Gives the digests of a session that was written.
pub(super) struct Kept(BufReader<File>);

impl Kept {
    /// The list of a job; `None` when it is not there.
    pub(super) fn open(job: &OwnedFd) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(job, DIGESTS, flags, Mode::empty()).ok()?;
        Some(Self(BufReader::new(file.into())))
    }

    /// Whole digests in the list of a job.
    pub(super) fn count(job: &OwnedFd) -> u64 {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let status = rustix::fs::statat(job, DIGESTS, flags);
        status.map_or(0, |status| u64::try_from(status.st_size).unwrap_or(0) / 32)
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
