//! Commands that describe the disc: its capacity, its sessions, its tracks.

use crate::{
    bytes::{Cdb, Put as _, with_length16},
    drive::Drive,
    fault::Fault,
    profile::{Profile, Strategy},
    recording::{Recording, Track},
    sense::{ADDRESS_OUT_OF_RANGE, INVALID_FIELD_IN_CDB, NO_MEDIUM_TRAY_OPEN, Sense},
    toc::{LEAD_IN, minutes},
};

/// Bytes of the drive's buffer, as READ BUFFER CAPACITY and mode page 2Ah state it.
pub(crate) const BUFFER: u32 = 4 << 20;

impl Drive {
    /// READ CAPACITY (10) (MMC-6): the last recorded block; 0 on a blank disc.
    pub(crate) fn read_capacity(&mut self) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        let last = disc.recording().readable_end(disc.profile()).saturating_sub(1);
        let mut reply = Vec::with_capacity(8);
        reply.put32(last);
        reply.put32(2048);
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
                // Replacements and reallocations left, updates: what the spare areas hold.
                let left = recording.spares_left(profile);
                [left, left, left].iter().for_each(|value| body.put32(*value));
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
        let complete = recording.is_finalised() || profile.is_overwritten() && recording.formatted;
        let state = match (complete, tracks.iter().any(begun)) {
            (true, _) => 3,
            (false, true) => 1,
            (false, false) => 0,
        };
        let status = match (complete, recording.is_blank()) {
            (true, _) if profile.strategy == Strategy::Random && background(profile, recording) == 0 => 3,
            (true, _) => 2,
            (false, true) => 0,
            (false, false) => 1,
        };
        let (sessions, first, last) = (session.to_be_bytes(), halves(first), halves(tracks.len()));
        let erasable = u8::from(profile.erasable) << 4;
        body.extend([erasable | state << 2 | status, 1, sessions[1], first[1], last[1]]);
        let disc_type = if profile.is_cd() { 0x00 } else { 0xFF }; // CD-ROM, or not a CD
        let flags = 0x20 | background(profile, recording); // unrestricted use
        body.extend([flags, disc_type, sessions[0], first[0], last[0]]);
        body.zeros(4); // disc identification: not valid
        match tracks.last().filter(|last| profile.is_cd() && !last.closed) {
            // The lead-in of the session to come, 60 seconds before its pre-gap, and the last possible lead-out.
            Some(last) => {
                let lead_in = match last.start.checked_sub(4650) {
                    Some(start) if last.session > 1 => minutes(start),
                    _ => LEAD_IN,
                };
                for position in [lead_in, minutes(recording.capacity())] {
                    body.put8(0);
                    body.extend(position);
                }
            }
            None if profile.is_cd() => body.extend([0xFF; 8]),
            None => body.zeros(8),
        }
        body.zeros(8); // bar code: not valid
        body.zeros(2);
        Ok(with_length16(&body))
    }

    /// READ TRACK INFORMATION (MMC-6) by address, track number or session number.
    pub(crate) fn read_track_information(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?;
        let disc = self.medium().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let recording = disc.recording();
        let tracks = recording.tracks();
        let wanted = cdb.u32(2);
        let numbered = || (1u16..).zip(tracks);
        let (number, track) = match cdb.u8(1) & 3 {
            0 => recording.track_at(wanted).ok_or(ADDRESS_OUT_OF_RANGE)?,
            1 if wanted == 0xFF => {
                // While a cue sheet is carried out, the track being written.
                let at_once = self.cue.is_some();
                let next = |(_, track): &(u16, &Track)| track.free() > 0 && (at_once || !track.reserved);
                numbered().find(next).ok_or(INVALID_FIELD_IN_CDB)?
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
        let damaged = u8::from(track.damaged && !track.closed) << 5;
        body.extend([number[1], session[1], 0, damaged | 4]); // track mode: data, recorded uninterruptedly
        // Restricted overwrite is of packets of one ECC block.
        let packets = if disc.profile().strategy == Strategy::Restricted {
            0x30
        } else {
            0
        };
        body.put8(u8::from(track.reserved) << 7 | u8::from(blank) << 6 | packets | 1); // data mode 1
        // What is overwritten has no next writable address.
        let free = if disc.profile().is_overwritten() {
            0
        } else {
            track.free()
        };
        body.put8(u8::from(!blank) << 1 | u8::from(free > 0));
        body.put32(track.start);
        let next = self.pre_gap_address(track.start).unwrap_or(track.next());
        body.put32(if free > 0 { next } else { 0 });
        body.put32(free);
        body.put32(disc.profile().ecc_blocks);
        body.put32(track.size);
        body.put32(if blank { 0 } else { track.next() - 1 });
        body.extend([number[0], session[0], 0, 0]);
        body.zeros(12); // read compatibility and layer jumps: DVD-R only
        Ok(with_length16(&body))
    }

    /// READ BUFFER CAPACITY (MMC-6): without timing always empty, the disc is as fast as the host.
    pub(crate) fn read_buffer_capacity(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?;
        let stated = |fault: &Fault| match fault {
            Fault::FalseBuffer { free, .. } => Some(*free),
            _ => None,
        };
        let (now, speed) = (self.now(), self.write_speed());
        let (mut size, mut free) = (BUFFER, BUFFER);
        if let Some(pace) = &mut self.pace {
            (size, free) = (pace.timing.buffer, pace.free(now, speed));
        }
        let free = self.faults.fire(stated).unwrap_or(free);
        let in_blocks = cdb.bit(1, 0);
        let mut body = vec![0, u8::from(in_blocks)];
        body.put32(if in_blocks { 0 } else { size });
        body.put32(if in_blocks { free / 2048 } else { free });
        Ok(with_length16(&body))
    }
}

/// Background format status (MMC-6): 0 blank or not formatted that way, 1 stopped, 2 running, 3 complete.
fn background(profile: &Profile, recording: &Recording) -> u8 {
    match recording.formatting {
        _ if !profile.formats.contains(&0x26) || !recording.formatted => 0,
        true => 2,
        false if recording.recorded_end() < recording.capacity() => 1,
        false => 3,
    }
}

/// Big-endian halves of a count that is split over two fields.
fn halves(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}
