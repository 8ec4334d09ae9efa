//! Real time, when asked for: a buffer that fills from the host and drains onto the disc.

use std::time::Duration;

use crate::{
    drive::Drive,
    fault::Fault,
    sense::{BUFFER_UNDERRUN, Sense},
};

/// How slow a drive is. Without it, a drive is as fast as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Write speed in kB/s; what the host set, or the medium's fastest, when not given.
    pub write: Option<u32>,
    /// Bytes of the buffer. A WRITE that finds no room is answered when there is some.
    pub buffer: u32,
    /// How long a loaded disc takes to become ready.
    pub spin_up: Duration,
    /// How long CLOSE TRACK SESSION takes once the buffer is empty.
    pub close: Duration,
    /// How long FORMAT UNIT and BLANK take.
    pub format: Duration,
}

impl Default for Timing {
    /// A desktop drive, at the speed the host sets.
    fn default() -> Self {
        Self {
            write: None,
            buffer: 4 << 20,
            spin_up: Duration::from_secs(8),
            close: Duration::from_secs(30),
            format: Duration::from_secs(60),
        }
    }
}

/// The buffer and the work under way; all times from the drive's power-on.
#[derive(Debug)]
pub(crate) struct Pace {
    pub timing: Timing,
    fill: u64,
    at: Duration,
    recording: bool,
    busy: Option<(Duration, Sense)>,
}

impl Pace {
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            fill: 0,
            at: Duration::ZERO,
            recording: false,
            busy: None,
        }
    }

    /// How long `bytes` take at `speed` kB/s.
    fn lasting(bytes: u64, speed: u32) -> Duration {
        Duration::from_micros(bytes.saturating_mul(1000) / u64::from(speed.max(1)))
    }

    fn drain(&mut self, now: Duration, speed: u32) {
        let passed = now.saturating_sub(self.at);
        let drained = passed.as_micros().saturating_mul(speed.into()) / 1000;
        self.fill = self
            .fill
            .saturating_sub(u64::try_from(drained).unwrap_or(u64::MAX));
        self.at = now.max(self.at);
    }

    /// Takes `length` bytes from the host: how long until there is room for them. Without protection, a
    /// buffer that ran empty since the last WRITE spoils the track.
    pub fn write(
        &mut self,
        now: Duration,
        speed: u32,
        length: u64,
        protected: bool,
    ) -> Result<Duration, Sense> {
        self.drain(now, speed);
        if self.recording && self.fill == 0 && !protected {
            self.recording = false;
            return Err(BUFFER_UNDERRUN);
        }
        self.recording = true;
        let excess = (self.fill + length).saturating_sub(self.timing.buffer.into());
        self.fill += length;
        Ok(Self::lasting(excess, speed))
    }

    /// Bytes free in the buffer.
    pub fn free(&mut self, now: Duration, speed: u32) -> u32 {
        self.drain(now, speed);
        let used = u32::try_from(self.fill).unwrap_or(u32::MAX);
        self.timing.buffer.saturating_sub(used)
    }

    /// How long until all of the buffer is on the disc; recording ends with it.
    pub fn flush(&mut self, now: Duration, speed: u32) -> Duration {
        self.drain(now, speed);
        self.recording = false;
        Self::lasting(self.fill, speed)
    }

    /// The drive answers `sense` until then.
    pub fn work(&mut self, until: Duration, sense: Sense) {
        self.busy = Some((until, sense));
    }

    pub fn busy(&self, now: Duration) -> Option<Sense> {
        let (until, sense) = self.busy?;
        (now < until).then_some(sense)
    }
}

/// What a command may leave the drive busy with.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    Flush,
    Close,
    Format,
}

impl Drive {
    /// Takes real time from now on, or none.
    pub fn set_timing(&mut self, timing: Option<Timing>) {
        self.pace = timing.map(Pace::new);
    }

    /// Write speed in kB/s.
    pub(crate) fn write_speed(&self) -> u32 {
        let given = self.pace.as_ref().and_then(|pace| pace.timing.write);
        given.unwrap_or_else(|| self.current_speeds().1)
    }

    /// The end of a command that works on: with `immediate`, it is answered at once, and those that follow
    /// find the drive busy with `sense`; otherwise its answer waits.
    pub(crate) fn linger(&mut self, immediate: bool, sense: Sense, work: Work) {
        let slow = |fault: &Fault| match fault {
            Fault::SlowClose { times } => Some(*times),
            _ => None,
        };
        if let Some(times) = immediate.then(|| self.faults.fire(slow)).flatten() {
            self.attention.busy(sense, times);
        }
        let (now, speed) = (self.now(), self.write_speed());
        let Some(pace) = &mut self.pace else { return };
        let more = match work {
            Work::Flush => Duration::ZERO,
            Work::Close => pace.timing.close,
            Work::Format => pace.timing.format,
        };
        let takes = pace.flush(now, speed) + more;
        if immediate {
            pace.work(now + takes, sense);
        } else {
            self.delay = takes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::OPERATION_IN_PROGRESS;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(Timing {
            buffer: 2_000_000,
            ..Timing::default()
        })
    }

    #[test]
    fn the_buffer_fills_at_once_and_drains_at_the_write_speed() {
        let mut pace = pace();
        assert_eq!(pace.write(SECOND, 1000, 1_500_000, true), Ok(Duration::ZERO));
        assert_eq!(pace.free(SECOND, 1000), 500_000);
        assert_eq!(pace.free(2 * SECOND, 1000), 1_500_000);
        // 1.5 MB more than there is room for, at 1 MB/s.
        assert_eq!(pace.write(2 * SECOND, 1000, 3_000_000, true), Ok(SECOND * 3 / 2));
        assert_eq!(pace.free(2 * SECOND, 1000), 0);
        assert_eq!(pace.flush(3 * SECOND, 1000), SECOND * 5 / 2);
        assert_eq!(pace.free(6 * SECOND, 1000), 2_000_000);
    }

    #[test]
    fn an_underrun_spoils_what_is_not_protected() {
        for protected in [true, false] {
            let mut pace = pace();
            assert_eq!(pace.write(SECOND, 1000, 500_000, protected), Ok(Duration::ZERO));
            let in_time = pace.write(SECOND * 5 / 4, 1000, 500_000, protected);
            assert_eq!(in_time, Ok(Duration::ZERO));
            let late = pace.write(3 * SECOND, 1000, 500_000, protected);
            assert_eq!(late.is_ok(), protected);
            // After the buffer was flushed on purpose, nothing is late.
            let mut pace = self::pace();
            assert_eq!(pace.write(SECOND, 1000, 500_000, protected), Ok(Duration::ZERO));
            pace.flush(SECOND, 1000);
            assert_eq!(
                pace.write(9 * SECOND, 1000, 500_000, protected),
                Ok(Duration::ZERO)
            );
        }
    }

    #[test]
    fn work_ends() {
        let mut pace = pace();
        pace.work(2 * SECOND, OPERATION_IN_PROGRESS);
        assert_eq!(pace.busy(SECOND), Some(OPERATION_IN_PROGRESS));
        assert_eq!(pace.busy(2 * SECOND), None);
    }
}
