//! The Linux transport: SG_IO on a SCSI generic device.

mod sys;

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::transport::{Completion, Data, SENSE_LENGTH, Status, Transport, TransportError};

/// A drive behind an open SCSI generic device (`/dev/sg*`, opened for reading and writing).
///
/// Only the SG_IO ioctl is used, so the descriptor may have been opened by a more privileged process. A
/// signal whose handler was installed without `SA_RESTART` ends a wait with [`TransportError::Interrupted`].
#[derive(Debug)]
pub struct Sg {
    device: OwnedFd,
}

impl Sg {
    /// A transport over this descriptor.
    #[must_use]
    pub fn new(device: OwnedFd) -> Self {
        Self { device }
    }
}

/// Host status codes of the kernel's SCSI layer (include/scsi/scsi_status.h).
mod host_status {
    pub(super) const OK: u16 = 0x00;
    pub(super) const NO_CONNECT: u16 = 0x01;
    pub(super) const TIME_OUT: u16 = 0x03;
    pub(super) const ABORT: u16 = 0x05;
    pub(super) const RESET: u16 = 0x08;
    pub(super) const REQUEUE: u16 = 0x0D;
}

/// SG_IO reports a driver's own timeout in the low bits (DRIVER_TIMEOUT).
const DRIVER_TIMEOUT: u16 = 0x06;

impl Transport for Sg {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let mut sense = [0; SENSE_LENGTH];
        let outcome = sys::sg_io(&self.device, cdb, data, &mut sense, timeout).map_err(failure)?;
        match outcome.host_status {
            host_status::OK if outcome.driver_status & 0x0F == DRIVER_TIMEOUT => Err(TransportError::Timeout),
            host_status::OK => Ok(Completion {
                status: Status::from(outcome.status),
                sense,
                transferred: Some(outcome.transferred),
            }),
            host_status::NO_CONNECT => Err(TransportError::Gone),
            host_status::TIME_OUT => Err(TransportError::Timeout),
            host_status::ABORT | host_status::RESET | host_status::REQUEUE => Err(TransportError::Reset),
            other => Err(TransportError::Adapter(i32::from(other))),
        }
    }
}

fn failure(error: Errno) -> TransportError {
    match error {
        Errno::INTR => TransportError::Interrupted,
        Errno::NODEV | Errno::NXIO => TransportError::Gone,
        Errno::TIMEDOUT => TransportError::Timeout,
        other => TransportError::Adapter(other.raw_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Data, Duration, Errno, Sg, Transport, TransportError};

    #[test]
    fn what_is_no_scsi_device_is_told_apart() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let got = Sg::new(null.into()).execute(&[0; 6], Data::None, Duration::from_secs(1));
        assert_eq!(got, Err(TransportError::Adapter(Errno::NOTTY.raw_os_error())));
    }
}
