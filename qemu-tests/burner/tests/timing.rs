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

/// Burns 64 MiB onto a BD-R at 16x in virtual time; the host takes `each` for a WRITE and stands still for `stall`
/// every 100 of them. The rate in kB/s, and underruns.
fn burn_at_16x(each: Duration, stall: Duration) -> (u64, u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let drive = &mut bd_r(&directory);
    drive.use_virtual_time();
    drive.set_timing(Some(Timing {
        write: Some(16 * 4_496),
        seek: NONE,
        ..Timing::default()
    }));
    for number in 0..1024 {
        drive.pass(if number % 100 == 99 { each + stall } else { each });
        assert!(write(drive, number * 32, 32).sense.is_none());
    }
    good(drive, "35 00 00 00 00 00 00 00 00 00");
    let throughput = drive.throughput().expect("it takes time");
    assert_eq!(throughput.bytes, 64 << 20);
    (throughput.rate(), throughput.underruns)
}

#[test]
fn a_host_fast_enough_keeps_a_16x_drive_busy() {
    const RATE: u64 = 16 * 4_496;
    let full = |rate: u64| rate * 100 >= RATE * 99 && rate <= RATE;
    let (host, milliseconds) = (Duration::from_micros(500), Duration::from_millis);
    for stall in [0, 40] {
        // 4 MiB last for 58 ms.
        let (rate, underruns) = burn_at_16x(host, milliseconds(stall));
        assert!(full(rate) && underruns == 0, "{rate} kB/s, {underruns} underruns");
    }
    let (rate, underruns) = burn_at_16x(host, milliseconds(80));
    assert!(
        !full(rate) && underruns == 10,
        "{rate} kB/s, {underruns} underruns"
    );
    let (rate, underruns) = burn_at_16x(milliseconds(1), NONE); // 65 MB/s
    assert!(
        !full(rate) && underruns > 900,
        "{rate} kB/s, {underruns} underruns"
    );
}

#[test]
fn reading_takes_the_way_and_the_time_and_cav_is_slower_at_the_hub() {
    let directory = tempfile::tempdir().unwrap();
    let drive = &mut bd_r(&directory);
    for address in (0..32_768).step_by(1024) {
        assert!(write(drive, address, 1024).sense.is_none());
    }
    drive.use_virtual_time();
    drive.set_timing(Some(Timing {
        read: Some(2_048),
        cav: true,
        ..Timing::default()
    }));
    let mut time = |address| {
        let before = drive.now();
        assert!(common::read(drive, address, 1000).sense.is_none());
        drive.now() - before
    };
    let (hub, on, rim) = (time(0), time(1000), time(31_000));
    assert!(hub.as_millis() > 2_400 && hub.as_millis() < 2_420, "{hub:?}"); // at 41 %
    assert!(on < hub && rim < on, "{on:?} {rim:?}");
    assert!(rim.as_millis() > 1_000 + 83 && rim.as_millis() < 1_300, "{rim:?}");
    // What the drive says of its speeds is what it does.
    let told = good(drive, "AC 00 00 00 00 00 00 00 00 01 00 00");
    let word = |at: usize| u32::from_be_bytes(told[at..at + 4].try_into().unwrap());
    assert_eq!((word(12), word(20)), (847, 2_047));
}
