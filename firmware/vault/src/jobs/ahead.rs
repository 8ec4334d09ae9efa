//! Produces an image's clusters ahead of the drive, so that it never waits for a disk.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use discfs::{Image, Pass};
use wire::Failure;

use super::content::Files;
use crate::errors::{self, Refusal};

/// Bytes produced ahead: as much as a drive's own buffer.
const AHEAD: usize = 4 << 20;

/// An image's clusters, in order.
pub(super) struct Ahead {
    full: Receiver<Result<Vec<u8>, Failure>>,
    empty: SyncSender<Vec<u8>>,
}

impl Ahead {
    /// Starts the pass over an image on a thread of its own; it ends when this is dropped.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        image: &'scope Image,
        mut files: Files<'scope>,
        cluster: usize,
    ) -> Result<Self, Failure> {
        let count = (AHEAD / cluster.max(1)).max(2);
        let (full_in, full) = sync_channel(count);
        let (empty, empty_out) = sync_channel::<Vec<u8>>(count);
        for _ in 0..count {
            let _ = empty.try_send(vec![0; cluster]); // there is room for all of them
        }
        let produce = move || {
            let mut pass = Pass::new(image);
            while let Ok(mut buffer) = empty_out.recv() {
                buffer.resize(cluster, 0);
                let produced = pass
                    .next(&mut buffer, &mut files)
                    .map_err(|error| errors::pass(&error));
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
