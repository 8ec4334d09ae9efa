//! The kinds of medium, as data.
//!
//! What differs between them is a field here, not a branch elsewhere.

/// How a medium takes data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Tracks in sessions, each written from its next writable address on.
    Sequential,
    /// Any block at any time, once formatted.
    Random,
    /// Whole ECC blocks, anywhere up to the end of what was written (DVD-RW restricted overwrite).
    Restricted,
    /// Pressed: never.
    Pressed,
}

/// One kind of medium (an MMC profile with a disc of it).
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Profile number (MMC-6).
    pub number: u16,
    /// Name, as in `--media` and in the state file.
    pub name: &'static str,
    /// MEDIA TYPE of READ DISC STRUCTURE: 0 for DVD, 1 for BD; FFh for CD, which has no such structures.
    pub structure_family: u8,
    /// Disc category and part version of a DVD's physical format information; 0 otherwise.
    pub book: u8,
    /// Recorded layers.
    pub layers: u8,
    /// How it takes data.
    pub strategy: Strategy,
    /// Blocks in an ECC block, the unit the disc is recorded in.
    pub ecc_blocks: u32,
    /// User blocks of a full-size disc.
    pub capacity: u32,
    /// Open tracks the medium can hold at once.
    pub open_tracks: usize,
    /// CLOSE FUNCTIONs of CLOSE TRACK SESSION that finalise the disc.
    pub finalising: &'static [u8],
    /// WRITE TYPEs of the write parameters mode page it can be written with; none: the page is not heeded.
    pub write_types: &'static [u8],
    /// Blocks between a session and the next: after the first, after each later one (lead-out and lead-in
    /// of a CD, border zones of a DVD-R).
    pub gaps: [u32; 2],
    /// Run-out blocks behind a track written at once, and the pre-gap before the one that follows.
    pub track_gap: [u32; 2],
    /// Format types FORMAT UNIT takes.
    pub formats: &'static [u8],
    /// Spare blocks a new disc of full size comes with; what FORMAT UNIT sets aside is told by the disc.
    pub spare: u32,
    /// Can be erased or overwritten.
    pub erasable: bool,
    /// Comes formatted from the factory.
    pub formatted: bool,
    /// Features current with it, beyond those that always are.
    pub features: &'static [u16],
    /// Write speeds in kB/s, fastest first.
    pub speeds: &'static [u32],
}

const BASE: Profile = Profile {
    number: 0,
    name: "",
    structure_family: 0,
    book: 0,
    layers: 1,
    strategy: Strategy::Sequential,
    ecc_blocks: 16,
    capacity: 0,
    open_tracks: 1,
    finalising: &[],
    write_types: &[],
    gaps: [0, 0],
    track_gap: [0, 0],
    formats: &[],
    spare: 0,
    erasable: false,
    formatted: false,
    features: &[],
    speeds: &[],
};

const CD: Profile = Profile {
    structure_family: 0xFF,
    ecc_blocks: 1,
    capacity: 359_847, // 80 minutes less the two seconds before block 0 and a margin
    open_tracks: 99,
    write_types: &[1, 2],
    gaps: [11_400, 6_900],
    track_gap: [2, 150],
    speeds: &[8_467, 4_234, 1_764, 706],
    ..BASE
};

const DVD: Profile = Profile {
    capacity: 2_298_496,
    speeds: &[22_160, 11_080, 5_540],
    ..BASE
};

const DVD_DASH: Profile = Profile {
    open_tracks: 3,
    write_types: &[0, 2],
    gaps: [28_672, 9_216], // border-out and border-in: 56 MiB, then 18 MiB
    ..DVD
};

const BD: Profile = Profile {
    structure_family: 1,
    ecc_blocks: 32,
    capacity: 12_219_392,
    speeds: &[26_973, 17_982, 8_991],
    ..BASE
};

const PRESSED: Profile = Profile {
    strategy: Strategy::Pressed,
    ..BASE
};

