//! Produces blocks of an image.

use super::layout::{Image, Region, fixed, length};
use super::names::UdfName;
use super::{Content, ReadError};
use crate::BLOCK;
use crate::digests::write_line;
use crate::structure::Window;
use alloc::vec::Vec;

/// Where the digest of the file with a number comes from.
pub(super) type DigestOf<'a> = dyn FnMut(u32, &mut dyn Content) -> Option<[u8; 32]> + 'a;

/// The parts of an image, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Descriptors,
    Icbs,
    Identifiers,
    PathTableLittle,
    PathTableBig,
    IsoDirectories,
    Continuations,
    Data,
    Digests,
    Padding,
}

impl Image {
    /// Produces blocks from `block` (counted from the start of the image) until `buf` is full. File data is
    /// read straight into it, so that large buffers make long reads.
    ///
    /// # Errors
    /// When `buf` is not whole blocks within the image, or `content` does not supply what is needed.
    pub fn read(&self, block: u64, buf: &mut [u8], content: &mut dyn Content) -> Result<(), ReadError> {
        let mut digest_of =
            |number: u32, content: &mut dyn Content| content.digest(self.files[number as usize].id);
        self.produce(block, buf, content, &mut digest_of)
    }

    pub(super) fn produce(
        &self,
        block: u64,
        buf: &mut [u8],
        content: &mut dyn Content,
        digest_of: &mut DigestOf<'_>,
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
            self.produce_part(part, at - region.start, blocks, content, digest_of)?;
            at += run;
            rest = after;
        }
        Ok(())
    }

    fn part_of(&self, block: u32) -> (Part, Region) {
        let parts = [
            (
                Part::Descriptors,
                Region {
                    start: 0,
                    blocks: fixed::ICBS,
                },
            ),
            (Part::Icbs, self.icb_region),
            (Part::Identifiers, self.identifier_region),
            (Part::PathTableLittle, self.path_region_little),
            (Part::PathTableBig, self.path_region_big),
            (Part::IsoDirectories, self.iso_region),
            (Part::Continuations, self.continuation_region),
            (Part::Data, self.data_region),
            (Part::Digests, self.digest_region),
        ];
        let end = self.digest_region.end();
        let padding = (
            Part::Padding,
            Region {
                start: end,
                blocks: self.blocks - end,
            },
        );
        parts
            .into_iter()
            .find(|(_, region)| block < region.end())
            .unwrap_or(padding)
    }

    /// Produces blocks of one part, counted from its start.
    fn produce_part(
        &self,
        part: Part,
        first: u32,
        blocks: &mut [u8],
        content: &mut dyn Content,
        digest_of: &mut DigestOf<'_>,
    ) -> Result<(), ReadError> {
        if part == Part::Data {
            return self.produce_data(first, blocks, content);
        }
        blocks.fill(0);
        match part {
            Part::Identifiers => {
                let mut name = UdfName::new();
                let mut done = 0;
                while done < blocks.len() {
                    let at = first + u32::try_from(done / BLOCK).unwrap_or_default();
                    done += self.write_identifiers(at, &mut blocks[done..], &mut name);
                }
            }
            Part::PathTableLittle => self.write_path_table(first, blocks, false),
            Part::PathTableBig => self.write_path_table(first, blocks, true),
            Part::Digests => self.produce_digests(first, blocks, content, digest_of)?,
            _ => {
                let mut scratch = Vec::new();
                for (at, block) in (first..).zip(blocks.chunks_exact_mut(BLOCK)) {
                    match part {
                        Part::Descriptors => self.write_descriptor(at, block),
                        Part::Icbs => self.write_file_entry(at, block, &mut scratch),
                        Part::IsoDirectories => self.write_iso_directory(at, block),
                        Part::Continuations => self.write_continuations(at, block),
                        _ if self.digest_region.end() + at == self.blocks - 1 => {
                            self.write_anchor(self.blocks - 1, block);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn write_descriptor(&self, at: u32, block: &mut [u8]) {
        use fixed::{
            ANCHOR, INTEGRITY, ISO_TERMINATOR, MAIN_SEQUENCE, PARTITION, PRIMARY_VOLUME, RECOGNITION,
            RESERVE_SEQUENCE,
        };
        match at {
            PRIMARY_VOLUME => self.write_primary_volume(block),
            ISO_TERMINATOR => Self::write_iso_terminator(block),
            RECOGNITION..=20 => Self::write_recognition(at - RECOGNITION, block),
            MAIN_SEQUENCE..RESERVE_SEQUENCE => self.write_sequence(MAIN_SEQUENCE, at - MAIN_SEQUENCE, block),
            RESERVE_SEQUENCE..INTEGRITY => {
                self.write_sequence(RESERVE_SEQUENCE, at - RESERVE_SEQUENCE, block);
            }
            INTEGRITY..=65 => self.write_integrity(at - INTEGRITY, block),
            ANCHOR => self.write_anchor(ANCHOR, block),
            PARTITION.. => self.write_file_set(at - PARTITION, block),
            _ => {}
        }
    }

    fn produce_data(
        &self,
        first: u32,
        blocks: &mut [u8],
        content: &mut dyn Content,
    ) -> Result<(), ReadError> {
        let mut at = self.data_region.start + first;
        let mut number = self.files.partition_point(|file| file.block <= at) - 1;
        let mut rest = blocks;
        while !rest.is_empty() {
            let file = &self.files[number];
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
            content
                .read(file.id, offset, bytes)
                .map_err(|cause| ReadError::Content {
                    path: self.readable_path(file.entry),
                    file: file.id,
                    cause,
                })?;
            padding.fill(0);
            at += u32::try_from(padded / BLOCK).unwrap_or_default();
            rest = after;
        }
        Ok(())
    }

    fn produce_digests(
        &self,
        first: u32,
        blocks: &mut [u8],
        content: &mut dyn Content,
        digest_of: &mut DigestOf<'_>,
    ) -> Result<(), ReadError> {
        let mark = self.digest_marks[first as usize];
        let mut window = Window::new(mark.skip as usize, blocks);
        let mut path = Vec::new();
        for at in mark.item..length(&self.listed) {
            let entry = self.listed[at as usize];
            let super::layout::What::File(number) = self.entries[entry as usize].what else {
                continue;
            };
            let digest = digest_of(number, content)
                .ok_or_else(|| ReadError::DigestUnknown(self.readable_path(entry)))?;
            self.path_into(entry, &mut path);
            write_line(&digest, &path, |bytes| window.put(bytes));
            if window.full() {
                break;
            }
        }
        Ok(())
    }
}
