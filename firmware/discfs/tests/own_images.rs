//! Images as values: the same bytes however they are produced, and our reader's view of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod common;

use common::{BLOCK, ImageFile, Item, Memory, Sample, attributes, author, directory_items, options, produce};
use discfs::{
    FileId, Format, Kind, NodeKind, Options, Pass, PassError, PlanError, ReadError, Tree, TreeError,
};
use discfs::{UdfRevision, View, Volume, WalkLimits, parse_digest_line, plan};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sample() -> Sample {
    let mut sample = Sample::default();
    for number in 0..200 {
        sample.file(
            format!("many/a rather long name that is cut short {number:03}"),
            number * 37,
        );
    }
    sample.file([b"raw/", &[0xE9; 3][..]].concat(), 4000);
    sample.file("raw/ééé", 4001);
    sample.file(["raw/", &"y".repeat(255)].concat(), 1);
    sample.file(["raw/", &"y".repeat(254), "z"].concat(), 2);
    sample.file("raw/line\nfeed\\", 3);
    sample.file("big", 3_000_000);
    sample.file("empty", 0);
    sample.directory("none/here");
    sample.symlink("raw/link", "../big");
    sample.symlink("raw/long link", "/".to_owned() + &"part/".repeat(100) + "end");
    for number in 0..5 {
        sample.link(format!("none/link {number}"), "big");
    }
    sample.file(
        (0..60).map(|level| format!("{level}/")).collect::<String>() + "deep",
        9,
    );
    sample
}

/// Paths by the identity of what they name.
type Names = BTreeMap<u64, Vec<Vec<u8>>>;

/// What our reader shows of an image, and which paths are the same file.
fn items_of(volume: &mut Volume<ImageFile>) -> (BTreeMap<Vec<u8>, Item>, Names) {
    let mut items = BTreeMap::new();
    let mut names = Names::new();
    let root = volume.root();
    let mut visit = |volume: &mut Volume<ImageFile>, path: &[u8], node: &discfs::Node| {
        let item = match node.kind {
            NodeKind::Directory => Item::Directory,
            NodeKind::Symlink => Item::Symlink(volume.link_target(node).unwrap()),
            NodeKind::File => {
                let mut bytes = vec![0; usize::try_from(node.size).unwrap() + 1];
                let count = volume.read_file(node, 0, &mut bytes).unwrap();
                bytes.truncate(count);
                assert_eq!(count as u64, node.size);
                Item::File(bytes)
            }
            NodeKind::Special => panic!("{} is special", path.escape_ascii()),
        };
        names.entry(node.identity).or_default().push(path.to_vec());
        assert!(
            items.insert(path.to_vec(), item).is_none(),
            "{} comes twice",
            path.escape_ascii()
        );
        true
    };
    volume.walk(&root, WalkLimits::default(), &mut visit).unwrap();
    (items, names)
}

fn without_our_own(mut items: BTreeMap<Vec<u8>, Item>) -> BTreeMap<Vec<u8>, Item> {
    items.retain(|path, _| !path.starts_with(b".spindle"));
    items
}

#[test]
fn rock_ridge_shows_everything_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let sample = sample();
    let image = author(&sample, scratch.path());
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!((volume.view(), volume.label()), (View::RockRidge, "SPINDLE_TEST"));
    assert_eq!(volume.time().seconds, options().time);
    let (items, names) = items_of(&mut volume);
    common::compare(&sample.items, &items);
    assert!(
        names
            .values()
            .any(|names| names.len() == 6 && names.contains(&b"big".to_vec()))
    );
    let big = volume.lookup(b"none/link 3").unwrap();
    assert_eq!(
        (big.links, big.attributes.mode, big.attributes.uid),
        (6, 0o640, 1000)
    );
    assert_eq!(big.attributes.mtime.seconds, common::MTIME);
    let root = volume.root();
    assert_eq!((root.attributes.mode, root.links), (0o755, 2 + 5));
    assert!(matches!(
        volume.lookup(b"none/such"),
        Err(discfs::DiscError::NotFound(_))
    ));
}

