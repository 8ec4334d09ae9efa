//! READ CD: whole sectors of a CD, made up from their user data (ECMA-130).

use crate::{
    BLOCK,
    bytes::{Cdb, Put as _},
    drive::Drive,
    profile::Profile,
    recording::Recording,
    sense::{
        ADDRESS_OUT_OF_RANGE, ILLEGAL_MODE_FOR_TRACK, INCOMPATIBLE_FORMAT, INVALID_FIELD_IN_CDB,
        NO_MEDIUM_TRAY_OPEN, Sense,
    },
};

/// Bytes one command may return.
const MOST: usize = 64 << 20;
const SYNC: [u8; 12] = [0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
/// EXPECTED SECTOR TYPE: any, and mode 1.
const SECTOR_TYPES: [u8; 2] = [0, 2];

/// What is returned of each sector (MMC-6, READ CD).
struct Selection {
    sync: bool,
    header: bool,
    user_data: bool,
    /// EDC and ECC.
    codes: bool,
    /// Bytes of error flags.
    flags: usize,
    sub_channel: SubChannel,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SubChannel {
    None,
    /// 96 bytes, a bit of each sub-channel in each.
    Raw,
    /// 16 bytes: the Q sub-channel.
    Q,
    /// 96 bytes of R to W, which hold nothing on a data disc.
    Rest,
}

impl Selection {
    fn new(main: u8, sub: u8) -> Result<Self, Sense> {
        let bit = |bit: u8| main >> bit & 1 == 1;
        let (sync, header, user_data, codes) = (bit(7), bit(5), bit(4), bit(3));
        // Parts of a sector that do not touch cannot be selected. A sector of mode 1 has no sub-header.
        let parts = [sync, header, user_data, codes];
        let selected = |part: &bool| *part;
        let (first, last) = (parts.iter().position(selected), parts.iter().rposition(selected));
        let between = first.zip(last).and_then(|(first, last)| parts.get(first..=last));
        if between.is_some_and(|between| !between.iter().all(selected)) {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let flags = match main >> 1 & 3 {
            0 => 0,
            1 => 294,
            2 => 296,
            _ => return Err(INVALID_FIELD_IN_CDB),
        };
        let sub_channel = match sub & 7 {
            0 => SubChannel::None,
            1 => SubChannel::Raw,
            2 => SubChannel::Q,
            4 => SubChannel::Rest,
            _ => return Err(INVALID_FIELD_IN_CDB),
        };
        Ok(Self {
            sync,
            header,
            user_data,
            codes,
            flags,
            sub_channel,
        })
    }

    /// Bytes of each sector.
    fn length(&self) -> usize {
        let part = |selected: bool, length| if selected { length } else { 0 };
        let sub_channel = match self.sub_channel {
            SubChannel::None => 0,
            SubChannel::Q => 16,
            SubChannel::Raw | SubChannel::Rest => 96,
        };
        part(self.sync, 12)
            + part(self.header, 4)
            + part(self.user_data, BLOCK)
            + part(self.codes, 288)
            + self.flags
            + sub_channel
    }

    fn put(&self, reply: &mut Vec<u8>, address: u32, data: &[u8], sub_channel: [u8; 12]) {
        let sector = sector(address, data);
        for (selected, part) in [
            (self.sync, sector.get(..12)),
            (self.header, sector.get(12..16)),
            (self.user_data, sector.get(16..2064)),
            (self.codes, sector.get(2064..)),
        ] {
            reply.extend_from_slice(part.filter(|_| selected).unwrap_or_default());
        }
        reply.zeros(self.flags);
        match self.sub_channel {
            SubChannel::None => {}
            SubChannel::Q => {
                reply.extend(sub_channel);
                reply.zeros(4);
            }
            SubChannel::Raw => {
                let bits = sub_channel
                    .iter()
                    .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
                reply.extend(bits.map(|bit| bit << 6));
            }
            SubChannel::Rest => reply.zeros(96),
        }
    }
}

impl Drive {
    /// READ CD (MMC-6), of sectors in mode 1.
    pub(crate) fn read_cd(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let (address, count) = (cdb.u32(2), cdb.u32(5) & 0xFF_FFFF);
        self.read_sectors(cdb, address, count)
    }

    /// READ CD MSF (MMC-6): from one minute, second and frame to another.
    pub(crate) fn read_cd_msf(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let address = |at| {
            let [minute, second, frame] = [cdb.u8(at), cdb.u8(at + 1), cdb.u8(at + 2)].map(u32::from);
            if second > 59 || frame > 74 {
                return Err(INVALID_FIELD_IN_CDB);
            }
            ((minute * 60 + second) * 75 + frame)
                .checked_sub(150)
                .ok_or(ADDRESS_OUT_OF_RANGE)
        };
        let (start, end) = (address(3)?, address(6)?);
        let count = end.checked_sub(start).ok_or(INVALID_FIELD_IN_CDB)?;
        self.read_sectors(cdb, start, count)
    }

    fn read_sectors(&mut self, cdb: &Cdb, address: u32, count: u32) -> Result<Vec<u8>, Sense> {
        if !self.ready()?.profile().is_cd() {
            return Err(INCOMPATIBLE_FORMAT);
        }
        let selection = Selection::new(cdb.u8(9), cdb.u8(10))?;
        if !SECTOR_TYPES.contains(&(cdb.u8(1) >> 2 & 7)) {
            return Err(ILLEGAL_MODE_FOR_TRACK);
        }
        let length = selection
            .length()
            .saturating_mul(usize::try_from(count).unwrap_or(usize::MAX));
        if length > MOST {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let data = self.read(address, count)?;
        let disc = self.medium().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let mut reply = Vec::with_capacity(length);
        for (address, data) in (address..).zip(data.chunks(BLOCK)) {
            let sub_channel = sub_channel(disc.profile(), disc.recording(), address);
            selection.put(&mut reply, address, data, sub_channel);
        }
        Ok(reply)
    }
}

/// Minute, second and frame of a block, in binary coded decimals.
fn position(frames: u32) -> [u8; 3] {
    let decimal = |value: u32| u8::try_from(value / 10 % 10 * 16 + value % 10).unwrap_or(0);
    [frames / 4500, frames / 75 % 60, frames % 75].map(decimal)
}

/// The Q sub-channel of a block in a track, mode 1 (ECMA-130 section 22.3.3).
fn sub_channel(profile: &Profile, recording: &Recording, address: u32) -> [u8; 12] {
    const DATA_TRACK: u8 = 0x41; // CONTROL 4, ADR 1
    let (number, track) = recording
        .track_at(address)
        .map_or((1, None), |(number, track)| (number, Some(track)));
    let start = track.filter(|_| profile.is_cd()).map_or(0, |track| track.start);
    let [_, _, number] = position(number.into());
    let mut q = [0; 12];
    (q[0], q[1], q[2]) = (DATA_TRACK, number, 1);
    q[3..6].copy_from_slice(&position(address.saturating_sub(start)));
    q[7..10].copy_from_slice(&position(address.saturating_add(150)));
    let check = q.iter().take(10).fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            (crc << 1) ^ ((crc >> 15) * 0x1021)
        })
    });
    q[10..].copy_from_slice(&(!check).to_be_bytes());
    q
}

