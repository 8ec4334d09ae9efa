//! Both ends over a socket pair, and everything that may happen on the way.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;

use noise::{
    Code, Error, Established, Opener, Pattern, Public, RECORD, Reading, Secret, Writing, accept, connect,
};
use proptest::prelude::*;

/// A stream of the standard library as `embedded_io` wants it.
struct Pipe(UnixStream);

impl embedded_io::ErrorType for Pipe {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(into).map_err(|error| error.kind().into())
    }
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes).map_err(|error| error.kind().into())
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

type Met = (Result<Established, Error>, Result<Established, Error>);

/// A connection's bytes in memory, given out in pieces of `piece` bytes.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl embedded_io::ErrorType for Pieces<'_> {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        let length = self.piece.min(self.bytes.len()).min(into.len());
        let (now, later) = self.bytes.split_at(length);
        into[..length].copy_from_slice(now);
        self.bytes = later;
        Ok(length)
    }
}

/// Shakes hands; the two ends as (workstation, box).
fn meet(prologues: [&[u8]; 2], codes: Option<[&Code; 2]>) -> Met {
    let (a, b) = UnixStream::pair().expect("a pair");
    let pattern = |end: usize| match codes {
        Some(codes) => Pattern::Paired(codes[end]),
        None => Pattern::Known,
    };
    thread::scope(|scope| {
        let secret = Secret::generate().expect("random");
        let client = scope.spawn(move || connect(&mut Pipe(a), &secret, prologues[0], pattern(0)));
        let secret = Secret::generate().expect("random");
        let server = accept(&mut Pipe(b), &secret, prologues[1], pattern(1));
        (client.join().expect("no panic"), server)
    })
}

fn both(met: Met) -> (Established, Established) {
    (
        met.0.expect("the workstation's end"),
        met.1.expect("the box's end"),
    )
}

fn open_all(opener: &mut Opener, mut records: &[u8]) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    while let Some(length) = Opener::whole(records) {
        let (record, rest) = records.split_at(length);
        let mut plain = vec![0; record.len()];
        let length = opener.open(record, &mut plain)?;
        all.extend(&plain[..length]);
        records = rest;
    }
    Ok(all)
}

#[test]
fn what_is_sealed_is_opened_at_the_other_end() {
    let (mut client, mut server) = both(meet([b"hello"; 2], None));
    for length in [0, 1, 100, RECORD, 300_000] {
        let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
        let mut records = Vec::new();
        client.sealer.seal(&plain, &mut records).expect("sealed");
        assert_eq!(open_all(&mut server.opener, &records), Ok(plain.clone()));
        records.clear();
        server.sealer.seal(&plain, &mut records).expect("sealed");
        assert_eq!(open_all(&mut client.opener, &records), Ok(plain));
    }
}

#[test]
fn each_end_learns_the_others_key() {
    let (a, b) = UnixStream::pair().expect("a pair");
    let (mine, its) = (
        Secret::generate().expect("random"),
        Secret::generate().expect("random"),
    );
    let (my_public, its_public) = (mine.public(), its.public());
    let (client, server) = thread::scope(|scope| {
        let client = scope.spawn(move || connect(&mut Pipe(a), &mine, b"", Pattern::Known));
        let server = accept(&mut Pipe(b), &its, b"", Pattern::Known);
        (client.join().expect("no panic"), server)
    });
    assert_eq!(client.expect("established").peer, its_public);
    assert_eq!(server.expect("established").peer, my_public);
    assert_eq!(my_public.to_string().parse::<Public>(), Ok(my_public));
    assert_eq!(
        Secret::new(*Secret::generate().expect("random").bytes())
            .public()
            .0
            .len(),
        32
    );
}

#[test]
fn a_greeting_changed_on_the_way_ends_the_handshake() {
    let (client, server) = meet([b"plaintext not allowed", b"plaintext allowed"], None);
    assert_eq!(client.err(), Some(Error::Handshake));
    assert_eq!(server.err(), Some(Error::Closed));
}

#[test]
fn the_same_code_pairs_and_another_does_not() {
    let (right, wrong) = (Code::from_random(7_777_777_777), Code::from_random(1));
    let (mut client, mut server) = both(meet([b""; 2], Some([&right, &right])));
    let mut records = Vec::new();
    server.sealer.seal(b"welcome", &mut records).expect("sealed");
    assert_eq!(open_all(&mut client.opener, &records), Ok(b"welcome".to_vec()));

    let (_, server) = meet([b""; 2], Some([&wrong, &right]));
    assert_eq!(server.err(), Some(Error::WrongCode));
}

