//! What the stack needs of a network interface, and the packet socket that provides it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::offload::{HEADER_SIZE, admit, finish};
use crate::sys::{self, FRAMES};

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;

/// Room for a frame that came in: the kernel joins segments of one stream up to 64 KiB (GRO).
const RECEIVE_SLOT: usize = HEADER_SIZE + ETHERNET_HEADER + (64 << 10);

/// Smallest and largest IP packet smoltcp is made for (IPv6 needs 1280; its routers 576).
const MTU: std::ops::RangeInclusive<u32> = 576..=9000;

/// Whether frames get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// They do, as far as the box can tell.
    Up,
    /// The interface is switched off; frames are discarded until one gets through again.
    Down,
    /// The interface does not exist any more.
    Gone,
}

/// What happened to frames, since the interface was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handed to the stack.
    pub received: u64,
    /// Taken by the kernel.
    pub sent: u64,
    /// Came in with a wrong checksum.
    pub damaged: u64,
    /// Came in longer than any frame should be.
    pub oversized: u64,
    /// Could not go out now because the kernel had no room; kept, and tried again.
    pub congested: u64,
    /// Discarded because the link was down, or because the kernel refused the frame for good.
    pub discarded: u64,
}

/// A network interface as the stack uses it: frames are fetched and sent many at a time.
pub trait Nic: Device {
    /// Fetches frames that arrived, for `receive` to hand out; returns whether more may be waiting.
    fn fetch(&mut self) -> bool;

    /// Sends the frames that `transmit` queued; returns whether all are gone.
    fn flush(&mut self) -> bool;

    /// Whether frames get through.
    fn link(&self) -> Link;
}

/// A network interface behind a packet socket.
///
/// The socket must be AF_PACKET, SOCK_RAW, bound to the interface, with PACKET_VNET_HDR on.
#[derive(Debug)]
pub struct PacketNic {
    socket: OwnedFd,
    mtu: usize,
    link: Link,
    counters: Counters,
    arrived: Arrived,
    outgoing: Outgoing,
}

#[derive(Debug)]
struct Arrived {
    slots: Vec<u8>,
    lengths: [usize; FRAMES],
    next: usize,
    count: usize,
}

#[derive(Debug)]
struct Outgoing {
    slots: Vec<u8>,
    slot_size: usize,
    lengths: [usize; FRAMES],
    /// First frame the kernel has not taken.
    next: usize,
    count: usize,
}

impl AsFd for PacketNic {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl PacketNic {
    /// Takes over the packet socket of the interface with this kernel index and largest IP packet.
    ///
    /// # Errors
    /// When the socket is no packet socket, or the interface does not exist.
    pub fn new(socket: OwnedFd, index: u32, mtu: u32) -> io::Result<Self> {
        sys::receive_multicast(&socket, index)?;
        let mtu = usize::try_from(mtu.clamp(*MTU.start(), *MTU.end())).map_err(io::Error::other)?;
        let slot_size = HEADER_SIZE + ETHERNET_HEADER + mtu;
        Ok(Self {
            socket,
            mtu,
            link: Link::Up,
            counters: Counters::default(),
            // Zeroed and never touched before use: only as much becomes resident as frames are long.
            arrived: Arrived {
                slots: vec![0; FRAMES * RECEIVE_SLOT],
                lengths: [0; FRAMES],
                next: 0,
                count: 0,
            },
            outgoing: Outgoing {
                slots: vec![0; FRAMES * slot_size],
                slot_size,
                lengths: [0; FRAMES],
                next: 0,
                count: 0,
            },
        })
    }

    /// What happened to frames so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Turns an error of the socket into a state of the link; says what becomes of the frames in hand.
    fn note(&mut self, error: &io::Error) -> Waiting {
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN | Errno::INTR) => Waiting::UntilReady,
            Some(Errno::NOBUFS | Errno::NOMEM) => {
                self.counters.congested += 1;
                Waiting::UntilReady
            }
            Some(Errno::NETDOWN) => {
                self.link = Link::Down;
                Waiting::Never
            }
            Some(Errno::NXIO | Errno::NODEV | Errno::BADF | Errno::NOTSOCK) => {
                self.link = Link::Gone;
                Waiting::Never
            }
            _ => Waiting::Never,
        }
    }
}

/// What an error means for the frames in hand.
#[derive(PartialEq, Eq)]
enum Waiting {
    UntilReady,
    Never,
}

