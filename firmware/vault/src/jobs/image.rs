//! The blocks of a disc in the copy area, as what a session is made of.

use std::os::fd::OwnedFd;

use sha2::{Digest, Sha256};
use wire::Failure;

use super::ahead::Source;
use crate::catalog::ImageRecord;
use crate::errors;

/// The image's name in its directory.
pub(super) const NAME: &[u8] = b"image";

/// The blocks in their order, digested on the way.
pub(super) struct Blocks {
    file: OwnedFd,
    at: u64,
    blocks: u64,
    hasher: Sha256,
    digest: [u8; 32],
}

impl Blocks {
    pub(super) fn new(file: OwnedFd, image: &ImageRecord) -> Self {
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Self {
            file,
            at: 0,
            blocks: u64::from(image.blocks),
            hasher: Sha256::new(),
            digest: image.digest,
        }
    }
}

impl Source for Blocks {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let fit = buffer.len() / discfs::BLOCK;
        let count = usize::try_from(self.blocks - self.at).map_or(fit, |left| left.min(fit));
        let part = buffer.get_mut(..count * discfs::BLOCK).unwrap_or_default();
        read(&self.file, self.at, part)?;
        self.hasher.update(&*part);
        self.at += count as u64;
        if count > 0 && self.at == self.blocks && self.hasher.finalize_reset()[..] != self.digest {
            return Err(errors::image_changed());
        }
        Ok(count)
    }
}

/// Reads blocks of an image.
pub(super) fn read(file: &OwnedFd, block: u64, into: &mut [u8]) -> Result<(), Failure> {
    let (mut at, mut rest) = (block * wire::BLOCK_SIZE, into);
    while !rest.is_empty() {
        match rustix::io::pread(file, &mut *rest, at) {
            Ok(0) => return Err(errors::image_changed()),
            Ok(count) => {
                at += count as u64;
                rest = rest.get_mut(count..).unwrap_or_default();
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(errors::storage("reading an image")(why.into())),
        }
    }
    Ok(())
}
