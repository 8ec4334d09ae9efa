//! Peculiarities of single drive models, as data matched on INQUIRY.

/// What a drive needs done differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// START UNIT with Immed reports ready too early: start without Immed.
    pub synchronous_start: bool,
    /// TEST UNIT READY says ready while SYNCHRONIZE CACHE with Immed still runs: flush without Immed.
    pub synchronous_flush: bool,
    /// Reports -150 as next writable address of a blank disc, meaning 0.
    pub negative_address_when_blank: bool,
}

/// One row: vendor and a part of the product identification, as INQUIRY spells them.
struct Row(&'static str, &'static str, Quirks);

const NONE: Quirks = Quirks {
    synchronous_start: false,
    synchronous_flush: false,
    negative_address_when_blank: false,
};

/// Sources: libburn (sbc.c on the DVR-216D, mmc.c on the BDR-205), growisofs (transport.hxx on the DVR-x05,
/// x06 and K04RA). What harms no drive is done for all instead of standing here: loading without Immed, for
/// one.
static TABLE: &[Row] = &[
    Row(
        "PIONEER",
        "DVR-216D",
        Quirks {
            synchronous_start: true,
            ..NONE
        },
    ),
    Row(
        "PIONEER",
        "BDR-205",
        Quirks {
            negative_address_when_blank: true,
            ..NONE
        },
    ),
    Row(
        "PIONEER",
        "DVR-105",
        Quirks {
            synchronous_flush: true,
            ..NONE
        },
    ),
    Row(
        "PIONEER",
        "DVR-106",
        Quirks {
            synchronous_flush: true,
            ..NONE
        },
    ),
    Row(
        "PIONEER",
        "DVR-K04RA",
        Quirks {
            synchronous_flush: true,
            ..NONE
        },
    ),
];

impl Quirks {
    /// What is known about this model; every row that matches counts.
    #[must_use]
    pub fn of(vendor: &str, product: &str) -> Self {
        TABLE
            .iter()
            .filter(|Row(v, p, _)| vendor == *v && product.contains(p))
            .fold(NONE, |all, Row(.., row)| Self {
                synchronous_start: all.synchronous_start || row.synchronous_start,
                synchronous_flush: all.synchronous_flush || row.synchronous_flush,
                negative_address_when_blank: all.negative_address_when_blank
                    || row.negative_address_when_blank,
            })
    }
}
