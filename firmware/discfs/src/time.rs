//! Points in time, and the calendar the disc formats write them with.

/// A point in time, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00:00, negative before.
    pub seconds: i64,
    /// Nanoseconds to add, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// A date of the proleptic Gregorian calendar with a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

const DAY: i64 = 86_400;
/// Days from 0000-03-01, where the arithmetic year starts so that the leap day is its last, to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days in 400 years.
const ERA: i64 = 146_097;

impl Civil {
    /// The date of a number of seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        let of_day = seconds.rem_euclid(DAY);
        let days = seconds.div_euclid(DAY) + EPOCH;
        let day_of_era = days.rem_euclid(ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months counted from March have 153 days in every five.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let small = |value: i64| u8::try_from(value).unwrap_or_default();
        Self {
            year: days.div_euclid(ERA) * 400 + year_of_era + i64::from(month <= 2),
            month: small(month),
            day: small(day),
            hour: small(of_day / 3600),
            minute: small(of_day / 60 % 60),
            second: small(of_day % 60),
        }
    }

    /// Seconds since 1970 of this date; fields out of range are carried over.
    pub fn seconds(self) -> i64 {
        let month = i64::from(self.month);
        let year = self.year - i64::from(month <= 2);
        let month_from_march = (month + 9).rem_euclid(12);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let year_of_era = year.rem_euclid(400);
        let days = year.div_euclid(400) * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100
            + day_of_year
            - EPOCH;
        days * DAY + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::Civil;
    use proptest::prelude::*;

    #[test]
    fn known_dates() {
        let civil = Civil {
            year: 2000,
            month: 2,
            day: 29,
            hour: 23,
            minute: 59,
            second: 58,
        };
        assert_eq!(Civil::from_seconds(951_868_798), civil);
        assert_eq!(civil.seconds(), 951_868_798);
        assert_eq!(Civil::from_seconds(-1).year, 1969);
        assert_eq!(Civil::from_seconds(0).day, 1);
    }

    proptest! {
        #[test]
        fn there_and_back(seconds in -100_000_000_000_i64..300_000_000_000) {
            prop_assert_eq!(Civil::from_seconds(seconds).seconds(), seconds);
        }
    }
}
