//! Starts the roles, restarts them, and stops them in order.
//!
//! It never waits: [`Supervisor::turn`] does what can be done now and leaves [`Event`]s; the caller
//! polls [`Supervisor::watch`] until [`Supervisor::deadline`]. It reaps every child of the process.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use seam::{Channel, ChannelError, Descriptors, FromInit, Role, ToInit};

use crate::backoff::Backoff;
use crate::death;
use crate::process::Process;
use crate::seat::{Occupant, Seat, State};
use crate::spawn::Identity;

/// Readers at a time: one for each disc in a drive, and then some.
const READERS_MAX: usize = 8;

/// Messages heard from a role in one turn: one that talks without end holds nobody up.
const MESSAGES_TURN: usize = 16;

/// How soon a message is tried again that a role did not take.
const RETRY: Duration = Duration::from_millis(100);

/// The times by which roles are judged.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Wait before the first restart.
    pub first_wait: Duration,
    /// Longest wait before a restart.
    pub most_wait: Duration,
    /// After so long a life the wait starts over.
    pub steady: Duration,
    /// A role whose progress counter stands still for so long is killed.
    pub silence: Duration,
    /// The order in which roles stop, and how long each may take.
    pub stop: [(Role, Duration); 3],
    /// How long a role may take to obey a signal.
    pub obey: Duration,
    /// Whether roles take their own identity, which only root can give them.
    pub identities: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(100),
            most_wait: Duration::from_secs(5),
            steady: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            // Doors first, so that nothing new begins; net then still carries the last answers; the vault
            // has a burn to bring to a place from where it can go on.
            stop: [
                (Role::Doors, Duration::from_secs(3)),
                (Role::Net, Duration::from_secs(3)),
                (Role::Vault, Duration::from_secs(60)),
            ],
            obey: Duration::from_secs(1),
            identities: true,
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A line for the console.
    Line(String),
    /// The role was started and knows nothing yet.
    Started(Role),
    /// All roles do their work, for the first time.
    Ready,
    /// The address net uses now.
    Address(Option<IpAddr>),
    /// The vault wants the clock set: seconds, nanoseconds since 1970.
    SetClock(i64, u32),
    /// The vault wants the box off.
    PowerOff,
    /// The vault wants the box started again.
    Reboot,
    /// All roles have stopped.
    Stopped,
}

/// Both ends of the channels between roles: whoever is started again inherits the same end.
#[derive(Debug)]
struct Links {
    connections: (Channel, Channel),
    sessions: (Channel, Channel),
}

impl Links {
    /// What a role inherits behind its channel to init, in the order of [`seam::inherited`].
    fn of(&self, role: Role) -> Vec<&Channel> {
        match role {
            Role::Net => vec![&self.connections.0],
            Role::Doors => vec![&self.connections.1, &self.sessions.0],
            Role::Vault => vec![&self.sessions.1],
            Role::Reader => vec![],
        }
    }
}

/// How far the orderly stop is with the role in front.
#[derive(Debug)]
enum Step {
    Asked,
    Terminated,
    Killed,
}

#[derive(Debug)]
struct Stopping {
    remaining: VecDeque<(Role, Duration)>,
    step: Option<(Step, Instant)>,
}

/// The roles.
#[derive(Debug)]
pub struct Supervisor {
    policy: Policy,
    links: Links,
    seats: [Seat; 3],
    readers: Vec<Process>,
    stopping: Option<Stopping>,
    told_ready: bool,
    events: VecDeque<Event>,
}

impl Supervisor {
    /// Nobody runs yet; the first turn starts everybody.
    pub fn new(policy: Policy) -> Result<Self, ChannelError> {
        let now = Instant::now();
        let seat = |role| Seat {
            role,
            backoff: Backoff::new(policy.first_wait, policy.most_wait, policy.steady),
            state: State::Empty(Some(now)),
        };
        Ok(Self {
            links: Links {
                connections: Channel::pair()?,
                sessions: Channel::pair()?,
            },
            // Net first: it has to wait for the world.
            seats: [Role::Net, Role::Doors, Role::Vault].map(seat),
            readers: Vec::new(),
            stopping: None,
            told_ready: false,
            events: VecDeque::new(),
            policy,
        })
    }

