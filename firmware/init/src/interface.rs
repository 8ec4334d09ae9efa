//! A network interface becomes a packet socket for net.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use seam::Interface;

use crate::Failure;
use crate::sys::{self, PacketOption};

/// Frames wait here while net is busy or being started again.
const RECEIVE_BUFFER: usize = 4 << 20;

/// ARPHRD_ETHER, linux/if_arp.h.
const ETHERNET: &str = "1";

/// Reads what the kernel says about an interface; `None` when it is not Ethernet, or gone.
pub(crate) fn describe(directory: &Path) -> Option<Interface> {
    let attribute = |name: &str| {
        let text = std::fs::read_to_string(directory.join(name)).ok()?;
        Some(text.trim_end().to_owned())
    };
    let name = directory.file_name()?.to_str()?.to_owned();
    if attribute("type")? != ETHERNET {
        return None;
    }
    Some(Interface {
        name,
        index: attribute("ifindex")?.parse().ok()?,
        address: ethernet_address(&attribute("address")?)?,
        mtu: attribute("mtu")?.parse().ok()?,
    })
}

fn ethernet_address(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut address {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(address)
}

/// Raises the link and opens the socket that net works on: bound, non-blocking, with virtio headers.
pub(crate) fn open(interface: &Interface) -> Result<OwnedFd, Failure> {
    let step = |what| format!("interface {}: {what}", interface.name);
    // Protocol 0: nothing is received before it is bound, from no other interface ever.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
        .map_err(Failure::of::<Errno>(step("cannot open a packet socket")))?;
    sys::raise_link(&socket, &interface.name)
        .map_err(Failure::of::<std::io::Error>(step("cannot raise the link")))?;
    for (option, what) in [
        (PacketOption::VirtioHeader, "cannot turn on virtio headers"),
        (PacketOption::IgnoreOutgoing, "cannot ignore what is sent"),
    ] {
        sys::set_packet_option(&socket, option).map_err(Failure::of::<std::io::Error>(step(what)))?;
    }
    sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
        .map_err(Failure::of::<Errno>(step("cannot enlarge the receive buffer")))?;
    sys::bind_packet(&socket, interface.index).map_err(Failure::of::<std::io::Error>(step("cannot bind")))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_addresses_are_six_hexadecimal_bytes() {
        assert_eq!(
            ethernet_address("52:54:00:12:34:fe"),
            Some([0x52, 0x54, 0, 0x12, 0x34, 0xfe])
        );
        for bad in ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:xx"] {
            assert_eq!(ethernet_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_ethernet_is_described() {
        let sys = tempfile::tempdir().unwrap();
        let eth = sys.path().join("eth0");
        std::fs::create_dir(&eth).unwrap();
        for (name, text) in [
            ("type", "1\n"),
            ("ifindex", "2\n"),
            ("address", "52:54:00:12:34:56\n"),
            ("mtu", "1500\n"),
        ] {
            std::fs::write(eth.join(name), text).unwrap();
        }
        let found = describe(&eth).unwrap();
        assert_eq!((found.name.as_str(), found.index, found.mtu), ("eth0", 2, 1500));
        std::fs::write(eth.join("type"), "772\n").unwrap();
        assert_eq!(describe(&eth), None);
    }
}
