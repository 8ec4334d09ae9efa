//! What an overwritable disc was given last: as much as a drive may lose when it is reset.

use super::Recorder;
use crate::BLOCK;
use crate::error::Error;
use crate::reader::TRANSFER;
use crate::transport::{Host, Transport};

/// Clusters remembered: 16 MiB of DVD or 32 MiB of BD, more than any drive's buffer.
const CLUSTERS: usize = 512;

/// Addresses and digests of the clusters written since the last flush, the newest [`CLUSTERS`] of them.
#[derive(Debug, Default)]
pub(super) struct Recent(heapless::Deque<(u32, u64), CLUSTERS>);

impl Recent {
    pub(super) fn add(&mut self, address: u32, data: &[u8]) {
        if self.0.is_full() {
            self.0.pop_front();
        }
        let _ = self.0.push_back((address, digest(data))); // there is room now
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Tells blocks of this driver from others; nobody forges what a drive has lost.
fn digest(data: &[u8]) -> u64 {
    let (words, _) = data.as_chunks::<8>();
    words.iter().fold(u64::MAX, |all, word| {
        let mixed = (all ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 29
    })
}

impl<T: Transport, H: Host> Recorder<'_, T, H> {
    /// After a reset, or when the disc may have become another one: reads back what was written last, whatever
    /// part of it the drive still holds. If all of it is there, this is the disc and nothing was lost.
    pub(super) fn prove_recent(&mut self) -> Result<(), Error> {
        let changed = self.drive.generation != self.plan.generation;
        if !changed && self.drive.resets == self.resets {
            return Ok(());
        }
        (self.resets, self.plan.generation) = (self.drive.resets, self.drive.generation);
        if changed && self.recent.is_empty() {
            let address = self.next();
            return Err(Error::BurnInterrupted { address });
        }
        // A reset opens the lock as well.
        self.drive.lock(true)?;
        self.read_recent()
    }

    #[inline(never)]
    fn read_recent(&mut self) -> Result<(), Error> {
        let mut cluster = [0; TRANSFER * BLOCK];
        let length = usize::from(self.plan.strategy.cluster) * BLOCK;
        let read = cluster.get_mut(..length).unwrap_or(&mut []);
        for (address, expected) in &self.recent.0 {
            let address = *address;
            match self.drive.reader().read(address, read) {
                Ok(()) if digest(read) == *expected => {}
                Ok(()) | Err(Error::Unreadable { .. } | Error::DiscChanged) => {
                    return Err(Error::BurnInterrupted { address });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