    /// Does everything that can be done now.
    pub fn turn(&mut self) {
        self.listen();
        self.reap();
        self.judge();
        self.start_due();
        self.go_on_stopping();
    }

    /// What happened since last asked.
    pub fn events(&mut self) -> impl Iterator<Item = Event> + use<> {
        std::mem::take(&mut self.events).into_iter()
    }

    /// Takes what the roles say, and forgets it: what is left to do when nothing else can be.
    pub fn drain(&mut self) {
        self.listen();
        self.events.clear();
    }

    /// Adds what wakes the supervisor.
    pub fn watch<'a>(&'a self, list: &mut Vec<PollFd<'a>>) {
        let occupants = self.seats.iter().filter_map(Seat::occupant);
        list.extend(
            occupants
                .clone()
                .filter_map(Occupant::control)
                .map(|control| PollFd::new(control, PollFlags::IN)),
        );
        list.extend(
            occupants
                .map(|occupant| &occupant.process)
                .chain(&self.readers)
                .filter_map(Process::output)
                .map(|output| PollFd::new(output, PollFlags::IN)),
        );
    }

    /// When it wants its next turn at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let seats = self.seats.iter().filter_map(|seat| match &seat.state {
            State::Empty(start) => *start,
            State::Taken(occupant) if occupant.is_behind() => Some(Instant::now() + RETRY),
            // Who stops has another deadline, below.
            State::Taken(_) if self.stopping.is_some() => None,
            State::Taken(occupant) => occupant.judgement(self.policy.silence, self.policy.obey),
        });
        let stop = self
            .stopping
            .iter()
            .filter_map(|stopping| Some(stopping.step.as_ref()?.1));
        seats.chain(stop).min()
    }

    /// Tells a role something; one that does not run is told everything when it starts.
    pub fn tell(&mut self, role: Role, message: FromInit, descriptor: Option<OwnedFd>) {
        if let Some(occupant) = self.occupant_mut(role) {
            occupant.tell(message, descriptor);
        }
    }

    /// Whether a role runs now.
    pub fn runs(&self, role: Role) -> bool {
        self.seats
            .iter()
            .any(|seat| seat.role == role && seat.occupant().is_some())
    }

    /// Begins the orderly stop; its end is [`Event::Stopped`].
    pub fn stop(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(Stopping {
                remaining: self.policy.stop.into(),
                step: None,
            });
            for seat in &mut self.seats {
                if let State::Empty(start) = &mut seat.state {
                    *start = None;
                }
            }
        }
    }

    /// The processes that run now.
    pub fn processes(&self) -> impl Iterator<Item = (Role, Pid)> {
        self.running().map(|process| (process.role, process.pid))
    }

    /// Sends a signal to a role's process or processes, and says to how many.
    pub fn signal(&self, role: Role, signal: Signal) -> usize {
        self.running()
            .filter(|process| process.role == role)
            .inspect(|process| process.signal(signal))
            .count()
    }

    fn running(&self) -> impl Iterator<Item = &Process> {
        let occupants = self.seats.iter().filter_map(Seat::occupant);
        occupants.map(|occupant| &occupant.process).chain(&self.readers)
    }

    fn occupant_mut(&mut self, role: Role) -> Option<&mut Occupant> {
        self.seats
            .iter_mut()
            .find(|seat| seat.role == role)
            .and_then(Seat::occupant_mut)
    }

    fn say(&mut self, line: String) {
        self.events.push_back(Event::Line(format!("init: {line}")));
    }

    fn listen(&mut self) {
        let mut heard = Vec::new();
        for seat in &mut self.seats {
            let role = seat.role;
            let Some(occupant) = seat.occupant_mut() else {
                continue;
            };
            occupant
                .process
                .read_output(|line| self.events.push_back(Event::Line(line)));
            let messages = std::iter::from_fn(|| occupant.hear()).take(MESSAGES_TURN);
            heard.extend(messages.map(|(message, descriptors)| (role, message, descriptors)));
            occupant.flush();
        }
        for reader in &mut self.readers {
            reader.read_output(|line| self.events.push_back(Event::Line(line)));
        }
        for (role, message, descriptors) in heard {
            self.obey(role, message, descriptors);
        }
    }

    /// A message from a role; what it may ask depends on who it is.
    fn obey(&mut self, role: Role, message: ToInit, descriptors: Descriptors) {
        match (role, message) {
            (_, ToInit::Heartbeat(_)) => {}
            (_, ToInit::Ready) => self.became_ready(role),
            (Role::Net, ToInit::Address(address)) => self.events.push_back(Event::Address(address)),
            (Role::Vault, ToInit::StartReader) => self.start_reader(&descriptors),
            (Role::Vault, ToInit::SetClock(seconds, nanoseconds)) => {
                self.events.push_back(Event::SetClock(seconds, nanoseconds));
            }
            (Role::Vault, ToInit::PowerOff) => self.events.push_back(Event::PowerOff),
            (Role::Vault, ToInit::Reboot) => self.events.push_back(Event::Reboot),
            (_, message) => self.say(format!("{} may not ask for {message:?}; ignored", role.name())),
        }
    }

    fn became_ready(&mut self, role: Role) {
        if let Some(occupant) = self.occupant_mut(role) {
            occupant.ready = true;
        }
        let all = self
            .seats
            .iter()
            .all(|seat| seat.occupant().is_some_and(|occupant| occupant.ready));
        if all && !self.told_ready {
            self.told_ready = true;
            self.events.push_back(Event::Ready);
        }
    }

    fn start_reader(&mut self, descriptors: &Descriptors) {
        // When it is refused its channels close here, and the vault sees that.
        if self.stopping.is_some() || self.readers.len() >= READERS_MAX || descriptors.len() != 2 {
            let (running, given) = (self.readers.len(), descriptors.len());
            self.say(format!(
                "no reader is started: {running} run, {given} descriptors were given"
            ));
            return;
        }
        let inherited: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let identity = self.identity(Role::Reader);
        match Process::start(Role::Reader, &inherited, identity) {
            Ok(reader) => self.readers.push(reader),
            Err(error) => self.say(format!("cannot start a reader: {error}")),
        }
    }

    fn identity(&self, role: Role) -> Option<Identity> {
        self.policy.identities.then(|| Identity::of(role))
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            self.bury(pid, status);
        }
    }

    /// A child has died: one of ours, or an orphan that came to PID 1.
    fn bury(&mut self, pid: Pid, status: WaitStatus) {
        let events = &mut self.events;
        if let Some(at) = self.readers.iter().position(|reader| reader.pid == pid) {
            let mut reader = self.readers.swap_remove(at);
            reader.finish_output(|line| events.push_back(Event::Line(line)));
            if status.exit_status() != Some(0) {
                self.say(format!("a reader {}", death::in_words(status)));
            }
            return;
        }
        let is_in = |seat: &&mut Seat| {
            seat.occupant()
                .is_some_and(|occupant| occupant.process.pid == pid)
        };
        let Some(seat) = self.seats.iter_mut().find(is_in) else {
            return;
        };
        let State::Taken(mut occupant) = std::mem::replace(&mut seat.state, State::Empty(None)) else {
            return;
        };
        occupant
            .process
            .finish_output(|line| events.push_back(Event::Line(line)));
        // Its last words count: a vault may ask for the end and leave.
        let role = seat.role;
        let last: Vec<_> = std::iter::from_fn(|| occupant.hear())
            .take(MESSAGES_TURN)
            .collect();
        let life = occupant.process.since.elapsed();
        let mut line = format!(
            "{} {} after {:.1} s",
            role.name(),
            death::in_words(status),
            life.as_secs_f64()
        );
        if let Some(why) = &occupant.process.killed_for {
            line.push_str(&format!(", because {why}"));
        }
        if self.stopping.is_none() {
            let wait = seat.backoff.died_after(life);
            seat.state = State::Empty(Some(Instant::now() + wait));
            line.push_str(&format!("; starting it again in {:.1} s", wait.as_secs_f64()));
        }
        self.say(line);
        for (message, descriptors) in last {
            self.obey(role, message, descriptors);
        }
    }

    /// Kills who stands still.
    fn judge(&mut self) {
        // A role that stops has its own deadline.
        if self.stopping.is_some() {
            return;
        }
        let (silence, obey) = (self.policy.silence, self.policy.obey);
        for occupant in self.seats.iter_mut().filter_map(Seat::occupant_mut) {
            if occupant
                .judgement(silence, obey)
                .is_some_and(|due| due <= Instant::now())
            {
                occupant.condemn(silence);
            }
        }
    }

    fn start_due(&mut self) {
        for at in 0..self.seats.len() {
            let Some(seat) = self.seats.get(at) else { return };
            if matches!(seat.state, State::Empty(Some(start)) if start <= Instant::now()) {
                let role = seat.role;
                let started = self.start(role);
                let Some(seat) = self.seats.get_mut(at) else {
                    return;
                };
                match started {
                    Ok(occupant) => {
                        seat.state = State::Taken(Box::new(occupant));
                        self.events.push_back(Event::Started(role));
                    }
                    Err(error) => {
                        let wait = seat.backoff.died_after(Duration::ZERO);
                        seat.state = State::Empty(Some(Instant::now() + wait));
                        self.say(format!(
                            "cannot start {}: {error}; trying again in {wait:?}",
                            role.name()
                        ));
                    }
                }
            }
        }
    }

    fn start(&self, role: Role) -> std::io::Result<Occupant> {
        let (ours, theirs) = Channel::pair().map_err(|error| std::io::Error::other(error.to_string()))?;
        let mut inherited = vec![theirs.as_fd()];
        inherited.extend(self.links.of(role).into_iter().map(AsFd::as_fd));
        Ok(Occupant::new(
            Process::start(role, &inherited, self.identity(role))?,
            ours,
        ))
    }

    /// One role after the other: asked, then terminated, then killed, then given up.
    fn go_on_stopping(&mut self) {
        let Some(mut stopping) = self.stopping.take() else {
            return;
        };
        while let Some((role, limit)) = stopping.remaining.front().copied() {
            let now = Instant::now();
            let obey = self.policy.obey;
            let next = match (self.occupant_mut(role), &stopping.step) {
                (None, _) => None,
                (Some(_), Some((_, until))) if now < *until => break,
                (Some(occupant), None) => {
                    occupant.tell(FromInit::Stop, None);
                    Some((Step::Asked, now + limit))
                }
                (Some(occupant), Some((Step::Asked, _))) => {
                    occupant.process.signal(Signal::TERM);
                    self.say(format!(
                        "{} did not stop within {:.1} s",
                        role.name(),
                        limit.as_secs_f64()
                    ));
                    Some((Step::Terminated, now + obey))
                }
                (Some(occupant), Some((Step::Terminated, _))) => {
                    occupant.process.kill("it did not stop");
                    Some((Step::Killed, now + obey))
                }
                (Some(_), Some((Step::Killed, _))) => {
                    self.say(format!("{} cannot be ended; going on without it", role.name()));
                    None
                }
            };
            if next.is_none() {
                stopping.remaining.pop_front();
                if stopping.remaining.is_empty() {
                    self.events.push_back(Event::Stopped);
                }
            }
            stopping.step = next;
        }
        self.stopping = Some(stopping);
    }
}
