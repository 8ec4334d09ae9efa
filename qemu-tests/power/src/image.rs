//! The bytes of a whole disk at one moment; what was never written takes no room.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Bytes in a page: what images share among each other.
const PAGE: usize = 4096;
const PAGE_BYTES: u64 = 4096;

/// A page within a write that brought it.
#[derive(Clone, Debug)]
struct Page {
    bytes: Arc<[u8]>,
    at: usize,
}

impl Page {
    fn bytes(&self) -> &[u8] {
        // Pages are only made of whole ones.
        self.bytes.get(self.at..self.at + PAGE).unwrap_or(&[0; PAGE])
    }
}

/// A disk's bytes; clones share their pages.
#[derive(Clone, Debug)]
pub struct Image {
    size: u64,
    pages: HashMap<u64, Page>,
}

impl Image {
    /// A disk of zeroes.
    #[must_use]
    pub fn zeroes(size: u64) -> Self {
        Self {
            size,
            pages: HashMap::new(),
        }
    }

    /// Reads a file; its holes stay holes.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn load(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut image = Self::zeroes(file.metadata()?.len());
        let mut at = 0;
        loop {
            let begin = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
                Ok(begin) => begin / PAGE_BYTES * PAGE_BYTES,
                Err(Errno::NXIO) => return Ok(image),
                Err(error) => return Err(error.into()),
            };
            let end = rustix::fs::seek(&file, SeekFrom::Hole(begin.max(at)))?;
            let mut bytes = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, begin)?;
            image.write(begin, &bytes.into());
            at = end;
        }
    }

    /// Writes a file, of which pages of zeroes are holes.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.size)?;
        for (number, page) in &self.pages {
            let at = number * PAGE_BYTES;
            let bytes = page.bytes();
            if bytes.iter().any(|byte| *byte != 0) {
                let length = usize::try_from(self.size - at).unwrap_or(PAGE).min(PAGE);
                file.write_all_at(bytes.get(..length).unwrap_or(bytes), at)?;
            }
        }
        Ok(())
    }

    /// Its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `into` from `offset` on; behind the end there are zeroes.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let (number, within) = split(at);
            let length = rest.len().min(PAGE - within);
            let (part, behind) = rest.split_at_mut(length);
            match self.pages.get(&number) {
                Some(page) => part.copy_from_slice(&page.bytes()[within..within + length]),
                None => part.fill(0),
            }
            at += length as u64;
            rest = behind;
        }
    }

    /// Writes all of `bytes` at `offset`.
    pub(crate) fn write(&mut self, offset: u64, bytes: &Arc<[u8]>) {
        self.write_part(offset, bytes, 0, bytes.len());
    }

    /// Writes `length` bytes of `bytes` from `from` on, at `offset`.
    pub(crate) fn write_part(&mut self, offset: u64, bytes: &Arc<[u8]>, from: usize, length: usize) {
        let (mut at, mut from, end) = (offset, from, from + length);
        while from < end {
            let (number, within) = split(at);
            let length = (end - from).min(PAGE - within);
            let page = if length == PAGE {
                let bytes = bytes.clone();
                Page { bytes, at: from }
            } else {
                let mut changed = [0; PAGE];
                if let Some(page) = self.pages.get(&number) {
                    changed.copy_from_slice(page.bytes());
                }
                changed[within..within + length].copy_from_slice(&bytes[from..from + length]);
                Page {
                    bytes: Arc::from(&changed[..]),
                    at: 0,
                }
            };
            self.pages.insert(number, page);
            at += length as u64;
            from += length;
        }
    }
}

/// The page an offset lies in, and where in it.
fn split(offset: u64) -> (u64, usize) {
    // A page is smaller than any address space.
    (
        offset / PAGE_BYTES,
        usize::try_from(offset % PAGE_BYTES).unwrap_or(0),
    )
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        let zeroes = [0; PAGE];
        let of = |image: &Self, number| {
            image.pages.get(number).map_or(zeroes, |page| {
                let mut bytes = zeroes;
                bytes.copy_from_slice(page.bytes());
                bytes
            })
        };
        let mut numbers = self.pages.keys().chain(other.pages.keys());
        self.size == other.size && numbers.all(|number| of(self, number) == of(other, number))
    }
}

impl Eq for Image {}
