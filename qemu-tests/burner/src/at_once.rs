//! Recording at once: write types, cue sheets, and the session that ends by itself.

use crate::{
    bytes::{Cdb, View},
    drive::Drive,
    recording::Track,
    sense::{
        COMMAND_SEQUENCE_ERROR, ILLEGAL_MODE_FOR_TRACK, INVALID_ADDRESS_FOR_WRITE, INVALID_FIELD_IN_CDB,
        INVALID_FIELD_IN_PARAMETER_LIST, NO_MEDIUM_TRAY_OPEN, PARAMETER_LIST_LENGTH, Sense,
    },
};

/// WRITE TYPE of the write parameters page: a track (CD) at once.
const TRACK_AT_ONCE: u8 = 1;
/// WRITE TYPE of the write parameters page: a session (CD) or a disc (DVD) at once.
const AT_ONCE: u8 = 2;
/// Blocks of the pre-gap before a session, which the host writes with session at once.
const PRE_GAP: u32 = 150;
const LEAD_OUT: u8 = 0xAA;
/// DATA FORM: CD-ROM mode 1 with 2048 bytes from the host.
const MODE_1: u8 = 0x10;

/// What is left of the pre-gap of a session at once.
#[derive(Debug)]
pub(crate) struct Cue {
    /// Where the next block goes; below block 0, as a two's complement.
    next: u32,
    left: u32,
}

/// The first blocks of the tracks of a cue sheet, and where its session ends. It describes one session of data
/// in mode 1: lead-in, tracks from `number` on at `start`, each with its pre-gap, lead-out; in this order.
fn read_sheet(sheet: &[u8], number: u8, start: u32) -> Result<(Vec<u32>, u32), Sense> {
    let (mut starts, mut end) = (Vec::new(), None);
    let mut last = None;
    for (place, entry) in sheet.chunks(8).enumerate() {
        // CTL and ADR, track number, index, data form, SCMS, minute, second, frame.
        let [control, track, index, form, _, minute, second, frame] = *entry else {
            return Err(PARAMETER_LIST_LENGTH);
        };
        let frames = (u32::from(minute) * 60 + u32::from(second)) * 75 + u32::from(frame);
        let next = usize::from(number) + starts.len();
        let in_order = second < 60 && frame < 75 && last <= Some(frames) && end.is_none();
        match (track, index) {
            _ if !in_order || control & 0xF0 != 0x40 => return Err(INVALID_FIELD_IN_PARAMETER_LIST),
            (0, 0) if place == 0 => continue,
            (LEAD_OUT, 1) if !starts.is_empty() => end = frames.checked_sub(PRE_GAP),
            (_, 0) if usize::from(track) == next && form == MODE_1 => {}
            (_, 1) if usize::from(track) == next && form == MODE_1 => {
                starts.push(
                    frames
                        .checked_sub(PRE_GAP)
                        .ok_or(INVALID_FIELD_IN_PARAMETER_LIST)?,
                );
            }
            _ => return Err(INVALID_FIELD_IN_PARAMETER_LIST),
        }
        last = Some(frames);
    }
    match end {
        Some(end) if starts.first() == Some(&start) => Ok((starts, end)),
        _ => Err(INVALID_FIELD_IN_PARAMETER_LIST),
    }
}

