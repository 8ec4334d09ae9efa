//! The disc in the drive: kind, state, tracks, room.

use core::ops::RangeInclusive;

use crate::BLOCK;
use crate::bytes::text;
use crate::command::{
    AddressType, ReadCapacity, ReadDiscInformation, ReadDiscStructure, ReadFormatCapacities,
    ReadTrackInformation, TrackInformation, feature,
};
use crate::drive::{CONFIGURATION_LENGTH, Drive};
use crate::error::Error;
use crate::profile::Profile;
use crate::strategy::{OpenTrack, strategy};
use crate::transport::{Host, Transport};

/// DISC STATUS of READ DISC INFORMATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscStatus {
    /// Nothing is recorded.
    Blank,
    /// Sessions can be added.
    Appendable,
    /// Pressed, or finalised.
    Complete,
    /// Rewritable at random places; the standard's "others".
    RandomAccess,
}

/// STATE OF LAST SESSION of READ DISC INFORMATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing is in it.
    Empty,
    /// Begun and not closed.
    Incomplete,
    /// Damaged, or holding only reserved tracks.
    Damaged,
    /// Closed.
    Complete,
}

/// What the drive tells about the disc in it. All addresses and sizes count blocks of 2048 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disc {
    /// The kind of disc.
    pub profile: Profile,
    /// Blank, appendable, complete.
    pub status: DiscStatus,
    /// How the last session stands.
    pub last_session: SessionState,
    /// Sessions with something in them.
    pub sessions: u16,
    /// Number of the first track.
    pub first_track: u16,
    /// Number of the last track; on an appendable disc of most families that is the one open for writing.
    pub last_track: u16,
    /// The track open for writing; only on discs of families this driver can write.
    pub open: Option<Track>,
    /// Blocks that can be read, from READ CAPACITY; 0 on a blank disc.
    pub readable: u32,
    /// Blocks the disc has altogether, from READ FORMAT CAPACITIES; 0 when the drive does not tell.
    pub capacity: u32,
    /// The disc can be erased or overwritten.
    pub erasable: bool,
    /// BD-R formatted for pseudo-overwrite, as growisofs does.
    pub pseudo_overwrite: bool,
    /// Who made it: manufacturer and type as "CMCMAG/BA5"; empty when the drive does not tell.
    pub media_id: heapless::String<32>,
    /// [`Drive::generation`] at the time of asking.
    pub generation: u32,
}

impl Disc {
    /// Where the next session would begin, if one can be begun.
    #[must_use]
    pub fn next_writable(&self) -> Option<u32> {
        self.open.and_then(|track| track.next_writable)
    }

    /// Blocks free for the next session, before padding and margin.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        self.open.map_or(0, |track| track.free_blocks)
    }

    /// The numbers of all tracks.
    #[must_use]
    pub fn tracks(&self) -> RangeInclusive<u16> {
        self.first_track..=self.last_track
    }
}

/// One track: on write-once DVD and BD at the same time one session's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// Track number.
    pub number: u16,
    /// Session number.
    pub session: u16,
    /// First block.
    pub start: u32,
    /// Length in blocks, written or not.
    pub size: u32,
    /// Where the next WRITE must go, when the drive knows.
    pub next_writable: Option<u32>,
    /// Last block written, when the drive knows.
    pub last_recorded: Option<u32>,
    /// Blocks that can still be written in it.
    pub free_blocks: u32,
    /// Nothing is written in it.
    pub blank: bool,
    /// It has a size reserved for it.
    pub reserved: bool,
    /// Its end was never recorded properly.
    pub damaged: bool,
}

impl From<TrackInformation<'_>> for Track {
    fn from(view: TrackInformation<'_>) -> Self {
        Self {
            number: view.track(),
            session: view.session(),
            start: view.start(),
            size: view.size(),
            next_writable: view.next_writable(),
            last_recorded: view.last_recorded(),
            free_blocks: view.free_blocks(),
            blank: view.blank(),
            reserved: view.reserved(),
            damaged: view.damaged(),
        }
    }
}

