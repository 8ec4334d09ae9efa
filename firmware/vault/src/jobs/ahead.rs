//! Produces a session's clusters ahead of the drive, so that it never waits for a disk.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use discfs::{Image, Pass};
use wire::Failure;

use super::content::Files;
use crate::errors::{self, Refusal};

/// Bytes produced ahead: as much as a drive's own buffer.
const AHEAD: usize = 4 << 20;

/// What the blocks of a session come from, in their order.
pub(super) trait Source: Send {
    /// Produces the next blocks and returns how many: fewer than fit only at the end, 0 after it.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, Failure>;
}

/// The one pass over an image of a tree.
pub(super) struct Tree<'a> {
    pass: Pass<'a>,
    files: Files<'a>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(image: &'a Image, files: Files<'a>) -> Self {
        let pass = Pass::new(image);
        Self { pass, files }
    }
}

impl Source for Tree<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let produced = self.pass.next(buffer, &mut self.files);
        produced.map_err(|error| errors::pass(&error))
    }
}

/// A session's clusters, in order.
pub(super) struct Ahead {
    full: Receiver<Result<Vec<u8>, Failure>>,
    empty: SyncSender<Vec<u8>>,
}

impl Ahead {
    /// Starts to produce on a thread of its own; it ends when this is dropped.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        source: &'scope mut dyn Source,
        cluster: usize,
    ) -> Result<Self, Failure> {
        let count = (AHEAD / cluster.max(1)).max(2);
        let (full_in, full) = sync_channel(count);
        let (empty, empty_out) = sync_channel::<Vec<u8>>(count);
        for _ in 0..count {
            let _ = empty.try_send(vec![0; cluster]); // there is room for all of them
        }
        let produce = move || {
            while let Ok(mut buffer) = empty_out.recv() {
                buffer.resize(cluster, 0);
                let produced = source.next(&mut buffer);
                let end = matches!(produced, Ok(0) | Err(_));
                let produced = produced.map(|blocks| {
                    buffer.truncate(blocks * discfs::BLOCK);
                    buffer
                });
                if full_in.send(produced).is_err() || end {
                    break;
                }
            }
        };
        let thread = Builder::new().name("ahead".into()).spawn_scoped(scope, produce);
        thread.map_err(Refusal::NoThread)?;
        Ok(Self { full, empty })
    }

    /// The next cluster, empty after the last one; give it back with [`Self::recycle`].
    pub(super) fn next(&self) -> Result<Vec<u8>, Failure> {
        self.full
            .recv()
            .map_err(|_| errors::internal("the image's producer ended early"))?
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&self, buffer: Vec<u8>) {
        let _ = self.empty.try_send(buffer); // there is room for all of them
    }
}
