//! File operations whose errors name the file, and whose results are whole or absent.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use crate::{Error, Result};

/// Turns an I/O error into one that says what was attempted on which file.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::File {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The file's length in bytes.
pub fn length(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).map_err(failed("look at", path))?.len())
}

/// The whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(failed("read", path))
}

/// The whole file as text.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// The directory and all its parents, made when they are not there.
pub fn create_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(failed("create", path))
}

/// Writes the file under another name, syncs it, and only then gives it its own: readers see the old file or the new.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    create_directory(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = directory.join(name);
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // What counts is the first error; a file left behind is overwritten by the next attempt.
        let _ = fs::remove_file(&partial);
        return Err(failed("write", &partial)(error));
    }
    rename(&partial, path)
}

/// Renames within one directory and syncs the directory, so that the new name survives a power cut.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(failed("rename", from))?;
    let directory = to.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync", directory))
}
