//! Trees to author, images of them in files, and comparing what other programs make of them.
#![allow(dead_code, reason = "each test uses a part")]

use discfs::{Attributes, BlockSource, Content, ContentError, FileId, Image, Kind, NodeId, Options, Pass};
use discfs::{SourceError, Time, Tree};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

pub const BLOCK: usize = 2048;
/// 2001-02-03 04:05:06 UTC.
pub const MTIME: i64 = 981_173_106;

/// What is expected at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
}

/// A tree in memory: what is at each path. Links name a path that comes before.
#[derive(Clone, Default)]
pub struct Sample {
    pub items: BTreeMap<Vec<u8>, Item>,
    pub links: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub fn attributes(mode: u32) -> Attributes {
    Attributes {
        mode,
        uid: 1000,
        gid: 100,
        mtime: Time {
            seconds: MTIME,
            nanoseconds: 987_654_321,
        },
    }
}

/// Bytes nobody would guess, different for each seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

impl Sample {
    pub fn directory(&mut self, path: impl Into<Vec<u8>>) {
        let path = path.into();
        for (at, _) in path.iter().enumerate().filter(|&(_, &byte)| byte == b'/') {
            self.items.entry(path[..at].to_vec()).or_insert(Item::Directory);
        }
        self.items.entry(path).or_insert(Item::Directory);
    }

    fn put(&mut self, path: Vec<u8>, item: Item) {
        if let Some(slash) = path.iter().rposition(|&byte| byte == b'/') {
            self.directory(&path[..slash]);
        }
        assert!(self.items.insert(path, item).is_none());
    }

    pub fn file(&mut self, path: impl Into<Vec<u8>>, length: usize) {
        let seed = self.items.len() as u64;
        self.put(path.into(), Item::File(noise(seed, length)));
    }

    pub fn symlink(&mut self, path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) {
        self.put(path.into(), Item::Symlink(target.into()));
    }

    pub fn link(&mut self, path: impl Into<Vec<u8>>, of: impl Into<Vec<u8>>) {
        let (path, of) = (path.into(), of.into());
        let item = self.items[&of].clone();
        self.put(path.clone(), item);
        self.links.insert(path, of);
    }

    pub fn tree(&self) -> (Tree, Memory) {
        let mut tree = Tree::new(attributes(0o755));
        let mut memory = Memory::default();
        let mut directories: BTreeMap<&[u8], NodeId> = BTreeMap::from([(&b""[..], Tree::ROOT)]);
        let mut numbers: BTreeMap<&[u8], u64> = BTreeMap::new();
        for (path, item) in &self.items {
            let (above, name) = match path.iter().rposition(|&byte| byte == b'/') {
                Some(slash) => (&path[..slash], &path[slash + 1..]),
                None => (&b""[..], &path[..]),
            };
            let parent = directories[above];
            match item {
                Item::Directory => {
                    let node = tree
                        .add(parent, name, attributes(0o750), Kind::Directory)
                        .unwrap();
                    directories.insert(path, node);
                }
                Item::Symlink(target) => {
                    tree.add(parent, name, attributes(0o777), Kind::Symlink { target })
                        .unwrap();
                }
                Item::File(bytes) => {
                    let original = self.links.get(path).unwrap_or(path);
                    let next = memory.files.len() as u64;
                    let number = *numbers.entry(original).or_insert(next);
                    if number == next {
                        memory.files.push(bytes.clone());
                    }
                    let kind = Kind::File {
                        size: bytes.len() as u64,
                        file: FileId(number),
                    };
                    tree.add(parent, name, attributes(0o640), kind).unwrap();
                }
            }
        }
        (tree, memory)
    }
}

/// Files in memory, by their numbers.
#[derive(Default)]
pub struct Memory {
    pub files: Vec<Vec<u8>>,
    pub known: BTreeMap<FileId, [u8; 32]>,
    pub completed: Vec<(FileId, [u8; 32])>,
}

impl Content for Memory {
    fn read(&mut self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<(), ContentError> {
        let bytes = self.files[usize::try_from(file.0).unwrap()].get(usize::try_from(offset).unwrap()..);
        let bytes = bytes
            .and_then(|bytes| bytes.get(..buf.len()))
            .ok_or(ContentError::Short)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn digest(&mut self, file: FileId) -> Option<[u8; 32]> {
        self.known.get(&file).copied()
    }

    fn completed(&mut self, file: FileId, digest: &[u8; 32]) {
        self.completed.push((file, *digest));
    }
}

pub fn options() -> Options {
    Options {
        label: "Spindle Test".into(),
        time: 1_700_000_000,
        identity: Some([7; 16]),
        ..Options::default()
    }
}

/// The whole image in one pass with buffers of so many blocks.
pub fn produce(image: &Image, content: &mut dyn Content, blocks: usize) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut pass = Pass::new(image);
    let mut buffer = vec![0xAA; blocks * BLOCK];
    loop {
        let count = pass.next(&mut buffer, content).unwrap();
        if count == 0 {
            return whole;
        }
        whole.extend_from_slice(&buffer[..count * BLOCK]);
    }
}

/// Authors a sample into `disc.img` in a directory.
pub fn author(sample: &Sample, directory: &Path) -> std::path::PathBuf {
    author_with(sample, &options(), directory)
}

/// As [`author`], with options.
pub fn author_with(sample: &Sample, options: &Options, directory: &Path) -> std::path::PathBuf {
    let (tree, mut memory) = sample.tree();
    let image = discfs::plan(&tree, options).unwrap();
    let bytes = produce(&image, &mut memory, 32);
    assert_eq!(bytes.len() as u64, image.blocks() * BLOCK as u64);
    let path = directory.join("disc.img");
    File::create(&path).unwrap().write_all(&bytes).unwrap();
    path
}

/// Runs a foreign program; that it is missing is a failure with a clear message.
/// Some (genisoimage) can loop for ever.
pub fn run(program: &str, arguments: &[&OsStr], directory: &Path) -> String {
    let output = Command::new("timeout")
        .args(["60", program])
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be run ({error}): install it, `cargo xtask setup` does")
        });
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} failed:\n{text}");
    text
}

