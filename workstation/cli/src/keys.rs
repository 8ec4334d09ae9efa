//! This workstation's key, and the boxes it is paired with.
//!
//! Both lie in `$XDG_CONFIG_HOME/spindle` (`~/.config/spindle`), or where `SPINDLE_CONFIG` says:
//!
//! - `key`: the private key, 64 hexadecimal digits; readable by its owner only.
//! - `boxes`: a line for each box, `ADDRESS KEY NAME`, as it was paired with.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use client::{Error, Public, Secret};

/// Longest file that is read.
const LONGEST: u64 = 1 << 20;

/// Where keys are kept.
pub struct Keys {
    folder: PathBuf,
}

/// A box this workstation is paired with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub address: String,
    pub key: Public,
    pub name: String,
}

impl Keys {
    /// The user's own, wherever this system keeps such things.
    pub fn open() -> Result<Self, Error> {
        let variable = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let folder = variable("SPINDLE_CONFIG")
            .or_else(|| variable("XDG_CONFIG_HOME").map(|path| path.join("spindle")))
            .or_else(|| variable("HOME").map(|path| path.join(".config/spindle")))
            .or_else(|| variable("APPDATA").map(|path| path.join("spindle")));
        let none = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no home directory; set SPINDLE_CONFIG",
            )
        };
        let folder = folder.ok_or_else(|| local(Path::new("spindle"))(none()))?;
        Ok(Self { folder })
    }

    /// This workstation's key, if it has one.
    pub fn identity(&self) -> Result<Option<Secret>, Error> {
        let path = self.folder.join("key");
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(local(&path))?,
        };
        private::check(&file).map_err(local(&path))?;
        let text = read(&mut file).map_err(local(&path))?;
        // Read as a public key is written: both are 32 bytes.
        let bytes: Public = text.trim().parse().map_err(|_| {
            local(&path)(io::Error::new(
                io::ErrorKind::InvalidData,
                "this is no private key; move it away and pair again",
            ))
        })?;
        Ok(Some(Secret::new(bytes.0)))
    }

    /// This workstation's key; made now if it has none.
    pub fn identity_or_new(&self) -> Result<Secret, Error> {
        if let Some(identity) = self.identity()? {
            return Ok(identity);
        }
        let secret = Secret::generate().map_err(Error::Handshake)?;
        let path = self.folder.join("key");
        self.keep("key", &format!("{}\n", Public(*secret.bytes())))
            .map_err(local(&path))?;
        Ok(secret)
    }

    /// Every box this workstation is paired with.
    pub fn boxes(&self) -> Result<Vec<Known>, Error> {
        let path = self.folder.join("boxes");
        let text = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened
                .and_then(|mut file| read(&mut file))
                .map_err(local(&path))?,
        };
        let mut boxes = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let mut words = line.splitn(3, ' ');
            match (words.next(), words.next().map(str::parse), words.next()) {
                (Some(""), None, _) => {}
                (Some(address), Some(Ok(key)), name) => boxes.push(Known {
                    address: address.into(),
                    key,
                    name: name.unwrap_or_default().into(),
                }),
                _ => {
                    // A line that were passed over could mean a box spoken to in the clear.
                    let what = format!("line {number} is not `ADDRESS KEY NAME`; mend or remove it");
                    return Err(local(&path)(io::Error::new(io::ErrorKind::InvalidData, what)));
                }
            }
        }
        Ok(boxes)
    }

    /// The key of the box at that address, if this workstation is paired with it.
    pub fn box_key(&self, address: &str) -> Result<Option<Public>, Error> {
        let address = plain(address);
        let found = self.boxes()?.into_iter().find(|known| known.address == address);
        Ok(found.map(|known| known.key))
    }

    /// Remembers a box; what was known of that address is forgotten.
    pub fn remember(&self, address: &str, key: Public, name: &str) -> Result<(), Error> {
        let address = plain(address);
        let mut boxes = self.boxes()?;
        boxes.retain(|known| known.address != address);
        let name = name.chars().filter(|c| !c.is_control()).collect();
        boxes.push(Known { address, key, name });
        let lines = boxes
            .iter()
            .map(|known| format!("{} {} {}\n", known.address, known.key, known.name));
        self.keep("boxes", &lines.collect::<String>())
            .map_err(local(&self.folder.join("boxes")))
    }

    /// Writes a file that is there whole or as it was, whatever happens.
    fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        private::folder(&self.folder)?;
        let unfinished = self.folder.join(format!(".{name}-{}", std::process::id()));
        let mut file = private::create(&unfinished)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let moved = written.and_then(|()| fs::rename(&unfinished, self.folder.join(name)));
        if moved.is_err() {
            // Half a file helps nobody.
            let _ = fs::remove_file(&unfinished);
        }
        moved
    }
}

/// An address as it is kept: without the port that every box has.
fn plain(address: &str) -> String {
    let port = format!(":{}", client::wire::PORT);
    let address = address.trim().to_ascii_lowercase();
    let host = address
        .strip_suffix(&port)
        .filter(|host| !host.contains(':') || host.ends_with(']'));
    host.unwrap_or(&address).into()
}

fn read(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn local(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |error| Error::Local { path, error }
}

/// Files that only their owner reads, where the system knows of owners.
#[cfg(unix)]
mod private {
    use std::fs::{DirBuilder, File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    pub fn folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    pub fn check(file: &File) -> io::Result<()> {
        match file.metadata()?.mode() & 0o077 {
            0 => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others may read this private key; if none did, `chmod 600` it, otherwise pair anew with another",
            )),
        }
    }
}

/// Elsewhere the user's own folders are private already.
#[cfg(not(unix))]
mod private {
    use std::fs::{File, OpenOptions, create_dir_all};
    use std::io;
    use std::path::Path;

    pub fn folder(path: &Path) -> io::Result<()> {
        create_dir_all(path)
    }

    pub fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    pub fn check(_: &File) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_boxes_are_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys {
            folder: folder.path().join("spindle"),
        };
        assert!(keys.identity().expect("none is no error").is_none());
        let made = keys.identity_or_new().expect("made");
        assert!(keys.identity().expect("read") == Some(made.clone()));
        assert!(keys.identity_or_new().expect("read") == made);

        let key = made.public();
        assert_eq!(keys.box_key("attic").expect("none"), None);
        keys.remember("Attic:2352", key, "attic box").expect("kept");
        keys.remember("[fd00::1]:2352", key, "").expect("kept");
        keys.remember("attic", key, "again").expect("kept");
        assert_eq!(keys.box_key("attic:2352").expect("kept"), Some(key));
        assert_eq!(keys.box_key("[fd00::1]").expect("kept"), Some(key));
        assert_eq!(keys.box_key("attic:2353").expect("another"), None);
        assert_eq!(keys.boxes().expect("read").len(), 2);
    }

    #[test]
    fn a_damaged_list_of_boxes_is_an_error_not_an_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys {
            folder: folder.path().into(),
        };
        fs::write(folder.path().join("boxes"), "attic 1234 name\n").expect("written");
        let error = keys.box_key("other").expect_err("refused");
        assert!(error.to_string().contains("line 1"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys {
            folder: folder.path().into(),
        };
        keys.identity_or_new().expect("made");
        let path = folder.path().join("key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        assert!(keys.identity().is_err());
    }
}
