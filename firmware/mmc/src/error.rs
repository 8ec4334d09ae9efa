//! Everything that can go wrong between a caller and a drive.

use core::time::Duration;

use crate::bytes::TooShort;
use crate::profile::Profile;
use crate::sense::{Reaction, Sense};
use crate::transport::TransportError;

/// Why the drive or the disc could not do what was asked. Every message names the facts; [`Error::cause`] and
/// [`Error::remedy`] say what they probably mean and what can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// {command} was refused: {sense}
    Refused {
        /// The command, as the standard names it.
        command: &'static str,
        /// What the drive said.
        sense: Sense,
    },
    /// reading block {address} failed: {sense}
    Unreadable {
        /// The first block that could not be read.
        address: u32,
        /// What the drive said at the last try.
        sense: Sense,
    },
    /// writing at block {address} failed: {sense}
    WriteFailed {
        /// First block of the WRITE that failed; for a deferred report, of the WRITE that brought it.
        address: u32,
        /// What the drive said.
        sense: Sense,
    },
    /// the drive would go on writing at block {found}, not at {expected}
    Displaced {
        /// Where the burn stands.
        expected: u32,
        /// Where the drive stands: everything from here on is not on the disc.
        found: u32,
    },
    /// the drive does not tell where it would go on writing
    AddressUnknown,
    /// the disc was changed or the drive reset at block {address}, and the drive does not go on there
    BurnInterrupted {
        /// Where the burn stood.
        address: u32,
    },
    /// the disc was exchanged while it was being read
    DiscChanged,
    /// the drive took {command} but then reports the disc not closed as asked
    CloseUnfinished {
        /// The command, as the standard names it.
        command: &'static str,
    },
    /// {command}: {error}
    Transport {
        /// The command, as the standard names it.
        command: &'static str,
        /// How the connection failed.
        error: TransportError,
    },
    /// {command} ended with the unexpected SCSI status {status:#04x}
    Status {
        /// The command, as the standard names it.
        command: &'static str,
        /// The status byte.
        status: u8,
    },
    /// {command} was still not done after {waited:?}
    StillBusy {
        /// The command, as the standard names it.
        command: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// the answer to {command} cannot be used: {error}
    Malformed {
        /// The command, as the standard names it.
        command: &'static str,
        /// What is wrong with it.
        error: TooShort,
    },
    /// this device is no optical drive (SCSI device type {device_type:#04x})
    NotAnOpticalDrive {
        /// PERIPHERAL DEVICE TYPE of INQUIRY.
        device_type: u8,
    },
    /// there is no disc in the drive
    NoDisc,
    /// this disc is {profile}, which this driver cannot write
    CannotWrite {
        /// What the disc is.
        profile: Profile,
    },
    /// the disc is finalised and takes no more data
    Finalised,
    /// track {track} was never closed; it starts at block {start}
    OpenTrack {
        /// Its number.
        track: u16,
        /// Its first block.
        start: u32,
    },
    /// the image needs {needed} blocks with padding and reserve, the drive reports {free} free
    TooLarge {
        /// Blocks needed, of 2048 bytes.
        needed: u32,
        /// Blocks free, of 2048 bytes.
        free: u32,
    },
    /// the disc has blocks of {0} bytes, this driver works with 2048
    BlockSize(u32),
    /// {got} bytes were given where {needed} are due: {rule}
    WrongLength {
        /// Bytes given.
        got: usize,
        /// Bytes due, at most or exactly, as the rule says.
        needed: usize,
        /// The rule.
        rule: &'static str,
    },
    /// the burn was given {written} of its {planned} blocks
    Incomplete {
        /// Blocks written.
        written: u32,
        /// Blocks planned.
        planned: u32,
    },
    /// this burn failed earlier and takes no more data
    Failed,
    /// block {address} is not where a cluster of {cluster} blocks begins
    Misaligned {
        /// The address asked for.
        address: u32,
        /// Blocks in a cluster of this disc.
        cluster: u32,
    },
    /// this disc is {profile}, which cannot be finalised
    NotFinalisable {
        /// What the disc is.
        profile: Profile,
    },
    /// this {profile} can only be written at once, which finalises it
    OnlyAtOnce {
        /// What the disc is.
        profile: Profile,
    },
    /// this {profile} is not blank, and only a blank one can be written at once
    NotAtOnce {
        /// What the disc is.
        profile: Profile,
    },
    /// this disc is {profile}, which cannot be blanked or erased
    NotErasable {
        /// What the disc is.
        profile: Profile,
    },
    /// the disc is {profile}, and the drive offers no such format for it
    FormatUnavailable {
        /// What the disc is.
        profile: Profile,
    },
    /// this disc is {profile}, of which no block can be rewritten
    NotOverwritable {
        /// What the disc is.
        profile: Profile,
    },
    /// nothing is recorded on this disc
    Blank,
    /// this {profile} has no session open that could be closed for good
    NoOpenSession {
        /// What the disc is.
        profile: Profile,
    },
    /// track {track} cannot be closed: {sense}; the {kept} blocks before it stay as they are
    BeyondRepair {
        /// Its number.
        track: u16,
        /// Blocks of the sessions that were closed before.
        kept: u32,
        /// What the drive said at the last try.
        sense: Sense,
    },
}

