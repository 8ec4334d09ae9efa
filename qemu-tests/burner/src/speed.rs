//! Speeds: GET PERFORMANCE, SET STREAMING, SET CD SPEED.
//!
//! They are remembered and reported; only a drive that takes time is slower for it.

use crate::{
    bytes::{Cdb, Put as _, View},
    drive::Drive,
    sense::{INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_PARAMETER_LIST, PARAMETER_LIST_LENGTH, Sense},
};

/// What the host asked for, in kB/s; `None`: as fast as the disc allows.
#[derive(Debug, Default)]
pub(crate) struct Speed {
    read: Option<u32>,
    write: Option<u32>,
}

impl Drive {
    /// Current read and write speed in kB/s: the fastest the disc offers within what was asked for, 0
    /// without a disc.
    pub(crate) fn current_speeds(&self) -> (u32, u32) {
        let offered = self.current_profile().map_or(&[][..], |profile| profile.speeds);
        let chosen = |wanted: Option<u32>| {
            let within = offered
                .iter()
                .find(|speed| wanted.is_none_or(|wanted| **speed <= wanted));
            within.or(offered.last()).copied().unwrap_or(0)
        };
        (chosen(self.speed.read), chosen(self.speed.write))
    }

    /// GET PERFORMANCE (MMC-6): nominal performance (type 00h) and write speeds (type 03h).
    pub(crate) fn get_performance(&self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.medium();
        let last = disc.map_or(0, |disc| disc.recording().capacity() - 1);
        let (from, to) = (self.speeds_at(0), self.speeds_at(last));
        let (read, _) = to;
        let (writing, exceptions) = (cdb.bit(1, 2), cdb.u8(1) & 3);
        let mut descriptors: Vec<[u32; 4]> = Vec::new();
        let mut flags = 0;
        match cdb.u8(10) {
            0x00 => {
                flags = u8::from(writing) << 1 | u8::from(exceptions != 0);
                let (begin, end) = if writing { (from.1, to.1) } else { (from.0, to.0) };
                if disc.is_some() && exceptions == 0 {
                    descriptors.push([0, begin, last, end]);
                }
            }
            0x03 => {
                let speeds = disc.map_or(&[][..], |disc| disc.profile().speeds);
                descriptors.extend(speeds.iter().map(|speed| [0, last, read, *speed]));
            }
            _ => return Err(INVALID_FIELD_IN_CDB),
        }
        let mut reply = Vec::new();
        // All there are, returned or not.
        reply.put32(u32::try_from(descriptors.len() * 16 + 4).unwrap_or(u32::MAX));
        reply.extend([flags, 0, 0, 0]);
        for descriptor in descriptors.iter().take(cdb.u16(8).into()) {
            descriptor.iter().for_each(|value| reply.put32(*value));
        }
        Ok(reply)
    }

    /// SET STREAMING (MMC-6), performance descriptor.
    pub(crate) fn set_streaming(&mut self, data: &[u8]) -> Result<Vec<u8>, Sense> {
        let list = View(data.get(..28).ok_or(PARAMETER_LIST_LENGTH)?);
        if list.u8(0).is_some_and(|flags| flags & 4 != 0) {
            self.speed = Speed::default();
            return Ok(Vec::new());
        }
        // Kilobytes in so many milliseconds.
        let speed = |size: usize, time: usize| {
            let (size, time) = (list.u32(size)?, list.u32(time).filter(|time| *time > 0)?);
            Some(u32::try_from(u64::from(size) * 1000 / u64::from(time)).unwrap_or(u32::MAX))
        };
        let read = speed(12, 16).ok_or(INVALID_FIELD_IN_PARAMETER_LIST)?;
        let write = speed(20, 24).ok_or(INVALID_FIELD_IN_PARAMETER_LIST)?;
        self.speed = Speed {
            read: Some(read),
            write: Some(write),
        };
        Ok(Vec::new())
    }

    /// SET CD SPEED (MMC-6); FFFFh asks for the fastest.
    pub(crate) fn set_speed(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let wanted = |at| Some(u32::from(cdb.u16(at))).filter(|speed| *speed != 0xFFFF);
        self.speed = Speed {
            read: wanted(2),
            write: wanted(4),
        };
        Ok(Vec::new())
    }
}
