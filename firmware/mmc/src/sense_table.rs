//! Every sense triple the driver knows: reaction, text, cause, remedy. Data only.
//!
//! Texts follow SPC-4 annex D and MMC-6 annex F; reactions follow what the drives of two decades were seen to
//! need.

use crate::sense::Reaction::{self, Degrade, Retry, Stop, Wait};

/// What a sense triple means.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What the driver does.
    pub reaction: Reaction,
    /// What the drive says, in the standard's words.
    pub text: &'static str,
    /// The probable cause.
    pub cause: &'static str,
    /// What a person can do.
    pub remedy: &'static str,
}

/// One row: a sense triple, `None` matching every value. The first row that matches counts.
struct Row(Option<u8>, Option<u8>, Option<u8>, Diagnosis);

/// The meaning of a sense triple; unknown ones get the meaning of their key.
pub(crate) fn diagnosis(key: u8, asc: u8, ascq: u8) -> &'static Diagnosis {
    let agrees = |wanted: Option<u8>, got: u8| wanted.is_none_or(|wanted| wanted == got);
    TABLE
        .iter()
        .find(|Row(k, a, q, _)| agrees(*k, key) && agrees(*a, asc) && agrees(*q, ascq))
        .map_or(&UNKNOWN, |Row(.., diagnosis)| diagnosis)
}

const fn exact(key: u8, asc: u8, ascq: u8, reaction: Reaction, text: &'static str, why: Why) -> Row {
    Row(
        Some(key),
        Some(asc),
        Some(ascq),
        Diagnosis {
            reaction,
            text,
            cause: why.0,
            remedy: why.1,
        },
    )
}

const fn code(key: u8, asc: u8, reaction: Reaction, text: &'static str, why: Why) -> Row {
    Row(
        Some(key),
        Some(asc),
        None,
        Diagnosis {
            reaction,
            text,
            cause: why.0,
            remedy: why.1,
        },
    )
}

const fn any(key: u8, reaction: Reaction, text: &'static str, why: Why) -> Row {
    Row(
        Some(key),
        None,
        None,
        Diagnosis {
            reaction,
            text,
            cause: why.0,
            remedy: why.1,
        },
    )
}

/// Cause and remedy.
#[derive(Clone, Copy)]
struct Why(&'static str, &'static str);

const BUSY: Why = Why("the drive is at work", "nothing to do: the driver waits");
const ATTENTION: Why = Why(
    "the drive reports a change once",
    "nothing to do: the driver looks again",
);
const NO_DISC: Why = Why("the tray is open or empty", "put a disc in and close the tray");
const DISC_OR_LASER: Why = Why(
    "the disc is dirty, damaged or of poor quality, or the laser is weak",
    "clean the disc or take another brand; write slower; clean or replace the drive",
);
const READ_TROUBLE: Why = Why(
    "the disc is dirty, scratched or aged at this place",
    "clean the disc; try again slower or in another drive; take the second copy",
);
const FOREIGN: Why = Why(
    "the disc is of a kind this drive cannot handle, or is unreadable as a whole",
    "use media the drive lists; try another drive",
);
const BROKEN: Why = Why(
    "the drive, its cable or its power supply fails",
    "power the drive off and on; check cable and power; replace the drive",
);
const LINK: Why = Why(
    "the cable, the adapter or the bus disturbs the transfer",
    "check the cable and the adapter",
);
const NOT_OFFERED: Why = Why(
    "this drive does not offer that function",
    "update the drive's firmware or use another drive",
);
const NOT_NOW: Why = Why(
    "the disc is not in the state this step needs",
    "look at the disc's state; finish or repair the disc, or take a new one",
);
const FULL: Why = Why(
    "the disc has no room left for this",
    "take a new disc, or send less",
);
const UNFORMATTED: Why = Why(
    "the disc was never formatted, or its format was interrupted",
    "format the disc; that erases it",
);
const CALIBRATION_FULL: Why = Why(
    "the area for power calibration or for the table of recordings is used up after many burns",
    "finalise this disc, which still reads, and take a new one",
);
const LOCKED: Why = Why("medium removal is prevented", "end the burn or the mount first");
const PROTECTED: Why = Why(
    "the disc or the drive does not allow writing",
    "take a writable disc; remove the write protection",
);
const WRONG_PLACE: Why = Why(
    "drive and driver disagree about where the disc ends",
    "read the disc's state again; the disc may have been changed",
);

static UNKNOWN: Diagnosis = Diagnosis {
    reaction: Stop,
    text: "a condition this driver does not know",
    cause: BROKEN.0,
    remedy: BROKEN.1,
};

