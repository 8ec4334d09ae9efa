//! Checked views of bytes that came from outside; all integers big-endian.

/// Bytes of unknown length and content.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(pub &'a [u8]);

impl<'a> View<'a> {
    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    pub fn u8(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub fn u24(self, at: usize) -> Option<u32> {
        self.array(at).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// The bytes from `at` on, at most `length` of them.
    pub fn slice(self, at: usize, length: usize) -> &'a [u8] {
        let rest = self.0.get(at..).unwrap_or_default();
        rest.get(..length).unwrap_or(rest)
    }
}

/// A command descriptor block. Bytes that were not sent read as zero, as on a parallel bus.
#[derive(Clone, Copy)]
pub(crate) struct Cdb([u8; 16]);

impl Cdb {
    pub fn new(bytes: &[u8]) -> Self {
        let mut cdb = [0; 16];
        for (to, from) in cdb.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(cdb)
    }

    pub fn opcode(&self) -> u8 {
        self.0[0]
    }

    pub fn u8(&self, at: usize) -> u8 {
        View(&self.0).u8(at).unwrap_or(0)
    }

    pub fn bit(&self, at: usize, bit: u8) -> bool {
        self.u8(at) >> bit & 1 == 1
    }

    pub fn u16(&self, at: usize) -> u16 {
        View(&self.0).u16(at).unwrap_or(0)
    }

    pub fn u32(&self, at: usize) -> u32 {
        View(&self.0).u32(at).unwrap_or(0)
    }

    /// The bytes the operation code's group says were sent (SPC-4); vendor groups count as 16.
    pub fn bytes(&self) -> &[u8] {
        let length = match self.opcode() >> 5 {
            0 => 6,
            1 | 2 => 10,
            5 => 12,
            _ => 16,
        };
        View(&self.0).slice(0, length)
    }
}

/// A reply under construction.
pub(crate) trait Put {
    fn put8(&mut self, value: u8);
    /// Larger numbers become FFFFh: the fields that use this are counts and speeds.
    fn put16(&mut self, value: impl TryInto<u16>);
    fn put32(&mut self, value: u32);
    fn zeros(&mut self, count: usize);
    /// Pads with spaces, or cuts, to `length`.
    fn text(&mut self, text: &str, length: usize);
}

impl Put for Vec<u8> {
    fn put8(&mut self, value: u8) {
        self.push(value);
    }

    fn put16(&mut self, value: impl TryInto<u16>) {
        self.extend_from_slice(&value.try_into().unwrap_or(u16::MAX).to_be_bytes());
    }

    fn put32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn zeros(&mut self, count: usize) {
        self.resize(self.len() + count, 0);
    }

    fn text(&mut self, text: &str, length: usize) {
        self.extend(text.bytes().chain(std::iter::repeat(b' ')).take(length));
    }
}

/// Puts a 16-bit length, not counting itself, in front of `body`.
pub(crate) fn with_length16(body: &[u8]) -> Vec<u8> {
    let mut reply = Vec::with_capacity(body.len() + 2);
    reply.put16(body.len());
    reply.extend_from_slice(body);
    reply
}
