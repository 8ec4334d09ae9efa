//! Rewriting blocks in front of a session: how an overwritable disc comes to show it.

use super::{Recorder, Stage};
use crate::BLOCK;
use crate::disc::Model;
use crate::error::Error;
use crate::event::Event;
use crate::reader::TRANSFER;
use crate::strategy::LARGEST_CLUSTER;
use crate::transport::{Host, Transport};

impl<T: Transport, H: Host> Recorder<'_, T, H> {
    /// Rewrites single blocks of an overwritable disc, in this order, when the image is complete: the commit
    /// point of a new session, for which it takes the place of closing. What was written before is flushed
    /// first. Blocks of one cluster that follow each other here go to the disc in one WRITE, all or none of
    /// them as far as the drive can; between clusters, and at the end, the drive's buffer is flushed.
    ///
    /// # Errors
    /// [`Error::NotOverwritable`] on a disc written sequentially; [`Error::Incomplete`] when blocks of the
    /// image are missing; [`Error::Displaced`] for a block behind the session, where nothing is. Otherwise as
    /// [`Self::write`].
    pub fn rewrite(&mut self, blocks: &[(u32, [u8; BLOCK])]) -> Result<(), Error> {
        if self.plan.model != Model::Overwritable {
            let profile = self.plan.strategy.profile;
            return Err(Error::NotOverwritable { profile });
        }
        let found = self.plan.at(self.plan.padded);
        if let Some((expected, _)) = blocks.iter().find(|(at, _)| *at >= found) {
            let expected = *expected;
            return Err(Error::Displaced { expected, found });
        }
        self.complete()?;
        self.failed = true;
        self.drive.host.event(Event::Stage(Stage::Rewriting));
        let cluster = self.plan.cluster_blocks();
        for group in blocks.chunk_by(|(one, _), (other, _)| one / cluster == other / cluster) {
            self.flush()?;
            self.rewrite_cluster(group)?;
        }
        self.flush()?;
        self.failed = false;
        Ok(())
    }

    /// Reads a cluster, puts blocks into it, writes it.
    #[inline(never)]
    fn rewrite_cluster(&mut self, group: &[(u32, [u8; BLOCK])]) -> Result<(), Error> {
        let cluster = self.plan.cluster_blocks();
        let start = group.first().map_or(0, |(at, _)| at - at % cluster);
        let mut whole = [0; LARGEST_CLUSTER * BLOCK];
        let length = usize::from(self.plan.strategy.cluster) * BLOCK;
        let Some(data) = whole.get_mut(..length) else {
            return Ok(());
        };
        self.read_cluster(start, data)?;
        for (at, block) in group {
            let place = usize::try_from(at - start).unwrap_or(usize::MAX);
            if let Some(to) = data.chunks_exact_mut(BLOCK).nth(place) {
                to.copy_from_slice(block);
            }
        }
        self.send(start, data)
    }

    /// A cluster as it is; zeroes for what no repetition can read, which nobody had before either.
    fn read_cluster(&mut self, start: u32, data: &mut [u8]) -> Result<(), Error> {
        const { assert!(LARGEST_CLUSTER <= TRANSFER) };
        let mut reader = self.drive.reader();
        match reader.read(start, data) {
            Err(Error::Unreadable { .. }) => {}
            other => return other,
        }
        for (at, block) in (start..).zip(data.chunks_exact_mut(BLOCK)) {
            match reader.read(at, block) {
                Err(Error::Unreadable { .. }) => block.fill(0),
                other => other?,
            }
        }
        Ok(())
    }
}
