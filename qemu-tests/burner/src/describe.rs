//! Commands that describe the disc: its capacity, its sessions, its tracks.

use crate::{
    bytes::{Cdb, Put as _, with_length16},
    drive::Drive,
    recording::Track,
    sense::{ADDRESS_OUT_OF_RANGE, INVALID_FIELD_IN_CDB, Sense},
};

/// Bytes of the drive's buffer, as READ BUFFER CAPACITY and mode page 2Ah state it.
pub(crate) const BUFFER: u32 = 4 << 20;

impl Drive {
    /// READ CAPACITY (10) (MMC-6): the last recorded block; 0 on a blank disc.
    pub(crate) fn read_capacity(&mut self) -> Result<Vec<u8>, Sense> {
        let last = self.ready()?.recording().recorded_end().saturating_sub(1);
        let mut reply = Vec::with_capacity(8);
        reply.put32(last);
        reply.put32(2048);
        Ok(reply)
    }

    /// READ FORMAT CAPACITIES (MMC-6): the current one; nothing here can be formatted.
    pub(crate) fn read_format_capacities(&mut self) -> Result<Vec<u8>, Sense> {
        let recording = self.ready()?.recording();
        let mut reply = vec![0, 0, 0, 8];
        reply.put32(recording.capacity());
        reply.put8(if recording.is_blank() { 1 } else { 2 });
        reply.extend([0, 8, 0]);
        Ok(reply)
    }

    /// READ DISC INFORMATION (MMC-6): standard and, on BD, track and POW resources.
    pub(crate) fn read_disc_information(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let (recording, profile) = (disc.recording(), disc.profile());
        let tracks = recording.tracks();
        let mut body = Vec::with_capacity(32);
        match cdb.u8(1) & 7 {
            0 => {}
            1 if profile.structure_family == 1 => {
                let open = tracks.iter().filter(|track| !track.closed).count();
                body.extend([1 << 5, 0]);
                body.put16(u16::MAX); // tracks a disc can have
                body.put16(tracks.len());
                body.put16(profile.open_tracks);
                body.put16(profile.open_tracks.saturating_sub(open));
                return Ok(with_length16(&body));
            }
            2 if profile.structure_family == 1 => {
                body.extend([2 << 5, 0]);
                body.zeros(12); // not formatted for pseudo-overwrite: none of its resources
                return Ok(with_length16(&body));
            }
            _ => return Err(INVALID_FIELD_IN_CDB),
        }
        let session = recording.session();
        let first = tracks
            .iter()
            .position(|track| track.session == session)
            .unwrap_or(0)
            + 1;
        let begun = |track: &Track| track.session == session && (track.written > 0 || track.reserved);
        let state = match (recording.is_finalised(), tracks.iter().any(begun)) {
            (true, _) => 3,
            (false, true) => 1,
            (false, false) => 0,
        };
        let status = match (recording.is_finalised(), recording.is_blank()) {
            (true, _) => 2,
            (false, true) => 0,
            (false, false) => 1,
        };
        let (sessions, first, last) = (session.to_be_bytes(), halves(first), halves(tracks.len()));
        body.extend([state << 2 | status, 1, sessions[1], first[1], last[1]]);
        body.extend([0x20, 0xFF, sessions[0], first[0], last[0]]); // unrestricted use; disc type: not a CD
        body.zeros(20); // disc identification, lead-in, lead-out, bar code: not valid
        body.zeros(2);
        Ok(with_length16(&body))
    }

    /// READ TRACK INFORMATION (MMC-6) by address, track number or session number.
    pub(crate) fn read_track_information(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let recording = disc.recording();
        let tracks = recording.tracks();
        let wanted = cdb.u32(2);
        let numbered = || (1u16..).zip(tracks);
        let (number, track) = match cdb.u8(1) & 3 {
            0 => recording.track_at(wanted).ok_or(ADDRESS_OUT_OF_RANGE)?,
            1 if wanted == 0xFF => {
                let invisible = |(_, track): &(u16, &Track)| !track.closed && !track.reserved;
                numbered().find(invisible).ok_or(INVALID_FIELD_IN_CDB)?
            }
            1 => numbered()
                .find(|(number, _)| u32::from(*number) == wanted)
                .ok_or(INVALID_FIELD_IN_CDB)?,
            2 => numbered()
                .find(|(_, track)| u32::from(track.session) == wanted)
                .ok_or(INVALID_FIELD_IN_CDB)?,
            _ => return Err(INVALID_FIELD_IN_CDB),
        };
        let (number, session) = (number.to_be_bytes(), track.session.to_be_bytes());
        let blank = track.written == 0;
        let mut body = Vec::with_capacity(46);
        body.extend([number[1], session[1], 0, 4]); // track mode: data, recorded uninterruptedly
        body.put8(u8::from(track.reserved) << 7 | u8::from(blank) << 6 | 1); // data mode 1
        body.put8(u8::from(!blank) << 1 | u8::from(track.free() > 0));
        body.put32(track.start);
        body.put32(if track.free() > 0 { track.next() } else { 0 });
        body.put32(track.free());
        body.put32(disc.profile().ecc_blocks);
        body.put32(track.size);
        body.put32(if blank { 0 } else { track.next() - 1 });
        body.extend([number[0], session[0], 0, 0]);
        body.zeros(12); // read compatibility and layer jumps: DVD-R only
        Ok(with_length16(&body))
    }

    /// READ BUFFER CAPACITY (MMC-6): always empty, the disc is as fast as the host.
    pub(crate) fn read_buffer_capacity(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?;
        let in_blocks = cdb.bit(1, 0);
        let mut body = vec![0, u8::from(in_blocks)];
        body.put32(if in_blocks { 0 } else { BUFFER });
        body.put32(if in_blocks { BUFFER / 2048 } else { BUFFER });
        Ok(with_length16(&body))
    }
}

/// Big-endian halves of a count that is split over two fields.
fn halves(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}
