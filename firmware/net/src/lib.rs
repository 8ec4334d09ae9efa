//! Ethernet in, file descriptors out: the network stack.
//!
//! The kernel of the box has no TCP/IP. This role takes whole frames from a packet socket and turns
//! each TCP connection into a byte stream, one end of a socketpair, which it hands to doors together
//! with the caller's address. It answers ARP, neighbour solicitations and echo requests, and comes by its
//! address through DHCPv4 or configuration; a link-local IPv6 address it always has.
//!
//! ```text
//! NIC -- frames --> PacketNic -- smoltcp --> Stack -- socketpair --> doors
//! ```
//!
//! Limits: 64 connections and 4 interfaces at a time; 512 KiB of buffers a connection; frames up to
//! 9000 bytes out, 64 KiB in (the kernel joins segments); no VLANs, no fragments, no path MTU discovery, no SLAAC.
//!
//! Principles:
//! - One thread, one loop; it never waits for a caller or a door. Whoever is slow slows only himself,
//!   through TCP's window or a full stream.
//! - State of fixed size. A socket's two buffers are the one exception: they are given back when the
//!   connection ends and take no memory until its bytes come, so an idle box pays for none of them.
//! - A link that is down, a NIC that has vanished, a kernel without room are states, not errors.
//! - Nothing here knows what travels in the streams.

mod address;
pub mod connection;
mod nic;
pub mod offload;
mod role;
mod stack;
mod sys;

pub use nic::{Counters, Link, Nic, PacketNic};
pub use role::run;
pub use stack::{CONNECTIONS, Stack};
