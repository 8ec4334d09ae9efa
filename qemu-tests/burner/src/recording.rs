//! Tracks and sessions of a disc: the state machine, without I/O.
//!
//! A disc that is overwritten is one track. On any other, unless it is finalised or full, its last track is always the *invisible* one: the open remainder
//! that RESERVE TRACK splits and that becomes a real track when it is written.

use serde::{Deserialize, Serialize};

use crate::{
    profile::{Profile, Strategy},
    sense::{
        ADDRESS_OUT_OF_RANGE, BLANK_CHECK, COMMAND_SEQUENCE_ERROR, END_OF_USER_AREA, ILLEGAL_MODE_FOR_TRACK,
        INVALID_ADDRESS_FOR_WRITE, INVALID_FIELD_IN_CDB, MEDIUM_NOT_FORMATTED, NO_MORE_RESERVATIONS,
        NO_SPARE_LOCATION, REALLOCATION_FAILED, RESERVED_TRACK_NOT_FULL, Sense, UNRECOVERED_READ_ERROR,
        WRITE_PROTECTED,
    },
};

/// A logical track; addresses and sizes in blocks of 2048 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Session it belongs to, from 1.
    pub session: u16,
    /// First block.
    pub start: u32,
    /// Blocks it spans, recorded or not.
    pub size: u32,
    /// Blocks recorded, from `start` on without a hole, padding included.
    pub written: u32,
    /// Made by RESERVE TRACK.
    pub reserved: bool,
    /// Takes no more data.
    pub closed: bool,
    /// The power failed while it was written: it has no next writable address until it is closed, and the
    /// ECC block after its data cannot be read.
    #[serde(default)]
    pub damaged: bool,
}

impl Track {
    /// The next writable address.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.start.saturating_add(self.written)
    }

    /// The address after its last block.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.start.saturating_add(self.size)
    }

    /// Blocks still to be written; none once closed or while damaged.
    #[must_use]
    pub fn free(&self) -> u32 {
        if self.closed || self.damaged {
            0
        } else {
            self.size.saturating_sub(self.written)
        }
    }
}

/// What a disc knows about its own recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    pub(crate) media: String,
    pub(crate) capacity: u32,
    pub(crate) finalised: bool,
    /// Blocks set aside for defects; they are no part of `capacity`.
    #[serde(default)]
    pub(crate) spare: u32,
    /// First blocks of the ECC blocks that were replaced out of them, ascending.
    #[serde(default)]
    pub(crate) replaced: Vec<u32>,
    /// ECC blocks used up by pseudo-overwriting (BD-R).
    #[serde(default)]
    pub(crate) overwritten: u32,
    /// FORMAT UNIT was executed, or the medium came that way.
    #[serde(default)]
    pub(crate) formatted: bool,
    /// The background format is under way (DVD+RW).
    #[serde(default)]
    pub(crate) formatting: bool,
    /// Minimally blanked (DVD-RW): only disc at once is possible.
    #[serde(default)]
    pub(crate) quickly_blanked: bool,
    /// Blocks of layer 0, if that was set (DVD+R DL).
    #[serde(default)]
    pub(crate) layer_break: Option<u32>,
    pub(crate) tracks: Vec<Track>,
}

impl Recording {
    /// A blank disc, or what comes formatted.
    #[must_use]
    pub fn blank(profile: &Profile, capacity: u32) -> Self {
        let track = Track {
            session: 1,
            start: 0,
            size: capacity,
            written: if profile.formatted && profile.strategy == Strategy::Random {
                capacity
            } else {
                0
            },
            reserved: false,
            closed: false,
            damaged: false,
        };
        Self {
            media: profile.name.into(),
            capacity,
            finalised: false,
            spare: profile.spare_of(capacity),
            replaced: Vec::new(),
            overwritten: 0,
            formatted: profile.formatted,
            formatting: false,
            quickly_blanked: false,
            layer_break: None,
            tracks: vec![track],
        }
    }

    /// A disc that holds `blocks` of an image: one session, and pressed discs are closed behind it.
    pub(crate) fn holding(profile: &Profile, capacity: u32, blocks: u32) -> Result<Self, Sense> {
        let mut recording = Self::blank(profile, capacity);
        if profile.is_overwritten() {
            recording.formatted = true;
            if let Some(track) = recording.tracks.first_mut() {
                track.written = if profile.strategy == Strategy::Random {
                    capacity
                } else {
                    blocks
                };
            }
            return Ok(recording);
        }
        recording.advance(0, 0, blocks.next_multiple_of(profile.ecc_blocks));
        recording.close_track(profile, 1)?;
        if profile.strategy == Strategy::Pressed {
            recording.finalise(profile)?;
        } else {
            recording.close_session(profile)?;
        }
        Ok(recording)
    }

