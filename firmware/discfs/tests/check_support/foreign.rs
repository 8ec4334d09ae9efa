//! Images other programs make of a directory, and reading them whole.

use super::super::common::{self, Item, directory_items, run};
use discfs::{BlockSource, Node, NodeKind, Volume, WalkLimits};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A directory on disk for other programs to make images of.
pub fn source_directory(scratch: &Path) -> PathBuf {
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

pub fn read_all<S: BlockSource>(volume: &mut Volume<S>) -> BTreeMap<Vec<u8>, Item> {
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

pub fn assert_same(expected: &BTreeMap<Vec<u8>, Item>, found: &BTreeMap<Vec<u8>, Item>) {
    for path in expected.keys().chain(found.keys()) {
        assert!(
            expected.get(path) == found.get(path),
            "{} differs",
            OsStr::from_bytes(path).display()
        );
    }
}

/// Makes an image of the source directory with a program and its arguments, `OUT` and `IN` filled in.
pub fn foreign(scratch: &Path, program: &str, arguments: &str) -> (PathBuf, BTreeMap<Vec<u8>, Item>) {
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
