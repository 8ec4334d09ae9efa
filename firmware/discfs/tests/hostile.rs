//! Hostile and damaged discs: everything ends, in bounded time and memory, and what can be saved is.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod check_support;
mod common;

use check_support::hostile_support::{check_all, pack, play, read_all, seal_again};
use check_support::{BLOCK, InMemory, at, check_bytes, descriptors, image, le32, put32, shapes, unpack};
use common::{Sample, noise, options};
use discfs::{DiscError, Fault, Format, NodeKind, Options, UdfRevision, View, Volume, WalkLimits};
use proptest::prelude::*;
use std::sync::LazyLock;

fn both(value: u32) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

/// A directory record, ECMA-119 9.1, of a directory of some blocks.
fn record(identifier: &[u8], block: u32, bytes: u32) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both(block));
    record.extend(both(bytes));
    record.extend([100, 1, 1, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 1]);
    record.push(u8::try_from(identifier.len()).unwrap());
    record.extend(identifier);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = u8::try_from(record.len()).unwrap();
    record
}

const FIRST: u32 = 20;

/// A plain ISO 9660 volume of directories of one block each, given as what they lead to: place in the list and bytes.
fn directories(list: &[Vec<(usize, u32)>]) -> Vec<u8> {
    let place = |number: usize| FIRST + u32::try_from(number).unwrap();
    let mut bytes = vec![0; (FIRST as usize + list.len()) * BLOCK];
    let volume = &mut bytes[at(16)];
    volume[..7].copy_from_slice(b"\x01CD001\x01");
    let blocks = place(list.len());
    volume[80..88].copy_from_slice(&both(blocks));
    volume[128..132].copy_from_slice(&[0, 8, 8, 0]);
    volume[156..190].copy_from_slice(&record(&[0], FIRST, 2048));
    bytes[at(17)][..7].copy_from_slice(b"\xFFCD001\x01");
    for (number, entries) in list.iter().enumerate() {
        let mut records = [record(&[0], place(number), 2048), record(&[1], FIRST, 2048)].concat();
        for (name, &(target, size)) in entries.iter().enumerate() {
            records.extend(record(format!("D{name}").as_bytes(), place(target), size));
        }
        bytes[at(place(number) as usize)][..records.len()].copy_from_slice(&records);
    }
    bytes
}

/// Entries shown by a walk, and how it ended.
fn walk(bytes: &[u8]) -> (u64, Result<(), DiscError>) {
    let mut volume = Volume::open(InMemory::new(bytes), 0).unwrap();
    let root = volume.root();
    let mut entries = 0;
    let result = volume.walk(&root, WalkLimits::default(), &mut |_, _, _| {
        entries += 1;
        true
    });
    (entries, result)
}

#[test]
fn directories_within_themselves_end() {
    // To itself, to each other, to the top.
    let bytes = directories(&[
        vec![(0, 2048), (1, 2048)],
        vec![(2, 2048)],
        vec![(1, 2048), (0, 2048)],
    ]);
    assert_eq!(walk(&bytes), (5, Ok(())));
    assert!(check_bytes(&bytes).0.has(Fault::DirectoryMetTwice));
}

#[test]
fn trees_of_few_directories_with_many_paths_end() {
    // Forty levels, each leading to the next by thirty names: 30^40 paths.
    let list: Vec<_> = (0..40)
        .map(|level| vec![(level + 1, 2048); 30])
        .chain([vec![]])
        .collect();
    assert_eq!(walk(&directories(&list)), (40 * 30, Ok(())));
    assert!(check_bytes(&directories(&list)).0.has(Fault::DirectoryMetTwice));
}

