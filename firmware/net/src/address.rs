//! How an interface comes by its addresses: DHCPv4, or as configured.

use std::net::{IpAddr, Ipv6Addr};

use rustix::rand::GetRandomFlags;
use seam::Network;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv6Cidr};

/// Whether an interface may have this address: one host's, not of a group or of nobody.
fn is_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_multicast() || address.is_unspecified() || address.is_loopback() || broadcast)
}

/// The link-local address of a NIC (RFC 4291 appendix A).
pub(crate) fn link_local(mac: EthernetAddress) -> Ipv6Cidr {
    let [a, b, c, d, e, f] = mac.0;
    let half = |high, low| u16::from_be_bytes([high, low]);
    let id = [half(a ^ 0x02, b), half(c, 0xFF), half(0xFE, d), half(e, f)];
    let [w, x, y, z] = id;
    Ipv6Cidr::new(Ipv6Addr::new(0xFE80, 0, 0, 0, w, x, y, z), 64)
}

/// A seed for sequence numbers and ports; differs on each start.
pub(crate) fn seed() -> u64 {
    let mut bytes = [0; 8];
    // It fails only on kernels older than 3.17; a constant is then no worse than an error.
    let _ = rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// The configuration in force on one interface.
#[derive(Debug, Default)]
pub(crate) struct Addressing {
    dhcp: Option<SocketHandle>,
    /// The IPv4 or configured address, so that it can be taken away again.
    current: Option<IpCidr>,
}

impl Addressing {
    /// Starts over with this configuration; returns false when it makes no sense.
    pub(crate) fn configure(
        &mut self,
        network: Network,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
    ) -> bool {
        if let Some(dhcp) = self.dhcp.take() {
            sockets.remove(dhcp);
        }
        self.set(interface, None, None);
        match network {
            Network::Dynamic => {
                let mut socket = dhcpv4::Socket::new();
                let mut retries = dhcpv4::RetryConfig::default();
                // A NIC takes seconds to find its speed, and loses what is sent meanwhile.
                retries.discover_timeout = Duration::from_secs(2);
                retries.initial_request_timeout = Duration::from_secs(2);
                socket.set_retry_config(retries);
                self.dhcp = Some(sockets.add(socket));
                true
            }
            Network::Static {
                address,
                prefix,
                gateway,
            } => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                let reachable = gateway.is_none_or(|gateway| gateway.is_ipv4() == address.is_ipv4());
                if !is_host(address) || prefix > bits || !reachable {
                    return false;
                }
                self.set(interface, Some(IpCidr::new(address.into(), prefix)), gateway);
                true
            }
        }
    }

    /// Takes over what DHCP has found out.
    pub(crate) fn advance(&mut self, interface: &mut Interface, sockets: &mut SocketSet<'static>) {
        let Some(handle) = self.dhcp else { return };
        match sockets.get_mut::<dhcpv4::Socket>(handle).poll() {
            Some(dhcpv4::Event::Configured(lease)) => {
                let (address, router) = (lease.address, lease.router);
                let usable = is_host(address.address().into());
                self.set(
                    interface,
                    usable.then_some(IpCidr::Ipv4(address)),
                    router.map(IpAddr::V4),
                );
            }
            Some(dhcpv4::Event::Deconfigured) => self.set(interface, None, None),
            None => {}
        }
    }

    fn set(&mut self, interface: &mut Interface, address: Option<IpCidr>, gateway: Option<IpAddr>) {
        let former = std::mem::replace(&mut self.current, address);
        interface.update_ip_addrs(|addresses| {
            addresses.retain(|known| Some(*known) != former);
            // Beside it there is only the link-local one: room for four is never full.
            let _ = addresses.extend_from_slice(address.as_slice());
        });
        let routes = interface.routes_mut();
        routes.remove_default_ipv4_route();
        routes.remove_default_ipv6_route();
        // The table, now empty, has room for it.
        let _ = match gateway.map(IpAddress::from) {
            Some(IpAddress::Ipv4(gateway)) => routes.add_default_ipv4_route(gateway).map(drop),
            Some(IpAddress::Ipv6(gateway)) => routes.add_default_ipv6_route(gateway).map(drop),
            None => Ok(()),
        };
    }

    /// The address to tell people.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.current.map(|cidr| cidr.address().into())
    }
}
