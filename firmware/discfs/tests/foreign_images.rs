//! Images nobody here wrote, and damaged ones, in our reader.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod common;

use common::{BLOCK, ImageFile, Item, Memory, Sample, directory_items, options, produce, run};
use discfs::{BlockSource, DiscError, Node, NodeKind, SourceError, View, Volume, WalkLimits, plan};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A directory on disk for other programs to make images of.
fn source_directory(scratch: &Path) -> PathBuf {
    let source = scratch.join("source");
    let write = |path: &str, bytes: &[u8]| {
        let path = source.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for length in [0, 1, 2048, 2049, 300_000] {
        write(&format!("sizes/{length}"), &common::noise(length as u64, length));
    }
    for number in 0..500 {
        write(
            &format!("many/a file with number {number:04}.txt"),
            &common::noise(number, 100),
        );
    }
    write("names/Größe 漢字.txt", b"not ASCII");
    write(&format!("names/{}", "n".repeat(200)), b"long");
    write("1/2/3/4/5/6/7/8/9/10/11/12/deep", b"deep");
    std::fs::create_dir(source.join("empty")).unwrap();
    for (name, target) in [
        ("up", "../sizes/1"),
        ("absolute", "/etc/passwd"),
        ("dangling", "./none"),
    ] {
        std::os::unix::fs::symlink(target, source.join("names").join(name)).unwrap();
    }
    let long = "a/".repeat(200) + &"b".repeat(250);
    std::os::unix::fs::symlink(long, source.join("names/long link")).unwrap();
    std::fs::hard_link(source.join("sizes/2049"), source.join("names/hard link")).unwrap();
    source
}

fn read_all<S: BlockSource>(volume: &mut Volume<S>) -> BTreeMap<Vec<u8>, Item> {
    let mut items = BTreeMap::new();
    let root = volume.root();
    let mut visit = |volume: &mut Volume<S>, path: &[u8], node: &Node| {
        let item = match node.kind {
            NodeKind::Directory => Item::Directory,
            NodeKind::Symlink => Item::Symlink(volume.link_target(node).unwrap()),
            _ => {
                let mut bytes = vec![0; usize::try_from(node.size).unwrap()];
                assert_eq!(volume.read_file(node, 0, &mut bytes), Ok(bytes.len()));
                Item::File(bytes)
            }
        };
        items.insert(path.to_vec(), item);
        true
    };
    volume.walk(&root, WalkLimits::default(), &mut visit).unwrap();
    items
}

fn assert_same(expected: &BTreeMap<Vec<u8>, Item>, found: &BTreeMap<Vec<u8>, Item>) {
    for path in expected.keys().chain(found.keys()) {
        assert!(
            expected.get(path) == found.get(path),
            "{} differs",
            OsStr::from_bytes(path).display()
        );
    }
}

/// Makes an image of the source directory with a program and its arguments, `OUT` and `IN` filled in.
fn foreign(scratch: &Path, program: &str, arguments: &str) -> (PathBuf, BTreeMap<Vec<u8>, Item>) {
    let source = source_directory(scratch);
    if program == "genisoimage" {
        // It never ends over a link target that needs a continuation area.
        std::fs::remove_file(source.join("names/long link")).unwrap();
    }
    let image = scratch.join("foreign.img");
    let arguments = arguments.split(' ').map(|argument| match argument {
        "OUT" => image.as_os_str(),
        "IN" => source.as_os_str(),
        other => OsStr::new(other),
    });
    run(program, &arguments.collect::<Vec<_>>(), scratch);
    (image.clone(), directory_items(&source))
}

#[test]
fn xorriso_rock_ridge() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, expected) = foreign(
        scratch.path(),
        "xorriso",
        "-as mkisofs -quiet -R -J -V LABEL -o OUT IN",
    );
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!((volume.view(), volume.label()), (View::RockRidge, "LABEL"));
    assert_same(&expected, &read_all(&mut volume));
}

#[test]
fn genisoimage_with_relocated_directories() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, expected) = foreign(
        scratch.path(),
        "genisoimage",
        "-quiet -R -hide-rr-moved -udf -V LABEL -o OUT IN",
    );
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!(volume.view(), View::RockRidge);
    let mut found = read_all(&mut volume);
    found.retain(|path, _| !path.starts_with(b".rr_moved"));
    assert_same(&expected, &found);
}

#[test]
fn genisoimage_udf() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, mut expected) = foreign(
        scratch.path(),
        "genisoimage",
        "-quiet -R -D -udf -V LABEL -o OUT IN",
    );
    let mut volume = Volume::open_view(ImageFile::open(&image), 0, View::Udf).unwrap();
    assert_eq!(volume.label(), "LABEL");
    // genisoimage writes no symbolic links to UDF.
    expected.retain(|_, item| !matches!(item, Item::Symlink(_)));
    let mut found = read_all(&mut volume);
    found.retain(|path, _| expected.contains_key(path) || !path.starts_with(b"names/"));
    assert_same(&expected, &found);
}

#[test]
fn plain_iso_9660_in_capitals() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, expected) = foreign(
        scratch.path(),
        "genisoimage",
        "-quiet -D -f -iso-level 3 -m names -o OUT IN",
    );
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!(volume.view(), View::Iso9660);
    let found = read_all(&mut volume);
    assert!(found[&b"SIZES/300000"[..]] == expected[&b"sizes/300000"[..]]);
}

