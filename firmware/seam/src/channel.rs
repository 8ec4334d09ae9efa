//! A channel between two roles: whole messages, each with a few descriptors.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest message in bytes: a wire body and its header fit.
pub const MESSAGE_MAX: usize = 64 << 10;

/// The most descriptors one message carries.
pub const DESCRIPTORS_MAX: usize = 3;

/// The descriptors that came with a message, in the order they were sent.
pub type Descriptors = Vec<OwnedFd>;

/// Why a message could not travel.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// the other role is gone
    Closed,
    /// the other role does not take its messages: its queue is full
    Full,
    /// nothing arrived in time
    TimedOut,
    /// the message of {0} bytes is over the channel's limit
    TooLong(usize),
    /// the message is not one this channel carries
    Malformed,
    /// the channel failed: {0}
    System(#[from] Errno),
}

/// One end of a channel.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.socket
    }
}

impl Channel {
    /// A new channel's two ends, closed on exec.
    pub fn pair() -> Result<(Self, Self), ChannelError> {
        let (a, b) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((a.into(), b.into()))
    }

    /// Another handle on the same end.
    pub fn try_clone(&self) -> Result<Self, ChannelError> {
        Ok(rustix::io::fcntl_dupfd_cloexec(&self.socket, 0)?.into())
    }

    /// Sends a message, waiting while the other end's queue is full.
    pub fn send<M: Serialize>(
        &self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let bytes = postcard::to_stdvec(message).map_err(|_| ChannelError::Malformed)?;
        self.send_bytes(&bytes, descriptors, true)
    }

    /// Sends a message or fails with [`ChannelError::Full`] at once.
    pub fn try_send<M: Serialize>(
        &self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let bytes = postcard::to_stdvec(message).map_err(|_| ChannelError::Malformed)?;
        self.send_bytes(&bytes, descriptors, false)
    }

    /// Receives a message, waiting for ever.
    pub fn receive<M: DeserializeOwned>(&self) -> Result<(M, Descriptors), ChannelError> {
        let (bytes, descriptors) = self.receive_bytes()?;
        let message = postcard::from_bytes(&bytes).map_err(|_| ChannelError::Malformed)?;
        Ok((message, descriptors))
    }

    /// Receives a message, waiting at most so long.
    pub fn receive_within<M: DeserializeOwned>(
        &self,
        limit: Duration,
    ) -> Result<(M, Descriptors), ChannelError> {
        self.wait(limit)?;
        self.receive()
    }

    /// Waits until a message or the end can be received.
    pub fn wait(&self, limit: Duration) -> Result<(), ChannelError> {
        let limit = Timespec::try_from(limit).map_err(|_| ChannelError::TimedOut)?;
        let mut ready = [PollFd::new(&self.socket, PollFlags::IN)];
        match rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, Some(&limit)))? {
            0 => Err(ChannelError::TimedOut),
            _ => Ok(()),
        }
    }

    /// Sends raw bytes as one message; `wait` says whether to wait while the other end's queue is full.
    pub fn send_bytes(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
        wait: bool,
    ) -> Result<(), ChannelError> {
        if bytes.len() > MESSAGE_MAX || descriptors.len() > DESCRIPTORS_MAX {
            return Err(ChannelError::TooLong(bytes.len()));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let flags = SendFlags::NOSIGNAL
            | if wait {
                SendFlags::empty()
            } else {
                SendFlags::DONTWAIT
            };
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut ancillary, flags)
        });
        match sent {
            Ok(_) => Ok(()),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Err(ChannelError::Closed),
            Err(Errno::AGAIN) => Err(ChannelError::Full),
            Err(other) => Err(other.into()),
        }
    }

    /// Receives one message's raw bytes, waiting for ever; an empty message is the end.
    pub fn receive_bytes(&self) -> Result<(Vec<u8>, Descriptors), ChannelError> {
        let mut bytes = vec![0; MESSAGE_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut into = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        });
        let received = match received {
            Ok(received) => received,
            Err(Errno::CONNRESET | Errno::NOTCONN) => return Err(ChannelError::Closed),
            Err(Errno::AGAIN) => return Err(ChannelError::TimedOut),
            Err(other) => return Err(other.into()),
        };
        let mut descriptors = Descriptors::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Err(ChannelError::Closed);
        }
        if received
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(ChannelError::TooLong(received.bytes));
        }
        bytes.truncate(received.bytes);
        Ok((bytes, descriptors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_with_its_descriptor() {
        let (a, b) = Channel::pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        a.send(&(7_u32, "seven"), &[write.as_fd()]).unwrap();
        drop(write);
        let ((number, text), mut descriptors) = b.receive::<(u32, String)>().unwrap();
        assert_eq!((number, text.as_str(), descriptors.len()), (7, "seven", 1));
        rustix::io::write(descriptors.pop().unwrap(), b"x").unwrap();
        let mut got = [0; 2];
        assert_eq!(rustix::io::read(&read, &mut got).unwrap(), 1);
    }

    #[test]
    fn an_end_that_is_gone_is_closed() {
        let (a, b) = Channel::pair().unwrap();
        drop(b);
        assert!(matches!(a.receive::<u8>(), Err(ChannelError::Closed)));
        assert!(matches!(a.send(&1_u8, &[]), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_full_queue_and_silence_are_told_apart_from_the_end() {
        let (a, b) = Channel::pair().unwrap();
        assert!(matches!(
            b.receive_within::<u8>(Duration::ZERO),
            Err(ChannelError::TimedOut)
        ));
        let block = vec![0_u8; 32 << 10];
        let full = (0..64).find_map(|_| a.send_bytes(&block, &[], false).err());
        assert!(matches!(full, Some(ChannelError::Full)));
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_the_sender() {
        let (a, _b) = Channel::pair().unwrap();
        assert!(matches!(
            a.send_bytes(&vec![0; MESSAGE_MAX + 1], &[], true),
            Err(ChannelError::TooLong(_))
        ));
    }
}
