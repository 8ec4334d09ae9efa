//! Where the bytes of an image go: a new file, or a further session of one that is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use client::Error;
use discfs::{BLOCK, FRONT_BLOCKS, Image, Revision, Volume, WalkLimits};

use super::image::ImageFile;
use super::{local, unsuitable};
use crate::target::Partial;

/// Where a new image goes.
pub enum Output {
    Stdout(io::Stdout),
    /// Something that is there and is no regular file.
    Special(File),
    /// A file that appears under its name when it is complete and synced.
    File(Partial),
}

impl Output {
    pub fn choose(path: &Path, force: bool) -> Result<Self, Error> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(io::stdout()));
        }
        match fs::metadata(path).map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_dir() => Err(unsuitable(path, "it is a directory; name the image in it")),
            Ok(kind) if kind.is_file() && !force => Err(unsuitable(
                path,
                "it exists; --force replaces it, --append-to adds a session to it",
            )),
            Ok(kind) if !kind.is_file() => {
                let file = OpenOptions::new().write(true).open(path);
                Ok(Self::Special(file.map_err(local(path))?))
            }
            _ => Ok(Self::File(Partial::begin(PathBuf::from(path))?)),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.write_all(bytes),
            Self::Special(out) => out.write_all(bytes),
            Self::File(out) => out.write_all(bytes),
        }
    }

    pub fn finish(self) -> Result<(), Error> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(Error::Output),
            Self::Special(mut out) => out.flush().map_err(Error::Output),
            Self::File(out) => out.finish().map(drop),
        }
    }
}

/// An image that gets a further session. The new one is written behind the others and synced before the beginning of the
/// image tells of it, so that the image is whole at any moment.
pub struct Existing {
    path: PathBuf,
    file: File,
    position: u64,
}

impl Existing {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(local(path))?;
        if let Err(error) = file.try_lock() {
            return Err(unsuitable(path, format!("another program writes to it: {error}")));
        }
        Ok(Self {
            path: path.into(),
            file,
            position: 0,
        })
    }

    /// The tree of the newest session.
    pub fn revision(&mut self) -> Result<Revision, Error> {
        let source = ImageFile::open(&self.path)?;
        let mut volume = Volume::open(source, 0).map_err(|error| unsuitable(&self.path, error))?;
        let revision = Revision::import(&mut volume, WalkLimits::default());
        let revision = revision.map_err(|error| unsuitable(&self.path, error))?;
        if let Some(path) = revision.not_kept().first() {
            let path = String::from_utf8_lossy(path);
            let reason =
                format!("{path} cannot be described in a further session; extract all, and author it anew");
            return Err(unsuitable(&self.path, reason));
        }
        // What a session puts at the beginning must not lie on anything else.
        if revision
            .sessions()
            .first()
            .is_none_or(|first| first.start < FRONT_BLOCKS)
        {
            let reason = "its beginning has no room to tell of further sessions: `spindle author` did not make it; author it anew";
            return Err(unsuitable(&self.path, reason));
        }
        Ok(revision)
    }

    /// Where the next session begins; a session that was not completed is left behind.
    pub fn next_start(&mut self) -> Result<u32, Error> {
        let end = self.file.seek(SeekFrom::End(0)).map_err(local(&self.path))?;
        let start = end.div_ceil(BLOCK as u64).next_multiple_of(32);
        self.position = start * BLOCK as u64;
        self.file
            .seek(SeekFrom::Start(self.position))
            .map_err(local(&self.path))?;
        u32::try_from(start).map_err(|_| unsuitable(&self.path, "it is as large as discs can be"))
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the session the one that is shown.
    pub fn commit(&mut self, image: &Image) -> Result<(), Error> {
        let mut commit = || {
            self.file.sync_all()?;
            for (block, bytes) in image.front() {
                self.file.seek(SeekFrom::Start(u64::from(block) * BLOCK as u64))?;
                self.file.write_all(&bytes)?;
                self.file.sync_data()?;
            }
            Ok(())
        };
        commit().map_err(local(&self.path))
    }
}
