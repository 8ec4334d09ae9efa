//! Where findings and progress go.

use super::{CheckProgress, CheckStage, CheckSummary, Fault, Finding, Inspector, Place, Severity};
use crate::read::{DiscError, View};
use alloc::{collections::BTreeMap, format};
use core::fmt::Display;

/// Findings of one kind that are told; more are counted. A hostile disc could have millions.
const TOLD_OF_A_KIND: u64 = 100;
/// Steps between two reports of progress.
const PACE: u32 = 64;

/// What a check tells, and counts.
pub(super) struct Report<'a> {
    inspector: &'a mut dyn Inspector,
    pub summary: CheckSummary,
    /// Findings of each kind so far.
    told: BTreeMap<Fault, u64>,
    /// The view that findings are about.
    pub view: Option<View>,
    pub progress: CheckProgress,
    until_report: u32,
}

impl<'a> Report<'a> {
    pub fn new(inspector: &'a mut dyn Inspector) -> Self {
        Self {
            inspector,
            summary: CheckSummary::default(),
            told: BTreeMap::new(),
            view: None,
            progress: CheckProgress {
                stage: CheckStage::Iso9660,
                done: 0,
                total: 0,
            },
            until_report: PACE,
        }
    }

    /// Counts a finding and tells it.
    pub fn find(&mut self, fault: Fault, place: Place<'_>, detail: impl Display) {
        let severity = fault.severity();
        *match severity {
            Severity::Note => &mut self.summary.notes,
            Severity::Warning => &mut self.summary.warnings,
            Severity::Error => &mut self.summary.errors,
        } += 1;
        let told = self.told.entry(fault).or_default();
        *told += 1;
        if *told > TOLD_OF_A_KIND {
            return;
        }
        let mut detail = format!("{detail}");
        if *told == TOLD_OF_A_KIND {
            let more = if detail.is_empty() { "" } else { "; " };
            detail += more;
            detail += "more of this kind are counted, not told";
        }
        self.inspector.finding(&Finding {
            fault,
            severity,
            view: self.view,
            block: place.block,
            path: place.path.map(|path| path()),
            detail: Some(detail).filter(|detail| !detail.is_empty()),
        });
    }

    /// Reports a finding when a condition does not hold.
    pub fn demand(&mut self, holds: bool, fault: Fault, place: Place<'_>, detail: impl Display) {
        if !holds {
            self.find(fault, place, detail);
        }
    }

    /// Begins a stage.
    pub fn stage(&mut self, stage: CheckStage) {
        self.progress = CheckProgress {
            stage,
            done: 0,
            total: 0,
        };
    }

    /// Counts what was looked at, and reports now and then.
    pub fn advance(&mut self, count: u64) -> Result<(), DiscError> {
        self.progress.done += count;
        self.until_report -= 1;
        if self.until_report > 0 {
            return Ok(());
        }
        self.until_report = PACE;
        if self.inspector.progress(&self.progress) {
            Ok(())
        } else {
            Err(DiscError::Cancelled)
        }
    }
}
