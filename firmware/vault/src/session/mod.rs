//! A session: one thread that answers one client's requests, in order.

mod admit;
mod follow;
mod look;
mod order;
mod put;
mod retrieve;

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rustix::net::Shutdown;
use seam::session::{self, FromDoor, Opened};
use seam::{Channel, ChannelError, OpenSession};
use wire::{Failure, FailureCode, Reply, Request, Role};

use crate::access::Standing;
use crate::errors::Refusal;
use crate::shared::Shared;
use put::Put;

/// A session's stack: its buffers are on the heap, the catalog's tree is shallow.
const STACK: usize = 512 << 10;

/// Request id of what the box itself has to say.
const BOX: u32 = 0;

/// A session.
pub(crate) struct Session {
    shared: Arc<Shared>,
    channel: Channel,
    number: u64,
    /// The caller, for people.
    who: String,
    /// Where the caller is; `None` at the box itself.
    peer: Option<SocketAddr>,
    /// What the caller may be, once the door knows who it is.
    standing: Option<Result<Standing, Refusal>>,
    role: Option<Role>,
    put: Option<Put>,
    /// Request id of the put that failed last: what its client still sends for it is ignored.
    refused: Option<u32>,
    /// Jobs it follows.
    follows: Arc<AtomicUsize>,
}

/// Serves a session on a thread of its own.
pub(crate) fn open(shared: &Arc<Shared>, caller: &OpenSession, channel: Channel) {
    let who = match caller.peer {
        Some(peer) => format!("{} at {peer}", caller.door),
        None => caller.door.clone(),
    };
    let number = match channel.try_clone() {
        Ok(handle) => shared.enter(handle),
        Err(error) => {
            eprintln!("sessions: error: {who} is turned away: {error}");
            return;
        }
    };
    let Some(number) = number else { return };
    let session = Session {
        shared: shared.clone(),
        channel,
        number,
        who,
        peer: caller.peer,
        standing: None,
        role: None,
        put: None,
        refused: None,
        follows: Arc::default(),
    };
    let thread = std::thread::Builder::new()
        .name(format!("session {number}"))
        .stack_size(STACK);
    if let Err(error) = thread.spawn(move || session.serve()) {
        eprintln!("sessions: error: {error}; session {number} is closed"); // dropped with the closure
    }
}

/// However a session ends, what it began and did not finish is undone, and only then the box let go.
impl Drop for Session {
    fn drop(&mut self) {
        if let Some(put) = self.put.take() {
            put.undo();
        }
        // Ends the threads that follow jobs for it, and tells the door.
        let _ = rustix::net::shutdown(&self.channel, Shutdown::Both);
        self.shared.leave(self.number);
    }
}

