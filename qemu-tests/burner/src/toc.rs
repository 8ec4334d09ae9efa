//! READ TOC/PMA/ATIP: tables that a BD or DVD drive makes up from its tracks.

use crate::{
    bytes::{Cdb, Put as _, with_length16},
    drive::Drive,
    profile::{Profile, Strategy},
    recording::{Recording, Track},
    sense::{INVALID_FIELD_IN_CDB, Sense},
};

/// ADR 1, CONTROL 4: a data track.
const DATA_TRACK: u8 = 0x14;
const LEAD_OUT: u8 = 0xAA;
/// Where the lead-in of a CD begins, as its ATIP says: minute, second, frame.
pub(crate) const LEAD_IN: [u8; 3] = [97, 27, 0];

/// Recorded tracks with their numbers; a table has room for 99. The tables of a CD are written when its
/// sessions are closed.
fn recorded<'a>(profile: &Profile, recording: &'a Recording) -> Vec<(u8, &'a Track)> {
    let open = recording.session();
    let told = |track: &Track| {
        let in_table = !profile.is_cd() || recording.is_finalised() || track.session < open;
        in_table && (track.written > 0 || profile.strategy == Strategy::Restricted)
    };
    let numbered = (1..=99).zip(recording.tracks());
    numbered.filter(|(_, track)| told(track)).collect()
}

impl Drive {
    pub(crate) fn read_toc(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let (profile, recording) = (disc.profile(), disc.recording());
        if cdb.u8(2) & 0xF == 4 && profile.is_cd() && profile.strategy != Strategy::Pressed {
            return Ok(with_length16(&atip(profile, recording)));
        }
        let tracks = recorded(profile, recording);
        let (Some((first, _)), Some((last, _))) = (tracks.first(), tracks.last()) else {
            return Err(INVALID_FIELD_IN_CDB); // nothing to make a table from
        };
        let msf = cdb.bit(1, 1);
        // SFF 8020 had the format in the control byte, where Linux still puts it.
        let format = if cdb.u8(2) & 0xF == 0 {
            cdb.u8(9) >> 6
        } else {
            cdb.u8(2) & 0xF
        };
        let body = match format {
            0 => {
                let from = cdb.u8(6);
                if from > *last && from != LEAD_OUT {
                    return Err(INVALID_FIELD_IN_CDB);
                }
                let mut body = vec![*first, *last];
                for (number, track) in tracks.iter().filter(|(number, _)| *number >= from) {
                    descriptor(&mut body, *number, track.start, msf);
                }
                descriptor(&mut body, LEAD_OUT, table_end(profile, &tracks, recording), msf);
                body
            }
            1 => {
                let open = !recording.is_finalised() && !profile.is_overwritten();
                let complete = recording.session() - u16::from(open);
                let of_last = |(_, track): &&(u8, &Track)| track.session == complete.max(1);
                let (number, track) = tracks.iter().find(of_last).ok_or(INVALID_FIELD_IN_CDB)?;
                let mut body = vec![1, u8::try_from(complete.max(1)).unwrap_or(u8::MAX)];
                descriptor(&mut body, *number, track.start, msf);
                body
            }
            2 => full(profile, &tracks),
            _ => return Err(INVALID_FIELD_IN_CDB), // PMA, ATIP and CD-TEXT are on CDs
        };
        Ok(with_length16(&body))
    }
}

/// Where the lead-out begins: behind the last track told of, or the formatted area.
fn table_end(profile: &Profile, tracks: &[(u8, &Track)], recording: &Recording) -> u32 {
    match tracks.last() {
        Some((_, last)) if profile.is_cd() => last.end(),
        _ => recording.readable_end(profile),
    }
}

/// Format 4: the absolute time in the pre-groove of a recordable CD.
fn atip(profile: &Profile, recording: &Recording) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend([0x40, 0, 0x80 | u8::from(profile.erasable) << 6, 0]); // writing power, CD-R or CD-RW
    for position in [LEAD_IN, minutes(recording.capacity())] {
        body.extend(position);
        body.put8(0);
    }
    body.resize(26, 0); // no additional information
    body
}

fn descriptor(body: &mut Vec<u8>, number: u8, address: u32, msf: bool) {
    body.extend([0, DATA_TRACK, number, 0]);
    if msf {
        body.put8(0);
        body.extend(minutes(address));
    } else {
        body.put32(address);
    }
}

/// Format 2: for each session its first track, last track and lead-out, then its tracks.
fn full(profile: &Profile, tracks: &[(u8, &Track)]) -> Vec<u8> {
    let session_of = |track: &Track| u8::try_from(track.session).unwrap_or(u8::MAX);
    let mut body = vec![1, tracks.last().map_or(1, |(_, track)| session_of(track))];
    for session in tracks.chunk_by(|(_, one), (_, other)| one.session == other.session) {
        let ([(first, track), ..], [.., (last, end)]) = (session, session) else {
            continue;
        };
        let mut entry = |point: u8, position: [u8; 3]| {
            body.extend([session_of(track), DATA_TRACK, 0, point, 0, 0, 0, 0]);
            body.extend(position);
        };
        entry(0xA0, [*first, 0, 0]);
        entry(0xA1, [*last, 0, 0]);
        entry(
            0xA2,
            minutes(if profile.is_cd() { end.end() } else { end.next() }),
        );
        for (number, track) in session {
            entry(*number, minutes(track.start));
        }
    }
    body
}

/// Minute, second, frame; a disc larger than a CD runs out of minutes at 255:59:74.
pub(crate) fn minutes(address: u32) -> [u8; 3] {
    let frames = address.saturating_add(150);
    let byte = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    [byte(frames / 4500), byte(frames / 75 % 60), byte(frames % 75)]
}
