//! The kinds of medium, as data.
//!
//! What differs between them is a field here, not a branch elsewhere.

/// One kind of medium (an MMC profile with a disc of it).
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Profile number (MMC-6).
    pub number: u16,
    /// Name, as in `--media` and in the state file.
    pub name: &'static str,
    /// MEDIA TYPE of READ DISC STRUCTURE: 0 for DVD, 1 for BD.
    pub structure_family: u8,
    /// Blocks in an ECC block, the unit the disc is recorded in.
    pub ecc_blocks: u32,
    /// User blocks of a full-size disc.
    pub capacity: u32,
    /// Open tracks the medium can hold at once.
    pub open_tracks: usize,
    /// CLOSE FUNCTIONs of CLOSE TRACK SESSION that finalise the disc.
    pub finalising: &'static [u8],
    /// Write speeds in kB/s, fastest first.
    pub speeds: &'static [u32],
}

/// BD-R recorded sequentially, single layer (25 GB). Up to 16 sequential recording ranges may be open.
pub static BD_R: Profile = Profile {
    number: 0x41,
    name: "bd-r",
    structure_family: 1,
    ecc_blocks: 32,
    capacity: 12_219_392,
    open_tracks: 16,
    finalising: &[6],
    speeds: &[26_973, 17_982, 8_991],
};

/// DVD+R, single layer (4.7 GB).
pub static DVD_PLUS_R: Profile = Profile {
    number: 0x1B,
    name: "dvd+r",
    structure_family: 0,
    ecc_blocks: 16,
    capacity: 2_295_104,
    open_tracks: 16,
    finalising: &[5, 6],
    speeds: &[22_160, 11_080, 5_540],
};

/// Every kind of medium there is here.
pub static PROFILES: &[&Profile] = &[&BD_R, &DVD_PLUS_R];

impl Profile {
    /// The profile called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().copied().find(|profile| profile.name == name)
    }
}