/// What a directory holds, as a sample would.
pub fn directory_items(directory: &Path) -> BTreeMap<Vec<u8>, Item> {
    fn visit(directory: &Path, prefix: &[u8], items: &mut BTreeMap<Vec<u8>, Item>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = [prefix, entry.file_name().as_bytes()].concat();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                visit(&entry.path(), &[&path[..], b"/"].concat(), items);
                items.insert(path, Item::Directory);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(entry.path()).unwrap();
                items.insert(path, Item::Symlink(target.into_os_string().into_vec()));
            } else {
                items.insert(path, Item::File(std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut items = BTreeMap::new();
    visit(directory, b"", &mut items);
    items
}

/// Compares what was expected with what was found, naming the differences only; `.spindle` is ours.
pub fn compare(expected: &BTreeMap<Vec<u8>, Item>, found: &BTreeMap<Vec<u8>, Item>) {
    let mut differences = Vec::new();
    let short = |item: Option<&Item>| match item {
        Some(Item::File(bytes)) => format!("file of {} bytes", bytes.len()),
        Some(Item::Symlink(target)) => format!("link to {}", target.escape_ascii()),
        other => format!("{other:?}"),
    };
    for path in expected.keys().chain(found.keys()) {
        let (wanted, got) = (expected.get(path), found.get(path));
        if wanted != got && !path.starts_with(b".spindle") {
            let difference = format!(
                "{}: {} instead of {}",
                path.escape_ascii(),
                short(got),
                short(wanted)
            );
            differences.push(difference.chars().take(2000).collect::<String>());
        }
    }
    differences.dedup();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
    assert!(
        found.contains_key(&b".spindle/SHA256SUMS"[..]),
        "the digest list is missing"
    );
}

/// An image file as a source of blocks.
pub struct ImageFile {
    file: File,
    blocks: u64,
}

impl ImageFile {
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let blocks = file.metadata().unwrap().len() / BLOCK as u64;
        Self { file, blocks }
    }
}

impl BlockSource for ImageFile {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let result = self
            .file
            .seek(SeekFrom::Start(block * BLOCK as u64))
            .and_then(|_| self.file.read_exact(buf));
        result.map_err(|error| SourceError(error.to_string()))
    }
}
