//! Programs that do part of the work: run, followed, and quoted when they fail.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::{Error, Result, files::failed};

/// Lines of a failed program's output that go into the error.
const TAIL: usize = 20;

/// Runs a program to its end; what it said is in the error when it fails.
pub fn run(mut command: Command, program: &str) -> Result<()> {
    output(&mut command, program).map(drop)
}

/// Runs a program to its end and returns what it wrote to standard output.
pub fn output(command: &mut Command, program: &str) -> Result<String> {
    let cannot_start = |source| Error::Start {
        program: program.to_owned(),
        source,
    };
    let output = command.stdin(Stdio::null()).output().map_err(cannot_start)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = text(&output.stdout) + &text(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines
        .get(lines.len().saturating_sub(TAIL)..)
        .unwrap_or_default()
        .join("\n");
    Err(Error::Failed {
        program: program.to_owned(),
        status: output.status,
        tail,
    })
}

/// Runs a program, hands every line it writes to `each` and to a log.
pub fn follow(mut command: Command, program: &str, log: &Path, each: &mut dyn FnMut(&str)) -> Result<()> {
    let cannot_start = |source| Error::Start {
        program: program.to_owned(),
        source,
    };
    let (reader, writer) = std::io::pipe().map_err(cannot_start)?;
    let errors = writer.try_clone().map_err(cannot_start)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .map_err(cannot_start)?;
    drop(command); // it holds the pipe's writing end, and the lines end only when nobody does

    let mut file = File::create(log).map_err(failed("create", log))?;
    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(cannot_start)?).into_owned();
        writeln!(file, "{line}").map_err(failed("write", log))?;
        each(&line);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    let status = child.wait().map_err(cannot_start)?;
    if status.success() {
        return Ok(());
    }
    let tail = Vec::from(tail).join("\n") + &format!("\n(all of it: {})", log.display());
    Err(Error::Failed {
        program: program.to_owned(),
        status,
        tail,
    })
}