impl Session {
    fn serve(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.converse()));
        if let Ok(Err(ChannelError::Malformed)) = ended {
            let failure = Failure::new(
                FailureCode::Malformed,
                "a request is not one this box knows",
                "the door and the vault speak differently",
                "restart the box; report it if it happens again",
            );
            let _ = self.reply(BOX, Reply::Failure(failure));
        }
    }

    fn converse(&mut self) -> Result<(), ChannelError> {
        let opened = Opened {
            session: self.number,
            box_id: self.shared.box_id(),
            name: self.shared.name.clone(),
            held: self.shared.hold.by_other_than(self.number),
            plaintext: self.shared.access.may_speak_clear(self.peer),
            secret: self.shared.secret(),
        };
        self.channel.send(&opened, &[])?;
        loop {
            match session::receive_request(&self.channel) {
                Err(ChannelError::Closed) => return Ok(()),
                Err(error) => return Err(error),
                Ok(FromDoor::Request(id, request)) => self.answer(id, request)?,
                Ok(FromDoor::Caller(caller)) => self.meet(caller),
                Ok(FromDoor::CodeWanted) => self.tell_code()?,
            }
        }
    }

    /// Whether nobody waits for an answer any more.
    fn is_closed(&self) -> bool {
        follow::is_closed(&self.channel)
    }

    fn reply(&self, id: u32, reply: Reply) -> Result<(), ChannelError> {
        session::send_reply(&self.channel, id, &reply, None, true)
    }

    fn reply_with(&self, id: u32, reply: Reply, descriptor: BorrowedFd<'_>) -> Result<(), ChannelError> {
        session::send_reply(&self.channel, id, &reply, Some(descriptor), true)
    }

    /// Answers with what was found, or why not.
    fn conclude(&self, id: u32, result: Result<Reply, Failure>) -> Result<(), ChannelError> {
        self.reply(id, result.unwrap_or_else(Reply::Failure))
    }

    fn answer(&mut self, id: u32, request: Request) -> Result<(), ChannelError> {
        if let Some(request) = self.put_goes_on(id, &request) {
            return self.continue_put(id, request);
        }
        if let Err(refusal) = self.permit(&request) {
            if let Request::PutBegin(_) = request {
                self.refused = Some(id);
            }
            return self.reply(id, Reply::Failure(refusal.into()));
        }
        match request {
            Request::Hello(hello) => self.greet(id, &hello),
            Request::Ping(()) => self.reply(id, Reply::Done(())),
            Request::Status(()) => self.reply(id, Reply::Status(self.status())),
            Request::Workstations(()) => self.conclude(id, self.workstations()),
            Request::PairBegin(begin) => self.conclude(id, self.begin_pairing(begin)),
            Request::Allow(allow) => self.conclude(id, self.allow(&allow)),
            Request::Revoke(revoke) => self.conclude(id, self.revoke(revoke)),
            Request::Drives(()) => self.reply(id, Reply::Drives(self.drives())),
            Request::Disc(which) => self.conclude(id, self.disc(which.drive).map(Reply::Disc)),
            Request::Eject(which) => self.conclude(id, self.move_tray(which.drive, true)),
            Request::Load(which) => self.conclude(id, self.move_tray(which.drive, false)),
            Request::PowerOff(()) => self.power_off(id),
            Request::PutBegin(begin) => self.begin_put(id, &begin),
            Request::List(list) => self.list(id, &list.into()),
            Request::Get(get) => self.get(id, &get.into()),
            Request::Lock(lock) => self.conclude(id, self.lock(lock)),
            Request::Speeds(which) => self.conclude(id, self.speeds(which.drive)),
            Request::SetSpeed(speed) => self.conclude(id, self.set_speed(speed)),
            Request::DiscReport(which) => self.conclude(id, self.disc_report(which.drive)),
            Request::ListIn(list) => self.list(id, &list),
            Request::GetIn(get) => self.get(id, &get),
            Request::Trees(()) => self.conclude(id, self.trees()),
            Request::RemoveTree(request) => self.conclude(id, self.remove_tree(request)),
            Request::Record(record) => self.begin_jobs(id, |session| session.order_record(record)),
            Request::BurnCopy(burn) => self.begin_jobs(id, |session| session.order_burn_copy(burn)),
            Request::Copy(copy) => self.begin_job(id, |session| session.order_copy(copy)),
            Request::Scrub(scrub) => self.begin_job(id, |session| session.order_scrub(scrub)),
            Request::Treat(treat) => self.begin_job(id, |session| session.order_treat(treat)),
            Request::Cancel(which) => self.conclude(id, self.cancel(which.job)),
            Request::JobLog(which) => self.conclude(id, self.job_log(which.job)),
            Request::Burn(burn) => self.begin_job(id, |session| session.order_burn(burn)),
            Request::Verify(verify) => self.begin_job(id, |session| session.order_verify(verify.drive)),
            Request::WatchJob(watch) => self.watch(id, watch.job),
            Request::Jobs(()) => self.conclude(id, self.jobs().map(Reply::Jobs)),
            _ => self.reply(
                id,
                Reply::Failure(Refusal::OutOfOrder("a put goes on that never began").into()),
            ),
        }
    }

    /// The permission table, then the hold.
    fn permit(&self, request: &Request) -> Result<(), Refusal> {
        let Some(role) = self.role else {
            return match request {
                Request::Hello(_) => Ok(()),
                _ => Err(Refusal::OutOfOrder("the first request is not a hello")),
            };
        };
        if role.number() < request.needs().number() {
            return Err(Refusal::NotPermitted(role));
        }
        if request.mutates() {
            if self.shared.is_stopping() {
                return Err(Refusal::Stopping);
            }
            self.shared.hold.take(self.number, &self.who)?;
        }
        Ok(())
    }

    fn move_tray(&self, drive: u32, open: bool) -> Result<Reply, Failure> {
        let drive = self.shared.drives.find(drive)?;
        drive.move_tray(open)?;
        Ok(Reply::Done(()))
    }

    fn lock(&self, lock: wire::Lock) -> Result<Reply, Failure> {
        self.shared.drives.find(lock.drive)?.lock(lock.locked)?;
        Ok(Reply::Done(()))
    }

    fn speeds(&self, drive: u32) -> Result<Reply, Failure> {
        Ok(Reply::Speeds(self.shared.drives.find(drive)?.speeds()?))
    }

    fn set_speed(&self, speed: wire::SetSpeed) -> Result<Reply, Failure> {
        let drive = self.shared.drives.find(speed.drive)?;
        Ok(Reply::Speeds(drive.set_speeds(speed.write, speed.read)?))
    }

    fn power_off(&self, id: u32) -> Result<(), ChannelError> {
        if let Some(job) = self.shared.jobs.active().first() {
            return self.reply(id, Reply::Failure(Refusal::JobRuns(job.number).into()));
        }
        self.reply(id, Reply::Done(()))?;
        self.shared.services.power_off();
        Ok(())
    }
}
