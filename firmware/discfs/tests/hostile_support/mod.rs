//! Hostile discs in memory, read and checked whole: for tests, and for the fuzzers, which know nothing else of this folder.
#![allow(dead_code, reason = "each test uses a part")]

use discfs::{
    BlockSource, CheckOptions, Finding, Inspector, Node, SourceError, View, Volume, WalkLimits, check,
};

pub const BLOCK: usize = 2048;
/// Blocks of a disc that the fuzzers make.
const PLAYED_MAX: usize = 2048;

/// A disc in memory, with blocks that cannot be read.
#[derive(Clone, Default)]
pub struct InMemory {
    pub bytes: Vec<u8>,
    pub bad: Vec<u64>,
    /// Blocks read so far.
    pub reads: u64,
}

impl InMemory {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            ..Self::default()
        }
    }
}

impl BlockSource for InMemory {
    fn blocks(&self) -> u64 {
        (self.bytes.len() / BLOCK) as u64
    }

    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let count = (buf.len() / BLOCK) as u64;
        self.reads += count;
        if self.bad.iter().any(|&bad| (block..block + count).contains(&bad)) {
            return Err(SourceError("a scratch".into()));
        }
        let start = usize::try_from(block).unwrap() * BLOCK;
        let bytes = self.bytes.get(start..start + buf.len());
        buf.copy_from_slice(bytes.expect("never asked for blocks past the end"));
        Ok(())
    }
}

pub fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Makes the tag of a UDF descriptor true again: CRC over the length it states, then the checksum.
pub fn seal(descriptor: &mut [u8]) {
    let length = usize::from(le16(descriptor, 10));
    let crc = descriptor[16..16 + length].iter().fold(0_u16, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    put16(descriptor, 8, crc);
    descriptor[4] = 0;
    descriptor[4] = descriptor[..16]
        .iter()
        .fold(0, |sum, byte| sum.wrapping_add(*byte));
}

/// Makes the tags of UDF descriptors true again, so that damage behind them is looked at.
pub fn seal_again(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut rest = block;
        while rest.len() >= 38 && matches!(u16::from_le_bytes([rest[0], rest[1]]), 1..=9 | 256..=266) {
            let identifier = rest[..2] == [1, 1];
            let length = usize::from(u16::from_le_bytes([rest[10], rest[11]]));
            if 16 + length > rest.len() {
                break;
            }
            seal(rest);
            rest = if identifier {
                &mut rest[16 + length..]
            } else {
                &mut []
            };
        }
    }
}

/// The disc that an input of the fuzzers stands for: whether to make tags true, the number of blocks, then stretches of
/// blocks, each with its block, its length and its bytes.
pub fn play(input: &[u8]) -> Vec<u8> {
    let Some((head, mut rest)) = input.split_at_checked(3) else {
        return Vec::new();
    };
    let mut bytes = vec![0; (usize::from(le16(head, 1)) % (PLAYED_MAX + 1)) * BLOCK];
    while let Some((entry, behind)) = rest.split_at_checked(4) {
        let place = usize::from(le16(entry, 0)) * BLOCK;
        let length = usize::from(le16(entry, 2)).min(behind.len()).min(BLOCK);
        if let Some(block) = bytes.get_mut(place..place + length) {
            block.copy_from_slice(&behind[..length]);
        }
        rest = &behind[length..];
    }
    if head[0] & 1 != 0 {
        seal_again(&mut bytes);
    }
    bytes
}

/// The input that stands for a disc; what is behind the last byte of a block that is not zero is left out.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut input = vec![0];
    input.extend(
        u16::try_from(bytes.len() / BLOCK)
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    for (number, block) in (0_u16..).zip(bytes.chunks_exact(BLOCK)) {
        let length = block.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        if length > 0 {
            input.extend(number.to_le_bytes());
            input.extend(u16::try_from(length).unwrap_or(0).to_le_bytes());
            input.extend(&block[..length]);
        }
    }
    input
}

/// Reads whatever can be read, in each view; ends, does not panic, and does not look at more blocks than is stated.
pub fn read_all(bytes: &[u8]) {
    let mut source = InMemory::new(bytes);
    for view in View::ALL {
        let Ok(mut volume) = Volume::open_view(&mut source, 0, view) else {
            continue;
        };
        let root = volume.root();
        let limits = WalkLimits {
            depth: 64,
            entries: 5000,
        };
        let mut visit = |volume: &mut Volume<&mut InMemory>, _: &[u8], node: &Node| {
            let mut buffer = [0; 3 * BLOCK + 5];
            for offset in [0, 1, node.size / 2, node.size, u64::MAX] {
                let _ = volume.read_file(node, offset, &mut buffer);
            }
            let _ = volume.link_target(node);
            true
        };
        let _ = volume.walk_tolerant(&root, limits, &mut visit, &mut |_, _| true);
        let _ = volume.lookup(b"d/e/f");
    }
    let _ = Volume::sessions(&mut source);
}

/// Puts findings into words, and counts them.
#[derive(Default)]
struct Words(usize);

impl Inspector for Words {
    fn finding(&mut self, finding: &Finding) {
        assert!(!finding.to_string().is_empty());
        self.0 += 1;
    }
}

/// Checks a disc; ends, does not panic, and does not look at more blocks nor tell more than is stated.
pub fn check_all(bytes: &[u8]) {
    let mut source = InMemory::new(bytes);
    let mut words = Words::default();
    let _ = check(&mut source, &CheckOptions::default(), &mut words, None);
    // A look takes sixteen blocks at most.
    assert!(source.reads / 16 < (1 << 22) + 1024 * source.blocks());
    assert!(words.0 < 100 * 100);
}
