//! A drive that takes real time. How much is tested next to the arithmetic; here, what commands show of it.

mod common;

use std::time::Duration;

use burner::{CD_R, DVD_PLUS_RW, Timing};
use common::{bd_r, drive_of, drive_with, good, sense, take, track, triple, write};

const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
/// Longer than any test runs.
const LONG: Duration = Duration::from_secs(36_000);
const NONE: Duration = Duration::ZERO;

fn slow(write: u32) -> Option<Timing> {
    Some(Timing {
        write: Some(write),
        buffer: 1 << 20,
        spin_up: LONG,
        close: LONG,
        format: LONG,
        ..Timing::default()
    })
}

#[test]
fn a_slow_drive_spins_up_buffers_closes_and_formats() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    drive.set_timing(slow(1));
    assert!(write(drive, 0, 32).sense.is_none());
    let buffer = good(drive, "5C 00 00 00 00 00 00 00 0C 00");
    assert_eq!(buffer[4..8], [0, 0x10, 0, 0]);
    assert!(buffer[8..] < [0, 0x10, 0, 0][..]); // 64 KiB at 1 kB/s are still in it
    good(drive, "5B 01 06 00 00 00 00 00 00 00");
    assert_eq!(sense(drive, TEST_UNIT_READY), (2, 4, 7));
    let disc = drive.remove().unwrap();
    drive.insert(disc);
    assert_eq!(sense(drive, TEST_UNIT_READY), (6, 0x28, 0));
    assert_eq!(sense(drive, TEST_UNIT_READY), (2, 4, 1));

    let directory = tempfile::tempdir().unwrap();
    let drive = &mut drive_with(directory.path(), &DVD_PLUS_RW);
    drive.set_timing(slow(1));
    take(drive, "04 11 00 00 00 00", "00 02 00 08 FF FF FF FF 98 00 00 00");
    assert_eq!(sense(drive, TEST_UNIT_READY), (2, 4, 4));
    drive.set_timing(None);
    good(drive, TEST_UNIT_READY);
}

#[test]
fn an_underrun_damages_a_track_that_is_not_protected() {
    for (flags, spoilt) in [("41", false), ("01", true)] {
        let directory = tempfile::tempdir().unwrap();
        let drive = &mut drive_of(directory.path(), &CD_R, None);
        let rest = "00 ".repeat(40);
        let page = format!("00 00 00 00 00 00 00 00 05 32 {flags} 04 08 00 00 00 00 00 00 00 {rest}");
        take(drive, "55 10 00 00 00 00 00 00 3C 00", page.trim());
        drive.set_timing(Some(Timing {
            write: Some(u32::MAX), // far faster than this host
            close: NONE,
            ..Timing::default()
        }));
        assert!(write(drive, 0, 16).sense.is_none());
        std::thread::sleep(Duration::from_millis(2));
        let second = write(drive, 16, 16);
        assert_eq!(second.sense.is_some(), spoilt);
        assert_eq!(track(drive, 1).damaged, spoilt);
        if spoilt {
            assert_eq!(triple(second), (3, 0x0C, 9));
        }
    }
}
