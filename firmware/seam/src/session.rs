//! A session between a door and the vault: wire messages, some with descriptors.
//!
//! A message is `kind u16 | request id u32 | body`, big-endian: a wire frame without its length, since
//! the channel keeps messages apart. The vault speaks first, with [`Opened`]. Bulk data never travels
//! here; with these replies comes a descriptor, and the door copies:
//!
//! - [`FILE_OPENED`] answers a `PutEntry` for a file: write the data frames there; then forward the
//!   client's `PutFileEnd` once its digest equals the one computed on the way, else `PutFileAbandon`.
//! - `GetFile`: read exactly its `length` bytes there. An end before that means that the vault's next
//!   message for the request is a failure; otherwise it is `GetEnd`.

use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};
use wire::{Reply, Request};

use crate::channel::{Channel, ChannelError, Descriptors};

/// Kind of the vault's internal reply to `PutEntry` of a file; never sent to a client. Kinds from 0xF000
/// up are for use between roles only.
pub const FILE_OPENED: u16 = 0xF001;

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

/// Vault: waits for the next request.
pub fn receive_request(channel: &Channel) -> Result<(u32, Request), ChannelError> {
    let (message, _) = channel.receive_bytes()?;
    let (kind, id, body) = split(&message)?;
    Ok((
        id,
        Request::decode(kind, body).map_err(|_| ChannelError::Malformed)?,
    ))
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
