//! `spindle ls` and `spindle get` on an image or a drive of this machine.
//!
//! What is an image is told by what it holds, never by its name: a regular file or block device of this machine on which a
//! file system of discs begins. With `--drive` or `--tree` it is the box's.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use client::Error;
use client::wire::{ByteString, Entry, EntryKind, Time};
use discfs::{BLOCK, BlockSource, Node, NodeKind, SourceError, Volume, WalkLimits};
use serde_json::json;

use super::{local, unsuitable};
use crate::arguments;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::target::{Partial, Target};
use crate::trees::{entry_json, entry_text, inner_path};

/// An image as a source of blocks.
pub struct ImageFile {
    file: File,
    blocks: u64,
}

impl ImageFile {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(local(path))?;
        // The length of a device is where its end is found.
        let length = file.seek(SeekFrom::End(0)).map_err(local(path))?;
        Ok(Self {
            file,
            blocks: length / BLOCK as u64,
        })
    }
}

impl BlockSource for ImageFile {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&mut self, block: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let read = self
            .file
            .seek(SeekFrom::Start(block.saturating_mul(BLOCK as u64)))
            .and_then(|_| self.file.read_exact(buf));
        read.map_err(|error| SourceError(error.to_string()))
    }
}

/// An image that was recognised.
pub struct Image(pub(super) PathBuf);

impl Image {
    /// The image that a command names, if it names one.
    pub fn of(path: &Path, from: arguments::From) -> Option<Self> {
        (from.tree.is_none() && from.drive.is_none()).then(|| Self::at(path))?
    }

    /// The image at a path, if there is one.
    pub fn at(path: &Path) -> Option<Self> {
        let kind = std::fs::metadata(path).ok()?.file_type();
        if kind.is_dir() || !(kind.is_file() || is_device(path)) {
            return None;
        }
        let mut source = ImageFile::open(path).ok()?;
        let readable = !Volume::views(&mut source, 0).is_empty() || !Volume::sessions(&mut source).is_empty();
        readable.then(|| Self(path.into()))
    }

    /// The blocks, and where a session begins: the newest unless its number is given.
    pub fn session(&self, session: Option<u32>) -> Result<(ImageFile, u64), Error> {
        let mut source = ImageFile::open(&self.0)?;
        let start = match session {
            None => 0,
            Some(number) => {
                let sessions = Volume::sessions(&mut source);
                let at = usize::try_from(number)
                    .ok()
                    .and_then(|number| number.checked_sub(1));
                let found = at.and_then(|at| sessions.get(at)).copied();
                found.ok_or_else(|| {
                    unsuitable(
                        &self.0,
                        format!("it has {} sessions, no session {number}", sessions.len()),
                    )
                })?
            }
        };
        Ok((source, start))
    }

    /// Opens a session in its richest view.
    fn open(&self, session: Option<u32>) -> Result<Volume<ImageFile>, Error> {
        let (source, start) = self.session(session)?;
        Volume::open(source, start).map_err(|error| unsuitable(&self.0, error))
    }
}

/// Whether something that is no regular file is a device with blocks: it has an end.
fn is_device(path: &Path) -> bool {
    let end = File::open(path).and_then(|mut file| file.seek(SeekFrom::End(0)));
    end.is_ok_and(|end| end > 0)
}