impl Error {
    /// What the drive said, where it said something.
    #[must_use]
    pub fn sense(&self) -> Option<&Sense> {
        match self {
            Self::Refused { sense, .. }
            | Self::Unreadable { sense, .. }
            | Self::WriteFailed { sense, .. }
            | Self::BeyondRepair { sense, .. } => Some(sense),
            _ => None,
        }
    }

    /// Whether trying again makes sense, the work can go on without, or it should stop.
    #[must_use]
    pub fn reaction(&self) -> Reaction {
        match self {
            Self::Refused { sense, .. } => sense.reaction(),
            Self::StillBusy { .. } => Reaction::Wait,
            Self::Transport {
                error: TransportError::Reset,
                ..
            } => Reaction::Retry,
            _ => Reaction::Stop,
        }
    }

    /// The probable cause.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        self.sense()
            .map_or_else(|| self.explanation().0, |sense| sense.diagnosis().cause)
    }

    /// What a person can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.sense()
            .filter(|_| !matches!(self, Self::BeyondRepair { .. }))
            .map_or_else(|| self.explanation().1, |sense| sense.diagnosis().remedy)
    }

    /// Cause and remedy of what the drive did not explain itself.
    fn explanation(&self) -> (&'static str, &'static str) {
        match self {
            Self::DiscChanged => (
                "somebody changed the disc",
                "put the right disc in and start again",
            ),
            Self::NoDisc => ("the tray is open or empty", "put a disc in and close the tray"),
            Self::Transport {
                error: TransportError::Hung,
                ..
            } => (
                "the drive's firmware stands still, or its adapter lost it",
                "nothing more is sent to it; reset it, or power it off and on",
            ),
            Self::Transport {
                error: TransportError::Gone,
                ..
            } => (
                "the drive was unplugged, lost its power, or its adapter gave it up",
                "check cable and power; it is used again as soon as it is back",
            ),
            Self::Transport { .. } | Self::Status { .. } => (
                "the drive, its cable or its adapter fails",
                "check cable and power; power the drive off and on",
            ),
            Self::StillBusy { .. } => (
                "the drive hangs, or the disc gives it great trouble",
                "wait; then power the drive off and on",
            ),
            Self::Malformed { .. } | Self::NotAnOpticalDrive { .. } => (
                "this device does not follow the MMC standard",
                "use another drive or adapter",
            ),
            Self::CannotWrite { .. } => (
                "it was pressed, or is of a kind this driver does not write",
                "use a CD, DVD or BD that can be recorded",
            ),
            Self::NotFinalisable { .. } => (
                "blocks of this kind of disc can always be written again",
                "leave it as it is: it reads everywhere it ever will",
            ),
            Self::OnlyAtOnce { .. } => (
                "it has two layers, or was blanked fast: the drive offers no recording track by track",
                "have the disc finalised with this burn, or blank it fully first",
            ),
            Self::NotAtOnce { .. } => (
                "something is recorded on it",
                "burn without at-once, or use a blank disc",
            ),
            Self::NotErasable { .. } => ("it is write-once or pressed", "take a new disc"),
            Self::FormatUnavailable { .. } => (
                "the medium has no such format; BD-R is never formatted, since few programs could use it",
                "choose another format, or none",
            ),
            Self::NotOverwritable { .. } => (
                "it is written in sequence and its sessions are closed",
                "append a session instead",
            ),
            Self::Finalised => ("it was closed for good, or pressed", "take a new disc"),
            Self::OpenTrack { .. } => (
                "an earlier burn was interrupted",
                "resume that burn, or repair the disc: then it takes a new session; or take a new disc",
            ),
            Self::Blank => ("it is new or was erased", "burn something on it"),
            Self::NoOpenSession { .. } => (
                "it is closed, and appendable; this kind of disc is finalised only together with new data",
                "finalise it with the next session, or leave it so: its sessions read",
            ),
            Self::TooLarge { .. } => (
                "the disc is too small or too full",
                "take a new or larger disc, or send less",
            ),
            Self::BlockSize(_) => ("the disc was recorded in an unusual mode", "use a data disc"),
            Self::Displaced { .. } | Self::AddressUnknown | Self::BurnInterrupted { .. } => (
                "the drive was reset, lost power or changed its disc during the burn",
                "burn again on a new disc; what was closed before is still readable",
            ),
            Self::CloseUnfinished { .. } => (
                "the drive failed to write the closing areas",
                "verify the disc; burn again if it does not read",
            ),
            Self::Misaligned { .. } | Self::WrongLength { .. } | Self::Incomplete { .. } | Self::Failed => (
                "the program that drives the burn made a mistake",
                "report this with the log",
            ),
            Self::BeyondRepair { .. } => (
                "",
                "copy what is on the disc, which the sessions closed before still hold, and take a new one",
            ),
            Self::Refused { .. } | Self::Unreadable { .. } | Self::WriteFailed { .. } => {
                ("see the sense data", "")
            }
        }
    }
}