#[test]
fn udf_shows_everything_under_legal_names() {
    let scratch = tempfile::tempdir().unwrap();
    let sample = sample();
    let (tree, mut memory) = sample.tree();
    let image = plan(
        &tree,
        &Options {
            udf_symlinks: true,
            ..options()
        },
    )
    .unwrap();
    let path = scratch.path().join("disc.img");
    std::fs::write(&path, produce(&image, &mut memory, 7)).unwrap();
    let mut volume = Volume::open_view(ImageFile::open(&path), 0, View::Udf).unwrap();
    assert_eq!(volume.label(), "Spindle Test");
    let (items, names) = items_of(&mut volume);
    let mut expected = sample.items.clone();
    // The name that is not UTF-8 is taken as Latin-1, which another file is called already; names longer than
    // 254 characters are cut, and the second of them is numbered.
    for (from, to) in [
        (b"raw/\xE9\xE9\xE9".to_vec(), "raw/ééé#2".to_owned()),
        (
            ["raw/", &"y".repeat(255)].concat().into_bytes(),
            ["raw/", &"y".repeat(254)].concat(),
        ),
        (
            ["raw/", &"y".repeat(254), "z"].concat().into_bytes(),
            ["raw/", &"y".repeat(252), "#1"].concat(),
        ),
    ] {
        let item = expected.remove(&from).unwrap();
        expected.insert(to.into_bytes(), item);
    }
    common::compare(&expected, &items);
    assert!(
        names
            .values()
            .any(|names| names.len() == 6 && names.contains(&b"big".to_vec()))
    );
    let big = volume.lookup(b"none/link 3").unwrap();
    assert_eq!(
        (big.links, big.attributes.mode, big.attributes.gid),
        (6, 0o640, 100)
    );
    assert_eq!(big.attributes.mtime.nanoseconds, 987_654_000);
    assert_eq!(volume.root().links, 1 + 5);
}

#[test]
fn plain_iso_9660_shows_every_file_once() {
    let scratch = tempfile::tempdir().unwrap();
    let sample = sample();
    let image = author(&sample, scratch.path());
    let mut volume = Volume::open_view(ImageFile::open(&image), 0, View::Iso9660).unwrap();
    let (items, _) = items_of(&mut volume);
    assert_eq!(items.len(), sample.items.len() + 3); // .spindle and two files
    for path in items.keys() {
        for name in path.split(|&byte| byte == b'/') {
            assert!(name.len() <= 31, "{}", name.escape_ascii());
            assert!(
                name.iter()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_.".contains(b))
            );
        }
    }
    let mut source = ImageFile::open(&image);
    assert_eq!(
        Volume::views(&mut source, 0),
        [View::RockRidge, View::Udf, View::Joliet, View::Iso9660]
    );
}

#[test]
fn any_range_is_the_same_bytes() {
    let (tree, mut memory) = sample().tree();
    for (format, joliet, udf_revision) in [
        (Format::Bridge, true, UdfRevision::V1_02),
        (Format::Bridge, false, UdfRevision::V2_01),
        (Format::Iso, true, UdfRevision::V1_02),
        (Format::Udf, false, UdfRevision::V2_01),
    ] {
        let options = Options {
            format,
            joliet,
            udf_revision,
            ..options()
        };
        let image = plan(&tree, &options).unwrap();
        memory.known.clear();
        let whole = produce(&image, &mut memory, 64);
        assert_eq!(whole, produce(&image, &mut memory, 1), "buffers of one block");
        memory.known = memory.completed.iter().copied().collect();
        assert_eq!(whole.len() % (32 * BLOCK), 0);
        for count in [1_usize, 3, 50] {
            let mut buffer = vec![0x55; count * BLOCK];
            for block in (0..whole.len() / BLOCK - count).rev().step_by(count) {
                image.read(block as u64, &mut buffer, &mut memory).unwrap();
                assert!(
                    buffer == whole[block * BLOCK..(block + count) * BLOCK],
                    "{format:?} from block {block}"
                );
            }
        }
    }
    let image = plan(&tree, &options()).unwrap();
    let mut buffer = vec![0; BLOCK];
    assert_eq!(
        image.read(image.blocks(), &mut buffer, &mut memory),
        Err(ReadError::PastEnd)
    );
    assert_eq!(
        image.read(u64::MAX, &mut buffer, &mut memory),
        Err(ReadError::PastEnd)
    );
    assert_eq!(
        image.read(0, &mut buffer[1..], &mut memory),
        Err(ReadError::PartialBlock)
    );
}

