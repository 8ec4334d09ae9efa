//! The real clock, and a closure as the ear.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::transport::Host;

/// A [`Host`] on an operating system: monotonic clock, sleeping thread, events to a closure.
#[derive(Debug)]
pub struct StdHost<F> {
    since: Instant,
    listener: F,
}

impl<F: FnMut(Event)> StdHost<F> {
    /// A host whose events go to `listener`.
    pub fn new(listener: F) -> Self {
        Self {
            since: Instant::now(),
            listener,
        }
    }
}

impl<F: FnMut(Event)> Host for StdHost<F> {
    fn now(&self) -> Duration {
        self.since.elapsed()
    }
    fn pause(&mut self, time: Duration) {
        sleep(time);
    }
    fn event(&mut self, event: Event) {
        (self.listener)(event);
    }
}
