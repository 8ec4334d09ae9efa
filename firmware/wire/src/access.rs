//! Access area: which workstations the box knows, and how it comes to know more.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::Time;

/// A workstation whose key the box knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workstation {
    /// Its public key, X25519.
    pub key: [u8; 32],
    /// What it is called, at most 64 bytes.
    pub name: String,
    /// The highest [`Role`](crate::Role) it may have.
    pub role: u16,
    /// When its key was taken.
    pub since: Time,
}

/// Every workstation the box knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workstations {
    /// In the order of their keys.
    pub workstations: Vec<Workstation>,
}

/// Lets one further workstation pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairBegin {
    /// The highest [`Role`](crate::Role) it will have; the first one a box takes is an admin whatever is said.
    pub role: u16,
    /// What it will be called, at most 64 bytes.
    pub name: String,
}

/// The code to carry to the workstation. A further one voids it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCode {
    /// Eight digits.
    pub code: String,
    /// Seconds it is good for.
    pub seconds: u32,
    /// How often it may be tried.
    pub tries: u8,
}

/// Takes in a workstation whose key is known already, or changes its role or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// Its public key, X25519.
    pub key: [u8; 32],
    /// The highest [`Role`](crate::Role) it may have.
    pub role: u16,
    /// What it is called, at most 64 bytes.
    pub name: String,
}

/// Forgets a workstation; sessions it has now are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// Its public key, X25519.
    pub key: [u8; 32],
}
