//! Files of 4 GiB and more, which have several sections in ISO 9660 and several extents in UDF.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod common;

use common::{BLOCK, ImageFile, attributes, options, run};
use discfs::{Content, ContentError, FileId, Kind, PlanError, Tree, View, Volume, plan};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GIB: u64 = 1 << 30;
const SIZE: u64 = 6 * GIB + 12_345;
const NEIGHBOUR: &[u8] = b"behind the large file";
const CHUNK: usize = 4 << 20;

/// Where the large file is not zeros: at its ends, around those of sections and extents, and in between.
fn landmarks() -> [u64; 7] {
    [
        0,
        GIB - 2048 - 8,
        GIB + 100_000,
        4 * GIB - 2048 - 8,
        4 * GIB - 8,
        5 * GIB + 1,
        SIZE - 16,
    ]
}

fn landmark(at: u64) -> [u8; 16] {
    let mut bytes = [0xA5; 16];
    bytes[..8].copy_from_slice(&at.to_be_bytes());
    bytes
}

/// Fills `buf` with what the large file has from `offset` on.
fn pattern(offset: u64, buf: &mut [u8]) {
    buf.fill(0);
    let end = offset + buf.len() as u64;
    for at in landmarks() {
        for (place, byte) in (at..).zip(landmark(at)) {
            if (offset..end).contains(&place) {
                buf[usize::try_from(place - offset).unwrap()] = byte;
            }
        }
    }
}

struct Pattern;

impl Content for Pattern {
    fn read(&mut self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<(), ContentError> {
        if file == FileId(1) {
            pattern(offset, buf);
        } else {
            buf.copy_from_slice(&NEIGHBOUR[usize::try_from(offset).unwrap()..][..buf.len()]);
        }
        Ok(())
    }

    fn digest(&mut self, file: FileId) -> Option<[u8; 32]> {
        Some([u8::try_from(file.0).unwrap(); 32])
    }
}

/// An image whose zeros take no room.
fn sparse_image(directory: &Path) -> PathBuf {
    let mut tree = Tree::new(attributes(0o755));
    let sizes = [
        ("dir/large file with a name", SIZE, 1),
        ("dir/next", NEIGHBOUR.len() as u64, 2),
    ];
    tree.add_path(b"dir", attributes(0o755), Kind::Directory).unwrap();
    for (path, size, file) in sizes {
        let file = FileId(file);
        tree.add_path(path.as_bytes(), attributes(0o644), Kind::File { size, file })
            .unwrap();
    }
    let image = plan(&tree, &options()).unwrap();
    let path = directory.join("disc.img");
    let mut out = File::create(&path).unwrap();
    out.set_len(image.blocks() * BLOCK as u64).unwrap();
    let (mut buffer, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut block = 0;
    while block < image.blocks() {
        let count = (CHUNK / BLOCK).min(usize::try_from(image.blocks() - block).unwrap());
        let bytes = &mut buffer[..count * BLOCK];
        image.read(block, bytes, &mut Pattern).unwrap();
        if *bytes != zeros[..bytes.len()] {
            out.seek(SeekFrom::Start(block * BLOCK as u64)).unwrap();
            out.write_all(bytes).unwrap();
        }
        block += count as u64;
    }
    path
}

/// What a program writes to its output is the large file.
fn is_extracted_by(program: &str, arguments: &[&str], image: &Path) {
    let mut child = Command::new("timeout")
        .args(["120", program])
        .args(arguments)
        .current_dir(image.parent().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut got, mut expected) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut offset = 0;
    loop {
        let count = out.read(&mut got).unwrap();
        if count == 0 {
            break;
        }
        pattern(offset, &mut expected[..count]);
        assert!(
            got[..count] == expected[..count],
            "{program} differs in the {count} bytes from {offset}"
        );
        offset += count as u64;
    }
    assert!(
        child.wait().unwrap().success(),
        "{program} failed; install it, `cargo xtask setup` does"
    );
    assert_eq!(offset, SIZE, "{program}");
}

#[test]
fn six_gibibytes_in_every_view() {
    let scratch = tempfile::tempdir().unwrap();
    let image = sparse_image(scratch.path());
    for (view, path) in [
        (View::RockRidge, "dir/large file with a name"),
        (View::Udf, "dir/large file with a name"),
        (View::Iso9660, "DIR/LARGE_FILE_WITH_A_NAME"),
    ] {
        let mut volume = Volume::open_view(ImageFile::open(&image), 0, view).unwrap();
        let file = volume.lookup(path.as_bytes()).unwrap();
        assert_eq!((file.size, file.links), (SIZE, 1), "{view}");
        for at in landmarks() {
            let mut bytes = [0xEE; 16];
            assert_eq!(volume.read_file(&file, at, &mut bytes), Ok(16));
            let mut expected = [0; 16];
            pattern(at, &mut expected);
            assert_eq!(bytes, expected, "{view}, from {at}");
        }
        let next = path.replace("large file with a name", "next");
        let next = next.replace("LARGE_FILE_WITH_A_NAME", "NEXT");
        let next = volume.lookup(next.as_bytes()).unwrap();
        let mut bytes = [0; NEIGHBOUR.len()];
        volume.read_file(&next, 0, &mut bytes).unwrap();
        assert_eq!(bytes, NEIGHBOUR);
    }
    let name = "dir/large file with a name";
    std::thread::scope(|scope| {
        scope.spawn(|| is_extracted_by("bsdtar", &["-xOf", "disc.img", name], &image));
        is_extracted_by("7z", &["x", "-so", "-tudf", "disc.img", name], &image);
    });

    let listing = |program: &str, arguments: &[&str]| {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        run(program, &arguments, scratch.path())
    };
    let line = |text: &str, parts: &[&str]| {
        let found = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(text.lines().any(found), "no line with {parts:?} in\n{text}");
    };
    let size = SIZE.to_string();
    let lsl = ["-abort_on", "WARNING", "-indev", "stdio:disc.img", "-lsl", "/dir"];
    line(&listing("xorriso", &lsl), &[&size, "large file"]);
    line(&listing("bsdtar", &["-tvf", "disc.img"]), &[&size, "large file"]);
    // Each section is a line of isoinfo's, in Rock Ridge and in Joliet.
    for view in ["-R", "-J"] {
        let text = listing("isoinfo", &["-l", view, "-i", "disc.img"]);
        line(&text, &["4294965248", "large file"]);
        line(&text, &[&(SIZE - 4_294_965_248).to_string(), "large file"]);
    }
}

#[test]
fn more_than_udf_can_describe_is_refused_unless_there_is_no_udf() {
    let mut tree = Tree::new(attributes(0o755));
    let kind = Kind::File {
        size: 234 * GIB,
        file: FileId(1),
    };
    tree.add(Tree::ROOT, b"huge", attributes(0o644), kind).unwrap();
    assert_eq!(
        plan(&tree, &options()).unwrap_err(),
        PlanError::FileTooLarge("huge".into())
    );
    let iso = discfs::Options {
        format: discfs::Format::Iso,
        ..options()
    };
    assert!(plan(&tree, &iso).is_ok());
    let kind = Kind::File {
        size: u64::MAX,
        file: FileId(2),
    };
    tree.add(Tree::ROOT, b"endless", attributes(0o644), kind).unwrap();
    for options in [options(), iso] {
        assert!(matches!(plan(&tree, &options), Err(PlanError::ImageTooLarge(_))));
    }
}
