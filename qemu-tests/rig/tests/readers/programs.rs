//! The readers: how each is asked for all it shows of an image.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use discfs::{BLOCK, BlockSource, SourceError, View};
use rig::tree::{self, Listing, Node};
use sha2::{Digest, Sha256};

use crate::linux::Mounts;

/// What a program told of an image.
pub enum Found {
    /// Everything, with the bytes of files.
    Read(Listing),
    /// Names of files.
    Listed(BTreeSet<Vec<u8>>),
    /// How many names.
    Count(usize),
    /// That it is a file system with our label.
    Knows,
    /// Nothing: it would take too long.
    NotAsked,
}

/// What of a view a program can show at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    Everything,
    FilesOnly,
}

/// What a program does not show, and why.
pub struct Limit {
    pub mark: &'static str,
    pub text: &'static str,
    pub is_met: fn(&[u8], &Node) -> bool,
}

type Reading = fn(&Path, &Path, &Listing, &Mounts) -> Result<Found>;

/// A reader with the view it shows.
pub struct Program {
    pub name: &'static str,
    pub view: View,
    pub shows: Shows,
    pub read: Reading,
    pub limits: &'static [Limit],
}

impl Program {
    pub fn row(&self) -> String {
        format!("{}: {}", self.name, self.view)
    }
}

const LINUX_NAME: Limit = Limit {
    mark: "253 bytes",
    text: "Linux's isofs shows at most 253 bytes of a name, cut there.",
    is_met: |path, _| path.split(|byte| *byte == b'/').any(|name| name.len() > 253),
};

const PLANES: Limit = Limit {
    mark: "planes",
    text: "the reader takes 16 bits for a character: those beyond the basic plane become others.",
    is_met: |path, _| {
        String::from_utf8_lossy(path)
            .chars()
            .any(|character| u32::from(character) > 0xFFFF)
    },
};

const NORMALISED: Limit = Limit {
    mark: "composed",
    text: "libarchive composes letters and accents that a name has one behind the other.",
    is_met: |path, _| String::from_utf8_lossy(path).contains('\u{301}'),
};

const ISO_READ: Limit = Limit {
    mark: "iso-read",
    text: "of the files iso-info lists iso-read does not read empty ones, and not all by long paths or by names beyond ASCII, or with `_` for such characters.",
    is_met: |path, node| {
        let empty = Node::File(Sha256::digest([]).into());
        path.len() > 150 || !path.is_ascii() || path.contains(&b'_') || *node == empty
    },
};

const LINK_TARGET: Limit = Limit {
    mark: "links",
    text: "7-Zip changes targets of symbolic links that lead out of where it extracts to, and drops such links.",
    is_met: |_, node| matches!(node, Node::Symlink(_)),
};

