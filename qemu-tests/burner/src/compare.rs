//! Two traces side by side, for a person who asks what one run did and the other did not.

use std::fmt::{self, Write as _};

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 2;
/// Products of lines up to which the shortest difference is found; beyond, everything in between is shown.
const EFFORT: usize = 16_000_000;

/// How two traces differ. As text: lines in both begin with a space, of the first only with `-`, of the second
/// only with `+`; runs of READ and WRITE are one line; times do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison(Vec<(Side, String)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Both,
    First,
    Second,
}

impl Comparison {
    /// Compares the text of two traces, as [`crate::Record`]s display.
    #[must_use]
    pub fn of(first: &str, second: &str) -> Self {
        let (first, second) = (fold(first), fold(second));
        let same = |(one, other): &(&String, &String)| one == other;
        let before = first.iter().zip(&second).take_while(same).count();
        let rest = first.len().min(second.len()) - before;
        let behind = first
            .iter()
            .rev()
            .zip(second.iter().rev())
            .take(rest)
            .take_while(same)
            .count();
        let middle = |lines: &[String]| {
            lines
                .get(before..lines.len() - behind)
                .unwrap_or_default()
                .to_vec()
        };
        let mut told = Vec::new();
        let mut tell = |side, lines: &[String]| told.extend(lines.iter().map(|line| (side, line.clone())));
        tell(Side::Both, first.get(..before).unwrap_or_default());
        differ(&middle(&first), &middle(&second), &mut tell);
        tell(Side::Both, first.get(first.len() - behind..).unwrap_or_default());
        Self(told)
    }

    /// Both did the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.0.iter().all(|(side, _)| *side == Side::Both)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differs = |at: usize| self.0.get(at).is_some_and(|(side, _)| *side != Side::Both);
        let mut left_out = 0;
        let rest = |f: &mut fmt::Formatter<'_>, left_out: &mut usize| match std::mem::take(left_out) {
            0 => Ok(()),
            count => writeln!(f, "  ({count} alike)"),
        };
        for (at, (side, line)) in self.0.iter().enumerate() {
            if !(at.saturating_sub(CONTEXT)..=at + CONTEXT).any(differs) {
                left_out += 1;
                continue;
            }
            rest(f, &mut left_out)?;
            let mark = match side {
                Side::Both => ' ',
                Side::First => '-',
                Side::Second => '+',
            };
            writeln!(f, "{mark} {line}")?;
        }
        rest(f, &mut left_out)
    }
}

