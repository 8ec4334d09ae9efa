//! The disc's own digests: every file against `.spindle/SHA256SUMS`, and the list's signature.

use super::iso_directory::hash;
use super::{Check, CheckStage, Fault, Place, Report};
use crate::BLOCK;
use crate::read::{BlockSource, DiscError, Node, NodeKind, View, Volume, WalkLimits};
use crate::{DIGESTS_PATH, parse_digest_line};
use alloc::{collections::BTreeMap, vec::Vec};
use displaydoc::Display;

/// Where on a disc of ours the signature of the digest list stands, in minisign's format.
pub const SIGNATURE_PATH: &[u8] = b".spindle/SHA256SUMS.minisig";

/// Bytes of a stream, piece by piece: fills the buffer and returns how much of it, 0 at the end.
pub type ByteStream<'a> = dyn FnMut(&mut [u8]) -> Result<usize, DiscError> + 'a;

/// What is known of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
pub enum Verdict {
    /// the signature is good
    Good,
    /// the signature is bad
    Bad,
    /// the signature is by a key that is not known here
    UnknownKey,
    /// the signature was not verified
    NotVerified,
}

/// Computes digests and verifies signatures, which need keys and, at speed, more than this crate has.
pub trait Verifier {
    /// SHA-256 of all bytes of a stream.
    ///
    /// # Errors
    /// Those of the stream, passed on.
    fn sha256(&mut self, stream: &mut ByteStream<'_>) -> Result<[u8; 32], DiscError>;

    /// Verifies a detached signature, given as the bytes of its file.
    ///
    /// # Errors
    /// Those of the stream, passed on.
    fn signature(&mut self, signed: &mut ByteStream<'_>, signature: &[u8]) -> Result<Verdict, DiscError> {
        let _ = (signed, signature);
        Ok(Verdict::NotVerified)
    }
}

/// Bytes of the list read at once, and of its longest line: two bytes for each of a path, and a digest.
const PIECE: usize = 65_536;
/// A signature's file is of four short lines.
const SIGNATURE_MAX: u64 = 4096;
/// Digests kept of files with several names.
const LINKED_MAX: usize = 65_536;

/// A line of the digest list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// Of the path.
    hash: u64,
    /// Its number, from 1.
    number: u64,
    digest: [u8; 32],
    /// Whether there is such a file.
    found: bool,
}

/// Files compared with the list, while the tree is walked.
struct Comparison<'c, 'a> {
    report: &'c mut Report<'a>,
    verifier: &'c mut dyn Verifier,
    /// The lines of the list, sorted; `None` when the disc has no list and files are but read.
    lines: Option<Vec<Line>>,
    /// Digests of files that have several names, by their identities.
    linked: BTreeMap<u64, [u8; 32]>,
    view: View,
}

impl<S: BlockSource> Check<'_, S> {
    /// Reads every file, and compares it with the disc's own list of digests if there is one.
    pub(super) fn digests(&mut self, verifier: &mut dyn Verifier) -> Result<(), DiscError> {
        self.report.stage(CheckStage::Digests);
        let entries = u64::from(self.options.entries);
        let source = self.blocks.source();
        // That no view can be opened was found before.
        let Ok(mut volume) = Volume::open(source, self.options.session_start) else {
            return Ok(());
        };
        let mut comparison = Comparison {
            report: &mut self.report,
            verifier,
            lines: None,
            linked: BTreeMap::new(),
            view: volume.view(),
        };
        comparison.report.view = Some(volume.view());
        if let Ok(list) = volume.lookup(DIGESTS_PATH) {
            comparison.list(&mut volume, &list, entries)?;
            comparison.signature(&mut volume, &list)?;
        }
        comparison.files(&mut volume, entries)?;
        self.report.view = None;
        Ok(())
    }
}

impl Comparison<'_, '_> {
    /// Reads the lines of the list.
    fn list<S: BlockSource>(
        &mut self,
        volume: &mut Volume<S>,
        list: &Node,
        most: u64,
    ) -> Result<(), DiscError> {
        let mut lines = Vec::new();
        let mut buffer = alloc::vec![0; PIECE];
        let (mut offset, mut kept, mut number) = (0, 0, 0);
        let path = || DIGESTS_PATH.to_vec();
        let place = Place::default().of(&path);
        loop {
            let count = match volume.read_file(list, offset, buffer.get_mut(kept..).unwrap_or_default()) {
                Ok(count) => count,
                Err(error) => {
                    self.report.find(Fault::Unreadable, place, error);
                    break;
                }
            };
            let filled = kept + count;
            let bytes = buffer.get(..filled).unwrap_or_default();
            let last = bytes.iter().rposition(|&byte| byte == b'\n');
            let end = last.map_or(if count == 0 { filled } else { 0 }, |at| at + 1);
            let whole = bytes.get(..end).unwrap_or_default();
            for line in whole.split_inclusive(|&byte| byte == b'\n') {
                number += 1;
                let parsed = line.strip_suffix(b"\n").and_then(parse_digest_line);
                match parsed {
                    Some(line) if number <= most => lines.push(Line {
                        hash: hash(&line.path),
                        number,
                        digest: line.digest,
                        found: false,
                    }),
                    Some(_) => {}
                    None => self
                        .report
                        .find(Fault::DigestLine, place, format_args!("line {number}")),
                }
            }
            if count == 0 {
                break;
            }
            offset += count as u64;
            // A line longer than any can be is damage, and skipped.
            kept = if end == 0 && filled == PIECE {
                0
            } else {
                filled - end
            };
            buffer.copy_within(filled - kept..filled, 0);
        }
        lines.sort_unstable();
        self.lines = Some(lines);
        Ok(())
    }

