//! A drive that has told who it is: its disc looked at once and remembered until it may be another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mmc::{Completion, Data as Transfer, DiscStatus, Transport, TransportError};
use sha2::{Digest, Sha256};
use wire::{DiscSession, DriveState, Failure, JobSummary, Label};

use super::ears::Ears;
use crate::catalog::DiscRecord;
use crate::data::Data;
use crate::errors::{self, Refusal};

/// Where descriptors begin in a session: both ISO 9660 (ECMA-119 §6.2.1) and UDF (ECMA-167 2/8.3) leave the
/// first sixteen blocks to others.
const SYSTEM_AREA: u32 = 16;

/// Blocks of descriptors that tell discs apart: what follows the system area within the first cluster.
const DESCRIPTORS: usize = 16;

/// Most tracks looked at: a hostile disc may claim 65,535.
const TRACKS_MAX: usize = 512;

/// The way to a drive, kept here while acquaintance with it is tried again and again.
#[derive(Clone)]
pub(crate) struct Way(Arc<Mutex<Box<dyn Transport + Send>>>);

impl Way {
    pub(super) fn new(transport: Box<dyn Transport + Send>) -> Self {
        Self(Arc::new(Mutex::new(transport)))
    }
}

impl Transport for Way {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Transfer<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let mut transport = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        transport.execute(cdb, data, timeout)
    }
}

/// What was seen of the disc in the drive.
#[derive(Clone)]
pub(crate) struct Seen {
    /// As clients are told.
    pub disc: wire::Disc,
    /// Changes with the disc.
    pub generation: u32,
    /// Blocks that can be read.
    pub readable: u32,
    /// First block of the newest session.
    pub session_start: u32,
    /// The disc as the catalog knows it.
    pub known: Option<([u8; 16], DiscRecord)>,
}

impl Seen {
    /// Where a session begins.
    pub(crate) fn start_of(&self, session: u32) -> Result<u32, Refusal> {
        let sessions = &self.disc.sessions;
        let found = sessions.iter().find(|known| known.session == session);
        found
            .and_then(|found| u32::try_from(found.start).ok())
            .ok_or_else(|| Refusal::NotFound(format!("session {session} on this disc")))
    }
}

/// See the module.
pub(crate) struct Device {
    drive: mmc::Drive<Way, Ears>,
    number: u32,
    seen: Option<Seen>,
}

impl Device {
    pub(super) fn identify(way: Way, number: u32, name: &str) -> Result<Self, Failure> {
        let drive = mmc::Drive::identify(way, Ears::new(name)).map_err(|error| errors::drive(&error))?;
        Ok(Self {
            drive,
            number,
            seen: None,
        })
    }

    /// The driver.
    pub(crate) fn drive(&mut self) -> &mut mmc::Drive<Way, Ears> {
        &mut self.drive
    }

    /// The disc was written or moved: it will be looked at anew.
    pub(crate) fn forget_disc(&mut self) {
        self.seen = None;
    }

    /// Whether tray and disc are where they should be, without waiting for a disc.
    pub(super) fn state(&mut self) -> Label {
        match self.drive.media_status() {
            Ok(status) if status.tray_open => DriveState::Open.label(),
            Ok(status) if !status.present => DriveState::Empty.label(),
            Ok(_) => DriveState::Ready.label(),
            Err(mmc::Error::NoDisc) => DriveState::Empty.label(),
            Err(error) => Label::new(
                DriveState::Failed.number(),
                format!("does not answer as it should: {error}"),
            ),
        }
    }

