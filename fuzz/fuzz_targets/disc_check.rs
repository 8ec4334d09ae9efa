//! Discs of any bytes, checked.
#![no_main]

#[path = "../../firmware/discfs/tests/hostile_support/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|input: &[u8]| hostile::check_all(&hostile::play(input)));
