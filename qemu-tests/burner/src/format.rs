//! FORMAT UNIT, READ FORMAT CAPACITIES and BLANK.

use crate::{
    bytes::{Cdb, Put as _, View},
    drive::Drive,
    profile::{DVD_RW, DVD_RW_RESTRICTED, Profile, Strategy},
    recording::Recording,
    sense::{
        COMMAND_SEQUENCE_ERROR, FORMAT_IN_PROGRESS, INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_PARAMETER_LIST,
        OPERATION_IN_PROGRESS, PARAMETER_LIST_LENGTH, Sense,
    },
    timing::Work,
};

/// Format types (MMC-6, FORMAT UNIT).
const FULL: u8 = 0x00;
const FULL_RESTRICTED: u8 = 0x10;
const GROW_LAST_SESSION: u8 = 0x13;
const QUICK_RESTRICTED: u8 = 0x15;
const DVD_PLUS_RW_BASIC: u8 = 0x26;
const WITH_SPARES: u8 = 0x30;
const WITHOUT_SPARES: u8 = 0x31;
const BD_R_WITH_SPARES: u8 = 0x32;
/// NUMBER OF BLOCKS that leaves the choice to the drive.
const ANY: u32 = u32::MAX;

/// A descriptor: blocks, format type, type dependent parameter.
type Capacity = (u32, u8, u32);

/// What the medium could be formatted to.
fn formattable(profile: &Profile, recording: &Recording) -> Vec<Capacity> {
    let total = recording.formattable(profile);
    let less = |spare: u32| total - (spare - spare % profile.ecc_blocks);
    // 768 MiB, 256 more for a second layer, and at least 256; in proportion on a smaller disc.
    let second = if profile.layers > 1 { 131_072 } else { 0 };
    let (usual, least) = (
        less((total / 31).min(393_216 + second)),
        less((total / 93).min(131_072)),
    );
    let capacity = |kind: u8| match kind {
        FULL if profile.structure_family == 1 => vec![(usual, FULL, 2048)],
        FULL => vec![(total, FULL, 2048)],
        WITH_SPARES => [usual, least].map(|blocks| (blocks, WITH_SPARES, 0)).to_vec(),
        WITHOUT_SPARES => vec![(total, WITHOUT_SPARES, 2048)],
        BD_R_WITH_SPARES => [usual, least]
            .map(|blocks| (blocks, BD_R_WITH_SPARES, 0))
            .to_vec(),
        DVD_PLUS_RW_BASIC => vec![(total, DVD_PLUS_RW_BASIC, 0)],
        kind => vec![(total, kind, profile.ecc_blocks)],
    };
    // DVD+RW takes the old full format as its own and offers the new one only.
    let offered = profile
        .formats
        .iter()
        .filter(|kind| !(**kind == FULL && profile.formats.contains(&DVD_PLUS_RW_BASIC)));
    offered.flat_map(|kind| capacity(*kind)).collect()
}

