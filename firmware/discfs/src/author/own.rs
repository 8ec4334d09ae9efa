//! The files of `.spindle`: the disc's catalog, the digests of its files, a signature over them.
//!
//! Each is a sequence of lines whose lengths are known when the image is planned, so that any block of them can be
//! produced alone.

use super::ReadError;
use super::layout::{Image, What, length};
use super::supply::Supply;
use crate::catalog::{self, CATALOG_PATH, CATALOG_VERSION, CatalogEntry, CatalogKind, LineWriter};
use crate::digests::write_line;
use crate::structure::{Mark, Window};
use crate::tree::Own;
use crate::{Digests, Time};
use alloc::{string::String, vec::Vec};
use sha2::{Digest, Sha256};

/// What tells a minisign signature of a BLAKE2b digest.
const ALGORITHM: [u8; 2] = *b"ED";
const UNTRUSTED: &str = "untrusted comment: signature of SHA256SUMS, for minisign -V";
const TRUSTED: &str = "trusted comment: ";

impl Image {
    /// Lines of a file of `.spindle`, the last of which is number `lines - 1`.
    pub(super) fn own_lines(&self, own: Own) -> u32 {
        match own {
            Own::Catalog => length(&self.entries) + 1,
            Own::Digests => length(&self.listed) + 1,
            Own::Signature => 1,
        }
    }

    /// Appends a line of a file of `.spindle` to `out`.
    pub(super) fn own_line(
        &self,
        own: Own,
        line: u32,
        supply: &mut Supply<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        match own {
            Own::Catalog if line == 0 => self.catalog_head(out),
            Own::Catalog if line == length(&self.entries) => self.catalog_end(out),
            Own::Catalog => self.catalog_entry(line, supply, out)?,
            Own::Digests => self.digest_line(line, supply, out)?,
            Own::Signature => self.signature(supply, out)?,
        }
        Ok(())
    }

    /// Produces blocks of a file of `.spindle`, which are zeros, counted from its start.
    pub(super) fn write_own(
        &self,
        own: Own,
        first: u32,
        blocks: &mut [u8],
        supply: &mut Supply<'_>,
    ) -> Result<(), ReadError> {
        let file = self.own.iter().find(|file| file.own == own);
        let marks = file.map(|file| file.marks.as_slice()).unwrap_or_default();
        let Some(&Mark { item, skip }) = marks.get(first as usize) else {
            return Ok(());
        };
        let mut window = Window::new(skip as usize, blocks);
        let mut line = Vec::new();
        for at in item..self.own_lines(own) {
            line.clear();
            self.own_line(own, at, supply, &mut line)?;
            window.put(&line);
            if window.full() {
                break;
            }
        }
        Ok(())
    }

    /// Everything before the entries. The top directory has no line of its own.
    fn catalog_head(&self, out: &mut Vec<u8>) {
        let options = &self.options;
        let provenance = &options.provenance;
        LineWriter::new(out, "spindle-catalog")
            .number(u64::from(CATALOG_VERSION))
            .end();
        LineWriter::new(out, "label").text(options.label.as_bytes()).end();
        LineWriter::new(out, "time").signed(options.time).end();
        if let Some(identity) = &options.identity {
            LineWriter::new(out, "volume-set").hex(Some(identity)).end();
        }
        if let Some(identity) = &provenance.box_identity {
            LineWriter::new(out, "box").hex(Some(identity)).end();
        }
        if let Some(name) = &provenance.tree {
            LineWriter::new(out, "tree").text(name).end();
        }
        LineWriter::new(out, "session")
            .number(u64::from(self.session_number()))
            .number(u64::from(options.start_block))
            .end();
        for earlier in &provenance.earlier {
            LineWriter::new(out, "earlier")
                .number(u64::from(earlier.number))
                .number(u64::from(earlier.start))
                .hex(earlier.catalog.as_ref().map(<[u8; 32]>::as_slice))
                .end();
        }
    }

    fn catalog_end(&self, out: &mut Vec<u8>) {
        // The top directory and our own entries have no lines.
        let own = self.own.len() + 2;
        LineWriter::new(out, "end")
            .number((self.entries.len() - own) as u64)
            .end();
    }

    fn catalog_entry(&self, entry: u32, supply: &mut Supply<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if self.is_own(entry) {
            return Ok(());
        }
        let what = self.entries[entry as usize].what;
        let first = self.pieces(what, u32::MAX - 2047).next();
        let (kind, size, digests) = match what {
            What::Directory(_) | What::Own(_) => (CatalogKind::Directory, 0, None),
            What::Symlink(_) => (CatalogKind::Symlink, 0, None),
            What::File(number) => {
                let digests = supply.digests(self, number)?;
                let file = &self.files[number as usize];
                (
                    CatalogKind::File,
                    file.size,
                    Some((Some(digests.sha256), Some(digests.crc32c))),
                )
            }
            What::Recorded(number) => {
                let file = &self.recorded[number as usize];
                (CatalogKind::File, file.size, Some((file.digest, file.crc32c)))
            }
        };
        let (sha256, crc32c) = digests.unwrap_or_default();
        let block = first
            .filter(|_| kind == CatalogKind::File)
            .map_or(0, |(block, _)| block);
        let mut line = CatalogEntry {
            kind,
            attributes: self.entries[self.leader(entry) as usize].attributes,
            times: self.times(entry),
            node: self.icb(what),
            session: self.session_of(what, block),
            block,
            size,
            sha256,
            crc32c,
            path: core::mem::take(&mut supply.path),
            target: match what {
                What::Symlink(number) => self.bytes(&self.symlinks[number as usize].target).to_vec(),
                _ => Vec::new(),
            },
        };
        self.path_into(entry, &mut line.path);
        catalog::write_entry(out, &line);
        supply.path = line.path;
        Ok(())
    }