    fn signature<S: BlockSource>(&mut self, volume: &mut Volume<S>, list: &Node) -> Result<(), DiscError> {
        let Ok(node) = volume.lookup(SIGNATURE_PATH) else {
            return Ok(());
        };
        let path = || SIGNATURE_PATH.to_vec();
        let place = Place::default().of(&path);
        let mut signature = alloc::vec![0; usize::try_from(node.size.min(SIGNATURE_MAX)).unwrap_or(0)];
        let mut offset = 0;
        let verdict = volume.read_file(&node, 0, &mut signature).and_then(|_| {
            let mut stream = |buffer: &mut [u8]| {
                let count = volume.read_file(list, offset, buffer)?;
                offset += count as u64;
                Ok(count)
            };
            self.verifier.signature(&mut stream, &signature)
        });
        match verdict {
            Ok(Verdict::Bad) => self.report.find(Fault::SignatureBad, place, ""),
            Ok(Verdict::UnknownKey) => self.report.find(Fault::SignatureUnknown, place, ""),
            Ok(_) => {}
            Err(DiscError::Cancelled) => return Err(DiscError::Cancelled),
            Err(ref error) => self.report.find(Fault::Unreadable, place, error),
        }
        self.report.summary.signature = verdict.ok();
        Ok(())
    }

    /// Walks over the tree and reads every file; then lines without a file are told.
    fn files<S: BlockSource>(&mut self, volume: &mut Volume<S>, entries: u64) -> Result<(), DiscError> {
        let limits = WalkLimits {
            entries,
            depth: u32::MAX,
        };
        let root = volume.root();
        let mut failure = None;
        let mut visit = |volume: &mut Volume<S>, path: &[u8], node: &Node| {
            if node.kind == NodeKind::File && path != DIGESTS_PATH && path != SIGNATURE_PATH {
                failure = self.file(volume, path, node).err();
            }
            failure.is_none()
        };
        // Damaged directories were found before.
        let mut damaged = false;
        let walked = volume.walk_tolerant(&root, limits, &mut visit, &mut |_, _| {
            damaged = true;
            true
        });
        if let Some(error) = failure {
            return Err(error);
        }
        let missing = self.lines.take().unwrap_or_default();
        for line in missing
            .iter()
            .filter(|line| !line.found && walked.is_ok() && !damaged)
        {
            let path = || DIGESTS_PATH.to_vec();
            let place = Place::default().of(&path);
            self.report.find(
                Fault::DigestWithoutFile,
                place,
                format_args!("line {}", line.number),
            );
        }
        Ok(())
    }

    fn file<S: BlockSource>(
        &mut self,
        volume: &mut Volume<S>,
        path: &[u8],
        node: &Node,
    ) -> Result<(), DiscError> {
        let known = self
            .linked
            .get(&node.identity)
            .copied()
            .filter(|_| node.links > 1);
        let digest = match known {
            Some(digest) => Ok(digest),
            None => self.read(volume, node),
        };
        let named = || path.to_vec();
        let block = node.extents.position().map(|position| position / BLOCK as u64);
        let place = Place { block, path: None }.of(&named);
        let digest = match digest {
            Ok(digest) => digest,
            Err(DiscError::Cancelled) => return Err(DiscError::Cancelled),
            Err(error) => {
                self.report.find(Fault::Unreadable, place, error);
                self.take_line(path);
                return Ok(());
            }
        };
        if node.links > 1 && self.linked.len() < LINKED_MAX {
            self.linked.insert(node.identity, digest);
        }
        if self.lines.is_none() {
            return Ok(());
        }
        match self.take_line(path) {
            Some(expected) => {
                self.report.summary.digests_compared += 1;
                self.report
                    .demand(expected == digest, Fault::DigestWrong, place, "");
            }
            // UDF alone shows some names otherwise than the list has them; the digest tells which file it is.
            None if self.view == View::Udf && self.take_digest(&digest) => {
                self.report.summary.digests_compared += 1;
            }
            None => self.report.find(Fault::FileWithoutDigest, place, ""),
        }
        Ok(())
    }

    /// The digest of a file, or zeros when there is nothing to compare it with and it is but read.
    fn read<S: BlockSource>(&mut self, volume: &mut Volume<S>, node: &Node) -> Result<[u8; 32], DiscError> {
        let mut offset = 0;
        let report = &mut *self.report;
        let mut stream = |buffer: &mut [u8]| {
            let count = volume.read_file(node, offset, buffer)?;
            offset += count as u64;
            report.summary.bytes_read += count as u64;
            report.advance(count as u64)?;
            Ok(count)
        };
        if self.lines.is_some() {
            return self.verifier.sha256(&mut stream);
        }
        let mut buffer = alloc::vec![0; PIECE];
        while stream(&mut buffer)? > 0 {}
        Ok([0; 32])
    }

    /// The digest the list has for a path, and that it was found.
    fn take_line(&mut self, path: &[u8]) -> Option<[u8; 32]> {
        let lines = self.lines.as_mut()?;
        let hash = hash(path);
        let at = lines.partition_point(|line| line.hash < hash);
        let line = lines.get_mut(at).filter(|line| line.hash == hash)?;
        line.found = true;
        Some(line.digest)
    }

    /// Whether a line without a file has a digest.
    fn take_digest(&mut self, digest: &[u8; 32]) -> bool {
        let lines = self.lines.iter_mut().flatten();
        let line = lines
            .into_iter()
            .find(|line| !line.found && line.digest == *digest);
        line.is_some_and(|line| {
            line.found = true;
            true
        })
    }
}
