//! Discs in memory, what a check finds on them, and images of UDF in shapes that no program here writes.
#![allow(dead_code, reason = "each test uses a part")]

pub mod damage;
pub mod foreign;
#[path = "../hostile_support/mod.rs"]
pub mod hostile_support;
pub mod shapes;

pub use hostile_support::{BLOCK, InMemory, le16, le32, put16, put32, seal};

use super::common::{Memory, Sample, produce};
use discfs::{
    BlockSource, ByteStream, CheckOptions, CheckSummary, DiscError, Fault, Finding, Inspector, Options,
};
use discfs::{Verdict, Verifier};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Collects findings.
#[derive(Default)]
pub struct Findings(pub Vec<Finding>);

impl Inspector for Findings {
    fn finding(&mut self, finding: &Finding) {
        self.0.push(finding.clone());
    }
}

impl Findings {
    pub fn has(&self, fault: Fault) -> bool {
        self.0.iter().any(|finding| finding.fault == fault)
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|finding| format!("  {finding}\n")).collect()
    }
}

/// SHA-256, and a signature that is good when it is the digest.
pub struct Sha;

impl Verifier for Sha {
    fn sha256(&mut self, stream: &mut ByteStream<'_>) -> Result<[u8; 32], DiscError> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 10_000];
        loop {
            match stream(&mut buffer)? {
                0 => return Ok(hasher.finalize().into()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    fn signature(&mut self, signed: &mut ByteStream<'_>, signature: &[u8]) -> Result<Verdict, DiscError> {
        let digest = self.sha256(signed)?;
        Ok(if signature == digest {
            Verdict::Good
        } else {
            Verdict::Bad
        })
    }
}

/// Checks a disc from the session at a block.
pub fn check_session(source: &mut impl BlockSource, session_start: u64) -> (Findings, CheckSummary) {
    let mut findings = Findings::default();
    let options = CheckOptions {
        session_start,
        ..CheckOptions::default()
    };
    let summary = discfs::check(source, &options, &mut findings, Some(&mut Sha));
    (findings, summary.expect("there is a file system"))
}

pub fn check_bytes(bytes: &[u8]) -> (Findings, CheckSummary) {
    check_session(&mut InMemory::new(bytes), 0)
}

/// Authors a sample in memory.
pub fn image(sample: &Sample, options: &Options) -> Vec<u8> {
    let (tree, mut memory): (_, Memory) = sample.tree();
    produce(&discfs::plan(&tree, options).unwrap(), &mut memory, 32)
}

pub fn at(block: usize) -> std::ops::Range<usize> {
    block * BLOCK..(block + 1) * BLOCK
}

/// Positions of UDF descriptors of a kind at the start of blocks.
pub fn descriptors(bytes: &[u8], kind: u16) -> Vec<usize> {
    let blocks = (0..bytes.len() / BLOCK).map(|block| block * BLOCK);
    let is_kind = |&at: &usize| {
        let sum = bytes[at..at + 16].iter().enumerate().filter(|&(at, _)| at != 4);
        let sum = sum.fold(0_u8, |sum, (_, byte)| sum.wrapping_add(*byte));
        le16(bytes, at) == kind && matches!(le16(bytes, at + 2), 2 | 3) && sum == bytes[at + 4]
    };
    blocks.filter(is_kind).collect()
}

/// Positions of file identifiers in the blocks of directories, from one of them on, until what is none.
pub fn identifiers(bytes: &[u8], from: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = from;
    while at + 38 <= bytes.len() && le16(bytes, at) == 257 {
        found.push(at);
        at += (38 + usize::from(le16(bytes, at + 36)) + usize::from(bytes[at + 19])).next_multiple_of(4);
    }
    found
}

/// An image packed as pairs of block number and block, behind the number of all blocks; compressed.
pub fn unpack(packed: &[u8]) -> Vec<u8> {
    let bytes = zstd::decode_all(packed).unwrap();
    let mut image = vec![0; le32(&bytes, 0) as usize * BLOCK];
    for entry in bytes[4..].chunks_exact(4 + BLOCK) {
        image[at(le32(entry, 0) as usize)].copy_from_slice(&entry[4..]);
    }
    image
}

/// The faults of findings, each with how often it was told.
pub fn counted(findings: &Findings) -> BTreeMap<Fault, usize> {
    let mut counted = BTreeMap::new();
    for finding in &findings.0 {
        *counted.entry(finding.fault).or_default() += 1;
    }
    counted
}
