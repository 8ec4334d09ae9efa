//! The burner as a program, ended when it is dropped.

#![allow(dead_code, reason = "each test uses its part")]

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

pub struct Program {
    child: Child,
    /// The drive's URL.
    pub url: String,
}

impl Program {
    /// Starts it on a free port; `disc` is the disc's directory.
    pub fn start<A: AsRef<OsStr>>(disc: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_spindle-burner"))
            .args(["--listen", "127.0.0.1:0", "--disc"])
            .arg(disc)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo built the program");
        let mut url = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output)
            .read_line(&mut url)
            .expect("its first line");
        let url = url.trim().to_owned();
        assert!(url.starts_with("iscsi://"), "it did not start: {url:?}");
        Self { child, url }
    }

    /// Address and port of its iSCSI portal, and the drive's iSCSI name.
    pub fn portal_and_name(&self) -> (&str, &str) {
        match self.url.split('/').collect::<Vec<_>>().as_slice() {
            ["iscsi:", "", portal, name, "0"] => (portal, name),
            _ => panic!("not a URL of a drive: {}", self.url),
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is a child");
        self.child.wait().expect("it is a child");
    }

    /// Waits until it ends by itself; whether it ended well.
    pub fn wait(&mut self) -> bool {
        self.child.wait().expect("it is a child").success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