pub fn ls(image: &Image, what: &arguments::Ls, output: Output) -> Result<Exit, Error> {
    let mut volume = image.open(what.session)?;
    let top = inner_path(what.inner.as_deref().unwrap_or(Path::new(".")));
    let refuse = |error: discfs::DiscError| unsuitable(&image.0, error);
    let node = volume.lookup(top).map_err(refuse)?;
    let mut lines = io::BufWriter::new(io::stdout());
    let mut entries = Vec::new();
    let mut failure = None;
    let mut show = |volume: &mut Volume<ImageFile>, path: &[u8], node: &Node| -> io::Result<()> {
        let entry = entry_of(volume, path, node);
        if output.json {
            entries.push(entry_json(&entry));
            return Ok(());
        }
        writeln!(lines, "{}", entry_text(&entry, what.long))
    };
    if node.kind == NodeKind::Directory {
        let prefix = if top.is_empty() {
            Vec::new()
        } else {
            [top, b"/"].concat()
        };
        let limits = WalkLimits::default();
        let mut visit = |volume: &mut Volume<ImageFile>, path: &[u8], node: &Node| {
            failure = show(volume, &[&prefix[..], path].concat(), node).err();
            failure.is_none()
        };
        if what.recursive {
            volume.walk(&node, limits, &mut visit).map_err(refuse)?;
        } else {
            let mut directory = Volume::<ImageFile>::directory(&node).map_err(refuse)?;
            while let Some((name, node)) = volume.next_entry(&mut directory).map_err(refuse)? {
                if !visit(&mut volume, &name, &node) {
                    break;
                }
            }
        }
    } else {
        failure = show(&mut volume, top, &node).err();
    }
    if let Some(error) = failure {
        return Err(Error::Output(error));
    }
    lines.flush().map_err(Error::Output)?;
    if output.json {
        output.print(String::new, || json!({ "entries": entries }))?;
    }
    Ok(Exit::Done)
}

fn entry_of(volume: &mut Volume<ImageFile>, path: &[u8], node: &Node) -> Entry {
    let kind = match node.kind {
        NodeKind::Directory => EntryKind::Directory.number(),
        NodeKind::File => EntryKind::File.number(),
        NodeKind::Symlink => EntryKind::Symlink.number(),
        NodeKind::Special => u16::MAX,
    };
    let target = match node.kind {
        NodeKind::Symlink => volume.link_target(node).unwrap_or_default(),
        _ => Vec::new(),
    };
    Entry {
        path: ByteString::from(path),
        kind,
        mode: node.attributes.mode,
        uid: node.attributes.uid,
        gid: node.attributes.gid,
        mtime: Time {
            seconds: node.attributes.mtime.seconds,
            nanoseconds: node.attributes.mtime.nanoseconds,
        },
        size: node.size,
        target: ByteString::from(target),
        ..Entry::default()
    }
}

/// Bytes read at once.
const PIECE: usize = 1 << 20;

pub fn get(image: &Image, what: &arguments::Get, output: Output) -> Result<Exit, Error> {
    let Some(inner) = &what.output else {
        let reason = "it is an image of this machine: name the file in it, as in `spindle get IMG PATH`, or say --drive for the box";
        return Err(unsuitable(&image.0, reason));
    };
    let target = Target::for_file(inner, what.third.as_deref(), what.force)?;
    let mut volume = image.open(what.session)?;
    let refuse = |error: discfs::DiscError| unsuitable(&image.0, error);
    let node = volume.lookup(inner_path(inner)).map_err(refuse)?;
    if node.kind != NodeKind::File {
        return Err(unsuitable(&image.0, format!("{} is no file", inner.display())));
    }
    match target {
        Target::Stdout => {
            copy(&mut volume, &node, &mut io::stdout(), output)?;
            return Ok(Exit::Done);
        }
        Target::Special(path) => {
            let opened = std::fs::OpenOptions::new().write(true).open(&path);
            copy(&mut volume, &node, &mut opened.map_err(local(&path))?, output)?;
        }
        Target::File(path) => {
            let mut partial = Partial::begin(path)?;
            copy(&mut volume, &node, &mut partial, output)?;
            partial.finish()?;
        }
    }
    output.done("get", &format!("{}: {} bytes", inner.display(), node.size))
}

fn copy(
    volume: &mut Volume<ImageFile>,
    node: &Node,
    out: &mut dyn Write,
    output: Output,
) -> Result<(), Error> {
    let mut progress = Progress::new(output, "reading", node.size);
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < node.size {
        let read = volume.read_file(node, offset, &mut buffer);
        let count = read.map_err(|error| Error::Output(io::Error::other(error.to_string())))?;
        if count == 0 {
            return Err(Error::Damaged("a file of the image ends before its size"));
        }
        out.write_all(buffer.get(..count).unwrap_or_default())
            .map_err(Error::Output)?;
        offset += count as u64;
        progress.at("reading", offset, node.size, "");
    }
    progress.finish();
    out.flush().map_err(Error::Output)
}
