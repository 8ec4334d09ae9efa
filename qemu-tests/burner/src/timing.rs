//! Real time, when asked for: a buffer that fills from the host and drains onto the disc.

use std::time::Duration;

use crate::{
    BLOCK,
    drive::Drive,
    fault::Fault,
    sense::{BECOMING_READY, BUFFER_UNDERRUN, Sense},
};

/// How slow a drive is. Without it, a drive is as fast as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Write speed in kB/s; what the host set, or the medium's fastest, when not given.
    pub write: Option<u32>,
    /// Read speed in kB/s, likewise.
    pub read: Option<u32>,
    /// Constant angular velocity: those speeds are reached at the rim only, and 41 % of them at the hub.
    pub cav: bool,
    /// How long the pickup takes from hub to rim; shorter ways take less, but not below a third.
    pub seek: Duration,
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
            read: None,
            cav: false,
            seek: Duration::from_millis(250),
            buffer: 4 << 20,
            spin_up: Duration::from_secs(8),
            close: Duration::from_secs(30),
            format: Duration::from_secs(60),
        }
    }
}

/// What a drive that takes time has recorded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throughput {
    /// Bytes taken from the host.
    pub bytes: u64,
    /// Time from the first WRITE to the next flush, over all such stretches; seeks included.
    pub recording: Duration,
    /// How often the buffer ran empty in between: the laser stopped, and started again if it was protected.
    pub underruns: u32,
}

impl Throughput {
    /// Mean rate in kB/s.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let microseconds = u64::try_from(self.recording.as_micros()).unwrap_or(u64::MAX);
        self.bytes.saturating_mul(1000) / microseconds.max(1)
    }
}

/// The buffer and the work under way; all times from the drive's power-on.
#[derive(Debug)]
pub(crate) struct Pace {
    pub timing: Timing,
    fill: u64,
    at: Duration,
    /// Since when the laser writes.
    recording: Option<Duration>,
    /// The block after the last one read or written.
    position: u32,
    throughput: Throughput,
    busy: Option<Busy>,
}

/// Work from one time to another, and the answer meanwhile.
#[derive(Debug)]
struct Busy {
    from: Duration,
    until: Duration,
    sense: Sense,
}

impl Pace {
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            fill: 0,
            at: Duration::ZERO,
            recording: None,
            position: 0,
            throughput: Throughput::default(),
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

    /// How long the way to `address` takes on a disc of `capacity` blocks.
    fn seek(&mut self, address: u32, count: u32, capacity: u32) -> Duration {
        let way = self.position.abs_diff(address);
        self.position = address.saturating_add(count);
        if way == 0 {
            return Duration::ZERO;
        }
        let least = self.timing.seek / 3;
        least + (self.timing.seek - least).mul_f64((f64::from(way) / f64::from(capacity.max(1))).min(1.0))
    }

    /// Reads `count` blocks: how long that takes.
    pub fn read(&mut self, now: Duration, speed: u32, address: u32, count: u32, capacity: u32) -> Duration {
        let flushed = self.flush(now, speed);
        flushed + self.seek(address, count, capacity) + Self::lasting(u64::from(count) * BLOCK as u64, speed)
    }

    /// Takes `count` blocks from the host: how long until there is room for them. Without protection, a
    /// buffer that ran empty since the last WRITE spoils the track.
    pub fn write(
        &mut self,
        now: Duration,
        speed: u32,
        (address, count, capacity): (u32, u32, u32),
        protected: bool,
    ) -> Result<Duration, Sense> {
        self.drain(now, speed);
        if self.recording.is_some() && self.fill == 0 {
            self.throughput.underruns = self.throughput.underruns.saturating_add(1);
            if !protected {
                self.stop(now);
                return Err(BUFFER_UNDERRUN);
            }
        }
        let way = self.seek(address, count, capacity);
        let length = u64::from(count) * BLOCK as u64;
        self.recording.get_or_insert(now);
        self.at = self.at.max(now + way); // nothing drains before the pickup is there
        let excess = (self.fill + length).saturating_sub(self.timing.buffer.into());
        self.fill += length;
        self.throughput.bytes = self.throughput.bytes.saturating_add(length);
        let waits = if excess > 0 { way } else { Duration::ZERO };
        Ok(waits + Self::lasting(excess, speed))
    }