static TABLE: &[Row] = &[
    any(0x1, Retry, "done, with corrections on the way", READ_TROUBLE),
    // NOT READY: which of them end by themselves decides whether a burn survives.
    exact(
        0x2,
        0x04,
        0x02,
        Retry,
        "the disc is stopped and must be started",
        BUSY,
    ),
    exact(
        0x2,
        0x04,
        0x03,
        Stop,
        "manual intervention required",
        Why(
            "the drive cannot go on by itself",
            "open and close the tray; power the drive off and on",
        ),
    ),
    exact(0x2, 0x04, 0x00, Wait, "not ready, cause not reported", BUSY),
    exact(0x2, 0x04, 0x01, Wait, "becoming ready", BUSY),
    exact(0x2, 0x04, 0x04, Wait, "format in progress", BUSY),
    exact(0x2, 0x04, 0x07, Wait, "operation in progress", BUSY),
    exact(0x2, 0x04, 0x08, Wait, "long write in progress", BUSY),
    exact(0x2, 0x04, 0x09, Wait, "self-test in progress", BUSY),
    code(0x2, 0x04, Wait, "not ready", BUSY),
    code(0x2, 0x3A, Stop, "medium not present", NO_DISC),
    code(0x2, 0x30, Stop, "incompatible medium", FOREIGN),
    code(0x2, 0x31, Stop, "medium format corrupted", UNFORMATTED),
    code(0x2, 0x02, Retry, "no seek complete", READ_TROUBLE),
    code(0x2, 0x53, Stop, "the tray is locked", LOCKED),
    code(0x2, 0x4C, Stop, "logical unit failed self-configuration", BROKEN),
    code(0x2, 0x06, Stop, "no reference position found", FOREIGN),
    code(0x2, 0x08, Retry, "logical unit communication failure", LINK),
    code(0x2, 0x3E, Wait, "logical unit has not self-configured yet", BUSY),
    any(0x2, Stop, "the drive is not ready", BROKEN),
    // MEDIUM ERROR.
    code(0x3, 0x02, Stop, "no seek complete", READ_TROUBLE),
    code(0x3, 0x03, Stop, "write fault", DISC_OR_LASER),
    code(0x3, 0x06, Stop, "no reference position found", FOREIGN),
    code(0x3, 0x09, Stop, "track following error", DISC_OR_LASER),
    exact(
        0x3,
        0x0C,
        0x07,
        Stop,
        "write error, recovery needed",
        DISC_OR_LASER,
    ),
    exact(
        0x3,
        0x0C,
        0x09,
        Stop,
        "write error, loss of streaming",
        Why(
            "data did not arrive in time and the drive could not bridge it",
            "write slower; use a drive with underrun protection",
        ),
    ),
    exact(
        0x3,
        0x0C,
        0x02,
        Stop,
        "write error, no spare area left for defects",
        DISC_OR_LASER,
    ),
    exact(
        0x3,
        0x0C,
        0x08,
        Stop,
        "write error, recovery failed",
        DISC_OR_LASER,
    ),
    code(0x3, 0x0C, Stop, "write error", DISC_OR_LASER),
    code(0x3, 0x11, Stop, "unrecovered read error", READ_TROUBLE),
    code(
        0x3,
        0x10,
        Stop,
        "identifier or error correction code unreadable",
        READ_TROUBLE,
    ),
    code(0x3, 0x30, Stop, "incompatible medium", FOREIGN),
    code(0x3, 0x14, Stop, "recorded entity not found", READ_TROUBLE),
    code(0x3, 0x15, Stop, "positioning error", READ_TROUBLE),
    code(0x3, 0x31, Stop, "medium format corrupted", UNFORMATTED),
    code(
        0x3,
        0x32,
        Stop,
        "no defect spare location available",
        DISC_OR_LASER,
    ),
    code(
        0x3,
        0x57,
        Stop,
        "unable to recover table of contents",
        READ_TROUBLE,
    ),
    exact(0x3, 0x72, 0x00, Stop, "session fixation error", DISC_OR_LASER),
    exact(
        0x3,
        0x72,
        0x01,
        Stop,
        "session fixation error writing lead-in",
        DISC_OR_LASER,
    ),
    exact(
        0x3,
        0x72,
        0x02,
        Stop,
        "session fixation error writing lead-out",
        DISC_OR_LASER,
    ),
    code(0x3, 0x72, Stop, "session fixation error", NOT_NOW),
    exact(
        0x3,
        0x73,
        0x02,
        Stop,
        "power calibration area is full",
        CALIBRATION_FULL,
    ),
    exact(
        0x3,
        0x73,
        0x04,
        Stop,
        "program memory area update failure",
        DISC_OR_LASER,
    ),
    exact(
        0x3,
        0x73,
        0x05,
        Stop,
        "program memory area is full",
        CALIBRATION_FULL,
    ),
    code(0x3, 0x73, Stop, "power calibration failed", DISC_OR_LASER),
    any(0x3, Stop, "the disc failed", DISC_OR_LASER),
    // HARDWARE ERROR.
    code(0x4, 0x08, Retry, "logical unit communication failure", LINK),
    code(0x4, 0x02, Retry, "no seek complete", BROKEN),
    code(0x4, 0x47, Retry, "parity or checksum error on the bus", LINK),
    code(0x4, 0x3E, Stop, "the drive gave up waiting for itself", BROKEN),
    code(0x4, 0x44, Stop, "internal target failure", BROKEN),
    code(0x4, 0x09, Stop, "track following error", DISC_OR_LASER),
    code(
        0x4,
        0x53,
        Stop,
        "the disc does not load or eject",
        Why("the tray is blocked", "free the tray; open it by hand"),
    ),
    any(0x4, Stop, "hardware failure", BROKEN),
    // ILLEGAL REQUEST.
    code(0x5, 0x20, Degrade, "command not supported", NOT_OFFERED),
    code(
        0x5,
        0x1A,
        Degrade,
        "a parameter list of this length is not supported",
        NOT_OFFERED,
    ),
    code(0x5, 0x25, Stop, "logical unit not supported", BROKEN),
    exact(0x5, 0x21, 0x00, Stop, "block address out of range", WRONG_PLACE),
    exact(0x5, 0x21, 0x02, Stop, "invalid address for write", WRONG_PLACE),
    exact(
        0x5,
        0x21,
        0x03,
        Stop,
        "invalid write at a layer jump",
        WRONG_PLACE,
    ),
    code(
        0x5,
        0x24,
        Degrade,
        "a field of the command is not supported",
        NOT_OFFERED,
    ),
    code(0x5, 0x26, Degrade, "a parameter is not supported", NOT_OFFERED),
    code(0x5, 0x27, Stop, "write protected", PROTECTED),
    code(0x5, 0x2C, Stop, "command sequence error", NOT_NOW),
    code(0x5, 0x2E, Stop, "insufficient time for the operation", BUSY),
    exact(
        0x5,
        0x30,
        0x06,
        Stop,
        "cannot format this medium",
        Why(
            "the disc is of a kind or in a state that this drive does not format",
            "blank the disc first, or use another drive",
        ),
    ),
    exact(0x5, 0x30, 0x10, Stop, "medium not formatted", UNFORMATTED),
    code(0x5, 0x30, Stop, "cannot do this on this kind of disc", FOREIGN),
    code(
        0x5,
        0x39,
        Degrade,
        "saving parameters is not supported",
        NOT_OFFERED,
    ),
    code(0x5, 0x53, Stop, "the tray is locked", LOCKED),
    code(0x5, 0x63, Stop, "end of user area on this track", FULL),
    code(
        0x5,
        0x73,
        Stop,
        "the recording management area is full",
        CALIBRATION_FULL,
    ),
    code(0x5, 0x64, Stop, "wrong mode for this track", NOT_NOW),
    code(
        0x5,
        0x6F,
        Stop,
        "copy protection refuses the read",
        Why(
            "the disc is encrypted and no key exchange took place",
            "such discs cannot be copied",
        ),
    ),
    exact(
        0x5,
        0x72,
        0x03,
        Stop,
        "session fixation error, incomplete track in session",
        NOT_NOW,
    ),
    exact(
        0x5,
        0x72,
        0x04,
        Stop,
        "empty or partially written reserved track",
        NOT_NOW,
    ),
    exact(0x5, 0x72, 0x05, Stop, "no more track reservations allowed", FULL),
    code(0x5, 0x72, Stop, "session fixation error", NOT_NOW),
    code(0x5, 0x55, Stop, "system resource failure", BROKEN),
    any(0x5, Stop, "request refused", NOT_OFFERED),
    // UNIT ATTENTION: told once, the command was not executed.
    code(0x6, 0x28, Retry, "the medium may have changed", ATTENTION),
    code(0x6, 0x29, Retry, "power on or reset", ATTENTION),
    code(0x6, 0x2A, Retry, "parameters changed", ATTENTION),
    code(0x6, 0x2E, Retry, "insufficient time for the operation", ATTENTION),
    exact(
        0x6,
        0x5A,
        0x01,
        Retry,
        "somebody pressed the eject button",
        Why("the eject button was pressed", "eject through Spindle"),
    ),
    any(0x6, Retry, "the drive reports a change", ATTENTION),
    // The rest.
    code(0x7, 0x27, Stop, "write protected", PROTECTED),
    any(0x7, Stop, "data protect", PROTECTED),
    any(
        0x8,
        Stop,
        "this place of the disc is not written",
        Why(
            "the address lies outside every recorded track",
            "read within the recorded tracks",
        ),
    ),
    any(0xB, Retry, "the drive gave the command up", LINK),
    any(0xD, Stop, "the disc is full", FULL),
    any(0xE, Stop, "the disc differs from the data", DISC_OR_LASER),
    any(0x0, Retry, "no reason given", LINK),
];
