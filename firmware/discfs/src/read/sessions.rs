//! Sessions of a disc whose table of contents is not at hand, found by what they begin with.

use super::DiscError;
use super::blocks::{BlockSource, Blocks};
use super::udf::Udf;
use super::udf_partition::Partition;
use super::volume::Volume;
use crate::BLOCK;
use crate::structure::Fields;
use crate::tag::{id, verify};
use alloc::vec::Vec;

/// Blocks behind a session in which the next one is looked for: on CDs the first two are 11400 blocks apart.
const GAP_MAX: u64 = 16_384;
/// Blocks at the start of a disc in which the first session is looked for, when others are described in its place.
const FRONT: u64 = 1024;
/// Sessions of one disc: more than any medium can have.
const SESSIONS_MAX: usize = 4096;

/// What a session begins with.
struct Start {
    /// Where the top directory, or with UDF alone the first volume descriptor, lies: the same for copies of one session.
    mark: u64,
    /// The first block behind it, as its size is counted from the start of the disc or of the session: writers differ.
    least_end: u64,
    most_end: u64,
}

/// The session that starts at a block, `None` when none does. An image that is a file of the disc is none: its addresses lead
/// elsewhere.
fn start_at<S: BlockSource>(blocks: &mut Blocks<S>, at: u64) -> Option<Start> {
    let mut head = [0; BLOCK];
    blocks.block(at.checked_add(16)?, &mut head).ok()?;
    let fields = Fields(&head);
    match fields.bytes(1, 5).ok()? {
        b"CD001" if fields.u8(0) == Ok(1) => {
            let root = u64::from(fields.both32(158).ok()?);
            let table = u64::from(fields.le32(140).ok()?);
            let size = u64::from(fields.both32(80).ok()?);
            let mut own = [0; BLOCK];
            blocks.block(root, &mut own).ok()?;
            let own = Fields(&own);
            // ECMA-119 6.8.2.2: the first record of a directory is its own.
            let is_root = own.both32(2) == fields.both32(158) && own.bytes(32, 2) == Ok(&[1, 0]);
            let inside = root > at && table > at;
            (is_root && (at == 0 || inside)).then_some(Start {
                mark: root,
                least_end: if size > at { size } else { at + size },
                most_end: at + size,
            })
        }
        b"BEA01" => {
            let place = at + 256;
            let anchor = blocks.structure(place * BLOCK as u64, 512).ok()?;
            let anchor = Fields(&anchor);
            if verify(anchor, Some(u32::try_from(place).ok()?)) != Ok(id::ANCHOR) {
                return None;
            }
            let udf = Udf::from_sequence(blocks, anchor, 16, place, BLOCK as u64).ok()?;
            let end = udf.partitions.first().map(Partition::end)?;
            Some(Start {
                mark: u64::from(anchor.le32(20).ok()?),
                least_end: end,
                most_end: end,
            })
        }
        _ => None,
    }
}

impl<S: BlockSource> Volume<S> {
    /// The first blocks of the sessions of a disc, oldest first, as found on an image or disc of which nothing else is known: a
    /// drive's table of contents knows better. On overwritable media the start of the disc describes the newest session too;
    /// that copy is not listed.
    pub fn sessions(source: &mut S) -> Vec<u64> {
        let mut blocks = Blocks::new(source);
        let front = start_at(&mut blocks, 0);
        let mut found: Vec<(u64, u64)> = Vec::new();
        let mut range = 1..FRONT;
        let mut behind_front = front
            .as_ref()
            .map(|front| front.least_end..front.most_end.saturating_add(GAP_MAX));
        while found.len() < SESSIONS_MAX {
            let mut places = range.start..range.end.min(blocks.count());
            match places.find_map(|at| start_at(&mut blocks, at).map(|start| (at, start))) {
                Some((at, start)) => {
                    found.push((at, start.mark));
                    range = start.least_end.max(at + 1)..start.most_end.saturating_add(GAP_MAX);
                    behind_front = None;
                }
                None => match behind_front.take() {
                    Some(behind) => range = behind,
                    None => break,
                },
            }
        }
        if let Some(front) = front
            && found.iter().all(|&(_, mark)| mark != front.mark)
        {
            found.insert(0, (0, front.mark));
        }
        found.into_iter().map(|(at, _)| at).collect()
    }

    /// Opens the richest view of a session by its number, the oldest is 0.
    ///
    /// # Errors
    /// [`DiscError::NoSession`], or as [`Volume::open`].
    pub fn open_session(mut source: S, number: usize) -> Result<Self, DiscError> {
        match Self::sessions(&mut source).get(number) {
            Some(&start) => Self::open(source, start),
            None => Err(DiscError::NoSession(number)),
        }
    }
}
