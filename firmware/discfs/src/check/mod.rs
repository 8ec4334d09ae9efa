//! A consistency check of whole discs: ISO 9660, UDF, their agreement, digests.

mod claims;
mod digests;
mod fault;
mod iso;
mod iso_directory;
mod names;
mod path_table;
mod report;
mod system_use;
mod udf;
mod udf_descriptors;
mod udf_directory;
mod udf_entry;
mod udf_space;
mod udf_supports;
mod views;

pub use digests::{ByteStream, SIGNATURE_PATH, Verdict, Verifier};
pub use fault::{Fault, Severity};

use crate::read::{BlockSource, Blocks, DiscError, View};
use crate::{BLOCK, tree::readable};
use alloc::{string::String, vec::Vec};
use core::fmt::{Display, Formatter};
use displaydoc::Display;
use report::Report;

/// Looks at blocks a check may take for each block of the disc, and those that any disc may take.
const LOOKS: u64 = 1024;
const LOOKS_LEAST: u64 = 1 << 22;

/// What is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// First block of the session, 0 for the newest of an image.
    pub session_start: u64,
    /// Entries looked at in each view; memory is bounded by about 200 bytes for each.
    pub entries: u32,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            session_start: 0,
            entries: 10_000_000,
        }
    }
}

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// How bad.
    pub severity: Severity,
    /// In which view, if in one.
    pub view: Option<View>,
    /// In which block of 2048 bytes.
    pub block: Option<u64>,
    /// Of which file or directory.
    pub path: Option<Vec<u8>>,
    /// Numbers and names, for those who know the standard.
    pub detail: Option<String>,
}

impl Display for Finding {
    fn fmt(&self, out: &mut Formatter<'_>) -> core::fmt::Result {
        write!(out, "{}: ", self.severity)?;
        if let Some(view) = self.view {
            write!(out, "{view}, ")?;
        }
        if let Some(block) = self.block {
            write!(out, "block {block}: ")?;
        }
        write!(out, "{}", self.fault)?;
        if let Some(detail) = &self.detail {
            write!(out, " ({detail})")?;
        }
        match &self.path {
            Some(path) if path.is_empty() => write!(out, ": the top directory"),
            Some(path) => write!(out, ": {}", readable(path)),
            None => Ok(()),
        }
    }
}

/// What a check is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
pub enum CheckStage {
    /// structures of ISO 9660
    Iso9660,
    /// structures of UDF
    Udf,
    /// agreement of the views
    Views,
    /// digests
    Digests,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckProgress {
    /// What it is busy with.
    pub stage: CheckStage,
    /// Entries, or with [`CheckStage::Digests`] bytes, looked at in this stage.
    pub done: u64,
    /// How many there will be, 0 when that is not known.
    pub total: u64,
}

/// Takes what a check finds.
pub trait Inspector {
    /// A finding, as soon as it is made. At most 100 of a kind are told, all are counted.
    fn finding(&mut self, finding: &Finding);

