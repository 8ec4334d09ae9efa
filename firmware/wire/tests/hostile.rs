//! Nothing from outside makes the protocol's decoders panic, loop or take memory without bound.

use proptest::prelude::*;
use wire::frame::{HEADER_SIZE, Header};
use wire::{ByteString, Entry, GREETING_SIZE, Greeting, Reply, Request, Time};

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(kind in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::decode(kind, &body);
        let _ = Reply::decode(kind, &body);
        for row in Request::TABLE.iter().chain(Reply::TABLE) {
            let _ = Request::decode(row.number, &body);
            let _ = Reply::decode(row.number, &body);
        }
    }

    #[test]
    fn any_header_is_bounded(bytes in any::<[u8; HEADER_SIZE]>()) {
        if let Ok(header) = Header::decode(bytes) {
            prop_assert!(header.body <= 1 << 20);
            prop_assert_eq!(header.encode(), bytes);
        }
    }

    #[test]
    fn any_greeting_has_a_name(rest in any::<[u8; 32]>(), tail in any::<[u8; 24]>()) {
        let mut bytes = [0; GREETING_SIZE];
        bytes[..8].copy_from_slice(&wire::MAGIC);
        bytes[8..40].copy_from_slice(&rest);
        bytes[40..].copy_from_slice(&tail);
        prop_assert!(Greeting::decode(&bytes).unwrap().name().len() <= 32);
    }

    #[test]
    fn names_longer_than_their_field_are_cut_between_characters(name in ".{0,40}") {
        let greeting = Greeting::new(1, wire::Flags(0), [0; 16], &name);
        prop_assert!(name.starts_with(greeting.name().trim_end_matches('\0')) || name.contains('\0'));
    }

    #[test]
    fn an_entry_survives(path in prop::collection::vec(any::<u8>(), 0..64), size in any::<u64>(), seconds in any::<i64>()) {
        let entry = Entry { path: ByteString(path), size, mtime: Time { seconds, nanoseconds: 1 }, ..Entry::default() };
        let request = Request::PutEntry(entry);
        prop_assert_eq!(Request::decode(request.kind(), &request.encode()), Ok(request));
    }

    #[test]
    fn a_path_that_passes_stays_inside(path in prop::collection::vec(any::<u8>(), 0..40)) {
        if wire::check_path(&path).is_ok() {
            let text = path.split(|byte| *byte == b'/');
            prop_assert!(text.into_iter().all(|part| !part.is_empty() && part != b"." && part != b".."));
            prop_assert!(!path.contains(&0));
        }
    }

    #[test]
    fn shown_names_cannot_move_the_cursor(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert!(!ByteString(bytes).to_string().chars().any(char::is_control));
    }
}

#[test]
fn absurd_paths_are_refused() {
    for path in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "a/../b",
        "a//b",
        "a/",
        ".",
        "a/.",
        "a\0b",
    ] {
        assert!(wire::check_path(path.as_bytes()).is_err(), "{path:?}");
    }
    assert!(wire::check_path(&[b'a'; 256]).is_err());
    assert!(wire::check_path("a/".repeat(2048).as_bytes()).is_err());
    assert!(wire::check_path(b"a/...\n/\xff").is_ok());
}