    /// Whether an entry is the top directory, `.spindle` or in it.
    fn is_own(&self, entry: u32) -> bool {
        let own = self
            .own
            .first()
            .map_or(0, |file| self.entries[file.entry as usize].parent);
        let directory = self.directories.get(own as usize).map_or(0, |own| own.entry);
        entry == 0 || entry == directory || self.entries[entry as usize].parent == own
    }

    fn session_number(&self) -> u32 {
        let last = self.options.provenance.earlier.last();
        last.map_or(1, |earlier| earlier.number.saturating_add(1))
    }

    /// The session that wrote what begins at a block.
    fn session_of(&self, what: What, block: u32) -> u32 {
        let earlier = &self.options.provenance.earlier;
        match what {
            What::Recorded(_) => {
                let before = earlier.iter().filter(|earlier| earlier.start <= block);
                before
                    .max_by_key(|earlier| earlier.start)
                    .map_or(0, |earlier| earlier.number)
            }
            _ => self.session_number(),
        }
    }

    /// The first line is the catalog's, so that one signature is over everything.
    fn digest_line(&self, line: u32, supply: &mut Supply<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let Some(at) = line.checked_sub(1) else {
            let digest = self.catalog_digest(supply)?;
            write_line(&digest, CATALOG_PATH, |bytes| out.extend_from_slice(bytes));
            return Ok(());
        };
        let entry = self.listed[at as usize];
        let digest = match self.entries[entry as usize].what {
            What::File(number) => Some(supply.sha256(self, number)?),
            What::Recorded(number) => self.recorded[number as usize].digest,
            _ => None,
        };
        if let Some(digest) = digest {
            let mut path = core::mem::take(&mut supply.path);
            self.path_into(entry, &mut path);
            write_line(&digest, &path, |bytes| out.extend_from_slice(bytes));
            supply.path = path;
        }
        Ok(())
    }

    fn catalog_digest(&self, supply: &mut Supply<'_>) -> Result<[u8; 32], ReadError> {
        if supply.is_measuring() {
            return Ok([0; 32]);
        }
        if let Some(digest) = supply.catalog {
            return Ok(digest);
        }
        let mut hasher = Sha256::new();
        self.each_line(Own::Catalog, supply, &mut |_, line| hasher.update(line))?;
        let digest = hasher.finalize().into();
        supply.catalog = Some(digest);
        Ok(digest)
    }

    fn each_line(
        &self,
        own: Own,
        supply: &mut Supply<'_>,
        visit: &mut dyn FnMut(&mut Supply<'_>, &[u8]),
    ) -> Result<(), ReadError> {
        let mut line = Vec::new();
        for at in 0..self.own_lines(own) {
            line.clear();
            self.own_line(own, at, supply, &mut line)?;
            visit(supply, &line);
        }
        Ok(())
    }

    /// A signature as minisign writes and verifies it: over the BLAKE2b digest of the list, and over that signature
    /// with the trusted comment.
    fn signature(&self, supply: &mut Supply<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let comment = self.options.signature.as_deref().unwrap_or_default();
        let comment: String = comment
            .chars()
            .filter(|character| !character.is_control())
            .collect();
        let (mut signed, mut global) = ([0; 74], [0; 64]);
        if !supply.is_measuring() {
            self.each_line(Own::Digests, supply, &mut |supply, line| {
                if let Some(signer) = supply.signer() {
                    signer.update(line);
                }
            })?;
            let signer = supply.signer().ok_or(ReadError::NoSigner)?;
            let signature = signer.sign_digest();
            global = signer.sign(&[&signature, comment.as_bytes()].concat());
            let parts = [&ALGORITHM[..], &signer.key(), &signature].concat();
            signed.copy_from_slice(&parts);
        }
        for line in [
            UNTRUSTED.into(),
            base64(&signed),
            [TRUSTED, &comment].concat(),
            base64(&global),
        ] {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        Ok(())
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or_default())
        });
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place > group.len() {
                '='
            } else {
                char::from(ALPHABET[digit])
            });
        }
    }
    text
}

/// Nothing of these is looked at while lines are measured.
pub(super) const UNKNOWN: Digests = Digests {
    sha256: [0; 32],
    crc32c: 0,
};

/// The time of our own entries.
pub(super) fn own_time(seconds: i64) -> Time {
    Time {
        seconds,
        nanoseconds: 0,
    }
}