pub const PROGRAMS: &[Program] = &[
    Program {
        name: "Linux isofs",
        view: View::RockRidge,
        shows: Shows::Everything,
        read: |_, _, _, peer| Ok(peer.get("rock ridge")),
        limits: &[LINUX_NAME],
    },
    Program {
        name: "Linux isofs, `norock`",
        view: View::Joliet,
        shows: Shows::Everything,
        read: |_, _, _, peer| Ok(peer.get("joliet")),
        limits: &[],
    },
    Program {
        name: "Linux isofs, `norock,nojoliet`",
        view: View::Iso9660,
        shows: Shows::Everything,
        read: |_, _, _, peer| Ok(upper_case(peer.get("plain"))),
        limits: &[],
    },
    Program {
        name: "Linux udf",
        view: View::Udf,
        shows: Shows::Everything,
        read: |_, _, _, peer| Ok(peer.get("udf")),
        limits: &[],
    },
    Program {
        name: "7z",
        view: View::Joliet,
        shows: Shows::Everything,
        read: |image, folder, _, _| extract(image, folder, "7z", &["x", "-y", "-bd", "-tiso"]),
        limits: &[],
    },
    Program {
        name: "7z",
        view: View::Udf,
        shows: Shows::Everything,
        read: |image, folder, _, _| extract(image, folder, "7z", &["x", "-y", "-bd", "-tudf"]),
        limits: &[LINK_TARGET],
    },
    Program {
        name: "xorriso",
        view: View::RockRidge,
        shows: Shows::Everything,
        read: xorriso,
        limits: &[],
    },
    Program {
        name: "bsdtar",
        view: View::RockRidge,
        shows: Shows::Everything,
        read: |image, folder, _, _| extract(image, folder, "bsdtar", &["-xf"]),
        limits: &[NORMALISED],
    },
    Program {
        name: "bsdtar",
        view: View::Joliet,
        shows: Shows::Everything,
        read: |image, folder, _, _| {
            extract(
                image,
                folder,
                "bsdtar",
                &["--options", "iso9660:!rockridge", "-xf"],
            )
        },
        limits: &[NORMALISED],
    },
    Program {
        name: "isoinfo",
        view: View::RockRidge,
        shows: Shows::FilesOnly,
        read: isoinfo,
        limits: &[],
    },
    Program {
        name: "isoinfo",
        view: View::Joliet,
        shows: Shows::FilesOnly,
        read: isoinfo_joliet,
        limits: &[],
    },
    Program {
        name: "iso-info, iso-read",
        view: View::Joliet,
        shows: Shows::FilesOnly,
        read: libcdio,
        limits: &[ISO_READ],
    },
    Program {
        name: "pycdlib",
        view: View::RockRidge,
        shows: Shows::FilesOnly,
        read: |image, _, _, _| pycdlib(image, "rr_path"),
        limits: &[],
    },
    Program {
        name: "pycdlib",
        view: View::Joliet,
        shows: Shows::FilesOnly,
        read: |image, _, _, _| pycdlib(image, "joliet_path"),
        limits: &[],
    },
    Program {
        name: "pycdlib",
        view: View::Udf,
        shows: Shows::FilesOnly,
        read: |image, _, _, _| pycdlib(image, "udf_path"),
        limits: &[],
    },
    Program {
        name: "libudfread",
        view: View::Udf,
        shows: Shows::FilesOnly,
        read: libudfread,
        limits: &[PLANES],
    },
    Program {
        name: "udfclient's udfdump",
        view: View::Udf,
        shows: Shows::FilesOnly,
        read: udfdump,
        limits: &[],
    },
    Program {
        name: "udfinfo",
        view: View::Udf,
        shows: Shows::FilesOnly,
        read: udfinfo,
        limits: &[],
    },
    Program {
        name: "blkid",
        view: View::Udf,
        shows: Shows::FilesOnly,
        read: blkid,
        limits: &[],
    },
];

/// Linux shows plain ISO 9660 in lower case.
fn upper_case(found: Found) -> Found {
    let Found::Read(listing) = found else {
        return found;
    };
    let upper = listing
        .into_iter()
        .map(|(path, node)| (path.to_ascii_uppercase(), node));
    Found::Read(upper.collect())
}

/// Whether a path is of the disc's own records.
pub fn is_own(path: &[u8]) -> bool {
    let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    top == b".spindle" || top == b"_SPINDLE"
}

/// Runs a program and demands success; what it wrote.
pub fn run(program: &str, arguments: &[&OsStr], folder: &Path) -> Result<Vec<u8>> {
    let output = Command::new("timeout")
        .args(["500", program])
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .context("timeout cannot be run")?;
    ensure!(
        output.status.success(),
        "{program} failed with {} (`cargo xtask setup` installs what is missing): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
            .chars()
            .take(2000)
            .collect::<String>()
    );
    Ok(output.stdout)
}

fn extract(image: &Path, folder: &Path, program: &str, arguments: &[&str]) -> Result<Found> {
    fs::create_dir_all(folder)?;
    let mut all: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    all.push(image.as_os_str());
    run(program, &all, folder)?;
    readable(folder)?;
    tree::listing(folder).map(Found::Read)
}

/// What was extracted has the permissions of the disc.
fn readable(folder: &Path) -> Result<()> {
    let status = Command::new("chmod")
        .arg("-R")
        .arg("u+rwX")
        .arg(folder)
        .status()?;
    ensure!(status.success(), "chmod failed");
    Ok(())
}

fn xorriso(image: &Path, folder: &Path, _: &Listing, _: &Mounts) -> Result<Found> {
    fs::create_dir_all(folder)?;
    let device = format!("stdio:{}", image.display());
    let arguments = [
        "-abort_on",
        "WARNING",
        "-indev",
        &device,
        "-osirrox",
        "on",
        "-extract",
        "/",
        "tree",
    ];
    run("xorriso", &arguments.map(OsStr::new), folder)?;
    readable(folder)?;
    tree::listing(&folder.join("tree")).map(Found::Read)
}