    fn stop(&mut self, at: Duration) {
        if let Some(since) = self.recording.take() {
            self.throughput.recording += at.saturating_sub(since);
        }
    }

    /// Bytes free in the buffer.
    pub fn free(&mut self, now: Duration, speed: u32) -> u32 {
        self.drain(now, speed);
        let used = u32::try_from(self.fill).unwrap_or(u32::MAX);
        self.timing.buffer.saturating_sub(used)
    }

    /// Writes all of the buffer to the disc: how long that takes. Recording ends with it.
    pub fn flush(&mut self, now: Duration, speed: u32) -> Duration {
        self.drain(now, speed);
        let takes = self.at.saturating_sub(now) + Self::lasting(self.fill, speed);
        if self.fill == 0 {
            self.stop(now);
            return Duration::ZERO;
        }
        self.stop(now + takes);
        takes
    }

    /// The drive answers `sense` from now on so long.
    pub fn work(&mut self, now: Duration, lasting: Duration, sense: Sense) {
        self.busy = Some(Busy {
            from: now,
            until: now + lasting,
            sense,
        });
    }

    /// What it is busy with, and how far; a spin-up has no progress.
    pub fn busy(&self, now: Duration) -> Option<Sense> {
        let work = self.busy.as_ref().filter(|work| now < work.until)?;
        if work.sense == BECOMING_READY {
            return Some(work.sense);
        }
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (done, all) = (
            now.saturating_sub(work.from),
            work.until.saturating_sub(work.from),
        );
        Some(work.sense.after(milliseconds(done), milliseconds(all)))
    }

    /// The share of the speed at the rim that there is at `address`, in millionths: tracks lie between 24 and 58
    /// mm from the centre, and each block takes the same area.
    fn share(&self, address: u32, capacity: u32) -> u64 {
        const HUB: u64 = 171_225; // (24 / 58)^2 in millionths
        let outwards = u64::from(address.min(capacity)) * (1_000_000 - HUB) / u64::from(capacity.max(1));
        ((HUB + outwards) * 1_000_000).isqrt()
    }

