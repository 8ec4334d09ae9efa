//! Exit codes, as `spindle --help` lists them.

use std::process::ExitCode;

use client::Error;
use client::wire::{Failure, FailureCode};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Refused = 1,
    Unreachable = 3,
    Local = 4,
    Busy = 5,
    Damaged = 6,
    NotArchived = 7,
}

impl Exit {
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Box(failure) => Self::of_failure(failure),
            Error::Connect { .. }
            | Error::NoGreeting { .. }
            | Error::NotABox(_)
            | Error::Lost(_)
            | Error::Handshake(_) => Self::Unreachable,
            Error::Local { .. } | Error::Output(_) | Error::Unsuitable(..) => Self::Local,
            Error::Damaged(_) | Error::Protocol(_) | Error::Unexpected(_) => Self::Damaged,
            _ => Self::Refused,
        }
    }

    pub fn of_failure(failure: &Failure) -> Self {
        match FailureCode::from_number(failure.code.number) {
            Some(FailureCode::Busy | FailureCode::DriveBusy | FailureCode::TooManyConnections) => Self::Busy,
            Some(FailureCode::VerifyFailed | FailureCode::DigestMismatch) => Self::Damaged,
            Some(FailureCode::CopiesMissing) => Self::NotArchived,
            _ => Self::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
