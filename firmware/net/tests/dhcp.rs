//! An address by DHCP, from a server on the same cable.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;
use smoltcp::time::Duration;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, IpAddress, IpEndpoint, IpListenEndpoint, Ipv4Address,
};
use support::world::World;

const OFFERED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 77);
const SERVER: Ipv4Address = Ipv4Address::new(10, 9, 0, 2);

fn server(world: &mut World) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8192]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(67).unwrap();
    world.sockets.add(socket)
}

/// Answers one message, if there is one; returns which kind it was.
fn serve(world: &mut World, server: SocketHandle, lease: u32) -> Option<DhcpMessageType> {
    let socket = world.sockets.get_mut::<udp::Socket>(server);
    let bytes = socket.recv().ok()?.0.to_vec();
    let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
    let asked = DhcpRepr::parse(&packet).unwrap();
    let answer = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => DhcpMessageType::Ack,
        other => return Some(other),
    };
    let mut reply = asked.clone();
    reply.message_type = answer;
    reply.your_ip = OFFERED;
    reply.server_ip = SERVER;
    reply.server_identifier = Some(SERVER);
    reply.router = Some(SERVER);
    reply.subnet_mask = Some(Ipv4Address::new(255, 255, 255, 0));
    reply.lease_duration = Some(lease);
    reply.broadcast = true;
    reply.client_identifier = None;
    reply.parameter_request_list = None;
    reply.requested_ip = None;
    let mut out = vec![0; reply.buffer_len()];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut out[..])).unwrap();
    let to = IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::BROADCAST), 68);
    socket.send_slice(&out, to).unwrap();
    Some(asked.message_type)
}

#[test]
fn an_address_comes_is_renewed_and_goes_with_its_lease() {
    let mut world = World::unconfigured();
    let server = server(&mut world);
    assert!(world.stack.configure(seam::Network::Dynamic));
    assert_eq!(world.stack.address(), None);
    world.run("the address", Duration::from_secs(30), |world| {
        serve(world, server, 600);
        world.stack.address() == Some(IpAddr::V4(OFFERED))
    });
    let end = world.now + Duration::from_secs(2000);
    let mut renewals = 0;
    world.run("three leases", Duration::from_secs(2001), |world| {
        renewals += usize::from(serve(world, server, 600).is_some());
        assert!(world.stack.address().is_some());
        world.now > end
    });
    assert!(renewals >= 3);
    let silent = world.sockets.get_mut::<udp::Socket>(server);
    silent.close();
    silent
        .bind(IpListenEndpoint {
            addr: None,
            port: 1067,
        })
        .unwrap();
    world.run("the end of the lease", Duration::from_secs(700), |world| {
        world.stack.address().is_none()
    });
}

#[test]
fn without_a_server_the_box_asks_now_and_then_and_rests_between() {
    let mut world = World::unconfigured();
    assert!(world.stack.configure(seam::Network::Dynamic));
    let end = world.now + Duration::from_secs(600);
    world.run("ten minutes", Duration::from_secs(601), |world| world.now > end);
    assert!(
        (100..=310).contains(&world.outward.borrow().sent),
        "{} frames",
        world.outward.borrow().sent
    );
    assert!(
        world.hurries < 650,
        "{} turns of the loop for nothing",
        world.hurries
    );
}
