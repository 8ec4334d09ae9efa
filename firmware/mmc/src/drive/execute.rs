//! Sending commands: once, or until they succeed or patience ends.

use core::time::Duration;

use super::Drive;
use crate::bytes::TooShort;
use crate::command::{Command, Query, RequestSense, StartStop, TestUnitReady, Tray};
use crate::error::Error;
use crate::event::Event;
use crate::sense::{Reaction, Sense};
use crate::timeout::Patience;
use crate::transport::{Data, Host, Status, Transport, TransportError};

/// How a command sent once failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// CHECK CONDITION.
    Sense(Sense),
    /// The drive cannot take a command now.
    Busy,
    /// A status no drive should send.
    Status(u8),
    /// Nobody knows what became of it.
    Transport(TransportError),
}

impl Fault {
    /// The error to report when nothing more can be done.
    pub(crate) fn into_error(self, command: &'static str) -> Error {
        match self {
            Self::Sense(sense) if sense.is_no_medium() => Error::NoDisc,
            Self::Sense(sense) => Error::Refused { command, sense },
            Self::Busy => Error::Status {
                command,
                status: 0x08,
            },
            Self::Status(status) => Error::Status { command, status },
            Self::Transport(error) => Error::Transport { command, error },
        }
    }

    /// What the drive said, if it said anything.
    pub(crate) fn sense(&self) -> Option<Sense> {
        match self {
            Self::Sense(sense) => Some(*sense),
            _ => None,
        }
    }

    pub(crate) fn reaction(&self) -> Reaction {
        match self {
            Self::Sense(sense) => sense.reaction(),
            Self::Busy => Reaction::Wait,
            Self::Transport(TransportError::Reset) => Reaction::Retry,
            Self::Status(_) | Self::Transport(_) => Reaction::Stop,
        }
    }
}

/// Unit attentions queue up (reset, new medium, parameters changed), so a few in a row are normal.
const RETRIES: u8 = 8;

/// The pauses between polls: short at first, since most waits are short.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The same while data flows: a buffer of 4 MB drains in 55 ms at 16x BD speed and must not run dry
/// meanwhile.
const FIRST_FLOWING_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_FLOWING_PAUSE: Duration = Duration::from_millis(10);

/// Time between two reports of waiting for the same thing.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The repetitions of one command: how many, for how long, how far apart.
pub(crate) struct Attempts {
    command: &'static str,
    started: Duration,
    patience: Duration,
    pause: Duration,
    longest_pause: Duration,
    next_report: Duration,
    retries: u8,
}

impl Attempts {
    pub(crate) fn new(command: &'static str, patience: Duration, host: &impl Host) -> Self {
        let started = host.now();
        let (pause, longest_pause) = (FIRST_PAUSE, LONGEST_PAUSE);
        Self {
            command,
            started,
            patience,
            pause,
            longest_pause,
            next_report: started,
            retries: 0,
        }
    }

    /// For commands of a data stream: polls quickly, and reports only waits that are out of the ordinary.
    pub(crate) fn flowing(command: &'static str, patience: Duration, host: &impl Host) -> Self {
        let next_report = host.now() + REPORT_INTERVAL;
        let (pause, longest_pause) = (FIRST_FLOWING_PAUSE, LONGEST_FLOWING_PAUSE);
        Self {
            pause,
            longest_pause,
            next_report,
            ..Self::new(command, patience, host)
        }
    }

    /// Waits before the next poll of a busy drive.
    pub(crate) fn wait(&mut self, progress: Option<u16>, host: &mut impl Host) -> Result<(), Error> {
        let now = host.now();
        let waited = now.saturating_sub(self.started);
        if waited >= self.patience {
            return Err(Error::StillBusy {
                command: self.command,
                waited,
            });
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            host.event(Event::Waiting {
                reason: self.command,
                progress,
            });
        }
        self.pause(host);
        Ok(())
    }

    fn pause(&mut self, host: &mut impl Host) {
        host.pause(self.pause);
        self.pause = (self.pause * 2).min(self.longest_pause);
    }

