//! Reads blocks past the drive's cache, compares them with the digests of their burn, and maps how they read.

use std::ops::{ControlFlow, Range};
use std::os::fd::OwnedFd;
use std::time::Instant;

use mmc::{Piece, Reload, Salvage};
use sha2::{Digest, Sha256};
use wire::{Failure, JobSummary, Phase, Region};

use super::clusters::Kept;
use super::{Device, Task};
use crate::errors;

/// How blocks are looked over.
pub(super) struct Look {
    pub range: Range<u32>,
    /// Blocks in a cluster.
    pub cluster: u32,
    /// Blocks at the end that need not be readable.
    pub tail: u32,
    /// Whether to go on behind what cannot be read or differs.
    pub to_the_end: bool,
}

/// What a look over blocks found.
#[derive(Default)]
pub(super) struct Found {
    /// SHA-256 over the digests of the clusters in order.
    pub digest: [u8; 32],
    pub regions: Vec<Region>,
    /// Blocks that were read, and that could not be.
    pub read: u64,
    pub bad: u64,
    pub retried: u32,
    /// The first cluster that was read and is not what was burned.
    pub different: Option<Failure>,
}

impl Look {
    /// Reads the blocks and compares them with the digests, if there are any. `done` bytes of the phase were
    /// done before.
    pub(super) fn over(
        &self,
        task: &Task<'_>,
        device: &mut Device,
        kept: Option<Kept>,
        done: u64,
    ) -> Result<Found, Failure> {
        let start = self.range.start;
        let mut clusters = Clusters {
            look: self,
            kept,
            at: start,
            blocks: 0,
            lost: false,
            hasher: Sha256::new(),
            all: Sha256::new(),
            different: None,
        };
        let mut failed = None;
        let salvage = device
            .drive()
            .reader()
            .rescue(self.range.clone(), self.tail, |piece| {
                let taken = task.job.go_on().and_then(|()| clusters.take(&piece));
                task.job
                    .done(done + u64::from(clusters.end() - start) * wire::BLOCK_SIZE);
                match taken {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(failure) => {
                        failed = Some(failure);
                        ControlFlow::Break(())
                    }
                }
            });
        let salvage = salvage.map_err(|error| errors::drive(&error))?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        Ok(Found {
            digest: clusters.all.finalize().into(),
            regions: regions(&salvage),
            read: u64::from(salvage.read) + u64::from(salvage.run_out),
            bad: u64::from(salvage.bad),
            retried: salvage.retries,
            different: clusters.different,
        })
    }
}

/// Digests clusters out of pieces of any length.
struct Clusters<'a> {
    look: &'a Look,
    kept: Option<Kept>,
    /// First block of the cluster that is being read, how much of it was, and whether some of it is lost.
    at: u32,
    blocks: u32,
    lost: bool,
    hasher: Sha256,
    all: Sha256,
    different: Option<Failure>,
}

impl Clusters<'_> {
    fn end(&self) -> u32 {
        self.at + self.blocks
    }

    fn take(&mut self, piece: &Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Read { data, .. } => data.chunks(discfs::BLOCK).try_for_each(|block| self.block(block)),
            Piece::Bad { address, sense, .. } if !self.look.to_the_end => {
                Err(errors::unreadable(*address, sense.as_ref()))
            }
            Piece::Bad { blocks, .. } | Piece::RunOut { blocks, .. } => (0..*blocks).try_for_each(|_| {
                self.lost = true;
                self.block(&[0; discfs::BLOCK])
            }),
        }
    }

    fn block(&mut self, block: &[u8]) -> Result<(), Failure> {
        self.hasher.update(block);
        self.blocks += 1;
        if self.blocks < self.look.cluster.max(1) && self.end() < self.look.range.end {
            return Ok(());
        }
        let digest = self.hasher.finalize_reset();
        if let Some(kept) = &mut self.kept
            && digest[..] != kept.next()?
            && !self.lost
        {
            let failure = errors::differs(self.at, self.blocks);
            if !self.look.to_the_end {
                return Err(failure);
            }
            self.different.get_or_insert(failure);
        }
        self.all.update(digest);
        (self.at, self.blocks, self.lost) = (self.end(), 0, false);
        Ok(())
    }
}

/// A map as it travels.
pub(super) fn regions(salvage: &Salvage) -> Vec<Region> {
    let region = |region: &mmc::Region| {
        let bytes = u64::from(region.blocks.saturating_sub(region.bad)) * wire::BLOCK_SIZE;
        Region {
            start: u64::from(region.first),
            blocks: u64::from(region.blocks),
            time: bytes.checked_div(u64::from(region.speed)).unwrap_or(0), // 1000 bytes a second are bytes a millisecond
            retried: region.retries,
            unreadable: region.bad,
        }
    };
    salvage.regions.iter().map(region).collect()
}

/// Reads a session back and compares every cluster with what was written; its regions.
pub(super) fn read_back(
    task: &Task<'_>,
    device: &mut Device,
    journal: &OwnedFd,
    look: &Look,
    summary: &mut JobSummary,
) -> Result<Vec<Region>, Failure> {
    let kept = Kept::open(journal).ok_or_else(errors::nothing_to_compare)?;
    let blocks = look.range.end.saturating_sub(look.range.start);
    task.job
        .begin(Phase::Verifying, u64::from(blocks) * wire::BLOCK_SIZE);
    let begun = Instant::now();
    defeat_cache(task, device, look.range.clone(), summary)?;
    let found = look.over(task, device, Some(kept), 0)?;
    if found.retried > 0 {
        summary
            .remarks
            .push(format!("{} reads had to be repeated", found.retried));
    }
    summary.digest = found.digest;
    summary.verify_time += milliseconds(begun);
    Ok(found.regions)
}

/// What is read next comes from the disc, as far as the drive allows.
pub(super) fn defeat_cache(
    task: &Task<'_>,
    device: &mut Device,
    region: Range<u32>,
    summary: &mut JobSummary,
) -> Result<(), Failure> {
    let defeat = device.drive().reader().defeat_cache(region, Reload::Allowed);
    let remark = errors::defeat(defeat.map_err(|error| errors::drive(&error))?);
    task.job.note(&*remark);
    summary.remarks.push(remark);
    Ok(())
}

pub(super) fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
