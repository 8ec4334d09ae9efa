//! One pass over an image: every file's bytes are read once, burned and digested together.

use super::layout::{File, Image};
use super::supply::Supply;
use super::{Content, PassError};
use crate::BLOCK;
use crate::digests::{Digests, Hasher};
use alloc::vec::Vec;

/// One pass over an image in the order of its blocks, which digests every file on the way.
pub struct Pass<'image> {
    image: &'image Image,
    position: u64,
    /// The file that is digested now; those before are complete.
    file: usize,
    /// The first file that is digested at all.
    first: usize,
    hasher: Hasher,
    /// Digests of the files from `first` on.
    digests: Vec<Digests>,
    /// Digest of the catalog, once it was needed.
    catalog: Option<[u8; 32]>,
}

impl<'image> Pass<'image> {
    /// A pass from the first block.
    #[must_use]
    pub fn new(image: &'image Image) -> Self {
        Self::resume(image, 0)
    }

    /// A pass from `block` on, to resume a burn: files that begin before it are not digested, their digests
    /// must be known to the content.
    #[must_use]
    pub fn resume(image: &'image Image, block: u64) -> Self {
        let first = image.files.partition_point(|file| u64::from(file.block) < block);
        Self {
            image,
            position: block,
            file: first,
            first,
            hasher: Hasher::default(),
            digests: Vec::new(),
            catalog: None,
        }
    }

    /// A pass over what lies behind all data ([`Image::data`]), with the digests of all files in the order of the disc.
    #[must_use]
    pub fn behind_data(image: &'image Image, digests: Vec<Digests>) -> Self {
        Self {
            position: image.data().end,
            file: image.files.len(),
            digests,
            ..Self::resume(image, 0)
        }
    }

    /// The block that comes next; [`Image::blocks`] when all were produced.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Produces the next blocks into `buf` and returns how many, fewer than fit only at the end, 0 after it.
    /// After [`PassError::Read`] the pass stands where it stood, and the same blocks can be asked for again.
    ///
    /// # Errors
    /// As [`Image::read`], and when a file's digest is not the one its content knows.
    pub fn next(&mut self, buf: &mut [u8], content: &mut dyn Content) -> Result<usize, PassError> {
        let left = self.image.blocks().saturating_sub(self.position);
        let blocks = usize::try_from(left).map_or(buf.len() / BLOCK, |left| left.min(buf.len() / BLOCK));
        let buf = buf.get_mut(..blocks * BLOCK).unwrap_or_default();
        // A file that ends in this buffer may be listed in it as well: the data come first.
        let data = self.image.data().end.saturating_sub(self.position);
        let data = usize::try_from(data).map_or(blocks, |data| data.min(blocks));
        let (data, digests) = buf.split_at_mut(data * BLOCK);
        self.step(data, content)?;
        self.step(digests, content)?;
        Ok(blocks)
    }

    fn step(&mut self, buf: &mut [u8], content: &mut dyn Content) -> Result<(), PassError> {
        let mut supply = Supply::new(content, &self.digests, self.first);
        supply.catalog = self.catalog;
        self.image
            .produce(self.position, buf, &mut supply)
            .map_err(PassError::Read)?;
        self.catalog = supply.catalog;
        self.digest(buf, content)?;
        self.position += (buf.len() / BLOCK) as u64;
        Ok(())
    }

    /// Digests what of `buf`, the blocks at the position, is file data.
    fn digest(&mut self, buf: &[u8], content: &mut dyn Content) -> Result<(), PassError> {
        let from = self.position * BLOCK as u64;
        let to = from + buf.len() as u64;
        while let Some(file) = self.image.files.get(self.file) {
            let begin = u64::from(file.block) * BLOCK as u64;
            let end = begin + file.size;
            let within = |at: u64| usize::try_from(at.clamp(from, to) - from).unwrap_or_default();
            // An empty file is complete where it would begin, even if nothing comes after it.
            if begin > to || (begin == to && file.size > 0) {
                break;
            }
            self.hasher
                .update(buf.get(within(begin)..within(end)).unwrap_or_default());
            if end > to {
                break;
            }
            self.complete(file, content)?;
        }
        Ok(())
    }

    fn complete(&mut self, file: &File, content: &mut dyn Content) -> Result<(), PassError> {
        let digests = self.hasher.finish();
        if content
            .digest(file.id)
            .is_some_and(|known| known != digests.sha256)
        {
            return Err(PassError::Changed(self.image.readable_path(file.entry)));
        }
        content.completed(file.id, &digests.sha256);
        self.digests.push(digests);
        self.file += 1;
        Ok(())
    }
}
