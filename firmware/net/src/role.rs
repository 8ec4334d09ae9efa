//! The role's main: takes what init gives, and turns the one loop.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time;

use heapless::Vec;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use seam::{Channel, ChannelError, Descriptors, FromInit, Interface, Network, ToInit, inherited};
use smoltcp::time::{Duration, Instant};

use crate::nic::{Link, Nic, PacketNic};
use crate::stack::Stack;
use crate::sys;

/// Interfaces at a time.
const INTERFACES: usize = 4;

/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Why the role ends before init tells it to.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
enum Failure {
    /// descriptor {0} is missing: {1}; this role must be started by init
    NotInherited(i32, Errno),
    /// the channel to init failed: {0}
    Init(ChannelError),
    /// waiting failed: {0}
    Wait(Errno),
}

/// The network role. Returns when init says so or is gone.
#[must_use]
pub fn run() -> ExitCode {
    sys::map_large_buffers();
    match Role::inherit().and_then(|mut role| role.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the network stack ends: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// One interface and what was last said about it.
struct Card {
    interface: Interface,
    stack: Stack<PacketNic>,
    configured: bool,
    link: Link,
    address: Option<IpAddr>,
}

struct Role {
    started: time::Instant,
    init: Channel,
    doors: Channel,
    network: Option<Network>,
    cards: Vec<Card, INTERFACES>,
    ready: bool,
    told: Option<IpAddr>,
    beats: u64,
    next_beat: Instant,
}

impl Role {
    fn inherit() -> Result<Self, Failure> {
        let take = |number| inherited::take(number).map_err(|errno| Failure::NotInherited(number, errno));
        Ok(Self {
            started: time::Instant::now(),
            init: take(inherited::CONTROL)?,
            doors: take(inherited::FIRST)?,
            network: None,
            cards: Vec::new(),
            ready: false,
            told: None,
            beats: 0,
            next_beat: Instant::ZERO,
        })
    }

    /// Time since the start: unlike the wall clock it never jumps.
    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    fn run(&mut self) -> Result<(), Failure> {
        loop {
            let now = self.now();
            for card in &mut self.cards {
                card.stack.poll(now, &self.doors);
                card.report();
            }
            self.drop_cards(|card| card.link == Link::Gone);
            self.tell_address();
            if now >= self.next_beat {
                self.beats += 1;
                self.next_beat = now + HEARTBEAT;
                self.tell(&ToInit::Heartbeat(self.beats));
            }
            if self.wait()? && self.obey()? {
                let now = self.now();
                self.cards.iter_mut().for_each(|card| card.stack.abort(now));
                return Ok(());
            }
        }
    }

    /// Waits for frames, streams, init or a timer; returns whether init has something to say.
    fn wait(&mut self) -> Result<bool, Failure> {
        let now = self.now();
        let beat = if self.next_beat > now {
            self.next_beat - now
        } else {
            Duration::ZERO
        };
        let delay = self
            .cards
            .iter_mut()
            .filter_map(|card| card.stack.delay(now))
            .fold(beat, Ord::min);
        let delay =
            Timespec::try_from(time::Duration::from(delay)).map_err(|_| Failure::Wait(Errno::INVAL))?;

        let mut set = Vec::<PollFd<'_>, { 1 + 2 * INTERFACES }>::new();
        let _ = set.push(PollFd::new(&self.init, PollFlags::IN));
        for card in &self.cards {
            let _ = set.push(PollFd::from_borrowed_fd(card.stack.nic().as_fd(), PollFlags::IN));
            let _ = set.push(PollFd::from_borrowed_fd(card.stack.as_fd(), PollFlags::IN));
        }
        match rustix::event::poll(&mut set, Some(&delay)) {
            Ok(_) => Ok(set.first().is_some_and(|init| !init.revents().is_empty())),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(Failure::Wait(errno)),
        }
    }

    /// Does what init says; returns whether that was to stop.
    fn obey(&mut self) -> Result<bool, Failure> {
        match self.init.receive::<FromInit>() {
            Ok((FromInit::Interface(interface), descriptors)) => self.open(interface, descriptors),
            Ok((FromInit::InterfaceGone(index), _)) => {
                self.drop_cards(|card| card.interface.index == index);
            }
            Ok((FromInit::Network(network), _)) => {
                self.network = Some(network);
                self.cards.iter_mut().for_each(|card| card.configured = false);
                self.configure();
                // Init tells this last: what interfaces there are work now. A box may have none.
                if !std::mem::replace(&mut self.ready, true) {
                    self.tell(&ToInit::Ready);
                }
            }
            Ok((FromInit::Stop, _)) => return Ok(true),
            Ok(_) | Err(ChannelError::Malformed) => {
                eprintln!("init said something that is not for this role")
            }
            Err(failure) => return Err(Failure::Init(failure)),
        }
        Ok(false)
    }

    fn open(&mut self, interface: Interface, descriptors: Descriptors) {
        let name = interface.name.clone();
        self.cards.retain(|card| card.interface.index != interface.index);
        let Some(socket) = descriptors.into_iter().next() else {
            eprintln!("{name}: came without its packet socket");
            return;
        };
        let stack = PacketNic::new(socket, interface.index, interface.mtu)
            .and_then(|nic| Stack::new(nic, interface.address, wire::PORT, self.now()));
        match stack {
            Ok(stack) => {
                let card = Card {
                    interface,
                    stack,
                    configured: false,
                    link: Link::Up,
                    address: None,
                };
                if self.cards.push(card).is_err() {
                    eprintln!("{name}: not used, {INTERFACES} interfaces are enough");
                    return;
                }
                self.configure();
            }
            Err(error) => eprintln!("{name}: cannot be used: {error}"),
        }
    }

    /// Forgets interfaces, with all their connections.
    fn drop_cards(&mut self, gone: impl Fn(&Card) -> bool) {
        let count = self.cards.len();
        self.cards.retain(|card| !gone(card));
        if self.cards.len() < count {
            self.configure();
        }
    }

    /// Gives every interface its way to come by an address; a configured address to the first only,
    /// because on two it would be nobody's.
    fn configure(&mut self) {
        let Some(network) = self.network else { return };
        let fixed = matches!(network, Network::Static { .. });
        let users = if fixed { 1 } else { INTERFACES };
        for card in self.cards.iter_mut().take(users) {
            if !card.configured {
                card.configured = true;
                if !card.stack.configure(network) {
                    eprintln!(
                        "{}: the configured address makes no sense: {network:?}",
                        card.interface.name
                    );
                }
            }
        }
    }

    /// Tells init the address when it has changed.
    fn tell_address(&mut self) {
        let address = self.cards.iter().find_map(|card| card.address);
        if address != self.told {
            self.told = address;
            self.tell(&ToInit::Address(address));
        }
    }

    /// What init has no room for now it will hear again, or can do without.
    fn tell(&self, message: &ToInit) {
        if let Err(failure) = self.init.try_send(message, &[]) {
            eprintln!("init did not take {message:?}: {failure}");
        }
    }
}

impl Card {
    /// Writes to the log what has changed.
    fn report(&mut self) {
        let name = &self.interface.name;
        let link = self.stack.nic().link();
        if link != self.link {
            self.link = link;
            let counters = self.stack.nic().counters();
            eprintln!("{name}: link {link:?}, {counters:?}");
        }
        let address = self.stack.address();
        if address != self.address {
            self.address = address;
            match address {
                Some(address) => eprintln!("{name}: address {address}"),
                None => eprintln!("{name}: no address"),
            }
        }
    }
}
