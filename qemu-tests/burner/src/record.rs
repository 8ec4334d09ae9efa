//! Commands that move user data and change the disc.

use std::ops::Range;

use crate::{
    BLOCK,
    bytes::Cdb,
    drive::Drive,
    fault::Fault,
    profile::Strategy,
    sense::{
        COMMAND_SEQUENCE_ERROR, DATA_PHASE_ERROR, INVALID_FIELD_IN_CDB, LONG_WRITE_IN_PROGRESS,
        NO_MEDIUM_TRAY_OPEN, OPERATION_IN_PROGRESS, POWER_CALIBRATION_AREA_ERROR, REALLOCATION_FAILED,
        SESSION_FIXATION_ERROR, Sense, UNRECOVERED_READ_ERROR, WRITE_ERROR,
    },
    timing::Work,
};

/// Blocks one command may move: what READ (10) can ask for.
const TRANSFER: u32 = 65535;

/// The format type of media that are formatted in the background (DVD+RW).
const BACKGROUND: u8 = 0x26;

/// The blocks that both ranges hold.
fn shared(one: &Range<u32>, other: &Range<u32>) -> Option<Range<u32>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}

/// The first block that both ranges hold.
fn common(one: &Range<u32>, other: &Range<u32>) -> Option<u32> {
    shared(one, other).map(|both| both.start)
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
        let disc = self.ready()?;
        disc.recording().check_read(disc.profile(), address, count)?;
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
        let disc = self.tray.disc.as_ref().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let readable = |at: &u32| disc.recording().is_replaced(disc.profile(), *at);
        let defects = self.faults.defects().filter_map(|defect| shared(&range, &defect));
        let lost = defects.flatten().find(|at| !readable(at));
        if let Some(at) = lost {
            return Err(UNRECOVERED_READ_ERROR.at(at));
        }
        let mut data = disc.read(address, count)?;
        let rotten = |address| self.faults.rotten().any(|range| range.contains(&address));
        for (_, block) in (address..)
            .zip(data.chunks_mut(BLOCK))
            .filter(|(at, _)| rotten(*at))
        {
            // A few bits of each block, so that it still looks like what it was.
            block.iter_mut().step_by(500).for_each(|byte| *byte ^= 0x10);
        }
        self.take_time_to_read(address, count);
        Ok(data)
    }

    /// WRITE (10), WRITE (12), WRITE AND VERIFY (10) (MMC-6).
    pub(crate) fn write(&mut self, address: u32, count: u32, data: &[u8]) -> Result<Vec<u8>, Sense> {
        if count > TRANSFER {
            return Err(INVALID_FIELD_IN_CDB);
        }
        self.ready()?;
        let length = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(BLOCK);
        let ahead = self.pre_gap(address, count)?;
        let (address, count) = (address.wrapping_add(ahead), count - ahead);
        if count > 0 || ahead == 0 {
            let disc = self.tray.disc.as_ref().ok_or(NO_MEDIUM_TRAY_OPEN)?;
            disc.recording().check_write(disc.profile(), address, count)?;
            self.check_write_type(address)?;
        }
        let data = data.get(..length).ok_or(DATA_PHASE_ERROR)?;
        let skipped = usize::try_from(ahead).unwrap_or(0) * BLOCK;
        let data = data.get(skipped..).unwrap_or_default();
        let range = address..address.saturating_add(count);
        self.write_faults(&range)?;
        self.replace_defects(&range)?;
        self.fill_buffer(address, count)?;
        let cut = |fault: &Fault| match fault {
            Fault::PowerCut { at } => common(&range, &block(*at)),
            _ => None,
        };
        let cut = self.faults.fire(cut);
        let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        if let Some(at) = cut {
            let arrived = usize::try_from(at - address).unwrap_or(0) * BLOCK;
            disc.lose_power(address, data.get(..arrived).unwrap_or_default())?;
            self.cut_power();
            return Ok(Vec::new());
        }
        if count > 0 {
            disc.write(address, data)?;
        }
        self.pre_gap_written(ahead);
        Ok(Vec::new())
    }

    /// Finds room in the spare areas for what cannot be written in its own place.
    fn replace_defects(&mut self, range: &Range<u32>) -> Result<(), Sense> {
        let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let defective = || self.faults.defects().filter_map(|defect| shared(range, &defect));
        disc.spend_spares(range, defective().flatten())
    }

    /// Takes the time a WRITE takes, if any is taken.
    fn fill_buffer(&mut self, address: u32, count: u32) -> Result<(), Sense> {
        let heeded = self
            .current_profile()
            .is_some_and(|profile| !profile.write_types.is_empty());
        let protected = !heeded || self.pages.is_underrun_protected();
        self.take_time_to_write(address, count, protected)
            .or_else(|sense| {
                let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
                disc.change(|recording, _| {
                    recording.damage(address);
                    Ok(())
                })?;
                Err(sense)
            })
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
            Fault::SparesExhausted { at, .. } => {
                common(range, &block(*at)).map(|at| REALLOCATION_FAILED.at(at))
            }
            _ => None,
        };
        self.faults.fire(fails).map_or(Ok(()), Err)
    }

    /// SYNCHRONIZE CACHE (MMC-6).
    pub(crate) fn synchronize_cache(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?.synchronize()?;
        self.end_track_at_once()?;
        self.end_at_once()?;
        self.linger(cdb.bit(1, 1), OPERATION_IN_PROGRESS, Work::Flush);
        Ok(Vec::new())
    }

    /// RESERVE TRACK (MMC-6) by size; ARSV and RMZ are for CD and DVD-R.
    pub(crate) fn reserve_track(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let disc = self.ready()?;
        if cdb.u8(1) != 0 {
            return Err(INVALID_FIELD_IN_CDB);
        }
        if disc.recording().is_finalised() || disc.profile().strategy != Strategy::Sequential {
            return Err(COMMAND_SEQUENCE_ERROR);
        }
        disc.change(|recording, profile| recording.reserve(profile, cdb.u32(5)))?;
        Ok(Vec::new())
    }

    /// SEND OPC INFORMATION (MMC-6).
    pub(crate) fn send_opc(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        self.ready()?;
        let fails = |fault: &Fault| matches!(fault, Fault::OpcFails { .. }).then_some(());
        if self.faults.fire(fails).is_some() {
            return Err(POWER_CALIBRATION_AREA_ERROR);
        }
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
        let lies = |fault: &Fault| matches!(fault, Fault::LyingClose { .. }).then_some(());
        if self.faults.fire(lies).is_some() {
            return Ok(Vec::new());
        }
        let disc = self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_OPEN)?;
        let (function, profile) = (cdb.u8(2) & 7, disc.profile());
        let overwritten = disc.recording().formatted;
        match function {
            0 | 2 if profile.formats.contains(&BACKGROUND) => disc.change(|recording, _| {
                recording.formatting = false;
                Ok(())
            })?,
            2 if profile.strategy == Strategy::Restricted => disc.synchronize()?,
            _ if profile.strategy != Strategy::Sequential => return Err(INVALID_FIELD_IN_CDB),
            0 => {} // stop de-icing: nothing formats in the background
            1 => disc.change(|recording, profile| recording.close_track(profile, cdb.u16(4)))?,
            2 if !overwritten => self.close_session()?,
            _ if profile.finalising.contains(&function) => {
                disc.change(|recording, profile| recording.finalise(profile))?;
            }
            _ => return Err(INVALID_FIELD_IN_CDB), // of pseudo-overwrite, too: its session stays open
        }
        self.linger(cdb.bit(1, 0), OPERATION_IN_PROGRESS, Work::Close);
        Ok(Vec::new())
    }
}