#[test]
fn directories_that_overlap_end() {
    // A thousand directories, each as large as the rest of the disc: a thousand times a thousand blocks of records, and each
    // of these leads to others again.
    let list: Vec<_> = (0..1000_u32)
        .map(|level| {
            let targets = (1..30).map(|step| (level + step) % 1000);
            targets
                .map(|target| (target as usize, (1000 - target) * 2048))
                .collect()
        })
        .collect();
    let bytes = directories(&list);
    let mut source = InMemory::new(&bytes[..]);
    let mut volume = Volume::open(&mut source, 0).unwrap();
    let root = volume.root();
    let limits = WalkLimits {
        entries: u64::MAX,
        depth: 100_000,
    };
    let ended = volume.walk(&root, limits, &mut |_, _, _| true);
    assert!(matches!(ended, Ok(()) | Err(DiscError::TooMuchWork)), "{ended:?}");
    let (findings, summary) = check_bytes(&bytes);
    assert!(!summary.is_sound() && findings.has(Fault::Overlap));
}

#[test]
fn too_deep_is_said_and_can_be_passed_over() {
    let mut list: Vec<_> = (1..1500).map(|level| vec![(level, 2048)]).collect();
    list.push(vec![]);
    let bytes = directories(&list);
    assert_eq!(walk(&bytes), (1024, Err(DiscError::TooDeep(1024))));
    let mut volume = Volume::open(InMemory::new(&bytes[..]), 0).unwrap();
    let root = volume.root();
    let mut troubles = Vec::new();
    let ended = volume.walk_tolerant(
        &root,
        WalkLimits::default(),
        &mut |_, _, _| true,
        &mut |path, error| {
            troubles.push((path.len(), error));
            true
        },
    );
    assert_eq!(
        (ended, troubles),
        (Ok(()), vec![(1024 * 3 - 1, DiscError::TooDeep(1024))])
    );
}

#[test]
fn absurd_extents_are_refused() {
    let bytes = directories(&[vec![(1, u32::MAX), (2, 2048)], vec![], vec![]]);
    let (_, result) = walk(&bytes);
    assert!(matches!(result, Err(DiscError::Malformed { .. })));
    assert!(check_bytes(&bytes).0.has(Fault::PastEnd));
}

/// Every file that a scratch did not hit is found and equal, in each view.
#[test]
fn what_is_not_damaged_is_saved() {
    let mut sample = Sample::default();
    for directory in 0..6 {
        (0..120).for_each(|number| sample.file(format!("{directory}/file {number}"), 100));
    }
    let bytes = image(&sample, &options());
    for (view, fewest) in [(View::RockRidge, 600), (View::Udf, 600), (View::Joliet, 600)] {
        let first = (0..bytes.len() / BLOCK)
            .find(|&block| holds(&bytes, block, view, 3))
            .unwrap() as u64;
        let source = InMemory {
            bytes: bytes.clone(),
            bad: vec![first + 1],
            reads: 0,
        };
        let mut volume = Volume::open_view(source, 0, view).unwrap();
        let root = volume.root();
        assert!(
            volume
                .walk(&root, WalkLimits::default(), &mut |_, _, _| true)
                .is_err(),
            "{view}"
        );
        let (mut troubles, mut files) = (Vec::new(), 0);
        let mut visit = |volume: &mut Volume<InMemory>, path: &[u8], node: &discfs::Node| {
            if node.kind == NodeKind::File && !path.starts_with(b".spindle") {
                let mut read = vec![0; 101];
                assert_eq!(volume.read_file(node, 0, &mut read), Ok(100));
                let common::Item::File(wanted) = &sample.items[path] else {
                    panic!("{view}")
                };
                assert!(read[..100] == wanted[..], "{view}");
                files += 1;
            }
            true
        };
        let mut trouble = |path: &[u8], _| {
            troubles.push(path.to_vec());
            true
        };
        volume
            .walk_tolerant(&root, WalkLimits::default(), &mut visit, &mut trouble)
            .unwrap();
        assert!(
            troubles.iter().all(|path| path == b"3") && !troubles.is_empty(),
            "{view}: {troubles:?}"
        );
        assert!((fewest..720).contains(&files), "{view}: {files} files");
    }
}

