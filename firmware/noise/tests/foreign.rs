//! The channel against other people's Noise and SPAKE2, spoken by a workstation written from the specification.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use noise::{Code, Error, Pattern, Reading, Secret, Writing, accept};

struct Socket<'a>(&'a TcpStream);

impl embedded_io::ErrorType for Socket<'_> {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(into).map_err(|error| error.kind().into())
    }
}

impl embedded_io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes).map_err(|error| error.kind().into())
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

const PROLOGUE: &[u8] = b"what both ends said";

/// Runs the workstation against a box with that pattern; what the box got, and how the workstation ended.
fn meet(pattern: Pattern<'_>, code: Option<&str>) -> (Result<Vec<u8>, Error>, Output) {
    let python =
        std::env::var_os("SPINDLE_PYTHON").expect("SPINDLE_PYTHON is not set: run `cargo xtask test`");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let prologue: String = PROLOGUE.iter().map(|byte| format!("{byte:02x}")).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/workstation.py");
    let workstation = Command::new(python)
        .arg(script)
        .args([&port, &prologue])
        .args(code)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests' Python runs");
    let (stream, _) = listener.accept().expect("the workstation comes");
    let got = serve(&stream, pattern);
    drop(stream);
    (got, workstation.wait_with_output().expect("it ends"))
}

fn serve(stream: &TcpStream, pattern: Pattern<'_>) -> Result<Vec<u8>, Error> {
    use embedded_io::{Read as _, Write as _};
    let secret = Secret::generate()?;
    let established = accept(&mut Socket(stream), &secret, PROLOGUE, pattern)?;
    assert_eq!(
        established.peer,
        Secret::new(core::array::from_fn(|at| u8::try_from(at).expect("below 32"))).public()
    );
    let mut reading = Reading::new(Socket(stream));
    let mut writing = Writing::new(Socket(stream));
    reading.protect(established.opener);
    writing.protect(established.sealer);
    let mut got = vec![0; 100_004];
    reading
        .read_exact(&mut got)
        .map_err(|_| reading.failure().unwrap_or(Error::Closed))?;
    writing.write_all(b"pong").map_err(Error::Broken)?;
    Ok(got)
}

fn said(output: &Output) -> io::Result<String> {
    io::stderr().write_all(&output.stderr)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn expected() -> Vec<u8> {
    let big = (0..100_000_u32).map(|at| u8::try_from(at % 251).expect("below 251"));
    b"ping".iter().copied().chain(big).collect()
}

#[test]
fn a_foreign_workstation_shakes_hands() {
    let (got, output) = meet(Pattern::Known, None);
    assert_eq!(said(&output).expect("printed"), "pong");
    assert!(got.expect("a channel") == expected());
}

#[test]
fn a_foreign_workstation_pairs_with_the_code_only() {
    let code: Code = "1234-5678".parse().expect("a code");
    let (got, output) = meet(Pattern::Paired(&code), Some("12345678"));
    assert_eq!(said(&output).expect("printed"), "pong");
    assert!(got.expect("a channel") == expected());

    let (got, output) = meet(Pattern::Paired(&code), Some("12345679"));
    assert_eq!(got.err(), Some(Error::WrongCode));
    assert!(!output.status.success());
}
