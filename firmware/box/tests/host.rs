//! The executable as an archive on this host.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

const PATIENCE: Duration = Duration::from_secs(60);

fn spindle_box() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindle-box"));
    command.stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    spindle_box()
        .args(arguments)
        .output()
        .expect("the executable runs")
}

/// A host that listens, and the port.
fn host(data: &Path) -> (Child, u16) {
    let mut child = spindle_box()
        .args(["host", "--listen", "127.0.0.1:0", "--name", "attic", "--data"])
        .arg(data)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let port = lines
        .find_map(|line| {
            let line = line.expect("text");
            line.strip_prefix("listening on 127.0.0.1:")?
                .split(',')
                .next()?
                .parse()
                .ok()
        })
        .expect("it says where it listens before it ends");
    // What it says later must find a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (child, port)
}

fn greeting(port: u16) -> [u8; 64] {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut greeting = [0; 64];
    stream
        .read_exact(&mut greeting)
        .expect("the archive speaks first");
    greeting
}

fn terminate(child: &Child) {
    rustix::process::kill_process(Pid::from_child(child), Signal::TERM).expect("it runs");
}

#[test]
fn it_greets_ends_in_order_and_keeps_its_identity() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("made/by/it");
    let (mut child, port) = host(&data);
    let first = greeting(port);
    assert!(
        first.windows(5).any(|window| window == b"attic"),
        "its name is in {first:?}"
    );
    terminate(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let (mut child, port) = host(&data);
    assert_eq!(greeting(port), first);
    terminate(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_cannot_start_says_why() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("text");
    let output = run(&["host", "--data", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(path));
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("text");
    let output = run(&["host", "--data", data, "--drive", "/dev/no-such-drive"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/dev/no-such-drive"));
}

#[test]
fn arguments_that_make_no_sense_are_told_apart_from_failures() {
    assert_eq!(run(&["burn"]).status.code(), Some(2));
    let output = run(&["init"]);
    assert_eq!(output.status.code(), Some(1), "init is for process 1 only");
    assert!(run(&["--help"]).stdout.starts_with(b"spindle-box"));
    assert!(run(&["--version"]).stdout.starts_with(b"spindle-box "));
}

/// The words are init's own; images are searched for them in the same way.
#[test]
fn fault_injection_is_in_the_executable_only_when_asked_for() {
    let executable = std::fs::read(env!("CARGO_BIN_EXE_spindle-box")).expect("it was built");
    let marker = b"spindle-fault-injection";
    let found = executable.windows(marker.len()).any(|window| window == marker);
    assert_eq!(found, cfg!(feature = "faults"));
}
