//! The kernel's device events: what came, what went.
//!
//! A message is `ACTION@DEVPATH` and then `KEY=VALUE` strings, each ended by a NUL
//! (lib/kobject_uevent.c of the kernel).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, sockopt};

use crate::Failure;

/// One event, as far as init needs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uevent {
    pub(crate) removed: bool,
    pub(crate) subsystem: String,
    /// The device's name: the last part of its path.
    pub(crate) name: String,
}

impl Uevent {
    /// Reads a message; `None` when it is not one of the kernel's.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let mut parts = message
            .split(|byte| *byte == 0)
            .map_while(|part| std::str::from_utf8(part).ok());
        let (action, path) = parts.next()?.split_once('@')?;
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        let subsystem = parts.find_map(|part| part.strip_prefix("SUBSYSTEM="))?;
        Some(Self {
            removed: action == "remove",
            subsystem: subsystem.into(),
            name: name.into(),
        })
    }
}

/// What the socket has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Event(Uevent),
    /// Events were lost; everything has to be looked at again.
    Lost,
    Nothing,
}

/// The socket on which the kernel tells events.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Listener {
    pub(crate) fn open() -> Result<Self, Failure> {
        let failed = || Failure::of::<Errno>("cannot listen to device events, hotplug is off");
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(KOBJECT_UEVENT),
        )
        .map_err(failed())?;
        // Group 1 is the kernel's own; group 2 would be a device manager's.
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 1)).map_err(failed())?;
        // A hub full of devices at once; when this fails the default has to do.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, 1 << 20);
        Ok(Self { socket })
    }

    pub(crate) fn next(&self) -> Heard {
        let mut message = [0; 8 << 10];
        loop {
            let received = rustix::net::recvfrom(&self.socket, &mut message[..], RecvFlags::empty());
            match received {
                Ok((count, _, Some(sender))) => {
                    let from_kernel =
                        SocketAddrNetlink::try_from(sender).is_ok_and(|sender| sender.pid() == 0);
                    let event = message.get(..count).and_then(Uevent::parse);
                    if let (true, Some(event)) = (from_kernel, event) {
                        return Heard::Event(event);
                    }
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => return Heard::Lost,
                Err(_) => return Heard::Nothing,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_of_the_kernel_are_understood() {
        let add = b"add@/devices/pci0000:00/0000:00:04.0/host2/target2:0:0/2:0:0:0/scsi_generic/sg0\0\
            ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=scsi_generic\0MAJOR=21\0MINOR=0\0DEVNAME=sg0\0SEQNUM=9\0";
        let event = Uevent::parse(add).unwrap();
        assert_eq!(
            (event.removed, event.subsystem.as_str(), event.name.as_str()),
            (false, "scsi_generic", "sg0")
        );
        let gone = Uevent::parse(b"remove@/devices/virtual/net/eth1\0SUBSYSTEM=net\0").unwrap();
        assert!(gone.removed && gone.name == "eth1");
    }

    #[test]
    fn what_is_not_an_event_is_none() {
        for bad in [
            &b""[..],
            b"libudev\0\xfe\xed",
            b"add@/x",
            b"add@\0SUBSYSTEM=net\0",
            b"\0\0\0",
        ] {
            assert_eq!(Uevent::parse(bad), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Uevent::parse(&bytes);
        }
    }
}
