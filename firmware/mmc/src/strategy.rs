//! How each family of discs is written: one row a family.

use crate::command::{CloseFunction, WriteType};
use crate::profile::Profile;

/// Which number READ TRACK INFORMATION wants for the track that is open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenTrack {
    /// The last track's number, from READ DISC INFORMATION.
    Last,
    /// FFh, the invisible or incomplete track.
    Invisible,
}

/// Where a WRITE may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// To the open track's next writable address, and nowhere else.
    Sequential,
    /// Anywhere, once formatted.
    Random,
    /// Anywhere in what was written, and behind it in sequence (DVD-RW restricted overwrite).
    Restricted,
}

/// The write types of a family that heeds the write parameters mode page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteTypes {
    /// Session after session, if the family can.
    pub(crate) tracks: Option<WriteType>,
    /// Session or disc at once.
    pub(crate) at_once: WriteType,
}

/// How a family is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Strategy {
    /// The family.
    pub(crate) profile: Profile,
    /// Blocks one WRITE carries: an ECC cluster where there are such.
    pub(crate) cluster: u16,
    /// Where a WRITE may go.
    pub(crate) order: Order,
    /// How to ask for the open track.
    pub(crate) open_track: OpenTrack,
    /// Blocks kept free beyond the image, for what closing may take from the same count.
    pub(crate) margin: u32,
    /// Zeroes behind the image, in its track.
    pub(crate) tail: u32,
    /// Blocks a track must have at least.
    pub(crate) least: u32,
    /// What the write parameters page tells; `None` where it is not to be sent.
    pub(crate) write_types: Option<WriteTypes>,
    /// A track is closed before its session.
    pub(crate) closes_track: bool,
    /// How the disc is finalised; `None` where CLOSE SESSION does it when the write parameters page says so.
    pub(crate) finalise: Option<CloseFunction>,
    /// BLANK empties it.
    pub(crate) blanks: bool,
}

const SEQUENTIAL: Strategy = Strategy {
    profile: Profile::NONE,
    cluster: 16,
    order: Order::Sequential,
    open_track: OpenTrack::Last,
    margin: 0,
    tail: 0,
    least: 1,
    write_types: None,
    closes_track: true,
    finalise: None,
    blanks: false,
};

/// libburn's cookbook: FFh for the open track; no CLOSE TRACK, which some drives refuse and SYNCHRONIZE CACHE
/// makes needless; a track has 300 blocks at least (MMC-5 6.3.3.1.2). A track ends with two run-out blocks
/// which nothing can read, so that 150 blocks of zeroes keep read-ahead away from them (xorriso's and
/// mkisofs' padding), and link and run-in blocks take five more before the next one.
const CD: Strategy = Strategy {
    open_track: OpenTrack::Invisible,
    margin: 7,
    tail: 150,
    least: 300,
    write_types: Some(WriteTypes {
        tracks: Some(WriteType::TrackAtOnce),
        at_once: WriteType::SessionAtOnce,
    }),
    closes_track: false,
    ..SEQUENTIAL
};

/// libburn's cookbook and growisofs: incremental where feature 0021h is current, else disc at once; the drive
/// counts its border zones out of the free blocks itself.
const DVD_DASH: Strategy = Strategy {
    margin: 16,
    write_types: Some(WriteTypes {
        tracks: Some(WriteType::Incremental),
        at_once: WriteType::DiscAtOnce,
    }),
    ..SEQUENTIAL
};

/// libburn's cookbook: no write parameters page ("the specs clearly state that one shall not").
const DVD_PLUS: Strategy = Strategy {
    open_track: OpenTrack::Invisible,
    margin: 256,
    finalise: Some(CloseFunction::Finalise),
    ..SEQUENTIAL
};

const OVERWRITTEN: Strategy = Strategy {
    order: Order::Random,
    closes_track: false,
    ..SEQUENTIAL
};

/// A new family is a row here, and at most a preparation in `recorder::prepare`.
static TABLE: &[Strategy] = &[
    Strategy {
        profile: Profile::CD_R,
        ..CD
    },
    Strategy {
        profile: Profile::CD_RW,
        blanks: true,
        ..CD
    },
    Strategy {
        profile: Profile::DVD_R,
        ..DVD_DASH
    },
    Strategy {
        profile: Profile::DVD_RW,
        blanks: true,
        ..DVD_DASH
    },
    // Two layers: one session, its size known before (libburn; "no notion of multi-session", growisofs).
    Strategy {
        profile: Profile::DVD_R_DL,
        write_types: Some(WriteTypes {
            tracks: None,
            at_once: WriteType::DiscAtOnce,
        }),
        ..DVD_DASH
    },
    Strategy {
        profile: Profile::DVD_RW_RESTRICTED,
        order: Order::Restricted,
        blanks: true,
        ..OVERWRITTEN
    },
    Strategy {
        profile: Profile::DVD_PLUS_R,
        ..DVD_PLUS
    },
    // growisofs: "HP dvd520n insists on finalize with minimum radius" with two layers.
    Strategy {
        profile: Profile::DVD_PLUS_R_DL,
        finalise: Some(CloseFunction::FinaliseMinimumRadius),
        ..DVD_PLUS
    },
    Strategy {
        profile: Profile::DVD_PLUS_RW,
        ..OVERWRITTEN
    },
    Strategy {
        profile: Profile::DVD_RAM,
        ..OVERWRITTEN
    },
    // libburn: as DVD+R, but for the function that finalises; clusters of 64 KiB (LG GGW-H20L needs them).
    Strategy {
        profile: Profile::BD_R,
        cluster: 32,
        margin: 32,
        finalise: Some(CloseFunction::Finalise),
        ..SEQUENTIAL
    },
    Strategy {
        profile: Profile::BD_RE,
        cluster: 32,
        ..OVERWRITTEN
    },
];

/// Largest cluster of the table, in blocks.
pub(crate) const LARGEST_CLUSTER: usize = 32;

/// The row of a family, if this driver can write it.
pub(crate) fn strategy(profile: Profile) -> Option<&'static Strategy> {
    TABLE.iter().find(|row| row.profile == profile)
}
