//! The drive's time: the host's, or one that passes only when it is told to.

use std::time::{Duration, Instant};

use crate::drive::Drive;

#[derive(Debug)]
pub(crate) enum Clock {
    /// Since when it runs.
    Real(Instant),
    Virtual(Duration),
}

impl Clock {
    pub fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub fn now(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Virtual(now) => *now,
        }
    }

    /// Lets time pass if it can be told to: what is left to be slept.
    pub fn wait(&mut self, time: Duration) -> Duration {
        match self {
            Self::Real(_) => time,
            Self::Virtual(now) => {
                *now += time;
                Duration::ZERO
            }
        }
    }
}

impl Drive {
    /// From now on no answer sleeps: a late one lets virtual time pass instead, and [`Drive::pass`] does. So
    /// what a host would achieve at the drive's speed is calculated rather than measured.
    pub fn use_virtual_time(&mut self) {
        self.clock = Clock::Virtual(self.clock.now());
    }

    /// Lets virtual time pass: the host was busy so long.
    pub fn pass(&mut self, time: Duration) {
        self.clock.wait(time);
    }

    /// Time since power-on.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }
}
