//! Bytes that arrive at the iSCSI portal, before and after the login.
#![no_main]

#[path = "../../qemu-tests/burner/tests/common/connection.rs"]
mod connection;

libfuzzer_sys::fuzz_target!(|input: &[u8]| connection::send(input));
