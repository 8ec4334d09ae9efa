//! Emulated burners with discs, and how our driver reaches one in this process.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use burner::{Disc, Drive, Profile, SharedDrive, Status, Target};
use mmc::{Completion, Data, Transport, TransportError};

/// A burner served over iSCSI on loopback, with the disc in the given folder.
#[derive(Debug)]
pub struct Burner {
    /// The drive: its front panel, its faults.
    pub drive: SharedDrive,
    target: Target,
    name: String,
}

impl Burner {
    /// A burner of that serial number, without a disc.
    pub fn empty(serial: &str) -> Result<Self> {
        let drive = SharedDrive::new(Drive::new(serial));
        let target = Target::listen("127.0.0.1:0")?;
        let name = target.add(serial, drive.clone())?;
        Ok(Self { drive, target, name })
    }

    /// A burner with a disc, made blank in `folder` unless one is there; `capacity` in blocks.
    pub fn with_disc(
        serial: &str,
        profile: &'static Profile,
        folder: &Path,
        capacity: Option<u32>,
    ) -> Result<Self> {
        let burner = Self::empty(serial)?;
        burner.insert(profile, folder, capacity)?;
        Ok(burner)
    }

    /// Puts a disc in.
    pub fn insert(&self, profile: &'static Profile, folder: &Path, capacity: Option<u32>) -> Result<()> {
        let disc = Disc::open_or_create(folder, profile, capacity)?;
        self.drive.control(|drive| drive.insert(disc));
        Ok(())
    }

    /// Where the target listens.
    pub fn address(&self) -> SocketAddr {
        self.target.addr()
    }

    /// The target's iSCSI name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The drive as a transport of our driver, in this process.
    pub fn transport(&self) -> InProcess {
        InProcess(self.drive.clone())
    }
}

/// Hands our driver's commands to an emulated drive in the same process.
#[derive(Clone, Debug)]
pub struct InProcess(pub SharedDrive);

impl Transport for InProcess {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, _: Duration) -> Result<Completion, TransportError> {
        let out = match &data {
            Data::Out(bytes) => bytes,
            _ => &[][..],
        };
        let response = self.0.execute(cdb, out);
        if response.lost {
            return Err(TransportError::Reset);
        }
        if let Data::In(into) = data {
            for (to, from) in into.iter_mut().zip(&response.data_in) {
                *to = *from;
            }
        }
        Ok(match (response.status, response.sense) {
            (Status::Good, _) => Completion::GOOD,
            (Status::CheckCondition, sense) => {
                Completion::check_condition(&sense.map(burner::Sense::to_bytes).unwrap_or_default())
            }
        })
    }
}
