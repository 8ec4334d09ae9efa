//! Sessions appended to discs of ours and of others, read from the newest and from older ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod common;

use common::{BLOCK, ImageFile, Item, Memory, Sample, attributes, author, compare, directory_items, noise};
use common::{options, produce, run};
use discfs::{
    FRONT_BLOCKS, FileId, Image, Kind, Options, PlanError, Revision, Tree, View, Volume, WalkLimits,
    parse_digest_line,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

type Items = BTreeMap<Vec<u8>, Item>;

fn first_session() -> Sample {
    let mut sample = Sample::default();
    for number in 0..40 {
        sample.file(format!("many/file {number:02}"), number * 777);
    }
    sample.file("kept/deep/er/file.bin", 300_000);
    sample.file("kept/empty", 0);
    sample.file(["kept/", &"long".repeat(60)].concat(), 5);
    sample.file("old name.txt", 4000);
    sample.file("replaced", 10_000);
    sample.file("many-", 11);
    sample.file("many0", 12);
    sample.link("kept/link", "replaced");
    sample.link("kept/other link", "kept/deep/er/file.bin");
    sample
}

/// Puts a new file into a revision and into what is expected of it.
fn put(revision: &mut Revision, items: &mut Items, memory: &mut Memory, path: &str, length: usize) {
    let bytes = noise(path.len() as u64 * 31 + length as u64, length);
    let kind = Kind::File {
        size: length as u64,
        file: FileId(memory.files.len() as u64),
    };
    revision.put(path.as_bytes(), attributes(0o600), kind);
    memory.files.push(bytes.clone());
    items.insert(path.into(), Item::File(bytes));
}

fn import(disc: &Path, session: u32) -> Revision {
    let mut volume = Volume::open(ImageFile::open(disc), u64::from(session)).unwrap();
    let revision = Revision::import(&mut volume, WalkLimits::default()).unwrap();
    assert_eq!(revision.not_kept(), &[] as &[Vec<u8>]);
    revision
}

fn plan_at(tree: &Tree, start_block: u32) -> Image {
    let options = Options {
        start_block,
        ..options()
    };
    discfs::plan(tree, &options).unwrap()
}

/// Writes a session behind what is on the disc, after a gap as drives leave it; returns where it starts.
fn append(disc: &Path, revision: &Revision, memory: &mut Memory) -> u32 {
    let mut out = OpenOptions::new().write(true).open(disc).unwrap();
    let end = out.seek(SeekFrom::End(0)).unwrap().div_ceil(BLOCK as u64);
    let start_block = u32::try_from(end).unwrap().next_multiple_of(32) + 1024;
    let image = plan_at(&revision.tree().unwrap(), start_block);
    out.seek(SeekFrom::Start(u64::from(start_block) * BLOCK as u64))
        .unwrap();
    out.write_all(&produce(&image, memory, 32)).unwrap();
    start_block
}

fn is_read_by_ourselves(disc: &Path, session: u32, items: &Items) {
    for view in [View::RockRidge, View::Udf] {
        let mut volume = Volume::open_view(ImageFile::open(disc), u64::from(session), view).unwrap();
        let mut found = Items::new();
        let root = volume.root();
        let mut visit = |volume: &mut Volume<ImageFile>, path: &[u8], node: &discfs::Node| {
            let item = match node.kind {
                discfs::NodeKind::Directory => Item::Directory,
                discfs::NodeKind::File => {
                    let mut bytes = vec![0; usize::try_from(node.size).unwrap()];
                    assert_eq!(volume.read_file(node, 0, &mut bytes), Ok(bytes.len()));
                    Item::File(bytes)
                }
                _ => Item::Symlink(volume.link_target(node).unwrap()),
            };
            found.insert(path.to_vec(), item);
            true
        };
        volume.walk(&root, WalkLimits::default(), &mut visit).unwrap();
        let mut expected = items.clone();
        if view == View::Udf {
            expected.retain(|_, item| !matches!(item, Item::Symlink(_)));
        }
        compare(&expected, &found);
    }
}

fn is_read_by_xorriso(disc: &Path, session: u32, items: &Items) {
    let scratch = tempfile::tempdir().unwrap();
    let device = format!("stdio:{}", disc.display());
    let session = session.to_string();
    let arguments = [
        "-abort_on",
        "WARNING",
        "-load",
        "sbsector",
        &session,
        "-indev",
        &device,
        "-osirrox",
        "on",
        "-extract",
        "/",
        "tree",
    ];
    run("xorriso", &arguments.map(OsStr::new), scratch.path());
    compare(items, &directory_items(&scratch.path().join("tree")));
    run("chmod", &["-R", "u+rwX", "tree"].map(OsStr::new), scratch.path());
}

/// 7-Zip looks for anchors in few places: a copy of the disc gets the session's at block 256, as a drive that
/// shows the last session only would have it.
fn is_read_by_seven_zip_as_udf(disc: &Path, session: u32, items: &Items) {
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("copy.img");
    std::fs::copy(disc, &copy).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&copy).unwrap();
    let mut anchor = [0; BLOCK];
    file.read_exact_at(&mut anchor, (u64::from(session) + 256) * BLOCK as u64)
        .unwrap();
    anchor[12..16].copy_from_slice(&256_u32.to_le_bytes());
    anchor[4] = 0;
    anchor[4] = anchor[..16].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
    file.write_all_at(&anchor, 256 * BLOCK as u64).unwrap();
    run(
        "7z",
        &["x", "-y", "-tudf", "-oout", "copy.img"].map(OsStr::new),
        scratch.path(),
    );
    compare(items, &directory_items(&scratch.path().join("out")));
    run("chmod", &["-R", "u+rwX", "out"].map(OsStr::new), scratch.path());
}

