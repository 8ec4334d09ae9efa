//! Staging, catalog, jobs, drives: what must never be lost.
//!
//! The vault is the only writer of the data partition and the only user of drives. A door opens a
//! session per client and speaks wire messages on it; bulk data goes through descriptors that the vault
//! passes, never through a message.
//!
//! Threads: one a session, one a drive, one for each job a session follows. No session waits for another
//! session's disk or drive: what a drive does now is told from what it last said.
//!
//! Principles:
//! - Acknowledged means synced: files by syncfs, then one catalog commit, then the reply. The power may
//!   fail between any two lines; what is found half done at the next start is undone or marked.
//! - Archived is said only of a tree on as many discs as its policy asks for, each closed and read back past every
//!   cache with equal digests.
//! - What a restart interrupts is taken up where the disc really ends, or said to be interrupted.
//! - Frozen means frozen: a tree moves out of reach before it is burned, no writer may be left, and each
//!   file's digest in the burn pass must be the one taken when it was received.
//! - A burn outranks everything: it needs neither the session that asked for it, nor doors, nor net.
//! - Bytes from discs are hashed or handed to a reader, never parsed here.
//!
//! Limits now: one put at a time (the session that changes something holds the box), 250,000 entries a tree, 64 jobs
//! that wait or work, 16 discs an order, events kept up to 10,000.

mod access;
mod catalog;
mod clock;
mod data;
mod drives;
mod errors;
mod hold;
mod jobs;
mod readers;
mod role;
mod session;
mod shared;
mod staging;
mod sync;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use seam::{Channel, OpenSession};

pub use access::{Network, NotANetwork};
pub use role::run;

/// What only init, or a host's program, can do for the vault.
pub trait Services: Send + Sync {
    /// Starts a reader with the reader's ends of its two channels, as [`seam::reader`] describes them.
    fn start_reader(&self, requests: Channel, blocks: Channel) -> io::Result<()>;
    /// Sets the clock; an error leaves it as it is.
    fn set_clock(&self, to: wire::Time) -> io::Result<()>;
    /// Stops everything in order and switches off; called once no job runs.
    fn power_off(&self);
}

/// What a vault is started with.
#[derive(Debug)]
pub struct Config {
    /// The box's name.
    pub name: String,
    /// The firmware's version.
    pub firmware: String,
    /// The data partition's directory, or why there is none yet.
    pub data: Result<OwnedFd, String>,
    /// When the firmware was built, in seconds since 1970: no moment before it can be now.
    pub build_floor: i64,
}

/// The vault; clones are handles on the same.
#[derive(Clone)]
pub struct Vault(Arc<shared::Shared>);

impl Vault {
    /// Opens the data partition, recovers what the last end of power left undone, and takes sessions from
    /// then on. Without a usable data partition it still serves drives and says why in its status.
    pub fn open(config: Config, services: Arc<dyn Services>) -> Self {
        let shared = shared::Shared::new(config.name, config.firmware, config.build_floor, services);
        let vault = Self(Arc::new(shared));
        match config.data {
            Ok(directory) => vault.set_data(directory),
            Err(why) => vault.0.lack_data(why),
        }
        vault
    }

    /// Takes the data partition's directory, when it was not there at the start.
    pub fn set_data(&self, directory: OwnedFd) {
        self.0.set_data(directory);
    }

    /// Takes note that there is no data partition, and why.
    pub fn set_no_data(&self, why: String) {
        self.0.set_no_data(why);
    }

    /// Takes the networks whose clients may speak in the clear, in any role; none until then.
    pub fn allow_clear(&self, networks: Vec<Network>) {
        self.0.access.allow_clear(networks);
    }

    /// Makes a code with which one workstation may be paired within five minutes, as what a person at the box itself
    /// asks for; eight digits, or why there is none.
    pub fn begin_pairing(&self) -> Result<String, String> {
        self.0.data().map_err(|refusal| refusal.to_string())?;
        let made = self
            .0
            .access
            .begin_pairing(wire::Role::Operator, String::from("paired at the box"));
        let (code, _) = made.map_err(|refusal| refusal.to_string())?;
        Ok(String::from_utf8_lossy(&code).into())
    }

    /// Takes a drive under the kernel's name for it (`sg0`); it is identified in the background. A drive of
    /// that name that was there before is let go.
    pub fn attach_drive(&self, name: String, transport: Box<dyn mmc::Transport + Send>) {
        drives::attach(&self.0, name, transport);
    }

    /// Lets a drive go; a job on it fails with the drive's next command.
    pub fn detach_drive(&self, name: &str) {
        self.0.drives.detach(name);
    }

    /// Serves a session on its own thread until the door closes the channel.
    pub fn open_session(&self, opened: OpenSession, channel: Channel) {
        session::open(&self.0, &opened, channel);
    }

    /// Passes only when no part of the vault is stuck: the proof behind a sign of life.
    pub fn pulse(&self) {
        self.0.pulse();
    }

    /// Lets running jobs finish, closes all sessions and the catalog; jobs that wait are interrupted.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }
}
