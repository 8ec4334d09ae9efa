//! READ TOC/PMA/ATIP: tables that a BD or DVD drive makes up from its tracks.

use crate::{
    bytes::{Cdb, Put as _, with_length16},
    drive::Drive,
    recording::{Recording, Track},
    sense::{INVALID_FIELD_IN_CDB, Sense},
};

/// ADR 1, CONTROL 4: a data track.
const DATA_TRACK: u8 = 0x14;
const LEAD_OUT: u8 = 0xAA;

/// Recorded tracks with their numbers; a table has room for 99.
fn recorded(recording: &Recording) -> Vec<(u8, &Track)> {
    (1..=99)
        .zip(recording.tracks())
        .filter(|(_, track)| track.written > 0)
        .collect()
}

impl Drive {
    pub(crate) fn read_toc(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let recording = self.ready()?.recording();
        let tracks = recorded(recording);
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
                descriptor(&mut body, LEAD_OUT, recording.recorded_end(), msf);
                body
            }
            1 => {
                let complete = recording.session() - u16::from(!recording.is_finalised());
                let of_last = |(_, track): &&(u8, &Track)| track.session == complete.max(1);
                let (number, track) = tracks.iter().find(of_last).ok_or(INVALID_FIELD_IN_CDB)?;
                let mut body = vec![1, u8::try_from(complete.max(1)).unwrap_or(u8::MAX)];
                descriptor(&mut body, *number, track.start, msf);
                body
            }
            2 => full(&tracks),
            _ => return Err(INVALID_FIELD_IN_CDB), // PMA, ATIP and CD-TEXT are on CDs
        };
        Ok(with_length16(&body))
    }
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
fn full(tracks: &[(u8, &Track)]) -> Vec<u8> {
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
        entry(0xA2, minutes(end.next()));
        for (number, track) in session {
            entry(*number, minutes(track.start));
        }
    }
    body
}

/// Minute, second, frame; a disc larger than a CD runs out of minutes at 255:59:74.
fn minutes(address: u32) -> [u8; 3] {
    let frames = address.saturating_add(150);
    let byte = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    [byte(frames / 4500), byte(frames / 75 % 60), byte(frames % 75)]
}