/// "Not for this disc": some answers exist for some discs only, and their absence is no error.
fn optional<R>(answer: Result<R, Error>) -> Result<Option<R>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused { sense, .. }) if matches!(sense.key, 0x3 | 0x5 | 0x8) => Ok(None),
        Err(Error::Malformed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Looks at the disc: waits until it can be used, then asks for everything there is to know.
    ///
    /// # Errors
    /// [`Error::NoDisc`]; [`Error::BlockSize`]; what the commands brought.
    pub fn disc(&mut self) -> Result<Disc, Error> {
        self.ready()?;
        let mut answer = [0; CONFIGURATION_LENGTH];
        let configuration = self.configuration(&mut answer)?;
        let profile = Profile(configuration.current_profile());
        let pseudo_overwrite = configuration
            .feature(feature::BD_R_PSEUDO_OVERWRITE)
            .is_some_and(|feature| feature.current);
        let mut disc = Disc {
            profile,
            status: DiscStatus::Complete,
            last_session: SessionState::Complete,
            sessions: 1,
            first_track: 1,
            last_track: 1,
            open: None,
            readable: 0,
            capacity: 0,
            erasable: false,
            pseudo_overwrite,
            media_id: heapless::String::new(),
            generation: self.generation,
        };
        self.recording_state(&mut disc)?;
        if disc.status != DiscStatus::Blank {
            disc.readable = self.readable_blocks()?;
        }
        disc.open = self.open_track(&disc)?;
        let mut answer = [0; 252];
        if let Some(capacities) = optional(self.query(&ReadFormatCapacities, &mut answer))? {
            disc.capacity = capacities.blocks();
        }
        disc.media_id = self.media_id(profile)?;
        Ok(disc)
    }

    /// READ DISC INFORMATION. Readers that lack it hold only pressed or finalised discs; of a disc that may
    /// be written the answer is indispensable, since the success of a burn is judged by it.
    fn recording_state(&mut self, disc: &mut Disc) -> Result<(), Error> {
        let mut answer = [0; 34];
        let information = match self.query(&ReadDiscInformation, &mut answer) {
            answer if strategy(disc.profile).is_some() => answer?,
            answer => match optional(answer)? {
                Some(information) => information,
                None => return Ok(()),
            },
        };
        disc.status = match information.status() {
            0 => DiscStatus::Blank,
            1 => DiscStatus::Appendable,
            2 => DiscStatus::Complete,
            _ => DiscStatus::RandomAccess,
        };
        disc.last_session = match information.last_session_state() {
            0 => SessionState::Empty,
            1 => SessionState::Incomplete,
            2 => SessionState::Damaged,
            _ => SessionState::Complete,
        };
        let empty = u16::from(disc.last_session == SessionState::Empty);
        disc.sessions = information.sessions().saturating_sub(empty);
        disc.first_track = information.first_track();
        disc.last_track = information.last_track();
        disc.erasable = information.erasable();
        Ok(())
    }

    /// READ CAPACITY, whose block size must be ours.
    fn readable_blocks(&mut self) -> Result<u32, Error> {
        let Some(capacity) = optional(self.query(&ReadCapacity, &mut [0; 8]))? else {
            return Ok(0);
        };
        if usize::try_from(capacity.block_size) != Ok(BLOCK) {
            return Err(Error::BlockSize(capacity.block_size));
        }
        Ok(capacity.last_block.saturating_add(1))
    }

    /// The track the next session would go to.
    fn open_track(&mut self, disc: &Disc) -> Result<Option<Track>, Error> {
        let Some(strategy) = strategy(disc.profile) else {
            return Ok(None);
        };
        if !matches!(disc.status, DiscStatus::Blank | DiscStatus::Appendable) {
            return Ok(None);
        }
        let number = match strategy.open_track {
            OpenTrack::Last => disc.last_track.max(1),
            OpenTrack::Invisible => 0xFF,
        };
        let Some(mut track) = optional(self.track(number))? else {
            return Ok(None);
        };
        // -150 is where the program area of a CD would begin.
        let before_zero = track.next_writable == Some(150u32.wrapping_neg());
        if self.quirks.negative_address_when_blank && disc.status == DiscStatus::Blank && before_zero {
            track.next_writable = Some(0);
        }
        Ok(Some(track))
    }

    /// READ TRACK INFORMATION by track number; 00FFh is the invisible or incomplete track at the end.
    ///
    /// # Errors
    /// What the command brought.
    pub fn track(&mut self, number: u16) -> Result<Track, Error> {
        let command = ReadTrackInformation {
            by: AddressType::Track,
            number: u32::from(number),
        };
        self.query(&command, &mut [0; 34]).map(Track::from)
    }

    /// Manufacturer and type: BD disc information (format 00h) or DVD+R address in pregroove (format 11h).
    fn media_id(&mut self, profile: Profile) -> Result<heapless::String<32>, Error> {
        let unknown = heapless::String::new();
        let Some(media_type) = profile.structure_media_type() else {
            return Ok(unknown);
        };
        // Offsets of manufacturer and type within the structure.
        let (format, maker, kind) = match (media_type, profile.0) {
            (1, _) => (0x00, (100, 6), (106, 3)),
            (_, 0x1A | 0x1B | 0x2A | 0x2B) => (0x11, (19, 8), (27, 3)),
            _ => return Ok(unknown),
        };
        let mut answer = [0; 116];
        let structure = optional(self.query(&ReadDiscStructure { media_type, format }, &mut answer))?;
        let Some(structure) = structure else {
            return Ok(unknown);
        };
        let maker: heapless::String<8> = text(structure.field(maker.0, maker.1));
        let kind: heapless::String<3> = text(structure.field(kind.0, kind.1));
        if maker.is_empty() {
            return Ok(unknown);
        }
        Ok([maker.as_str(), "/", kind.as_str()]
            .iter()
            .flat_map(|part| part.chars())
            .collect())
    }
}
