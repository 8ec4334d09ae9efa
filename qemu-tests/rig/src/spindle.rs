//! Runs the real `spindle` command.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The `spindle` command for one box.
#[derive(Clone, Debug)]
pub struct Spindle {
    program: PathBuf,
    address: SocketAddr,
}

/// How a run of it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// The JSON document on standard output.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {}{}", self.stdout, self.stderr))
    }

    /// The name of the failure on standard error, such as `not blank`; empty without one.
    pub fn failure(&self) -> String {
        let error: Option<Value> = serde_json::from_str(&self.stderr).ok();
        let name = error.as_ref().and_then(|error| error["error"]["name"].as_str());
        name.unwrap_or_default().into()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into(),
            stderr: String::from_utf8_lossy(&output.stderr).into(),
        }
    }
}

impl Spindle {
    /// The command at `program`, speaking to the box at `address`.
    pub fn new(program: impl Into<PathBuf>, address: SocketAddr) -> Self {
        Self {
            program: program.into(),
            address,
        }
    }

    /// A command not yet run, with `--box` set.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--box").arg(self.address.to_string());
        command
    }

    /// Runs it with `--json`, whatever comes of it.
    pub fn try_run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Ran> {
        let output = self.command().arg("--json").args(arguments).output();
        Ok(output
            .with_context(|| format!("running {}", self.program.display()))?
            .into())
    }

    /// Runs it with `--json` and demands success; the JSON document.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Value> {
        let ran = self.try_run(arguments)?;
        if ran.code != 0 {
            bail!("spindle failed with {}: {}{}", ran.code, ran.stdout, ran.stderr);
        }
        match ran.stdout.is_empty() {
            true => Ok(Value::Null),
            false => ran.json(),
        }
    }
}
