//! What init and the roles say to each other, and how connections reach the vault.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The roles init runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The network stack.
    Net,
    /// Every way in.
    Doors,
    /// Staging, catalog, jobs, drives.
    Vault,
    /// Parses one disc; started on the vault's request.
    Reader,
}

impl Role {
    /// The name: the argument that selects it, and its tag in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Net => "net",
            Role::Doors => "doors",
            Role::Vault => "vault",
            Role::Reader => "reader",
        }
    }
}

/// What a role tells or asks of init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToInit {
    /// The role's progress counter; a role that sends none for long is restarted.
    Heartbeat(u64),
    /// The role does its work now.
    Ready,
    /// Net: the address it uses now; `None` when it has none.
    Address(Option<IpAddr>),
    /// Vault: start a reader with these descriptors: request channel, block channel.
    StartReader,
    /// Vault: set the clock (seconds, nanoseconds since 1970).
    SetClock(i64, u32),
    /// Vault: stop everything in order and switch off.
    PowerOff,
    /// Vault: stop everything in order and start again.
    Reboot,
}

/// What init tells a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// Net: a network interface, with its packet socket: bound, PACKET_VNET_HDR on, link raised.
    Interface(Interface),
    /// Net: the interface of this index is gone.
    InterfaceGone(u32),
    /// Net: how to come by an address.
    Network(Network),
    /// Vault: the networks, as address and bits, whose clients may speak in the clear.
    Clear(Vec<(IpAddr, u8)>),
    /// Vault: a person at the console wants to pair a workstation.
    Pair,
    /// Vault: the data partition's mounted directory.
    Data,
    /// Vault: there is no data partition, for this reason.
    NoData(String),
    /// Vault: a drive, named as the kernel does (`sg0`), with its SCSI generic descriptor, O_RDWR.
    Drive(String),
    /// Vault: the drive of this name is gone.
    DriveGone(String),
    /// Finish or checkpoint, then exit.
    Stop,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's index.
    pub index: u32,
    /// Its Ethernet address.
    pub address: [u8; 6],
    /// Largest IP packet in bytes.
    pub mtu: u32,
}

/// How the box comes by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// DHCPv4.
    Dynamic,
    /// Given in the configuration.
    Static {
        /// The box's address.
        address: IpAddr,
        /// Bits of the network.
        prefix: u8,
        /// The router, if any.
        gateway: Option<IpAddr>,
    },
}

/// A TCP connection that net accepted; comes with the stream's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    /// The port of the box it came to.
    pub port: u16,
}

/// A door admits a caller; comes with the vault's end of the session's channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The other end, `None` for the console.
    pub peer: Option<SocketAddr>,
    /// The door it came through: `control`, `console`.
    pub door: String,
}