/// Tells the longest common subsequence of two lists, and what is around it.
fn differ(first: &[String], second: &[String], tell: &mut impl FnMut(Side, &[String])) {
    if first.len().saturating_mul(second.len()) > EFFORT {
        tell(Side::First, first);
        tell(Side::Second, second);
        return;
    }
    // Lengths of the common subsequences of the ends from each pair of places on.
    let width = second.len() + 1;
    let mut lengths = vec![0u32; (first.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    let length = |lengths: &[u32], row, column| lengths.get(at(row, column)).copied().unwrap_or(0);
    for (row, one) in first.iter().enumerate().rev() {
        for (column, other) in second.iter().enumerate().rev() {
            let longest = if one == other {
                length(&lengths, row + 1, column + 1) + 1
            } else {
                length(&lengths, row + 1, column).max(length(&lengths, row, column + 1))
            };
            if let Some(to) = lengths.get_mut(at(row, column)) {
                *to = longest;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    loop {
        match (first.get(row), second.get(column)) {
            (Some(one), Some(other)) if one == other => {
                tell(Side::Both, std::slice::from_ref(one));
                (row, column) = (row + 1, column + 1);
            }
            (Some(one), other)
                if other.is_none()
                    || length(&lengths, row + 1, column) >= length(&lengths, row, column + 1) =>
            {
                tell(Side::First, std::slice::from_ref(one));
                row += 1;
            }
            (_, Some(other)) => {
                tell(Side::Second, std::slice::from_ref(other));
                column += 1;
            }
            (_, None) => return,
        }
    }
}

/// A run of transfers that went on where the one before ended.
struct Run {
    operation: &'static str,
    outcome: String,
    start: u32,
    end: u32,
    commands: u32,
}

/// The commands of a trace with their outcome, a line each, a run of transfers as one.
fn fold(trace: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut run: Option<Run> = None;
    for line in trace.lines().filter(|line| !line.trim().is_empty()) {
        let line = line.rsplit_once(" | ").map_or(line, |(line, _time)| line);
        let (cdb, outcome) = line.split_once(" | ").unwrap_or((line, ""));
        let bytes: Vec<u8> = cdb
            .split(' ')
            .map_while(|byte| u8::from_str_radix(byte, 16).ok())
            .collect();
        let operation = bytes.first().map_or("not a command", |code| name(*code));
        match transfer(&bytes) {
            Some((start, count)) => match &mut run {
                Some(run) if run.end == start && run.operation == operation && run.outcome == outcome => {
                    run.end = start.saturating_add(count);
                    run.commands += 1;
                }
                _ => {
                    run.take().into_iter().for_each(|run| lines.push(run.to_string()));
                    run = Some(Run {
                        operation,
                        outcome: outcome.into(),
                        start,
                        end: start.saturating_add(count),
                        commands: 1,
                    });
                }
            },
            None => {
                run.take().into_iter().for_each(|run| lines.push(run.to_string()));
                let mut text = format!("{operation}: {cdb}");
                let _ = write!(text, " | {outcome}"); // a String takes all
                lines.push(text);
            }
        }
    }
    run.into_iter().for_each(|run| lines.push(run.to_string()));
    lines
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            outcome,
            start,
            end,
            commands,
        } = self;
        write!(
            f,
            "{operation}: blocks {start} to {end} by {commands} | each {outcome}"
        )
    }
}

/// First block and blocks of a READ or WRITE.
fn transfer(cdb: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| cdb.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    match cdb.first()? {
        0x28 | 0x2A | 0x2E => Some((word(2)?, word(6)? >> 8 & 0xFFFF)),
        0xA8 | 0xAA => Some((word(2)?, word(6)?)),
        _ => None,
    }
}

/// What a command is called (SPC-4, MMC-6).
fn name(operation: u8) -> &'static str {
    match operation {
        0x00 => "TEST UNIT READY",
        0x03 => "REQUEST SENSE",
        0x04 => "FORMAT UNIT",
        0x12 => "INQUIRY",
        0x15 | 0x55 => "MODE SELECT",
        0x1A | 0x5A => "MODE SENSE",
        0x1B => "START STOP UNIT",
        0x1E => "PREVENT ALLOW MEDIUM REMOVAL",
        0x23 => "READ FORMAT CAPACITIES",
        0x25 => "READ CAPACITY",
        0x28 | 0xA8 => "READ",
        0x2A | 0xAA => "WRITE",
        0x2E => "WRITE AND VERIFY",
        0x35 => "SYNCHRONIZE CACHE",
        0x3C => "READ BUFFER",
        0x43 => "READ TOC/PMA/ATIP",
        0x46 => "GET CONFIGURATION",
        0x4A => "GET EVENT STATUS NOTIFICATION",
        0x51 => "READ DISC INFORMATION",
        0x52 => "READ TRACK INFORMATION",
        0x53 => "RESERVE TRACK",
        0x54 => "SEND OPC INFORMATION",
        0x5B => "CLOSE TRACK SESSION",
        0x5C => "READ BUFFER CAPACITY",
        0x5D => "SEND CUE SHEET",
        0xA0 => "REPORT LUNS",
        0xA1 => "BLANK",
        0xAC => "GET PERFORMANCE",
        0xAD => "READ DISC STRUCTURE",
        0xB6 => "SET STREAMING",
        0xB9 => "READ CD MSF",
        0xBB => "SET CD SPEED",
        0xBD => "MECHANISM STATUS",
        0xBE => "READ CD",
        0xBF => "SEND DISC STRUCTURE",
        _ => "another command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "\
00 00 00 00 00 00 | out 0 | in 0 | 06/29/00 | 0.001 s + 3 us
2A 00 00 00 00 00 00 00 20 00 | out 65536 | in 0 | good | 0.002 s + 3 us
2A 00 00 00 00 20 00 00 20 00 | out 65536 | in 0 | good | 0.003 s + 3 us
35 00 00 00 00 00 00 00 00 00 | out 0 | in 0 | good | 0.004 s + 3 us
5B 00 02 00 00 00 00 00 00 00 | out 0 | in 0 | good | 0.005 s + 3 us
";

    #[test]
    fn times_do_not_count() {
        let later = FIRST.replace("0.00", "7.00").replace("3 us", "900 us");
        let comparison = Comparison::of(FIRST, &later);
        assert!(comparison.is_equal());
        assert_eq!(comparison.to_string(), "  (4 alike)\n");
        assert!(Comparison::of("", "").is_equal());
    }

    #[test]
    fn what_differs_is_shown_with_what_is_around_it() {
        let second = FIRST.replace("06/29/00", "good").replace(
            "2A 00 00 00 00 20 00 00 20 00 | out 65536 | in 0 | good",
            "2A 00 00 00 00 20 00 00 20 00 | out 65536 | in 0 | 02/04/08",
        ) + "1B 00 00 00 02 00 | out 0 | in 0 | good | 0.006 s + 3 us\n";
        let comparison = Comparison::of(FIRST, &second);
        assert!(!comparison.is_equal());
        assert_eq!(
            comparison.to_string(),
            "\
- TEST UNIT READY: 00 00 00 00 00 00 | out 0 | in 0 | 06/29/00
- WRITE: blocks 0 to 64 by 2 | each out 65536 | in 0 | good
+ TEST UNIT READY: 00 00 00 00 00 00 | out 0 | in 0 | good
+ WRITE: blocks 0 to 32 by 1 | each out 65536 | in 0 | good
+ WRITE: blocks 32 to 64 by 1 | each out 65536 | in 0 | 02/04/08
  SYNCHRONIZE CACHE: 35 00 00 00 00 00 00 00 00 00 | out 0 | in 0 | good
  CLOSE TRACK SESSION: 5B 00 02 00 00 00 00 00 00 00 | out 0 | in 0 | good
+ START STOP UNIT: 1B 00 00 00 02 00 | out 0 | in 0 | good
"
        );
    }

    #[test]
    fn any_text_is_compared() {
        let odd = "not a trace\n2A 00\n| | |\n2A 00 FF FF FF FF 00 FF FF 00 | x | y\n";
        assert!(Comparison::of(odd, odd).is_equal());
        assert!(!Comparison::of(odd, FIRST).is_equal());
    }
}
