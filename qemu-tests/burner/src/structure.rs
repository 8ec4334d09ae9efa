//! READ DISC STRUCTURE: what was moulded into the disc, and its protection.

use crate::{
    bytes::{Cdb, Put as _},
    disc::Disc,
    drive::Drive,
    sense::{INCOMPATIBLE_FORMAT, INVALID_FIELD_IN_CDB, Sense},
};

/// Formats common to all families.
const WRITE_PROTECTION: u8 = 0xC0;
const LIST: u8 = 0xFF;
/// READ DISC STRUCTURE may be used on it.
const READABLE: u8 = 0x40;

impl Drive {
    pub(crate) fn read_disc_structure(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let family = disc.profile().structure_family;
        let format = cdb.u8(7);
        if cdb.u8(1) & 0xF != family && format < WRITE_PROTECTION {
            return Err(INCOMPATIBLE_FORMAT);
        }
        let own: &[u8] = if family == 1 { &[0x00] } else { &[0x00, 0x11] };
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
        (1, 0x00) => Some(disc_information()),
        (0, 0x00) => Some(physical_format(disc, 2048)),
        (0, 0x11) => Some(physical_format(disc, 256)),
        _ => None,
    }
}

/// One BD-R disc information unit: identifier, kind of disc, manufacturer and media type.
fn disc_information() -> Vec<u8> {
    let mut unit = Vec::with_capacity(112);
    unit.text("DI", 2);
    unit.extend([1, 0x0F, 0, 0, 0x62, 0]); // format 1, units in the block, layer 0, bytes in use
    unit.text("BDR", 3);
    unit.extend([0x21, 0x01]); // 120 mm, class 0, version 2; one layer
    unit.resize(100, 0);
    unit.text("SPNDLE", 6);
    unit.text("R01", 3);
    unit.resize(112, 0);
    unit
}

/// Physical format information of a DVD+R, as in its ADIP.
fn physical_format(disc: &Disc, length: usize) -> Vec<u8> {
    const DATA_START: u32 = 0x03_0000;
    let mut body = vec![0xA1, 0x0F, 0x02, 0x00]; // DVD+R 1.x; 120 mm; one recordable layer; density
    body.put32(DATA_START);
    body.put32(DATA_START + disc.profile().capacity - 1);
    body.resize(19, 0);
    body.text("SPINDLE", 8);
    body.text("R01", 3);
    body.resize(length, 0);
    body
}
