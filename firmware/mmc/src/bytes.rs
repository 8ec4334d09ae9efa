//! The one checked view through which every byte of a drive's answer is read.

use core::ops::Range;

/// A drive answered with fewer bytes than the command's response has at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
/// the response has {got} bytes, at least {needed} are needed
pub struct TooShort {
    /// Bytes the decoder needs.
    pub needed: usize,
    /// Bytes there are.
    pub got: usize,
}

/// A response, big-endian as all of SCSI. Fields past its end read as zero: drives of older standards send
/// shorter answers, and zero is what the newer standards define the absent fields to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// A view of at most `declared` bytes of `raw`, refused when fewer than `needed` remain.
    pub(crate) fn checked(raw: &'a [u8], declared: usize, needed: usize) -> Result<Self, TooShort> {
        let kept = raw.get(..declared).unwrap_or(raw);
        if kept.len() < needed {
            return Err(TooShort {
                needed,
                got: kept.len(),
            });
        }
        Ok(Self(kept))
    }

    /// A view of whatever there is.
    pub(crate) fn all(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    pub(crate) fn u8(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    pub(crate) fn u16(self, at: usize) -> u16 {
        u16::from_be_bytes([self.u8(at), self.u8(at.saturating_add(1))])
    }

    pub(crate) fn u24(self, at: usize) -> u32 {
        u32::from(self.u8(at)) << 16 | u32::from(self.u16(at.saturating_add(1)))
    }

    pub(crate) fn u32(self, at: usize) -> u32 {
        u32::from(self.u16(at)) << 16 | u32::from(self.u16(at.saturating_add(2)))
    }

    pub(crate) fn bit(self, at: usize, bit: u8) -> bool {
        self.u8(at) >> bit & 1 == 1
    }

    /// These bytes as far as they exist.
    pub(crate) fn slice(self, range: Range<usize>) -> &'a [u8] {
        let end = range.end.min(self.0.len());
        self.0.get(range.start..end).unwrap_or(&[])
    }

    pub(crate) fn len(self) -> usize {
        self.0.len()
    }
}

/// ASCII text of a fixed field: padding trimmed, anything unprintable shown as `?`.
pub(crate) fn text<const N: usize>(field: &[u8]) -> heapless::String<N> {
    let shown = |byte: &u8| {
        if byte.is_ascii_graphic() || *byte == b' ' {
            char::from(*byte)
        } else {
            '?'
        }
    };
    let end = field
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | 0))
        .map_or(0, |last| last + 1);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(0);
    field
        .get(start..end)
        .unwrap_or(&[])
        .iter()
        .take(N)
        .map(shown)
        .collect()
}
