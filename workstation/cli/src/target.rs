//! Where the bytes of a get go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use client::Error;

use crate::arguments;

/// Where the bytes of a get go.
pub enum Target {
    /// Standard output.
    Stdout,
    /// Something that is there and is no regular file: a device, a pipe. It is written to, never replaced.
    Special(PathBuf),
    /// A file that appears under its name only once its digest is known to be right.
    File(PathBuf),
}

/// A file on its way: under a name of its own beside its target.
pub struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Target {
    /// Looks before anything is fetched.
    pub fn choose(what: &arguments::Get) -> Result<Self, Error> {
        Self::for_file(&what.path, what.output.as_deref(), what.force)
    }

    /// Where the file at a path of a disc goes.
    pub fn for_file(from: &Path, output: Option<&Path>, force: bool) -> Result<Self, Error> {
        let output = output.unwrap_or(Path::new("."));
        if output.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let name = from.file_name().ok_or_else(|| {
            let reason = "it names no file; `spindle ls` lists what there is";
            local(from)(io::Error::new(io::ErrorKind::InvalidInput, reason))
        })?;
        let path = if output.is_dir() {
            output.join(name)
        } else {
            output.into()
        };
        let refuse = |reason| Err(local(&path)(io::Error::new(io::ErrorKind::AlreadyExists, reason)));
        match fs::metadata(&path).map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_dir() => refuse("a directory has this name; give another name for the file"),
            Ok(kind) if !kind.is_file() => Ok(Self::Special(path)),
            Ok(_) if !force => refuse("it exists; --force replaces it"),
            _ => Ok(Self::File(path)),
        }
    }
}

fn local(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |error| Error::Local { path, error }
}

impl Partial {
    /// Begins; another's file is never overwritten.
    pub fn begin(target: PathBuf) -> Result<Self, Error> {
        let path = target.with_file_name(format!(".spindle-{}.part", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        Ok(Self {
            file: file.map_err(local(&path))?,
            path,
            target,
        })
    }

    /// All bytes came, and are right: under their name from now on.
    pub fn finish(self) -> Result<PathBuf, Error> {
        let moved = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, &self.target));
        moved.map_err(local(&self.target))?;
        Ok(self.target.clone())
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Half a file helps nobody. After the renaming there is none, which is as good.
        let _ = fs::remove_file(&self.path);
    }
}
