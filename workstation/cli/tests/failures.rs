//! Whatever goes wrong has its exit code, its words, and a remedy; and nothing half done is left.

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use client::wire::{
    FailureCode, GetEnd, GetFile, JobProgress, JobStarted, Label, ListEntries, PutDone, PutReady, Reply,
    Request,
};
use common::{Act, Fake, Ran, file, folder, names, spindle};

/// What is on standard error is one JSON document, with everything an error has.
fn error_of(ran: &Ran) -> serde_json::Value {
    let document: serde_json::Value = serde_json::from_str(&ran.stderr).expect("one JSON document");
    let error = document["error"].clone();
    for field in ["code", "name", "what", "cause", "remedy", "exit"] {
        assert!(error.get(field).is_some(), "no {field} in {error}");
    }
    assert_eq!(error["exit"].as_i64(), ran.code.map(i64::from), "{error}");
    error
}

#[test]
fn what_the_box_refuses_has_its_code_and_its_words() {
    for (code, exit) in [
        (FailureCode::NotFound, 1),
        (FailureCode::NotBlank, 1),
        (FailureCode::NoSpace, 1),
        (FailureCode::Busy, 5),
        (FailureCode::DriveBusy, 5),
        (FailureCode::TooManyConnections, 5),
        (FailureCode::VerifyFailed, 6),
        (FailureCode::DigestMismatch, 6),
        (FailureCode::CopiesMissing, 7),
        (FailureCode::NotConfirmed, 1),
        (FailureCode::Cancelled, 1),
    ] {
        let fake = Fake::refusing(code);
        for command in [
            &["status"][..],
            &["disc"],
            &["ls"],
            &["get", "a", "-"],
            &["burn"],
            &["append"],
            &["erase"],
            &["cancel", "7"],
            &["jobs"],
        ] {
            let ran = fake.run(command.iter().copied());
            assert_eq!(ran.code, Some(exit), "{command:?}: {ran:?}");
            assert_eq!(ran.stdout, "");
            for words in ["what happened", "why it did", "what to do"] {
                assert!(ran.stderr.contains(words), "{ran:?}");
            }
            let ran = fake.run(["--json"].into_iter().chain(command.iter().copied()));
            assert_eq!(error_of(&ran)["code"], code.number());
            assert_eq!(ran.code, Some(exit));
        }
    }
}

#[test]
fn a_box_that_cannot_be_reached_is_said_to_be() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    for address in [
        &unused.to_string(),
        "",
        "127.0.0.1:99999",
        "127.0.0.1:http",
        "no.such.host.invalid",
    ] {
        let ran: Ran = spindle(["--box", address, "status"])
            .output()
            .expect("it runs")
            .into();
        assert_eq!(ran.code, Some(3), "{address}: {ran:?}");
        assert!(
            ran.stderr.contains("cannot reach the box") && ran.stderr.contains("--box"),
            "{ran:?}"
        );
        let ran: Ran = spindle(["--json", "--box", address, "status"])
            .output()
            .expect("it runs")
            .into();
        error_of(&ran);
    }
}

/// Answers connections with these bytes, then closes them.
fn other_service(greeting: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Who has read enough may be gone.
            let _ = stream.write_all(greeting);
        }
    });
    address
}

#[test]
fn something_else_at_the_address_is_told_from_a_box() {
    for (greeting, words) in [
        (&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], "not a Spindle box"),
        (b"", "no box greets there"),
        (b"SPIND", "no box greets there"),
        (b"SPINDLE\n", "no box greets there"),
    ] {
        let ran: Ran = spindle(["--box", &other_service(greeting), "status"])
            .output()
            .expect("it runs")
            .into();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains("remedy: "),
            "{ran:?}"
        );
    }
}