impl Drive {
    /// READ FORMAT CAPACITIES (MMC-6): the current one, then those the medium could have.
    pub(crate) fn read_format_capacities(&mut self) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let (recording, profile) = (disc.recording(), disc.profile());
        let current = match profile.strategy {
            Strategy::Restricted => recording.recorded_end(),
            _ => recording.capacity(),
        };
        let others = formattable(profile, recording);
        let length = u8::try_from(8 + 8 * others.len()).unwrap_or(u8::MAX);
        let unformatted = recording.is_blank() && !recording.formatted;
        let mut reply = vec![0, 0, 0, length];
        reply.put32(current);
        reply.extend([if unformatted { 1 } else { 2 }, 0, 8, 0]);
        for (blocks, kind, parameter) in others {
            reply.put32(blocks);
            reply.put32(u32::from(kind << 2) << 24 | parameter);
        }
        Ok(reply)
    }

    /// FORMAT UNIT (MMC-6), format code 1: one descriptor.
    pub(crate) fn format_unit(&mut self, cdb: &Cdb, data: &[u8]) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        if cdb.u8(1) & 0x17 != 0x11 || disc.profile().formats.is_empty() {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let list = View(data.get(..12).ok_or(PARAMETER_LIST_LENGTH)?);
        let immediate = list.u8(1).is_some_and(|flags| flags & 2 != 0);
        let (Some(8), Some(blocks), Some(kind), Some(parameter)) =
            (list.u16(2), list.u32(4), list.u8(8), list.u24(9))
        else {
            return Err(INVALID_FIELD_IN_PARAMETER_LIST);
        };
        let (kind, subtype) = (kind >> 2, kind & 3);
        let (profile, recording) = (disc.profile(), disc.recording());
        let total = recording.formattable(profile);
        if !profile.formats.contains(&kind) {
            return Err(INVALID_FIELD_IN_PARAMETER_LIST);
        }
        let background = profile.formats.contains(&DVD_PLUS_RW_BASIC);
        // What is grown or taken up again keeps its data.
        let keeps = kind == GROW_LAST_SESSION || background && recording.formatted && parameter & 1 == 1;
        let mut formatted = match kind {
            _ if keeps => recording.clone(),
            FULL_RESTRICTED | QUICK_RESTRICTED => Recording::blank(&DVD_RW_RESTRICTED, total),
            FULL if profile == &DVD_RW || profile == &DVD_RW_RESTRICTED => {
                Recording::blank(&DVD_RW_RESTRICTED, total)
            }
            _ => Recording::blank(profile, total),
        };
        formatted.formatted = true;
        match profile.strategy {
            Strategy::Sequential if profile.structure_family == 1 => {
                if !recording.is_blank() {
                    return Err(COMMAND_SEQUENCE_ERROR); // write-once
                }
                set_capacity(&mut formatted, profile, recording, kind, blocks)?;
                // Subtype 0 makes blocks overwritable, of either type; the others just manage defects.
                formatted.formatted = subtype == 0;
            }
            _ if kind == GROW_LAST_SESSION || kind == QUICK_RESTRICTED => {}
            _ if background => {
                formatted.formatting = formatted.recorded_end() < formatted.capacity();
            }
            _ => {
                set_capacity(&mut formatted, profile, recording, kind, blocks)?;
                let capacity = formatted.capacity;
                formatted.advance(0, 0, capacity);
            }
        }
        if keeps {
            disc.change(|recording, _| {
                *recording = formatted;
                Ok(())
            })?;
        } else {
            disc.renew(formatted)?;
        }
        self.linger(immediate, FORMAT_IN_PROGRESS, Work::Format);
        Ok(Vec::new())
    }

    /// BLANK (MMC-6), the whole disc (0) or minimally (1).
    pub(crate) fn blank(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let (profile, kind) = (disc.profile(), cdb.u8(1) & 7);
        if !profile.erasable || profile.strategy == Strategy::Random || kind > 1 {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let profile = if profile == &DVD_RW_RESTRICTED {
            &DVD_RW
        } else {
            profile
        };
        let mut blank = Recording::blank(profile, disc.recording().capacity());
        blank.quickly_blanked = kind == 1 && !profile.is_cd();
        disc.renew(blank)?;
        self.linger(cdb.bit(1, 4), OPERATION_IN_PROGRESS, Work::Format);
        Ok(Vec::new())
    }
}

/// Divides the disc into user area and spare areas.
fn set_capacity(
    formatted: &mut Recording,
    profile: &Profile,
    before: &Recording,
    kind: u8,
    blocks: u32,
) -> Result<(), Sense> {
    let total = formatted.capacity;
    let offered = formattable(profile, before);
    let usual = offered.iter().find(|(_, offered, _)| *offered == kind);
    let blocks = if blocks == ANY || kind == WITHOUT_SPARES || profile.structure_family == 0 {
        usual.map_or(total, |(blocks, ..)| *blocks)
    } else {
        blocks
    };
    if blocks > total || blocks < total / 2 || !blocks.is_multiple_of(profile.ecc_blocks) {
        return Err(INVALID_FIELD_IN_PARAMETER_LIST);
    }
    formatted.spare += total - blocks;
    formatted.capacity = blocks;
    if let Some(track) = formatted.tracks.first_mut() {
        track.size = blocks;
    }
    Ok(())
}