    /// What `speed` means at an address.
    pub fn speed_at(&self, speed: u32, address: u32, capacity: u32) -> u32 {
        if !self.timing.cav {
            return speed;
        }
        let speed = u64::from(speed) * self.share(address, capacity) / 1_000_000;
        u32::try_from(speed).unwrap_or(u32::MAX)
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

    /// What it has recorded since it takes time; `None` when it does not.
    #[must_use]
    pub fn throughput(&self) -> Option<Throughput> {
        self.pace.as_ref().map(|pace| pace.throughput)
    }

    fn blocks(&self) -> u32 {
        self.medium().map_or(0, |disc| disc.recording().capacity())
    }

    /// Read and write speed in kB/s at an address.
    pub(crate) fn speeds_at(&self, address: u32) -> (u32, u32) {
        let (read, write) = self.current_speeds();
        let Some(pace) = &self.pace else {
            return (read, write);
        };
        let at = |speed| pace.speed_at(speed, address, self.blocks());
        (
            at(pace.timing.read.unwrap_or(read)),
            at(pace.timing.write.unwrap_or(write)),
        )
    }

    /// Write speed in kB/s where the pickup is.
    pub(crate) fn write_speed(&self) -> u32 {
        self.speeds_at(self.pace.as_ref().map_or(0, |pace| pace.position))
            .1
    }

    /// A READ takes the way to the data and the time under the pickup.
    pub(crate) fn take_time_to_read(&mut self, address: u32, count: u32) {
        let (now, (read, _), blocks) = (self.now(), self.speeds_at(address), self.blocks());
        if let Some(pace) = &mut self.pace {
            self.delay = pace.read(now, read, address, count, blocks);
        }
    }

    /// A WRITE takes what it takes until there is room in the buffer.
    pub(crate) fn take_time_to_write(
        &mut self,
        address: u32,
        count: u32,
        protected: bool,
    ) -> Result<(), Sense> {
        let (now, speed, blocks) = (self.now(), self.speeds_at(address).1, self.blocks());
        if let Some(pace) = &mut self.pace {
            self.delay = pace.write(now, speed, (address, count, blocks), protected)?;
        }
        Ok(())
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
            pace.work(now, takes, sense);
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

    const MEGABYTE: u32 = 500; // blocks, about

    /// A buffer of 1000 blocks that drains at 2048 kB/s, a block a millisecond.
    fn pace() -> Pace {
        Pace::new(Timing {
            buffer: 2_048_000,
            seek: Duration::ZERO,
            ..Timing::default()
        })
    }

    #[test]
    fn the_buffer_fills_at_once_and_drains_at_the_write_speed() {
        let mut pace = pace();
        let capacity = 100_000;
        assert_eq!(
            pace.write(SECOND, 2048, (0, 750, capacity), true),
            Ok(Duration::ZERO)
        );
        assert_eq!(pace.free(SECOND, 2048), 250 * 2048);
        assert_eq!(pace.free(SECOND * 3 / 2, 2048), 750 * 2048);
        // 750 blocks more than there is room for.
        assert_eq!(
            pace.write(SECOND * 3 / 2, 2048, (750, 1500, capacity), true),
            Ok(SECOND * 3 / 4)
        );
        assert_eq!(pace.free(SECOND * 3 / 2, 2048), 0);
        assert_eq!(pace.flush(2 * SECOND, 2048), SECOND * 5 / 4);
        assert_eq!(pace.free(6 * SECOND, 2048), 1000 * 2048);
        let Throughput {
            bytes,
            recording,
            underruns,
        } = pace.throughput;
        assert_eq!((bytes, recording, underruns), (2250 * 2048, SECOND * 9 / 4, 0));
        assert_eq!(pace.throughput.rate(), 2048);
    }

    #[test]
    fn an_underrun_spoils_what_is_not_protected() {
        for protected in [true, false] {
            let mut pace = pace();
            let mut write = |at, address| pace.write(at, 2048, (address, MEGABYTE, 100_000), protected);
            assert_eq!(write(SECOND, 0), Ok(Duration::ZERO));
            assert_eq!(write(SECOND * 5 / 4, 500), Ok(Duration::ZERO));
            assert_eq!(write(3 * SECOND, 1000).is_ok(), protected);
            assert_eq!(pace.throughput.underruns, 1);
            // After the buffer was flushed on purpose, nothing is late.
            let mut pace = self::pace();
            assert!(
                pace.write(SECOND, 2048, (0, MEGABYTE, 100_000), protected)
                    .is_ok()
            );
            pace.flush(SECOND, 2048);
            assert!(
                pace.write(9 * SECOND, 2048, (500, MEGABYTE, 100_000), protected)
                    .is_ok()
            );
            assert_eq!(pace.throughput.underruns, 0);
        }
    }

    #[test]
    fn ways_take_time_and_the_rim_is_faster() {
        let mut pace = pace();
        pace.timing.seek = SECOND * 3;
        assert_eq!(pace.read(SECOND, 2048, 0, 1000, 100_000), SECOND);
        assert_eq!(pace.read(SECOND, 2048, 1000, 1000, 100_000), SECOND);
        assert_eq!(pace.read(SECOND, 2048, 52_000, 0, 100_000), SECOND * 2); // a third and half the rest
        assert_eq!(pace.read(SECOND, 2048, 51_999, 0, 100_000).as_secs(), 1);
        assert_eq!(pace.speed_at(16_000, 0, 100_000), 16_000);
        pace.timing.cav = true;
        let at = |address| pace.speed_at(16_000, address, 100_000);
        assert_eq!((at(0), at(100_000)), (6_620, 16_000));
        assert!(at(50_000) > 12_000 && at(50_000) < 12_300);
    }

    #[test]
    fn work_ends() {
        let mut pace = pace();
        pace.work(SECOND, 4 * SECOND, OPERATION_IN_PROGRESS);
        assert_eq!(pace.busy(2 * SECOND), Some(OPERATION_IN_PROGRESS.after(1, 4)));
        assert_eq!(
            pace.busy(2 * SECOND).and_then(|sense| sense.progress),
            Some(0x4000)
        );
        assert_eq!(pace.busy(5 * SECOND), None);
        pace.work(SECOND, SECOND, BECOMING_READY);
        assert_eq!(pace.busy(SECOND), Some(BECOMING_READY));
    }
}
