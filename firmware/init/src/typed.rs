//! What a person types at the console, line by line.

use std::collections::VecDeque;

use rustix::io::Errno;

use crate::console::Console;
use crate::lines::Lines;

/// Lines kept at most: more come only from a serial line gone wild.
const WAITING_MAX: usize = 64;

/// The console as a source of lines.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    lines: Lines,
    /// Typed, not yet taken: a panic leaves the rest for the next turn.
    waiting: VecDeque<String>,
    ended: bool,
}

impl Typed {
    /// Whether lines may still come.
    pub(crate) fn listens(&self) -> bool {
        !self.ended
    }

    /// Reads what was typed, without waiting.
    pub(crate) fn read(&mut self, console: &Console) {
        let mut buffer = [0; 256];
        while let Some(input) = console.input().filter(|_| !self.ended) {
            match rustix::io::read(input, &mut buffer) {
                Ok(count @ 1..) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.lines.feed(bytes, |line| {
                        if self.waiting.len() < WAITING_MAX {
                            self.waiting.push_back(line);
                        }
                    });
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => self.ended = true,
            }
        }
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.waiting.pop_front()
    }
}