/// A whole sector of mode 1 (ECMA-130 section 14 and annex A).
fn sector(address: u32, data: &[u8]) -> [u8; 2352] {
    let mut sector = [0; 2352];
    sector[..12].copy_from_slice(&SYNC);
    sector[12..15].copy_from_slice(&position(address.saturating_add(150)));
    sector[15] = 1;
    for (to, from) in sector.iter_mut().skip(16).zip(data.iter().take(BLOCK)) {
        *to = *from;
    }
    let detection = sector.iter().take(2064).fold(0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ ((crc & 1) * 0xD801_8001)
        })
    });
    sector[2064..2068].copy_from_slice(&detection.to_le_bytes());
    // Reed-Solomon product code over the bytes behind SYNC, which are 16-bit words in two planes.
    for plane in 0..2 {
        for column in 0..43 {
            parity(&mut sector, plane, |row| 43 * row + column, 24);
        }
        for diagonal in 0..26 {
            let place = |step: usize| match step {
                0..43 => (44 * step + 43 * diagonal) % 1118,
                43 => 1118 + diagonal,
                _ => 1144 + diagonal,
            };
            parity(&mut sector, plane, place, 43);
        }
    }
    sector
}

/// Appends to `count` words at `place` the two that make both their sum and their sum weighted with descending
/// powers of the primitive element zero.
fn parity(sector: &mut [u8; 2352], plane: usize, place: impl Fn(usize) -> usize, count: usize) {
    /// The inverse of the primitive element plus one.
    const INVERSE: u8 = 0xF4;
    let at = |step: usize| 12 + 2 * place(step) + plane;
    let (sum, weighted) = (0..count).fold((0, 0), |(sum, weighted), step| {
        let byte = sector.get(at(step)).copied().unwrap_or(0);
        (sum ^ byte, times(weighted, 2) ^ byte)
    });
    let first = times(times(times(weighted, 2), 2) ^ sum, INVERSE);
    for (step, byte) in [(count, first), (count + 1, first ^ sum)] {
        if let Some(to) = sector.get_mut(at(step)) {
            *to = byte;
        }
    }
}

/// The product in the field of 256 elements modulo x^8 + x^4 + x^3 + x^2 + 1.
fn times(one: u8, other: u8) -> u8 {
    let doubled = |value: u8| (value << 1) ^ ((value >> 7) * 0x1D);
    let (product, _) = (0..8).fold((0, one), |(product, power), bit| {
        (product ^ ((other >> bit & 1) * power), doubled(power))
    });
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_sector() -> [u8; 2352] {
        let data: Vec<u8> = (0..2048u32).map(|index| (index * 7 % 251) as u8).collect();
        sector(4500 - 150 + 75 * 23 + 4, &data)
    }

    #[test]
    fn a_sector_says_where_it_is() {
        assert_eq!(
            some_sector()[..16],
            [
                0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 0x23, 4, 1
            ]
        );
    }

    #[test]
    fn its_codes_detect_every_damage() {
        // The check of data with its own code is zero, and so are both sums of each code word.
        let sound = |sector: &[u8; 2352]| {
            let detected = sector[..2068].iter().fold(0u32, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                    (crc >> 1) ^ ((crc & 1) * 0xD801_8001)
                })
            });
            let word = |places: &mut dyn Iterator<Item = usize>, plane: usize| {
                let (sum, weighted) = places.fold((0, 0), |(sum, weighted), place| {
                    let byte = sector[12 + 2 * place + plane];
                    (sum ^ byte, times(weighted, 2) ^ byte)
                });
                sum == 0 && weighted == 0
            };
            detected == 0
                && (0..2).all(|plane| {
                    (0..43).all(|column| word(&mut (0..26).map(|row| 43 * row + column), plane))
                        && (0..26).all(|diagonal| {
                            let data = (0..43).map(|step| (44 * step + 43 * diagonal) % 1118);
                            word(&mut data.chain([1118 + diagonal, 1144 + diagonal]), plane)
                        })
                })
        };
        let sector = some_sector();
        assert!(sound(&sector));
        for at in (12..2352).step_by(37) {
            let mut damaged = sector;
            damaged[at] ^= 0x40;
            assert!(!sound(&damaged), "{at}");
        }
    }
}
