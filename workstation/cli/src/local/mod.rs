//! Discs as images on this machine: made, listed, read and checked without a box.

mod author;
mod check;
mod image;
mod key;
mod session;

pub use author::{Author, author};
pub use check::{Check, check};
pub use image::{Image, get, ls};

use std::io;
use std::path::{Path, PathBuf};

use client::Error;

/// An error of this machine at a path.
fn local(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = PathBuf::from(path);
    move |error| Error::Local { path, error }
}

/// Something about a path that is no error of the system.
fn unsuitable(path: &Path, reason: impl ToString) -> Error {
    let error = io::Error::new(io::ErrorKind::InvalidInput, reason.to_string());
    local(path)(error)
}