/// Whether a block begins a directory of the sample in a view; the number is that of the directory.
fn holds(bytes: &[u8], block: usize, view: View, number: u8) -> bool {
    let mut volume = Volume::open_view(InMemory::new(bytes), 0, view).unwrap();
    let name = [b'0' + number];
    let marker = match view {
        View::Udf => [b"\x08file 0".to_vec()].concat(),
        View::Joliet => b"\0f\0i\0l\0e\0 \x000".to_vec(),
        _ => b"FILE_0.;1".to_vec(),
    };
    let here = bytes[at(block)]
        .windows(marker.len())
        .any(|found| found == marker);
    let node = volume.lookup(&name).unwrap();
    // The directories of the sample lie in the order of their names.
    let before = (0..block)
        .filter(|&block| {
            bytes[at(block)]
                .windows(marker.len())
                .any(|found| found == marker)
        })
        .count();
    here && before == usize::from(number) && node.kind == NodeKind::Directory
}

/// Discs to be damaged: of ours in all views, on partitions of every kind, and as Linux leaves them.
static DISCS: LazyLock<Vec<(Vec<u8>, Vec<usize>)>> = LazyLock::new(|| {
    let mut sample = Sample::default();
    for number in 0..30 {
        sample.file(format!("d/file {number}"), number * 200);
    }
    sample.file(["d/", &"l".repeat(250)].concat(), 5);
    sample.file("d/e/f", 5000);
    sample.symlink("d/link", "e/f");
    let bridge = Options {
        udf_symlinks: true,
        ..options()
    };
    let later = Options {
        format: Format::Udf,
        udf_revision: UdfRevision::V2_01,
        ..options()
    };
    let plain = image(&sample, &later);
    let discs = [
        image(&sample, &bridge),
        shapes::with_vat(&plain, true),
        shapes::with_spared_packet(&plain),
        shapes::with_metadata_partition(&plain),
        unpack(include_bytes!("images/linux-strategy4096.zst")),
        unpack(include_bytes!("images/linux-dvdram200-table.zst")),
    ];
    // Damage is worth something where there are structures: everything but zeros.
    let occupied = |bytes: &[u8]| (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    discs
        .into_iter()
        .map(|bytes| (occupied(&bytes), bytes))
        .map(|(places, bytes)| (bytes, places))
        .collect()
});

fn exercise(bytes: &[u8]) {
    read_all(bytes);
    check_all(bytes);
}

fn corpus() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/disc_check")
}

/// Small discs for the fuzzers to begin with.
#[test]
#[ignore = "full: writes the fuzzers' first inputs anew, in a second"]
fn the_corpus_begins_with_small_discs() {
    let mut sample = Sample::default();
    sample.file("d/one", 10);
    sample.file("d/two", 3000);
    sample.file(["d/", &"l".repeat(250)].concat(), 0);
    sample.link("d/e/three", "d/one");
    // Zeros, which take no room in an input.
    sample
        .items
        .insert(b"zeros".to_vec(), common::Item::File(vec![0; 70_000]));
    sample.symlink("link", "d/one");
    let bridge = Options {
        udf_symlinks: true,
        ..options()
    };
    let later = Options {
        format: Format::Udf,
        udf_revision: UdfRevision::V2_01,
        ..options()
    };
    let plain = image(&sample, &later);
    for (name, bytes) in [
        ("bridge", image(&sample, &bridge)),
        ("virtual-1.50", shapes::with_vat(&plain, false)),
        ("virtual-2.00", shapes::with_vat(&plain, true)),
        ("sparable", shapes::with_spared_packet(&plain)),
        ("metadata", shapes::with_metadata_partition(&plain)),
        (
            "loop",
            directories(&[vec![(0, 2048), (1, 2048)], vec![(2, 2048)], vec![(1, 2048)]]),
        ),
    ] {
        let input = pack(&bytes);
        assert!(play(&input) == bytes, "{name}");
        std::fs::write(corpus().join(name), input).unwrap();
    }
}

/// What the fuzzers found worth keeping, and where they begin.
#[test]
fn the_corpus_of_the_fuzzers_is_read_and_checked_without_panic() {
    let mut count = 0;
    for file in std::fs::read_dir(corpus()).unwrap() {
        let input = std::fs::read(file.unwrap().path()).unwrap();
        exercise(&play(&input));
        count += 1;
    }
    assert!(count >= 6, "{count} files");
}

