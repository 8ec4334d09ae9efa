//! How each family of discs is written: one row a family.

use crate::command::CloseFunction;
use crate::profile::Profile;

/// Which number READ TRACK INFORMATION wants for the track that is open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenTrack {
    /// The last track's number, from READ DISC INFORMATION.
    Last,
    /// FFh, the invisible or incomplete track.
    Invisible,
}

/// How a family is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Strategy {
    /// The family.
    pub(crate) profile: Profile,
    /// Blocks in an ECC cluster, which is what one WRITE carries.
    pub(crate) cluster: u16,
    /// How to ask for the open track.
    pub(crate) open_track: OpenTrack,
    /// Clusters kept free beyond the image, for what closing may take from the same count.
    pub(crate) margin: u32,
    /// RESERVE TRACK before the first WRITE. Not needed by either family: an open track of unknown length is
    /// easier to go on with after a power cut than a reserved one with a hole.
    pub(crate) reserve: bool,
    /// How the disc is finalised.
    pub(crate) finalise: CloseFunction,
}

/// Growth of the table is all a new sequential family takes.
static TABLE: &[Strategy] = &[
    Strategy {
        profile: Profile::BD_R,
        cluster: 32,
        open_track: OpenTrack::Last,
        margin: 1,
        reserve: false,
        finalise: CloseFunction::Finalise,
    },
    Strategy {
        profile: Profile::DVD_PLUS_R,
        cluster: 16,
        open_track: OpenTrack::Invisible,
        margin: 16,
        reserve: false,
        finalise: CloseFunction::Finalise,
    },
];

/// Largest cluster of the table, in blocks.
pub(crate) const LARGEST_CLUSTER: usize = 32;

/// The row of a family, if this driver can write it.
pub(crate) fn strategy(profile: Profile) -> Option<&'static Strategy> {
    TABLE.iter().find(|row| row.profile == profile)
}
