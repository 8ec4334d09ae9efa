//! A disc as a directory: `disc.img` with the sectors, `disc.toml` with the tracks.
//!
//! Sectors are written before the state that counts them, and the state is replaced by rename. A process
//! killed between the two leaves sectors that nothing counts: they are cut off at the next start, like the
//! lost tail of a drive's buffer.

use std::{
    fs::{self, File, TryLockError},
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::{
    BLOCK,
    error::Error,
    profile::{Profile, Strategy},
    recording::Recording,
    sense::{INTERNAL_TARGET_FAILURE, Sense, WRITE_ERROR},
};

/// Blocks recorded before the state is committed without being asked: 16 MiB. The rename is what costs time.
const BUFFER: u32 = 8192;

/// A disc and the files it lives in.
#[derive(Debug)]
pub struct Disc {
    profile: &'static Profile,
    recording: Recording,
    image: File,
    directory: PathBuf,
    uncommitted: u32,
}

impl Disc {
    /// Opens the disc in `directory`, or makes a blank one there of `capacity` blocks (the profile's own
    /// when `None`).
    ///
    /// # Errors
    ///
    /// A capacity the medium cannot have, files that cannot be used, or a disc another process holds.
    pub fn open_or_create(
        directory: &Path,
        profile: &'static Profile,
        capacity: Option<u32>,
    ) -> Result<Self, Error> {
        if state_path(directory).exists() {
            return Self::open(directory);
        }
        let blocks = capacity.unwrap_or(profile.capacity);
        check_capacity(profile, blocks)?;
        fs::create_dir_all(directory).map_err(at(directory))?;
        let image = open_image(directory)?;
        image.set_len(0).map_err(at(directory))?;
        Self::begin(directory, profile, image, Recording::blank(profile, blocks))
    }

    /// Makes a disc in `directory`, where there must be none, that holds the sectors of the file `from`: one
    /// closed session, appendable if the medium can be; a formatted disc where it is overwritten. The
    /// `capacity` is as for [`Disc::open_or_create`]; of a pressed disc, it is the image's own size.
    ///
    /// # Errors
    ///
    /// As for [`Disc::open_or_create`]; an image that is empty, does not fit or is no whole number of blocks.
    pub fn from_image(
        directory: &Path,
        profile: &'static Profile,
        from: &Path,
        capacity: Option<u32>,
    ) -> Result<Self, Error> {
        let mut source = File::open(from).map_err(at(from))?;
        let length = source.metadata().map_err(at(from))?.len();
        let blocks = u32::try_from(length.div_ceil(BLOCK as u64)).unwrap_or(u32::MAX);
        let room = capacity.unwrap_or(profile.capacity);
        check_capacity(profile, room)?;
        if blocks == 0 || blocks > room || state_path(directory).exists() {
            return Err(Error::Image {
                path: from.into(),
                blocks,
                room,
            });
        }
        let room = if profile.strategy == Strategy::Pressed {
            blocks.next_multiple_of(profile.ecc_blocks)
        } else {
            room
        };
        let recording = Recording::holding(profile, room, blocks).map_err(|_| Error::Image {
            path: from.into(),
            blocks,
            room,
        })?;
        fs::create_dir_all(directory).map_err(at(directory))?;
        let mut image = open_image(directory)?;
        image.set_len(0).map_err(at(directory))?;
        io::copy(&mut source, &mut image).map_err(at(directory))?;
        Self::begin(directory, profile, image, recording)
    }

    fn begin(
        directory: &Path,
        profile: &'static Profile,
        image: File,
        recording: Recording,
    ) -> Result<Self, Error> {
        let mut disc = Self {
            profile,
            recording,
            image,
            directory: directory.into(),
            uncommitted: 0,
        };
        disc.fit().map_err(at(directory))?;
        disc.commit().map_err(at(&state_path(directory)))?;
        Ok(disc)
    }

    /// Opens the disc in `directory`.
    ///
    /// # Errors
    ///
    /// No disc there, a state that contradicts itself, or a disc another process holds.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = state_path(directory);
        let image = open_image(directory)?;
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let wrong = |reason: String| Error::State {
            path: path.clone(),
            reason,
        };
        let recording: Recording = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let profile = Profile::named(&recording.media);
        let profile = profile.ok_or_else(|| wrong(format!("unknown medium {}", recording.media)))?;
        if !recording.is_sound(profile) {
            return Err(wrong("the tracks overlap or leave the disc".into()));
        }
        let disc = Self {
            profile,
            recording,
            image,
            directory: directory.into(),
            uncommitted: 0,
        };
        disc.fit().map_err(at(directory))?;
        Ok(disc)
    }

    /// Cuts the image behind, or extends it to, what can be read.
    fn fit(&self) -> io::Result<()> {
        self.image
            .set_len(offset(self.recording.readable_end(self.profile)))
    }

    /// What kind of medium it is.
    #[must_use]
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Its tracks and sessions.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The file with its user sectors.
    #[must_use]
    pub fn image_path(&self) -> PathBuf {
        self.directory.join("disc.img")
    }

    /// Reads `count` blocks.
    pub(crate) fn read(&self, address: u32, count: u32) -> Result<Vec<u8>, Sense> {
        self.recording.check_read(self.profile, address, count)?;
        let mut data = vec![0; usize::try_from(count).unwrap_or(0) * BLOCK];
        self.image
            .read_exact_at(&mut data, offset(address))
            .map_err(|error| self.failed(&error))?;
        Ok(data)
    }

    /// Writes whole blocks at `address`, which must be a track's next writable address.
    pub(crate) fn write(&mut self, address: u32, data: &[u8]) -> Result<(), Sense> {
        let count = u32::try_from(data.len() / BLOCK).unwrap_or(u32::MAX);
        let position = self.recording.check_write(self.profile, address, count)?;
        let first = self.recording.recorded_end() == 0;
        self.image
            .write_all_at(data, offset(address))
            .map_err(|error| self.failed(&error))?;
        self.recording.advance(position, address, count);
        self.uncommitted = self.uncommitted.saturating_add(count);
        if first || self.uncommitted >= BUFFER {
            self.commit_or_fail()
        } else {
            Ok(())
        }
    }

    /// Before a WRITE: what it needs of the spare areas, for blocks written again and for `defective` ones.
    pub(crate) fn spend_spares(
        &mut self,
        range: &Range<u32>,
        defective: impl Iterator<Item = u32>,
    ) -> Result<(), Sense> {
        let mut recording = None;
        for address in defective {
            if self.recording.spare == 0 {
                return Err(WRITE_ERROR.at(address));
            }
            let recording = recording.get_or_insert_with(|| self.recording.clone());
            recording.replace(self.profile, address)?;
        }
        if let Some(recording) = recording {
            self.recording = recording;
        }
        self.recording
            .overwrite(self.profile, range.start, range.end.saturating_sub(range.start))
    }

    /// SYNCHRONIZE CACHE: half-recorded ECC blocks are padded with zeros, and the state is committed.
    pub(crate) fn synchronize(&mut self) -> Result<(), Sense> {
        for (position, address, count) in self.recording.padding(self.profile) {
            let zeros = vec![0; usize::try_from(count).unwrap_or(0) * BLOCK];
            self.image
                .write_all_at(&zeros, offset(address))
                .map_err(|error| self.failed(&error))?;
            self.recording.advance(position, address, count);
        }
        self.commit_or_fail()
    }

    /// Changes tracks or sessions: all of `change` happens and is committed, or none.
    pub(crate) fn change(
        &mut self,
        change: impl FnOnce(&mut Recording, &Profile) -> Result<(), Sense>,
    ) -> Result<(), Sense> {
        self.synchronize()?;
        let mut changed = self.recording.clone();
        change(&mut changed, self.profile)?;
        let before = std::mem::replace(&mut self.recording, changed);
        self.commit_or_fail().inspect_err(|_| self.recording = before)?;
        self.fit().map_err(|error| self.failed(&error))
    }

    /// Blanks or formats the disc: what it held is gone.
    pub(crate) fn renew(&mut self, recording: Recording) -> Result<(), Sense> {
        let before = std::mem::replace(&mut self.recording, recording);
        self.commit_or_fail().inspect_err(|_| self.recording = before)?;
        self.profile = Profile::named(&self.recording.media).unwrap_or(self.profile);
        let wiped = self.image.set_len(0).and_then(|()| self.fit());
        wiped.map_err(|error| self.failed(&error))
    }

    /// The background format gets on by `blocks`; it is not worth a commit.
    pub(crate) fn format_on(&mut self, blocks: u32) {
        if !self.recording.formatting {
            return;
        }
        let done = self.recording.recorded_end();
        self.recording.advance(0, done, blocks);
        self.recording.formatting = self.recording.recorded_end() < self.recording.capacity();
    }

    /// The power fails in the middle of a WRITE at `address` of which `arrived` reached the disc: what was
    /// not committed is lost, and the track is damaged.
    pub(crate) fn lose_power(&mut self, address: u32, arrived: &[u8]) -> Result<(), Sense> {
        let lost = if self.profile.is_overwritten() {
            self.image.write_all_at(arrived, offset(address))
        } else {
            fs::read_to_string(state_path(&self.directory)).and_then(|text| {
                self.recording = toml::from_str(&text).map_err(io::Error::other)?;
                self.recording.damage(address);
                self.fit()
            })
        };
        lost.and_then(|()| self.commit())
            .map_err(|error| self.failed(&error))
    }

    fn commit(&mut self) -> io::Result<()> {
        let text = toml::to_string(&self.recording).map_err(io::Error::other)?;
        let new = self.directory.join("disc.toml.new");
        fs::write(&new, text)?;
        fs::rename(&new, state_path(&self.directory))?;
        self.uncommitted = 0;
        Ok(())
    }

    fn commit_or_fail(&mut self) -> Result<(), Sense> {
        self.commit().map_err(|error| self.failed(&error))
    }

    /// The host failed, not the disc: said on standard error, since sense data cannot carry it.
    fn failed(&self, error: &io::Error) -> Sense {
        eprintln!("burner: {}: {error}", self.directory.display());
        INTERNAL_TARGET_FAILURE
    }
}

fn check_capacity(profile: &Profile, blocks: u32) -> Result<(), Error> {
    let (name, unit, most) = (profile.name, profile.ecc_blocks, profile.capacity);
    if blocks == 0 || !blocks.is_multiple_of(unit) || blocks > most {
        return Err(Error::Capacity {
            name,
            blocks,
            unit,
            most,
        });
    }
    Ok(())
}

fn offset(address: u32) -> u64 {
    u64::from(address) * BLOCK as u64
}

fn state_path(directory: &Path) -> PathBuf {
    directory.join("disc.toml")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    |source| Error::File { path, source }
}

/// The lock keeps a second process from recording on the same disc; it goes with the file.
fn open_image(directory: &Path) -> Result<File, Error> {
    let path = directory.join("disc.img");
    let image = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let image = image.map_err(at(&path))?;
    match image.try_lock() {
        Ok(()) => Ok(image),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: directory.into(),
        }),
        Err(TryLockError::Error(source)) => Err(Error::File { path, source }),
    }
}
