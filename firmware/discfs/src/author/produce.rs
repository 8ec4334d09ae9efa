//! Produces blocks of an image.

use super::layout::{Image, Part, Region, fixed, length};
use super::supply::Supply;
use super::{Content, ReadError};
use crate::{BLOCK, FileId};
use alloc::vec::Vec;
use core::ops::Range;

/// Blocks that [`Image::front`] lies in: where the first session of a disc whose beginning can be rewritten
/// starts, rounded up to the unit in which the medium is written.
pub const FRONT_BLOCKS: u32 = fixed::ANCHOR + 1;

/// A run of a file's bytes within blocks of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSpan {
    /// Number of the file in the order of the disc, hard links once.
    pub number: usize,
    /// Whose bytes.
    pub file: FileId,
    /// Where they begin in the file.
    pub offset: u64,
    /// Where they begin within the blocks, in bytes.
    pub at: usize,
    /// How many there are; 0 for an empty file.
    pub length: usize,
    /// Bytes of the whole file.
    pub size: u64,
}

impl Image {
    /// The blocks with file data, counted from the start of the image. What lies behind them needs digests of all files.
    #[must_use]
    pub fn data(&self) -> Range<u64> {
        let data = self.region(Part::Data);
        u64::from(data.start)..u64::from(data.end())
    }

