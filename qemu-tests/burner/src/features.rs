//! The features of the drive (MMC-6), as a table.

use crate::{
    bytes::Put as _,
    profile::{BD_R, DVD_PLUS_R, PROFILES, Profile},
};

/// When a feature is current.
enum When {
    /// With and without a disc; persistent.
    Always,
    /// With a disc of one of these profiles.
    With(&'static [&'static Profile]),
}

/// What follows a feature's header.
enum Body {
    Fixed(&'static [u8]),
    ProfileList,
    RandomReadable,
    SerialNumber,
}

pub(crate) struct Feature {
    pub number: u16,
    version: u8,
    when: When,
    body: Body,
}

const BD: &[&Profile] = &[&BD_R];
const DVD: &[&Profile] = &[&DVD_PLUS_R];
const ANY: &[&Profile] = &[&BD_R, &DVD_PLUS_R];

const fn feature(number: u16, version: u8, when: When, body: Body) -> Feature {
    Feature {
        number,
        version,
        when,
        body,
    }
}

/// In ascending order, as GET CONFIGURATION returns them.
pub(crate) static FEATURES: &[Feature] = &[
    feature(0x0000, 0, When::Always, Body::ProfileList),
    // Core: SCSI family, device busy event.
    feature(0x0001, 2, When::Always, Body::Fixed(&[0, 0, 0, 1, 1, 0, 0, 0])),
    // Morphing: operational change events, polled.
    feature(0x0002, 1, When::Always, Body::Fixed(&[2, 0, 0, 0])),
    // Removable medium: a tray that loads, ejects and locks.
    feature(0x0003, 1, When::Always, Body::Fixed(&[0x39, 0, 0, 0])),
    feature(0x0010, 0, When::With(ANY), Body::RandomReadable),
    feature(0x001F, 1, When::With(DVD), Body::Fixed(&[0, 0, 0, 0])),
    // Incremental streaming writable: buffer underrun protection, no link sizes.
    feature(0x0021, 3, When::With(BD), Body::Fixed(&[0, 0, 1, 0])),
    // DVD+R: can be written.
    feature(0x002B, 0, When::With(DVD), Body::Fixed(&[1, 0, 0, 0])),
    // BD read: reserved, then classes and versions of BD-RE, BD-R and BD-ROM. BD-R class 0, versions 1 and 2.
    feature(
        0x0040,
        0,
        When::With(BD),
        Body::Fixed(&[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]),
    ),
    // BD write: likewise for BD-RE and BD-R.
    feature(
        0x0041,
        0,
        When::With(BD),
        Body::Fixed(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0]),
    ),
    feature(0x0100, 0, When::Always, Body::Fixed(&[])),
    feature(0x0105, 1, When::Always, Body::Fixed(&[0, 0, 0, 0])),
    // Real-time streaming: buffer capacity, speeds by command, by page 2Ah and by performance descriptors.
    feature(0x0107, 4, When::Always, Body::Fixed(&[0x1F, 0, 0, 0])),
    feature(0x0108, 0, When::Always, Body::SerialNumber),
];

impl Feature {
    pub fn is_current(&self, profile: Option<&'static Profile>) -> bool {
        match self.when {
            When::Always => true,
            When::With(profiles) => profile.is_some_and(|profile| profiles.contains(&profile)),
        }
    }

    /// The feature descriptor.
    pub fn descriptor(&self, profile: Option<&'static Profile>, serial: &str) -> Vec<u8> {
        let mut body = Vec::new();
        match self.body {
            Body::Fixed(bytes) => body.extend_from_slice(bytes),
            Body::ProfileList => {
                for known in PROFILES {
                    body.put16(known.number);
                    body.extend([u8::from(profile == Some(known)), 0]);
                }
            }
            Body::RandomReadable => {
                body.put32(2048);
                body.put16(profile.map_or(1, |profile| profile.ecc_blocks));
                body.extend([0, 0]);
            }
            Body::SerialNumber => body.text(serial, 16),
        }
        let persistent = matches!(self.when, When::Always);
        let mut descriptor = Vec::with_capacity(body.len() + 4);
        descriptor.put16(self.number);
        descriptor.put8(self.version << 2 | u8::from(persistent) << 1 | u8::from(self.is_current(profile)));
        descriptor.put8(u8::try_from(body.len()).unwrap_or(u8::MAX));
        descriptor.extend(body);
        descriptor
    }
}
