//! What a cut leaves, compared with a disk of four sectors thought through by hand.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;

use power::{Disk, Image, Loss, Style};
use proptest::prelude::*;

const SECTOR: usize = 4096;
const SECTORS: u64 = 4;

fn disk() -> Disk {
    Disk::new(Image::zeroes(SECTORS * SECTOR as u64))
}

fn write(disk: &Disk, sector: u64, sectors: usize, value: u8, force: bool) {
    let bytes = vec![value; sectors * SECTOR];
    disk.write(sector * SECTOR as u64, &bytes, force).unwrap();
}

/// The value each sector is filled with; a mixed one is a torn sector.
fn values(image: &Image) -> Vec<Option<u8>> {
    (0..SECTORS)
        .map(|sector| {
            let mut bytes = vec![0; SECTOR];
            image.read(sector * SECTOR as u64, &mut bytes);
            let first = bytes[0];
            bytes.iter().all(|byte| *byte == first).then_some(first)
        })
        .collect()
}

#[test]
fn what_was_flushed_is_there_and_what_was_not_may_be_lost() {
    let disk = disk();
    write(&disk, 0, 2, 1, false);
    disk.flush();
    write(&disk, 1, 2, 2, false);
    let recording = disk.recording();
    assert_eq!(recording.unflushed(recording.end()), 2 * SECTOR);
    let all = Loss {
        style: Some(Style::All),
        ..Loss::default()
    };
    let lost = recording.cut(recording.end(), &all, 0);
    assert_eq!(values(&lost), [Some(1), Some(1), Some(0), Some(0)]);
    let before = recording.cut(0, &all, 0);
    assert_eq!(values(&before), [Some(0); 4]);
}

#[test]
fn forced_writes_are_durable_and_nothing_else_with_them() {
    let disk = disk();
    write(&disk, 0, 1, 1, false);
    write(&disk, 1, 1, 2, true);
    let recording = disk.recording();
    let lost = Loss {
        style: Some(Style::All),
        ..Loss::default()
    };
    let cut = recording.cut(2, &lost, 0);
    assert_eq!(values(&cut), [Some(0), Some(2), Some(0), Some(0)]);
    let under_way = recording.cut(1, &lost, 0);
    assert_eq!(values(&under_way), [Some(0); 4]);
}

#[test]
fn a_disk_that_ignores_flushes_loses_what_it_acknowledged() {
    let disk = disk();
    disk.ignore_flushes();
    write(&disk, 0, 4, 1, true);
    disk.flush();
    let recording = disk.recording();
    assert_eq!(recording.flushes(recording.end()), 0);
    let lost = (0..20).map(|seed| recording.cut(recording.end(), &Loss::default(), seed));
    assert!(lost.into_iter().any(|image| values(&image) == [Some(0); 4]));
}

#[test]
fn small_sectors_tear_blocks_but_for_what_is_written_whole() {
    let disk = disk();
    write(&disk, 0, 2, 1, false);
    let recording = disk.recording();
    let small = Loss {
        sector: 512,
        whole: 0..SECTOR as u64,
        style: Some(Style::Sectors),
    };
    let cuts: Vec<_> = (0..50)
        .map(|seed| values(&recording.cut(1, &small, seed)))
        .collect();
    assert!(cuts.iter().all(|values| values[0].is_some()));
    assert!(cuts.iter().any(|values| values[1].is_none()));
}

#[test]
fn marks_tell_what_came_before_them() {
    let disk = disk();
    write(&disk, 0, 1, 1, false);
    disk.mark("one");
    disk.mark("two");
    let recording = disk.recording();
    assert_eq!(recording.when("one"), Some(2));
    assert_eq!(recording.marks(2).collect::<Vec<_>>(), ["one"]);
    assert_eq!(recording.when("three"), None);
}

#[test]
fn nothing_is_written_behind_the_end() {
    let disk = disk();
    assert!(disk.write(disk.size() - 1, &[0; 2], false).is_err());
    assert!(disk.read(u64::MAX, &mut [0; 2]).is_err());
}

#[test]
fn files_come_and_go_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk();
    write(&disk, 1, 1, 7, false);
    disk.write(3 * SECTOR as u64 + 100, &[8; 5], false).unwrap();
    disk.flush();
    let image = disk.recording().cut(usize::MAX, &Loss::default(), 0);
    let path = folder.path().join("image");
    image.store(&path).unwrap();
    assert!(Image::load(&path).unwrap() == image);
    assert_eq!(
        std::fs::read(&path).unwrap()[3 * SECTOR + 99..][..7],
        [0, 8, 8, 8, 8, 8, 0]
    );
}

/// What a test does to the disk.
#[derive(Clone, Debug)]
enum Deed {
    Write(u64, usize, bool),
    Flush,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..SECTORS, 1_usize..3, prop::bool::weighted(0.1)).prop_map(|(sector, count, force)| {
            Deed::Write(sector, count.min(usize::try_from(SECTORS - sector).unwrap()), force)
        }),
        1 => Just(Deed::Flush),
    ]
}

proptest! {
    /// Of every sector there is the newest durable version or a later one, whole; the same seed gives the same.
    #[test]
    fn never_less_than_flushed_and_never_more_than_written(
        deeds in prop::collection::vec(deed(), 1..30),
        at in 0_usize..30,
        seed: u64,
    ) {
        let disk = disk();
        let at = at.min(deeds.len());
        let mut possible = vec![BTreeSet::from([0]); 4];
        for (number, deed) in (0_u8..).zip(&deeds) {
            let (value, happened) = (number + 1, usize::from(number) < at);
            match *deed {
                Deed::Write(sector, count, force) => {
                    write(&disk, sector, count, value, force);
                    for sector in sector..sector + count as u64 {
                        let possible = &mut possible[usize::try_from(sector).unwrap()];
                        if happened && force {
                            possible.clear();
                        }
                        if usize::from(number) <= at {
                            possible.insert(value);
                        }
                    }
                }
                Deed::Flush => {
                    disk.flush();
                    if happened {
                        for possible in &mut possible {
                            let newest = possible.pop_last();
                            *possible = newest.into_iter().collect();
                        }
                    }
                }
            }
        }
        let recording = disk.recording();
        let image = recording.cut(at, &Loss::default(), seed);
        for (value, possible) in values(&image).iter().zip(&possible) {
            prop_assert!(value.is_some_and(|value| possible.contains(&value)), "{value:?} of {possible:?}");
        }
        prop_assert!(image == recording.cut(at, &Loss::default(), seed));
    }
}
