//! What lies where on a disc, for a copy: sessions and tracks, with the ends that need not be readable.

use core::ops::Range;

use crate::command::{ReadFullToc, ReadToc, TOC_LENGTH, TocEntry};
use crate::disc::{Disc, DiscStatus};
use crate::drive::Drive;
use crate::error::Error;
use crate::profile::Profile;
use crate::transport::{Host, Transport};

/// Tracks told of at most: the 99 of a CD, or as many sessions as fit any other disc in practice (DVD+R: 153).
pub const EXTENTS: usize = 160;

/// Run-out blocks behind a CD track written at once, which the drive counts to the track and cannot read.
const RUN_OUT: u32 = 2;
/// The same with the pre-gap and run-in before a track that follows in the same session, where only the
/// tables of contents tell its end.
const RUN_OUT_AND_PRE_GAP: u32 = 2 + 150;

/// A recorded track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Track number.
    pub number: u16,
    /// Session number.
    pub session: u16,
    /// First block.
    pub start: u32,
    /// Blocks, the tail included.
    pub blocks: u32,
    /// Holds data; audio otherwise, which READ does not return.
    pub data: bool,
    /// Blocks at its end that need not be readable: run-out of a CD track written at once. They may hold data
    /// on other CDs, so they are tried.
    pub tail: u32,
}

impl Extent {
    /// Its blocks.
    #[must_use]
    pub fn range(&self) -> Range<u32> {
        self.start..self.start.saturating_add(self.blocks)
    }
}

/// What lies where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The kind of disc.
    pub profile: Profile,
    /// Recorded tracks by address.
    pub tracks: heapless::Vec<Extent, EXTENTS>,
    /// There are more tracks than fit, or the drive did not tell of each.
    pub incomplete: bool,
    /// What READ CAPACITY says: of a CD written at once with the run-out blocks, of one open session zero,
    /// of some drives the end of the first session. The tracks are more to be trusted.
    pub readable: u32,
}

impl Layout {
    /// Behind the last block of any track.
    #[must_use]
    pub fn end(&self) -> u32 {
        let ends = self.tracks.iter().map(|track| track.range().end);
        ends.max().unwrap_or(self.readable)
    }

    /// Sessions with a track in them.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let mut sessions = 0;
        let mut last = None;
        for track in &self.tracks {
            sessions += usize::from(last != Some(track.session));
            last = Some(track.session);
        }
        sessions
    }

    fn push(&mut self, track: Extent) {
        if track.blocks > 0 && self.tracks.push(track).is_err() {
            self.incomplete = true;
        }
    }
}

/// A command this drive or disc does not have.
fn absent(error: &Error) -> bool {
    match error {
        Error::Refused { sense, .. } => matches!(sense.key, 0x3 | 0x5 | 0x8),
        Error::Malformed { .. } => true,
        _ => false,
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// What lies where on the disc: by READ TRACK INFORMATION, which knows of run-out and open tracks; of
    /// readers without it by the tables of contents, and as the last resort as one track up to READ CAPACITY.
    ///
    /// # Errors
    /// [`Error::NoDisc`] and what the commands brought; that a drive lacks them is no error.
    pub fn layout(&mut self) -> Result<Layout, Error> {
        let disc = self.disc()?;
        let mut layout = Layout {
            profile: disc.profile,
            tracks: heapless::Vec::new(),
            incomplete: false,
            readable: disc.readable,
        };
        if disc.status == DiscStatus::Blank {
            return Ok(layout);
        }
        let is_cd = matches!(disc.profile, Profile(0x08..=0x0A));
        let audio = if is_cd {
            self.tracks_by_toc(&disc)?
        } else {
            heapless::Vec::new()
        };
        self.tracks_by_information(&disc, &audio, &mut layout)?;
        if layout.tracks.is_empty() {
            layout.incomplete = false;
            let tracks = if is_cd { audio } else { self.tracks_by_toc(&disc)? };
            tracks.into_iter().for_each(|track| layout.push(track));
        }
        if layout.tracks.is_empty() {
            layout.push(Extent {
                number: 1,
                session: 1,
                start: 0,
                blocks: disc.readable,
                data: true,
                tail: if is_cd { RUN_OUT } else { 0 },
            });
        }
        layout.tracks.sort_unstable_by_key(|track| track.start);
        Ok(layout)
    }

    /// READ TRACK INFORMATION of every track; `table` tells which of a CD's are audio.
    fn tracks_by_information(
        &mut self,
        disc: &Disc,
        table: &[Extent],
        layout: &mut Layout,
    ) -> Result<(), Error> {
        let is_cd = matches!(disc.profile, Profile(0x08..=0x0A));
        for number in disc.tracks().take(EXTENTS) {
            let track = match self.track(number) {
                Ok(track) => track,
                Err(error) if absent(&error) => {
                    layout.incomplete = true;
                    // A drive that lacks the command lacks it for every track.
                    if layout.tracks.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Of a track still open only what is written can be read.
            let blocks = match track.next_writable {
                Some(next) => next.saturating_sub(track.start),
                None => track.size,
            };
            let listed = table.iter().find(|entry| entry.number == track.number);
            if !track.blank {
                layout.push(Extent {
                    number: track.number,
                    session: track.session,
                    start: track.start,
                    blocks,
                    data: listed.is_none_or(|entry| entry.data),
                    tail: if is_cd { RUN_OUT } else { 0 },
                });
            }
        }
        layout.incomplete |= disc.tracks().len() > EXTENTS;
        Ok(())
    }

    /// The tables of contents: with sessions where the drive has them, without where not.
    #[inline(never)]
    fn tracks_by_toc(&mut self, disc: &Disc) -> Result<heapless::Vec<Extent, EXTENTS>, Error> {
        let mut answer = [0; TOC_LENGTH as usize];
        let mut entries: heapless::Vec<TocEntry, 255> = heapless::Vec::new();
        match self.query(&ReadFullToc, &mut answer) {
            Ok(table) => entries.extend(table.entries().take(255)),
            Err(error) if absent(&error) => {}
            Err(error) => return Err(error),
        }
        if entries.iter().all(|entry| entry.track.is_none()) {
            entries.clear();
            match self.query(&ReadToc, &mut answer) {
                Ok(table) => entries.extend(table.entries().take(255)),
                Err(error) if absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // A lead-out lies behind all tracks of its session.
        entries.sort_unstable_by_key(|entry| (entry.session, entry.start));
        let is_cd = matches!(disc.profile, Profile(0x08..=0x0A));
        let followed = entries.iter().zip(entries.iter().skip(1));
        Ok(followed
            .filter_map(|(entry, next)| {
                let number = entry.track.filter(|_| next.session == entry.session)?;
                Some(Extent {
                    number: number.into(),
                    session: u16::from(entry.session).max(1),
                    start: entry.start,
                    blocks: next.start.saturating_sub(entry.start),
                    data: entry.data,
                    tail: match next.track {
                        _ if !is_cd => 0,
                        None => RUN_OUT,
                        Some(_) => RUN_OUT_AND_PRE_GAP,
                    },
                })
            })
            .take(EXTENTS)
            .collect())
    }
}
