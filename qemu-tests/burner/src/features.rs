//! The features of the drive (MMC-6), as a table.

use crate::{
    bytes::Put as _,
    disc::Disc,
    profile::{PROFILES, Profile},
};

/// What follows a feature's header.
enum Body {
    Fixed(&'static [u8]),
    ProfileList,
    RandomReadable,
    RandomWritable,
    Incremental,
    SerialNumber,
}

pub(crate) struct Feature {
    pub number: u16,
    version: u8,
    body: Body,
}

const fn feature(number: u16, version: u8, body: Body) -> Feature {
    Feature {
        number,
        version,
        body,
    }
}

/// Current with and without a disc; persistent.
const ALWAYS: &[u16] = &[0, 1, 2, 3, 0x100, 0x105, 0x107, 0x108];
const INCREMENTAL: u16 = 0x21;
const PSEUDO_OVERWRITE: u16 = 0x38;

/// In ascending order, as GET CONFIGURATION returns them. Which are current is in the profiles.
pub(crate) static FEATURES: &[Feature] = &[
    feature(0x0000, 0, Body::ProfileList),
    // Core: SCSI family, device busy event.
    feature(0x0001, 2, Body::Fixed(&[0, 0, 0, 1, 1, 0, 0, 0])),
    // Morphing: operational change events, polled.
    feature(0x0002, 1, Body::Fixed(&[2, 0, 0, 0])),
    // Removable medium: a tray that loads, ejects and locks.
    feature(0x0003, 1, Body::Fixed(&[0x39, 0, 0, 0])),
    feature(0x0010, 0, Body::RandomReadable),
    feature(0x001D, 0, Body::Fixed(&[])),
    // CD read: error flags, but neither CD-TEXT nor audio.
    feature(0x001E, 2, Body::Fixed(&[2, 0, 0, 0])),
    feature(0x001F, 1, Body::Fixed(&[0, 0, 0, 0])),
    feature(0x0020, 1, Body::RandomWritable),
    feature(INCREMENTAL, 3, Body::Incremental),
    // Formattable: BD-RE without spare areas.
    feature(0x0023, 1, Body::Fixed(&[8, 0, 0, 0, 0, 0, 0, 0])),
    feature(0x0024, 1, Body::Fixed(&[0, 0, 0, 0])),
    feature(0x0026, 0, Body::Fixed(&[])),
    feature(0x0027, 0, Body::Fixed(&[0, 0, 0, 0])),
    // DVD+RW: written, formatted in the background and restarted.
    feature(0x002A, 0, Body::Fixed(&[1, 0, 0, 0])),
    // DVD+R: can be written.
    feature(0x002B, 0, Body::Fixed(&[1, 0, 0, 0])),
    // Rigid restricted overwrite: blanking and intermediate sessions.
    feature(0x002C, 0, Body::Fixed(&[3, 0, 0, 0])),
    // CD track at once: buffer underrun protection, CD-RW; data blocks of mode 1.
    feature(0x002D, 2, Body::Fixed(&[0x42, 0, 1, 0])),
    // CD mastering: buffer underrun protection, session at once, CD-RW; cue sheets up to 808 bytes.
    feature(0x002E, 0, Body::Fixed(&[0x62, 0, 3, 0x28])),
    // DVD-R and -RW: buffer underrun protection, two layers, DVD-RW.
    feature(0x002F, 2, Body::Fixed(&[0x4A, 0, 0, 0])),
    // CD-RW of any speed class.
    feature(0x0037, 0, Body::Fixed(&[0, 0x0F, 0, 0])),
    feature(PSEUDO_OVERWRITE, 0, Body::Fixed(&[0, 0, 0, 0])),
    feature(0x003B, 0, Body::Fixed(&[1, 0, 0, 0])),
    // BD read: reserved, then classes and versions of BD-RE, BD-R and BD-ROM; version 2 of class 0.
    feature(
        0x0040,
        0,
        Body::Fixed(&[
            0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
        ]),
    ),
    // BD write: likewise for BD-RE and BD-R.
    feature(
        0x0041,
        0,
        Body::Fixed(&[0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0]),
    ),
    feature(0x0100, 0, Body::Fixed(&[])),
    feature(0x0105, 1, Body::Fixed(&[0, 0, 0, 0])),
    // Real-time streaming: buffer capacity, speeds by command, by page 2Ah and by performance descriptors.
    feature(0x0107, 4, Body::Fixed(&[0x1F, 0, 0, 0])),
    feature(0x0108, 0, Body::SerialNumber),
];

impl Feature {
    pub fn is_current(&self, disc: Option<&Disc>) -> bool {
        let with = |disc: &Disc| match self.number {
            INCREMENTAL if disc.recording().quickly_blanked => false,
            PSEUDO_OVERWRITE if !disc.recording().formatted => false,
            number => disc.profile().features.contains(&number),
        };
        ALWAYS.contains(&self.number) || disc.is_some_and(with)
    }

    /// The feature descriptor.
    pub fn descriptor(&self, disc: Option<&Disc>, serial: &str) -> Vec<u8> {
        let profile = disc.map(Disc::profile);
        let blocking = profile.map_or(1, |profile| profile.ecc_blocks);
        let mut body = Vec::new();
        match self.body {
            Body::Fixed(bytes) => body.extend_from_slice(bytes),
            Body::ProfileList => {
                let mut numbers: Vec<u16> = PROFILES.iter().map(|profile| profile.number).collect();
                numbers.sort_unstable_by(|one, other| other.cmp(one));
                numbers.dedup();
                for number in numbers {
                    body.put16(number);
                    let current = profile.is_some_and(|profile| profile.number == number);
                    body.extend([u8::from(current), 0]);
                }
            }
            Body::RandomReadable => {
                body.put32(2048);
                body.put16(blocking);
                body.extend([0, 0]);
            }
            Body::RandomWritable => {
                body.put32(disc.map_or(0, |disc| disc.recording().capacity() - 1));
                body.put32(2048);
                body.put16(blocking);
                body.extend([0, 0]);
            }
            // Buffer underrun protection; packets of 16 blocks where there are link sizes.
            Body::Incremental if profile.is_some_and(is_linked) => body.extend([0, 0, 1, 1, 16, 0, 0, 0]),
            Body::Incremental => body.extend([0, 0, 1, 0]),
            Body::SerialNumber => body.text(serial, 16),
        }
        let persistent = ALWAYS.contains(&self.number);
        let mut descriptor = Vec::with_capacity(body.len() + 4);
        descriptor.put16(self.number);
        descriptor.put8(self.version << 2 | u8::from(persistent) << 1 | u8::from(self.is_current(disc)));
        descriptor.put8(u8::try_from(body.len()).unwrap_or(u8::MAX));
        descriptor.extend(body);
        descriptor
    }
}

/// Recorded in packets with links between them.
fn is_linked(profile: &Profile) -> bool {
    profile.write_types.contains(&0)
}