#[test]
fn a_directory_that_ends_within_an_entry_is_an_error_and_ends() {
    const TOP_FILE_ENTRY: usize = 259 * BLOCK;
    let mut bytes = DISCS[0].0.clone();
    let cut = le32(&bytes, TOP_FILE_ENTRY + 56) - 30;
    put32(&mut bytes, TOP_FILE_ENTRY + 56, cut);
    seal_again(&mut bytes);
    let mut volume = Volume::open_view(InMemory::new(bytes), 0, View::Udf).unwrap();
    assert!(volume.lookup(b"d").is_ok());
    assert!(matches!(volume.lookup(b"none"), Err(DiscError::Malformed { .. })));
}

/// Allocation descriptors that go on in themselves, in a file and in a directory.
#[test]
fn allocation_descriptors_without_end_are_refused() {
    let sound = &DISCS[0].0;
    for file_type in [4, 5] {
        let mut bytes = sound.clone();
        let entries = descriptors(&bytes, 261).into_iter();
        for place in entries
            .filter(|&place| sound[place + 27] == file_type)
            .collect::<Vec<_>>()
        {
            let here = le32(&bytes, place + 12);
            put32(&mut bytes, place + 56, u32::MAX);
            put32(&mut bytes, place + 176, 0xC000_0800);
            put32(&mut bytes, place + 180, here + 1);
        }
        // What they lead to is made an allocation extent that leads to itself.
        let last = descriptors(&bytes, 261).into_iter().next_back().unwrap();
        bytes[last..last + 2].copy_from_slice(&[2, 1]);
        seal_again(&mut bytes);
        exercise(&bytes);
    }
}

fn cases() -> u32 {
    // `SPINDLE_SEEDS=A..B` runs so many more.
    let range = std::env::var("SPINDLE_SEEDS").ok();
    let bounds = range.as_deref().and_then(|range| range.split_once(".."));
    let count =
        bounds.and_then(|(from, to)| Some(to.parse::<u32>().ok()?.saturating_sub(from.parse().ok()?)));
    count.unwrap_or(1).max(1) * 60
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn damaged_discs_are_read_and_checked_without_panic(
        disc in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        kept in any::<prop::sample::Index>(),
        cut in proptest::bool::weighted(0.2),
    ) {
        let (bytes, occupied) = &DISCS[disc.index(DISCS.len())];
        let mut bytes = bytes.clone();
        for (at, value) in damage {
            // The zero bytes behind a field are as much a part of it.
            let at = occupied[at.index(occupied.len())];
            bytes[at] = value;
            if let Some(next) = bytes.get_mut(at + 1).filter(|next| **next == 0) {
                *next = value >> 3;
            }
        }
        if cut {
            bytes.truncate(kept.index(bytes.len()));
        }
        exercise(&bytes);
        seal_again(&mut bytes);
        exercise(&bytes);
    }

    #[test]
    fn blocks_in_the_wrong_place_are_read_and_checked_without_panic(
        disc in any::<prop::sample::Index>(),
        moves in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12),
    ) {
        let mut bytes = DISCS[disc.index(DISCS.len())].0.clone();
        let blocks = bytes.len() / BLOCK;
        for (from, to) in moves {
            let (from, to) = (from.index(blocks) * BLOCK, to.index(blocks) * BLOCK);
            bytes.copy_within(from..from + BLOCK, to);
        }
        exercise(&bytes);
    }
}

#[test]
fn noise_is_no_disc() {
    for seed in 0..20 {
        let mut bytes = noise(seed, 600 * BLOCK);
        exercise(&bytes);
        bytes[at(16)][..7].copy_from_slice(b"\x01CD001\x01");
        bytes[16 * BLOCK + 128..16 * BLOCK + 132].copy_from_slice(&[0, 8, 8, 0]);
        exercise(&bytes);
    }
}
