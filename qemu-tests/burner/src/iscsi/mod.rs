//! The iSCSI target (RFC 7143): one portal, any number of drives.
//!
//! Each drive is LUN 0 of a target of its own. A connection has two threads: one receives, and so answers
//! NOPs and aborts at any time; the other executes commands in the order they came.
//! Error recovery level 0, no authentication, no digests.

mod login;
mod pdu;
mod session;
mod target;
mod task;

pub use target::Target;
