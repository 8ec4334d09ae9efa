//! Every kind of recordable disc, small, and what can be done with it.

use burner::Profile;

/// A kind of disc.
#[derive(Clone, Copy)]
pub struct Kind {
    pub profile: &'static Profile,
    /// What three sessions and the gaps between them need.
    pub blocks: u32,
    /// Whether sessions can be added.
    pub appends: bool,
    /// Whether it can be closed for ever.
    pub finalises: bool,
}

const fn kind(profile: &'static Profile, blocks: u32, appends: bool, finalises: bool) -> Kind {
    Kind {
        profile,
        blocks,
        appends,
        finalises,
    }
}

/// All of them.
pub static KINDS: [Kind; 14] = [
    kind(&burner::CD_R, 40_000, true, true),
    kind(&burner::CD_RW, 40_000, true, true),
    kind(&burner::DVD_R, 60_000, true, true),
    kind(&burner::DVD_RW, 60_000, true, true),
    kind(&burner::DVD_RW_RESTRICTED, 16_000, true, false),
    kind(&burner::DVD_R_DL, 16_000, false, true),
    kind(&burner::DVD_PLUS_R, 16_000, true, true),
    kind(&burner::DVD_PLUS_R_DL, 16_000, true, true),
    kind(&burner::DVD_PLUS_RW, 16_000, true, false),
    kind(&burner::DVD_RAM, 16_000, true, false),
    kind(&burner::BD_R, 16_000, true, true),
    kind(&burner::BD_R_DL, 16_000, true, true),
    kind(&burner::BD_RE, 16_000, true, false),
    kind(&burner::BD_RE_DL, 16_000, true, false),
];
