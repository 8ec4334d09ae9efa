//! What every command prints, as text and as JSON, for a box whose answers are known.

mod common;

use client::wire::{
    Disc, DiscReport, DiscSession, DiscTrack, Drive, Drives, Entry, EntryKind, FailureCode, GetEnd, GetFile,
    Job, JobEnded, JobLog, JobProgress, JobStarted, JobSummary, Jobs, JobsStarted, Label, ListEnd,
    ListEntries, LogLine, Outcome, Phase, PutDone, PutReady, Region, Reply, Request, Speeds, Status, Tree,
    TreeState, Trees,
};
use common::{Act, Fake, MOMENT, assert_kept, file, folder, refusal};

const DISC_ID: [u8; 16] = [0xd1; 16];

fn job() -> Job {
    Job {
        job: 7,
        kind: Label::new(1, "burn"),
        state: Phase::Writing.label(),
        created: MOMENT,
        drive: 0,
        tree: 3,
    }
}

fn ended(outcome: Outcome) -> JobEnded {
    let failed = outcome == Outcome::Failed;
    JobEnded {
        job: 7,
        outcome: outcome.label(),
        summary: JobSummary {
            disc_id: DISC_ID,
            session: 1,
            blocks: 12_345,
            files: 42,
            bytes: 25_000_000,
            digest: [0x5a; 32],
            write_time: 61_000,
            close_time: 5_400,
            verify_time: 3_600_000,
            remarks: vec!["the drive slowed down".into()],
            ..JobSummary::default()
        },
        failure: failed.then(|| refusal(FailureCode::VerifyFailed)),
    }
}

fn follow(outcome: Outcome) -> Vec<Reply> {
    let progress = |phase: Phase, done, buffer| {
        Reply::JobProgress(JobProgress {
            job: 7,
            phase: phase.label(),
            done,
            total: 25_000_000,
            rate: 1_000_000,
            buffer,
        })
    };
    vec![
        Reply::JobStarted(JobStarted { job: 7 }),
        progress(Phase::Writing, 1_000_000, 97),
        progress(Phase::Verifying, 2_000_000, 255),
        Reply::JobEnded(ended(outcome)),
    ]
}

/// Two jobs of one order.
fn both(outcome: Outcome) -> Vec<Reply> {
    let eighth = JobEnded {
        job: 8,
        ..ended(Outcome::Burned)
    };
    let missing = JobEnded {
        failure: Some(refusal(FailureCode::CopiesMissing)),
        ..eighth
    };
    vec![
        Reply::JobsStarted(JobsStarted { jobs: vec![7, 8] }),
        Reply::JobEnded(missing),
        Reply::JobEnded(ended(outcome)),
    ]
}

fn report() -> DiscReport {
    DiscReport {
        disc: Disc {
            media: Label::new(0x41, "BD-R SRM"),
            state: Label::new(1, "appendable"),
            ..Disc::default()
        },
        tracks: vec![DiscTrack {
            track: 1,
            session: 1,
            start: 0,
            blocks: 4_096,
            next_writable: Some(512),
            damaged: true,
            ..DiscTrack::default()
        }],
        condition: vec![refusal(FailureCode::NotAppendable)],
        mapped: MOMENT.seconds,
        regions: vec![Region {
            start: 0,
            blocks: 512,
            time: 40,
            retried: 3,
            unreadable: 1,
        }],
    }
}

fn trees() -> Vec<Tree> {
    let tree = Tree {
        tree: 9,
        name: "papers\x1b[2J".into(),
        state: TreeState::Burned.label(),
        created: MOMENT,
        files: 42,
        bytes: 25_000_000,
        copies: 2,
        discs: vec![DISC_ID],
    };
    let copy = Tree {
        tree: 4,
        state: TreeState::CopyOfTree.label(),
        copies: 1,
        discs: Vec::new(),
        ..tree.clone()
    };
    vec![tree, copy]
}