    /// Which bytes of files blocks hold, in order. Empty files are met where they would begin; those at the end of
    /// all data when the blocks reach it.
    pub fn file_spans(&self, blocks: Range<u64>) -> impl Iterator<Item = FileSpan> {
        let (from, to) = (blocks.start * BLOCK as u64, blocks.end * BLOCK as u64);
        let begin = |at: usize| u64::from(self.files[at].block) * BLOCK as u64;
        let first = self.files.partition_point(|file| {
            let end = u64::from(file.block) * BLOCK as u64 + file.size;
            end < from || (end == from && file.size > 0)
        });
        let is_last = blocks.end == self.data().end;
        (first..self.files.len())
            .take_while(move |&at| begin(at) < to || (is_last && self.files[at].size == 0))
            .filter(move |&at| {
                begin(at) + self.files[at].size > from || (self.files[at].size == 0 && begin(at) >= from)
            })
            .map(move |number| {
                let file = &self.files[number];
                let start = begin(number).max(from);
                let end = (begin(number) + file.size).min(to);
                FileSpan {
                    number,
                    file: file.id,
                    offset: start - begin(number),
                    at: usize::try_from(start - from).unwrap_or(usize::MAX),
                    length: usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX),
                    size: file.size,
                }
            })
    }

    /// Produces blocks from `block` (counted from the start of the image) until `buf` is full. File data is
    /// read straight into it, so that large buffers make long reads.
    ///
    /// # Errors
    /// When `buf` is not whole blocks within the image, or `content` does not supply what is needed.
    pub fn read(&self, block: u64, buf: &mut [u8], content: &mut dyn Content) -> Result<(), ReadError> {
        self.produce(block, buf, &mut Supply::new(content, &[], 0))
    }

    /// Blocks, by their absolute addresses, that make a disc whose beginning can be rewritten show this session, to
    /// readers that know nothing of sessions: volume descriptors at 16 and an anchor at 256. Each is whole in
    /// itself and takes readers from one session to the next, so that they are to be written when the image is on
    /// the disc and synced, in this order. The first session of such a disc starts behind them ([`FRONT_BLOCKS`]).
    #[must_use]
    pub fn front(&self) -> Vec<(u32, [u8; BLOCK])> {
        let mut front = Vec::new();
        if self.options.format.has_udf() {
            let mut anchor = [0; BLOCK];
            self.write_anchor(fixed::ANCHOR, &mut anchor);
            front.push((fixed::ANCHOR, anchor));
        }
        // The primary volume descriptor is written last.
        for index in (0..fixed::MAIN_SEQUENCE - fixed::VOLUME_DESCRIPTORS).rev() {
            let mut block = [0; BLOCK];
            self.write_volume_descriptor(index, &mut block);
            front.push((fixed::VOLUME_DESCRIPTORS + index, block));
        }
        front
    }

    pub(super) fn produce(
        &self,
        block: u64,
        buf: &mut [u8],
        supply: &mut Supply<'_>,
    ) -> Result<(), ReadError> {
        if !buf.len().is_multiple_of(BLOCK) {
            return Err(ReadError::PartialBlock);
        }
        let end = block
            .checked_add((buf.len() / BLOCK) as u64)
            .filter(|&end| end <= self.blocks());
        let end = end
            .and_then(|end| u32::try_from(end).ok())
            .ok_or(ReadError::PastEnd)?;
        let mut at = u32::try_from(block).map_err(|_| ReadError::PastEnd)?;
        let mut rest = buf;
        while at < end {
            let (part, region) = self.part_of(at);
            let run = region.end().min(end) - at;
            let (blocks, after) = rest.split_at_mut(run as usize * BLOCK);
            self.produce_part(part, at - region.start, blocks, supply)?;
            at += run;
            rest = after;
        }
        Ok(())
    }

    fn part_of(&self, block: u32) -> (Part, Region) {
        let at = self.parts.partition_point(|(_, region)| region.end() <= block);
        let last = (Part::Padding, self.region(Part::Padding));
        self.parts.get(at).copied().unwrap_or(last)
    }

    /// Produces blocks of one part, counted from its start.
    fn produce_part(
        &self,
        part: Part,
        first: u32,
        blocks: &mut [u8],
        supply: &mut Supply<'_>,
    ) -> Result<(), ReadError> {
        if part == Part::Data {
            return self.produce_data(first, blocks, supply);
        }
        blocks.fill(0);
        match part {
            Part::Identifiers => {
                let mut done = 0;
                while done < blocks.len() {
                    let at = first + u32::try_from(done / BLOCK).unwrap_or_default();
                    done += self.write_identifiers(at, &mut blocks[done..]);
                }
            }
            Part::PathTable(hierarchy, big_endian) => {
                self.write_path_table(&self.hierarchies[hierarchy], first, blocks, big_endian);
            }
            Part::Own(own) => self.write_own(own, first, blocks, supply)?,
            _ => {
                let mut scratch = Vec::new();
                for (at, block) in (first..).zip(blocks.chunks_exact_mut(BLOCK)) {
                    match part {
                        Part::Descriptors => self.write_descriptor(at, block),
                        Part::Icbs => self.write_file_entry(at, block, &mut scratch),
                        Part::Records(hierarchy) => {
                            self.write_records(&self.hierarchies[hierarchy], at, block);
                        }
                        _ => self.write_last(self.region(part).start + at, block),
                    }
                }
            }
        }
        Ok(())
    }

    fn write_descriptor(&self, at: u32, block: &mut [u8]) {
        use fixed::{ANCHOR, FILE_SET, INTEGRITY, MAIN_SEQUENCE, RESERVE_SEQUENCE, VOLUME_DESCRIPTORS};
        if let VOLUME_DESCRIPTORS..MAIN_SEQUENCE = at {
            return self.write_volume_descriptor(at - VOLUME_DESCRIPTORS, block);
        }
        match at {
            _ if !self.options.format.has_udf() => {}
            MAIN_SEQUENCE..RESERVE_SEQUENCE => self.write_sequence(MAIN_SEQUENCE, at - MAIN_SEQUENCE, block),
            RESERVE_SEQUENCE..INTEGRITY => {
                self.write_sequence(RESERVE_SEQUENCE, at - RESERVE_SEQUENCE, block);
            }
            INTEGRITY..=65 => self.write_integrity(at - INTEGRITY, block),
            ANCHOR => self.write_anchor(self.options.start_block + ANCHOR, block),
            FILE_SET.. => self.write_file_set(at - FILE_SET, block),
            _ => {}
        }
    }

    /// ISO 9660 volume descriptors and their terminator, then UDF volume recognition.
    fn write_volume_descriptor(&self, index: u32, block: &mut [u8]) {
        let hierarchies = length(&self.hierarchies);
        let terminators = hierarchies.min(1);
        if let Some(hierarchy) = self.hierarchies.get(index as usize) {
            self.write_volume(hierarchy, block);
        } else if index < hierarchies + terminators {
            Self::write_iso_terminator(block);
        } else if self.options.format.has_udf() && index < hierarchies + terminators + 3 {
            self.write_recognition(index - hierarchies - terminators, block);
        }
    }

    fn write_last(&self, at: u32, block: &mut [u8]) {
        if at == self.blocks - 1 && self.options.format.has_udf() {
            self.write_anchor(self.options.start_block + at, block);
        }
    }

    fn produce_data(&self, first: u32, blocks: &mut [u8], supply: &mut Supply<'_>) -> Result<(), ReadError> {
        let mut at = self.region(Part::Data).start + first;
        let mut number = self.files.partition_point(|file| file.block <= at) - 1;
        let mut rest = blocks;
        while !rest.is_empty() {
            let file = &self.files[number];
            let of_image = length(&self.files[..number]);
            number += 1;
            let offset = u64::from(at - file.block) * BLOCK as u64;
            let left = file.size.saturating_sub(offset);
            let length = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
            if length == 0 {
                continue; // an empty file between two others
            }
            let padded = length.next_multiple_of(BLOCK);
            let (blocks, after) = rest.split_at_mut(padded);
            let (bytes, padding) = blocks.split_at_mut(length);
            supply.read(self, of_image, offset, bytes)?;
            padding.fill(0);
            at += u32::try_from(padded / BLOCK).unwrap_or_default();
            rest = after;
        }
        Ok(())
    }
}
