//! Discs by foreign programs are listed, read and checked.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::fs;
use std::os::fd::AsFd;

use common::{Asker, BLOCK, bridge, digest_list, large, rock_ridge, start, tree, udf};
use discfs::{Attributes, Content, ContentError, FileId, Kind, Options, Time, Tree, plan};
use proptest::prelude::*;
use seam::reader::{FromReader, ToReader};
use sha2::{Digest, Sha256};
use wire::EntryKind;

fn sample(listed: bool) -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    tree(top.path());
    if listed {
        digest_list(top.path());
    }
    top
}

/// Where the bytes of a file lie in an image.
fn place(image: &[u8], bytes: &[u8]) -> usize {
    (0..image.len())
        .step_by(BLOCK)
        .find(|at| image[*at..].starts_with(bytes))
        .unwrap()
}

#[test]
fn a_disc_is_listed_with_all_its_attributes() {
    let top = sample(false);
    for (image, label) in [
        (rock_ridge(top.path()), "FOREIGN"),
        (bridge(top.path()), "BRIDGE"),
    ] {
        let asker = start(image, &[]);
        assert_eq!(
            asker.look(),
            FromReader::Opened {
                label: label.into(),
                view: "Rock Ridge".into()
            }
        );
        let all = asker.list(b"", u32::MAX).unwrap();
        let names: Vec<&[u8]> = all.keys().map(Vec::as_slice).collect();
        assert_eq!(
            names,
            [
                b"again" as &[u8],
                b"back\\slash",
                b"deep",
                "deep/Größe 😀".as_bytes(),
                b"deep/er",
                b"deep/er/small",
                b"deep/link",
                b"empty",
                b"large",
            ]
        );
        let link = &all[&b"deep/link"[..]];
        assert_eq!(
            (link.kind, link.target.as_bytes()),
            (EntryKind::Symlink.number(), &b"../nowhere"[..])
        );
        let empty = &all[&b"empty"[..]];
        assert_eq!(
            (empty.kind, empty.size, empty.mode),
            (EntryKind::File.number(), 0, 0o640)
        );
        assert_eq!(all[&b"large"[..]].size, large().len() as u64);
        assert_eq!(all[&b"deep"[..]].kind, EntryKind::Directory.number());
        let modified = fs::metadata(top.path().join("large"))
            .unwrap()
            .modified()
            .unwrap();
        let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(all[&b"large"[..]].mtime.seconds, i64::try_from(seconds).unwrap());
        asker.end();
    }
}

#[test]
fn a_disc_without_rock_ridge_is_read_through_udf() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join("A name of mixed case, longer than 8+3"), large()).unwrap();
    let asker = start(udf(top.path()), &[]);
    assert!(matches!(asker.look(), FromReader::Opened { view, .. } if view == "UDF"));
    assert_eq!(
        asker.get(b"A name of mixed case, longer than 8+3", 0, u64::MAX).0,
        large()
    );
    asker.end();
}

/// Bytes of the files of a disc of ours: file n has n times the byte n.
struct Bytes;

impl Content for Bytes {
    fn read(&mut self, file: FileId, _: u64, buf: &mut [u8]) -> Result<(), ContentError> {
        buf.fill(u8::try_from(file.0).unwrap());
        Ok(())
    }

    fn digest(&mut self, file: FileId) -> Option<[u8; 32]> {
        let count = usize::try_from(file.0).unwrap();
        Some(Sha256::digest(vec![u8::try_from(count).unwrap(); count]).into())
    }
}

#[test]
fn a_disc_of_ours_checks_well_and_knows_its_digests() {
    let attributes = Attributes {
        mode: 0o644,
        uid: 1,
        gid: 2,
        mtime: Time::default(),
    };
    let mut tree = Tree::new(attributes);
    let files = [(&b"one"[..], 200), (b"back\\slash", 7), ("Größe".as_bytes(), 100)];
    for (name, size) in files {
        let (size, file) = (size, FileId(size));
        tree.add(Tree::ROOT, name, attributes, Kind::File { size, file })
            .unwrap();
    }
    let image = plan(&tree, &Options::default()).unwrap();
    let mut bytes = vec![0; usize::try_from(image.blocks()).unwrap() * BLOCK];
    image.read(0, &mut bytes, &mut Bytes).unwrap();
    let asker = Asker::open(bytes);
    for (name, size) in files {
        let digest = Bytes.digest(FileId(size)).unwrap();
        let (got, end) = asker.get(name, 0, u64::MAX);
        assert_eq!((got.len() as u64, end), (size, FromReader::FileEnd(Some(digest))));
    }
    // The disc's own catalog is in its list, too.
    let (files, bytes, findings) = asker.check();
    assert_eq!((files, findings), (4, vec![]));
    assert!(bytes > 307);
    asker.end();
}