fn answer(request: &Request) -> Vec<Act> {
    let entries = || {
        let directory = Entry {
            kind: EntryKind::Directory.number(),
            mode: 0o755,
            ..file(b"docs", 0)
        };
        let link = Entry {
            kind: EntryKind::Symlink.number(),
            target: "../elsewhere".into(),
            ..file(b"docs/link", 0)
        };
        let digest = Entry {
            sha256: Some([0x11; 32]),
            ..file(b"docs/known", 5)
        };
        vec![
            directory,
            link,
            digest,
            file(b"docs/odd\x1b[31m\xff name", 1 << 40),
        ]
    };
    let replies = match request {
        Request::Status(()) => vec![Reply::Status(Status {
            box_id: [0xab; 16],
            name: "attic\x1b[2J".into(),
            firmware: "1.2.3".into(),
            uptime: 3_700,
            utc: MOMENT,
            data_size: 4_000_000_000,
            data_free: 1_234_567_890,
            sessions: 2,
            held: true,
            drives: 1,
            jobs: vec![job()],
            notices: vec![refusal(FailureCode::DriveFailed)],
        })],
        Request::Drives(()) => vec![Reply::Drives(Drives {
            drives: vec![Drive {
                drive: 0,
                vendor: "ACME".into(),
                product: "BURNER".into(),
                revision: "1.0".into(),
                serial: "S1".into(),
                state: Label::new(1, "ready"),
                media: Label::new(0x41, "BD-R SRM"),
                job: 7,
            }],
        })],
        Request::Disc(which) => vec![Reply::Disc(Disc {
            drive: which.drive,
            media: Label::new(0x41, "BD-R SRM"),
            state: Label::new(1, "appendable"),
            capacity: 12_219_392,
            free: 12_000_000,
            next_writable: 219_392,
            media_id: "ACME-R4".into(),
            label: "PAPERS".into(),
            sessions: vec![DiscSession {
                session: 1,
                start: 0,
                blocks: 200_000,
            }],
            disc_id: DISC_ID,
            verified: MOMENT.seconds,
        })],
        Request::List(_) | Request::ListIn(_) => vec![
            Reply::ListEntries(ListEntries { entries: entries() }),
            Reply::ListEnd(ListEnd { count: 4 }),
        ],
        Request::Burn(_) => follow(Outcome::Archived),
        Request::Verify(_) => follow(Outcome::Failed),
        Request::WatchJob(_) => follow(Outcome::Interrupted),
        Request::Jobs(()) => vec![Reply::Jobs(Jobs { jobs: vec![job()] })],
        Request::Record(_) | Request::BurnCopy(_) => both(Outcome::Archived),
        Request::Copy(_) => follow(Outcome::Copied),
        Request::Scrub(_) => follow(Outcome::Readable),
        Request::Treat(_) => follow(Outcome::Done),
        Request::DiscReport(_) => vec![Reply::DiscReport(report())],
        Request::Speeds(_) | Request::SetSpeed(_) => vec![Reply::Speeds(Speeds {
            drive: 0,
            write: vec![71_928, 26_973],
            write_now: 26_973,
            read_now: 0,
        })],
        Request::Trees(()) => vec![Reply::Trees(Trees { trees: trees() })],
        Request::JobLog(_) => vec![Reply::JobLog(JobLog {
            job: 7,
            lines: vec![LogLine {
                at: MOMENT,
                text: "writing".into(),
            }],
        })],
        Request::Eject(_)
        | Request::Load(_)
        | Request::Lock(_)
        | Request::Cancel(_)
        | Request::RemoveTree(_)
        | Request::PowerOff(()) => vec![Reply::Done(())],
        _ => vec![Reply::Failure(refusal(FailureCode::Internal))],
    };
    replies.into_iter().map(Act::Say).collect()
}

