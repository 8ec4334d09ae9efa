//! The disc's own list of digests, read as a stream.

use discfs::{DIGESTS_PATH, DigestLine, DiscError, Node, NodeKind, Volume, parse_digest_line};
use wire::PATH_MAX;

use crate::blocks::Disc;

/// Bytes read from the list at once.
const CHUNK: usize = 32 << 10;

/// The longest line: two digits a byte of the digest, `\`, two separators, every byte of the path escaped.
const LINE_MAX: usize = 64 + 3 + 2 * PATH_MAX;

/// `.spindle/SHA256SUMS` of a disc, and how far it was read.
pub(crate) struct Digests {
    list: Node,
    /// Byte of the list where the next line begins.
    position: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer before the next line.
    used: usize,
}

/// A line of the list.
pub(crate) enum Line {
    /// It names a file.
    File(DigestLine),
    /// It is no line of such a list; it begins at this byte.
    Unreadable(u64),
}

impl Digests {
    /// The list of a disc, `None` when it has none.
    pub(crate) fn open(volume: &mut Volume<Disc>) -> Result<Option<Self>, DiscError> {
        match volume.lookup(DIGESTS_PATH) {
            Ok(list) if list.kind == NodeKind::File => Ok(Some(Self {
                list,
                position: 0,
                buffer: Vec::new(),
                used: 0,
            })),
            Ok(_) | Err(DiscError::NotFound(_) | DiscError::NotDirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Back to the first line.
    pub(crate) fn rewind(&mut self) {
        (self.position, self.used) = (0, 0);
        self.buffer.clear();
    }

    /// The next line.
    pub(crate) fn next(&mut self, volume: &mut Volume<Disc>) -> Result<Option<Line>, DiscError> {
        let start = self.position;
        let mut too_long = false;
        loop {
            let unread = self.buffer.get(self.used..).unwrap_or_default();
            let length = unread.len();
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line = unread
                    .get(..end)
                    .filter(|_| !too_long)
                    .and_then(parse_digest_line);
                self.forget(end + 1);
                return Ok(Some(line.map_or(Line::Unreadable(start), Line::File)));
            }
            if length > LINE_MAX {
                too_long = true;
                self.forget(length);
            }
            if self.read_more(volume)? == 0 {
                let last = self
                    .buffer
                    .get(self.used..)
                    .filter(|last| !last.is_empty() || too_long);
                let last =
                    last.map(|line| parse_digest_line(line).map_or(Line::Unreadable(start), Line::File));
                self.forget(self.buffer.len() - self.used);
                return Ok(last);
            }
        }
    }

    /// Appends to the buffer; 0 at the list's end.
    fn read_more(&mut self, volume: &mut Volume<Disc>) -> Result<usize, DiscError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let have = self.buffer.len();
        self.buffer.resize(have + CHUNK, 0);
        let free = self.buffer.get_mut(have..).unwrap_or_default();
        let read = volume.read_file(&self.list, self.position + have as u64, free);
        self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
        read
    }

    /// The digest of one file. Looks on from where the last search ended: files are mostly asked for in
    /// the order of the list.
    pub(crate) fn find(
        &mut self,
        volume: &mut Volume<Disc>,
        path: &[u8],
    ) -> Result<Option<[u8; 32]>, DiscError> {
        let start = self.position;
        let mut wrapped = start == 0;
        loop {
            match self.next(volume)? {
                Some(Line::File(line)) if line.path == path => return Ok(Some(line.digest)),
                Some(_) if wrapped && start > 0 && self.position >= start => return Ok(None),
                Some(_) => {}
                None => {
                    self.rewind();
                    if wrapped {
                        return Ok(None);
                    }
                    wrapped = true;
                }
            }
        }
    }

    fn forget(&mut self, bytes: usize) {
        self.used += bytes;
        self.position += bytes as u64;
    }
}
