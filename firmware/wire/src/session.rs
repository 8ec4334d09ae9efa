//! Session area: who speaks, what the box is and how it is.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::label::numbered;
use crate::{Failure, Job};

numbered! {
    /// What a connection may do; each includes all before it.
    Role {
        /// Looks, changes nothing.
        Observer = 0 "observer",
        /// Archives and retrieves its own data.
        Client = 1 "client",
        /// Handles discs and drives.
        Operator = 2 "operator",
        /// Runs the box itself.
        Admin = 3 "admin",
    }
}

/// A moment in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// The first frame of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version chosen in the answer, again, now inside whatever protects the channel.
    pub version: u16,
    /// The [`Role`] asked for.
    pub role: u16,
    /// The workstation's clock; the box sets its own by it within bounds.
    pub utc: Time,
    /// The program and its version, for the journal.
    pub program: String,
}

/// The box accepts the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Number of the session in the journal.
    pub session: u64,
    /// The [`Role`] granted.
    pub role: u16,
    /// The box's clock before it looked at the hello's.
    pub utc_before: Time,
    /// The box's clock now.
    pub utc: Time,
}

/// How the box is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The box, for ever.
    pub box_id: [u8; 16],
    /// Its name.
    pub name: String,
    /// Firmware version.
    pub firmware: String,
    /// Seconds since it was started.
    pub uptime: u64,
    /// Its clock.
    pub utc: Time,
    /// Bytes of the data partition; 0 when there is none.
    pub data_size: u64,
    /// Bytes free on the data partition.
    pub data_free: u64,
    /// Sessions open now.
    pub sessions: u32,
    /// Whether a session holds the box for changes.
    pub held: bool,
    /// Drives seen.
    pub drives: u32,
    /// Jobs queued or running.
    pub jobs: Vec<Job>,
    /// What needs somebody's attention.
    pub notices: Vec<Failure>,
}
