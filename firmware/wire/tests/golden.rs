//! The protocol's bytes, written out by hand: a change here is a change of the protocol.

use wire::frame::{self, Header, HeaderError};
use wire::{
    Answer, Burn, BurnCopy, ByteString, CopyDisc, CopyMode, Entry, EntryKind, FailureCode, Flags, GetIn,
    Greeting, Hello, JobRequest, JobStarted, JobsStarted, Label, List, PRIORITY_DEFAULT, Place, PlaceKind,
    PutBegin, PutFileEnd, Record, RecordMode, Reply, Request, Source, Speeds, Time, Treat, Treatment,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn greeting_and_answer() {
    let greeting = Greeting::new(1, Flags(Flags::BUSY | Flags::PLAINTEXT), [0xab; 16], "ward-7");
    let bytes = greeting.encode();
    assert_eq!(
        hex(&bytes),
        concat!(
            "5350494e444c450a", // magic
            "0001",             // version
            "0003",             // flags
            "abababababababababababababababab",
            "776172642d370000000000000000000000000000000000000000000000000000",
            "00000000",
        )
    );
    let back = Greeting::decode(&bytes).unwrap();
    assert_eq!((back, back.name()), (greeting, "ward-7"));
    assert_eq!(
        hex(&Answer {
            version: 1,
            channel: 0
        }
        .encode()),
        "00010000"
    );
}

#[test]
fn requests() {
    let hello = Hello {
        version: 1,
        role: 3,
        utc: Time {
            seconds: 1_700_000_000,
            nanoseconds: 5,
        },
        program: "x".into(),
    };
    let entry = Entry {
        path: ByteString::from("a/b"),
        kind: EntryKind::File.number(),
        mode: 0o644,
        uid: 1000,
        gid: 100,
        mtime: Time {
            seconds: -1,
            nanoseconds: 0,
        },
        size: 300,
        target: ByteString::default(),
        hard_link: 0,
        sha256: None,
    };
    let cases = [
        (Request::Hello(hello), 0x0001, "010380c49fd50c050178"),
        (Request::Status(()), 0x0100, ""),
        (
            Request::PutBegin(PutBegin {
                tree: 0,
                name: "t".into(),
                expected: 128,
            }),
            0x0300,
            "0001748001",
        ),
        (
            Request::PutEntry(entry),
            0x0302,
            "03612f6201a403e807640100ac02000000",
        ),
        (
            Request::PutFileEnd(PutFileEnd { sha256: [7; 32] }),
            0x0304,
            &"07".repeat(32),
        ),
        (
            Request::List(List {
                source: Source::Disc(2),
                path: ByteString::default(),
                depth: u32::MAX,
            }),
            0x0310,
            "010200ffffffff0f",
        ),
        (
            Request::Burn(Burn {
                drive: 1,
                tree: 9,
                label: "L".into(),
                finalise: true,
            }),
            0x0400,
            "0109014c01",
        ),
        (
            Request::Record(Record {
                drives: vec![0, 1],
                tree: 9,
                label: "L".into(),
                mode: RecordMode::Append.number(),
                finalise: true,
                speed: 300,
                copies: 2,
                priority: PRIORITY_DEFAULT,
            }),
            0x0408,
            "02000109014c0101ac020264",
        ),
        (
            Request::GetIn(GetIn {
                place: Place {
                    kind: PlaceKind::Disc.number(),
                    number: 1,
                    session: 2,
                },
                path: ByteString::from("a"),
                offset: 0,
                length: 5,
            }),
            0x0323,
            "02010201610005",
        ),
        (
            Request::Copy(CopyDisc {
                drive: 1,
                mode: CopyMode::Image.number(),
                session: 0,
                speed: 0,
                priority: 1,
            }),
            0x040A,
            "0101000001",
        ),
        (
            Request::BurnCopy(BurnCopy {
                copy: 7,
                drive: 0,
                count: 3,
                label: String::new(),
                finalise: false,
                speed: 0,
                priority: 200,
            }),
            0x040B,
            "07000300 0000c8",
        ),
        (
            Request::Treat(Treat {
                drive: 0,
                treatment: Treatment::Blank.number(),
                confirmed: true,
                priority: 0,
            }),
            0x040D,
            "00030100",
        ),
        (Request::Cancel(JobRequest { job: 300 }), 0x040E, "ac02"),
    ];
    for (request, kind, body) in cases {
        assert_eq!(
            (request.kind(), hex(&request.encode())),
            (kind, body.replace(' ', "")),
            "{request:?}"
        );
        assert_eq!(Request::decode(kind, &request.encode()), Ok(request));
    }
}

#[test]
fn replies() {
    let failure = wire::Failure::new(FailureCode::NoDisc, "w", "c", "r");
    let cases = [
        (Reply::Failure(failure), 0x0003, "0e076e6f206469736301770163 0172"),
        (Reply::Done(()), 0x0004, ""),
        (Reply::JobStarted(JobStarted { job: 300 }), 0x0402, "ac02"),
        (
            Reply::JobsStarted(JobsStarted { jobs: vec![1, 300] }),
            0x0409,
            "0201ac02",
        ),
        (
            Reply::Speeds(Speeds {
                drive: 1,
                write: vec![26_973, 300],
                write_now: 300,
                read_now: 0,
            }),
            0x0208,
            "0102ddd201ac02ac0200",
        ),
    ];
    for (reply, kind, body) in cases {
        assert_eq!(
            (reply.kind(), hex(&reply.encode())),
            (kind, body.replace(' ', "")),
            "{reply:?}"
        );
        assert_eq!(Reply::decode(kind, &reply.encode()), Ok(reply));
    }
}

#[test]
fn frames() {
    let mut out = Vec::new();
    frame::append(&mut out, 0x0100, 7, &[1, 2]);
    assert_eq!(hex(&out), "00000008010000000007 0102".replace(' ', ""));
    let header: [u8; 10] = out[..10].try_into().unwrap();
    assert_eq!(
        Header::decode(header),
        Ok(Header {
            kind: 0x0100,
            id: 7,
            body: 2
        })
    );
    assert_eq!(
        Header::decode([0, 0, 0, 5, 0, 0, 0, 0, 0, 0]),
        Err(HeaderError::TooShort(5))
    );
    assert_eq!(Header::decode([0xff; 10]), Err(HeaderError::TooLong(u32::MAX)));
    // A list's frame is bounded below a chunk's.
    assert!(Header::decode([0, 1, 0, 0, 1, 0, 0, 0, 0, 0]).is_err());
    assert!(Header::decode([0, 1, 0, 0, 3, 3, 0, 0, 0, 0]).is_ok());
}

#[test]
fn a_body_is_never_extended() {
    assert!(Request::decode(0x0100, &[0]).is_err());
    assert!(Request::decode(0x0200, &[]).is_ok());
    assert!(Request::decode(0x7777, &[]).is_err());
}

#[test]
fn numbers_are_unique_and_in_order() {
    let numbers = |rows: &[wire::KindRow]| rows.iter().map(|row| row.number).collect::<Vec<_>>();
    let (requests, replies) = (numbers(Request::TABLE), numbers(Reply::TABLE));
    assert!(requests.is_sorted_by(|a, b| a < b) && replies.is_sorted_by(|a, b| a < b));
    assert!(
        requests
            .iter()
            .all(|number| !replies.contains(number) && *number != frame::DATA)
    );
    let unknown = Label::new(9999, "laser turntable");
    assert_eq!(unknown.to_string(), "laser turntable");
}
