//! What the drive says unasked: unit attentions, media events, being busy.

use std::collections::VecDeque;

use crate::{
    bytes::{Cdb, Put as _},
    drive::Drive,
    sense::{INVALID_FIELD_IN_CDB, NO_SENSE, POWER_ON, Sense},
};

/// Notification class of media events (MMC-6).
const MEDIA_CLASS: u8 = 4;
/// Classes reported: operational change, power management, media, device busy.
const CLASSES: u8 = 1 << 1 | 1 << 2 | 1 << MEDIA_CLASS | 1 << 6;
/// Attentions kept; more would only repeat themselves.
const KEPT: usize = 16;

/// Media event codes (MMC-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaEvent {
    EjectRequest = 1,
    NewMedia = 2,
    MediaRemoval = 3,
}

/// What waits to be told.
#[derive(Debug)]
pub(crate) struct Attention {
    units: VecDeque<Sense>,
    events: VecDeque<MediaEvent>,
    busy: Option<(Sense, u32)>,
}

impl Attention {
    pub fn power_on() -> Self {
        Self {
            units: VecDeque::from([POWER_ON]),
            events: VecDeque::new(),
            busy: None,
        }
    }

    pub fn unit(&mut self, sense: Sense) {
        if self.units.len() < KEPT {
            self.units.push_back(sense);
        }
    }

    pub fn take_unit(&mut self) -> Option<Sense> {
        self.units.pop_front()
    }

    pub fn event(&mut self, event: MediaEvent) {
        if self.events.len() < KEPT {
            self.events.push_back(event);
        }
    }

    /// The next `times` commands that need the disc are answered with `sense`.
    pub fn busy(&mut self, sense: Sense, times: u32) {
        self.busy = Some((sense, times));
    }

    pub fn take_busy(&mut self) -> Option<Sense> {
        let (sense, left) = self.busy.take().filter(|(_, left)| *left > 0)?;
        self.busy = Some((sense, left - 1));
        Some(sense)
    }
}

impl Drive {
    /// REQUEST SENSE (SPC-4): what autosense has not told yet.
    pub(crate) fn request_sense(&mut self, cdb: &Cdb) -> Vec<u8> {
        let sense = self
            .attention
            .take_unit()
            .or_else(|| self.attention.take_busy())
            .unwrap_or(NO_SENSE);
        let mut reply = sense.to_bytes().to_vec();
        reply.truncate(cdb.u8(4).into());
        reply
    }

    /// GET EVENT STATUS NOTIFICATION (MMC-6), polled.
    pub(crate) fn get_event_status(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        if !cdb.bit(1, 0) {
            return Err(INVALID_FIELD_IN_CDB); // asynchronous notification needs queueing
        }
        let wanted = cdb.u8(4) & CLASSES;
        let media = wanted & 1 << MEDIA_CLASS != 0;
        let event = if media && cdb.u16(7) > 4 {
            self.attention.events.pop_front()
        } else {
            None
        };
        let class = if event.is_some() {
            u32::from(MEDIA_CLASS)
        } else {
            wanted.trailing_zeros()
        };
        let mut reply = Vec::new();
        match class {
            4 => {
                reply.extend([0, 6, MEDIA_CLASS, CLASSES]);
                reply.put8(event.map_or(0, |event| event as u8));
                reply.put8(u8::from(self.medium().is_some()) << 1 | u8::from(self.tray_open()));
                reply.zeros(2);
            }
            1 => reply.extend([0, 6, 1, CLASSES, 0, 0, 0, 0]),
            2 => reply.extend([0, 6, 2, CLASSES, 0, 1, 0, 0]), // power state: active
            6 => reply.extend([0, 6, 6, CLASSES, 0, 0, 0, 0]),
            _ => reply.extend([0, 2, 0x80, CLASSES]), // no event available
        }
        Ok(reply)
    }
}
