//! The Linux transport: SG_IO on a SCSI generic device.

mod deadline;
mod sys;

use std::os::fd::OwnedFd;
use std::time::Duration;

use deadline::{Deadline, Ended};

use rustix::io::Errno;

use crate::transport::{Completion, Data, SENSE_LENGTH, Status, Transport, TransportError};

/// A drive behind an open SCSI generic device (`/dev/sg*`, opened for reading and writing).
///
/// Only the SG_IO ioctl is used, so the descriptor may have been opened by a more privileged process. What
/// that ioctl does not end [`GRACE`] after the command's timeout is broken by a signal from a second thread
/// and reported as [`TransportError::Hung`]; the first real-time signal is taken for that. The reset that may
/// bring such a drive back (SG_SCSI_RESET) needs privileges and is left to whoever has them.
#[derive(Debug)]
pub struct Sg {
    device: OwnedFd,
    grace: Duration,
    /// `None`: the system gave no thread or signal; then the kernel's own timeouts are all there is.
    deadline: Option<Deadline>,
}

/// Time the kernel has, after a command's own timeout, for aborting it and resetting device, bus and adapter
/// (drivers/scsi/scsi_error.c: five steps of ten seconds each, some of them twice).
pub const GRACE: Duration = Duration::from_secs(120);

impl Sg {
    /// A transport over this descriptor.
    #[must_use]
    pub fn new(device: OwnedFd) -> Self {
        Self::with_grace(device, GRACE)
    }

    /// The same with another time than [`GRACE`].
    #[must_use]
    pub fn with_grace(device: OwnedFd, grace: Duration) -> Self {
        Self {
            device,
            grace,
            deadline: Deadline::start(),
        }
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
        let device = &self.device;
        let call = || sys::sg_io(device, cdb, data, &mut sense, timeout);
        let ended = match &self.deadline {
            Some(deadline) => deadline.run(timeout.saturating_add(self.grace), call),
            None => Ended {
                result: call(),
                broken: false,
            },
        };
        let outcome = match ended.result {
            Err(Errno::INTR) if ended.broken => return Err(TransportError::Hung),
            result => result.map_err(failure)?,
        };
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
