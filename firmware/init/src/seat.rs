//! A role's place: the process in it, or when the next one comes.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use seam::{Channel, ChannelError, Descriptors, FromInit, Role, ToInit};

use crate::backoff::Backoff;
use crate::process::Process;

/// Messages that may wait for a role that does not take them.
const OUTBOX_MAX: usize = 64;

/// One of the roles that always run.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) role: Role,
    pub(crate) backoff: Backoff,
    pub(crate) state: State,
}

/// Who is in it.
#[derive(Debug)]
pub(crate) enum State {
    /// Nobody; started at this moment, if ever.
    Empty(Option<Instant>),
    /// This one.
    Taken(Box<Occupant>),
}

/// A running role and the channel to it.
#[derive(Debug)]
pub(crate) struct Occupant {
    pub(crate) process: Process,
    pub(crate) ready: bool,
    control: Option<Channel>,
    outbox: VecDeque<(FromInit, Option<OwnedFd>)>,
    counter: Option<u64>,
    moved: Instant,
    left: Option<Instant>,
}

impl Seat {
    pub(crate) fn occupant(&self) -> Option<&Occupant> {
        match &self.state {
            State::Taken(occupant) => Some(occupant),
            State::Empty(_) => None,
        }
    }

    pub(crate) fn occupant_mut(&mut self) -> Option<&mut Occupant> {
        match &mut self.state {
            State::Taken(occupant) => Some(occupant),
            State::Empty(_) => None,
        }
    }
}

impl Occupant {
    pub(crate) fn new(process: Process, control: Channel) -> Self {
        Self {
            moved: process.since,
            process,
            ready: false,
            control: Some(control),
            outbox: VecDeque::new(),
            counter: None,
            left: None,
        }
    }

    pub(crate) fn control(&self) -> Option<&Channel> {
        self.control.as_ref()
    }

    /// Sends a message, now or when the role takes it.
    pub(crate) fn tell(&mut self, message: FromInit, descriptor: Option<OwnedFd>) {
        self.outbox.push_back((message, descriptor));
        self.flush();
        if self.outbox.len() > OUTBOX_MAX {
            self.process.kill("it does not take its messages");
        }
    }

    /// Whether messages wait.
    pub(crate) fn is_behind(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sends what waits, as far as the role takes it.
    pub(crate) fn flush(&mut self) {
        let Some(control) = &self.control else {
            self.outbox.clear();
            return;
        };
        while let Some((message, descriptor)) = self.outbox.front() {
            let descriptor = descriptor.as_ref().map(AsFd::as_fd);
            if let Err(ChannelError::Full) = control.try_send(message, descriptor.as_slice()) {
                return;
            }
            // Sent, or the role is gone: whoever comes after it is told everything anyway.
            self.outbox.pop_front();
        }
    }

    /// The next message, if there is one; a role that talks nonsense is killed.
    pub(crate) fn hear(&mut self) -> Option<(ToInit, Descriptors)> {
        match self.control.as_ref()?.receive_within(Duration::ZERO) {
            Ok((message, descriptors)) => {
                if let ToInit::Heartbeat(counter) = message
                    && self.counter.replace(counter) != Some(counter)
                {
                    self.moved = Instant::now();
                }
                return Some((message, descriptors));
            }
            Err(ChannelError::TimedOut) => {}
            Err(ChannelError::Closed) => {
                // On its way out, most likely: its exit code says more than a kill.
                self.control = None;
                self.left = Some(Instant::now());
            }
            Err(error) => {
                self.control = None;
                self.process.kill(format!("its channel to init failed ({error})"));
            }
        }
        None
    }

    /// When to kill it, unless its progress counter moves.
    pub(crate) fn judgement(&self, silence: Duration, obey: Duration) -> Option<Instant> {
        let killed = self.process.killed_for.is_some();
        (!killed).then(|| self.left.map_or(self.moved + silence, |left| left + obey))
    }

    /// Kills it.
    pub(crate) fn condemn(&mut self, silence: Duration) {
        self.process.kill(match self.left {
            Some(_) => "it closed its channel to init".to_owned(),
            None => format!("it made no progress for {:.1} s", silence.as_secs_f64()),
        });
    }
}
