//! What all threads of the vault share.

use std::collections::BTreeMap;
use std::ops::RangeFrom;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::Shutdown;
use seam::Channel;
use wire::Outcome;

use crate::Services;
use crate::access::Access;
use crate::catalog::{EventRecord, JobRecord, guarded};
use crate::clock::{self, Clock, Verdict};
use crate::data::Data;
use crate::drives::Drives;
use crate::errors::{self, Refusal};
use crate::hold::Hold;
use crate::jobs::{Group, Job, Jobs, Unended, record_ends};
use crate::sync::Locked;

/// How long an interrupted burn waits for its drive after a start.
const ABSENT: Duration = Duration::from_secs(60);

/// How long sessions may take to close when the vault stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// See the module.
pub(crate) struct Shared {
    pub name: String,
    pub firmware: String,
    pub services: Arc<dyn Services>,
    pub hold: Hold,
    pub drives: Drives,
    pub jobs: Jobs,
    pub access: Access,
    /// Ends of jobs that are not in the catalog yet.
    pub unended: Locked<Vec<Unended>>,
    /// Whose sessions are whose, of those that proved a key.
    callers: Locked<BTreeMap<u64, [u8; 32]>>,
    build_floor: i64,
    data: Locked<Result<Arc<Data>, String>>,
    /// Open sessions, with a handle on each one's channel.
    sessions: Locked<BTreeMap<u64, Channel>>,
    /// Those to give: the row of this start, so that nobody who comes waits for the catalog.
    session_numbers: Locked<RangeFrom<u64>>,
    anchor: Locked<Option<i64>>,
    stopping: AtomicBool,
}

