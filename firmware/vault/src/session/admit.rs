//! Who the caller is, and whom else the box shall know.

use seam::ChannelError;
use seam::session::{self, Caller};
use wire::{
    Allow, Failure, Hello, PairBegin, PairCode, Reply, Revoke, Role, Time, VERSION, Welcome, Workstation,
    Workstations,
};

use super::Session;
use crate::access::{Standing, TRIES};
use crate::catalog::{EventRecord, WorkstationRecord};
use crate::errors::{self, Refusal};

/// Bytes of a workstation's name.
const NAME_MAX: usize = 64;

impl Session {
    /// The door shook hands: from now on the caller is who it proved to be.
    pub(super) fn meet(&mut self, caller: Caller) {
        let judged = match self.shared.data() {
            Ok(data) => self.shared.access.judge(&data, &caller),
            Err(refusal) => Err(refusal),
        };
        if let (true, Ok(standing)) = (caller.paired, &judged) {
            let who = format!("{} ({})", errors::key(&caller.key), self.who);
            self.note(format!("paired with the workstation {who}, as {}", standing.role));
        }
        if judged.is_ok() {
            self.shared.known_as(self.number, caller.key);
        }
        self.standing = Some(judged);
    }

    /// The code, for one try.
    pub(super) fn tell_code(&self) -> Result<(), ChannelError> {
        let code = self.shared.access.code();
        self.note(format!(
            "{} tries to pair{}",
            self.who,
            if code.is_some() {
                ""
            } else {
                ", but nobody may now"
            }
        ));
        session::send_code(&self.channel, code)
    }

    fn note(&self, what: String) {
        self.shared.event(&EventRecord::note("access", what));
    }

    pub(super) fn greet(&mut self, id: u32, hello: &Hello) -> Result<(), ChannelError> {
        let role = match self.role_for(hello) {
            Ok(role) => role,
            Err(refusal) => return self.reply(id, Reply::Failure(refusal.into())),
        };
        self.role = Some(role);
        let program: String = hello
            .program
            .chars()
            .filter(|c| !c.is_control())
            .take(64)
            .collect();
        self.who = format!("{program}, {}", self.who);
        let by = format!("session {} ({})", self.number, self.who);
        let (utc_before, utc) = self.shared.meet_clock(hello.utc, role == Role::Admin, &by);
        let welcome = Welcome {
            session: self.number,
            role: role.number(),
            utc_before,
            utc,
        };
        self.reply(id, Reply::Welcome(welcome))
    }

    /// The role asked for, or the highest the caller may have if that is lower.
    fn role_for(&mut self, hello: &Hello) -> Result<Role, Refusal> {
        if self.role.is_some() {
            return Err(Refusal::OutOfOrder("a hello comes once"));
        }
        if hello.version != VERSION {
            return Err(Refusal::BadVersion(hello.version));
        }
        let asked = Role::from_number(hello.role).ok_or(Refusal::UnknownRole(hello.role))?;
        match self.standing.take() {
            Some(judged) => {
                let Standing { role: highest } = judged?;
                let low = highest.number() < asked.number();
                Ok(if low { highest } else { asked })
            }
            None if self.shared.access.may_speak_clear(self.peer) => Ok(asked),
            None => Err(Refusal::KeyNeeded),
        }
    }

    pub(super) fn workstations(&self) -> Result<Reply, Failure> {
        let known = self.shared.data()?.catalog.workstations()?;
        let workstations = known.into_iter().map(|(key, known)| Workstation {
            key,
            name: known.name,
            role: known.role,
            since: Time {
                seconds: known.since,
                nanoseconds: 0,
            },
        });
        Ok(Reply::Workstations(Workstations {
            workstations: workstations.collect(),
        }))
    }

    pub(super) fn begin_pairing(&self, begin: PairBegin) -> Result<Reply, Failure> {
        let role = Role::from_number(begin.role).ok_or(Refusal::UnknownRole(begin.role))?;
        self.shared.data()?; // without it there is no place to keep the key
        let (code, time) = self.shared.access.begin_pairing(role, name(&begin.name))?;
        self.note(format!("{} made a code for pairing", self.who));
        Ok(Reply::PairCode(PairCode {
            code: String::from_utf8_lossy(&code).into(),
            seconds: u32::try_from(time.as_secs()).unwrap_or(u32::MAX),
            tries: TRIES,
        }))
    }

    pub(super) fn allow(&self, allow: &Allow) -> Result<Reply, Failure> {
        let role = Role::from_number(allow.role).ok_or(Refusal::UnknownRole(allow.role))?;
        let data = self.shared.data()?;
        let record = WorkstationRecord {
            name: name(&allow.name),
            role: role.number(),
            since: crate::clock::now().seconds,
        };
        if !data.catalog.admit_workstation(allow.key, &record)? {
            return Err(Refusal::TooManyWorkstations.into());
        }
        let key = errors::key(&allow.key);
        self.note(format!("{} took in the workstation {key}, as {role}", self.who));
        Ok(Reply::Done(()))
    }

    pub(super) fn revoke(&self, revoke: Revoke) -> Result<Reply, Failure> {
        let key = errors::key(&revoke.key);
        if !self.shared.data()?.catalog.revoke_workstation(revoke.key)? {
            return Err(Refusal::NotFound(format!("workstation {key}")).into());
        }
        self.note(format!("{} revoked the workstation {key}", self.who));
        self.shared.end_sessions_of(revoke.key, self.number);
        Ok(Reply::Done(()))
    }
}

/// A name as it is kept: without control characters, not too long.
fn name(asked: &str) -> String {
    let mut name: String = asked.chars().filter(|c| !c.is_control()).collect();
    name.truncate(name.floor_char_boundary(NAME_MAX));
    name
}