#[test]
fn three_sessions_each_with_its_tree() {
    let scratch = tempfile::tempdir().unwrap();
    let sample = first_session();
    let disc = author(&sample, scratch.path());
    let first = sample.items.clone();

    let mut memory = Memory::default();
    let mut items = first.clone();
    let mut revision = import(&disc, 0);
    put(&mut revision, &mut items, &mut memory, "kept/added", 123_456);
    put(&mut revision, &mut items, &mut memory, "replaced", 20_000);
    assert_eq!(revision.remove(b"many"), 41);
    items.retain(|path, _| path != b"many" && !path.starts_with(b"many/"));
    assert!(revision.rename(b"old name.txt", b"kept/new name.txt"));
    let renamed = items.remove(&b"old name.txt"[..]).unwrap();
    items.insert(b"kept/new name.txt".to_vec(), renamed);
    assert!(!revision.rename(b"kept", b"kept/deep/inside"));
    assert!(!revision.rename(b"nothing", b"something"));
    let second = append(&disc, &revision, &mut memory);
    let second_items = items.clone();

    let mut memory = Memory::default();
    let mut revision = import(&disc, second);
    assert!(revision.rename(b"kept", b"moved"));
    items = items
        .into_iter()
        .map(|(path, item)| match path.strip_prefix(b"kept") {
            Some(rest) => ([b"moved", rest].concat(), item),
            None => (path, item),
        })
        .collect();
    put(&mut revision, &mut items, &mut memory, "moved/added", 99);
    let third = append(&disc, &revision, &mut memory);

    for (session, items) in [(0, &first), (second, &second_items), (third, &items)] {
        is_read_by_ourselves(&disc, session, items);
        is_read_by_xorriso(&disc, session, items);
        is_read_by_seven_zip_as_udf(&disc, session, items);
    }
    let mut volume = Volume::open(ImageFile::open(&disc), u64::from(third)).unwrap();
    let link = volume.lookup(b"moved/other link").unwrap();
    let file = volume.lookup(b"moved/deep/er/file.bin").unwrap();
    assert_eq!((link.links, link.identity), (2, file.identity));
    // The list of the newest session names what older ones recorded, with the digests of then.
    let list = volume.lookup(discfs::DIGESTS_PATH).unwrap();
    let mut text = vec![0; usize::try_from(list.size).unwrap()];
    volume.read_file(&list, 0, &mut text).unwrap();
    let lines: Vec<_> = text
        .split(|&byte| byte == b'\n')
        .filter_map(parse_digest_line)
        .collect();
    let files = items.values().filter(|item| matches!(item, Item::File(_)));
    assert_eq!(lines.len(), files.count() + 1); // and the catalog's
    let digest = |path: &[u8]| {
        lines
            .iter()
            .find(|line| line.path == path)
            .map(|line| line.digest)
    };
    let copied = digest(b"moved/deep/er/file.bin");
    assert!(copied.is_some() && copied == digest(b"moved/other link"));
}