#[test]
fn a_list_goes_as_deep_as_asked() {
    let top = sample(false);
    let asker = Asker::open(rock_ridge(top.path()));
    let count = |path: &[u8], depth| asker.list(path, depth).unwrap().len();
    assert_eq!(count(b"", 0), 0);
    assert_eq!(count(b"", 1), 5);
    assert_eq!(count(b"deep", 0), 1);
    assert_eq!(count(b"deep", 1), 4);
    assert_eq!(count(b"deep", 2), 5);
    assert_eq!(count(b"deep/er/small", 9), 1);
    assert!(matches!(
        asker.list(b"deep/er/none", 1),
        Err(FromReader::Failed { not_found: true, .. })
    ));
    asker.end();
}

#[test]
fn a_list_of_many_entries_comes_in_batches() {
    let top = tempfile::tempdir().unwrap();
    for number in 0..3000 {
        fs::write(
            top.path()
                .join(format!("a rather long name for the file number {number}")),
            b"",
        )
        .unwrap();
    }
    let asker = Asker::open(rock_ridge(top.path()));
    assert_eq!(asker.list(b"", u32::MAX).unwrap().len(), 3000);
    asker.end();
}

#[test]
fn files_come_back_with_the_digest_of_the_discs_list() {
    let top = sample(true);
    let asker = Asker::open(rock_ridge(top.path()));
    for (path, bytes) in [
        (&b"large"[..], large()),
        (b"back\\slash", b"escaped".to_vec()),
        (b"empty", vec![]),
        (b"again", b"small".to_vec()),
    ] {
        let digest = Sha256::digest(&bytes).into();
        assert_eq!(
            asker.get(path, 0, u64::MAX),
            (bytes, FromReader::FileEnd(Some(digest)))
        );
    }
    let (list, end) = asker.get(b".spindle/SHA256SUMS", 0, u64::MAX);
    assert_eq!(list, fs::read(top.path().join(".spindle/SHA256SUMS")).unwrap());
    assert_eq!(end, FromReader::FileEnd(None));
    asker.end();
}

#[test]
fn a_part_of_a_file_is_exactly_that() {
    let top = sample(false);
    let asker = Asker::open(rock_ridge(top.path()));
    let bytes = large();
    let end = bytes.len() as u64;
    for (offset, length) in [
        (0, 1),
        (2047, 2),
        (100_001, 200_003),
        (end - 1, 9),
        (end, 1),
        (u64::MAX, u64::MAX),
    ] {
        let from = usize::try_from(offset.min(end)).unwrap();
        let to = usize::try_from(offset.saturating_add(length).min(end)).unwrap();
        assert_eq!(asker.get(b"large", offset, length).0, bytes[from..to.max(from)]);
    }
    asker.end();
}

#[test]
fn what_is_no_file_is_not_read() {
    let top = sample(false);
    let asker = Asker::open(rock_ridge(top.path()));
    for (path, missing) in [
        (&b"deep"[..], false),
        (b"deep/link", false),
        (b"", false),
        (b"none", true),
    ] {
        let (bytes, answer) = asker.get(path, 0, 1);
        assert!(bytes.is_empty());
        assert!(
            matches!(answer, FromReader::Failed { not_found, .. } if not_found == missing),
            "{answer:?}"
        );
    }
    asker.end();
}

#[test]
fn a_receiver_that_goes_away_harms_nothing() {
    let top = sample(false);
    let asker = Asker::open(rock_ridge(top.path()));
    let (out, into) = rustix::pipe::pipe().unwrap();
    let get = ToReader::Get {
        path: b"large".into(),
        offset: 0,
        length: u64::MAX,
    };
    drop(out);
    asker.requests.send(&get, &[into.as_fd()]).unwrap();
    drop(into);
    assert!(matches!(asker.answer(), FromReader::File { .. }));
    assert!(matches!(asker.answer(), FromReader::Failed { .. }));
    assert_eq!(asker.get(b"again", 0, 9).0, b"small");
    asker.end();
}

