//! Discs of any bytes, read in every view.
#![no_main]

#[path = "../../firmware/discfs/tests/hostile_support/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|input: &[u8]| hostile::read_all(&hostile::play(input)));
