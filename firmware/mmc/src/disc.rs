//! The disc in the drive: kind, state, tracks, room.

use core::ops::RangeInclusive;

use crate::BLOCK;
use crate::bytes::text;
use crate::command::{
    AddressType, ReadCapacity, ReadDiscInformation, ReadDiscStructure, ReadFormatCapacities,
    ReadTrackInformation, TrackInformation, feature, format_type,
};
use crate::drive::{CONFIGURATION_LENGTH, Drive};
use crate::error::Error;
use crate::profile::Profile;
use crate::strategy::{OpenTrack, Order, Strategy, strategy};
use crate::transport::{Host, Transport};

/// -150 as a block address.
const BEFORE_ZERO: u32 = 150u32.wrapping_neg();

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

/// How data gets onto the disc, as far as it still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Not at all, or not by this driver.
    ReadOnly,
    /// Session behind session, each from [`Disc::next_writable`] on; a session is closed, and the disc stays
    /// appendable or is finalised with it.
    Sequential,
    /// Any block may be written again. There are no sessions, nothing to close and nothing to finalise:
    /// what is appended is written behind what is there, and becomes visible when the volume descriptors in
    /// front are rewritten. A new volume may begin at [`Disc::next_writable`], which is 0.
    Overwritable,
}

/// BACKGROUND FORMAT STATUS of READ DISC INFORMATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// Not formatted so, or no DVD+RW.
    None,
    /// Begun and stopped; it is taken up again when the room is needed.
    Stopped,
    /// Going on.
    Running,
    /// The whole disc is formatted.
    Complete,
}

