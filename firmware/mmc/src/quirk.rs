//! Peculiarities of drives, as data: what which drive does, who found it, and what this driver does about it.

/// What a drive needs done differently from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// START UNIT with Immed reports ready too early: start without Immed.
    pub synchronous_start: bool,
    /// TEST UNIT READY says ready while SYNCHRONIZE CACHE with Immed still runs: flush without Immed.
    pub synchronous_flush: bool,
    /// The next writable address stays where the burn began until its track is closed: nothing is concluded
    /// from it meanwhile.
    pub address_stands_still: bool,
}

/// What the driver does about a peculiarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The same for every drive, since it harms none.
    Always(&'static str),
    /// Something only these drives need.
    Only(Quirks),
}

/// A peculiarity. Each is acted out by a model drive in this crate's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peculiarity {
    /// A short name.
    pub name: &'static str,
    /// Vendor as INQUIRY spells it.
    pub vendor: &'static str,
    /// Parts of the product identification, one of which matches; none: all of this vendor.
    pub products: &'static [&'static str],
    /// What the drive does.
    pub does: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// What is done about it.
    pub answer: Answer,
}

const NONE: Quirks = Quirks {
    synchronous_start: false,
    synchronous_flush: false,
    address_stands_still: false,
};

/// All that are known and concern what this driver does.
pub static PECULIARITIES: &[Peculiarity] = &[
    Peculiarity {
        name: "early start",
        vendor: "PIONEER",
        products: &["DVR-216D"],
        does: "reports the end of START UNIT with Immed too early",
        source: "libburn, sbc.c",
        answer: Answer::Only(Quirks {
            synchronous_start: true,
            ..NONE
        }),
    },
    Peculiarity {
        name: "flush falls through",
        vendor: "PIONEER",
        products: &["DVR-105", "DVR-106", "DVR-K04RA"],
        does: "is ready after SYNCHRONIZE CACHE with Immed, and refuses the command that follows as busy",
        source: "growisofs, transport.hxx",
        answer: Answer::Only(Quirks {
            synchronous_flush: true,
            ..NONE
        }),
    },
    Peculiarity {
        name: "ready while closing",
        vendor: "PIONEER",
        products: &["DVR-108"],
        does: "is ready for TEST UNIT READY while CLOSE TRACK SESSION with Immed still runs",
        source: "Pioneer, R8 series drive command reference manual, 4.2",
        answer: Answer::Always("the end of a close is what READ TRACK and READ DISC INFORMATION show"),
    },
    Peculiarity {
        name: "before zero",
        vendor: "PIONEER",
        products: &["BDR-205"],
        does: "tells -150 as next writable address of a blank disc",
        source: "libburn, mmc.c; LITE-ON LTR-48125S likewise",
        answer: Answer::Always("-150 on a blank disc is 0"),
    },
    Peculiarity {
        name: "asynchronous load",
        vendor: "HL-DT-ST",
        products: &["GSA-4082B"],
        does: "answers from a half-recognised disc after a load with Immed",
        source: "libburn, sbc.c and spc.c",
        answer: Answer::Always("loads without Immed"),
    },
    Peculiarity {
        name: "whole descriptor",
        vendor: "HL-DT-ST",
        products: &["GSA-4082B"],
        does: "refuses SET STREAMING with less than a whole descriptor",
        source: "libburn, mmc.c",
        answer: Answer::Always("sends all 28 bytes"),
    },
    Peculiarity {
        name: "belated buffer",
        vendor: "HL-DT-ST",
        products: &["GSA-4082B"],
        does: "tells the level of its buffer late, or nonsense",
        source: "libburn, mmc.c",
        answer: Answer::Always("the level is shown and decides nothing"),
    },
    Peculiarity {
        name: "64 KiB",
        vendor: "HL-DT-ST",
        products: &["GGW-H20L"],
        does: "writes junk on BD when given 32 KiB at a time with stream recording",
        source: "libburn, write.c",
        answer: Answer::Always("writes BD by whole clusters of 64 KiB, never with stream recording"),
    },
    Peculiarity {
        name: "longer than told",
        vendor: "HL-DT-ST",
        products: &["GH22LS30"],
        does: "announces a disc structure of 4 bytes and sends 35",
        source: "libburn, mmc.c",
        answer: Answer::Always("asks for what it has room for, and heeds the length inside"),
    },
    Peculiarity {
        name: "none is one",
        vendor: "HL-DT-ST",
        products: &[],
        does: "sends one descriptor of GET PERFORMANCE when asked for none",
        source: "libburn, mmc.c",
        answer: Answer::Always("asks for sixteen at once"),
    },
    Peculiarity {
        name: "speed zero",
        vendor: "LITE-ON",
        products: &["LDW-811S"],
        does: "lists write speeds of zero",
        source: "growisofs, transport.hxx",
        answer: Answer::Always("leaves them out"),
    },
    Peculiarity {
        name: "speeds of CDs",
        vendor: "_NEC",
        products: &[],
        does: "lists the speeds of CDs in mode page 2Ah whatever disc is in",
        source: "growisofs, transport.hxx",
        answer: Answer::Always("GET PERFORMANCE is asked first"),
    },
    Peculiarity {
        name: "locks up",
        vendor: "PIONEER",
        products: &["DVR-110"],
        does: "locks up at READ DISC STRUCTURE with a CD in",
        source: "cdrtools, drv_mmc.c",
        answer: Answer::Always("a CD is not asked for such structures"),
    },
    Peculiarity {
        name: "repeats commands",
        vendor: "PLEXTOR",
        products: &["PX-608CU"],
        does: "its USB bridge sends a WRITE twice and delivers the refusal of the second",
        source: "Debian bug 789260",
        answer: Answer::Always("a refused address is settled by asking where the disc ends"),
    },
    Peculiarity {
        name: "silent progress",
        vendor: "HP",
        products: &["dvd100i"],
        does: "tells the progress of a long operation only to REQUEST SENSE",
        source: "growisofs, dvd+rw-format",
        answer: Answer::Always("REQUEST SENSE is asked when TEST UNIT READY tells no progress"),
    },
    Peculiarity {
        name: "full disc",
        vendor: "HP",
        products: &["dvd200i"],
        does: "refuses READ TRACK INFORMATION of the open track of a full disc",
        source: "growisofs, transport.hxx",
        answer: Answer::Always("then there is no open track"),
    },
    Peculiarity {
        name: "page length",
        vendor: "SANYO",
        products: &[],
        does: "sends mode pages with a wrong length (Optorite likewise)",
        source: "growisofs, transport.hxx",
        answer: Answer::Always("a page ends where the answer ends"),
    },
    Peculiarity {
        name: "wrong residue",
        vendor: "JMicron",
        products: &[],
        does: "a USB bridge that tells a wrong number of bytes transferred",
        source: "libfreemkv, TROUBLESHOOTING.md",
        answer: Answer::Always("only the lengths inside answers count"),
    },
    Peculiarity {
        name: "address stands still",
        vendor: "IET",
        products: &["VIRTUAL-CDROM"],
        does: "tells block 0 as the next writable one until the track is closed (Debian's tgt)",
        source: "seen at tgt 1.0.85; its README.mmc tells how little it claims",
        answer: Answer::Only(Quirks {
            address_stands_still: true,
            ..NONE
        }),
    },
    Peculiarity {
        name: "old format field",
        vendor: "QEMU",
        products: &["QEMU DVD-ROM"],
        does: "looks for READ TOC's format where SFF-8020 had it",
        source: "QEMU, hw/ide/atapi.c",
        answer: Answer::Always("the format is sent in both places"),
    },
];

impl Peculiarity {
    /// It is one of this model's.
    #[must_use]
    pub fn concerns(&self, vendor: &str, product: &str) -> bool {
        vendor == self.vendor
            && (self.products.is_empty() || self.products.iter().any(|part| product.contains(part)))
    }
}

impl Quirks {
    /// What is known about this model; everything that matches counts.
    #[must_use]
    pub fn of(vendor: &str, product: &str) -> Self {
        PECULIARITIES
            .iter()
            .filter(|row| row.concerns(vendor, product))
            .fold(NONE, |all, row| match row.answer {
                Answer::Always(_) => all,
                Answer::Only(quirks) => Self {
                    synchronous_start: all.synchronous_start || quirks.synchronous_start,
                    synchronous_flush: all.synchronous_flush || quirks.synchronous_flush,
                    address_stands_still: all.address_stands_still || quirks.address_stands_still,
                },
            })
    }
}