    /// Looks at the disc; at the one seen before only as far as needed to know that it is still the same.
    pub(crate) fn look(&mut self, data: Option<&Data>) -> Result<Seen, Failure> {
        let drive = |error: mmc::Error| errors::drive(&error);
        let status = self.drive.media_status().map_err(drive)?;
        if !status.present {
            self.seen = None;
            return Err(errors::drive(&mmc::Error::NoDisc));
        }
        self.drive.ready().map_err(drive)?;
        if let Some(seen) = &self.seen
            && seen.generation == self.drive.generation()
        {
            return Ok(seen.clone());
        }
        let disc = self.drive.disc().map_err(drive)?;
        let sessions = self.sessions(&disc)?;
        let session_start = sessions.last().map_or(0, |session| session.start);
        let session_start = u32::try_from(session_start).unwrap_or(0);
        let mut known = None;
        if let Some(data) = data
            && disc.readable > session_start.saturating_add(2 * SYSTEM_AREA)
        {
            // An unreadable disc is shown as unknown; reading it will say what is wrong.
            if let Ok(fingerprint) = self.fingerprint(session_start) {
                known = data.catalog.find_disc(fingerprint)?;
            }
        }
        let (state, text) = match disc.status {
            DiscStatus::Blank => (0, "blank"),
            DiscStatus::Appendable => (1, "appendable"),
            DiscStatus::Complete => (2, "complete"),
            DiscStatus::RandomAccess => (3, "rewritable"),
        };
        let (disc_id, record) = known.clone().unzip();
        let shown = wire::Disc {
            drive: self.number,
            media: Label::new(disc.profile.0, disc.profile.name()),
            state: Label::new(state, text),
            capacity: u64::from(disc.capacity.max(disc.readable)),
            free: u64::from(disc.free_blocks()),
            next_writable: u64::from(disc.next_writable().unwrap_or(0)),
            media_id: disc.media_id.as_str().into(),
            label: record
                .as_ref()
                .map(|record| record.label.clone())
                .unwrap_or_default(),
            sessions,
            disc_id: disc_id.unwrap_or_default(),
            verified: record.map_or(0, |record| record.verified),
        };
        let seen = Seen {
            disc: shown,
            generation: self.drive.generation(),
            readable: disc.readable,
            session_start,
            known,
        };
        self.seen = Some(seen.clone());
        Ok(seen)
    }

    /// Closed sessions by their tracks; of a disc whose drive tells no tracks, one from the first block on.
    fn sessions(&mut self, disc: &mmc::Disc) -> Result<Vec<DiscSession>, Failure> {
        let mut sessions: Vec<DiscSession> = Vec::new();
        if disc.status == DiscStatus::Blank {
            return Ok(sessions);
        }
        for number in disc.tracks().take(TRACKS_MAX) {
            let track = match self.drive.track(number) {
                Ok(track) => track,
                Err(error @ (mmc::Error::Transport { .. } | mmc::Error::NoDisc)) => {
                    return Err(errors::drive(&error));
                }
                Err(_) => continue,
            };
            if track.blank || disc.open.is_some_and(|open| open.number == track.number) {
                continue;
            }
            let (session, start) = (u32::from(track.session), u64::from(track.start));
            let end = start + u64::from(track.size);
            match sessions.last_mut() {
                Some(last) if last.session == session => last.blocks = end.saturating_sub(last.start),
                _ => sessions.push(DiscSession {
                    session,
                    start,
                    blocks: u64::from(track.size),
                }),
            }
        }
        if sessions.is_empty() {
            sessions.push(DiscSession {
                session: 1,
                start: 0,
                blocks: u64::from(disc.readable),
            });
        }
        Ok(sessions)
    }

    /// SHA-256 of a session's descriptors: they bear the disc's identity.
    pub(crate) fn fingerprint(&mut self, session_start: u32) -> Result<[u8; 32], Failure> {
        let mut blocks = vec![0; DESCRIPTORS * mmc::BLOCK];
        let first = session_start.saturating_add(SYSTEM_AREA);
        self.drive
            .reader()
            .read(first, &mut blocks)
            .map_err(|error| errors::drive(&error))?;
        Ok(Sha256::digest(&blocks).into())
    }

