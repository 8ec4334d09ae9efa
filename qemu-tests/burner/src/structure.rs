//! READ DISC STRUCTURE: what was moulded into the disc, and its protection.

use crate::{
    bytes::{Cdb, Put as _},
    disc::Disc,
    drive::Drive,
    profile::{Profile, Strategy},
    sense::{INCOMPATIBLE_FORMAT, INVALID_FIELD_IN_CDB, Sense},
};

/// Formats common to all families.
const WRITE_PROTECTION: u8 = 0xC0;
const LIST: u8 = 0xFF;
/// DVD+R DL: the size of layer 0.
const LAYER_BREAK: u8 = 0x20;
/// DVD-RAM and BD: what is left in the spare areas.
const SPARE_AREAS: u8 = 0x0A;
/// READ DISC STRUCTURE may be used on it.
const READABLE: u8 = 0x40;

impl Drive {
    pub(crate) fn read_disc_structure(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let family = disc.profile().structure_family;
        let format = cdb.u8(7);
        if family > 1 || cdb.u8(1) & 0xF != family && format < WRITE_PROTECTION {
            return Err(INCOMPATIBLE_FORMAT);
        }
        let own: &[u8] = match disc.profile().book >> 4 {
            _ if family == 1 => &[0x00, SPARE_AREAS],
            0x1 => &[0x00, SPARE_AREAS],
            0x2 => &[0x00, 0x10],
            0x9 | 0xA => &[0x00, 0x11],
            0xE => &[0x00, 0x11, LAYER_BREAK],
            _ => &[0x00],
        };
        let body = match format {
            WRITE_PROTECTION => vec![0; 4],
            LIST => {
                let mut list = Vec::new();
                for &format in own.iter().chain(&[WRITE_PROTECTION]) {
                    let length = structure(disc, format).map_or(4, |body| body.len()) + 4;
                    list.extend([format, READABLE]);
                    list.put16(length);
                }
                list
            }
            _ => structure(disc, format)
                .filter(|_| own.contains(&format))
                .ok_or(INVALID_FIELD_IN_CDB)?,
        };
        let mut reply = Vec::with_capacity(body.len() + 4);
        reply.put16(body.len() + 2);
        reply.zeros(2);
        reply.extend(body);
        Ok(reply)
    }
}

fn structure(disc: &Disc, format: u8) -> Option<Vec<u8>> {
    match (disc.profile().structure_family, format) {
        (1, 0x00) => Some(disc_information(disc.profile())),
        (0, 0x00 | 0x10) => Some(physical_format(disc, 2048)),
        (0, 0x11) => Some(physical_format(disc, 256)),
        (family, SPARE_AREAS) => {
            let (recording, profile) = (disc.recording(), disc.profile());
            let free = recording.spares_left(profile) * profile.ecc_blocks;
            let mut body = Vec::new();
            match family {
                1 => [0, free, recording.spare], // reserved, free, allocated
                _ => [free, 0, 0],               // primary, supplementary, supplementary allocated
            }
            .iter()
            .for_each(|value| body.put32(*value));
            Some(body)
        }
        (0, LAYER_BREAK) => {
            let mut body = vec![0; 4];
            body.put32(layer_0(disc));
            Some(body)
        }
        _ => None,
    }
}

/// Blocks of layer 0 of a disc with two.
fn layer_0(disc: &Disc) -> u32 {
    let recording = disc.recording();
    recording.layer_break.unwrap_or(recording.capacity() / 2)
}

/// One BD disc information unit: identifier, kind of disc, manufacturer and media type.
fn disc_information(profile: &Profile) -> Vec<u8> {
    let mut unit = Vec::with_capacity(112);
    unit.text("DI", 2);
    unit.extend([1, 0x0F, 0, 0, 0x62, 0]); // format 1, units in the block, layer 0, bytes in use
    let kind = match (profile.strategy, profile.erasable) {
        (Strategy::Pressed, _) => "BDO",
        (_, true) => "BDW",
        _ => "BDR",
    };
    unit.text(kind, 3);
    unit.extend([0x21, profile.layers]); // 120 mm, class 0, version 2
    unit.resize(100, 0);
    unit.text("SPNDLE", 6);
    unit.text("R01", 3);
    unit.resize(112, 0);
    unit
}

/// Physical format information, as in a DVD's lead-in or ADIP.
fn physical_format(disc: &Disc, length: usize) -> Vec<u8> {
    const DATA_START: u32 = 0x03_0000;
    let (profile, capacity) = (disc.profile(), disc.recording().capacity());
    let recordable = match (profile.strategy, profile.erasable) {
        (Strategy::Pressed, _) => 1,
        (_, true) => 4,
        _ => 2,
    };
    // Category and version; 120 mm; layers and what they are; density.
    let mut body = vec![profile.book, 0x0F, (profile.layers - 1) << 5 | recordable, 0x00];
    body.put32(DATA_START);
    body.put32(DATA_START + capacity - 1);
    body.put32(if profile.layers > 1 {
        DATA_START + layer_0(disc) - 1
    } else {
        0
    }); // end of layer 0
    body.resize(19, 0);
    body.text("SPINDLE", 8);
    body.text("R01", 3);
    body.resize(length, 0);
    body
}