#[test]
fn every_command_prints_what_is_kept() {
    let fake = Fake::new(answer);
    for (name, code, arguments) in [
        ("status", 0, &["status"][..]),
        ("drives", 0, &["drives"]),
        ("disc", 0, &["disc"]),
        ("ls", 0, &["ls", "docs"]),
        ("ls-long", 0, &["ls", "-l", "-R"]),
        ("burn", 0, &["burn", "--label", "PAPERS"]),
        ("verify", 6, &["verify"]),
        ("watch", 1, &["watch", "7"]),
        ("jobs", 0, &["jobs"]),
        ("eject", 0, &["eject"]),
        ("load", 0, &["load"]),
        ("poweroff", 0, &["poweroff"]),
        ("burn-drives", 0, &["burn", "--drive", "0,1", "--copies", "2"]),
        ("burn-copy", 0, &["burn", "--copy", "4", "--count", "2"]),
        ("append", 0, &["append", "--speed", "26973"]),
        ("copy", 0, &["copy", "--image"]),
        ("scrub", 0, &["scrub", "1", "--speed", "9000"]),
        ("finalise", 0, &["finalise"]),
        ("repair", 0, &["repair", "1"]),
        ("blank", 0, &["blank", "--yes"]),
        ("format", 0, &["format", "--full", "--yes"]),
        ("erase", 0, &["erase", "--yes"]),
        ("disc-all", 0, &["disc", "--all"]),
        ("speed", 0, &["speed"]),
        ("speed-set", 0, &["speed", "--write", "26973"]),
        ("trees", 0, &["trees"]),
        ("rm", 0, &["rm", "4", "--yes"]),
        ("cancel", 0, &["cancel", "7"]),
        ("log", 0, &["log", "7"]),
        ("lock", 0, &["lock"]),
        ("unlock", 0, &["unlock"]),
        ("ls-session", 0, &["ls", "--session", "1"]),
    ] {
        let text = fake.run(arguments.iter().copied());
        assert_eq!(text.code, Some(code), "{name}: {text:?}");
        let error = text.stderr.lines().find(|line| line.starts_with("spindle:"));
        assert_eq!(error, None, "{name}");
        assert_kept(&format!("{name}.txt"), &text.stdout);
        assert!(
            !text.stdout.contains('\x1b'),
            "{name} prints what a terminal obeys"
        );

        let json = fake.run(["--json"].into_iter().chain(arguments.iter().copied()));
        assert_eq!(json.code, Some(code), "{name}: {json:?}");
        assert!(json.stderr.is_empty(), "{name}: {json:?}");
        let _: serde_json::Value = serde_json::from_str(&json.stdout).expect("one JSON document");
        assert_kept(&format!("{name}.json"), &json.stdout);
    }
}

#[test]
fn a_job_is_named_and_told_where_there_is_no_terminal() {
    let ran = Fake::new(answer).run(["burn"]);
    for line in [
        "job 7; it goes on without this command",
        "writing: 1.00 MB of 25.0 MB  buffer 97 %",
    ] {
        assert!(ran.stderr.contains(line), "no {line:?} in {}", ran.stderr);
    }
}

fn archive(request: &Request) -> Vec<Act> {
    let done = PutDone {
        tree: 9,
        files: 1,
        bytes: 5,
    };
    match request {
        Request::PutBegin(_) => vec![Act::Say(Reply::PutReady(PutReady { tree: 9 }))],
        Request::PutEnd(()) => vec![Act::Say(Reply::PutDone(done))],
        Request::Get(_) => vec![
            Act::Say(Reply::GetFile(GetFile {
                entry: file(b"docs/a", 5),
                length: 5,
            })),
            Act::Data(b"al".to_vec()),
            Act::Data(b"pha".to_vec()),
            Act::Say(Reply::GetEnd(GetEnd { sha256: None })),
        ],
        _ => vec![],
    }
}

#[test]
fn put_and_get_print_what_is_kept() {
    let fake = Fake::new(archive);
    let (here, path) = folder();
    let put = fake.run(["put", &format!("{path}/a")]);
    assert_eq!((put.code, put.stderr.as_str()), (Some(0), ""));
    assert_kept("put.txt", &put.stdout);
    let put = fake.run(["--json", "put", &format!("{path}/a")]);
    assert_eq!((put.code, put.stderr.as_str()), (Some(0), ""));
    assert_kept("put.json", &put.stdout);

    let get = fake.run(["get", "docs/a", "-"]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(0), "alpha"));
    let get = fake.run(["--json", "get", "/docs/a", &format!("{path}/b")]);
    assert_eq!(get.code, Some(0), "{get:?}");
    assert_kept("get.json", &get.stdout.replace(&path, "FOLDER"));
    assert_eq!(
        std::fs::read(here.path().join("b")).expect("it was fetched"),
        b"alpha"
    );
    let get = fake
        .command(["get", "docs/a", "c"])
        .current_dir(here.path())
        .output()
        .expect("it runs");
    assert_kept("get.txt", &String::from_utf8_lossy(&get.stdout));
}