#[test]
fn the_order_of_adding_does_not_matter() {
    let build = |names: &[&str]| {
        let mut tree = Tree::new(attributes(0o755));
        for name in names {
            let number = u64::from(name.as_bytes()[0]);
            tree.add(
                Tree::ROOT,
                name.as_bytes(),
                attributes(0o644),
                Kind::File {
                    size: 1,
                    file: FileId(number),
                },
            )
            .unwrap();
        }
        let mut memory = Memory {
            files: vec![b"x".to_vec(); 256],
            ..Memory::default()
        };
        produce(&plan(&tree, &options()).unwrap(), &mut memory, 16)
    };
    assert_eq!(
        build(&["a file", "b file", "A FILE"]),
        build(&["A FILE", "b file", "a file"])
    );
}

#[test]
fn a_pass_resumes_and_finds_changes() {
    let (tree, mut memory) = sample().tree();
    let image = plan(&tree, &options()).unwrap();
    let whole = produce(&image, &mut memory, 32);
    memory.known = memory.completed.iter().copied().collect();
    let from = image.blocks() / 2;
    let mut pass = Pass::resume(&image, from);
    let mut rest = vec![0; whole.len()];
    let count = pass.next(&mut rest, &mut memory).unwrap();
    assert_eq!(count as u64, image.blocks() - from);
    assert!(rest[..count * BLOCK] == whole[usize::try_from(from).unwrap() * BLOCK..]);
    let file = memory
        .files
        .iter()
        .position(|bytes| bytes.len() == 3_000_000)
        .unwrap();
    memory.files[file][2_999_999] ^= 1;
    let mut pass = Pass::new(&image);
    assert_eq!(
        pass.next(&mut rest, &mut memory),
        Err(PassError::Changed("big".into()))
    );
    memory.files[file].pop();
    let mut pass = Pass::new(&image);
    assert!(matches!(
        pass.next(&mut rest, &mut memory),
        Err(PassError::Read(ReadError::Content { .. }))
    ));
}

#[test]
fn only_empty_files_and_nothing_at_all() {
    for names in [&["a", "b"][..], &[]] {
        let mut sample = Sample::default();
        names.iter().for_each(|name| sample.file(*name, 0));
        let scratch = tempfile::tempdir().unwrap();
        let image = author(&sample, scratch.path());
        let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
        assert_eq!(without_our_own(items_of(&mut volume).0), sample.items);
    }
}

#[test]
fn a_session_that_starts_later_has_absolute_addresses() {
    let (tree, mut memory) = sample().tree();
    let start = 4096;
    let image = plan(
        &tree,
        &Options {
            start_block: start,
            ..options()
        },
    )
    .unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("disc.img");
    let before = vec![0xEE; start as usize * BLOCK];
    std::fs::write(&path, [before, produce(&image, &mut memory, 32)].concat()).unwrap();
    for view in [View::RockRidge, View::Udf] {
        let mut volume = Volume::open_view(ImageFile::open(&path), u64::from(start), view).unwrap();
        let big = volume.lookup(b"big").unwrap();
        let mut bytes = vec![0; 3_000_000];
        assert_eq!(volume.read_file(&big, 0, &mut bytes), Ok(3_000_000));
        assert!(memory.files.contains(&bytes));
    }
}

