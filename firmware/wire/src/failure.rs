//! Failures as they travel: a code for programs, three sentences for people.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::Label;
use crate::label::numbered;

/// Why a request failed: what happened, the probable cause and the remedy (A12, N17).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A [`FailureCode`], or one assigned later.
    pub code: Label,
    /// What happened.
    pub what: String,
    /// The probable cause; empty when `what` says it.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

impl Failure {
    /// A failure with all its sentences.
    pub fn new(
        code: FailureCode,
        what: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code: code.label(),
            what: what.into(),
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    /// Whether this failure has the given code.
    pub fn is(&self, code: FailureCode) -> bool {
        self.code.number == code.number()
    }
}

impl core::fmt::Display for Failure {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(&self.what)?;
        for (name, text) in [("cause", &self.cause), ("remedy", &self.remedy)] {
            if !text.is_empty() {
                write!(out, "\n  {name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl core::error::Error for Failure {}

numbered! {
    /// The codes of failures; new ones are appended, none is ever reused.
    FailureCode {
        /// A mutating request while another session holds the box.
        Busy = 1 "busy",
        /// Anything but hello came first, or a frame where its request does not allow it.
        OutOfOrder = 2 "out of order",
        /// The client chose a version the box does not speak.
        BadVersion = 3 "bad version",
        /// The client was silent too long.
        TimedOut = 4 "timed out",
        /// The bytes are not a frame or body of the protocol.
        Malformed = 5 "malformed",
        /// The kind is unknown to this box.
        UnknownKind = 6 "unknown kind",
        /// The role may not do this.
        NotPermitted = 7 "not permitted",
        /// Too many connections.
        TooManyConnections = 8 "too many connections",
        /// A path that cannot be taken.
        BadPath = 9 "bad path",
        /// No such tree, file, drive or job.
        NotFound = 10 "not found",
        /// The entry is there already.
        Exists = 11 "exists",
        /// The data partition is full.
        NoSpace = 12 "no space",
        /// Bytes arrived other than they were sent.
        DigestMismatch = 13 "digest mismatch",
        /// The drive is empty.
        NoDisc = 14 "no disc",
        /// The disc has something on it.
        NotBlank = 15 "not blank",
        /// The disc takes no further session.
        NotAppendable = 16 "not appendable",
        /// What should be burned does not fit.
        TooBig = 17 "too big",
        /// The drive reported an error while writing.
        WriteFailed = 18 "write failed",
        /// The drive reported an error while reading.
        ReadFailed = 19 "read failed",
        /// What was read back differs from what was burned.
        VerifyFailed = 20 "verify failed",
        /// The drive works on another job.
        DriveBusy = 21 "drive busy",
        /// The drive does not answer or is gone.
        DriveFailed = 22 "drive failed",
        /// The medium or request is not supported.
        Unsupported = 23 "unsupported",
        /// A part of the box is restarting or missing.
        Unavailable = 24 "unavailable",
        /// The job was interrupted by a restart of the box.
        Interrupted = 25 "interrupted",
        /// The box made a mistake.
        Internal = 26 "internal",
        /// Somebody cancelled the job.
        Cancelled = 27 "cancelled",
        /// What destroys data was asked for without saying so.
        NotConfirmed = 28 "not confirmed",
        /// Fewer discs verified than were asked for.
        CopiesMissing = 29 "copies missing",
        /// The box does not speak in the clear with this address.
        KeyNeeded = 30 "key needed",
        /// The box does not know the workstation's key.
        UnknownKey = 31 "unknown key",
    }
}
