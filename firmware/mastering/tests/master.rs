//! An image is the same however many threads make it, and files that change meanwhile are found.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use discfs::{Attributes, FileId, Image, Options, Pass, Time, Tree};
use mastering::{Files, MasterError, Settings, Supply, WalkOptions, Walked, master, walk};
use sha2::{Digest, Sha256};

fn sample() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..300_usize {
        let directory = scratch.path().join(format!("d{}/e", number % 7));
        fs::create_dir_all(&directory).unwrap();
        let byte = u8::try_from(number % 251).unwrap();
        fs::write(
            directory.join(format!("f{number}")),
            vec![byte; number * number % 9000],
        )
        .unwrap();
    }
    fs::write(scratch.path().join("large"), vec![7; 3_000_001]).unwrap();
    fs::write(scratch.path().join("zero"), b"").unwrap();
    scratch
}

fn planned(root: &Path) -> (Image, Walked) {
    let attributes = Attributes {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
    };
    let mut tree = Tree::new(attributes);
    let walked = walk(root, WalkOptions::default(), &mut tree).unwrap();
    (discfs::plan(&tree, &Options::default()).unwrap(), walked)
}

fn mastered(image: &Image, supply: &dyn Supply, settings: Settings) -> Result<Vec<u8>, MasterError> {
    let mut whole = Vec::new();
    master(image, supply, settings, None, &mut |bytes| {
        whole.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(whole)
}

#[test]
fn threads_and_pieces_make_no_difference() {
    let scratch = sample();
    let (image, walked) = planned(scratch.path());
    // discfs's own pass, on one thread, is the measure.
    let mut pass = Pass::new(&image);
    let mut content = Content(&walked.files);
    let mut expected = Vec::new();
    let mut buffer = vec![0; 32 * discfs::BLOCK];
    loop {
        let blocks = pass.next(&mut buffer, &mut content).unwrap();
        if blocks == 0 {
            break;
        }
        expected.extend_from_slice(&buffer[..blocks * discfs::BLOCK]);
    }
    for (threads, piece, ahead) in [(1, 1, 1), (2, 7, 3), (3, 512, 24), (8, 33, 2), (4, 100_000, 1)] {
        let settings = Settings {
            threads,
            piece,
            ahead,
        };
        assert!(
            mastered(&image, &walked.files, settings).unwrap() == expected,
            "{settings:?}"
        );
    }
}

/// One file after the other.
struct Content<'a>(&'a Files);

impl discfs::Content for Content<'_> {
    fn read(&mut self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<(), discfs::ContentError> {
        let opened = self.0.open(file).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&*opened, buf, offset)
            .map_err(|_| discfs::ContentError::Short)
    }

    fn digest(&mut self, _: FileId) -> Option<[u8; 32]> {
        None
    }
}

/// Files of which one is said to have another digest.
struct Doubted<'a>(&'a Files, FileId);

impl Supply for Doubted<'_> {
    fn open(&self, file: FileId) -> io::Result<Arc<File>> {
        self.0.open(file)
    }

    fn digest(&self, file: FileId) -> Option<[u8; 32]> {
        (file == self.1).then(|| Sha256::digest(b"something else").into())
    }
}

#[test]
fn what_changed_is_found_and_nothing_hangs() {
    let scratch = sample();
    let (image, walked) = planned(scratch.path());
    for number in [0, 150, walked.files.len() as u64 - 1] {
        let doubted = Doubted(&walked.files, FileId(number));
        let error = mastered(&image, &doubted, Settings::default()).unwrap_err();
        assert!(matches!(error, MasterError::Changed(_)), "{error}");
    }
    let refuse = master(&image, &walked.files, Settings::default(), None, &mut |_| {
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(refuse, Err(MasterError::Sink(_))));
    fs::write(scratch.path().join("large"), b"short now").unwrap();
    let error = mastered(&image, &walked.files, Settings::default()).unwrap_err();
    assert!(
        error.to_string().contains("`large`: the file is shorter"),
        "{error}"
    );
    fs::remove_dir_all(scratch.path().join("d3")).unwrap();
    let error = mastered(&image, &walked.files, Settings::default()).unwrap_err();
    assert!(matches!(error, MasterError::Read(_)), "{error}");
}

#[test]
fn what_cannot_be_on_a_disc_is_left_out_with_its_reason() {
    let scratch = sample();
    let root = scratch.path();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    fs::create_dir_all(root.join(".spindle/x")).unwrap();
    fs::hard_link(root.join("large"), root.join("d1/second")).unwrap();
    let (image, walked) = planned(root);
    let left_out: Vec<_> = walked
        .left_out
        .iter()
        .map(|left_out| left_out.path.as_slice())
        .collect();
    assert_eq!(left_out, [&b".spindle"[..], b"socket"]);
    assert_eq!(
        (image.files(), walked.files.len()),
        (302, 302),
        "hard links are one file"
    );
    assert_eq!(image.file_bytes(), walked.bytes);
}