/// What the drive tells about the disc in it. All addresses and sizes count blocks of 2048 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disc {
    /// The kind of disc.
    pub profile: Profile,
    /// How it is written.
    pub model: Model,
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
    /// Overwritable: blocks from 0 on that can be written in any order; those behind only in sequence. Other
    /// discs: 0.
    pub reach: u32,
    /// Overwritable: it has been formatted; a burn formats it otherwise.
    pub formatted: bool,
    /// How the format in the background stands.
    pub background: Background,
    /// DVD-R and -RW: takes session after session (feature 0021h); otherwise only a disc at once. A DVD-RW
    /// that was blanked minimally has lost it.
    pub incremental: bool,
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
    /// Where the next session begins, if one can be begun: exactly there on a disc written sequentially. On
    /// an overwritable one this is 0, for a new volume; one that is to be appended to begins behind the
    /// blocks that will be rewritten ([`Recorder::rewrite`](crate::Recorder::rewrite)), and what is appended
    /// behind what is there, which its file system knows and the drive does not, at a whole cluster.
    #[must_use]
    pub fn next_writable(&self) -> Option<u32> {
        match self.model {
            Model::ReadOnly => None,
            Model::Sequential => self.open.and_then(|track| track.next_writable),
            Model::Overwritable => Some(0),
        }
    }

    /// Blocks free from [`Self::next_writable`] on, before padding and margin.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        match self.model {
            Model::ReadOnly => 0,
            Model::Sequential => self.open.map_or(0, |track| track.free_blocks),
            Model::Overwritable => self.capacity,
        }
    }

    /// Blocks one WRITE carries, and the unit in which an overwritable disc is written: an ECC cluster where
    /// there are such. 1 for discs this driver cannot write.
    #[must_use]
    pub fn cluster_blocks(&self) -> u32 {
        strategy(self.profile).map_or(1, |strategy| u32::from(strategy.cluster))
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

/// A disc about whose state the drive must tell: it may be written in sequence, or formatted by a burn.
fn is_told(profile: Profile) -> bool {
    let random = |row: &Strategy| row.order == Order::Random;
    strategy(profile).is_some_and(|row| !random(row) || profile == Profile::DVD_PLUS_RW)
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
        let incremental = configuration
            .feature(feature::INCREMENTAL_STREAMING)
            .is_some_and(|feature| feature.current);
        let mut disc = Disc {
            profile,
            model: Model::ReadOnly,
            status: DiscStatus::Complete,
            last_session: SessionState::Complete,
            sessions: 1,
            first_track: 1,
            last_track: 1,
            open: None,
            readable: 0,
            capacity: 0,
            reach: 0,
            formatted: false,
            background: Background::None,
            incremental,
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
        self.capacities(&mut disc)?;
        disc.media_id = self.media_id(profile)?;
        Ok(disc)
    }

    /// READ DISC INFORMATION. Readers that lack it hold only pressed or finalised discs; of a disc that may
    /// be written the answer is indispensable, since the success of a burn is judged by it.
    fn recording_state(&mut self, disc: &mut Disc) -> Result<(), Error> {
        let mut answer = [0; 34];
        let information = match self.query(&ReadDiscInformation, &mut answer) {
            answer if is_told(disc.profile) => answer?,
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
        if disc.profile == Profile::DVD_PLUS_RW {
            disc.background = match information.background_format() {
                0 => Background::None,
                1 => Background::Stopped,
                2 => Background::Running,
                _ => Background::Complete,
            };
        }
        Ok(())
    }

    /// READ FORMAT CAPACITIES, and with it the model.
    fn capacities(&mut self, disc: &mut Disc) -> Result<(), Error> {
        use format_type::{DVD_PLUS_RW, DVD_RW_FULL, DVD_RW_QUICK, FULL};
        const UNFORMATTED: u8 = 1;
        const FORMATTED: u8 = 2;
        let mut answer = [0; 252];
        let capacities = optional(self.query(&ReadFormatCapacities, &mut answer))?;
        disc.capacity = capacities.map_or(0, |capacities| capacities.blocks());
        let order = strategy(disc.profile).map(|strategy| strategy.order);
        let state = capacities.map_or(0, |capacities| capacities.descriptor_type());
        let offered = |kinds: &[u8]| {
            let blocks = capacities.into_iter().flat_map(|capacities| capacities.formats());
            let blocks = blocks.filter(|format| kinds.contains(&format.kind));
            blocks.map(|format| format.blocks).max().unwrap_or(0)
        };
        let writable = matches!(disc.status, DiscStatus::Blank | DiscStatus::Appendable);
        match (order, disc.open) {
            (None, _) => {}
            // Pseudo-overwrite: what is recorded is replaced, and the rest follows in sequence.
            (Some(Order::Sequential), Some(track)) if disc.pseudo_overwrite => {
                let next = track.next_writable.unwrap_or(track.start);
                disc.model = Model::Overwritable;
                disc.formatted = true;
                disc.reach = next;
                disc.capacity = next.saturating_add(track.free_blocks);
            }
            (Some(Order::Sequential), _) if writable && !disc.pseudo_overwrite => {
                disc.model = Model::Sequential;
            }
            (Some(Order::Sequential), _) => {}
            (Some(Order::Random), _) => {
                disc.model = Model::Overwritable;
                let background = disc.profile == Profile::DVD_PLUS_RW;
                // DVD+RW says it of itself; the type of its descriptor differs between drives.
                let unformatted = match background {
                    true => disc.background == Background::None,
                    false => state == UNFORMATTED,
                };
                // A burn would format it: what can be read is not put at risk for one answer.
                disc.formatted = !unformatted || disc.readable > 1;
                disc.reach = if disc.formatted { disc.capacity } else { 0 };
                // What a burn would find: all that background formatting reaches, or the usual format.
                disc.capacity = match offered(&[if background { DVD_PLUS_RW } else { FULL }]) {
                    blocks if background => blocks.max(disc.capacity),
                    0 => disc.capacity,
                    _ if disc.formatted => disc.capacity,
                    blocks => blocks,
                };
            }
            (Some(Order::Restricted), _) => {
                disc.model = Model::Overwritable;
                disc.formatted = true;
                // Otherwise in the intermediate state, which no size is told of and which grows from 0 on.
                disc.reach = if state == FORMATTED { disc.capacity } else { 0 };
                disc.capacity = disc.capacity.max(offered(&[FULL, DVD_RW_FULL, DVD_RW_QUICK]));
            }
        }
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
        let Some(strategy) = strategy(disc.profile).filter(|row| row.order == Order::Sequential) else {
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
            // Of a damaged track some drives say that it is neither invisible nor incomplete.
            let last = optional(self.track(disc.last_track.max(1)))?;
            return Ok(last.filter(|track| track.damaged));
        };
        // -150 is where the pre-gap of a CD begins; some drives say so even of other discs (libburn on Pioneer
        // BDR-205 and LITE-ON LTR-48125S), and mean 0.
        if disc.status == DiscStatus::Blank && track.next_writable == Some(BEFORE_ZERO) {
            track.next_writable = Some(0);
        }
        Ok(Some(track))
    }

    /// Where the newest closed session begins: what readers mount, and what an append imports. 0 on an
    /// overwritable disc, whose front shows the newest; `None` when there is no closed session.
    ///
    /// # Errors
    /// What READ TRACK INFORMATION brought.
    pub fn last_session_start(&mut self, disc: &Disc) -> Result<Option<u32>, Error> {
        if disc.model == Model::Overwritable {
            return Ok((disc.readable > 0).then_some(0));
        }
        if disc.sessions == 0 || disc.status == DiscStatus::Blank {
            return Ok(None);
        }
        // From the disc's last track back to the first one of its last closed session. Drives that number
        // tracks beyond a CD's 99 have one track a session.
        let open = matches!(
            disc.last_session,
            SessionState::Incomplete | SessionState::Damaged
        );
        let closed = disc.sessions.saturating_sub(u16::from(open));
        let mut start = None;
        for number in disc.tracks().rev().take(100) {
            let track = match optional(self.track(number))? {
                Some(track) if track.session <= closed => track,
                _ if start.is_some() => break,
                _ => continue,
            };
            if start.is_some_and(|(session, _)| session != track.session) {
                break;
            }
            start = Some((track.session, track.start));
        }
        Ok(start.map(|(_, start)| start))
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