/// A rewritable disc, or an image file: readers that know no sessions see the newest.
#[test]
fn the_front_shows_the_newest_session() {
    let scratch = tempfile::tempdir().unwrap();
    let disc = scratch.path().join("disc.img");
    let mut sample = first_session();
    // libarchive takes no continuation area, and so no long name, behind the data of its file.
    sample
        .items
        .remove(["kept/", &"long".repeat(60)].concat().as_bytes());
    let (tree, mut memory) = sample.tree();
    let mut start_block = FRONT_BLOCKS.next_multiple_of(32);
    let mut sessions = vec![(start_block, sample.items.clone())];
    let mut image = plan_at(&tree, start_block);
    for round in 0..2 {
        let bytes = produce(&image, &mut memory, 32);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&disc)
            .unwrap();
        let at = |block: u32| u64::from(block) * BLOCK as u64;
        file.write_all_at(&bytes, at(start_block)).unwrap();
        for (block, bytes) in image.front() {
            assert!(block < FRONT_BLOCKS);
            file.write_all_at(&bytes, at(block)).unwrap();
        }
        let items = &sessions[round].1;
        is_read_by_ourselves(&disc, 0, items);
        let out = tempfile::tempdir().unwrap();
        run("bsdtar", &["-xf".as_ref(), disc.as_ref()], out.path());
        compare(items, &directory_items(out.path()));
        run("chmod", &["-R", "u+rwX", "."].map(OsStr::new), out.path());
        let out = tempfile::tempdir().unwrap();
        run(
            "7z",
            &["x".as_ref(), "-y".as_ref(), "-tudf".as_ref(), disc.as_ref()],
            out.path(),
        );
        compare(items, &directory_items(out.path()));
        run("chmod", &["-R", "u+rwX", "."].map(OsStr::new), out.path());
        let text = run("udfinfo", &[disc.as_ref()], scratch.path());
        assert!(!text.contains("Warning") && !text.contains("Error"), "{text}");

        let mut items = items.clone();
        let mut revision = import(&disc, 0);
        memory = Memory::default();
        put(
            &mut revision,
            &mut items,
            &mut memory,
            &format!("added {round}"),
            3000,
        );
        start_block += u32::try_from(image.blocks()).unwrap();
        image = plan_at(&revision.tree().unwrap(), start_block);
        sessions.push((start_block, items));
    }
    for (session, items) in &sessions[..2] {
        is_read_by_ourselves(&disc, *session, items);
        is_read_by_xorriso(&disc, *session, items);
    }
}

#[test]
fn a_session_appended_to_discs_of_others() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("sub/empty directory")).unwrap();
    for (name, length) in [
        ("sub/a file.bin", 70_000),
        ("twin", 2048),
        ("other twin", 2048),
        ("none", 0),
    ] {
        std::fs::write(tree.join(name), noise(length as u64, length)).unwrap();
    }
    std::os::unix::fs::symlink("../twin", tree.join("sub/link")).unwrap();
    let first = directory_items(&tree);
    let programs: [(&str, &[&str]); 2] = [
        (
            "xorriso",
            &[
                "-as",
                "mkisofs",
                "-R",
                "-J",
                "-quiet",
                "-o",
                "xorriso.img",
                "tree",
            ],
        ),
        (
            "genisoimage",
            &["-R", "-J", "-udf", "-quiet", "-o", "genisoimage.img", "tree"],
        ),
    ];
    for (program, arguments) in programs {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        run(program, &arguments, scratch.path());
        let disc: PathBuf = scratch.path().join(format!("{program}.img"));
        let mut memory = Memory::default();
        let mut items = first.clone();
        let mut revision = import(&disc, 0);
        put(&mut revision, &mut items, &mut memory, "sub/added", 5000);
        let second = append(&disc, &revision, &mut memory);
        is_read_by_ourselves(&disc, second, &items);
        is_read_by_xorriso(&disc, second, &items);
    }
}

#[test]
fn what_was_not_recorded_before_is_refused() {
    let mut tree = Tree::new(attributes(0o755));
    let extents = [discfs::DiscExtent {
        block: 100,
        bytes: 4096,
    }];
    let kind = Kind::Recorded {
        file: FileId(0),
        extents: &extents,
        digest: None,
        crc32c: None,
    };
    tree.add(Tree::ROOT, b"f", attributes(0o644), kind).unwrap();
    let planned = |start_block| {
        let options = Options {
            start_block,
            ..options()
        };
        discfs::plan(&tree, &options).map(|_| ())
    };
    assert_eq!(planned(101), Err(PlanError::NotRecorded("f".into())));
    assert_eq!(planned(102), Ok(()));
}
