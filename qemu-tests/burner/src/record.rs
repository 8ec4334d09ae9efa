//! Commands that move user data and change the disc.

use std::ops::Range;

use crate::{
    BLOCK,
    bytes::Cdb,
    drive::Drive,
    fault::Fault,
    sense::{
        COMMAND_SEQUENCE_ERROR, DATA_PHASE_ERROR, INVALID_FIELD_IN_CDB, LONG_WRITE_IN_PROGRESS,
        NO_MEDIUM_TRAY_OPEN, OPERATION_IN_PROGRESS, SESSION_FIXATION_ERROR, Sense, UNRECOVERED_READ_ERROR,
        WRITE_ERROR,
    },
};

/// Blocks one command may move: what READ (10) can ask for.
const TRANSFER: u32 = 65535;

/// The first block that both ranges hold.
fn common(one: &Range<u32>, other: &Range<u32>) -> Option<u32> {
    let start = one.start.max(other.start);
    (start < one.end.min(other.end)).then_some(start)
}

fn block(at: u32) -> Range<u32> {
    at..at.saturating_add(1)
}

impl Drive {
    /// READ (10), READ (12) (MMC-6).
    pub(crate) fn read(&mut self, address: u32, count: u32) -> Result<Vec<u8>, Sense> {
        if count > TRANSFER {
            return Err(INVALID_FIELD_IN_CDB);
        }
        self.ready()?.recording().check_read(address, count)?;
        let range = address..address.saturating_add(count);
        let bad = |fault: &Fault| match fault {
            Fault::ReadError { at, blocks, .. } => {
                common(&range, &(*at..at.saturating_add(blocks.unwrap_or(1))))
            }
            _ => None,
        };
        if let Some(bad) = self.faults.fire(bad) {
            return Err(UNRECOVERED_READ_ERROR.at(bad));
        }
        self.tray
            .disc
            .as_ref()
            .ok_or(NO_MEDIUM_TRAY_OPEN)?
            .read(address, count)
    }

    /// WRITE (10), WRITE (12) (MMC-6).
    pub(crate) fn write(&mut self, address: u32, count: u32, data: &[u8]) -> Result<Vec<u8>, Sense> {
        if count > TRANSFER {
            return Err(INVALID_FIELD_IN_CDB);
        }
        self.ready()?.recording().check_write(address, count)?;
        let length = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(BLOCK);
        let data = data.get(..length).ok_or(DATA_PHASE_ERROR)?;
        self.write_faults(&(address..address.saturating_add(count)))?;
        if count > 0 {
            self.tray
                .disc
                .as_mut()
                .ok_or(NO_MEDIUM_TRAY_OPEN)?
                .write(address, data)?;
        }
        Ok(Vec::new())
    }

    fn write_faults(&mut self, range: &Range<u32>) -> Result<(), Sense> {
        let opens = |fault: &Fault| match fault {
            Fault::TrayOpens { at } => common(range, &block(*at)),
            _ => None,
        };
        if self.faults.fire(opens).is_some() {
            self.open_tray();
            return Err(NO_MEDIUM_TRAY_OPEN);
        }
        let fails = |fault: &Fault| match fault {
            Fault::LongWrite { at, .. } if range.end > *at => Some(LONG_WRITE_IN_PROGRESS),
            Fault::WriteError { at, .. } => common(range, &block(*at)).map(|at| WRITE_ERROR.at(at)),
            _ => None,
        };
        self.faults.fire(fails).map_or(Ok(()), Err)
    }

    /// SYNCHRONIZE CACHE (MMC-6).
    pub(crate) fn synchronize_cache(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?.synchronize()?;
        self.linger(cdb.bit(1, 1));
        Ok(Vec::new())
    }

    /// RESERVE TRACK (MMC-6) by size; ARSV and RMZ are for CD and DVD-R.
    pub(crate) fn reserve_track(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        if cdb.u8(1) != 0 {
            return Err(INVALID_FIELD_IN_CDB);
        }
        if disc.recording().is_finalised() {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        disc.change(|recording, profile| recording.reserve(profile, cdb.u32(5)))?;
        Ok(Vec::new())
    }

    /// SEND OPC INFORMATION (MMC-6): power calibration always succeeds.
    pub(crate) fn send_opc(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?;
        if cdb.bit(1, 0) {
            Ok(Vec::new())
        } else {
            Err(INVALID_FIELD_IN_CDB)
        }
    }

    /// CLOSE TRACK SESSION (MMC-6).
    pub(crate) fn close(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?;
        let fails = |fault: &Fault| matches!(fault, Fault::FailClose { .. }).then_some(());
        if self.faults.fire(fails).is_some() {
            return Err(SESSION_FIXATION_ERROR);
        }
        let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let function = cdb.u8(2) & 7;
        match function {
            0 => {} // stop de-icing: nothing formats in the background
            1 => disc.change(|recording, _| recording.close_track(cdb.u16(4)))?,
            2 => disc.change(|recording, _| recording.close_session())?,
            _ if disc.profile().finalising.contains(&function) => {
                disc.change(|recording, _| recording.finalise())?;
            }
            _ => return Err(INVALID_FIELD_IN_CDB),
        }
        self.linger(cdb.bit(1, 0));
        Ok(Vec::new())
    }

    /// After an immediate answer the drive may stay busy.
    fn linger(&mut self, immediate: bool) {
        let slow = |fault: &Fault| match fault {
            Fault::SlowClose { times } => Some(*times),
            _ => None,
        };
        if let Some(times) = immediate.then(|| self.faults.fire(slow)).flatten() {
            self.attention.busy(OPERATION_IN_PROGRESS, times);
        }
    }
}
