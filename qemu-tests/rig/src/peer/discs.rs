//! Discs as a workstation makes and sees them: the programs people burn with, and Linux's mounts.
//!
//! So a test can say: growisofs begins a disc, a box appends, Linux mounts it, growisofs appends again.

use anyhow::{Context, Result};
use burner::{Profile, Strategy};

use super::{Answer, Mounted, Workstation};
use crate::burners::Burner;

/// A program that burns trees, as people use it. Its commands have the device in `$drive`, and `$own` is a folder
/// that belongs to the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// growisofs, which has genisoimage make the file systems.
    Growisofs,
    /// xorriso, which makes them itself, without UDF.
    Xorriso,
    /// cdrskin, burning an image by genisoimage.
    Cdrskin,
    /// wodim, burning an image by genisoimage.
    Wodim,
}

/// A file system of Linux that mounts discs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// ISO 9660 with Rock Ridge.
    Iso9660,
    /// UDF.
    Udf,
}

impl Layout {
    /// The name `mount` knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso9660 => "iso9660",
            Self::Udf => "udf",
        }
    }
}

/// What genisoimage is to make: ISO 9660 with Rock Ridge and Joliet, and UDF; the charset is that of the names here.
const GENISOIMAGE: &str = "-input-charset utf-8 -R -J -udf";

/// The same of a further session, whose UDF would show the files of the earlier ones without their contents.
const SESSION: &str = "-input-charset utf-8 -R -J";

impl Program {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Growisofs, Self::Xorriso, Self::Cdrskin, Self::Wodim];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Growisofs => "growisofs",
            Self::Xorriso => "xorriso",
            Self::Cdrskin => "cdrskin",
            Self::Wodim => "wodim",
        }
    }

    /// Whether the discs it begins hold UDF besides ISO 9660.
    pub fn makes_udf(self) -> bool {
        self != Self::Xorriso
    }

    /// Whether it burns a finished image, which is `$own/disc.iso`.
    pub fn burns_image(self) -> bool {
        matches!(self, Self::Cdrskin | Self::Wodim)
    }

    /// The commands that burn the folder `tree` to a disc that is new, blank or overwritten. It stays appendable where
    /// the program leaves such a medium so.
    pub fn begin(self, medium: &Profile, tree: &str) -> String {
        // A disc that takes one session only has to know its size beforehand.
        let at_once = medium.write_types == [2];
        match self {
            Self::Growisofs => {
                let spare = spare(medium);
                // tty: it also overwrites a file system without asking.
                let force = format!("-use-the-force-luke=tty{spare}");
                format!("growisofs {force} -Z $drive -quiet {GENISOIMAGE} -V FIRST {tree}")
            }
            Self::Xorriso => {
                let close = if at_once { "-close on " } else { "" };
                format!("xorriso -outdev $drive -blank as_needed -volid FIRST {close}-map {tree} / -commit")
            }
            Self::Cdrskin => format!(
                "{} && cdrskin -v dev=$drive blank=as_needed $own/disc.iso",
                image(tree)
            ),
            Self::Wodim => {
                let mode = if at_once { "-dao" } else { "-tao" };
                format!(
                    "{} && wodim -v gracetime=2 dev=$drive {mode} $own/disc.iso",
                    image(tree)
                )
            }
        }
    }

    /// The commands that add the folder `tree` as a further session, or to the one there is where it can grow; none
    /// for a program that burns whole images.
    pub fn append(self, medium: &Profile, tree: &str) -> Option<String> {
        match self {
            Self::Growisofs => {
                let spare = spare(medium);
                let force = format!("-use-the-force-luke=tty{spare}");
                Some(format!(
                    "growisofs {force} -M $drive -quiet {SESSION} -V SECOND {tree}"
                ))
            }
            Self::Xorriso => Some(format!("xorriso -dev $drive -volid SECOND -map {tree} / -commit")),
            Self::Cdrskin | Self::Wodim => None,
        }
    }
}

/// The commands that make `$own/disc.iso` of a folder, with ISO 9660, Rock Ridge, Joliet and UDF.
fn image(tree: &str) -> String {
    format!("genisoimage -quiet {GENISOIMAGE} -V FIRST -o $own/disc.iso {tree}")
}

/// Without it growisofs formats a BD-R for pseudo-overwrite, which nobody but growisofs can append to.
fn spare(medium: &Profile) -> &'static str {
    match (medium.structure_family, medium.strategy) {
        (1, Strategy::Sequential) => ",spare:none",
        _ => "",
    }
}

impl Workstation {
    /// Runs commands for the drive `device`, with it in `$drive` and a folder of its own in `$own`.
    pub fn at(&self, device: &str, commands: &str) -> Result<Answer> {
        let name = device.trim_start_matches("/dev/");
        self.run(&format!(
            "drive=$(readlink -f {device}) own=/tmp/{name}\nmkdir -p $own\n{commands}\n"
        ))
    }

    /// Runs commands that burn to `burner`, which is at `device`; Linux sees the result, see [`reload`].
    pub fn burn(&self, burner: &Burner, device: &str, commands: &str) -> Result<Answer> {
        let answer = self.at(device, commands)?;
        reload(burner);
        Ok(answer)
    }

    /// Mounts the disc in the drive `device`, lists it with digests of every byte, and unmounts it.
    pub fn look(&self, device: &str, layout: Layout) -> Result<Mounted> {
        let commands = format!(
            "mkdir -p $own/mnt\nmount -t {} -o ro $drive $own/mnt || exit 1\n\
             trap 'cd /; umount $own/mnt' EXIT\n{}",
            layout.name(),
            Mounted::commands("$own/mnt")
        );
        let listed = self.at(device, &commands)?.success();
        let mounted = listed.and_then(|output| Mounted::parse(&output));
        mounted.with_context(|| format!("{device} as {}", layout.name()))
    }
}

/// Opens and closes the tray by hand: Linux learns of what was burned when the tray has moved, as with any drive.
pub fn reload(burner: &Burner) {
    burner.drive.control(|drive| {
        if let Some(disc) = drive.remove() {
            drive.insert(disc);
        }
    });
}