    /// Every track, the invisible one last. Track numbers count from 1.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// User blocks of the disc.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// No session can follow.
    #[must_use]
    pub fn is_finalised(&self) -> bool {
        self.finalised
    }

    /// Nothing was recorded and nothing reserved.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        matches!(self.tracks.as_slice(), [only] if only.written == 0 && !only.damaged)
            && !self.finalised
            && !self.formatted
    }

    /// The last session's number.
    #[must_use]
    pub fn session(&self) -> u16 {
        self.tracks.last().map_or(1, |track| track.session)
    }

    /// The address after the last recorded block.
    #[must_use]
    pub fn recorded_end(&self) -> u32 {
        self.tracks
            .iter()
            .filter(|track| track.written > 0)
            .map(Track::next)
            .max()
            .unwrap_or(0)
    }

    /// The address after the last block that can be read: with an overwritten medium, of the formatted area.
    pub(crate) fn readable_end(&self, profile: &Profile) -> u32 {
        let closed = self.tracks.iter().filter(|track| track.closed);
        match profile.strategy {
            Strategy::Random if self.formatted => self.capacity,
            _ => self.recorded_end().max(closed.map(Track::end).max().unwrap_or(0)),
        }
    }

    /// Whether the tracks lie in order within the disc, as everything here relies on, and without gaps
    /// where the medium has none.
    pub(crate) fn is_sound(&self, profile: &Profile) -> bool {
        let mut end = 0;
        let mut session = 1;
        let gaps = profile.gaps[0] > 0;
        self.tracks.iter().all(|track| {
            let sound = (track.start == end || gaps && end > 0 && track.start > end)
                && track.written <= track.size
                && track.end() <= self.capacity
                && (track.session == session || track.session == session.saturating_add(1));
            (end, session) = (track.end(), track.session);
            sound
        }) && self.tracks.len() < usize::from(u16::MAX)
            && self.replaced.is_sorted()
            && self.capacity > 0
            && !self.tracks.is_empty()
    }

    /// The track that `address` lies in, with its number.
    #[must_use]
    pub fn track_at(&self, address: u32) -> Option<(u16, &Track)> {
        let position = self
            .tracks
            .iter()
            .position(|track| (track.start..track.end()).contains(&address))?;
        Some((u16::try_from(position + 1).ok()?, self.tracks.get(position)?))
    }

    /// Whether `count` blocks from `address` may be read.
    pub(crate) fn check_read(&self, profile: &Profile, address: u32, count: u32) -> Result<(), Sense> {
        let limit = if self.finalised {
            self.readable_end(profile)
        } else {
            self.capacity
        };
        let end = address
            .checked_add(count)
            .filter(|end| *end <= limit)
            .ok_or(ADDRESS_OUT_OF_RANGE)?;
        if profile.strategy == Strategy::Random && self.formatted {
            return Ok(());
        }
        let mut at = address;
        while at < end {
            let (_, track) = self.track_at(at).ok_or(ADDRESS_OUT_OF_RANGE)?;
            if track.next() <= at {
                return Err(match track {
                    // Half of it was recorded when the power failed.
                    Track { damaged: true, .. } if at - track.next() < profile.ecc_blocks => {
                        UNRECOVERED_READ_ERROR.at(at)
                    }
                    // Run-out blocks are in a track and hold no user data.
                    Track { closed: true, .. } if profile.is_cd() => ILLEGAL_MODE_FOR_TRACK,
                    _ => BLANK_CHECK.at(at),
                });
            }
            at = track.next();
        }
        Ok(())
    }

    /// The track that takes `count` blocks at `address`; one that is not overwritten, only at its next
    /// writable address.
    pub(crate) fn check_write(&self, profile: &Profile, address: u32, count: u32) -> Result<usize, Sense> {
        if profile.strategy == Strategy::Pressed {
            return Err(WRITE_PROTECTED);
        }
        if profile.is_overwritten() && !self.formatted {
            return Err(MEDIUM_NOT_FORMATTED);
        }
        if address >= self.capacity {
            return Err(ADDRESS_OUT_OF_RANGE);
        }
        if profile.is_overwritten() {
            let unit = profile.ecc_blocks;
            let whole = address.is_multiple_of(unit) && count.is_multiple_of(unit);
            let reached = address <= self.recorded_end();
            if profile.strategy == Strategy::Restricted && !(whole && reached) {
                return Err(INVALID_ADDRESS_FOR_WRITE);
            }
            return if count > self.capacity - address {
                Err(ADDRESS_OUT_OF_RANGE)
            } else {
                Ok(0)
            };
        }
        let (position, track) = self
            .tracks
            .iter()
            .enumerate()
            .find(|(_, track)| (track.start..track.end()).contains(&address))
            .ok_or(INVALID_ADDRESS_FOR_WRITE)?;
        // Pseudo-overwrite: recorded blocks are replaced out of the spare areas.
        if self.formatted && address < track.next() && count <= track.next() - address {
            return Ok(position);
        }
        if track.closed || track.damaged || track.next() != address {
            return Err(INVALID_ADDRESS_FOR_WRITE);
        }
        if count > track.free() {
            return Err(END_OF_USER_AREA);
        }
        Ok(position)
    }

    /// `count` blocks at `address` were recorded in the track at `position`.
    pub(crate) fn advance(&mut self, position: usize, address: u32, count: u32) {
        if let Some(track) = self.tracks.get_mut(position) {
            let end = address.saturating_add(count).saturating_sub(track.start);
            track.written = track.written.max(end).min(track.size);
        }
    }

    /// The ranges that fill half-recorded ECC blocks: (track position, address, blocks).
    pub(crate) fn padding(&self, profile: &Profile) -> Vec<(usize, u32, u32)> {
        let missing = |track: &Track| {
            track.written.next_multiple_of(profile.ecc_blocks).min(track.size) - track.written
        };
        let open = self.tracks.iter().enumerate();
        open.filter(|(_, track)| profile.strategy == Strategy::Sequential && track.free() > 0)
            .map(|(position, track)| (position, track.next(), missing(track)))
            .filter(|(_, _, count)| *count > 0)
            .collect()
    }

    /// Blocks that FORMAT UNIT divides into user and spare areas.
    pub(crate) fn formattable(&self, profile: &Profile) -> u32 {
        let fixed = profile.spare_of(profile.capacity.min(self.capacity));
        self.capacity.saturating_add(self.spare).saturating_sub(fixed)
    }

    /// ECC blocks left in the spare areas.
    pub(crate) fn spares_left(&self, profile: &Profile) -> u32 {
        let used = u32::try_from(self.replaced.len()).unwrap_or(u32::MAX);
        (self.spare / profile.ecc_blocks).saturating_sub(used.saturating_add(self.overwritten))
    }

    /// The ECC block of `address` lies in a spare area.
    pub(crate) fn is_replaced(&self, profile: &Profile, address: u32) -> bool {
        let begin = address - address % profile.ecc_blocks;
        self.replaced.binary_search(&begin).is_ok()
    }

    /// A defective ECC block is replaced; not if no spare area has room.
    pub(crate) fn replace(&mut self, profile: &Profile, address: u32) -> Result<(), Sense> {
        let begin = address - address % profile.ecc_blocks;
        match self.replaced.binary_search(&begin) {
            Ok(_) => Ok(()),
            Err(_) if self.spares_left(profile) == 0 => Err(REALLOCATION_FAILED.at(address)),
            Err(place) => {
                self.replaced.insert(place, begin);
                Ok(())
            }
        }
    }

    /// Blocks of a write-once disc are written again: elsewhere, each ECC block in one of the spare areas.
    pub(crate) fn overwrite(&mut self, profile: &Profile, address: u32, count: u32) -> Result<(), Sense> {
        let recorded = self
            .track_at(address)
            .is_some_and(|(_, track)| address < track.next());
        if profile.strategy != Strategy::Sequential || !recorded || count == 0 {
            return Ok(());
        }
        let last = address.saturating_add(count - 1) / profile.ecc_blocks;
        let needed = last + 1 - address / profile.ecc_blocks;
        if needed > self.spares_left(profile) {
            return Err(NO_SPARE_LOCATION.at(address));
        }
        self.overwritten = self.overwritten.saturating_add(needed);
        Ok(())
    }

    /// The power failed while the track at `address` was written.
    pub(crate) fn damage(&mut self, address: u32) {
        let hit = |track: &&mut Track| !track.closed && (track.start..track.end()).contains(&address);
        if let Some(track) = self.tracks.iter_mut().find(hit) {
            track.damaged = true;
        }
    }

    /// RESERVE TRACK: splits the invisible track; whole ECC blocks.
    pub(crate) fn reserve(&mut self, profile: &Profile, size: u32) -> Result<(), Sense> {
        let open = self.tracks.iter().filter(|track| !track.closed).count();
        let last = self
            .tracks
            .last_mut()
            .filter(|last| !last.closed && !last.reserved && last.written == 0 && !last.damaged);
        let last = last.ok_or(COMMAND_SEQUENCE_ERROR)?;
        let size = size
            .checked_next_multiple_of(profile.ecc_blocks)
            .ok_or(INVALID_FIELD_IN_CDB)?;
        if size == 0 || size > last.size {
            return Err(INVALID_FIELD_IN_CDB);
        }
        if open >= profile.open_tracks {
            return Err(NO_MORE_RESERVATIONS);
        }
        let rest = Track {
            start: last.start + size,
            size: last.size - size,
            ..last.clone()
        };
        (last.size, last.reserved) = (size, true);
        if rest.size > 0 {
            self.tracks.push(rest);
        }
        Ok(())
    }

    /// CLOSE TRACK: what was the invisible track ends where its data ends, and a new one follows. A damaged
    /// track is repaired: it ends behind the ECC block that was lost. Call after padding.
    pub(crate) fn close_track(&mut self, profile: &Profile, number: u16) -> Result<(), Sense> {
        let position = usize::from(number).checked_sub(1).ok_or(INVALID_FIELD_IN_CDB)?;
        let track = self.tracks.get_mut(position).ok_or(INVALID_FIELD_IN_CDB)?;
        if track.closed {
            return Ok(());
        }
        if track.written == 0 && !track.damaged {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        track.closed = true;
        if !track.reserved {
            let [run_out, pre_gap] = profile.track_gap;
            let lost = if track.damaged { profile.ecc_blocks } else { 0 };
            let used = track.written.saturating_add(lost + run_out).min(track.size);
            let start = track.start.saturating_add(used).saturating_add(pre_gap);
            let rest = Track {
                start,
                size: track.end().saturating_sub(start),
                written: 0,
                closed: false,
                damaged: false,
                ..track.clone()
            };
            track.size = used;
            if rest.size > 0 {
                self.tracks.push(rest);
            }
        }
        Ok(())
    }

    /// CLOSE SESSION: closes full and half-written tracks alike, but not a reservation that is not full.
    pub(crate) fn close_session(&mut self, profile: &Profile) -> Result<(), Sense> {
        let partial = |track: &Track| !track.closed && track.reserved && track.free() > 0;
        if self.tracks.iter().any(partial) {
            return Err(RESERVED_TRACK_NOT_FULL);
        }
        let begun = (1u16..)
            .zip(&self.tracks)
            .filter(|(_, track)| !track.closed && (track.written > 0 || track.damaged));
        for number in begun.map(|(number, _)| number).collect::<Vec<_>>() {
            self.close_track(profile, number)?;
        }
        let session = self.session();
        let recorded = |track: &&Track| track.session == session && track.closed;
        let end = self.tracks.iter().filter(recorded).map(Track::end).max();
        let gap = profile.gaps[usize::from(session > 1)];
        match (self.tracks.last_mut(), end) {
            (Some(last), Some(end)) if !last.closed => {
                last.session += 1;
                if gap > 0 {
                    let start = end.saturating_add(gap);
                    last.size = last.end().saturating_sub(start);
                    last.start = start;
                }
                if last.size == 0 {
                    self.tracks.pop(); // no room for another session
                    self.finalised = true;
                }
            }
            (Some(last), _) if last.closed => self.finalised = true, // likewise: the disc is full
            _ => {}
        }
        Ok(())
    }

    /// Finalises the disc: closes the session and lets none follow.
    pub(crate) fn finalise(&mut self, profile: &Profile) -> Result<(), Sense> {
        if self.is_blank() {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        self.close_session(profile)?;
        self.finalised = true;
        self.tracks.retain(|track| track.closed);
        Ok(())
    }
}
