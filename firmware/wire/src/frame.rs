//! Frames: `length u32 | kind u16 | request id u32 | body`, big-endian.

use alloc::vec::Vec;

/// Bytes before the body.
pub const HEADER_SIZE: usize = 10;

/// The largest value of `length`: what follows the length field, kind and request id included.
pub const LENGTH_MAX: u32 = 1 << 20;

/// The largest body of any frame but [`DATA`]: lists are split below it, so that a frame is also one
/// message between a door and the vault.
pub const BODY_MAX: usize = 60 << 10;

/// The kind of a bulk chunk: its body is CRC-32C (u32) of the bytes that follow it, then the bytes.
pub const DATA: u16 = 0x0303;

/// The most bytes one bulk chunk carries.
pub const DATA_MAX: usize = 256 << 10;

/// Bytes of a bulk chunk's body before its data.
pub const DATA_HEADER_SIZE: usize = 4;

/// The checked header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number of the body's type.
    pub kind: u16,
    /// Chosen by the client, repeated in every reply to that request.
    pub id: u32,
    /// Bytes of the body that follow.
    pub body: usize,
}

/// Why ten bytes are not a frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// the frame's length {0} is below the 6 bytes of kind and request id
    TooShort(u32),
    /// the frame's length {0} is over what its kind may have
    TooLong(u32),
}

impl Header {
    /// Reads a header and bounds its length by its kind.
    pub fn decode(bytes: [u8; HEADER_SIZE]) -> Result<Self, HeaderError> {
        let [l0, l1, l2, l3, k0, k1, i0, i1, i2, i3] = bytes;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let kind = u16::from_be_bytes([k0, k1]);
        let limit = if kind == DATA {
            DATA_HEADER_SIZE + DATA_MAX
        } else {
            BODY_MAX
        };
        let body = length.checked_sub(6).ok_or(HeaderError::TooShort(length))?;
        match usize::try_from(body) {
            Ok(body) if body <= limit && length <= LENGTH_MAX => Ok(Self {
                kind,
                id: u32::from_be_bytes([i0, i1, i2, i3]),
                body,
            }),
            _ => Err(HeaderError::TooLong(length)),
        }
    }

    /// The header's bytes; a body over [`LENGTH_MAX`] is the caller's mistake and saturates, so that the
    /// receiver refuses it.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let length = u32::try_from(self.body)
            .ok()
            .and_then(|body| body.checked_add(6))
            .unwrap_or(u32::MAX);
        let [l0, l1, l2, l3] = length.to_be_bytes();
        let [k0, k1] = self.kind.to_be_bytes();
        let [i0, i1, i2, i3] = self.id.to_be_bytes();
        [l0, l1, l2, l3, k0, k1, i0, i1, i2, i3]
    }
}

/// Appends a whole frame to `out`.
pub fn append(out: &mut Vec<u8>, kind: u16, id: u32, body: &[u8]) {
    out.extend_from_slice(
        &Header {
            kind,
            id,
            body: body.len(),
        }
        .encode(),
    );
    out.extend_from_slice(body);
}
