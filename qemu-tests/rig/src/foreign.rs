//! Opens discs with programs nobody here wrote.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tree::{Listing, Node, listing};

/// A foreign reader of disc images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// 7-Zip reading UDF.
    SevenZipUdf,
    /// 7-Zip reading ISO 9660.
    SevenZipIso,
    /// xorriso reading ISO 9660 with Rock Ridge.
    Xorriso,
    /// bsdtar (libarchive) reading ISO 9660 with Rock Ridge.
    Bsdtar,
}

impl Reader {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenZipUdf => "7z, UDF",
            Self::SevenZipIso => "7z, ISO 9660",
            Self::Xorriso => "xorriso, ISO 9660",
            Self::Bsdtar => "bsdtar, ISO 9660",
        }
    }

    /// What of a tree this reader can show, given what it found.
    ///
    /// 7-Zip passes over UDF's symbolic links; for the names see [`udf_names`].
    pub fn as_seen(self, wanted: &Listing, found: &Listing) -> Listing {
        if self != Self::SevenZipUdf {
            return wanted.clone();
        }
        let mut seen = udf_names(wanted, found);
        seen.retain(|_, node| !matches!(node, Node::Symlink(_)));
        seen
    }

    /// Extracts everything from `image` and lists it; `folder` is used for it and must not exist.
    pub fn extract(self, image: &Path, folder: &Path) -> Result<Listing> {
        fs::create_dir_all(folder)?;
        let mut command = match self {
            Self::SevenZipUdf | Self::SevenZipIso => {
                let kind = if self == Self::SevenZipUdf {
                    "-tudf"
                } else {
                    "-tiso"
                };
                let mut command = Command::new("7z");
                // -snld: symbolic links that lead outside are kept as they are, as in the source.
                command
                    .args(["x", kind, "-y", "-bd", "-snld"])
                    .arg(image)
                    .current_dir(folder);
                command
            }
            Self::Xorriso => {
                let mut command = Command::new("xorriso");
                command
                    .args(["-osirrox", "on", "-indev"])
                    .arg(format!("stdio:{}", image.display()));
                command.args(["-extract", "/"]).arg(folder);
                command
            }
            Self::Bsdtar => {
                let mut command = Command::new("bsdtar");
                command.arg("-xf").arg(image).arg("-C").arg(folder);
                command
            }
        };
        let output = command
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} is missing: `cargo xtask setup` installs it", self.name()))?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            bail!(
                "{} failed on {}: {}",
                self.name(),
                image.display(),
                String::from_utf8_lossy(&text)
            );
        }
        let listing = listing(folder)?;
        if listing.is_empty() {
            bail!("{} found nothing in {}", self.name(), image.display());
        }
        // Readers give directories the modes of the disc; without ours they could not be removed.
        let _ = Command::new("chmod").arg("-R").arg("u+rwX").arg(folder).status();
        Ok(listing)
    }
}

/// The tree with its names as UDF has them, given what was found.
///
/// UDF names have at most 254 bytes, one or two a character, so a longer one is found under the shortened name
/// that `docs/discfs.md` describes.
pub fn udf_names(wanted: &Listing, found: &Listing) -> Listing {
    shortened_names(wanted, found, fits_udf)
}

/// The tree with its names as Linux shows Rock Ridge's, given what was found.
///
/// Linux gives a name at most 253 bytes, and drops the whole NM entry that would make it longer.
pub fn linux_rock_ridge_names(wanted: &Listing, found: &Listing) -> Listing {
    let fits = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len) < 254;
    shortened_names(wanted, found, fits)
}

/// The tree with each name that does not fit replaced by one that was found and begins like it.
fn shortened_names(wanted: &Listing, found: &Listing, fits: impl Fn(&[u8]) -> bool) -> Listing {
    let mut seen = wanted.clone();
    let missing: Vec<Vec<u8>> = seen
        .keys()
        .filter(|path| !found.contains_key(*path) && !fits(path))
        .cloned()
        .collect();
    for long in missing {
        let shortened = |path: &&Vec<u8>| {
            let common = path.iter().zip(&long).take_while(|(a, b)| a == b).count();
            !wanted.contains_key(*path) && common > parent(&long).len() + 64 && parent(path) == parent(&long)
        };
        if let Some(short) = found.keys().find(shortened)
            && let Some(node) = seen.remove(&long)
        {
            seen.insert(short.clone(), node);
        }
    }
    seen
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|byte| *byte == b'/')
        .and_then(|end| path.get(..end))
        .unwrap_or_default()
}

/// Whether the last component of a path is a UDF name as it is (UDF 1.02 §2.1.1: a compression id, then 8 or
/// 16 bits a character, 255 bytes in all).
fn fits_udf(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match std::str::from_utf8(name) {
        Ok(text) if text.chars().all(|character| u32::from(character) < 0x100) => text.chars().count() <= 254,
        Ok(text) => text.encode_utf16().count() <= 127,
        Err(_) => false,
    }
}