/// Paths that a program writes a line each, with what is before them cut off.
fn lines(output: &[u8], cut: fn(&[u8]) -> Option<&[u8]>) -> Vec<Vec<u8>> {
    output
        .split(|byte| *byte == b'\n')
        .filter_map(cut)
        .map(<[u8]>::to_vec)
        .collect()
}

/// Files among listed paths, which programs of names alone tell not from directories.
fn files(listed: Vec<Vec<u8>>, wanted: &Listing) -> BTreeSet<Vec<u8>> {
    let is_other = |path: &Vec<u8>| matches!(wanted.get(path), Some(Node::Directory | Node::Symlink(_)));
    listed.into_iter().filter(|path| !is_other(path)).collect()
}

/// Files that are read one by one when there are not too many; a run each takes milliseconds.
const FEW: usize = 100;

fn isoinfo(image: &Path, _: &Path, wanted: &Listing, _: &Mounts) -> Result<Found> {
    let image = image.as_os_str();
    let output = run(
        "isoinfo",
        &["-R".as_ref(), "-f".as_ref(), "-i".as_ref(), image],
        Path::new("/"),
    )?;
    let names = files(lines(&output, |line| line.strip_prefix(b"/")), wanted);
    if names.len() > FEW {
        return Ok(Found::Listed(names));
    }
    let mut found = Listing::new();
    for path in names {
        let inner = [b"/", &path[..]].concat();
        let arguments = [
            "-R".as_ref(),
            "-i".as_ref(),
            image,
            "-x".as_ref(),
            OsStr::from_bytes(&inner),
        ];
        let bytes = run("isoinfo", &arguments, Path::new("/"))?;
        found.insert(path, Node::File(Sha256::digest(bytes).into()));
    }
    Ok(Found::Read(found))
}

/// It shows names of Joliet in Latin-1, and so finds others neither.
fn isoinfo_joliet(image: &Path, _: &Path, _: &Listing, _: &Mounts) -> Result<Found> {
    let output = run(
        "isoinfo",
        &["-J".as_ref(), "-f".as_ref(), "-i".as_ref(), image.as_os_str()],
        Path::new("/"),
    )?;
    Ok(Found::Count(
        lines(&output, |line| line.strip_suffix(b";1")).len(),
    ))
}

fn libcdio(image: &Path, folder: &Path, wanted: &Listing, _: &Mounts) -> Result<Found> {
    fs::create_dir_all(folder)?;
    let output = run(
        "iso-info",
        &["-f".as_ref(), "--no-header".as_ref(), image.as_os_str()],
        folder,
    )?;
    // A size, and the path from the top.
    let listed = lines(&output, |line| {
        let line = line.trim_ascii_start();
        let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        line.get(digits..).filter(|_| digits > 0)?.strip_prefix(b" /")
    });
    let names = files(listed, wanted);
    if names.len() > FEW {
        return Ok(Found::Listed(names));
    }
    let mut found = Listing::new();
    for path in names {
        let inner = [b"/", &path[..]].concat();
        let out = folder.join("read");
        let arguments = [
            "-i".as_ref(),
            image.as_os_str(),
            "-e".as_ref(),
            OsStr::from_bytes(&inner),
            "-o".as_ref(),
            out.as_os_str(),
        ];
        if run("iso-read", &arguments, folder).is_ok() {
            found.insert(path, Node::File(tree::sha256(&out)?));
            fs::remove_file(&out)?;
        }
    }
    Ok(Found::Read(found))
}

/// Walks a view and prints path, NUL, digest, NUL of every file.
const PYCDLIB: &str = "
import sys, hashlib, pycdlib
image, view = sys.argv[1:]
disc = pycdlib.PyCdlib()
disc.open(image)
out = sys.stdout.buffer
class Sink:
    def __init__(self): self.hash = hashlib.sha256()
    def write(self, data): self.hash.update(data); return len(data)
    def flush(self): pass
for top, folders, files in disc.walk(**{view: '/'}):
    for name in files:
        path = top.rstrip('/') + '/' + name
        record = disc.get_record(**{view: path})
        if view == 'rr_path' and record.rock_ridge.is_symlink():
            continue
        sink = Sink()
        disc.get_file_from_iso_fp(sink, **{view: path})
        path = path[:-2] if view == 'joliet_path' and path.endswith(';1') else path
        out.write(path[1:].encode('utf-8', 'surrogatepass') + b'\\0' + sink.hash.hexdigest().encode() + b'\\0')
";