impl Nic for PacketNic {
    fn fetch(&mut self) -> bool {
        let arrived = &mut self.arrived;
        if arrived.next < arrived.count {
            return true;
        }
        (arrived.next, arrived.count) = (0, 0);
        match sys::receive_frames(
            &self.socket,
            &mut arrived.slots,
            RECEIVE_SLOT,
            &mut arrived.lengths,
        ) {
            Ok(count) => {
                arrived.count = count;
                if count > 0 {
                    self.link = Link::Up;
                }
                count == FRAMES
            }
            Err(error) => {
                self.note(&error);
                false
            }
        }
    }

    fn flush(&mut self) -> bool {
        while self.outgoing.next < self.outgoing.count {
            match sys::send_frames(&self.socket, self.outgoing.pending()) {
                Ok(sent) => {
                    self.link = Link::Up;
                    self.outgoing.next += sent;
                    self.counters.sent += u64::try_from(sent).unwrap_or_default();
                }
                Err(error) => match (self.note(&error), self.link) {
                    (Waiting::UntilReady, _) => return false,
                    (Waiting::Never, Link::Up) => {
                        // The kernel will never take this frame; those behind it must not wait for it.
                        self.outgoing.next += 1;
                        self.counters.discarded += 1;
                    }
                    (Waiting::Never, Link::Down | Link::Gone) => {
                        let left = self.outgoing.count - self.outgoing.next;
                        self.outgoing.next = self.outgoing.count;
                        self.counters.discarded += u64::try_from(left).unwrap_or_default();
                    }
                },
            }
        }
        (self.outgoing.next, self.outgoing.count) = (0, 0);
        true
    }

    fn link(&self) -> Link {
        self.link
    }
}

impl Outgoing {
    fn is_full(&self) -> bool {
        self.count == FRAMES
    }

    fn pending(&self) -> impl Iterator<Item = &[u8]> {
        let filled = self.slots.chunks_exact(self.slot_size).zip(&self.lengths);
        filled
            .take(self.count)
            .skip(self.next)
            .filter_map(|(slot, length)| slot.get(..*length))
    }
}

impl Device for PacketNic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        if self.outgoing.is_full() && !self.flush() {
            return None;
        }
        let arrived = &mut self.arrived;
        while arrived.next < arrived.count {
            let index = arrived.next;
            arrived.next += 1;
            let slot = arrived.slots.chunks_exact(RECEIVE_SLOT).nth(index)?;
            let Some(filled) = slot.get(..*arrived.lengths.get(index)?) else {
                self.counters.oversized += 1;
                continue;
            };
            match filled.split_first_chunk() {
                Some((header, frame)) if admit(header, frame) => {
                    self.counters.received += 1;
                    return Some((
                        Received { frame },
                        Sending {
                            outgoing: &mut self.outgoing,
                        },
                    ));
                }
                _ => self.counters.damaged += 1,
            }
        }
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sending<'_>> {
        if self.outgoing.is_full() && !self.flush() {
            return None;
        }
        Some(Sending {
            outgoing: &mut self.outgoing,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        // Segmentation offload would be announced here, where a NIC is known to do it: not yet.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER + self.mtu;
        capabilities.checksum.tcp = Checksum::None;
        capabilities.checksum.udp = Checksum::None;
        capabilities
    }
}

/// A frame that arrived.
#[derive(Debug)]
pub struct Received<'a> {
    frame: &'a [u8],
}

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_frame: F) -> R {
        use_frame(self.frame)
    }
}

/// Room for a frame to send.
#[derive(Debug)]
pub struct Sending<'a> {
    outgoing: &'a mut Outgoing,
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let Outgoing {
            slots,
            slot_size,
            lengths,
            count,
            ..
        } = self.outgoing;
        let slot = slots.chunks_exact_mut(*slot_size).nth(*count);
        let room = slot.and_then(|slot| slot.get_mut(..HEADER_SIZE + length)?.split_first_chunk_mut());
        match (room, lengths.get_mut(*count)) {
            (Some((header, frame)), Some(filled)) => {
                let result = fill(frame);
                *header = finish(frame);
                *filled = HEADER_SIZE + length;
                *count += 1;
                result
            }
            // Longer than the interface's largest frame: smoltcp does not make such; nobody gets it.
            _ => fill(&mut vec![0; length]),
        }
    }
}
