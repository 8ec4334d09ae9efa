//! A check: every file of the disc against the disc's own list of digests.

use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use discfs::{DIGESTS_PATH, DigestLine, DiscError, Node, NodeKind, Volume, WalkLimits};
use seam::Channel;
use seam::reader::FromReader;
use sha2::{Digest, Sha256};
use wire::{ByteString, check_path};

use crate::blocks::Disc;
use crate::digests::{Digests, Line};
use crate::requests::{CHUNK, Trouble};

/// Time between two reports of progress.
const PACE: Duration = Duration::from_millis(500);

/// Findings told; the last of them counts the others.
const FINDINGS_MAX: usize = 100;

/// Bytes of a finding, so that all of them fit one message.
const FINDING_MAX: usize = 500;

/// Names remembered to find files the list does not have: 8 bytes each.
const NAMES_MAX: usize = 4 << 20;

/// Reads every file of the list, compares, and reports.
pub(crate) fn check(
    vault: &Channel,
    volume: &mut Volume<Disc>,
    digests: &mut Digests,
) -> Result<(), Trouble> {
    let mut check = Check {
        vault,
        reported: None,
        total: 0,
        files: 0,
        bytes: 0,
        equal: 0,
        findings: Findings::default(),
    };
    check.survey(volume, digests)?;
    digests.rewind();
    let mut buffer = vec![0; CHUNK];
    while let Some(line) = digests.next(volume)? {
        check.report()?;
        if let Line::File(line) = line {
            check.compare(volume, &line, &mut buffer)?;
        }
    }
    let checked = FromReader::Checked {
        files: check.files,
        bytes: check.equal,
        findings: check.findings.told(),
    };
    Ok(vault.send(&checked, &[])?)
}

struct Check<'a> {
    vault: &'a Channel,
    reported: Option<Instant>,
    total: u64,
    files: u64,
    bytes: u64,
    equal: u64,
    findings: Findings,
}

impl Check<'_> {
    /// Compares the names of the list with those of the disc, and adds up what is to be read.
    fn survey(&mut self, volume: &mut Volume<Disc>, digests: &mut Digests) -> Result<(), Trouble> {
        digests.rewind();
        let hasher = RandomState::new(); // keyed by chance: no disc can bring names that collide
        let mut names = Vec::new();
        while let Some(line) = digests.next(volume)? {
            self.report()?;
            match line {
                Line::File(line) if names.len() < NAMES_MAX => names.push(hasher.hash_one(&line.path)),
                Line::File(_) => {}
                Line::Unreadable(at) => self.findings.add(DIGESTS_PATH, format!("no digest at byte {at}")),
            }
        }
        let complete = names.len() < NAMES_MAX;
        names.sort_unstable();
        let mut trouble = None;
        let root = volume.root();
        let walked = volume.walk(&root, WalkLimits::default(), &mut |_, path, node| {
            let listed = names.binary_search(&hasher.hash_one(path)).is_ok();
            if let Err(error) = check_path(path) {
                self.findings.add(path, error);
            } else if node.kind == NodeKind::File && listed {
                self.total = self.total.saturating_add(node.size);
            } else if node.kind == NodeKind::File && complete && !path.starts_with(b".spindle/") {
                self.findings.add(path, "the list of digests does not have it");
            }
            trouble = self.report().err();
            trouble.is_none()
        });
        match (trouble, walked) {
            (Some(trouble), _) => Err(trouble),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => {
                self.findings.add(b"", error);
                Ok(())
            }
        }
    }

    /// Reads one file and compares its digest; only the vault's absence is an error.
    fn compare(
        &mut self,
        volume: &mut Volume<Disc>,
        line: &DigestLine,
        buffer: &mut [u8],
    ) -> Result<(), Trouble> {
        match volume.lookup(&line.path) {
            Ok(node) if node.kind == NodeKind::File => match self.digest(volume, &node, buffer) {
                Ok(digest) if digest == line.digest => {
                    self.files += 1;
                    self.equal += node.size;
                }
                Ok(_) => self
                    .findings
                    .add(&line.path, "its SHA-256 differs from the list's"),
                Err(Trouble::Disc(error)) => self.findings.add(&line.path, error),
                Err(other) => return Err(other),
            },
            Ok(_) => self.findings.add(&line.path, "it is no file"),
            Err(DiscError::NotFound(_) | DiscError::NotDirectory) => {
                self.findings.add(&line.path, "it is missing");
            }
            Err(error) => self.findings.add(&line.path, error),
        }
        Ok(())
    }

    fn digest(
        &mut self,
        volume: &mut Volume<Disc>,
        node: &Node,
        buffer: &mut [u8],
    ) -> Result<[u8; 32], Trouble> {
        let mut digest = Sha256::new();
        let mut offset = 0;
        while offset < node.size {
            let read = volume.read_file(node, offset, buffer)?;
            if read == 0 {
                break; // the digest will tell
            }
            digest.update(buffer.get(..read).unwrap_or_default());
            offset += read as u64;
            self.bytes += read as u64;
            self.report()?;
        }
        Ok(digest.finalize().into())
    }

    /// Tells how far it is, now and then.
    fn report(&mut self) -> Result<(), Trouble> {
        if self.reported.is_some_and(|last| last.elapsed() < PACE) {
            return Ok(());
        }
        self.reported = Some(Instant::now());
        let progress = FromReader::CheckProgress {
            files: self.files,
            bytes: self.bytes,
            total: self.total,
        };
        Ok(self.vault.send(&progress, &[])?)
    }
}

/// What is not as it should be.
#[derive(Default)]
struct Findings {
    told: Vec<String>,
    more: u64,
}

impl Findings {
    fn add(&mut self, path: &[u8], what: impl Display) {
        if self.told.len() + 1 < FINDINGS_MAX {
            let mut finding = format!("{}: {what}", ByteString::from(path));
            finding.truncate(finding.floor_char_boundary(FINDING_MAX));
            self.told.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn told(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} more", self.more));
        }
        self.told
    }
}
