//! What travels between the roles of the box: messages with descriptors.
//!
//! Roles are processes that do not import each other; what one says to another is here. A [`Channel`] is
//! a SOCK_SEQPACKET socket: each message arrives whole, with the descriptors it grants.
//!
//! | channel | from | to | messages |
//! |---|---|---|---|
//! | control | every role | init | [`ToInit`] |
//! | control | init | every role | [`FromInit`] |
//! | connections | net | doors | [`Connection`] with the byte stream |
//! | sessions | doors | vault | [`OpenSession`] with the session's own channel |
//! | a session | doors, vault | each other | wire messages, see [`session`] |
//! | a disc | vault, reader | each other | [`reader`] |
//!
//! Who holds what: init opens and passes; a role inherits the descriptors named in [`inherited`] and is
//! given all others in messages. Init keeps both ends of the role-to-role channels, so that a role that
//! was restarted finds what was sent to it meanwhile.

mod channel;
pub mod inherited;
mod init;
pub mod reader;
pub mod session;

pub use channel::{Channel, ChannelError, DESCRIPTORS_MAX, Descriptors, MESSAGE_MAX};
pub use init::{Connection, FromInit, Interface, Network, OpenSession, Role, ToInit};
