//! Events: what happened, under sequence numbers that never go backwards.

#[cfg(test)]
use redb::ReadableTable;
use redb::WriteTransaction;
use wire::Failure;

use super::{Catalog, CatalogError, EVENTS, EventRecord, Record, Severity, take};
use crate::clock;

/// Events kept: the oldest make room.
const KEPT: u64 = 10_000;

impl EventRecord {
    /// Something worth knowing that needs nobody.
    pub(crate) fn note(component: &str, what: impl Into<String>) -> Self {
        Self {
            at: clock::now(),
            severity: Severity::Note,
            component: component.into(),
            what: what.into(),
            cause: String::new(),
            remedy: String::new(),
        }
    }

    /// Something that failed.
    pub(crate) fn failure(component: &str, severity: Severity, failure: &Failure) -> Self {
        Self {
            at: clock::now(),
            severity,
            component: component.into(),
            what: failure.what.clone(),
            cause: failure.cause.clone(),
            remedy: failure.remedy.clone(),
        }
    }
}

impl Catalog {
    /// Adds an event, and says it in the log whether or not the catalog takes it.
    pub(crate) fn event(&self, event: &EventRecord) {
        log(event);
        if let Err(error) = self.write(|transaction| add(transaction, event)) {
            eprintln!("the event before this line is not in the catalog: {error}");
        }
    }

    /// The newest events, at most so many, newest first.
    #[cfg(test)]
    pub(crate) fn events(&self, most: usize) -> Result<Vec<(u64, EventRecord)>, CatalogError> {
        let events = self.read()?.open_table(EVENTS)?;
        events
            .iter()?
            .rev()
            .take(most)
            .map(|row| {
                let (sequence, event) = row?;
                Ok((sequence.value(), EventRecord::decode(event.value())?))
            })
            .collect()
    }
}

/// Says an event in the log.
pub(crate) fn log(event: &EventRecord) {
    let EventRecord {
        severity,
        component,
        what,
        cause,
        ..
    } = event;
    let mark = match severity {
        Severity::Note => "",
        Severity::Warning => "warning: ",
        Severity::Error => "error: ",
    };
    let separator = if cause.is_empty() { "" } else { "; " };
    eprintln!("{component}: {mark}{what}{separator}{cause}");
}

/// Adds an event within a transaction.
pub(super) fn add(transaction: &WriteTransaction, event: &EventRecord) -> Result<(), CatalogError> {
    let sequence = take(transaction, "events", 1)?;
    let mut events = transaction.open_table(EVENTS)?;
    events.insert(sequence, event.encode()?.as_slice())?;
    if let Some(oldest) = sequence.checked_sub(KEPT) {
        events.remove(oldest)?;
    }
    Ok(())
}
