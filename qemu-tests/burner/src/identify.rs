//! INQUIRY and GET CONFIGURATION: who the drive is and what it can do.

use crate::{
    bytes::{Cdb, Put as _},
    drive::{Drive, cut},
    features::FEATURES,
    sense::{INVALID_FIELD_IN_CDB, Sense},
};

const VENDOR: &str = "SPINDLE";
const PRODUCT: &str = "EMULATED BURNER";
const REVISION: &str = "1.00";
/// Peripheral device type: CD, DVD or BD.
const MULTIMEDIA: u8 = 5;

impl Drive {
    pub(crate) fn inquiry(&self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let page = cdb.u8(2);
        let reply = match (cdb.bit(1, 0), page) {
            (false, 0) => {
                let mut reply = vec![MULTIMEDIA, 0x80, 5, 2, 31, 0, 0, 0]; // removable, SPC-3, 36 bytes
                reply.text(VENDOR, 8);
                reply.text(PRODUCT, 16);
                reply.text(REVISION, 4);
                reply
            }
            (true, 0x00) => vital_page(page, &[0x00, 0x80, 0x83]),
            (true, 0x80) => vital_page(page, self.serial.as_bytes()),
            (true, 0x83) => {
                let mut name = Vec::new();
                name.text(VENDOR, 8);
                name.text(PRODUCT, 16);
                name.extend_from_slice(self.serial.as_bytes());
                let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
                // In ASCII, a T10 vendor identification of the logical unit.
                vital_page(page, &[&[2, 1, 0, length], name.as_slice()].concat())
            }
            _ => return Err(INVALID_FIELD_IN_CDB),
        };
        Ok(cut(reply, cdb.u16(3).into()))
    }

    pub(crate) fn get_configuration(&self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let (requested, from) = (cdb.u8(1) & 3, cdb.u16(2));
        let disc = self.medium();
        let mut features = Vec::new();
        for feature in FEATURES {
            let wanted = match requested {
                0 => feature.number >= from,
                1 => feature.number >= from && feature.is_current(disc),
                2 => feature.number == from,
                _ => return Err(INVALID_FIELD_IN_CDB),
            };
            if wanted {
                features.extend(feature.descriptor(disc, &self.serial));
            }
        }
        let mut reply = Vec::with_capacity(features.len() + 8);
        reply.put32(u32::try_from(features.len() + 4).unwrap_or(u32::MAX));
        reply.zeros(2);
        reply.put16(disc.map_or(0, |disc| disc.profile().number));
        reply.extend(features);
        Ok(cut(reply, cdb.u16(7).into()))
    }
}

fn vital_page(page: u8, body: &[u8]) -> Vec<u8> {
    let mut reply = vec![MULTIMEDIA, page];
    reply.put16(body.len());
    reply.extend_from_slice(body);
    reply
}