    /// Asks for speeds in 1000 bytes a second, 0 for the fastest; what the drive took.
    pub(crate) fn set_speeds(&mut self, write: u32, read: u32) -> Result<wire::Speeds, Failure> {
        let pace = |speed| match speed {
            0 => mmc::Pace::Fastest,
            speed => mmc::Pace::AtMost(speed),
        };
        let taken = self.drive.set_speeds(pace(read), pace(write));
        Ok(self.told(&taken.map_err(|error| errors::drive(&error))?))
    }

    /// The speeds there are.
    pub(super) fn speeds(&mut self) -> Result<wire::Speeds, Failure> {
        let speeds = self.drive.speeds().map_err(|error| errors::drive(&error))?;
        Ok(self.told(&speeds))
    }

    fn told(&self, speeds: &mmc::Speeds) -> wire::Speeds {
        wire::Speeds {
            drive: self.number,
            write: speeds.write.iter().map(|speed| speed.kilobytes).collect(),
            write_now: speeds.writing,
            read_now: speeds.reading,
        }
    }

    /// All there is to know of the disc.
    pub(super) fn report(&mut self, data: Option<&Data>) -> Result<wire::DiscReport, Failure> {
        let seen = self.look(data)?;
        let condition = self.drive.diagnose().map_err(|error| errors::drive(&error))?;
        let mut tracks = Vec::new();
        if condition.disc.status != DiscStatus::Blank {
            for number in condition.disc.tracks().take(TRACKS_MAX) {
                // One the drive tells nothing of is left out.
                tracks.extend(self.drive.track(number).ok().map(|track| wire::DiscTrack {
                    track: u32::from(track.number),
                    session: u32::from(track.session),
                    start: u64::from(track.start),
                    blocks: u64::from(track.size),
                    next_writable: track.next_writable.map(u64::from),
                    blank: track.blank,
                    reserved: track.reserved,
                    damaged: track.damaged,
                }));
            }
        }
        let map = match (&seen.known, data) {
            (Some((id, _)), Some(data)) => data.catalog.map(*id)?.unwrap_or_default(),
            _ => Default::default(),
        };
        Ok(wire::DiscReport {
            disc: seen.disc,
            tracks,
            condition: errors::condition(&condition).into_iter().collect(),
            mapped: map.at,
            regions: map.regions,
        })
    }

    /// Locks or unlocks the tray.
    pub(super) fn lock(&mut self, locked: bool) -> Result<(), Failure> {
        self.drive.lock(locked).map_err(|error| errors::drive(&error))
    }

    /// Whether the disc in the drive, if there is one, can be written as a new one.
    pub(super) fn is_blank(&mut self) -> bool {
        self.drive
            .disc()
            .is_ok_and(|disc| disc.status == DiscStatus::Blank || !disc.formatted && disc.erasable)
    }

    /// Reads blocks for a reader, which was told of the disc of this generation.
    pub(super) fn read(&mut self, block: u32, into: &mut [u8], generation: u32) -> Result<(), String> {
        let same = |drive: &mmc::Drive<Way, Ears>| match drive.generation() == generation {
            true => Ok(()),
            false => Err("the disc was changed".to_owned()),
        };
        same(&self.drive)?;
        self.drive
            .reader()
            .read(block, into)
            .map_err(|error| error.to_string())?;
        same(&self.drive)
    }

    /// After a burn that failed: lets go of the tray and notes how the disc stands.
    pub(crate) fn settle(&mut self, summary: &mut JobSummary) {
        self.forget_disc();
        if let Err(error) = self.drive.lock(false) {
            summary
                .remarks
                .push(format!("the tray may still be locked: {error}"));
        }
        summary.remarks.push(match self.drive.disc() {
            Ok(disc) => format!(
                "the disc is {:?} now, its last session {:?}",
                disc.status, disc.last_session
            ),
            Err(error) => format!("how the disc stands now cannot be told: {error}"),
        });
    }
}
