//! Why the vault refuses, and how each reason is told: code, cause, remedy.

use wire::{Failure, FailureCode, PathError, Role};

use crate::catalog::CatalogError;

/// Every refusal of the vault that is not the drive's or the image's.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
pub(crate) enum Refusal {
    /// another session holds the box
    Held(String),
    /// {0}
    OutOfOrder(&'static str),
    /// version {0} is not spoken here
    BadVersion(u16),
    /// the session's role, {0}, may not do this
    NotPermitted(Role),
    /// `{path}`: {why}
    BadPath {
        /// Shown readably.
        path: String,
        /// What is wrong with it.
        why: PathError,
    },
    /// `{0}`: a component of the path is a file or a symbolic link, not a directory
    NotADirectory(String),
    /// `{0}` is there already
    Exists(String),
    /// `{0}` is not a kind of entry this box knows
    UnknownEntry(String),
    /// `{0}` is no file
    NotAFile(String),
    /// there is no {0}
    NotFound(String),
    /// the bytes of tree {0} are no longer on the data partition
    TreeOnDisc(u64, String),
    /// tree {tree} is {state}
    TreeNotOpen {
        /// Its number.
        tree: u64,
        /// What it is instead of open.
        state: &'static str,
    },
    /// {needed} bytes do not fit: the data partition has {free} bytes left for files
    NoSpace {
        /// What should be stored.
        needed: u64,
        /// What may still be used.
        free: u64,
    },
    /// a tree takes at most {0} entries
    TooManyEntries(usize),
    /// the data partition is full
    Full,
    /// `{path}` arrived with {got} bytes instead of {expected}
    WrongSize {
        /// Shown readably.
        path: String,
        /// As its entry said.
        expected: u64,
        /// As stored.
        got: u64,
    },
    /// the data partition cannot be used
    NoData(String),
    /// the catalog failed: {0}
    Catalog(#[from] CatalogError),
    /// the data partition failed while {doing}: {why}
    Storage {
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        why: rustix::io::Errno,
    },
    /// job {0} is not finished
    JobRuns(u64),
    /// job {0} is over
    JobOver(u64),
    /// drive {drive} is busy
    DriveBusy {
        /// Its number.
        drive: u32,
        /// 0 when it is busy with something else.
        job: u64,
    },
    /// drive {0} does not answer
    DriveSilent(u32),
    /// the box does not know this workstation's key
    UnknownKey,
    /// the box does not speak in the clear with this address
    KeyNeeded,
    /// role {0} is none the box knows
    UnknownRole(u16),
    /// the box knows as many workstations as it can
    TooManyWorkstations,
    /// the label has {0} characters
    LabelTooLong(usize),
    /// the session follows {0} jobs already
    TooManyWatches(usize),
    /// a drive is named twice, or there are more than the box has
    TooManyDrives,
    /// treatment {0} is none the box knows
    UnknownTreatment(u16),
    /// mode {0} is none the box knows
    UnknownMode(u16),
    /// place {0} is none the box knows
    UnknownPlace(u16),
    /// what is asked for destroys data
    NotConfirmed,
    /// tree {0} is no copy
    NotACopy(u64),
    /// the blocks of a disc cannot be appended to another
    ImageAppended,
    /// tree {0} is an image: it has no files to list
    IsAnImage(u64),
    /// the box is stopping
    Stopping,
    /// the box has no thread for this: {0}
    NoThread(std::io::Error),
    /// the disc in the drive is blank
    Blank,
    /// the disc's reader could not be started: {0}
    NoReader(std::io::Error),
    /// the disc's reader ended while it worked
    ReaderDied,
    /// the disc's reader gave no answer for a long time
    ReaderSilent,
    /// the disc's reader answered something else than it was asked
    ReaderStrange,
    /// the disc cannot be read: {0}
    Unreadable(String),
}

/// A public key, for people.
pub(crate) fn key(key: &[u8; 32]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Refusal {
    fn code(&self) -> FailureCode {
        match self {
            Self::Held(_) | Self::JobRuns(_) => FailureCode::Busy,
            Self::OutOfOrder(_) => FailureCode::OutOfOrder,
            Self::BadVersion(_) => FailureCode::BadVersion,
            Self::NotPermitted(_) => FailureCode::NotPermitted,
            Self::UnknownKey => FailureCode::UnknownKey,
            Self::KeyNeeded => FailureCode::KeyNeeded,
            Self::UnknownRole(_) => FailureCode::Unsupported,
            Self::TooManyWorkstations => FailureCode::NoSpace,
            Self::BadPath { .. } | Self::NotADirectory(_) => FailureCode::BadPath,
            Self::Exists(_) | Self::TreeNotOpen { .. } | Self::JobOver(_) => FailureCode::Exists,
            Self::NotFound(_) | Self::TreeOnDisc(..) => FailureCode::NotFound,
            Self::NoSpace { .. } | Self::Full => FailureCode::NoSpace,
            Self::TooManyEntries(_) => FailureCode::TooBig,
            Self::WrongSize { .. } => FailureCode::DigestMismatch,
            Self::NotConfirmed => FailureCode::NotConfirmed,
            Self::NotACopy(_) | Self::IsAnImage(_) => FailureCode::NotFound,
            Self::TooManyDrives
            | Self::UnknownTreatment(_)
            | Self::UnknownMode(_)
            | Self::UnknownPlace(_)
            | Self::ImageAppended => FailureCode::Unsupported,
            Self::Blank | Self::UnknownEntry(_) | Self::NotAFile(_) | Self::LabelTooLong(_) => {
                FailureCode::Unsupported
            }
            Self::NoData(_) | Self::Stopping | Self::NoReader(_) | Self::NoThread(_) => {
                FailureCode::Unavailable
            }
            Self::TooManyWatches(_) => FailureCode::TooManyConnections,
            Self::Catalog(_) | Self::Storage { .. } => FailureCode::Internal,
            Self::DriveBusy { .. } => FailureCode::DriveBusy,
            Self::DriveSilent(_) => FailureCode::DriveFailed,
            Self::ReaderDied | Self::ReaderSilent | Self::ReaderStrange | Self::Unreadable(_) => {
                FailureCode::ReadFailed
            }
        }
    }

    fn cause(&self) -> String {
        match self {
            Self::Held(holder) => holder.clone(),
            Self::NoData(why) => why.clone(),
            Self::TreeOnDisc(_, disc) => {
                format!("the tree was archived on disc {disc} and made room for others")
            }
            Self::NoSpace { .. } | Self::Full => "a part of the partition is kept for the catalog".into(),
            Self::TooManyEntries(_) => "the box has not the memory to burn more of them at once".into(),
            Self::WrongSize { .. } => {
                "the file changed while it was sent, or bytes were lost on the way".into()
            }
            Self::Catalog(_) | Self::Storage { .. } => {
                "the disk of the data partition may be failing or full".into()
            }
            Self::JobRuns(_) => "a burn outranks everything else".into(),
            Self::DriveBusy { job: 0, .. } => "it works for another session, or looks at its disc".into(),
            Self::DriveBusy { job, .. } => format!("it works on job {job}"),
            Self::DriveSilent(_) => "the drive is hung, or its cable or power is loose".into(),
            Self::ReaderDied | Self::ReaderSilent | Self::ReaderStrange => {
                "the disc may be damaged or written by a program with its own rules".into()
            }
            Self::Blank => "nothing was burned on it yet".into(),
            _ => String::new(),
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Held(_) => "wait until that session is closed; looking is always possible",
            Self::OutOfOrder(_) => "the client is at fault: update it",
            Self::BadVersion(_) => "use a client that speaks the version of the greeting or a lower one",
            Self::NotPermitted(_) => "ask for a role that may",
            Self::UnknownKey | Self::KeyNeeded => {
                "pair this workstation: `pair` at the box's console gives a code, `spindle pair` takes it"
            }
            Self::UnknownRole(_) => "ask for observer, client, operator or admin",
            Self::TooManyWorkstations => "revoke those that are not used any more",
            Self::BadPath { .. } => "rename it",
            Self::NotADirectory(_) | Self::Exists(_) => {
                "send each name once, and only directories with names in them"
            }
            Self::UnknownEntry(_) => "only files, directories and symbolic links are archived",
            Self::NotAFile(_) => "name a regular file",
            Self::NotFound(_) => "list what there is",
            Self::TreeOnDisc(..) => "insert that disc and read from its drive",
            Self::TreeNotOpen { .. } => "put into a new tree",
            Self::NoSpace { .. } | Self::Full => "burn what is there or put less; nothing else was harmed",
            Self::TooManyEntries(_) => "put it in parts, each into a tree of its own",
            Self::WrongSize { .. } => "send it again",
            Self::NoData(_) => {
                "attach a disk with a sound partition named spindle-data and restart the box; its log says more"
            }
            Self::Catalog(_) | Self::Storage { .. } => {
                "look at the box's log, then check or replace that disk"
            }
            Self::JobRuns(_) => "wait until the job has ended",
            Self::JobOver(_) => "`spindle watch` tells how it ended",
            Self::DriveBusy { .. } => "wait until the drive is free, or use another",
            Self::DriveSilent(_) => "check the drive; switching the box off and on resets it",
            Self::LabelTooLong(_) => "use at most 32 characters",
            Self::TooManyWatches(_) => "follow fewer jobs at once",
            Self::Stopping => "connect again when the box is up",
            Self::Blank => "insert the disc you mean",
            Self::TooManyDrives => "name each drive once; `spindle drives` lists them",
            Self::UnknownTreatment(_) | Self::UnknownMode(_) | Self::UnknownPlace(_) => {
                "the client is newer than the box: update the box"
            }
            Self::NotConfirmed => "ask again and confirm it, when nothing of it is needed any more",
            Self::NotACopy(_) => "take a disc into the copy area first; `spindle trees` lists what is there",
            Self::ImageAppended => "burn it on a blank disc, or copy the disc's tree and append that",
            Self::IsAnImage(_) => "burn it and read that disc, or copy the disc's tree",
            Self::NoThread(_) | Self::NoReader(_) => "try again; look at the box's log if it stays so",
            Self::ReaderDied | Self::ReaderSilent | Self::ReaderStrange | Self::Unreadable(_) => {
                "clean the disc, try another drive, or look at the disc with another system"
            }
        }
    }
}

/// A text with strangers' words in it, cut so that it fits every message.
pub(crate) fn bounded(mut text: String) -> String {
    const MAX: usize = 1000;
    if text.len() > MAX {
        text.truncate(text.floor_char_boundary(MAX));
        text.push('…');
    }
    text
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::new(
            refusal.code(),
            bounded(refusal.to_string()),
            refusal.cause(),
            refusal.remedy(),
        )
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Refusal::from(error).into()
    }
}

/// What a job is ended with that somebody cancelled.
pub(crate) fn cancelled(job: u64) -> Failure {
    Failure::new(
        FailureCode::Cancelled,
        format!("job {job} was cancelled"),
        "somebody asked for it",
        "a tree that was to be burned is kept, and can be burned again",
    )
}

/// The disc of a burn is good, but its tree is not archived.
pub(crate) fn copies_missing(tree: u64, verified: usize, wanted: u32) -> Failure {
    Failure::new(
        FailureCode::CopiesMissing,
        format!("tree {tree} is on {verified} of {wanted} discs: burned, not archived"),
        "the policy asks for more discs that were read back than there are so far",
        "burn the tree again on another disc; it is kept until then",
    )
}

/// A burn that a restart interrupted cannot be taken up again.
pub(crate) fn cannot_go_on(job: u64, why: &str) -> Failure {
    Failure::new(
        FailureCode::Interrupted,
        format!("job {job} was interrupted, and could not go on: {why}"),
        "the box restarted before it was finished",
        "the tree is kept: burn it again on a blank disc; `spindle repair` closes what was begun on the other",
    )
}

/// The disc of an interrupted burn takes no more.
pub(crate) fn disc_lost(why: &str) -> Failure {
    Failure::new(
        FailureCode::WriteFailed,
        format!("the disc of an interrupted burn cannot be used any more: {why}"),
        "the power failed, or the box restarted, while it was written",
        "the tree is kept: burn it again on another disc; sessions that were closed before are still readable",
    )
}

/// What is burned again is not what was burned before.
pub(crate) fn other_image() -> Failure {
    Failure::new(
        FailureCode::DigestMismatch,
        "the tree is not the one that was burned before the interruption",
        "the disk of the data partition may be failing",
        "do not use this disc; put the tree again, and look at the box's log",
    )
}

/// An image in the copy area is not what was copied.
pub(crate) fn image_changed() -> Failure {
    Failure::new(
        FailureCode::DigestMismatch,
        "the image is not the one that was copied",
        "the disk of the data partition may be failing",
        "do not use this disc; copy the original again, and look at the box's log",
    )
}

/// A further session would not show all that the disc does.
pub(crate) fn would_lose(count: u64, example: Option<&String>) -> Failure {
    let example = example.map_or(String::new(), |example| format!(", the first: {example}"));
    Failure::new(
        FailureCode::NotAppendable,
        bounded(format!(
            "a further session would lose {count} entries of the disc{example}"
        )),
        "they are recorded in a way that a new session cannot point to",
        "burn the tree on a new disc; this one stays as it is",
    )
}

/// A block of a session that was just written cannot be read.
pub(crate) fn unreadable(block: u32, sense: Option<&mmc::Sense>) -> Failure {
    match sense {
        Some(sense) => drive(&mmc::Error::Unreadable {
            address: block,
            sense: *sense,
        }),
        None => Failure::new(
            FailureCode::ReadFailed,
            format!("reading block {block} failed: the drive did not answer"),
            "the drive lost itself in a bad spot",
            "do not trust this disc; check the drive",
        ),
    }
}

/// Some of a disc cannot be read.
pub(crate) fn lost_blocks(lost: u64, all: u64) -> Failure {
    Failure::new(
        FailureCode::ReadFailed,
        format!("{lost} of {all} blocks cannot be read"),
        "the disc is damaged or dirty",
        "clean it, try another drive, and copy what can still be read",
    )
}

/// A disc that is not worth a copy of its blocks.
pub(crate) fn bad_all_over(places: usize) -> Failure {
    Failure::new(
        FailureCode::ReadFailed,
        format!("more than {places} separate places of the disc cannot be read"),
        "the disc is damaged all over",
        "clean it, or try another drive",
    )
}

/// What of a disc is not as it should be.
pub(crate) fn condition(condition: &mmc::Condition) -> Option<Failure> {
    (!condition.is_sound()).then(|| {
        Failure::new(
            FailureCode::NotAppendable,
            condition.state.to_string(),
            "an earlier burn or format, of this box or another program, was interrupted",
            match condition.remedies.is_empty() {
                true => "nothing can be added to this disc; what was closed before is readable",
                false => "`spindle repair` closes it, so that it can be read and appended to",
            },
        )
    })
}

/// Whether a treatment takes away what is on the disc.
pub(crate) fn destroys(treatment: wire::Treatment) -> bool {
    use wire::Treatment::{Blank, BlankFully, Erase, Format, FormatFully};
    matches!(treatment, Blank | BlankFully | Format | FormatFully | Erase)
}

/// A failure of the data partition's disk.
pub(crate) fn storage(doing: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    use rustix::io::Errno;
    move |error| match Errno::from_io_error(&error).unwrap_or(Errno::IO) {
        Errno::NOSPC | Errno::DQUOT => Refusal::Full.into(),
        why => Refusal::Storage { doing, why }.into(),
    }
}

/// What a caller hears of a job that a restart ended.
pub(crate) fn interrupted(job: u64) -> Failure {
    Failure::new(
        FailureCode::Interrupted,
        format!("job {job} was interrupted"),
        "the box restarted before it was finished",
        "the tree is kept: burn it again on a blank disc; do not trust the disc that was in the drive",
    )
}

/// What is said of a reader that died after it had delivered something.
pub(crate) const READER_DIED_MIDWAY: &str = "its reader ended in the middle of the answer";

/// What the drive or the disc could not do.
pub(crate) fn drive(error: &mmc::Error) -> Failure {
    use mmc::Error;
    let code = match error {
        Error::NoDisc => FailureCode::NoDisc,
        Error::TooLarge { .. } => FailureCode::TooBig,
        Error::Finalised | Error::OpenTrack { .. } => FailureCode::NotAppendable,
        Error::CannotWrite { .. }
        | Error::BlockSize(_)
        | Error::NotAnOpticalDrive { .. }
        | Error::NotFinalisable { .. }
        | Error::OnlyAtOnce { .. }
        | Error::NotAtOnce { .. }
        | Error::NotErasable { .. }
        | Error::FormatUnavailable { .. }
        | Error::NotOverwritable { .. } => FailureCode::Unsupported,
        Error::WriteFailed { .. }
        | Error::Displaced { .. }
        | Error::AddressUnknown
        | Error::BurnInterrupted { .. }
        | Error::CloseUnfinished { .. } => FailureCode::WriteFailed,
        Error::Unreadable { .. } => FailureCode::ReadFailed,
        Error::Misaligned { .. } | Error::WrongLength { .. } | Error::Incomplete { .. } | Error::Failed => {
            FailureCode::Internal
        }
        _ => FailureCode::DriveFailed,
    };
    let what = match error {
        Error::TooLarge { needed, free } => format!(
            "the image needs {needed} blocks ({} bytes) with padding and reserve, the disc has {free} blocks \
             ({} bytes) free",
            u64::from(*needed) * wire::BLOCK_SIZE,
            u64::from(*free) * wire::BLOCK_SIZE,
        ),
        other => other.to_string(),
    };
    Failure::new(code, what, error.cause(), error.remedy())
}

/// How the drive's cache was kept out of the comparison.
pub(crate) fn defeat(defeat: mmc::CacheDefeat) -> String {
    use mmc::CacheDefeat;
    match defeat {
        CacheDefeat::Reloaded => "cache defeated: the disc was taken out and in again".into(),
        CacheDefeat::Flooded { blocks } => {
            format!("cache defeated: the disc was stopped and {blocks} blocks were read from elsewhere on it")
        }
        CacheDefeat::ForcedAccess => {
            "cache defeated: the disc was stopped and every read forced to the medium".into()
        }
        CacheDefeat::Restarted => {
            "the disc was stopped and started; this drive offers nothing better against its cache".into()
        }
    }
}

/// A burn as a new disc wants a blank one.
pub(crate) fn not_blank(profile: mmc::Profile, overwritable: bool) -> Failure {
    Failure::new(
        FailureCode::NotBlank,
        format!("the {profile} in the drive is not blank"),
        "a new disc was asked for, and this one has something on it; nothing was written",
        match overwritable {
            true => "insert a blank disc, append to this one, or overwrite it",
            false => "insert a blank disc, or append to this one",
        },
    )
}

/// All a verification could compare with is missing.
pub(crate) fn nothing_to_compare() -> Failure {
    Failure::new(
        FailureCode::Unsupported,
        "there is nothing to compare this disc with",
        "it was not burned by this box, or its digests are gone, and it has no .spindle/SHA256SUMS",
        "the remarks say how many of its blocks can be read; compare its files with their source",
    )
}

/// Read back is not what was written.
pub(crate) fn differs(block: u32, count: u32) -> Failure {
    Failure::new(
        FailureCode::VerifyFailed,
        format!("the {count} blocks from block {block} read back differently from how they were burned"),
        "the disc or the drive is bad, or something else wrote on it",
        "do not trust this disc: burn again on another, and check the drive if that fails too",
    )
}

/// Files on the disc are not what its own list says.
pub(crate) fn files_differ(count: usize, first: &str) -> Failure {
    Failure::new(
        FailureCode::VerifyFailed,
        bounded(format!("{count} findings on the disc, the first: {first}")),
        "the disc is damaged, or was changed after its digests were written",
        "clean the disc and verify again, also in another drive; the remarks name the findings",
    )
}

/// Somebody can still write into a frozen tree.
pub(crate) fn writer_lingers(path: &str) -> Failure {
    Failure::new(
        FailureCode::Internal,
        format!("`{path}` is still open for writing"),
        "a door did not close a file it was granted",
        "burn again; the tree is kept as it is",
    )
}

/// No image can be made of the tree's names.
pub(crate) fn tree(error: &discfs::TreeError) -> Failure {
    Failure::new(
        FailureCode::Unsupported,
        bounded(error.to_string()),
        "",
        "put the tree again without it",
    )
}

/// No image can be made of the tree.
pub(crate) fn plan(error: &discfs::PlanError) -> Failure {
    let code = match error {
        discfs::PlanError::ImageTooLarge(_) => FailureCode::TooBig,
        _ => FailureCode::Unsupported,
    };
    Failure::new(
        code,
        bounded(error.to_string()),
        "the disc's file systems have their limits",
        "put the tree again without it",
    )
}

/// The image could not be produced.
pub(crate) fn pass(error: &discfs::PassError) -> Failure {
    let code = match error {
        discfs::PassError::Changed(_) => FailureCode::DigestMismatch,
        discfs::PassError::Read(_) => FailureCode::Internal,
    };
    Failure::new(
        code,
        bounded(error.to_string()),
        "the disk of the data partition may be failing",
        "do not use this disc; put the tree again, and look at the box's log",
    )
}

/// The box made a mistake.
pub(crate) fn internal(what: &str) -> Failure {
    Failure::new(
        FailureCode::Internal,
        what,
        "the box made a mistake",
        "report this with the box's log",
    )
}
