//! A lock that outlives a panic: what it guards is consistent between any two statements.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A mutex without poisoning, with a condition.
#[derive(Default)]
pub(crate) struct Locked<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Locked<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value and wakes all who wait for it.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits at most so long while the condition holds; the guard is had either way.
    pub(crate) fn wait_while(
        &self,
        limit: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'_, T> {
        self.changed
            .wait_timeout_while(self.lock(), limit, condition)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}