fn pycdlib(image: &Path, view: &str) -> Result<Found> {
    let python =
        std::env::var("SPINDLE_PYTHON").context("SPINDLE_PYTHON is not set: run `cargo xtask test`")?;
    let arguments = ["-c".as_ref(), PYCDLIB.as_ref(), image.as_os_str(), view.as_ref()];
    let output = run(&python, &arguments, Path::new("/"))?;
    let mut fields = output.split(|byte| *byte == 0);
    let mut found = Listing::new();
    while let (Some(path), Some(digest)) = (fields.next(), fields.next()) {
        found.insert(path.to_vec(), Node::File(decode(digest)?));
    }
    Ok(Found::Read(found))
}

fn decode(digits: &[u8]) -> Result<[u8; 32]> {
    let text = str::from_utf8(digits)?;
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2).context("a short digest")?, 16)?;
    }
    Ok(digest)
}

/// A program of libudfread's functions: path, NUL, size as text, NUL and the bytes of every file.
const LIBUDFREAD: &str = include_str!("udfread.c");

fn libudfread(image: &Path, folder: &Path, _: &Listing, _: &Mounts) -> Result<Found> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("udfread.c"), LIBUDFREAD)?;
    let arguments = ["-O2", "-o", "udfread", "udfread.c", "-ludfread"];
    run("gcc", &arguments.map(OsStr::new), folder).context("libudfread-dev")?;
    let program = folder.join("udfread");
    let mut child = Command::new(program).arg(image).stdout(Stdio::piped()).spawn()?;
    let mut output = std::io::BufReader::with_capacity(1 << 20, child.stdout.take().context("its output")?);
    let mut found = Listing::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let (path, size) = (until_nul(&mut output)?, until_nul(&mut output)?);
        if path.is_empty() {
            break;
        }
        let mut left: u64 = str::from_utf8(&size)?.parse()?;
        let mut hasher = Sha256::new();
        while left > 0 {
            let length = usize::try_from(left.min(buffer.len() as u64))?;
            let piece = buffer.get_mut(..length).context("within")?;
            output.read_exact(piece)?;
            hasher.update(&*piece);
            left -= length as u64;
        }
        let path = path.strip_prefix(b"/").unwrap_or(&path).to_vec();
        found.insert(path, Node::File(hasher.finalize().into()));
    }
    ensure!(child.wait()?.success(), "libudfread failed");
    Ok(Found::Read(found))
}

fn until_nul(input: &mut impl std::io::BufRead) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.read_until(0, &mut bytes)?;
    bytes.pop();
    Ok(bytes)
}

fn udfdump(image: &Path, _: &Path, _: &Listing, _: &Mounts) -> Result<Found> {
    let arguments = ["-t".as_ref(), "-b".as_ref(), "2048".as_ref(), image.as_os_str()];
    let output = run("udfdump", &arguments, Path::new("/"))?;
    let listed = lines(&output, |line| line.strip_prefix(b":Rootdir/"));
    Ok(Found::Count(listed.len()))
}

fn udfinfo(image: &Path, _: &Path, _: &Listing, _: &Mounts) -> Result<Found> {
    let output = String::from_utf8(run("udfinfo", &[image.as_os_str()], Path::new("/"))?)?;
    for line in ["label=Readers", "udfrev=1.02", "integrity=closed"] {
        ensure!(
            output.lines().any(|found| found == line),
            "no {line} in\n{output}"
        );
    }
    Ok(Found::Knows)
}

fn blkid(image: &Path, _: &Path, _: &Listing, _: &Mounts) -> Result<Found> {
    let output = String::from_utf8(run("blkid", &["-p".as_ref(), image.as_os_str()], Path::new("/"))?)?;
    let known = output.contains("TYPE=\"udf\"") || output.contains("TYPE=\"iso9660\"");
    ensure!(
        known && output.to_uppercase().contains("LABEL=\"READERS\""),
        "{output}"
    );
    Ok(Found::Knows)
}

/// An image as a source of blocks.
pub struct ImageFile {
    file: File,
    blocks: u64,
}

impl ImageFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| PathBuf::from(path).display().to_string())?;
        let blocks = file.metadata()?.len() / BLOCK as u64;
        Ok(Self { file, blocks })
    }
}

impl BlockSource for ImageFile {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let seek = self.file.seek(SeekFrom::Start(block * BLOCK as u64));
        let read = seek.and_then(|_| self.file.read_exact(buf));
        read.map_err(|error| SourceError(error.to_string()))
    }
}
