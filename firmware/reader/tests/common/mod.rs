//! Discs made by foreign programs, and a vault that shows them to a reader.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reader::ReaderError;
use seam::Channel;
use seam::reader::{Blocks, BlocksAnswer, FromReader, ToReader};
use wire::Entry;

pub const BLOCK: usize = 2048;

/// Bytes no two blocks of which are equal.
pub fn large() -> Vec<u8> {
    (0_u32..150_000)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

/// A tree with one of everything.
pub fn tree(top: &Path) {
    fs::create_dir_all(top.join("deep/er")).unwrap();
    fs::write(top.join("large"), large()).unwrap();
    fs::write(top.join("empty"), b"").unwrap();
    fs::write(top.join("deep/er/small"), b"small").unwrap();
    fs::write(top.join("deep/Größe 😀"), b"name").unwrap();
    fs::write(top.join("back\\slash"), b"escaped").unwrap();
    fs::hard_link(top.join("deep/er/small"), top.join("again")).unwrap();
    symlink("../nowhere", top.join("deep/link")).unwrap();
    fs::set_permissions(top.join("empty"), fs::Permissions::from_mode(0o640)).unwrap();
}

/// Lists the tree's digests as coreutils write them.
pub fn digest_list(top: &Path) {
    fs::create_dir(top.join(".spindle")).unwrap();
    let script =
        "find . -type f ! -path './.spindle/*' -print0 | sort -z | xargs -0 sha256sum > .spindle/SHA256SUMS";
    assert!(
        Command::new("sh")
            .args(["-c", script])
            .current_dir(top)
            .status()
            .unwrap()
            .success()
    );
}

/// An ISO 9660 disc with Rock Ridge by xorriso.
pub fn rock_ridge(top: &Path) -> Vec<u8> {
    image(
        Command::new("xorriso").args(["-as", "mkisofs", "-quiet", "-R", "-V", "FOREIGN"]),
        top,
    )
}

/// A disc with ISO 9660, Rock Ridge and UDF by genisoimage.
pub fn bridge(top: &Path) -> Vec<u8> {
    image(
        Command::new("genisoimage").args(["-quiet", "-R", "-udf", "-allow-limited-size", "-V", "BRIDGE"]),
        top,
    )
}

/// A disc with UDF beside names of 8+3 characters, by genisoimage.
pub fn udf(top: &Path) -> Vec<u8> {
    image(
        Command::new("genisoimage").args(["-quiet", "-udf", "-allow-limited-size", "-V", "UDF"]),
        top,
    )
}

fn image(command: &mut Command, top: &Path) -> Vec<u8> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let made = command.arg("-o").arg(out.path()).arg(top).output();
    let made = made.expect("this test needs Debian's xorriso and genisoimage");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read(out.path()).unwrap()
}

/// The vault's side of a reader.
pub struct Asker {
    pub requests: Channel,
    pub reader: JoinHandle<Result<(), ReaderError>>,
    blocks: u64,
}

/// Starts a reader; reading a block of `bad` fails.
pub fn start(image: Vec<u8>, bad: &[u64]) -> Asker {
    let (requests, theirs) = Channel::pair().unwrap();
    let (blocks, its_blocks) = Channel::pair().unwrap();
    let bad = bad.to_vec();
    let count = (image.len() / BLOCK) as u64;
    thread::spawn(move || {
        while let Ok((Blocks { block, count }, _)) = blocks.receive() {
            assert!((1..=seam::reader::BLOCKS_MAX).contains(&count));
            let wanted = block..block + u64::from(count);
            if bad.iter().any(|bad| wanted.contains(bad)) {
                blocks
                    .send(&BlocksAnswer::Failed("medium error".into()), &[])
                    .unwrap();
                continue;
            }
            let start = usize::try_from(block).unwrap() * BLOCK;
            let bytes = &image[start..start + usize::try_from(count).unwrap() * BLOCK];
            blocks.send(&BlocksAnswer::Granted, &[]).unwrap();
            blocks.send_bytes(bytes, &[], true).unwrap();
        }
    });
    Asker {
        requests,
        reader: thread::spawn(move || reader::serve(theirs, its_blocks)),
        blocks: count,
    }
}

impl Asker {
    /// Starts a reader and opens the disc.
    pub fn open(image: Vec<u8>) -> Self {
        let asker = start(image, &[]);
        assert!(matches!(asker.look(), FromReader::Opened { .. }));
        asker
    }

    pub fn look(&self) -> FromReader {
        self.ask(&ToReader::Open {
            blocks: self.blocks,
            session_start: 0,
        })
    }

    pub fn ask(&self, request: &ToReader) -> FromReader {
        self.requests.send(request, &[]).unwrap();
        self.answer()
    }

    pub fn answer(&self) -> FromReader {
        let limit = Duration::from_secs(60);
        self.requests
            .receive_within(limit)
            .expect("the reader lives and answers")
            .0
    }

    /// Entries by path, or the failure.
    pub fn list(&self, path: &[u8], depth: u32) -> Result<BTreeMap<Vec<u8>, Entry>, FromReader> {
        let mut answer = self.ask(&ToReader::List {
            path: path.into(),
            depth,
        });
        let mut all = BTreeMap::new();
        loop {
            match answer {
                FromReader::Entries(entries) => {
                    all.extend(entries.into_iter().map(|entry| (entry.path.0.clone(), entry)));
                }
                FromReader::EntriesEnd => return Ok(all),
                other => return Err(other),
            }
            answer = self.answer();
        }
    }

    /// A file's bytes and the answer after them.
    pub fn get(&self, path: &[u8], offset: u64, length: u64) -> (Vec<u8>, FromReader) {
        let (out, into) = rustix::pipe::pipe().unwrap();
        let request = ToReader::Get {
            path: path.into(),
            offset,
            length,
        };
        self.requests.send(&request, &[into.as_fd()]).unwrap();
        drop(into);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut fs::File::from(out), &mut bytes).unwrap();
        match self.answer() {
            FromReader::File { .. } => (bytes, self.answer()),
            other => (bytes, other),
        }
    }

    /// The end of a check: files, bytes, findings.
    pub fn check(&self) -> (u64, u64, Vec<String>) {
        let mut answer = self.ask(&ToReader::Check);
        loop {
            match answer {
                FromReader::CheckProgress { .. } => answer = self.answer(),
                FromReader::Checked {
                    files,
                    bytes,
                    findings,
                } => return (files, bytes, findings),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The reader ends well when nobody asks any more.
    pub fn end(self) {
        drop(self.requests);
        self.reader.join().expect("no panic").unwrap();
    }
}
