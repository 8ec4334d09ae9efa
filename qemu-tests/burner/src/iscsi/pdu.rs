//! Protocol data units (RFC 7143 section 11): framing, without digests.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use crate::bytes::View;

/// Initiator operation codes.
pub const NOP_OUT: u8 = 0x00;
pub const SCSI_COMMAND: u8 = 0x01;
pub const TASK_MANAGEMENT: u8 = 0x02;
pub const LOGIN: u8 = 0x03;
pub const TEXT: u8 = 0x04;
pub const DATA_OUT: u8 = 0x05;
pub const LOGOUT: u8 = 0x06;
/// Target operation codes.
pub const NOP_IN: u8 = 0x20;
pub const SCSI_RESPONSE: u8 = 0x21;
pub const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
pub const LOGIN_RESPONSE: u8 = 0x23;
pub const TEXT_RESPONSE: u8 = 0x24;
pub const DATA_IN: u8 = 0x25;
pub const LOGOUT_RESPONSE: u8 = 0x26;
pub const R2T: u8 = 0x31;
pub const REJECT: u8 = 0x3F;

/// The F bit (T in a login): the last PDU of its sequence.
pub const FINAL: u8 = 0x80;
/// The C bit: the text goes on in the next PDU.
pub const CONTINUE: u8 = 0x40;
/// A tag that refers to nothing.
pub const NO_TAG: u32 = u32::MAX;

/// Basic header segment.
const HEADER: usize = 48;

/// A received PDU: the basic header segment and the data, without padding.
pub struct Pdu {
    header: [u8; HEADER],
    pub data: Vec<u8>,
}

impl Pdu {
    /// Receives one PDU with at most `limit` bytes of data; `None` when the peer has closed between two.
    pub fn receive(stream: &mut impl Read, limit: usize) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        if stream.read(&mut header[..1])? == 0 {
            return Ok(None);
        }
        stream.read_exact(&mut header[1..])?;
        let mut additional = [0; 255 * 4];
        let words = usize::from(header[4]);
        stream.read_exact(additional.get_mut(..words * 4).unwrap_or_default())?;
        let length = usize::try_from(View(&header).u24(5).unwrap_or(0)).unwrap_or(usize::MAX);
        if length > limit {
            return Err(malformed("data segment longer than negotiated"));
        }
        let mut data = vec![0; length.next_multiple_of(4)];
        stream.read_exact(&mut data)?;
        data.truncate(length);
        Ok(Some(Self { header, data }))
    }

    pub fn opcode(&self) -> u8 {
        self.header[0] & 0x3F
    }

    /// To be handled at once, outside the command window.
    pub fn is_immediate(&self) -> bool {
        self.header[0] & 0x40 != 0
    }

    pub fn flags(&self) -> u8 {
        self.header[1]
    }

    pub fn is_final(&self) -> bool {
        self.flags() & FINAL != 0
    }

    pub fn byte(&self, at: usize) -> u8 {
        View(&self.header).u8(at).unwrap_or(0)
    }

    pub fn word(&self, at: usize) -> u32 {
        View(&self.header).u32(at).unwrap_or(0)
    }

    /// A field as it stands in the header.
    pub fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        View(&self.header)
            .slice(at, N)
            .first_chunk()
            .copied()
            .unwrap_or([0; N])
    }

    pub fn task_tag(&self) -> u32 {
        self.word(16)
    }

    /// The command sequence number; not in Data-Out.
    pub fn command_number(&self) -> u32 {
        self.word(24)
    }

    pub fn header(&self) -> &[u8] {
        &self.header
    }
}

/// The peer broke the protocol: the connection ends (RFC 7143 section 7, error recovery level 0).
pub fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A header to be sent. What every target PDU has is filled in by [`Sender::send`].
pub struct Header([u8; HEADER]);

impl Header {
    pub fn new(opcode: u8, flags: u8, task_tag: u32) -> Self {
        let mut header = Self([0; HEADER]);
        (header.0[0], header.0[1]) = (opcode, flags);
        header.word(16, task_tag)
    }

    pub fn byte(mut self, at: usize, value: u8) -> Self {
        if let Some(byte) = self.0.get_mut(at) {
            *byte = value;
        }
        self
    }

    pub fn word(self, at: usize, value: u32) -> Self {
        self.field(at, &value.to_be_bytes())
    }

    pub fn field(mut self, at: usize, value: &[u8]) -> Self {
        for (to, from) in self.0.iter_mut().skip(at).zip(value) {
            *to = *from;
        }
        self
    }
}

/// Whether a PDU carries a status and so takes a status sequence number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    /// It does.
    Status,
    /// It only tells the next one (R2T).
    Next,
    /// The field is reserved (Data-In without status).
    No,
}

/// The sending side of a connection.
pub struct Sender {
    stream: TcpStream,
    status_number: u32,
    buffer: Vec<u8>,
}

impl Sender {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            status_number: 1,
            buffer: Vec::new(),
        }
    }

    /// Sends one PDU with the command window (ExpCmdSN, MaxCmdSN) given.
    pub fn send(
        &mut self,
        header: Header,
        data: &[u8],
        numbered: Numbered,
        window: (u32, u32),
    ) -> io::Result<()> {
        let length = u32::try_from(data.len())
            .map_err(|_| malformed("reply too long"))?
            .to_be_bytes();
        let mut header = header.word(28, window.0).word(32, window.1);
        header = header.field(5, length.get(1..).unwrap_or_default());
        if numbered != Numbered::No {
            header = header.word(24, self.status_number);
        }
        if numbered == Numbered::Status {
            self.status_number = self.status_number.wrapping_add(1);
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&header.0);
        self.buffer.extend_from_slice(data);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
        self.stream.write_all(&self.buffer)
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
