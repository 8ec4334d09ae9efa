//! A box, a caller on the same cable, and a test in the role of doors.

use std::cell::RefCell;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use net::{Nic, Stack};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use seam::{Channel, Connection, Network};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr};

use super::{Port, Wire, cable};

/// The port the box listens on here.
pub const PORT: u16 = 2352;

const BOX: [u8; 4] = [10, 9, 0, 1];
const CALLER: [u8; 4] = [10, 9, 0, 2];

/// Everything.
pub struct World {
    pub now: Instant,
    pub stack: Stack<Port>,
    /// Where the stack hands over callers.
    pub to_doors: Channel,
    /// Where the test takes them.
    pub doors: Option<Channel>,
    pub port: Port,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    /// Frames to the box, frames to the caller.
    pub inward: Rc<RefCell<Wire>>,
    pub outward: Rc<RefCell<Wire>>,
    /// Steps after which the stack wanted the next at once.
    pub hurries: u64,
    next_port: u16,
}

impl World {
    /// A box with a configured address.
    pub fn new() -> Self {
        let mut world = Self::unconfigured();
        let address = IpAddr::from(BOX);
        assert!(world.stack.configure(Network::Static {
            address,
            prefix: 24,
            gateway: None
        }));
        world
    }

    /// A box that was not told how to come by an address.
    pub fn unconfigured() -> Self {
        let now = Instant::from_secs(1);
        let (near, mut far) = cable();
        let (inward, outward) = (near.from.clone(), near.into.clone());
        let stack = Stack::new(near, [2, 0, 0, 0, 0, 1], PORT, now).unwrap();
        let mac = EthernetAddress([2, 0, 0, 0, 0, 2]);
        let mut config = Config::new(mac.into());
        config.random_seed = 42;
        let mut interface = Interface::new(config, &mut far, now);
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(IpAddr::from(CALLER).into(), 24))
                .unwrap();
        });
        let (to_doors, doors) = Channel::pair().unwrap();
        Self {
            now,
            stack,
            to_doors,
            doors: Some(doors),
            port: far,
            interface,
            sockets: SocketSet::new(vec![]),
            inward,
            outward,
            hurries: 0,
            next_port: 50_000,
        }
    }

    /// Starts a connection to the box.
    pub fn call(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 256 << 10]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false); // so that it fills a window to its last byte
        socket.set_congestion_control(tcp::CongestionControl::Cubic);
        self.next_port += 1;
        let (context, port) = (self.interface.context(), self.next_port);
        socket.connect(context, (IpAddr::from(BOX), PORT), port).unwrap();
        self.sockets.add(socket)
    }

    pub fn caller(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// The next caller that the stack handed over.
    pub fn taken(&self) -> Option<(Connection, Door)> {
        let doors = self.doors.as_ref()?;
        let (connection, mut descriptors) = doors.receive_within(std::time::Duration::ZERO).ok()?;
        Some((connection, Door(descriptors.pop().unwrap())))
    }

    /// A caller and the door that serves him.
    pub fn connected(&mut self) -> (SocketHandle, Door) {
        let caller = self.call();
        let mut door = None;
        self.run("a connection", Duration::from_secs(5), |world| {
            door = door.take().or_else(|| world.taken());
            door.is_some() && world.caller(caller).may_send()
        });
        let (connection, door) = door.unwrap();
        assert_eq!(
            (connection.port, connection.peer.ip()),
            (PORT, IpAddr::from(CALLER))
        );
        (caller, door)
    }

    /// Lets both ends work, then turns the clock to when something is due.
    pub fn step(&mut self) {
        self.stack.poll(self.now, &self.to_doors);
        self.port.fetch();
        self.interface.poll(self.now, &mut self.port, &mut self.sockets);
        let pause = Duration::from_millis(100);
        let stack = self.stack.delay(self.now).unwrap_or(pause);
        self.hurries += u64::from(stack == Duration::ZERO);
        let caller = self
            .interface
            .poll_delay(self.now, &self.sockets)
            .unwrap_or(pause);
        let mut next = self.now + pause.min(stack).min(caller);
        for wire in [&self.inward, &self.outward] {
            next = wire.borrow().due().map_or(next, |due| next.min(due));
        }
        self.now = next.max(self.now + Duration::from_micros(20));
    }

    /// Steps until the condition holds; fails when that takes longer than `limit` of the world's time.
    pub fn run(&mut self, what: &str, limit: Duration, mut until: impl FnMut(&mut Self) -> bool) {
        let end = self.now + limit;
        while !until(self) {
            assert!(self.now < end, "{what} takes more than {limit}");
            self.step();
        }
    }
}

/// The door's end of a stream.
pub struct Door(pub OwnedFd);

impl Door {
    /// Reads what is there; an empty vector is the end, `None` nothing yet.
    pub fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 64 << 10];
        match rustix::net::recv(&self.0, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((_, count)) => {
                bytes.truncate(count);
                Some(bytes)
            }
            Err(Errno::AGAIN) => None,
            Err(Errno::CONNRESET) => Some(vec![]),
            Err(error) => panic!("the stream cannot be read: {error}"),
        }
    }

    /// Writes what there is room for.
    pub fn write(&self, bytes: &[u8]) -> usize {
        match rustix::net::send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => count,
            Err(Errno::AGAIN) => 0,
            Err(error) => panic!("the stream cannot be written: {error}"),
        }
    }

    /// Reads into `to`; returns whether that was the end.
    pub fn read_into(&self, to: &mut Vec<u8>) -> bool {
        loop {
            match self.read() {
                Some(bytes) if bytes.is_empty() => return true,
                Some(bytes) => to.extend(bytes),
                None => return false,
            }
        }
    }

    pub fn end(&self) {
        rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write).unwrap();
    }
}
