//! What the drive says unasked: unit attentions, media events, being busy.

use std::collections::VecDeque;

use crate::{
    bytes::{Cdb, Put as _},
    drive::Drive,
    sense::{
        BECOMING_READY, FORMATTING_IN_BACKGROUND, INVALID_FIELD_IN_CDB, MEDIUM_MAY_HAVE_CHANGED, NO_SENSE,
        POWER_ON, Sense,
    },
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

/// The name of the initiator in this process.
pub(crate) const LOCAL: &[u8] = &[];
/// Initiators remembered; an iSCSI session that returns under its name finds what was established meanwhile.
const REMEMBERED: usize = 64;

/// What one initiator was not told yet, and what it wants (SAM-5, I_T nexus).
#[derive(Debug, Default)]
struct Nexus {
    name: Vec<u8>,
    units: VecDeque<Sense>,
    events: VecDeque<MediaEvent>,
    prevents_removal: bool,
}

fn keep<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() < KEPT {
        queue.push_back(item);
    }
}

/// What waits to be told, for each initiator.
#[derive(Debug)]
pub(crate) struct Attention {
    /// The one whose command is being executed is the last.
    nexuses: Vec<Nexus>,
    busy: Option<Busy>,
}

/// An answer to so many commands, of which some were given it.
#[derive(Clone, Copy, Debug)]
struct Busy {
    sense: Sense,
    given: u32,
    times: u32,
}

impl Attention {
    pub fn power_on() -> Self {
        let local = Nexus {
            units: VecDeque::from([POWER_ON]),
            ..Nexus::default()
        };
        Self {
            nexuses: vec![local],
            busy: None,
        }
    }

    /// The next commands are those of the initiator `name`. To one that was never seen, the drive has just been
    /// switched on, with the disc that lies in it.
    pub fn turn(&mut self, name: &[u8], loaded: bool) {
        let known = self.nexuses.iter().position(|nexus| nexus.name == name);
        let nexus = known.map(|at| self.nexuses.remove(at));
        let nexus = nexus.unwrap_or_else(|| Nexus {
            name: name.to_vec(),
            units: [POWER_ON]
                .into_iter()
                .chain(loaded.then_some(MEDIUM_MAY_HAVE_CHANGED))
                .collect(),
            events: loaded.then_some(MediaEvent::NewMedia).into_iter().collect(),
            prevents_removal: false,
        });
        if self.nexuses.len() >= REMEMBERED {
            let oldest = self.nexuses.iter().position(|nexus| nexus.name != LOCAL);
            self.nexuses.remove(oldest.unwrap_or(0));
        }
        self.nexuses.push(nexus);
    }

    fn current(&mut self) -> Option<&mut Nexus> {
        self.nexuses.last_mut()
    }

    /// For every initiator.
    pub fn unit(&mut self, sense: Sense) {
        self.nexuses
            .iter_mut()
            .for_each(|nexus| keep(&mut nexus.units, sense));
    }

    /// For every initiator but the one whose command caused it (SAM-5 section 5.14).
    pub fn unit_of_others(&mut self, sense: Sense) {
        let others = self.nexuses.iter_mut().rev().skip(1);
        others.for_each(|nexus| keep(&mut nexus.units, sense));
    }

    /// The initiator in this process is the one whose command is being executed.
    pub fn is_local(&self) -> bool {
        self.nexuses.last().is_some_and(|nexus| nexus.name == LOCAL)
    }

    pub fn take_unit(&mut self) -> Option<Sense> {
        self.current()?.units.pop_front()
    }

    pub fn event(&mut self, event: MediaEvent) {
        self.nexuses
            .iter_mut()
            .for_each(|nexus| keep(&mut nexus.events, event));
    }

    fn take_event(&mut self) -> Option<MediaEvent> {
        self.current()?.events.pop_front()
    }

    /// PREVENT of the current initiator.
    pub fn prevent_removal(&mut self, prevents: bool) {
        self.current()
            .into_iter()
            .for_each(|nexus| nexus.prevents_removal = prevents);
    }

    /// The initiator `name`, or every one, prevents removal no more (SPC-4: loss of the nexus, a reset).
    pub fn allow_removal(&mut self, name: Option<&[u8]>) {
        let concerned = self
            .nexuses
            .iter_mut()
            .filter(|nexus| name.is_none_or(|name| nexus.name == name));
        concerned.for_each(|nexus| nexus.prevents_removal = false);
    }

    /// The tray is locked while any initiator prevents removal (SPC-4, PREVENT ALLOW MEDIUM REMOVAL).
    pub fn is_removal_prevented(&self) -> bool {
        self.nexuses.iter().any(|nexus| nexus.prevents_removal)
    }

    /// The next `times` commands that need the disc are answered with `sense`.
    pub fn busy(&mut self, sense: Sense, times: u32) {
        self.busy = Some(Busy {
            sense,
            given: 0,
            times,
        });
    }

    pub fn take_busy(&mut self) -> Option<Sense> {
        let busy = self.busy.as_mut().filter(|busy| busy.given < busy.times)?;
        busy.given += 1;
        let told = busy.sense.after((busy.given - 1).into(), busy.times.into());
        Some(if busy.sense == BECOMING_READY {
            busy.sense
        } else {
            told
        })
    }
}

impl Drive {
    /// REQUEST SENSE (SPC-4): what autosense has not told yet.
    pub(crate) fn request_sense(&mut self, cdb: &Cdb) -> Vec<u8> {
        let sense = self
            .attention
            .take_unit()
            .or_else(|| self.attention.take_busy())
            .or_else(|| self.working())
            .or_else(|| self.formatting())
            .unwrap_or(NO_SENSE);
        let mut reply = sense.to_bytes().to_vec();
        reply.truncate(cdb.u8(4).into());
        reply
    }

    /// How far a background format is (MMC-6, FORMAT UNIT): it is told to REQUEST SENSE alone.
    fn formatting(&self) -> Option<Sense> {
        let recording = self.medium()?.recording();
        let (done, of) = (recording.recorded_end(), recording.capacity());
        recording
            .formatting
            .then(|| FORMATTING_IN_BACKGROUND.after(done.into(), of.into()))
    }

    /// GET EVENT STATUS NOTIFICATION (MMC-6), polled.
    pub(crate) fn get_event_status(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        if !cdb.bit(1, 0) {
            return Err(INVALID_FIELD_IN_CDB); // asynchronous notification needs queueing
        }
        let wanted = cdb.u8(4) & CLASSES;
        let media = wanted & 1 << MEDIA_CLASS != 0;
        let event = if media && cdb.u16(7) > 4 {
            self.attention.take_event()
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
