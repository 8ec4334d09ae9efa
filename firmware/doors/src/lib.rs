//! Every way into the box: now the control protocol's door.
//!
//! A door turns a byte stream into a session with the vault: it decodes and judges what a client sends,
//! forwards requests, and copies bulk data between the stream and descriptors the vault passes. It
//! stores nothing and decides nothing about data or drives.
//!
//! Two threads a connection, each with a small stack: one reads what the client sends, one passes on
//! what the vault says. A get is copied by the second, so other replies of the same connection wait for
//! it; a client that wants both opens two connections.
//!
//! Limits, all in [`Limits`]: connections at once, how long a client may be silent before its hello,
//! may take for a frame it began, and may leave what is sent to it lying. An idle connection is no
//! fault: that its other end is gone is found out by the network stack's keep-alive.
//!
//! Principles:
//! - Servers are generic over [`embedded_io`] halves: the same code runs on a socketpair, a kernel
//!   socket, and a buffer in a test or fuzzer.
//! - No byte of a client can panic a door; what goes wrong in one connection ends at most that one.
//! - Every refusal is a [`wire::Failure`] the client can show, sent before anything is closed.

mod admission;
pub mod control;
mod role;
mod stream;

pub use admission::{Doors, Limits, Sessions};
pub use role::run;
pub use stream::{Half, ReadHalf, ReadSocket, WriteSocket, split};