impl Shared {
    pub(crate) fn new(name: String, firmware: String, build_floor: i64, services: Arc<dyn Services>) -> Self {
        Self {
            name,
            firmware,
            services,
            hold: Hold::default(),
            drives: Drives::default(),
            jobs: Jobs::default(),
            access: Access::default(),
            unended: Locked::default(),
            callers: Locked::default(),
            build_floor,
            data: Locked::new(Err("the box is still looking for it".into())),
            sessions: Locked::default(),
            session_numbers: Locked::new(1..), // until there is a catalog
            anchor: Locked::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The data partition, if there is one.
    pub(crate) fn data(&self) -> Result<Arc<Data>, Refusal> {
        self.data.lock().clone().map_err(Refusal::NoData)
    }

    pub(crate) fn set_data(self: &Arc<Self>, directory: OwnedFd) {
        match guarded(|| Data::open(directory)) {
            Ok(data) => {
                let mut anchor = self.anchor.lock();
                match *anchor {
                    Some(anchor) => data.remember_anchor(anchor), // set before there was a place to note it
                    None => *anchor = data.anchor(),
                }
                drop(anchor);
                match data.catalog.sessions() {
                    Ok(first) => *self.session_numbers.lock() = first..,
                    Err(error) => eprintln!("sessions: warning: their numbers may repeat: {error}"),
                }
                let interrupted = std::mem::take(&mut *data.interrupted.lock());
                *self.data.lock() = Ok(Arc::new(data));
                self.take_up(interrupted);
            }
            Err(refusal) => self.set_no_data(refusal.to_string()),
        }
    }

    /// Burns that a restart interrupted wait for their drives, which go on with them; those whose drives do not
    /// come are given up after a while.
    fn take_up(self: &Arc<Self>, interrupted: Vec<(u64, JobRecord)>) {
        if interrupted.is_empty() {
            return;
        }
        let mut groups: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, record) in &interrupted {
            *groups.entry(record.group).or_default() += 1;
        }
        let groups: BTreeMap<_, _> = groups
            .into_iter()
            .map(|(group, members)| (group, Group::new(group, members)))
            .collect();
        let mut jobs = Vec::new();
        for (number, record) in interrupted {
            let group = groups.get(&record.group).cloned().unwrap_or_default();
            let job = Arc::new(Job::new(number, record, group));
            job.note("the box restarted in the middle of it");
            self.jobs.add(&job);
            jobs.push(job);
        }
        for drive in self.drives.all() {
            drive.take_up(self);
        }
        let shared = Arc::downgrade(self);
        let give_up = move || {
            std::thread::sleep(ABSENT);
            let Some(shared) = shared.upgrade() else { return };
            for job in jobs.iter().filter(|job| job.take()) {
                let failure = errors::cannot_go_on(job.number, "its drive is not there");
                crate::jobs::abandon(&shared, job, Outcome::Interrupted, failure);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("absent".into()).spawn(give_up) {
            eprintln!("jobs: warning: interrupted burns wait for their drives for ever: {error}");
        }
    }

    pub(crate) fn set_no_data(&self, why: String) {
        eprintln!("data: warning: there is no usable partition; {why}");
        self.lack_data(why);
    }

    /// There is none, which is no news.
    pub(crate) fn lack_data(&self, why: String) {
        *self.data.lock() = Err(why);
    }

    /// The box's identity; all zero as long as there is no catalog to remember one.
    pub(crate) fn box_id(&self) -> [u8; 16] {
        self.data().map_or([0; 16], |data| data.catalog.box_id())
    }

    /// Adds an event to the catalog, or at least to the log.
    pub(crate) fn event(&self, event: &EventRecord) {
        match self.data() {
            Ok(data) => data.catalog.event(event),
            Err(_) => crate::catalog::log(event),
        }
    }

    /// Enters a session into the list; `None` when the vault stops.
    pub(crate) fn enter(&self, channel: Channel) -> Option<u64> {
        if self.is_stopping() {
            return None;
        }
        let mut numbers = self.session_numbers.lock();
        self.sessions.change(|sessions| {
            let number = numbers.find(|number| !sessions.contains_key(number))?;
            sessions.insert(number, channel);
            Some(number)
        })
    }

    /// The box's private key; `None` as long as there is no catalog to keep one.
    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        let data = self.data().ok()?;
        data.catalog
            .secret()
            .inspect_err(|error| eprintln!("access: error: the box's key cannot be had: {error}"))
            .ok()
    }

    /// The session's caller proved to have this key.
    pub(crate) fn known_as(&self, session: u64, key: [u8; 32]) {
        self.callers.lock().insert(session, key);
    }

    /// Ends the sessions of a key but this one.
    pub(crate) fn end_sessions_of(&self, key: [u8; 32], but: u64) {
        let callers = self.callers.lock().clone();
        let sessions = self.sessions.lock();
        for (session, _) in callers
            .iter()
            .filter(|(session, known)| **known == key && **session != but)
        {
            if let Some(channel) = sessions.get(session) {
                let _ = rustix::net::shutdown(channel, Shutdown::Both);
            }
        }
    }

    /// Takes a session out of the list.
    pub(crate) fn leave(&self, session: u64) {
        self.callers.lock().remove(&session);
        self.hold.release(session);
        self.sessions.change(|sessions| sessions.remove(&session));
    }

    pub(crate) fn session_count(&self) -> usize {
        self.sessions.lock().len()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether nobody has set the clock since the box was started.
    pub(crate) fn clock_is_unset(&self) -> bool {
        self.anchor.lock().is_none()
    }

    /// Judges a client's clock and sets the box's by it where that is right; every step is recorded.
    /// Returns the clock before and after.
    pub(crate) fn meet_clock(&self, asked: wire::Time, admin: bool, who: &str) -> (wire::Time, wire::Time) {
        let since_start = i64::try_from(clock::since_start().as_secs()).unwrap_or(i64::MAX);
        let mut anchor = self.anchor.lock();
        let before = clock::now();
        let judge = Clock {
            build_floor: self.build_floor,
            anchor: *anchor,
        };
        let verdict = judge.judge(before.seconds, since_start, asked.seconds, admin);
        if verdict == Verdict::Set
            && let Err(error) = self.services.set_clock(asked)
        {
            eprintln!("clock: warning: it cannot be set: {error}");
            return (before, before);
        }
        let after = if verdict == Verdict::Set { asked } else { before };
        // The first clock that is believed, and every one an admin brings, is the anchor; also one that
        // agreed, since somebody vouched for it then.
        let vouched = after.seconds.saturating_sub(since_start);
        let moved = anchor.is_none_or(|anchor| admin && clock::differ(anchor, vouched));
        let remember = verdict != Verdict::Refuse && moved;
        if remember {
            *anchor = Some(vouched);
        }
        drop(anchor); // nobody else waits for the catalog
        if remember && let Ok(data) = self.data() {
            data.remember_anchor(vouched);
        }
        let told = match verdict {
            Verdict::Keep => return (before, after),
            Verdict::Set => "set the clock to",
            Verdict::Refuse => "is not believed, too far off, with the clock at",
        };
        let (new, old) = (asked.seconds, before.seconds);
        self.event(&EventRecord::note(
            "clock",
            format!("{who} {told} {new}; it was {old}"),
        ));
        (before, after)
    }

    /// Takes every lock a request may wait for, and one look into the catalog.
    pub(crate) fn pulse(&self) {
        drop(self.session_numbers.lock());
        drop(self.anchor.lock());
        self.hold.is_taken();
        self.session_count();
        self.jobs.active();
        self.drives.all();
        if let Ok(data) = self.data() {
            let _ = guarded(|| data.catalog.tree(0));
        }
        record_ends(self);
    }

    pub(crate) fn shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
        self.drives.stop();
        for channel in self.sessions.lock().values() {
            let _ = rustix::net::shutdown(channel, Shutdown::Both);
        }
        drop(
            self.sessions
                .wait_while(FAREWELL, |sessions| !sessions.is_empty()),
        );
        record_ends(self);
        *self.data.lock() = Err("the box is stopping".into());
    }
}