impl Drive {
    /// Whether the disc can be written at `address` in the way the write parameters page says.
    pub(crate) fn check_write_type(&self, address: u32) -> Result<(), Sense> {
        let disc = self.medium().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let (profile, kind) = (disc.profile(), self.pages.write_type());
        if profile.write_types.is_empty() {
            return Ok(());
        }
        let at_once_only = disc.recording().quickly_blanked;
        if !profile.write_types.contains(&kind) || at_once_only && kind != AT_ONCE {
            return Err(ILLEGAL_MODE_FOR_TRACK);
        }
        let prepared = if profile.is_cd() {
            // A session at once is written from its beginning to its end.
            let next = disc.recording().tracks().iter().find(|track| track.free() > 0);
            if kind == AT_ONCE && self.cue.is_some() && next.is_some_and(|track| track.next() != address) {
                return Err(INVALID_ADDRESS_FOR_WRITE);
            }
            self.cue.is_some()
        } else {
            let track = disc.recording().track_at(address);
            track.is_none_or(|(_, track)| track.reserved || track.closed)
        };
        if kind == AT_ONCE && !prepared {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        Ok(())
    }

    /// How many of `count` blocks at `address` belong to the pre-gap.
    pub(crate) fn pre_gap(&self, address: u32, count: u32) -> Result<u32, Sense> {
        match &self.cue {
            Some(cue) if cue.left > 0 && cue.next == address => Ok(count.min(cue.left)),
            Some(cue) if cue.left > 0 => Err(INVALID_ADDRESS_FOR_WRITE),
            _ => Ok(0),
        }
    }

    /// Where the next block goes while the pre-gap before the track at `start` is not full.
    pub(crate) fn pre_gap_address(&self, start: u32) -> Option<u32> {
        let cue = self.cue.as_ref().filter(|cue| cue.left > 0)?;
        (cue.next.wrapping_add(cue.left) == start).then_some(cue.next)
    }

    pub(crate) fn pre_gap_written(&mut self, count: u32) {
        if let Some(cue) = &mut self.cue {
            cue.next = cue.next.wrapping_add(count);
            cue.left = cue.left.saturating_sub(count);
        }
    }

    /// SEND CUE SHEET (MMC-6): data tracks of mode 1, which are reserved; addresses are absolute.
    pub(crate) fn send_cue_sheet(&mut self, cdb: &Cdb, data: &[u8]) -> Result<Vec<u8>, Sense> {
        let at_once = self.pages.write_type() == AT_ONCE;
        let disc = self.ready()?;
        if !disc.profile().is_cd() {
            return Err(INVALID_FIELD_IN_CDB);
        }
        if !at_once || disc.recording().is_finalised() {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        let length = usize::try_from(cdb.u32(5) & 0xFF_FFFF).unwrap_or(usize::MAX);
        let sheet = data.get(..length).ok_or(PARAMETER_LIST_LENGTH)?;
        let disc = self.medium().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let tracks = disc.recording().tracks();
        let open = (1u8..)
            .zip(tracks)
            .last()
            .ok_or(INVALID_FIELD_IN_PARAMETER_LIST)?;
        let (mut starts, end) = read_sheet(sheet, open.0, open.1.start)?;
        let first = open.1.start;
        starts.push(end);
        let mut sizes = Vec::new();
        for pair in starts.windows(2) {
            let [start, next] = *pair else { continue };
            sizes.push(next.checked_sub(start).ok_or(INVALID_FIELD_IN_PARAMETER_LIST)?);
        }
        let disc = self.ready()?;
        disc.change(|recording, profile| {
            sizes
                .iter()
                .try_for_each(|size| recording.reserve(profile, *size))
        })?;
        self.cue = Some(Cue {
            next: first.wrapping_sub(PRE_GAP),
            left: PRE_GAP,
        });
        Ok(Vec::new())
    }

    /// SEND DISC STRUCTURE (MMC-6), format 20h: where layer 0 of a blank DVD+R DL ends.
    pub(crate) fn send_disc_structure(&mut self, cdb: &Cdb, data: &[u8]) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        if cdb.u8(7) != 0x20 || disc.profile().book & 0xF0 != 0xE0 {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let blocks = View(data).u32(8).ok_or(PARAMETER_LIST_LENGTH)?;
        if blocks == 0 || !blocks.is_multiple_of(16) || blocks > disc.recording().capacity() / 2 {
            return Err(INVALID_FIELD_IN_PARAMETER_LIST);
        }
        if !disc.recording().is_blank() {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        disc.change(|recording, _| {
            recording.layer_break = Some(blocks);
            Ok(())
        })?;
        Ok(Vec::new())
    }

    /// Closes the session the way the write parameters page says, where it is heeded: without MULTI-SESSION,
    /// none can follow.
    pub(crate) fn close_session(&mut self) -> Result<(), Sense> {
        let more = self.pages.is_multi_session();
        let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        disc.change(|recording, profile| {
            if profile.write_types.is_empty() || more {
                recording.close_session(profile)
            } else {
                recording.finalise(profile)
            }
        })
    }

    /// After SYNCHRONIZE CACHE: a track at once ends with its data, as a laser that stops cannot go on.
    pub(crate) fn end_track_at_once(&mut self) -> Result<(), Sense> {
        let at_once = self.pages.write_type() == TRACK_AT_ONCE;
        let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let open = |track: &Track| !track.closed && !track.reserved && !track.damaged && track.written > 0;
        let begun = (1u16..)
            .zip(disc.recording().tracks())
            .find(|(_, track)| open(track));
        match begun.map(|(number, _)| number) {
            Some(number) if at_once && disc.profile().is_cd() => {
                disc.change(|recording, profile| recording.close_track(profile, number))
            }
            _ => Ok(()),
        }
    }

    /// After SYNCHRONIZE CACHE: a session at once whose tracks are full is closed.
    pub(crate) fn end_at_once(&mut self) -> Result<(), Sense> {
        let disc = self.tray.disc.as_ref().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let mut reserved = disc
            .recording()
            .tracks()
            .iter()
            .filter(|track| track.reserved && !track.closed)
            .peekable();
        let at_once = disc.profile().write_types.contains(&AT_ONCE) && self.pages.write_type() == AT_ONCE;
        if !at_once || reserved.peek().is_none() || reserved.any(|track| track.free() > 0) {
            return Ok(());
        }
        self.cue = None;
        self.close_session()
    }
}