/// CD-R of 80 minutes: track at once and session at once.
pub static CD_R: Profile = Profile {
    number: 0x09,
    name: "cd-r",
    features: &[0x10, 0x1D, 0x1E, 0x2D, 0x2E],
    ..CD
};

/// CD-RW of 80 minutes, likewise.
pub static CD_RW: Profile = Profile {
    number: 0x0A,
    name: "cd-rw",
    erasable: true,
    features: &[0x10, 0x1D, 0x1E, 0x27, 0x2D, 0x2E, 0x37],
    speeds: &[4_234, 1_764, 706],
    ..CD
};

/// DVD-R for general use (4.7 GB): incremental and disc at once.
pub static DVD_R: Profile = Profile {
    number: 0x11,
    name: "dvd-r",
    book: 0x25,
    features: &[0x10, 0x1F, 0x21, 0x2F],
    ..DVD_DASH
};

/// DVD-RW recorded sequentially.
pub static DVD_RW: Profile = Profile {
    number: 0x14,
    name: "dvd-rw",
    book: 0x32,
    erasable: true,
    formats: &[0x00, 0x10, 0x15],
    features: &[0x10, 0x1F, 0x21, 0x23, 0x2F],
    speeds: &[8_310, 5_540, 2_770],
    ..DVD_DASH
};

/// DVD-RW after a format: restricted overwrite.
pub static DVD_RW_RESTRICTED: Profile = Profile {
    number: 0x13,
    name: "dvd-rw-restricted",
    book: 0x32,
    strategy: Strategy::Restricted,
    erasable: true,
    formatted: true,
    formats: &[0x00, 0x10, 0x13, 0x15],
    features: &[0x10, 0x1F, 0x20, 0x23, 0x26, 0x2C],
    speeds: &[8_310, 5_540, 2_770],
    ..DVD
};

/// DVD-R with two layers (8.5 GB): one session, disc at once.
pub static DVD_R_DL: Profile = Profile {
    number: 0x15,
    name: "dvd-r-dl",
    book: 0x26,
    layers: 2,
    capacity: 4_171_712,
    write_types: &[2],
    features: &[0x10, 0x1F, 0x2F],
    ..DVD_DASH
};

/// DVD+R, single layer (4.7 GB).
pub static DVD_PLUS_R: Profile = Profile {
    number: 0x1B,
    name: "dvd+r",
    book: 0xA1,
    capacity: 2_295_104,
    open_tracks: 16,
    finalising: &[5, 6],
    features: &[0x10, 0x1F, 0x2B],
    ..DVD
};

/// DVD+R with two layers (8.5 GB).
pub static DVD_PLUS_R_DL: Profile = Profile {
    number: 0x2B,
    name: "dvd+r-dl",
    book: 0xE1,
    layers: 2,
    capacity: 4_173_824,
    open_tracks: 16,
    finalising: &[5, 6],
    features: &[0x10, 0x1F, 0x3B],
    ..DVD
};

/// DVD+RW (4.7 GB), which is formatted in the background.
pub static DVD_PLUS_RW: Profile = Profile {
    number: 0x1A,
    name: "dvd+rw",
    book: 0x92,
    strategy: Strategy::Random,
    capacity: 2_295_104,
    erasable: true,
    formats: &[0x00, 0x26],
    features: &[0x10, 0x1F, 0x20, 0x23, 0x2A],
    speeds: &[5_540, 3_324],
    ..DVD
};

/// DVD-RAM, one side (4.7 GB less the spare area).
pub static DVD_RAM: Profile = Profile {
    number: 0x12,
    name: "dvd-ram",
    book: 0x16,
    strategy: Strategy::Random,
    capacity: 2_236_704,
    spare: 12_800, // the primary spare area
    erasable: true,
    formatted: true,
    formats: &[0x00, 0x01],
    features: &[0x10, 0x1F, 0x20, 0x23, 0x24],
    speeds: &[6_925, 4_155, 2_770],
    ..DVD
};

