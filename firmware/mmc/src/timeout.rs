//! How long each command may take on each kind of disc, and how long its work may go on behind it.

use core::ops::RangeInclusive;
use core::time::Duration;

use crate::profile::Profile;

/// The two kinds of patience a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to the command itself.
    pub answer: Duration,
    /// For the end of what it started, polled; and for all repetitions of the command together.
    pub completion: Duration,
}

/// Profiles a row is about.
type Media = RangeInclusive<u16>;

const ANY: Media = 0x0000..=0xFFFF;
const CD: Media = 0x0008..=0x000A;
const DVD_RAM: Media = 0x0012..=0x0012;
const DVD_DASH_DUAL: Media = 0x0015..=0x0017;
const DVD_PLUS_DUAL: Media = 0x002A..=0x002B;
const DVD: Media = 0x0010..=0x002F;
const BD_R: Media = 0x0040..=0x0042;
const BD_RE: Media = 0x0043..=0x0043;

/// Seconds by operation code and medium, the first row that matches; commands not listed get 30 and 120.
///
/// Answers are as generous as the most patient of the established programs, since giving up on a drive that
/// would have come back costs a disc. Completions follow from the longest stretch the medium can be made to
/// write at its slowest speed, doubled.
static TABLE: &[(u8, Media, u64, u64)] = &[
    (0x00, ANY, 30, 120),  // TEST UNIT READY: spin-up and recognition of a difficult disc
    (0x1B, ANY, 300, 300), // START STOP UNIT: synchronous load
    (0x25, ANY, 60, 120),  // READ CAPACITY: may wait for recognition
    (0x51, ANY, 60, 120),  // READ DISC INFORMATION: some drives wait for the disc here
    (0x52, ANY, 60, 120),  // READ TRACK INFORMATION
    (0x43, ANY, 60, 120),  // READ TOC/PMA/ATIP
    // READ (10), READ (12): retries inside the drive on a damaged disc; a larger cluster takes longer.
    (0x28, CD, 60, 120),
    (0xA8, CD, 60, 120),
    (0x28, ANY, 120, 180),
    (0xA8, ANY, 120, 180),
    (0x2A, ANY, 200, 600), // WRITE (10): the drive may recalibrate while its buffer is full
    (0x54, ANY, 200, 200), // SEND OPC INFORMATION
    // SYNCHRONIZE CACHE: a disc at once of a DVD-R is filled up to its least radius and closed here.
    (0x35, CD, 200, 900),
    (0x35, BD_R, 200, 900),
    (0x35, BD_RE, 200, 900),
    (0x35, ANY, 200, 3600),
    // RESERVE TRACK: DVD-R writes border zones.
    (0x53, CD, 200, 600),
    (0x53, ANY, 200, 3600),
    // CLOSE TRACK SESSION: a CD's lead-in and lead-out last four minutes at 1x; finalising a nearly empty DVD
    // writes a long lead-out, and one of two layers the whole of the other.
    (0x5B, CD, 200, 900),
    (0x5B, DVD_DASH_DUAL, 200, 10_800),
    (0x5B, DVD_PLUS_DUAL, 200, 10_800),
    (0x5B, ANY, 200, 3600),
    // BLANK: 80 minutes of CD-RW at 1x; 4.7 GB of DVD-RW at 1x.
    (0xA1, CD, 200, 9600),
    (0xA1, DVD, 200, 7200),
    (0xA1, ANY, 200, 18_000),
    // FORMAT UNIT: 4.7 GB at 1x; DVD-RAM and BD-RE are written and read back, the latter with up to 100 GB.
    (0x04, DVD_RAM, 200, 14_400),
    (0x04, DVD, 200, 7200),
    (0x04, BD_R, 200, 7200),
    (0x04, BD_RE, 200, 86_400),
    (0x04, ANY, 200, 18_000),
];

/// The patience for a command, by its operation code, on a disc of this kind. Without one ([`Profile::NONE`])
/// it is that for any.
#[must_use]
pub fn patience_on(operation_code: u8, medium: Profile) -> Patience {
    let (_, _, answer, completion) = TABLE
        .iter()
        .find(|(code, media, ..)| *code == operation_code && media.contains(&medium.0))
        .cloned()
        .unwrap_or((0, ANY, 30, 120));
    Patience {
        answer: Duration::from_secs(answer),
        completion: Duration::from_secs(completion),
    }
}

/// The patience for a command whatever the disc.
#[must_use]
pub fn patience(operation_code: u8) -> Patience {
    patience_on(operation_code, Profile::NONE)
}