#[test]
fn a_box_with_another_code_is_noticed_by_its_first_record() {
    // It goes on although the workstation's proof fails, as one that wants to be taken for the right box would.
    let (client, _) = meet([b""; 2], Some([&Code::from_random(1), &Code::from_random(2)]));
    let mut client = client.expect("the workstation cannot know yet");
    let mut forged = vec![0, 20];
    forged.extend([0x5A; 20]);
    assert_eq!(client.opener.open(&forged, &mut [0; 64]), Err(Error::WrongCode));
    assert_eq!(client.opener.open(&forged, &mut [0; 64]), Err(Error::Tampered));
}

#[test]
fn codes_are_read_as_people_type_them() {
    let code = Code::from_random(87_654_321);
    assert_eq!(code.to_string().parse::<Code>(), Ok(code.clone()));
    assert_eq!(
        code.to_string().replace('-', "  ").parse::<Code>(),
        Ok(code.clone())
    );
    assert_eq!(code.to_string().replace('-', "").parse::<Code>(), Ok(code));
    for wrong in ["", "1234-567", "1234-56789", "1234-567x", "१२३४-५६७८"] {
        assert!(wrong.parse::<Code>().is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_changed_record_is_passed_on(at in 0usize..60, bit in 0u8..8, order in 0usize..3) {
        let (mut client, mut server) = both(meet([b""; 2], None));
        let mut records = [Vec::new(), Vec::new()];
        client.sealer.seal(b"the first record", &mut records[0]).expect("sealed");
        client.sealer.seal(b"the other record", &mut records[1]).expect("sealed");
        let mut plain = [0; 64];
        match order {
            // changed
            0 => {
                let at = 2 + at % (records[0].len() - 2);
                records[0][at] ^= 1 << bit;
                prop_assert_eq!(server.opener.open(&records[0], &mut plain), Err(Error::Tampered));
            }
            // left out
            1 => prop_assert_eq!(server.opener.open(&records[1], &mut plain), Err(Error::Tampered)),
            // repeated
            _ => {
                prop_assert_eq!(server.opener.open(&records[0], &mut plain), Ok(16));
                prop_assert_eq!(server.opener.open(&records[0], &mut plain), Err(Error::Tampered));
            }
        }
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "a pattern of bytes")]
    fn a_protected_stream_carries_the_bytes_however_they_are_cut(
        writes in proptest::collection::vec(0usize..70_000, 0..6),
        piece in 1usize..200_000,
        read in 1usize..100_000,
        cut in 0usize..3,
    ) {
        use embedded_io::{Read as _, Write as _};
        let (client, server) = both(meet([b""; 2], None));
        let mut sent = Vec::new();
        let mut writing = Writing::new(Vec::new());
        writing.protect(client.sealer);
        for (number, length) in writes.iter().enumerate() {
            let bytes: Vec<u8> = (0..*length).map(|at| (at ^ number) as u8).collect();
            writing.write_all(&bytes).expect("into memory");
            sent.extend(bytes);
        }
        let all = writing.half().clone();
        let bytes = &all[..all.len().saturating_sub(cut)];
        let mut reading = Reading::new(Pieces { bytes, piece });
        reading.protect(server.opener);
        let (mut got, mut buffer) = (Vec::new(), vec![0; read]);
        let end = loop {
            match reading.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(length) => got.extend(&buffer[..length]),
                Err(error) => break Err(error),
            }
        };
        if bytes.len() == all.len() {
            prop_assert_eq!(end, Ok(()));
            prop_assert!(got == sent);
        } else {
            prop_assert_eq!(end, Err(embedded_io::ErrorKind::ConnectionReset));
            prop_assert!(sent.starts_with(&got) && got.len() < sent.len());
        }
    }

    #[test]
    fn no_bytes_make_a_handshake(bytes in proptest::collection::vec(any::<u8>(), 0..700), paired in any::<bool>()) {
        let (mut a, b) = UnixStream::pair().expect("a pair");
        a.write_all(&bytes).expect("fits");
        a.shutdown(std::net::Shutdown::Write).expect("shut");
        let secret = Secret::generate().expect("random");
        let code = Code::from_random(5);
        let pattern = if paired { Pattern::Paired(&code) } else { Pattern::Known };
        prop_assert!(accept(&mut Pipe(b), &secret, b"", pattern).is_err());
    }
}
