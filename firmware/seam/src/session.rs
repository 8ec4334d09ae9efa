//! A session between a door and the vault: wire messages, some with descriptors.
//!
//! A message is `kind u16 | request id u32 | body`, big-endian: a wire frame without its length, since
//! the channel keeps messages apart. The vault speaks first, with [`Opened`]. A door that shakes hands with its
//! client tells the vault who it proved to be ([`send_caller`]) before the client's hello; without that the
//! client speaks in the clear. For pairing the door asks for the code ([`ask_code`]), which costs one try.
//!
//! Bulk data never travels here; with these replies comes a descriptor, and the door copies:
//!
//! - [`FILE_OPENED`] answers a `PutEntry` for a file: write the data frames there; then forward the
//!   client's `PutFileEnd` once its digest equals the one computed on the way, else `PutFileAbandon`.
//! - `GetFile`: read exactly its `length` bytes there. An end before that means that the vault's next
//!   message for the request is a failure; otherwise it is `GetEnd`.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::{Reply, Request};

use crate::channel::{Channel, ChannelError, Descriptors};

/// Kind of the vault's internal reply to `PutEntry` of a file; never sent to a client. Kinds from 0xF000
/// up are for use between roles only.
pub const FILE_OPENED: u16 = 0xF001;

/// Kind of a door's message: the client proved to be this [`Caller`].
const CALLER: u16 = 0xF002;

/// Kind of a door's message: a client wants to pair.
const CODE_WANTED: u16 = 0xF003;

/// Kind of the vault's answer: eight digits, or nothing when nobody may pair now.
const CODE: u16 = 0xF004;

/// Who a handshake proved the client to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Its public key.
    pub key: [u8; 32],
    /// Whether it had the pairing code.
    pub paired: bool,
}

/// What a door sends on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromDoor {
    /// A client's request.
    Request(u32, Request),
    /// Who the client is.
    Caller(Caller),
    /// A client tries to pair.
    CodeWanted,
}

/// The vault's first message on a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Number of the session.
    pub session: u64,
    /// The box, for ever.
    pub box_id: [u8; 16],
    /// Its name.
    pub name: String,
    /// Whether another session holds the box.
    pub held: bool,
    /// Whether this client may speak in the clear.
    pub plaintext: bool,
    /// The box's private key, X25519; `None` while there is no data partition to keep one.
    pub secret: Option<[u8; 32]>,
}

/// What the vault sends on a session.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one match; boxing would allocate for each reply"
)]
pub enum FromVault {
    /// Forward it to the client; for `GetFile` the bytes come from the descriptor.
    Reply(u32, Reply, Descriptors),
    /// Write the file's data to the descriptor.
    FileOpened(u32, Descriptors),
}

fn encode(kind: u16, id: u32, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(6 + body.len());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn split(message: &[u8]) -> Result<(u16, u32, &[u8]), ChannelError> {
    match message {
        [k0, k1, i0, i1, i2, i3, body @ ..] => Ok((
            u16::from_be_bytes([*k0, *k1]),
            u32::from_be_bytes([*i0, *i1, *i2, *i3]),
            body,
        )),
        _ => Err(ChannelError::Malformed),
    }
}

/// Door: sends a request.
pub fn send_request(channel: &Channel, id: u32, request: &Request) -> Result<(), ChannelError> {
    channel.send_bytes(&encode(request.kind(), id, &request.encode()), &[], true)
}

/// Door: tells who the client proved to be.
pub fn send_caller(channel: &Channel, caller: &Caller) -> Result<(), ChannelError> {
    let body = postcard::to_allocvec(caller).map_err(|_| ChannelError::Malformed)?;
    channel.send_bytes(&encode(CALLER, 0, &body), &[], true)
}

/// Door: asks for the pairing code and waits for it; `None` when nobody may pair now. Costs one try.
pub fn ask_code(channel: &Channel, limit: Duration) -> Result<Option<[u8; 8]>, ChannelError> {
    channel.send_bytes(&encode(CODE_WANTED, 0, &[]), &[], true)?;
    channel.wait(limit)?;
    let (message, _) = channel.receive_bytes()?;
    match split(&message)? {
        (CODE, 0, []) => Ok(None),
        (CODE, 0, digits) => digits.try_into().map(Some).map_err(|_| ChannelError::Malformed),
        _ => Err(ChannelError::Malformed),
    }
}

/// Vault: answers a door that asked for the code.
pub fn send_code(channel: &Channel, code: Option<[u8; 8]>) -> Result<(), ChannelError> {
    let body = code.as_ref().map_or(&[][..], |digits| digits);
    channel.send_bytes(&encode(CODE, 0, body), &[], true)
}

/// Vault: waits for the door's next message.
pub fn receive_request(channel: &Channel) -> Result<FromDoor, ChannelError> {
    let (message, _) = channel.receive_bytes()?;
    match split(&message)? {
        (CODE_WANTED, 0, []) => Ok(FromDoor::CodeWanted),
        (CALLER, 0, body) => postcard::from_bytes(body)
            .map(FromDoor::Caller)
            .map_err(|_| ChannelError::Malformed),
        (kind, id, body) => Request::decode(kind, body)
            .map(|request| FromDoor::Request(id, request))
            .map_err(|_| ChannelError::Malformed),
    }
}

/// Vault: sends a reply; `wait` is false for what may be lost, such as progress.
pub fn send_reply(
    channel: &Channel,
    id: u32,
    reply: &Reply,
    descriptor: Option<BorrowedFd<'_>>,
    wait: bool,
) -> Result<(), ChannelError> {
    channel.send_bytes(
        &encode(reply.kind(), id, &reply.encode()),
        descriptor.as_slice(),
        wait,
    )
}

/// Vault: grants the descriptor a put's file is written to.
pub fn send_file_opened(channel: &Channel, id: u32, file: BorrowedFd<'_>) -> Result<(), ChannelError> {
    channel.send_bytes(&encode(FILE_OPENED, id, &[]), &[file], true)
}

/// Door: waits for the vault's next message after [`Opened`].
pub fn receive_reply(channel: &Channel) -> Result<FromVault, ChannelError> {
    let (message, descriptors) = channel.receive_bytes()?;
    match split(&message)? {
        (FILE_OPENED, id, []) => Ok(FromVault::FileOpened(id, descriptors)),
        (kind, id, body) => {
            let reply = Reply::decode(kind, body).map_err(|_| ChannelError::Malformed)?;
            Ok(FromVault::Reply(id, reply, descriptors))
        }
    }
}
