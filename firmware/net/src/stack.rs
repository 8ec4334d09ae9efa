//! TCP/IP on one network interface: a pool of sockets, each of which becomes a byte stream.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use heapless::Vec;
use rustix::event::{Timespec, epoll};
use seam::{Channel, Network};
use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr};

use crate::address::{Addressing, link_local, seed};
use crate::connection::{Phase, listener};
use crate::nic::{Link, Nic};

/// Most connections of one interface at a time; a caller beyond them is refused with a reset.
pub const CONNECTIONS: usize = 64;

/// Batches of frames worked on before the caller of [`Stack::poll`] gets a turn.
const ROUNDS: usize = 8;

/// Wait before frames the kernel had no room for are tried again.
const CONGESTION_PAUSE: Duration = Duration::from_millis(1);

/// One socket of the pool.
#[derive(Debug)]
struct Slot {
    handle: SocketHandle,
    phase: Phase,
}

/// TCP/IP on one network interface.
pub struct Stack<N: Nic> {
    nic: N,
    interface: Interface,
    sockets: SocketSet<'static>,
    addressing: Addressing,
    port: u16,
    slots: Vec<Slot, CONNECTIONS>,
    /// Watches all streams to doors, edge-triggered; itself readable when one needs attention.
    epoll: OwnedFd,
    /// Whether the last poll left frames or bytes for the next.
    busy: bool,
    congested: bool,
}

impl<N: Nic> AsFd for Stack<N> {
    /// Readable when a stream to a door needs attention.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<N: Nic> Stack<N> {
    /// A stack that listens on `port`, with no address but its link-local one.
    ///
    /// # Errors
    /// When the Ethernet address is not one NIC's (a group's, or all zero), or descriptors ran out.
    pub fn new(mut nic: N, address: [u8; 6], port: u16, now: Instant) -> io::Result<Self> {
        let mac = EthernetAddress(address);
        if !mac.is_unicast() || address == [0; 6] {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not the Ethernet address of a NIC",
            ));
        }
        let mut config = Config::new(mac.into());
        config.random_seed = seed();
        // No SLAAC: with it smoltcp 0.14 panics on an advertised prefix that is a group's or longer than
        // 128 bits, and without a router its timer stands still in the past, which makes a loop spin.
        config.slaac = false;
        let mut interface = Interface::new(config, &mut nic, now);
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::Ipv6(link_local(mac))); // the first of four
        });
        let mut sockets = SocketSet::new(std::vec::Vec::with_capacity(CONNECTIONS + 1));
        let slots = (0..CONNECTIONS)
            .map(|_| Slot {
                handle: sockets.add(listener(port)),
                phase: Phase::Listening(false),
            })
            .collect();
        Ok(Self {
            nic,
            interface,
            sockets,
            addressing: Addressing::default(),
            port,
            slots,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            busy: false,
            congested: false,
        })
    }

    /// Starts over with this way to come by an address; returns false when it makes no sense.
    pub fn configure(&mut self, network: Network) -> bool {
        self.addressing
            .configure(network, &mut self.interface, &mut self.sockets)
    }

    /// The address callers can use; the link-local one is not told.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.addressing.address()
    }

    /// The interface below.
    #[must_use]
    pub fn nic(&self) -> &N {
        &self.nic
    }

    /// Connections that a door serves.
    #[must_use]
    pub fn served(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| matches!(slot.phase, Phase::Served(_)))
            .count()
    }

    /// Does what can be done now: frames in, bytes both ways, new callers to doors, frames out.
    pub fn poll(&mut self, now: Instant, doors: &Channel) {
        self.note_streams();
        self.interface.poll_maintenance(now);
        for _ in 0..ROUNDS {
            self.busy = self.nic.fetch();
            while self
                .interface
                .poll_ingress_single(now, &mut self.nic, &mut self.sockets)
                != PollIngressSingleResult::None
            {}
            self.addressing.advance(&mut self.interface, &mut self.sockets);
            self.advance(now, doors);
            while self.interface.poll_egress(now, &mut self.nic, &mut self.sockets) != PollResult::None {}
            self.congested = !self.nic.flush();
            if !self.busy || self.congested {
                break;
            }
        }
        self.renew();
    }

    /// How long the next [`poll`](Self::poll) can wait when nothing happens; `None` is for ever.
    pub fn delay(&mut self, now: Instant) -> Option<Duration> {
        if self.nic.link() == Link::Gone {
            return None;
        }
        if self.congested {
            return Some(CONGESTION_PAUSE);
        }
        if self.busy {
            return Some(Duration::ZERO);
        }
        let parting = self.slots.iter().filter_map(|slot| slot.phase.deadline()).min();
        let parting = parting.map(|at| if at > now { at - now } else { Duration::ZERO });
        let timers = self.interface.poll_delay(now, &self.sockets);
        [parting, timers].into_iter().flatten().min()
    }

    /// Resets all connections: the last thing a stack does.
    pub fn abort(&mut self, now: Instant) {
        for slot in &self.slots {
            self.sockets.get_mut::<tcp::Socket>(slot.handle).abort();
        }
        while self.interface.poll_egress(now, &mut self.nic, &mut self.sockets) != PollResult::None {}
        self.nic.flush();
    }

    fn note_streams(&mut self) {
        let mut space = [const { MaybeUninit::uninit() }; CONNECTIONS];
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut space, Some(&Timespec::default())) else {
            return; // interrupted: the epoll stays readable
        };
        for event in events {
            let slot = usize::try_from(event.data.u64())
                .ok()
                .and_then(|key| self.slots.get_mut(key));
            if let Some(slot) = slot {
                slot.phase.note(event.flags);
            }
        }
    }

    fn advance(&mut self, now: Instant, doors: &Channel) {
        for (key, slot) in (0..).zip(&mut self.slots) {
            let socket = self.sockets.get_mut(slot.handle);
            slot.phase.advance(socket, now, doors, &self.epoll, key);
        }
    }

    /// Replaces sockets that are done with new ones: smoltcp's reset forgets to reset a few things.
    fn renew(&mut self) {
        if !self
            .slots
            .iter()
            .any(|slot| matches!(slot.phase, Phase::Listening(_) | Phase::Over))
        {
            self.cut_time_wait();
        }
        for slot in &mut self.slots {
            if matches!(slot.phase, Phase::Over) {
                self.sockets.remove(slot.handle);
                slot.handle = self.sockets.add(listener(self.port));
                slot.phase = Phase::Listening(false);
            }
        }
    }

    /// Ends the TIME-WAIT of the socket that has been in it longest: a new caller matters more.
    fn cut_time_wait(&mut self) {
        let sockets = &self.sockets;
        let waiting = self
            .slots
            .iter_mut()
            .filter(|slot| sockets.get::<tcp::Socket>(slot.handle).state() == tcp::State::TimeWait);
        if let Some(oldest) = waiting.min_by_key(|slot| slot.phase.deadline()) {
            oldest.phase = Phase::Over;
        }
    }
}
