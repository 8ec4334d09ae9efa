//! Trees of files: making samples, comparing what came back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// What one name is, as far as it can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file with this SHA-256.
    File([u8; 32]),
    /// A directory.
    Directory,
    /// A symbolic link to these bytes.
    Symlink(Vec<u8>),
}

/// A tree by the bytes of its paths.
pub type Listing = BTreeMap<Vec<u8>, Node>;

/// SHA-256 of a file.
pub fn sha256(path: &Path) -> Result<[u8; 32]> {
    struct Sink(Sha256);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Sink(Sha256::new());
    let mut file =
        io::BufReader::with_capacity(256 << 10, File::open(path).context(path.display().to_string())?);
    io::copy(&mut file, &mut sink).with_context(|| format!("reading {}", path.display()))?;
    Ok(sink.0.finalize().into())
}

/// Reads a whole tree; what is neither file, directory nor symbolic link is not in it.
pub fn listing(root: &Path) -> Result<Listing> {
    let mut all = Listing::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("listing {}", directory.display()))? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            let node = if kind.is_dir() {
                directories.push(path.clone());
                Node::Directory
            } else if kind.is_symlink() {
                Node::Symlink(fs::read_link(&path)?.into_os_string().into_vec())
            } else if kind.is_file() {
                Node::File(sha256(&path)?)
            } else {
                continue;
            };
            all.insert(path.strip_prefix(root)?.as_os_str().as_bytes().to_vec(), node);
        }
    }
    Ok(all)
}

/// Compares two trees; the first differences in words.
pub fn differences(wanted: &Listing, found: &Listing) -> Vec<String> {
    let name = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let missing = wanted.iter().filter_map(|(path, node)| match found.get(path) {
        None => Some(format!("{} is missing", name(path))),
        Some(other) if other != node => Some(format!("{} differs: {node:?} became {other:?}", name(path))),
        Some(_) => None,
    });
    let added = found.keys().filter(|path| !wanted.contains_key(*path));
    missing
        .chain(added.map(|path| format!("{} was added", name(path))))
        .take(10)
        .collect()
}

/// Demands that two trees are equal.
pub fn demand_equal(what: &str, wanted: &Listing, found: &Listing) -> Result<()> {
    let differences = differences(wanted, found);
    if !differences.is_empty() {
        bail!("{what}: {}", differences.join("; "));
    }
    Ok(())
}

/// Files, and bytes in them, hard links counted once.
pub fn totals(root: &Path) -> Result<(u64, u64)> {
    let mut seen = std::collections::BTreeSet::new();
    let (mut files, mut bytes) = (0, 0);
    for path in listing(root)?.keys() {
        let metadata =
            fs::symlink_metadata(root.join(PathBuf::from(std::ffi::OsString::from_vec(path.clone()))))?;
        if metadata.is_file() && seen.insert((metadata.dev(), metadata.ino())) {
            files += 1;
            bytes += metadata.len();
        }
    }
    Ok((files, bytes))
}

/// Deterministic bytes that do not compress.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
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

/// Makes a sample with everything that is difficult about names and files, of about `bytes` bytes in
/// `files` files.
pub fn sample(root: &Path, files: u64, bytes: u64) -> Result<()> {
    let long = "a-name-as-long-as-file-systems-allow-".repeat(7);
    let long = long.get(..255).unwrap_or(&long);
    fs::create_dir_all(root.join("empty-directory"))?;
    fs::write(root.join("empty"), b"")?;
    fs::write(root.join("one-block"), noise(1, 2048))?;
    fs::write(root.join("one-block-and-a-byte"), noise(2, 2049))?;
    fs::write(root.join(long), b"a long name\n")?;
    fs::write(root.join("Grüße aus Kraków, 日本 😀.txt"), b"every plane\n")?;
    fs::write(root.join("UPPER.TXT"), b"one case\n")?;
    fs::write(root.join("upper.txt"), b"the other\n")?;
    fs::write(root.join("name with spaces;1"), b"and a version\n")?;
    std::os::unix::fs::symlink("one-block", root.join("link"))?;
    std::os::unix::fs::symlink("../nowhere/at all", root.join("dangling"))?;
    fs::hard_link(root.join("one-block-and-a-byte"), root.join("second-name"))?;
    let deep: PathBuf = (0..20).map(|level| format!("level-{level}")).collect();
    fs::create_dir_all(root.join(&deep))?;
    fs::write(root.join(&deep).join("deep"), b"down here\n")?;
    let each = bytes / files.max(1);
    for number in 0..files {
        let folder = root.join(format!("series-{:03}", number / 100));
        fs::create_dir_all(&folder)?;
        let length = usize::try_from(each / 2 + number * 7919 % each.max(1))?;
        fs::write(
            folder.join(format!("record-{number:05}.dat")),
            noise(number + 10, length),
        )?;
    }
    Ok(())
}