#[test]
fn a_bad_block_takes_no_other_with_it() {
    let top = sample(false);
    let image = rock_ridge(top.path());
    let bytes = large();
    let first = place(&image, &bytes[..BLOCK]);
    let asker = start(image, &[(first / BLOCK) as u64 + 40]);
    assert!(matches!(asker.look(), FromReader::Opened { .. }));
    let bad = 40 * BLOCK as u64;
    for offset in [bad - BLOCK as u64, bad + BLOCK as u64] {
        let from = usize::try_from(offset).unwrap();
        assert_eq!(
            asker.get(b"large", offset, BLOCK as u64).0,
            bytes[from..from + BLOCK]
        );
    }
    let (_, end) = asker.get(b"large", 0, u64::MAX);
    assert!(matches!(end, FromReader::Failed { reason, .. } if reason.contains("medium error")));
    asker.end();
}

#[test]
fn a_check_of_a_good_disc_finds_nothing() {
    let top = sample(true);
    let asker = Asker::open(rock_ridge(top.path()));
    let bytes = large().len() as u64 + 5 + 5 + 4 + 7;
    assert_eq!(asker.check(), (6, bytes, vec![]));
    asker.end();
}

#[test]
fn a_check_finds_what_changed_is_missing_or_was_not_listed() {
    let top = sample(true);
    fs::remove_file(top.path().join("empty")).unwrap();
    fs::write(top.path().join("deep/new"), b"new").unwrap();
    let list = top.path().join(".spindle/SHA256SUMS");
    let mut lines = fs::read(&list).unwrap();
    lines.extend_from_slice(b"this is no digest\n");
    lines.extend_from_slice("\u{1b}[2Jx".repeat(20_000).as_bytes()); // far too long, and without an end
    fs::write(&list, lines).unwrap();
    let mut image = rock_ridge(top.path());
    let first = place(&image, &large()[..BLOCK]);
    image[first + 300_000] ^= 1;
    let asker = Asker::open(image);
    let (files, _, findings) = asker.check();
    assert_eq!(files, 4);
    assert_eq!(findings.len(), 5, "{findings:?}");
    for finding in [
        "large: its SHA-256 differs from the list's",
        "empty: it is missing",
        "deep/new: the list of digests does not have it",
        ".spindle/SHA256SUMS: no digest at byte",
    ] {
        assert!(
            findings.iter().any(|found| found.starts_with(finding)),
            "{finding}: {findings:?}"
        );
    }
    asker.end();
}

#[test]
fn a_check_of_a_disc_full_of_faults_tells_a_hundred() {
    let top = tempfile::tempdir().unwrap();
    for number in 0..150 {
        fs::write(top.path().join(format!("{number}")), b"x").unwrap();
    }
    fs::create_dir(top.path().join(".spindle")).unwrap();
    fs::write(top.path().join(".spindle/SHA256SUMS"), b"").unwrap();
    let asker = Asker::open(rock_ridge(top.path()));
    let (files, bytes, findings) = asker.check();
    assert_eq!((files, bytes, findings.len()), (0, 0, 100));
    assert_eq!(findings.last().unwrap(), "and 51 more");
    asker.end();
}

#[test]
fn a_disc_without_digests_says_so() {
    let top = sample(false);
    let asker = Asker::open(rock_ridge(top.path()));
    assert_eq!(asker.ask(&ToReader::Check), FromReader::NoDigests);
    asker.end();
}

#[test]
fn what_is_no_disc_is_a_failure_and_so_is_asking_before_opening() {
    for image in [vec![], vec![0; 100 * BLOCK], large()] {
        let asker = start(image, &[]);
        assert!(matches!(asker.ask(&ToReader::Check), FromReader::Failed { .. }));
        assert!(matches!(asker.look(), FromReader::Failed { .. }));
        asker.end();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Bytes are changed where directories and descriptors are: whatever comes of it, the reader answers.
    #[test]
    fn a_garbled_disc_ends_no_reader(changes in proptest::collection::vec((0_usize..90 * BLOCK, any::<u8>()), 1..60)) {
        static IMAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut image = IMAGE.get_or_init(|| rock_ridge(sample(true).path())).clone();
        for (at, byte) in changes {
            let at = 16 * BLOCK + at;
            if let Some(place) = image.get_mut(at) {
                *place = byte;
            }
        }
        let asker = start(image, &[]);
        if let FromReader::Opened { .. } = asker.look() {
            for path in asker.list(b"", u32::MAX).unwrap_or_default().into_keys() {
                asker.get(&path, 0, 100_000);
            }
            asker.requests.send(&ToReader::Check, &[]).unwrap();
            while let FromReader::CheckProgress { .. } = asker.answer() {}
        }
        asker.end();
    }
}
