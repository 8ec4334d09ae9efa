//! Digests of files while an image is produced: those computed on the way, and those its content knows.

use super::layout::Image;
use super::own::UNKNOWN;
use super::{Content, ReadError, Signer};
use crate::Digests;
use crate::digests::Hasher;
use alloc::vec::Vec;

/// Bytes read at once to compute what is not known.
const PIECE: usize = 65_536;

/// What blocks are produced from besides the image.
pub(super) struct Supply<'a> {
    /// `None` while lines are measured.
    content: Option<&'a mut dyn Content>,
    /// Digests of files from number `first` on.
    computed: &'a [Digests],
    first: usize,
    /// Digest of the catalog, once it is known.
    pub catalog: Option<[u8; 32]>,
    /// Kept from line to line.
    pub path: Vec<u8>,
}

impl<'a> Supply<'a> {
    pub fn new(content: &'a mut dyn Content, computed: &'a [Digests], first: usize) -> Self {
        Self {
            content: Some(content),
            computed,
            first,
            catalog: None,
            path: Vec::new(),
        }
    }

    /// For lines of which the length alone is wanted.
    pub fn measuring() -> Self {
        Self {
            content: None,
            computed: &[],
            first: 0,
            catalog: None,
            path: Vec::new(),
        }
    }

    pub fn is_measuring(&self) -> bool {
        self.content.is_none()
    }

    pub fn signer(&mut self) -> Option<&mut dyn Signer> {
        self.content.as_mut()?.signer()
    }

    /// Fills `bytes` with those of a file.
    pub fn read(
        &mut self,
        image: &Image,
        number: u32,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), ReadError> {
        let file = &image.files[number as usize];
        let Some(content) = &mut self.content else {
            return Ok(());
        };
        content
            .read(file.id, offset, bytes)
            .map_err(|cause| ReadError::Content {
                path: image.readable_path(file.entry),
                file: file.id,
                cause,
            })
    }

    pub fn sha256(&mut self, image: &Image, number: u32) -> Result<[u8; 32], ReadError> {
        if let Some(computed) = self.computed(number) {
            return Ok(computed.sha256);
        }
        let file = &image.files[number as usize];
        let digest = match &mut self.content {
            Some(content) => content.digest(file.id),
            None => Some(UNKNOWN.sha256),
        };
        digest.ok_or_else(|| ReadError::DigestUnknown(image.readable_path(file.entry)))
    }

    /// Both digests. Few know the CRC beforehand: when only that is missing the file is read for it.
    pub fn digests(&mut self, image: &Image, number: u32) -> Result<Digests, ReadError> {
        if let Some(computed) = self.computed(number) {
            return Ok(*computed);
        }
        let sha256 = self.sha256(image, number)?;
        let file = &image.files[number as usize];
        let known = match &mut self.content {
            Some(content) => content.crc32c(file.id),
            None => Some(UNKNOWN.crc32c),
        };
        if let Some(crc32c) = known {
            return Ok(Digests { sha256, crc32c });
        }
        let mut hasher = Hasher::default();
        let mut piece = alloc::vec![0; PIECE];
        let mut offset = 0;
        while offset < file.size {
            let length = usize::try_from(file.size - offset).map_or(PIECE, |left| left.min(PIECE));
            let bytes = piece.get_mut(..length).unwrap_or_default();
            self.read(image, number, offset, bytes)?;
            hasher.update(bytes);
            offset += length as u64;
        }
        let crc32c = hasher.finish().crc32c;
        Ok(Digests { sha256, crc32c })
    }

    fn computed(&self, number: u32) -> Option<&Digests> {
        let at = (number as usize).checked_sub(self.first)?;
        self.computed.get(at)
    }
}