#[test]
fn mkudffs_empty_volumes_of_each_revision() {
    for revision in ["1.02", "1.50", "2.00", "2.01"] {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("empty.img");
        let arguments = format!("--media-type=dvdram --udfrev={revision} --label=Größe --new-file");
        let mut arguments: Vec<&OsStr> = arguments.split(' ').map(OsStr::new).collect();
        arguments.extend([image.as_os_str(), OsStr::new("4096")]);
        run("mkudffs", &arguments, scratch.path());
        let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
        assert_eq!(
            (volume.view(), volume.label()),
            (View::Udf, "Größe"),
            "revision {revision}"
        );
        let found = read_all(&mut volume);
        assert!(
            found.keys().all(|path| path == b"lost+found"),
            "revision {revision}: {:?}",
            found.keys()
        );
    }
}

#[test]
fn what_cannot_be_read_yet_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    for media in ["cdrw", "cdr"] {
        let image = scratch.path().join(media);
        let media = format!("--media-type={media}");
        let arguments = [
            OsStr::new(&media),
            "--new-file".as_ref(),
            image.as_os_str(),
            "8192".as_ref(),
        ];
        run("mkudffs", &arguments, scratch.path());
        let error = Volume::open(ImageFile::open(&image), 0).err();
        assert!(
            matches!(error, Some(DiscError::Unsupported(_))),
            "{media}: {error:?}"
        );
    }
}

/// A disc in memory.
struct InMemory(Vec<u8>);

impl BlockSource for InMemory {
    fn blocks(&self) -> u64 {
        (self.0.len() / BLOCK) as u64
    }

    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let start = usize::try_from(block).unwrap() * BLOCK;
        let bytes = self
            .0
            .get(start..start + buf.len())
            .expect("never asked for blocks past the end");
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// Reads whatever can be read; ends, and does not panic.
fn exercise(bytes: &[u8]) {
    for view in [View::RockRidge, View::Udf, View::Iso9660] {
        let Ok(mut volume) = Volume::open_view(InMemory(bytes.to_vec()), 0, view) else {
            continue;
        };
        let root = volume.root();
        let limits = WalkLimits {
            depth: 64,
            entries: 5000,
        };
        let _ = volume.walk(&root, limits, &mut |volume, _, node| {
            let mut buffer = [0; 3 * BLOCK + 5];
            for offset in [0, 1, node.size / 2, node.size, u64::MAX] {
                let _ = volume.read_file(node, offset, &mut buffer);
            }
            let _ = volume.link_target(node);
            true
        });
        let _ = volume.lookup(b"d/e/f");
    }
}

fn small_image() -> Vec<u8> {
    let mut sample = Sample::default();
    for number in 0..30 {
        sample.file(format!("d/file {number}"), number * 200);
    }
    sample.file(["d/", &"l".repeat(250)].concat(), 5);
    sample.file("d/e/f", 5000);
    sample.symlink("d/link", "e/f");
    let (tree, mut memory): (_, Memory) = sample.tree();
    let image = plan(
        &tree,
        &discfs::Options {
            udf_symlinks: true,
            ..options()
        },
    )
    .unwrap();
    produce(&image, &mut memory, 32)
}

/// Makes the tags of UDF descriptors true again, so that damage behind them is looked at: descriptors of
/// whole blocks, and the file identifiers in a row at the start of a block.
fn seal_again(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut rest = block;
        while rest.len() >= 38 && matches!(u16::from_le_bytes([rest[0], rest[1]]), 1..=9 | 256..=266) {
            let identifier = rest[..2] == [1, 1];
            let length = usize::from(u16::from_le_bytes([rest[10], rest[11]])).min(rest.len() - 16);
            let crc = rest[16..16 + length].iter().fold(0_u16, |crc, &byte| {
                (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
                    if crc & 0x8000 == 0 {
                        crc << 1
                    } else {
                        (crc << 1) ^ 0x1021
                    }
                })
            });
            rest[8..10].copy_from_slice(&crc.to_le_bytes());
            let sum = (0..16)
                .filter(|&at| at != 4)
                .fold(0_u8, |sum, at| sum.wrapping_add(rest[at]));
            rest[4] = sum;
            rest = if identifier {
                &mut rest[16 + length..]
            } else {
                &mut []
            };
        }
    }
}

#[test]
fn a_directory_that_ends_within_an_entry_is_an_error_and_ends() {
    const TOP_FILE_ENTRY: usize = 259 * BLOCK;
    let mut bytes = small_image();
    let length = &mut bytes[TOP_FILE_ENTRY + 56..TOP_FILE_ENTRY + 64];
    let cut = u64::from_le_bytes(length.try_into().unwrap()) - 30;
    length.copy_from_slice(&cut.to_le_bytes());
    seal_again(&mut bytes);
    let mut volume = Volume::open_view(InMemory(bytes), 0, View::Udf).unwrap();
    assert!(volume.lookup(b"d").is_ok());
    assert!(matches!(volume.lookup(b"none"), Err(DiscError::Malformed { .. })));
}

/// Places of structures, where damage is worth something: everything but zeros.
fn occupied(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&at| bytes[at] != 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_discs_are_read_without_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        kept in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        static IMAGE: std::sync::LazyLock<(Vec<u8>, Vec<usize>)> = std::sync::LazyLock::new(|| {
            let bytes = small_image();
            let occupied = occupied(&bytes);
            (bytes, occupied)
        });
        let (bytes, occupied) = &*IMAGE;
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
    fn blocks_in_the_wrong_place_are_read_without_panic(
        moves in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12),
    ) {
        let mut bytes = small_image();
        let blocks = bytes.len() / BLOCK;
        for (from, to) in moves {
            let (from, to) = (from.index(blocks) * BLOCK, to.index(blocks) * BLOCK);
            bytes.copy_within(from..from + BLOCK, to);
        }
        exercise(&bytes);
    }
}
