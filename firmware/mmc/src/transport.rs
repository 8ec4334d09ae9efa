//! How commands reach a drive, and what the driver needs of its host.

use core::time::Duration;

use crate::event::Event;

/// Bytes of sense data kept: what SPC-4 4.5 allows at most is 252, no drive's useful part exceeds 64.
pub const SENSE_LENGTH: usize = 64;

/// The data phase of a command, seen from the host.
#[derive(Debug)]
pub enum Data<'a> {
    /// No data phase.
    None,
    /// The drive fills this buffer, wholly or in part.
    In(&'a mut [u8]),
    /// The drive takes these bytes.
    Out(&'a [u8]),
}

/// SAM-5 5.3.1: the status byte that ends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 00h: done.
    Good,
    /// 02h: not done, or done with remarks; the sense data says which.
    CheckCondition,
    /// 08h or 28h: the drive cannot take a command now.
    Busy,
    /// Any other status, as its number.
    Other(u8),
}

impl From<u8> for Status {
    fn from(byte: u8) -> Self {
        match byte {
            0x00 => Self::Good,
            0x02 => Self::CheckCondition,
            0x08 | 0x28 => Self::Busy,
            other => Self::Other(other),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// The status byte.
    pub status: Status,
    /// Sense data as received, zeroes after its end; all zeroes when there was none.
    pub sense: [u8; SENSE_LENGTH],
    /// Bytes the transport believes were moved. Informative only: emulations report a residual of zero for
    /// short replies, so this driver trusts the lengths inside responses instead.
    pub transferred: Option<usize>,
}

impl Completion {
    /// A command that ended well.
    pub const GOOD: Self = Self {
        status: Status::Good,
        sense: [0; SENSE_LENGTH],
        transferred: None,
    };

    /// A CHECK CONDITION with this sense data; what exceeds [`SENSE_LENGTH`] is dropped.
    #[must_use]
    pub fn check_condition(sense: &[u8]) -> Self {
        let mut kept = [0; SENSE_LENGTH];
        for (to, from) in kept.iter_mut().zip(sense) {
            *to = *from;
        }
        Self {
            status: Status::CheckCondition,
            sense: kept,
            transferred: None,
        }
    }
}

/// The command's end is not known: it may have been executed, wholly, partly or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// the drive did not answer in time
    Timeout,
    /// the wait for the drive was interrupted
    Interrupted,
    /// the drive hangs: neither it nor its adapter ended the command long after its time
    Hung,
    /// the bus was reset or the command aborted while it ran
    Reset,
    /// the drive has disappeared from the bus
    Gone,
    /// the host adapter refused the command or failed it (code {0})
    Adapter(i32),
}

/// A way to a drive: carries one command at a time and reports how it ended.
pub trait Transport {
    /// Sends `cdb` (6, 10, 12 or 16 bytes) with its data phase and waits for its end, at most `timeout`.
    ///
    /// # Errors
    /// [`TransportError`] when the end of the command could not be learnt. A command that the drive refused
    /// is no error but a [`Completion`] with its sense data.
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError>;
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        (**self).execute(cdb, data, timeout)
    }
}

#[cfg(feature = "std")]
impl<T: Transport + ?Sized> Transport for std::boxed::Box<T> {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        (**self).execute(cdb, data, timeout)
    }
}

/// What the driver needs of its surroundings: a clock, a way to pause, and an ear.
pub trait Host {
    /// Time since any fixed moment; never goes backwards.
    fn now(&self) -> Duration;
    /// Lets this much time pass.
    fn pause(&mut self, time: Duration);
    /// Hears what is going on. The default does not listen.
    fn event(&mut self, event: Event) {
        let _ = event;
    }
}

impl<H: Host + ?Sized> Host for &mut H {
    fn now(&self) -> Duration {
        (**self).now()
    }
    fn pause(&mut self, time: Duration) {
        (**self).pause(time);
    }
    fn event(&mut self, event: Event) {
        (**self).event(event);
    }
}

#[cfg(feature = "std")]
impl<H: Host + ?Sized> Host for std::boxed::Box<H> {
    fn now(&self) -> Duration {
        (**self).now()
    }
    fn pause(&mut self, time: Duration) {
        (**self).pause(time);
    }
    fn event(&mut self, event: Event) {
        (**self).event(event);
    }
}