#[test]
fn a_connection_lost_in_the_middle_is_said_to_be() {
    let progress = || {
        Act::Say(Reply::JobProgress(JobProgress {
            job: 7,
            phase: Label::new(3, "writing"),
            done: 1,
            total: 2,
            rate: 0,
            buffer: 255,
        }))
    };
    let fake = Fake::new(move |request| match request {
        Request::Burn(_) => vec![
            Act::Say(Reply::JobStarted(JobStarted { job: 7 })),
            progress(),
            Act::Close,
        ],
        Request::Get(_) => vec![
            Act::Say(Reply::GetFile(GetFile {
                entry: file(b"a", 100),
                length: 100,
            })),
            Act::Data(vec![0; 50]),
            Act::Close,
        ],
        _ => vec![Act::Close],
    });
    let (here, path) = folder();
    for command in [
        &["status"][..],
        &["burn"],
        &["get", "a", &format!("{path}/got")],
        &["put", &format!("{path}/a")],
        &["ls"],
    ] {
        let ran = fake.run(command.iter().copied());
        assert_eq!(ran.code, Some(3), "{command:?}: {ran:?}");
        assert!(
            ran.stderr.contains("the connection to the box was lost"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("`spindle jobs`"), "{ran:?}");
    }
    assert_eq!(
        names(here.path()),
        [std::path::PathBuf::from("a")],
        "half a file was left"
    );
}

#[test]
fn noise_and_damage_are_noticed() {
    let (here, path) = folder();
    let mut header = vec![0, 0, 0, 11];
    header.extend([0x03, 0x03, 0, 0, 0, 2, 1, 2, 3, 4, 5]); // a chunk whose CRC-32C differs
    for (noise, code) in [(vec![0xff; 40], 6), (header, 6)] {
        let fake = Fake::new(move |_| {
            let get = GetFile {
                entry: file(b"a", 1),
                length: 1,
            };
            vec![
                Act::Say(Reply::GetFile(get)),
                Act::Noise(noise.clone()),
                Act::Close,
            ]
        });
        let ran = fake.run(["get", "a", &format!("{path}/got")]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
    }
    // A digest that differs, and a file that is shorter than was said.
    for (length, digest) in [(5, Some([9; 32])), (6, None)] {
        let fake = Fake::new(move |_| {
            let get = GetFile {
                entry: file(b"a", length),
                length,
            };
            let end = Reply::GetEnd(GetEnd { sha256: digest });
            vec![
                Act::Say(Reply::GetFile(get)),
                Act::Data(b"alpha".to_vec()),
                Act::Say(end),
            ]
        });
        let ran = fake.run(["get", "a", &format!("{path}/got")]);
        assert_eq!(ran.code, Some(6), "{ran:?}");
    }
    assert_eq!(
        names(here.path()),
        [std::path::PathBuf::from("a")],
        "a wrong file was left"
    );
}

fn takes_everything(request: &Request) -> Vec<Act> {
    let done = PutDone {
        tree: 1,
        files: 1,
        bytes: 5,
    };
    match request {
        Request::PutBegin(_) => vec![Act::Say(Reply::PutReady(PutReady { tree: 1 }))],
        Request::PutEnd(()) => vec![Act::Say(Reply::PutDone(done))],
        _ => vec![],
    }
}

#[test]
fn a_put_leaves_out_what_it_cannot_read_and_says_so() {
    let fake = Fake::new(takes_everything);
    let (here, path) = folder();
    let _socket = UnixListener::bind(here.path().join("socket")).expect("a socket");
    let ran = fake.run(["put", &path]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(
        ran.stderr.contains("left out") && ran.stderr.contains("/socket: it is neither"),
        "{ran:?}"
    );
    let ran = fake.run(["--json", "put", &path]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(4), ""));
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(document["skipped"][0]["path"], format!("{path}/socket"));

    // A name below that no disc could hold costs that name only.
    let deep = here.path().join("d".repeat(255)).join("e");
    std::fs::create_dir_all(&deep).expect("a folder");
    assert_eq!(fake.run(["put", &path]).code, Some(4));
}

#[test]
fn what_is_wrong_here_is_said_before_the_box_is_asked() {
    let (_here, path) = folder();
    std::fs::create_dir(format!("{path}/empty")).expect("a folder");
    let (missing, empty, taken) = (
        format!("{path}/none"),
        format!("{path}/empty/"),
        format!("{path}/a"),
    );
    for arguments in [
        &["put", &missing][..],
        &["put", "/dev/null"],
        &["put", &empty],
        &["get", "docs/a", &path],
        &["get", "docs/a", &taken],
        &["get", "/"],
        &["get", "x/.."],
    ] {
        // No box is there: it would be exit code 3.
        let ran: Ran = spindle(
            ["--box", "127.0.0.1:1"]
                .into_iter()
                .chain(arguments.iter().copied()),
        )
        .output()
        .expect("it runs")
        .into();
        assert_eq!(ran.code, Some(4), "{arguments:?}: {ran:?}");
        assert!(
            ran.stderr.starts_with("spindle: ") && ran.stdout.is_empty(),
            "{ran:?}"
        );
    }
}

#[test]
fn a_get_replaces_only_what_it_may() {
    let fake = Fake::new(|_| {
        let get = GetFile {
            entry: file(b"a", 3),
            length: 3,
        };
        let end = GetEnd { sha256: None };
        vec![
            Act::Say(Reply::GetFile(get)),
            Act::Data(b"new".to_vec()),
            Act::Say(Reply::GetEnd(end)),
        ]
    });
    let (here, path) = folder();
    let target = format!("{path}/a");
    assert_eq!(fake.run(["get", "docs/a", &path]).code, Some(4));
    assert_eq!(std::fs::read(&target).expect("it is there"), b"alpha");
    assert_eq!(fake.run(["get", "docs/a", &path, "--force"]).code, Some(0));
    assert_eq!(std::fs::read(&target).expect("it is there"), b"new");
    // A device takes the bytes and stays a device.
    assert_eq!(fake.run(["get", "docs/a", "/dev/null", "--force"]).code, Some(0));
    assert!(!std::fs::metadata("/dev/null").expect("it is there").is_file());
    let ran = fake.run(["get", "docs/a", &format!("{path}/no/such/folder")]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_eq!(names(here.path()).len(), 1);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let fake = Fake::new(|_| {
        let entries = vec![file(b"a name that fills the pipe sooner or later", 1); 500];
        (0..2_000)
            .map(|_| {
                Act::Say(Reply::ListEntries(ListEntries {
                    entries: entries.clone(),
                }))
            })
            .collect()
    });
    // The list has no end: only a command that stops by itself comes back.
    let mut child = fake
        .command(["ls", "-R"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let ran: Ran = child.wait_with_output().expect("it ends").into();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(4), ""));

    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let jobs = Fake::saying(|| vec![Reply::Jobs(Default::default())]);
    let ran: Ran = jobs
        .command(["jobs"])
        .stdout(full)
        .output()
        .expect("it runs")
        .into();
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("No space left"), "{ran:?}");
}

#[test]
fn nobody_on_standard_error_changes_no_exit_code() {
    let mut child = Fake::refusing(FailureCode::NotFound)
        .command(["status"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn an_interrupt_ends_a_command_at_once() {
    // Answers nothing: the command waits.
    let fake = Fake::new(|_| vec![]);
    let child = fake
        .command(["status"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(200));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let ran: Ran = child.wait_with_output().expect("it ends").into();
    assert_eq!((ran.code, ran.stderr.as_str()), (None, ""));
    assert!(begin.elapsed() < Duration::from_secs(60), "it waited for the box");
}
