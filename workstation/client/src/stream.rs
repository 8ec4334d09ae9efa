//! Frames over a TCP stream.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use wire::frame::{DATA, DATA_HEADER_SIZE, HEADER_SIZE, Header};
use wire::{DecodeError, Reply, Request};

use crate::socket::{ReadHalf, WriteHalf};
use crate::{Error, crc32c};

/// What the box sent.
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one match; data dominates, and boxing would allocate for it"
)]
pub(crate) enum Incoming {
    /// A message for the request of this id.
    Reply(u32, Reply),
    /// Bulk bytes, checked; they are in the reader's buffer.
    Data(u32),
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The end of a connection in words: the system's own speak of buffers and resources.
pub(crate) fn lost(error: io::Error) -> Error {
    Error::Lost(match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the other end closed it")
        }
        _ if is_silence(&error) => io::Error::new(io::ErrorKind::TimedOut, "the other end is silent"),
        _ => error,
    })
}

/// The half that receives.
pub(crate) struct Receiver {
    stream: BufReader<ReadHalf>,
    body: Vec<u8>,
}

impl Receiver {
    pub(crate) fn new(stream: ReadHalf) -> Self {
        Self {
            stream: BufReader::with_capacity(128 << 10, stream),
            body: Vec::new(),
        }
    }

    /// Waits until something arrives or the silence limit passes (`false`); nothing is consumed.
    pub(crate) fn wait(&mut self) -> Result<bool, Error> {
        match self.stream.fill_buf() {
            Ok([]) => Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(true),
            Err(error) if is_silence(&error) => Ok(false),
            Err(error) => Err(lost(error)),
        }
    }

    /// Waits for the next frame.
    pub(crate) fn next(&mut self) -> Result<Incoming, Error> {
        let mut header = [0; HEADER_SIZE];
        self.stream.read_exact(&mut header).map_err(lost)?;
        let header = Header::decode(header).map_err(|_| Error::Damaged("a frame's header is not one"))?;
        self.body.resize(header.body, 0);
        self.stream.read_exact(&mut self.body).map_err(lost)?;
        if header.kind != DATA {
            return match Reply::decode(header.kind, &self.body) {
                Ok(reply) => Ok(Incoming::Reply(header.id, reply)),
                Err(error) => Err(error.into()),
            };
        }
        match self.body.split_first_chunk::<DATA_HEADER_SIZE>() {
            Some((crc, data)) if u32::from_be_bytes(*crc) == crc32c(data) => Ok(Incoming::Data(header.id)),
            Some(_) => Err(Error::Damaged("a chunk's CRC-32C differs")),
            None => Err(DecodeError::Malformed(DATA).into()),
        }
    }

    /// The bytes of the last [`Incoming::Data`].
    pub(crate) fn data(&self) -> &[u8] {
        self.body.get(DATA_HEADER_SIZE..).unwrap_or_default()
    }
}

/// The half that sends; buffered, so flush before waiting for an answer.
pub(crate) struct Sender {
    stream: BufWriter<WriteHalf>,
}

impl Sender {
    pub(crate) fn new(stream: WriteHalf) -> Self {
        Self {
            stream: BufWriter::with_capacity(256 << 10, stream),
        }
    }

    pub(crate) fn request(&mut self, id: u32, request: &Request) -> io::Result<()> {
        let body = request.encode();
        self.stream.write_all(
            &Header {
                kind: request.kind(),
                id,
                body: body.len(),
            }
            .encode(),
        )?;
        self.stream.write_all(&body)
    }

    pub(crate) fn data(&mut self, id: u32, data: &[u8]) -> io::Result<()> {
        let header = Header {
            kind: DATA,
            id,
            body: DATA_HEADER_SIZE + data.len(),
        };
        self.stream.write_all(&header.encode())?;
        self.stream.write_all(&crc32c(data).to_be_bytes())?;
        self.stream.write_all(data)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
