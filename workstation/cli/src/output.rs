//! What is printed: text for people, one JSON document for programs.

use std::io::{self, Write};

use client::Error;
use client::wire::{ByteString, Failure, Label, Time};
use serde_json::{Value, json};

use crate::exit::Exit;

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON document instead of text.
    pub json: bool,
}

impl Output {
    /// Prints a result, as text or as JSON.
    pub fn print(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<(), Error> {
        let mut line = if self.json {
            format!("{:#}", json())
        } else {
            printable(&text())
        };
        if !line.ends_with('\n') && !line.is_empty() {
            line.push('\n');
        }
        io::stdout().write_all(line.as_bytes()).map_err(Error::Output)
    }

    /// Prints that a short command was done.
    pub fn done(self, command: &str, text: &str) -> Result<Exit, Error> {
        self.print(|| text.into(), || json!({ "done": command }))?;
        Ok(Exit::Done)
    }

    /// Tells what went wrong; on standard error, so that it never mixes with a result.
    pub fn error(self, error: &Error) {
        // Whoever closed standard output has read enough.
        if matches!(error, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return;
        }
        if self.json {
            let mut value = match error.failure() {
                Some(refusal) => failure(refusal),
                None => json!({
                    "code": null,
                    "name": null,
                    "what": error.to_string(),
                    "cause": "",
                    "remedy": remedy(error).unwrap_or_default(),
                }),
            };
            value["exit"] = (Exit::of(error) as u8).into();
            tell(&format!("{:#}", json!({ "error": value })));
        } else {
            tell(&format!("spindle: {error}"));
            if let Some(remedy) = remedy(error) {
                tell(&format!("  remedy: {remedy}"));
            }
        }
    }
}

/// A line on standard error; that nobody may read it is no reason to fail.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// Text as a terminal may have it: names and labels may come from anybody's disc.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            control if control.is_control() => out.extend(control.escape_default()),
            plain => out.push(plain),
        }
    }
    out
}

/// What to do about an error that is not the box's own word.
fn remedy(error: &Error) -> Option<&'static str> {
    match error {
        Error::Connect { .. } => {
            Some("check that the box is on, and its address: --box HOST[:PORT] or SPINDLE_BOX")
        }
        Error::Lost(_) => Some("a job goes on without us: `spindle jobs` shows it; a put must be repeated"),
        Error::NoGreeting { .. } => Some(
            "if the box was just switched on, try again in a few seconds; otherwise check --box HOST[:PORT]",
        ),
        Error::NotABox(_) => Some("something else answers there: check --box HOST[:PORT]"),
        Error::TooOld(_) => Some("update the box, or use a spindle of its version"),
        Error::KeyNeeded | Error::NoIdentity => {
            Some("type `pair` at the box's console, and here: spindle pair CODE")
        }
        Error::WrongCode => Some("ask for a new code at the box's console (`pair`), and type it exactly"),
        Error::AnotherBox { .. } => Some(
            "if the box was replaced or wiped, pair with it again; if not, somebody is on the way: do not go on",
        ),
        Error::Handshake(_) => Some("try again; if it happens again, update the box or this program"),
        Error::Damaged(_) => Some("try again; if it happens often, check the network and the disc"),
        _ => None,
    }
}

/// A failure in JSON.
pub fn failure(failure: &Failure) -> Value {
    json!({
        "code": failure.code.number,
        "name": failure.code.text,
        "what": failure.what,
        "cause": failure.cause,
        "remedy": failure.remedy,
    })
}

/// A label in JSON.
pub fn label(label: &Label) -> Value {
    json!({ "number": label.number, "text": label.text })
}

/// Adds a path to a JSON object: as text, and as hexadecimal bytes when it is not UTF-8.
pub fn path(object: &mut Value, key: &str, bytes: &ByteString) {
    match std::str::from_utf8(bytes.as_bytes()) {
        Ok(text) => object[key] = text.into(),
        Err(_) => {
            object[key] = bytes.to_string().into();
            object[format!("{key}_hex")] = hex(bytes.as_bytes()).into();
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes for people: three digits and a decimal unit, as discs are sold.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    for unit in UNITS {
        if value < 999.5 {
            let digits = if value < 9.995 {
                2
            } else {
                usize::from(value < 99.95)
            };
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.0} EB")
}

/// Milliseconds for people.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A moment in UTC as `YYYY-MM-DD HH:MM:SS` (Howard Hinnant's civil-from-days).
pub fn moment(time: Time) -> String {
    let days = time.seconds.div_euclid(86_400);
    let second = time.seconds.rem_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = |seconds| {
            moment(Time {
                seconds,
                nanoseconds: 0,
            })
        };
        assert_eq!(at(0), "1970-01-01 00:00:00");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(at(1_700_000_000), "2023-11-14 22:13:20");
        assert_eq!(at(-1), "1969-12-31 23:59:59");
    }

    #[test]
    fn sizes() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.00 kB");
        assert_eq!(size(999_949), "1.00 MB");
        assert_eq!(size(25_025_314_816), "25.0 GB");
        assert_eq!(size(u64::MAX), "18 EB");
    }
}