    /// How far the check is; false cancels it.
    fn progress(&mut self, progress: &CheckProgress) -> bool {
        let _ = progress;
        true
    }
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckSummary {
    /// Findings worth knowing, told or not.
    pub notes: u64,
    /// Rules broken that readers live with.
    pub warnings: u64,
    /// Damage.
    pub errors: u64,
    /// The views that the disc has, richest first.
    pub views: Vec<View>,
    /// Files of the richest view.
    pub files: u64,
    /// Directories of the richest view, the top one included.
    pub directories: u64,
    /// Files whose bytes were compared with their digests.
    pub digests_compared: u64,
    /// Bytes of files read for that.
    pub bytes_read: u64,
    /// What is known of the signature, if there is one.
    pub signature: Option<Verdict>,
}

impl CheckSummary {
    /// Whether there is no damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.errors == 0
    }
}

/// Checks a disc. Damage is told to the inspector; with a verifier every file is read and compared with the disc's own
/// digests, without one structures alone are read.
///
/// Memory is bounded by about 200 bytes for each entry of a view, up to the limit of the options and 64 for each block of the
/// disc, and 64 MiB; time by 1024 looks at blocks for each block of the disc, of which sane discs take few.
///
/// # Errors
/// [`DiscError::NoFileSystem`], [`DiscError::Cancelled`], and [`DiscError::TooMuchWork`] when the disc makes more work than a
/// sane one could.
pub fn check<S: BlockSource>(
    source: S,
    options: &CheckOptions,
    inspector: &mut dyn Inspector,
    verifier: Option<&mut dyn Verifier>,
) -> Result<CheckSummary, DiscError> {
    if options.session_start >= source.blocks() {
        return Err(DiscError::NoFileSystem);
    }
    let mut check = Check {
        blocks: Blocks::new(source),
        options: *options,
        report: Report::new(inspector),
    };
    let mut shown = check.iso()?;
    shown.extend(check.udf()?);
    if shown.is_empty() && check.report.summary.errors == 0 {
        return Err(DiscError::NoFileSystem);
    }
    shown.sort_by_key(|shown| shown.view);
    check.report.summary.views = shown.iter().map(|shown| shown.view).collect();
    if let Some(richest) = shown.first() {
        check.report.summary.files = richest.files;
        check.report.summary.directories = richest.directories;
    }
    check.report.view = None;
    check.agreement(&shown)?;
    drop(shown);
    if let Some(verifier) = verifier {
        check.digests(verifier)?;
    }
    Ok(check.report.summary)
}

/// A check under way.
struct Check<'a, S> {
    blocks: Blocks<S>,
    options: CheckOptions,
    report: Report<'a>,
}

/// Where something was found: as much as is known.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    block: Option<u64>,
    path: Option<&'a dyn Fn() -> Vec<u8>>,
}

impl<'a> Place<'a> {
    fn block(block: u64) -> Self {
        Self {
            block: Some(block),
            path: None,
        }
    }

    /// The block that a byte position lies in.
    fn position(position: u64) -> Self {
        Self::block(position / BLOCK as u64)
    }

    fn of(self, path: &'a dyn Fn() -> Vec<u8>) -> Self {
        Self {
            path: Some(path),
            ..self
        }
    }
}

impl<S: BlockSource> Check<'_, S> {
    fn find(&mut self, fault: Fault, place: Place<'_>, detail: impl Display) {
        self.report.find(fault, place, detail);
    }

    /// Reports a finding when a condition does not hold.
    fn demand(&mut self, holds: bool, fault: Fault, place: Place<'_>, detail: impl Display) {
        self.report.demand(holds, fault, place, detail);
    }

    /// Entries looked at in a view: each takes more than 32 bytes of a disc, so that a small one cannot have many.
    fn most_entries(&self) -> u32 {
        let most = self.blocks.count().saturating_mul(64).saturating_add(64);
        u32::try_from(most).unwrap_or(u32::MAX).min(self.options.entries)
    }

    /// Counts what was looked at, reports now and then, and gives up on discs that make more work than a sane one could.
    fn advance(&mut self, count: u64) -> Result<(), DiscError> {
        let most = self
            .blocks
            .count()
            .saturating_mul(LOOKS)
            .saturating_add(LOOKS_LEAST);
        if self.blocks.looked_at() > most {
            return Err(DiscError::TooMuchWork);
        }
        self.report.advance(count)
    }

    /// Bytes at a position; that they cannot be read is a finding.
    fn bytes(&mut self, position: u64, length: usize, place: Place<'_>) -> Option<Vec<u8>> {
        if position.saturating_add(length as u64) > self.blocks.end() {
            let block = position / BLOCK as u64;
            self.find(Fault::PastEnd, place, format_args!("block {block}"));
            return None;
        }
        match self.blocks.structure(position, length) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.find(
                    Fault::Unreadable,
                    Place {
                        block: Some(position / BLOCK as u64),
                        ..place
                    },
                    error,
                );
                None
            }
        }
    }
}

/// What a view shows, for comparison with others.
struct Shown {
    view: View,
    files: u64,
    directories: u64,
    names: names::Names,
    /// Position of the first byte, size, and entry of each file that has bytes.
    contents: Vec<(u64, u64, u32)>,
}
