//! Tracks and sessions of a write-once disc: the state machine, without I/O.
//!
//! Unless the disc is finalised or full, its last track is always the *invisible* one: the open remainder
//! that RESERVE TRACK splits and that becomes a real track when it is written.

use serde::{Deserialize, Serialize};

use crate::{
    profile::Profile,
    sense::{
        ADDRESS_OUT_OF_RANGE, BLANK_CHECK, COMMAND_SEQUENCE_ERROR, END_OF_USER_AREA,
        INVALID_ADDRESS_FOR_WRITE, INVALID_FIELD_IN_CDB, NO_MORE_RESERVATIONS, RESERVED_TRACK_NOT_FULL,
        Sense,
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

    /// Blocks still to be written; none once closed.
    #[must_use]
    pub fn free(&self) -> u32 {
        if self.closed {
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
    pub(crate) tracks: Vec<Track>,
}

impl Recording {
    /// A blank disc.
    #[must_use]
    pub fn blank(profile: &Profile, capacity: u32) -> Self {
        let track = Track {
            session: 1,
            start: 0,
            size: capacity,
            written: 0,
            reserved: false,
            closed: false,
        };
        Self {
            media: profile.name.into(),
            capacity,
            finalised: false,
            tracks: vec![track],
        }
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
        matches!(self.tracks.as_slice(), [only] if only.written == 0) && !self.finalised
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

    /// Whether the tracks lie end to end within the disc, as everything here relies on.
    pub(crate) fn is_sound(&self) -> bool {
        let mut end = 0;
        let mut session = 1;
        self.tracks.iter().all(|track| {
            let sound = track.start == end
                && track.written <= track.size
                && track.end() <= self.capacity
                && (track.session == session || track.session == session.saturating_add(1));
            (end, session) = (track.end(), track.session);
            sound
        }) && self.tracks.len() < usize::from(u16::MAX)
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
    pub(crate) fn check_read(&self, address: u32, count: u32) -> Result<(), Sense> {
        let limit = if self.finalised {
            self.recorded_end()
        } else {
            self.capacity
        };
        let end = address
            .checked_add(count)
            .filter(|end| *end <= limit)
            .ok_or(ADDRESS_OUT_OF_RANGE)?;
        let mut at = address;
        while at < end {
            let (_, track) = self.track_at(at).ok_or(ADDRESS_OUT_OF_RANGE)?;
            if track.next() <= at {
                return Err(BLANK_CHECK.at(at));
            }
            at = track.next();
        }
        Ok(())
    }

    /// The track that takes `count` blocks at `address`: they must begin at its next writable address.
    pub(crate) fn check_write(&self, address: u32, count: u32) -> Result<usize, Sense> {
        if address >= self.capacity {
            return Err(ADDRESS_OUT_OF_RANGE);
        }
        let (position, track) = self
            .tracks
            .iter()
            .enumerate()
            .find(|(_, track)| (track.start..track.end()).contains(&address))
            .ok_or(INVALID_ADDRESS_FOR_WRITE)?;
        if track.closed || track.next() != address {
            return Err(INVALID_ADDRESS_FOR_WRITE);
        }
        if count > track.free() {
            return Err(END_OF_USER_AREA);
        }
        Ok(position)
    }

    /// `count` blocks were recorded in the track at `position`.
    pub(crate) fn advance(&mut self, position: usize, count: u32) {
        if let Some(track) = self.tracks.get_mut(position) {
            track.written = track.written.saturating_add(count).min(track.size);
        }
    }

    /// The ranges that fill half-recorded ECC blocks: (track position, address, blocks).
    pub(crate) fn padding(&self, profile: &Profile) -> Vec<(usize, u32, u32)> {
        let missing = |track: &Track| {
            track.written.next_multiple_of(profile.ecc_blocks).min(track.size) - track.written
        };
        let open = self.tracks.iter().enumerate().filter(|(_, track)| !track.closed);
        open.map(|(position, track)| (position, track.next(), missing(track)))
            .filter(|(_, _, count)| *count > 0)
            .collect()
    }

    /// RESERVE TRACK: splits the invisible track; whole ECC blocks.
    pub(crate) fn reserve(&mut self, profile: &Profile, size: u32) -> Result<(), Sense> {
        let open = self.tracks.iter().filter(|track| !track.closed).count();
        let last = self
            .tracks
            .last_mut()
            .filter(|last| !last.closed && !last.reserved && last.written == 0);
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

    /// CLOSE TRACK: what was the invisible track ends where its data ends, and a new one follows. Call
    /// after padding.
    pub(crate) fn close_track(&mut self, number: u16) -> Result<(), Sense> {
        let position = usize::from(number).checked_sub(1).ok_or(INVALID_FIELD_IN_CDB)?;
        let track = self.tracks.get_mut(position).ok_or(INVALID_FIELD_IN_CDB)?;
        if track.closed {
            return Ok(());
        }
        if track.written == 0 {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        track.closed = true;
        if !track.reserved {
            let rest = Track {
                start: track.next(),
                size: track.size - track.written,
                written: 0,
                closed: false,
                ..track.clone()
            };
            track.size = track.written;
            if rest.size > 0 {
                self.tracks.push(rest);
            }
        }
        Ok(())
    }

    /// CLOSE SESSION: closes full and half-written tracks alike, but not a reservation that is not full.
    pub(crate) fn close_session(&mut self) -> Result<(), Sense> {
        let partial = |track: &Track| !track.closed && track.reserved && track.free() > 0;
        if self.tracks.iter().any(partial) {
            return Err(RESERVED_TRACK_NOT_FULL);
        }
        let begun = (1u16..)
            .zip(&self.tracks)
            .filter(|(_, track)| !track.closed && track.written > 0);
        for number in begun.map(|(number, _)| number).collect::<Vec<_>>() {
            self.close_track(number)?;
        }
        let session = self.session();
        let recorded = self
            .tracks
            .iter()
            .any(|track| track.session == session && track.closed);
        match self.tracks.last_mut() {
            Some(last) if !last.closed && recorded => last.session += 1,
            Some(last) if last.closed => self.finalised = true, // a full disc has no room for another session
            _ => {}
        }
        Ok(())
    }

    /// Finalises the disc: closes the session and lets none follow.
    pub(crate) fn finalise(&mut self) -> Result<(), Sense> {
        if self.is_blank() {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        self.close_session()?;
        self.finalised = true;
        self.tracks.retain(|track| track.closed);
        Ok(())
    }
}
