//! What is to be burned, and what the drive says to it before anything is written.

use crate::command::{FormatDescriptor, WriteType};
use crate::disc::{Background, Disc, DiscStatus, Model, SessionState};
use crate::drive::Drive;
use crate::error::Error;
use crate::format::Format;
use crate::profile::Profile;
use crate::strategy::{Order, Strategy, strategy};
use crate::transport::{Host, Transport};

/// Whether the disc stays open for further sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Data can be added later.
    Appendable,
    /// Nothing can be added any more. An overwritable disc cannot be finalised.
    Finalised,
}

/// How a session gets onto a disc that is written sequentially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the disc takes it best: CD track at once, DVD-R incrementally, and disc at once where only that is
    /// possible and the disc is to be finalised.
    Usual,
    /// Session or disc at once, its size told before: CD and DVD-R. Other discs have the space reserved.
    AtOnce,
}

/// What is to be burned where. [`Drive::plan`] answers with a [`Plan`] or the reason why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Address the image was made for.
    pub first: u32,
    /// Blocks of the image.
    pub blocks: u32,
    /// What becomes of the disc.
    pub close: Close,
    /// How it is written.
    pub mode: Mode,
    /// How an overwritable disc is formatted, if it has never been.
    pub format: Format,
}

impl Intent {
    /// A session of `blocks` blocks made for address `first` ([`Disc::next_writable`]), on a disc that stays
    /// appendable.
    #[must_use]
    pub fn new(first: u32, blocks: u32) -> Self {
        Self {
            first,
            blocks,
            close: Close::Appendable,
            mode: Mode::Usual,
            format: Format::Usual,
        }
    }

    /// Finalises the disc.
    #[must_use]
    pub fn finalised(self) -> Self {
        self.close(Close::Finalised)
    }

    /// Leaves the disc so.
    #[must_use]
    pub fn close(mut self, close: Close) -> Self {
        self.close = close;
        self
    }

    /// Writes the session or disc at once.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.mode = Mode::AtOnce;
        self
    }

    /// Formats a disc that never was in this way.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }
}

/// What is done to the disc before the first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// Nothing.
    None,
    /// The write parameters page says how; nothing else.
    Parameters(WriteType),
    /// A cue sheet and the pre-gap.
    Cue,
    /// RESERVE TRACK, after the write parameters page where there is one.
    Reserve(Option<WriteType>),
    /// Layer 0 ends there (DVD+R DL).
    LayerBreak(u32),
    /// FORMAT UNIT: the disc never was.
    Format(FormatDescriptor),
    /// FORMAT UNIT: the background format goes on.
    Restart,
    /// FORMAT UNIT: the formatted area grows as it is written (DVD-RW).
    Grow,
}

/// A burn the drive has agreed to: what goes where. Made by [`Drive::plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(crate) strategy: &'static Strategy,
    pub(crate) model: Model,
    pub(crate) preparation: Preparation,
    pub(crate) close: Close,
    /// Sequential: the open track.
    pub(crate) track: u16,
    pub(crate) track_start: u32,
    pub(crate) first: u32,
    pub(crate) blocks: u32,
    pub(crate) padded: u32,
    pub(crate) free: u32,
    /// Overwritable: from here to `first` zeroes are written, since nothing ever was.
    pub(crate) fill: Option<u32>,
    /// Blocks that are on the disc already: an interrupted burn goes on.
    pub(crate) written: u32,
    pub(crate) generation: u32,
}

impl Plan {
    /// Address of the first block.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.first
    }
    /// Blocks of the image.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.blocks
    }
    /// Blocks that will be written: the image, filled up with zeroes to whole clusters and to what the
    /// family wants behind an image.
    #[must_use]
    pub fn padded_blocks(&self) -> u32 {
        self.padded
    }
    /// Blocks the drive reported free from [`Self::first`] on, before the burn.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        self.free
    }
    /// Blocks in one WRITE: an ECC cluster of this family, 16 on CD.
    #[must_use]
    pub fn cluster_blocks(&self) -> u32 {
        u32::from(self.strategy.cluster)
    }
    /// What becomes of the disc.
    #[must_use]
    pub fn close(&self) -> Close {
        self.close
    }
    /// How the disc is written.
    #[must_use]
    pub fn model(&self) -> Model {
        self.model
    }

    /// Where the drive must stand when so many blocks are written.
    pub(crate) fn at(&self, written: u32) -> u32 {
        self.first.saturating_add(written)
    }

    /// The drive tells exactly where it stands.
    pub(crate) fn tells_next(&self) -> bool {
        self.strategy.order == Order::Sequential && self.model == Model::Sequential
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Pre-flight: asks the drive whether this can be burned now. Nothing is written or changed.
    ///
    /// # Errors
    /// Each before the first WRITE, with figures: [`Error::CannotWrite`], [`Error::Finalised`],
    /// [`Error::OpenTrack`], [`Error::AddressUnknown`], [`Error::Displaced`], [`Error::TooLarge`],
    /// [`Error::OnlyAtOnce`], [`Error::NotAtOnce`], [`Error::NotFinalisable`], [`Error::Misaligned`],
    /// [`Error::FormatUnavailable`]; [`Error::NoDisc`] and what the commands brought.
    pub fn plan(&mut self, intent: &Intent) -> Result<Plan, Error> {
        let disc = self.disc()?;
        let strategy = strategy(disc.profile).ok_or(Error::CannotWrite {
            profile: disc.profile,
        })?;
        match disc.model {
            Model::Overwritable => self.plan_overwriting(intent, &disc, strategy),
            _ if disc.status == DiscStatus::Complete => Err(Error::Finalised),
            _ => plan_session(intent, &disc, strategy),
        }
    }

    fn plan_overwriting(
        &mut self,
        intent: &Intent,
        disc: &Disc,
        strategy: &'static Strategy,
    ) -> Result<Plan, Error> {
        let (profile, cluster) = (disc.profile, u32::from(strategy.cluster));
        if intent.close == Close::Finalised && strategy.finalise.is_none() {
            return Err(Error::NotFinalisable { profile });
        }
        if !intent.first.is_multiple_of(cluster) {
            return Err(Error::Misaligned {
                address: intent.first,
                cluster,
            });
        }
        let mut capacity = disc.capacity;
        let mut preparation = Preparation::None;
        if !disc.formatted {
            let descriptor = self.format_descriptor(profile, intent.format)?;
            if descriptor.blocks != FormatDescriptor::ALL {
                capacity = descriptor.blocks;
            }
            preparation = Preparation::Format(descriptor);
        }
        let free = capacity.saturating_sub(intent.first);
        let padded = pad(intent, strategy, 0, free)?;
        fits(intent, padded, 0, free)?;
        let end = intent.first.saturating_add(padded);
        let mut reach = disc.reach;
        if disc.formatted && end > reach {
            if disc.background == Background::Stopped {
                (preparation, reach) = (Preparation::Restart, capacity);
            } else if strategy.order == Order::Restricted && self.can_grow()? {
                preparation = Preparation::Grow;
            }
        }
        let open = disc.open.filter(|_| disc.pseudo_overwrite);
        Ok(Plan {
            strategy,
            model: Model::Overwritable,
            preparation,
            close: intent.close,
            track: open.map_or(1, |track| track.number),
            track_start: open.map_or(0, |track| track.start),
            first: intent.first,
            blocks: intent.blocks,
            padded,
            free,
            fill: (intent.first > reach).then_some(reach),
            written: 0,
            generation: self.generation,
        })
    }
}

