//! The first bytes of a connection: the box speaks, the client answers.

/// The first eight bytes a box sends.
pub const MAGIC: [u8; 8] = *b"SPINDLE\n";

/// Length of the greeting in bytes.
pub const GREETING_SIZE: usize = 64;

/// The highest protocol version this build speaks.
pub const VERSION: u16 = 1;

/// [`Answer::channel`]: frames follow in the clear; only where the greeting's flags allow it.
pub const CHANNEL_CLEAR: u16 = 0;

/// [`Answer::channel`]: a Noise handshake follows, then records that carry the frames.
pub const CHANNEL_NOISE: u16 = 1;

/// [`Answer::channel`]: pairing by a code follows, and then as [`CHANNEL_NOISE`].
pub const CHANNEL_PAIRING: u16 = 2;

/// Flag bits of the greeting; unknown bits are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// Another session holds the drives: requests that change something will be answered BUSY.
    pub const BUSY: u16 = 1;
    /// Frames in the clear are allowed from the client's address.
    pub const PLAINTEXT: u16 = 2;
    /// Protocol v0 is allowed from the client's address.
    pub const VERSION_0: u16 = 4;

    /// Whether all the given bits are set.
    pub const fn has(self, bits: u16) -> bool {
        self.0 & bits == bits
    }
}

/// What the box says as soon as a connection is accepted; 64 bytes, big-endian.
///
/// | bytes | field |
/// |---|---|
/// | 0..8 | magic |
/// | 8..10 | highest version, u16 |
/// | 10..12 | flags, u16 |
/// | 12..28 | box id |
/// | 28..60 | name, UTF-8 padded with zeroes |
/// | 60..64 | zero |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The highest protocol version the box speaks.
    pub version: u16,
    /// State and permissions for this client.
    pub flags: Flags,
    /// The box, for ever.
    pub box_id: [u8; 16],
    name: [u8; 32],
}

/// Why 64 bytes are not a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// the other end is not a Spindle box: the greeting does not begin with its magic
    NotABox,
}

impl Greeting {
    /// A greeting; a name longer than 32 bytes is cut at a character boundary.
    pub fn new(version: u16, flags: Flags, box_id: [u8; 16], name: &str) -> Self {
        let mut field = [0; 32];
        let cut = name.floor_char_boundary(field.len());
        for (slot, byte) in field.iter_mut().zip(name.as_bytes().iter().take(cut)) {
            *slot = *byte;
        }
        Self {
            version,
            flags,
            box_id,
            name: field,
        }
    }

    /// The box's name; empty when what was received is not UTF-8.
    pub fn name(&self) -> &str {
        let end = self
            .name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.name.len());
        self.name
            .get(..end)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or("")
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; GREETING_SIZE] {
        let mut out = [0; GREETING_SIZE];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&self.version.to_be_bytes());
        out[10..12].copy_from_slice(&self.flags.0.to_be_bytes());
        out[12..28].copy_from_slice(&self.box_id);
        out[28..60].copy_from_slice(&self.name);
        out
    }

    /// Reads a greeting; only the magic can be wrong, all else is for the client to judge.
    pub fn decode(bytes: &[u8; GREETING_SIZE]) -> Result<Self, GreetingError> {
        if bytes[0..8] != MAGIC {
            return Err(GreetingError::NotABox);
        }
        let mut box_id = [0; 16];
        box_id.copy_from_slice(&bytes[12..28]);
        let mut name = [0; 32];
        name.copy_from_slice(&bytes[28..60]);
        Ok(Self {
            version: u16::from_be_bytes([bytes[8], bytes[9]]),
            flags: Flags(u16::from_be_bytes([bytes[10], bytes[11]])),
            box_id,
            name,
        })
    }
}

/// What the client says first: the version it chose and how the frames will travel; 4 bytes, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The chosen version, at most the greeting's.
    pub version: u16,
    /// [`CHANNEL_CLEAR`], [`CHANNEL_NOISE`] or [`CHANNEL_PAIRING`].
    pub channel: u16,
}

impl Answer {
    /// The bytes on the wire.
    pub fn encode(self) -> [u8; 4] {
        let [a, b] = self.version.to_be_bytes();
        let [c, d] = self.channel.to_be_bytes();
        [a, b, c, d]
    }

    /// Reads an answer; every value is possible, the box judges it.
    pub fn decode([a, b, c, d]: [u8; 4]) -> Self {
        Self {
            version: u16::from_be_bytes([a, b]),
            channel: u16::from_be_bytes([c, d]),
        }
    }
}