#[test]
fn the_digest_list_names_every_file() {
    let scratch = tempfile::tempdir().unwrap();
    let sample = sample();
    let image = author(&sample, scratch.path());
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    let list = volume.lookup(discfs::DIGESTS_PATH).unwrap();
    let mut text = vec![0; usize::try_from(list.size).unwrap()];
    volume.read_file(&list, 0, &mut text).unwrap();
    assert_eq!(text.pop(), Some(b'\n'));
    let lines = text
        .split(|&byte| byte == b'\n')
        .map(|line| parse_digest_line(line).unwrap().path);
    let files = sample
        .items
        .iter()
        .filter(|(_, item)| matches!(item, Item::File(_)));
    let mut listed: Vec<Vec<u8>> = lines.collect();
    assert_eq!(listed.remove(0), discfs::CATALOG_PATH);
    listed.sort();
    assert_eq!(listed, files.map(|(path, _)| path.clone()).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_represented_is_refused() {
    let mut tree = Tree::new(attributes(0o755));
    let add = |tree: &mut Tree, name: &[u8], kind| tree.add(Tree::ROOT, name, attributes(0o644), kind);
    let file = |size, number| Kind::File {
        size,
        file: FileId(number),
    };
    assert!(matches!(
        add(&mut tree, b"", file(0, 0)),
        Err(TreeError::EmptyName(_))
    ));
    assert!(matches!(
        add(&mut tree, b"..", file(0, 0)),
        Err(TreeError::DotName(_))
    ));
    assert!(matches!(
        add(&mut tree, b"a/b", file(0, 0)),
        Err(TreeError::ForbiddenByte(_))
    ));
    assert!(matches!(
        add(&mut tree, b"a\0b", file(0, 0)),
        Err(TreeError::ForbiddenByte(_))
    ));
    assert!(matches!(
        add(&mut tree, &[b'x'; 256], file(0, 0)),
        Err(TreeError::NameTooLong(_))
    ));
    assert!(matches!(
        add(&mut tree, b".spindle", Kind::Directory),
        Err(TreeError::Reserved(_))
    ));
    assert!(matches!(
        add(&mut tree, b"l", Kind::Symlink { target: b"" }),
        Err(TreeError::BadTarget(_))
    ));
    assert!(tree.add_path(b"no/such", attributes(0), file(0, 0)).is_err());
    let refusal = |fill: &dyn Fn(&mut Tree)| {
        let mut tree = Tree::new(attributes(0o755));
        fill(&mut tree);
        plan(&tree, &options()).unwrap_err()
    };
    let twice = refusal(&|tree| {
        tree.add_path(b"d", attributes(0o755), Kind::Directory).unwrap();
        tree.add_path(b"d/x", attributes(0o644), file(1, 1)).unwrap();
        tree.add_path(b"d/x", attributes(0o644), file(1, 2)).unwrap();
    });
    assert_eq!(twice, PlanError::Duplicate("d/x".into()));
    let differ = refusal(&|tree| {
        add(tree, b"a", file(1, 1)).unwrap();
        add(tree, b"b", file(2, 1)).unwrap();
    });
    assert_eq!(differ, PlanError::LinksDiffer("b".into()));
    let target = refusal(&|tree| {
        add(
            tree,
            b"link",
            Kind::Symlink {
                target: &[b'x'; 4000],
            },
        )
        .unwrap();
    });
    assert_eq!(target, PlanError::TargetTooLong("link".into()));
    let mut deep = Tree::new(attributes(0o755));
    let mut parent = Tree::ROOT;
    let error = loop {
        match deep.add(parent, &[b'd'; 100], attributes(0o755), Kind::Directory) {
            Ok(node) => parent = node,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TreeError::PathTooLong(_)));
}

/// A real directory of this system, through our writer and reader.
#[test]
fn a_real_directory_comes_back() {
    let items = directory_items(std::path::Path::new("/usr/share/perl5"));
    let sample = Sample {
        items,
        ..Sample::default()
    };
    assert!(
        sample.items.len() > 100,
        "this system has no Perl modules to try with; install perl"
    );
    let scratch = tempfile::tempdir().unwrap();
    let image = author(&sample, scratch.path());
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!(without_our_own(items_of(&mut volume).0), sample.items);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_names_come_back(names in proptest::collection::btree_set("[^/\0]{1,60}", 1..40)) {
        let mut sample = Sample::default();
        for name in names.iter().filter(|name| !matches!(&name[..], "." | ".." | ".spindle")) {
            sample.file(name.as_bytes(), name.len());
        }
        let scratch = tempfile::tempdir().unwrap();
        let image = author(&sample, scratch.path());
        for view in [View::RockRidge, View::Udf] {
            let mut volume = Volume::open_view(ImageFile::open(&image), 0, view).unwrap();
            prop_assert_eq!(&without_our_own(items_of(&mut volume).0), &sample.items);
        }
    }
}
