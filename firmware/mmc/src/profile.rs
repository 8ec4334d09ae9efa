//! Profiles: what kind of disc is in the drive, as number and name.

use core::fmt;

/// CURRENT PROFILE of GET CONFIGURATION. A number this driver has no name for is shown, never refused here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile(pub u16);

impl Profile {
    /// No disc, or none the drive recognises.
    pub const NONE: Self = Self(0x0000);
    /// CD-R.
    pub const CD_R: Self = Self(0x0009);
    /// CD-RW.
    pub const CD_RW: Self = Self(0x000A);
    /// DVD-R.
    pub const DVD_R: Self = Self(0x0011);
    /// DVD-RAM.
    pub const DVD_RAM: Self = Self(0x0012);
    /// DVD-RW formatted for restricted overwrite.
    pub const DVD_RW_RESTRICTED: Self = Self(0x0013);
    /// DVD-RW, sequential recording.
    pub const DVD_RW: Self = Self(0x0014);
    /// DVD-R with two layers, sequential recording.
    pub const DVD_R_DL: Self = Self(0x0015);
    /// DVD+RW.
    pub const DVD_PLUS_RW: Self = Self(0x001A);
    /// DVD+R, single layer.
    pub const DVD_PLUS_R: Self = Self(0x001B);
    /// DVD+R with two layers.
    pub const DVD_PLUS_R_DL: Self = Self(0x002B);
    /// BD-R, sequential recording, any number of layers.
    pub const BD_R: Self = Self(0x0041);
    /// BD-RE, any number of layers.
    pub const BD_RE: Self = Self(0x0043);

    /// The name the disc carries on its box.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(number, _)| *number == self.0)
            .map_or("unknown kind of disc", |(_, name)| name)
    }

    /// Media type for READ DISC STRUCTURE: 1 for Blu-ray, 0 for DVD, `None` for what has no such structures.
    pub(crate) fn structure_media_type(self) -> Option<u8> {
        match self.0 {
            0x10..=0x2F => Some(0),
            0x40..=0x4F => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (profile {:02X}h)", self.name(), self.0)
    }
}

/// MMC-6, profile list.
static NAMES: &[(u16, &str)] = &[
    (0x0000, "no disc"),
    (0x0008, "CD-ROM"),
    (0x0009, "CD-R"),
    (0x000A, "CD-RW"),
    (0x0010, "DVD-ROM"),
    (0x0011, "DVD-R"),
    (0x0012, "DVD-RAM"),
    (0x0013, "DVD-RW restricted overwrite"),
    (0x0014, "DVD-RW"),
    (0x0015, "DVD-R DL"),
    (0x0016, "DVD-R DL layer jump"),
    (0x0017, "DVD-RW DL"),
    (0x001A, "DVD+RW"),
    (0x001B, "DVD+R"),
    (0x002A, "DVD+RW DL"),
    (0x002B, "DVD+R DL"),
    (0x0040, "BD-ROM"),
    (0x0041, "BD-R"),
    (0x0042, "BD-R random recording"),
    (0x0043, "BD-RE"),
    (0x0050, "HD DVD-ROM"),
    (0x0051, "HD DVD-R"),
    (0x0052, "HD DVD-RAM"),
];
