//! What the fuzzers start from, and small changes of it, without a fuzzer.

#[path = "common/connection.rs"]
mod connection;
#[path = "common/sequence.rs"]
mod sequence;

use std::{fs, path::Path};

/// The committed inputs of a fuzz target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a directory that can be read").path())
        .collect();
    files.sort();
    assert!(files.len() > 5, "{}", folder.display());
    files
        .into_iter()
        .map(|file| fs::read(file).expect("a file that can be read"))
        .collect()
}

/// The same numbers every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        let number = usize::try_from((mixed ^ mixed >> 31) & 0xFFFF).unwrap_or(0);
        number % limit.max(1)
    }
}

/// Bytes changed, left out, doubled, or exchanged for the end of another input.
fn changed(numbers: &mut Numbers, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(input.len());
        match numbers.below(5) {
            0 | 1 if at < input.len() => input[at] = u8::try_from(numbers.below(256)).unwrap_or(0),
            2 => drop(input.drain(at..(at + numbers.below(20)).min(input.len()))),
            3 => input.extend_from_within(at..(at + 40).min(input.len())),
            _ => {
                let other = &corpus[numbers.below(corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[numbers.below(other.len())..]);
            }
        }
    }
    input.truncate(4096);
    input
}

fn try_all(target: &str, changes: u64, run: fn(&[u8])) {
    let corpus = corpus(target);
    corpus.iter().for_each(|input| run(input));
    let mut numbers = Numbers(1);
    for _ in 0..changes {
        run(&changed(&mut numbers, &corpus));
    }
}

#[test]
fn sequences_of_commands_break_no_promise() {
    try_all("burner_commands", 4000, sequence::play);
}

#[test]
fn connections_end_and_the_portal_stays() {
    try_all("iscsi_pdu", 1500, connection::send);
}
