//! What systems do differently.

pub(crate) use system::{Folder, Found, read_exact_at, stamps};

#[cfg(unix)]
mod system {
    use std::ffi::CString;
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::Path;

    use crate::names::Names;
    use discfs::{Attributes, Time, Times};
    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

    /// An open directory: what is in it is found without walking down its path again.
    pub(crate) struct Folder(OwnedFd);

    /// What is found under a name.
    pub(crate) enum Found {
        Directory,
        File {
            size: u64,
            /// Device and inode of a file with several names.
            identity: Option<(u64, u64)>,
        },
        Symlink(Vec<u8>),
        Other(&'static str),
    }

    const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

    impl Folder {
        pub fn open(path: &Path) -> io::Result<Self> {
            Ok(Self(rustix::fs::open(path, FOLDER, Mode::empty())?))
        }

        pub fn inside(&self, name: &[u8]) -> io::Result<Self> {
            let flags = FOLDER.union(OFlags::NOFOLLOW);
            Ok(Self(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
        }

        /// The names of everything in it.
        pub fn names(&self) -> io::Result<Names> {
            let mut names = Names::default();
            for entry in Dir::read_from(&self.0)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        }

        pub fn look(&self, name: &[u8]) -> io::Result<(Found, Attributes, Times)> {
            let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let found = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Found::Directory,
                FileType::RegularFile => Found::File {
                    size: u64::try_from(stat.st_size).unwrap_or_default(),
                    identity: (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino)),
                },
                FileType::Symlink => {
                    let target: CString = rustix::fs::readlinkat(&self.0, name, Vec::new())?;
                    Found::Symlink(target.into_bytes())
                }
                FileType::BlockDevice | FileType::CharacterDevice => Found::Other("it is a device"),
                FileType::Fifo => Found::Other("it is a named pipe"),
                FileType::Socket => Found::Other("it is a socket"),
                FileType::Unknown => Found::Other("it is of an unknown kind"),
            };
            let (attributes, times) = of_stat(&stat);
            Ok((found, attributes, times))
        }

        pub fn file(&self, name: &[u8]) -> io::Result<File> {
            // A file exchanged for a pipe meanwhile must not stop us.
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            Ok(File::from(rustix::fs::openat(
                &self.0,
                name,
                flags,
                Mode::empty(),
            )?))
        }
    }

    fn of_stat(stat: &Stat) -> (Attributes, Times) {
        let attributes = Attributes {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        };
        let times = Times {
            accessed: Some(time(stat.st_atime, stat.st_atime_nsec)),
            changed: Some(time(stat.st_ctime, stat.st_ctime_nsec)),
            created: None,
        };
        (attributes, times)
    }

    #[allow(clippy::useless_conversion, reason = "the types differ from system to system")]
    fn time(seconds: impl TryInto<i64>, nanoseconds: impl TryInto<u32>) -> Time {
        Time {
            seconds: seconds.try_into().unwrap_or_default(),
            nanoseconds: nanoseconds.try_into().unwrap_or_default(),
        }
    }

    /// Attributes of a path that was given.
    pub(crate) fn stamps(metadata: &Metadata) -> Attributes {
        Attributes {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buf, offset)
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{self, File, Metadata};
    use std::io::{self, Read, Seek, SeekFrom};
    use std::path::{Path, PathBuf};
    use std::time::{SystemTime, UNIX_EPOCH};

    use crate::names::Names;
    use discfs::{Attributes, Time, Times};

    /// A directory by its path.
    pub(crate) struct Folder(PathBuf);

    /// What is found under a name.
    pub(crate) enum Found {
        Directory,
        File { size: u64, identity: Option<(u64, u64)> },
        Symlink(Vec<u8>),
        Other(&'static str),
    }

    impl Folder {
        pub fn open(path: &Path) -> io::Result<Self> {
            fs::read_dir(path)?;
            Ok(Self(path.into()))
        }

        pub fn inside(&self, name: &[u8]) -> io::Result<Self> {
            Self::open(&self.path(name)?)
        }

        pub fn names(&self) -> io::Result<Names> {
            let mut names = Names::default();
            for entry in fs::read_dir(&self.0)? {
                names.push(entry?.file_name().as_encoded_bytes());
            }
            names.sort();
            Ok(names)
        }

        pub fn look(&self, name: &[u8]) -> io::Result<(Found, Attributes, Times)> {
            let path = self.path(name)?;
            let metadata = fs::symlink_metadata(&path)?;
            let kind = metadata.file_type();
            let found = if kind.is_dir() {
                Found::Directory
            } else if kind.is_file() {
                Found::File {
                    size: metadata.len(),
                    identity: None,
                }
            } else if kind.is_symlink() {
                Found::Symlink(fs::read_link(&path)?.into_os_string().into_encoded_bytes())
            } else {
                Found::Other("it is neither a file nor a directory nor a symbolic link")
            };
            let times = Times {
                accessed: metadata.accessed().ok().map(time),
                changed: None,
                created: metadata.created().ok().map(time),
            };
            Ok((found, stamps(&metadata), times))
        }

        pub fn file(&self, name: &[u8]) -> io::Result<File> {
            File::open(self.path(name)?)
        }

        fn path(&self, name: &[u8]) -> io::Result<PathBuf> {
            let name = std::str::from_utf8(name).map_err(io::Error::other)?;
            Ok(self.0.join(name))
        }
    }

    fn time(time: SystemTime) -> Time {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Time {
            seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
            nanoseconds: since.subsec_nanos(),
        }
    }

    /// Systems without modes and owners: what every reader may see.
    pub(crate) fn stamps(metadata: &Metadata) -> Attributes {
        Attributes {
            mode: if metadata.is_dir() { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: metadata.modified().map(time).unwrap_or_default(),
        }
    }

    pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buf)
    }
}