    /// Counts a repetition; gives up with `fault` after too many.
    pub(crate) fn retry(&mut self, fault: Fault, host: &mut impl Host) -> Result<(), Error> {
        if self.retries >= RETRIES {
            return Err(fault.into_error(self.command));
        }
        self.retries += 1;
        host.event(Event::Retry {
            command: self.command,
            sense: fault.sense(),
        });
        if !fault.sense().is_some_and(|sense| sense.is_unit_attention()) {
            self.pause(host);
        }
        Ok(())
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Sends a command once. Remarks (RECOVERED ERROR) are success; changes of the medium are noted.
    pub(crate) fn issue<C: Command>(
        &mut self,
        command: &C,
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<(), Fault> {
        if self.hung {
            return Err(Fault::Transport(TransportError::Hung));
        }
        let completion = self
            .transport
            .execute(command.cdb().as_bytes(), data, timeout)
            .map_err(|error| {
                self.hung = error == TransportError::Hung;
                Fault::Transport(error)
            })?;
        match completion.status {
            Status::Good => Ok(()),
            Status::Busy => Err(Fault::Busy),
            Status::Other(status) => Err(Fault::Status(status)),
            Status::CheckCondition => {
                let sense = Sense::decode(&completion.sense).unwrap_or_default();
                if sense.is_reset() {
                    self.resets = self.resets.wrapping_add(1);
                }
                if sense.is_medium_change() {
                    self.generation = self.generation.wrapping_add(1);
                }
                if sense.is_remark() {
                    self.host.event(Event::Remark {
                        command: C::NAME,
                        sense,
                    });
                    return Ok(());
                }
                Err(Fault::Sense(sense))
            }
        }
    }

    /// Sends a command until it succeeds: waits while the drive is busy, repeats after attentions.
    pub(crate) fn run<C: Command>(&mut self, command: &C, data: Data<'_>) -> Result<(), Error> {
        self.run_for(command, data, self.patience(command.cdb().operation_code()))
    }

    /// [`Self::run`] with a patience of its own.
    pub(crate) fn run_for<C: Command>(
        &mut self,
        command: &C,
        mut data: Data<'_>,
        patience: Patience,
    ) -> Result<(), Error> {
        let mut attempts = Attempts::new(C::NAME, patience.completion, &self.host);
        loop {
            let lent = match &mut data {
                Data::None => Data::None,
                Data::In(buffer) => Data::In(buffer),
                Data::Out(bytes) => Data::Out(bytes),
            };
            let Err(fault) = self.issue(command, lent, patience.answer) else {
                return Ok(());
            };
            if fault.sense().is_some_and(|sense| sense.needs_start()) {
                attempts.retry(fault, &mut self.host)?;
                self.start()?;
                continue;
            }
            match fault.reaction() {
                Reaction::Wait => {
                    attempts.wait(fault.sense().and_then(|sense| sense.progress), &mut self.host)?;
                }
                Reaction::Retry => attempts.retry(fault, &mut self.host)?,
                Reaction::Degrade | Reaction::Stop => return Err(fault.into_error(C::NAME)),
            }
        }
    }

    /// Asks for data: the answer lands in `buffer`, cleared before, and is viewed through the command's
    /// response.
    pub(crate) fn query<'b, C: Query>(
        &mut self,
        command: &C,
        buffer: &'b mut [u8],
    ) -> Result<C::Response<'b>, Error> {
        let malformed = |error| Error::Malformed {
            command: C::NAME,
            error,
        };
        let got = buffer.len();
        let needed = command.allocation();
        let answer = buffer
            .get_mut(..needed)
            .ok_or_else(|| malformed(TooShort { needed, got }))?;
        answer.fill(0);
        self.run(command, Data::In(answer))?;
        C::response(answer).map_err(malformed)
    }

    /// Waits until the drive has ended what `reason` started, and its disc can be used.
    pub(crate) fn wait_ready(&mut self, reason: &'static str, patience: Duration) -> Result<(), Error> {
        let answer = self.patience(TestUnitReady.cdb().operation_code()).answer;
        let mut attempts = Attempts::new(reason, patience, &self.host);
        loop {
            let Err(fault) = self.issue(&TestUnitReady, Data::None, answer) else {
                return Ok(());
            };
            if fault.sense().is_some_and(|sense| sense.needs_start()) {
                attempts.retry(fault, &mut self.host)?;
                self.start()?;
                continue;
            }
            match fault.reaction() {
                Reaction::Wait => {
                    let progress = fault
                        .sense()
                        .and_then(|sense| sense.progress)
                        .or_else(|| self.progress());
                    attempts.wait(progress, &mut self.host)?;
                }
                Reaction::Retry => attempts.retry(fault, &mut self.host)?,
                Reaction::Degrade | Reaction::Stop => return Err(fault.into_error(reason)),
            }
        }
    }

    /// How far a long operation has come. Some drives tell it only here, not with TEST UNIT READY.
    pub(crate) fn progress(&mut self) -> Option<u16> {
        let mut answer = [0; 18];
        let timeout = self.patience(RequestSense.cdb().operation_code()).answer;
        self.issue(&RequestSense, Data::In(&mut answer), timeout).ok()?;
        RequestSense::response(&answer).ok()?.0.progress
    }

    /// Spins the disc up. Not through [`Self::run`], which itself starts discs.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        let command = StartStop {
            action: Tray::Start,
            immediate: !self.quirks.synchronous_start,
        };
        let timeout = self.patience(command.cdb().operation_code()).answer;
        let mut attempts = Attempts::new(StartStop::NAME, timeout, &self.host);
        loop {
            let Err(fault) = self.issue(&command, Data::None, timeout) else {
                return Ok(());
            };
            match fault.reaction() {
                Reaction::Wait => attempts.wait(None, &mut self.host)?,
                Reaction::Retry => attempts.retry(fault, &mut self.host)?,
                Reaction::Degrade | Reaction::Stop => return Err(fault.into_error(StartStop::NAME)),
            }
        }
    }

    /// Runs a command that may go on working behind its answer, and waits for the end of that work. Drives
    /// that refuse Immed get the command again without it.
    pub(crate) fn run_long<C: Command>(
        &mut self,
        make: impl Fn(bool) -> C,
        immediate: bool,
    ) -> Result<(), Error> {
        let patience = self.patience(make(false).cdb().operation_code());
        let whole = Patience {
            answer: patience.completion,
            ..patience
        };
        let started = if immediate {
            self.run_for(&make(true), Data::None, patience)
        } else {
            self.run_for(&make(false), Data::None, whole)
        };
        match started {
            Err(Error::Refused { sense, .. }) if immediate && sense.is_unsupported() => {
                self.run_for(&make(false), Data::None, whole)?;
            }
            other => other?,
        }
        self.wait_ready(C::NAME, patience.completion)
    }
}
