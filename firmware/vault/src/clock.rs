//! The box's clock: whose word counts, and how far it may move.
//!
//! - A clock nobody has set since the box was started goes forward freely, from the firmware's build
//!   time on. Whatever it is set to then is its anchor.
//! - Afterwards no session but an admin's takes it further than an hour from where the anchor says it
//!   should be: many small steps cannot walk it away.
//! - Differences under two seconds are left alone: that much may come from the way here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;
use wire::Time;

/// Seconds below which two clocks agree.
const AGREE: i64 = 2;

/// Seconds an ordinary session may move a clock that was set.
const BOUND: i64 = 3600;

/// The wall clock.
pub(crate) fn now() -> Time {
    let (before, distance) = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => (false, after),
        Err(error) => (true, error.duration()),
    };
    let seconds = i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
    match (before, distance.subsec_nanos()) {
        (false, nanoseconds) => Time { seconds, nanoseconds },
        (true, 0) => Time {
            seconds: -seconds,
            nanoseconds: 0,
        },
        (true, nanoseconds) => Time {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    }
}

/// Time since the box was started, sleep included.
pub(crate) fn since_start() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Whether two clocks, in seconds, do not agree.
pub(crate) fn differ(one: i64, other: i64) -> bool {
    one.saturating_sub(other).saturating_abs() >= AGREE
}

/// What should happen to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is right as it is.
    Keep,
    /// It takes the client's.
    Set,
    /// The client's is too far off to be believed.
    Refuse,
}

/// What the judgement rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// No moment before this one can be now.
    pub build_floor: i64,
    /// Wall clock minus time since start, in seconds, when the clock was last believed; `None` when
    /// nobody has set it since the box was started.
    pub anchor: Option<i64>,
}

impl Clock {
    /// Judges a client's clock; all in seconds.
    pub(crate) fn judge(&self, now: i64, since_start: i64, asked: i64, admin: bool) -> Verdict {
        let step = asked.saturating_sub(now);
        if asked < self.build_floor {
            return Verdict::Refuse;
        }
        if !differ(asked, now) {
            return Verdict::Keep;
        }
        let anchor = match self.anchor {
            _ if admin => return Verdict::Set,
            None if step > 0 => return Verdict::Set,
            None => now,
            Some(anchor) => anchor.saturating_add(since_start),
        };
        match asked.saturating_sub(anchor).saturating_abs() {
            0..=BOUND => Verdict::Set,
            _ => Verdict::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLOOR: i64 = 1_700_000_000;

    #[test]
    fn a_clock_never_set_goes_forward_freely_and_not_below_the_build() {
        let clock = Clock {
            build_floor: FLOOR,
            anchor: None,
        };
        assert_eq!(clock.judge(FLOOR, 5, FLOOR + 900_000_000, false), Verdict::Set);
        assert_eq!(clock.judge(0, 5, FLOOR - 1, true), Verdict::Refuse);
        assert_eq!(clock.judge(FLOOR + 7200, 5, FLOOR + 10, false), Verdict::Refuse);
        assert_eq!(clock.judge(FLOOR + 7200, 5, FLOOR + 3601, false), Verdict::Set);
        assert_eq!(clock.judge(FLOOR + 7200, 5, FLOOR + 7201, false), Verdict::Keep);
        assert_eq!(clock.judge(FLOOR + 7200, 5, FLOOR + 10, true), Verdict::Set);
    }

    proptest! {
        #[test]
        fn no_row_of_sessions_walks_a_set_clock_away(asked in prop::collection::vec(-8000_i64..8000, 1..50)) {
            let set = FLOOR + 1_000_000;
            let clock = Clock { build_floor: FLOOR, anchor: Some(set - 10) };
            let (mut now, since_start) = (set, 10);
            for step in asked {
                if clock.judge(now, since_start, now + step, false) == Verdict::Set {
                    now += step;
                }
            }
            prop_assert!((now - set).abs() <= BOUND);
        }
    }
}