/// BD-R recorded sequentially, single layer (25 GB). Up to 16 sequential recording ranges may be open.
pub static BD_R: Profile = Profile {
    number: 0x41,
    name: "bd-r",
    open_tracks: 16,
    finalising: &[6],
    formats: &[0x00, 0x32],
    features: &[0x10, 0x21, 0x23, 0x38, 0x40, 0x41],
    ..BD
};

/// BD-R with two layers (50 GB).
pub static BD_R_DL: Profile = Profile {
    name: "bd-r-dl",
    layers: 2,
    capacity: 24_438_784,
    number: 0x41,
    open_tracks: 16,
    finalising: &[6],
    formats: &[0x00, 0x32],
    features: &[0x10, 0x21, 0x23, 0x38, 0x40, 0x41],
    ..BD
};

/// BD-RE, single layer (25 GB).
pub static BD_RE: Profile = Profile {
    number: 0x43,
    name: "bd-re",
    strategy: Strategy::Random,
    erasable: true,
    formats: &[0x00, 0x30, 0x31],
    features: &[0x10, 0x20, 0x23, 0x24, 0x40, 0x41],
    speeds: &[8_991, 4_495],
    ..BD
};

/// BD-RE with two layers (50 GB).
pub static BD_RE_DL: Profile = Profile {
    number: 0x43,
    name: "bd-re-dl",
    layers: 2,
    capacity: 24_438_784,
    strategy: Strategy::Random,
    erasable: true,
    formats: &[0x00, 0x30, 0x31],
    features: &[0x10, 0x20, 0x23, 0x24, 0x40, 0x41],
    speeds: &[8_991, 4_495],
    ..BD
};

/// A pressed CD.
pub static CD_ROM: Profile = Profile {
    number: 0x08,
    name: "cd-rom",
    structure_family: 0xFF,
    ecc_blocks: 1,
    capacity: 449_850, // 99:59:74
    features: &[0x10, 0x1D, 0x1E],
    ..PRESSED
};

/// A pressed DVD.
pub static DVD_ROM: Profile = Profile {
    number: 0x10,
    name: "dvd-rom",
    book: 0x01,
    layers: 2,
    capacity: 4_173_824,
    features: &[0x10, 0x1F],
    ..PRESSED
};

/// A pressed BD.
pub static BD_ROM: Profile = Profile {
    number: 0x40,
    name: "bd-rom",
    structure_family: 1,
    layers: 2,
    ecc_blocks: 32,
    capacity: 24_438_784,
    features: &[0x10, 0x40],
    ..PRESSED
};

/// Every kind of medium there is here.
pub static PROFILES: &[&Profile] = &[
    &BD_R,
    &DVD_PLUS_R,
    &BD_R_DL,
    &BD_RE,
    &BD_RE_DL,
    &CD_R,
    &CD_RW,
    &DVD_R,
    &DVD_R_DL,
    &DVD_RW,
    &DVD_RW_RESTRICTED,
    &DVD_PLUS_R_DL,
    &DVD_PLUS_RW,
    &DVD_RAM,
    &BD_ROM,
    &DVD_ROM,
    &CD_ROM,
];

impl Profile {
    /// The profile called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().copied().find(|profile| profile.name == name)
    }

    /// Spare blocks that a new disc of `capacity` blocks comes with, in proportion.
    pub(crate) fn spare_of(&self, capacity: u32) -> u32 {
        let share = u64::from(self.spare) * u64::from(capacity) / u64::from(self.capacity.max(1));
        let share = u32::try_from(share).unwrap_or(0);
        share - share % self.ecc_blocks
    }

    /// It is a CD.
    #[must_use]
    pub fn is_cd(&self) -> bool {
        self.structure_family == 0xFF
    }

    /// Blocks can be written again without erasing.
    #[must_use]
    pub fn is_overwritten(&self) -> bool {
        matches!(self.strategy, Strategy::Random | Strategy::Restricted)
    }
}
