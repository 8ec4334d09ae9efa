//! On-disc structures: a checked view to read them by and a cursor to write them with.

/// A field lies outside of its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfStructure;

type Checked<T> = Result<T, OutOfStructure>;

/// The bytes of one structure from a disc. Every access is checked; offsets are those of the standards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn len(self) -> usize {
        self.0.len()
    }

    pub fn bytes(self, at: usize, length: usize) -> Checked<&'a [u8]> {
        at.checked_add(length)
            .and_then(|end| self.0.get(at..end))
            .ok_or(OutOfStructure)
    }

    pub fn part(self, at: usize, length: usize) -> Checked<Self> {
        self.bytes(at, length).map(Fields)
    }

    pub fn from(self, at: usize) -> Checked<Self> {
        self.0.get(at..).map(Fields).ok_or(OutOfStructure)
    }

    fn array<const N: usize>(self, at: usize) -> Checked<[u8; N]> {
        self.bytes(at, N)?.try_into().map_err(|_| OutOfStructure)
    }

    pub fn u8(self, at: usize) -> Checked<u8> {
        self.0.get(at).copied().ok_or(OutOfStructure)
    }

    pub fn le16(self, at: usize) -> Checked<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub fn le32(self, at: usize) -> Checked<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub fn le64(self, at: usize) -> Checked<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// ECMA-119 7.2.3: the little-endian half counts, as some writers leave the other one wrong.
    pub fn both16(self, at: usize) -> Checked<u16> {
        self.bytes(at, 4)?;
        self.le16(at)
    }

    /// ECMA-119 7.3.3, likewise.
    pub fn both32(self, at: usize) -> Checked<u32> {
        self.bytes(at, 8)?;
        self.le32(at)
    }
}

/// Writes a structure field by field, in the order of its standard. What does not fit is dropped, so a
/// structure is never longer than its place; the planner measures with the same code that writes.
pub(crate) struct Cursor<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Bytes written so far.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        debug_assert!(end <= self.out.len(), "a structure outgrew its place");
        if let Some(place) = self.out.get_mut(self.at..end) {
            place.copy_from_slice(bytes);
        }
        self.at = end;
    }

    /// Bytes cut or filled up to a width.
    pub fn padded(&mut self, bytes: &[u8], width: usize, filler: u8) {
        let kept = bytes.get(..width.min(bytes.len())).unwrap_or_default();
        self.bytes(kept);
        self.fill(filler, width - kept.len());
    }

    pub fn fill(&mut self, byte: u8, count: usize) {
        for _ in 0..count {
            self.u8(byte);
        }
    }

    pub fn zeros(&mut self, count: usize) {
        self.fill(0, count);
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub fn le16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn le32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn le64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn be16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn be32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// ECMA-119 7.2.3.
    pub fn both16(&mut self, value: u16) {
        self.le16(value);
        self.be16(value);
    }

    /// ECMA-119 7.3.3.
    pub fn both32(&mut self, value: u32) {
        self.le32(value);
        self.be32(value);
    }
}

/// A stretch of a region of items of varying length: passes over the bytes before the stretch, keeps
/// what lies in it, and says when it is full.
pub(crate) struct Window<'a> {
    skip: usize,
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Window<'a> {
    /// A window whose first `skip` bytes are not wanted.
    pub fn new(skip: usize, out: &'a mut [u8]) -> Self {
        Self { skip, out, at: 0 }
    }

    pub fn put(&mut self, bytes: &[u8]) {
        let passed = self.skip.min(bytes.len());
        self.skip -= passed;
        let wanted = bytes.get(passed..).unwrap_or_default();
        let length = wanted.len().min(self.out.len() - self.at);
        if let (Some(place), Some(wanted)) =
            (self.out.get_mut(self.at..self.at + length), wanted.get(..length))
        {
            place.copy_from_slice(wanted);
        }
        self.at += length;
    }

    pub fn full(&self) -> bool {
        self.at == self.out.len()
    }
}

/// The item that holds the first byte of a block, and how many bytes of it lie in blocks before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub item: u32,
    pub skip: u32,
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Fields, Window};
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_endian_fields_come_back(short: u16, long: u32) {
            let mut bytes = [0; 12];
            let mut cursor = Cursor::new(&mut bytes);
            cursor.both16(short);
            cursor.both32(long);
            prop_assert_eq!(Fields(&bytes).both16(0), Ok(short));
            prop_assert_eq!(Fields(&bytes).both32(4), Ok(long));
            prop_assert_eq!(&bytes[2..4], &short.to_be_bytes());
            prop_assert_eq!(&bytes[8..12], &long.to_be_bytes());
        }

        #[test]
        fn no_access_leaves_the_structure(bytes: Vec<u8>, at: usize, length: usize) {
            let inside = at.checked_add(length).is_some_and(|end| end <= bytes.len());
            prop_assert_eq!(Fields(&bytes).bytes(at, length).is_ok(), inside);
            prop_assert_eq!(Fields(&bytes).both32(at).is_ok(), at.checked_add(8).is_some_and(|end| end <= bytes.len()));
        }

        #[test]
        fn windows_show_any_stretch(items: Vec<Vec<u8>>, from in 0_usize..40, length in 0_usize..40) {
            let whole = items.concat();
            let mut out = vec![0; length];
            let mut window = Window::new(from, &mut out);
            for item in &items {
                window.put(item);
            }
            let shown = window.at;
            let expected: Vec<u8> = whole.iter().copied().skip(from).take(length).collect();
            prop_assert_eq!(&out[..shown], &expected[..]);
        }
    }
}
