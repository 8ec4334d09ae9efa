//! Two stacks on one cable: frames in memory, a clock that only the test turns.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test ends where it fails"
)]

pub mod sys;
pub mod veth;
pub mod world;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use net::{Link, Nic};
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::{Duration, Instant};

/// One direction of a cable.
#[derive(Default)]
pub struct Wire {
    frames: VecDeque<(Instant, Vec<u8>)>,
    /// Time on the way.
    pub latency: Duration,
    /// One frame in so many is lost; 0 for none.
    pub loss: u64,
    /// A cut cable loses all.
    pub cut: bool,
    random: u64,
    /// Frames that were put on it.
    pub sent: u64,
}

impl Wire {
    fn put(&mut self, now: Instant, frame: Vec<u8>) {
        self.sent += 1;
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        if !self.cut && (self.loss == 0 || !(self.random >> 33).is_multiple_of(self.loss)) {
            self.frames.push_back((now + self.latency, frame));
        }
    }

    fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.frames.front().filter(|(due, _)| *due <= now)?;
        self.frames.pop_front().map(|(_, frame)| frame)
    }

    /// When the next frame arrives.
    pub fn due(&self) -> Option<Instant> {
        self.frames.front().map(|(due, _)| *due)
    }
}

/// One end of the cable.
pub struct Port {
    pub into: Rc<RefCell<Wire>>,
    pub from: Rc<RefCell<Wire>>,
    /// Frames that can be fetched at a time.
    window: usize,
    fetched: usize,
}

/// A cable's two ends.
pub fn cable() -> (Port, Port) {
    let (a, b): (Rc<RefCell<Wire>>, Rc<RefCell<Wire>>) = Default::default();
    let port = |into: &Rc<RefCell<Wire>>, from: &Rc<RefCell<Wire>>| Port {
        into: into.clone(),
        from: from.clone(),
        window: 32,
        fetched: 32,
    };
    (port(&a, &b), port(&b, &a))
}

impl Nic for Port {
    fn fetch(&mut self) -> bool {
        self.fetched = 0;
        self.from.borrow().frames.len() > self.window
    }

    fn flush(&mut self) -> bool {
        true
    }

    fn link(&self) -> Link {
        Link::Up
    }
}

impl Device for Port {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room;

    fn receive(&mut self, now: Instant) -> Option<(Arrived, Room)> {
        if self.fetched == self.window {
            return None;
        }
        self.fetched += 1;
        let frame = self.from.borrow_mut().take(now)?;
        Some((Arrived(frame), Room(self.into.clone(), now)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Room> {
        Some(Room(self.into.clone(), now))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        (capabilities.checksum.tcp, capabilities.checksum.udp) = (Checksum::None, Checksum::None);
        capabilities
    }
}

/// A frame that arrived.
pub struct Arrived(Vec<u8>);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_frame: F) -> R {
        use_frame(&self.0)
    }
}

/// A frame to be sent.
pub struct Room(Rc<RefCell<Wire>>, Instant);

impl phy::TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        net::offload::finish(&mut frame);
        self.0.borrow_mut().put(self.1, frame);
        result
    }
}

/// Bytes that do not repeat soon, different for each seed.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
