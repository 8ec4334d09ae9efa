//! What init tried and why it failed.

use std::{fmt, io};

/// A step that failed: what was tried, and the cause.
#[derive(Debug)]
pub struct Failure {
    what: String,
    cause: io::Error,
}

impl Failure {
    /// For `map_err`: names the step that failed.
    pub(crate) fn of<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |cause| Self {
            what: what.into(),
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.what, self.cause)
    }
}

impl std::error::Error for Failure {}
