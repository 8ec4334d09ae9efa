//! How long each command may take, and how long its work may go on behind it.

use core::time::Duration;

/// The two kinds of patience a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to the command itself.
    pub answer: Duration,
    /// For the end of what it started, polled; and for all repetitions of the command together.
    pub completion: Duration,
}

/// Seconds by operation code; commands not listed get 30 and 120. Answers are as generous as the most patient
/// of the established programs, since giving up on a drive that would have come back costs a disc.
static TABLE: &[(u8, u64, u64)] = &[
    (0x00, 30, 120),    // TEST UNIT READY: spin-up and recognition of a difficult disc
    (0x1B, 300, 300),   // START STOP UNIT: synchronous load
    (0x25, 60, 120),    // READ CAPACITY: may wait for recognition
    (0x28, 120, 180),   // READ (10): retries inside the drive on a damaged disc
    (0xA8, 120, 180),   // READ (12)
    (0x2A, 200, 600),   // WRITE (10): the drive may recalibrate while its buffer is full
    (0x35, 200, 3600),  // SYNCHRONIZE CACHE
    (0x53, 200, 3600),  // RESERVE TRACK
    (0x5B, 200, 3600),  // CLOSE TRACK SESSION: finalising a nearly empty disc writes a long lead-out
    (0xA1, 200, 18000), // BLANK
    (0x04, 200, 18000), // FORMAT UNIT
    (0x51, 60, 120),    // READ DISC INFORMATION: some drives wait for the disc here
    (0x52, 60, 120),    // READ TRACK INFORMATION
];

/// The patience for a command, by its operation code.
#[must_use]
pub fn patience(operation_code: u8) -> Patience {
    let (_, answer, completion) = TABLE
        .iter()
        .copied()
        .find(|(code, ..)| *code == operation_code)
        .unwrap_or((0, 30, 120));
    Patience {
        answer: Duration::from_secs(answer),
        completion: Duration::from_secs(completion),
    }
}