/// The part of [`Drive::plan`] for a session on a disc that is written sequentially.
pub(crate) fn plan_session(intent: &Intent, disc: &Disc, strategy: &'static Strategy) -> Result<Plan, Error> {
    let track = disc.open.ok_or(Error::AddressUnknown)?;
    // In a session that is open already this one would hide behind what lies in front of it.
    if track.damaged || track.reserved || disc.last_session != SessionState::Empty {
        return Err(Error::OpenTrack {
            track: track.number,
            start: track.start,
        });
    }
    let found = track.next_writable.ok_or(Error::AddressUnknown)?;
    if found != intent.first {
        return Err(Error::Displaced {
            expected: intent.first,
            found,
        });
    }
    let free = track.free_blocks;
    let (tracks, at_once) = strategy
        .write_types
        .map_or((None, None), |types| (types.tracks, Some(types.at_once)));
    let tracks = tracks.filter(|kind| *kind != WriteType::Incremental || disc.incremental);
    let at_once_only = at_once.is_some() && tracks.is_none();
    let is_at_once = intent.mode == Mode::AtOnce || at_once_only;
    let tail = if is_at_once { 0 } else { strategy.tail };
    let margin = if is_at_once { 0 } else { strategy.margin };
    let padded = pad(intent, strategy, tail, free)?;
    fits(intent, padded, margin, free)?;
    let profile = disc.profile;
    let preparation = match (is_at_once, at_once) {
        // "So for now only blank CD seem to be suitable for SAO writing" (libburn's cookbook); a DVD at once is
        // the whole disc.
        (true, Some(_)) if disc.status != DiscStatus::Blank => {
            return Err(Error::NotAtOnce { profile });
        }
        (true, Some(WriteType::SessionAtOnce)) => Preparation::Cue,
        // The standard leaves no way to add to a DVD-R that was written at once.
        (true, Some(_)) if intent.close == Close::Appendable => {
            return Err(Error::OnlyAtOnce { profile });
        }
        (true, kind) => Preparation::Reserve(kind),
        (false, _) => match tracks {
            Some(kind) => Preparation::Parameters(kind),
            None if layers_matter(intent, disc, padded) => {
                // Both layers end at the same radius, layer 0 not being the shorter (growisofs).
                let half = padded.div_ceil(2).checked_next_multiple_of(16);
                half.map_or(Preparation::None, Preparation::LayerBreak)
            }
            None => Preparation::None,
        },
    };
    Ok(Plan {
        strategy,
        model: Model::Sequential,
        preparation,
        close: intent.close,
        track: track.number,
        track_start: track.start,
        first: intent.first,
        blocks: intent.blocks,
        padded,
        free,
        fill: None,
        written: 0,
        generation: disc.generation,
    })
}

/// A DVD+R DL that is finalised with one session on both layers: the shorter layer 0, the less there is to
/// fill up on layer 1. In any other case the drive's own layer break is the best one.
fn layers_matter(intent: &Intent, disc: &Disc, padded: u32) -> bool {
    disc.profile == Profile::DVD_PLUS_R_DL
        && disc.status == DiscStatus::Blank
        && intent.close == Close::Finalised
        && padded > disc.free_blocks() / 2
}

/// Blocks that will be written.
fn pad(intent: &Intent, strategy: &Strategy, tail: u32, free: u32) -> Result<u32, Error> {
    let least = intent.blocks.checked_add(tail);
    let padded = least.map(|blocks| blocks.max(strategy.least));
    let cluster = u32::from(strategy.cluster);
    padded
        .and_then(|blocks| blocks.checked_next_multiple_of(cluster))
        .ok_or(Error::TooLarge {
            needed: u32::MAX,
            free,
        })
}

fn fits(intent: &Intent, padded: u32, margin: u32, free: u32) -> Result<(), Error> {
    let needed = padded.saturating_add(margin);
    if needed > free || intent.first.checked_add(needed).is_none() {
        return Err(Error::TooLarge { needed, free });
    }
    Ok(())
}
