//! Sequences of commands, faults and hands at the tray, against a disc of every kind.
#![no_main]

#[path = "../../qemu-tests/burner/tests/common/sequence.rs"]
mod sequence;

libfuzzer_sys::fuzz_target!(|input: &[u8]| sequence::play(input));
