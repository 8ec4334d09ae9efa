//! Every failure a door finds by itself: what happened, why, and what to do.

use std::fmt;

use rustix::io::Errno;
use wire::{Failure, FailureCode, Request, Role, VERSION};

use super::Ended;

/// A failure that ends the connection.
#[derive(Debug)]
pub struct Refusal {
    /// The request it answers, 0 for none.
    pub id: u32,
    /// What the client is told.
    pub failure: Failure,
}

/// One line, for the log.
impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.failure.what)
    }
}

/// Turns a failure into the end of the connection.
pub(crate) trait End {
    /// The connection ends with this answer to request `id`.
    fn end(self, id: u32) -> Ended;
}

impl End for Failure {
    fn end(self, id: u32) -> Ended {
        Ended::Refused(Box::new(Refusal { id, failure: self }))
    }
}

/// What a client does when nobody but its maker can help.
const CLIENT_FAULT: &str = "the client does not follow the protocol";
const UPDATE: &str = "update the client; if it is the newest, report this with its log";

pub(crate) fn unavailable() -> Failure {
    Failure::new(
        FailureCode::Unavailable,
        "the box cannot serve requests at the moment",
        "its storage is starting or being restarted",
        "try again in a few seconds; jobs that were running are listed by `jobs`",
    )
}

pub(crate) fn too_many(connections: usize) -> Failure {
    Failure::new(
        FailureCode::TooManyConnections,
        format!("the box serves {connections} connections already and takes no more"),
        "clients are connected that are not needed, or one connects again and again",
        "close other connections, then try again",
    )
}

pub(super) fn timed_out() -> Failure {
    Failure::new(
        FailureCode::TimedOut,
        "the box waited too long for bytes it was promised",
        "the connection is too slow, or what connected is no client of this protocol",
        "connect again",
    )
}

pub(super) fn bad_version(version: u16) -> Failure {
    let cause = match version {
        0 => "version 0 is not enabled for this address",
        newer if newer > VERSION => "the client is newer than the box, or the box was not asked first",
        _ => "the client is too old",
    };
    Failure::new(
        FailureCode::BadVersion,
        format!("the client chose protocol version {version}; the box speaks version {VERSION}"),
        cause,
        "use a client that speaks the version of the box's greeting",
    )
}

pub(super) fn unknown_channel(channel: u16) -> Failure {
    Failure::new(
        FailureCode::Unsupported,
        format!("the client asked for channel {channel}, which the box does not have"),
        "the client is newer than the box",
        "update the box",
    )
}

pub(super) fn key_needed() -> Failure {
    Failure::new(
        FailureCode::KeyNeeded,
        "the box does not speak in the clear with this address",
        "what travels in the clear can be read and changed by anybody on the way",
        "pair this workstation with the box (`spindle pair`), or allow the address in the box's configuration",
    )
}

pub(super) fn no_key() -> Failure {
    Failure::new(
        FailureCode::Unavailable,
        "the box has no key to prove itself with",
        "it keeps its key on the data partition, and there is none that can be used",
        "look at the box's console; `spindle status` from an address that may speak in the clear says more",
    )
}

pub(super) fn no_pairing() -> Failure {
    Failure::new(
        FailureCode::NotPermitted,
        "nobody can be paired with the box now",
        "a code is good for five minutes, three tries and one workstation, and there is none at the moment",
        "ask for a code at the box's console (`pair`) or as its administrator (`spindle pair-code`)",
    )
}

pub(super) fn malformed(error: &impl fmt::Display) -> Failure {
    let what = format!("what the client sent cannot be read: {error}");
    Failure::new(FailureCode::Malformed, what, CLIENT_FAULT, UPDATE)
}

pub(super) fn unknown_kind(kind: u16) -> Failure {
    Failure::new(
        FailureCode::UnknownKind,
        format!("the box does not know requests of kind {kind:#06x}"),
        "the client is newer than the box",
        "do without this request, or update the box",
    )
}

pub(super) fn out_of_order(what: &str) -> Failure {
    Failure::new(FailureCode::OutOfOrder, what, CLIENT_FAULT, UPDATE)
}

pub(super) fn not_permitted(request: &Request) -> Failure {
    let needs = request.needs();
    let remedy = match needs {
        Role::Admin => "ask an administrator of the box",
        _ => "connect again in that role, if you are allowed to",
    };
    Failure::new(
        FailureCode::NotPermitted,
        format!("the request needs the role {needs}"),
        "this connection was granted a lower role",
        remedy,
    )
}

pub(super) fn bad_checksum() -> Failure {
    Failure::new(
        FailureCode::DigestMismatch,
        "a chunk's CRC-32C differs from the one sent with it: the put is undone",
        "bytes changed on their way: memory, cable or network card of either end",
        "put again; if it recurs, check memory and cabling",
    )
}

pub(super) fn bad_digest() -> Failure {
    Failure::new(
        FailureCode::DigestMismatch,
        "the file's SHA-256 differs from the client's: the put is undone",
        "the file changed while it was read, or bytes changed in the memory of either end",
        "put again while nothing writes the file; if it recurs, check memory",
    )
}

pub(super) fn cannot_store(error: Errno) -> Failure {
    match error {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Failure::new(
            FailureCode::NoSpace,
            "the data partition is full: the put is undone",
            "what was put and not yet burned leaves too little room",
            "burn or remove trees, then put again",
        ),
        other => Failure::new(
            FailureCode::Internal,
            format!("the box cannot store the file: {other}: the put is undone"),
            "the data partition's disk fails, or the file system on it is damaged",
            "check the box's log and its disk",
        ),
    }
}

pub(super) fn cannot_read(reason: &str) -> Failure {
    Failure::new(
        FailureCode::ReadFailed,
        format!("the file's bytes ended early: {reason}"),
        "the disc or disk it is read from has an error",
        "get the file again; if it recurs, verify the disc",
    )
}
