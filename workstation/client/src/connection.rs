//! One session with one box.

use noise::Public;
use wire::{
    ByteString, Disc, DriveRequest, Drives, Entry, Flags, Greeting, Job, List, ListIn, Place, Reply, Request,
    Source, Status, Welcome,
};

use crate::Error;
use crate::stream::{Incoming, Receiver, Sender, lost};

/// What the box said when the session began.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) greeting: Greeting,
    pub(crate) welcome: Welcome,
    pub(crate) box_key: Option<Public>,
}

impl Session {
    /// The box's name.
    pub fn name(&self) -> &str {
        self.greeting.name()
    }

    /// The box, for ever.
    pub fn box_id(&self) -> [u8; 16] {
        self.greeting.box_id
    }

    /// The key the box proved to have; `None` in the clear.
    pub fn box_key(&self) -> Option<Public> {
        self.box_key
    }

    /// Whether another session held the box when this one began.
    pub fn busy(&self) -> bool {
        self.greeting.flags.has(Flags::BUSY)
    }

    /// The box's answer to the hello.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }
}

/// One session with one box.
pub struct Connection {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    pub(crate) session: Session,
    pub(crate) last_id: u32,
}

impl Connection {
    /// What the box said when the session began.
    pub fn welcome(&self) -> &Session {
        &self.session
    }

    /// Asks the box for a sign of life.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.done(&Request::Ping(()))
    }

    /// How is the box?
    pub fn status(&mut self) -> Result<Status, Error> {
        match self.ask(&Request::Status(()))? {
            Reply::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// Which drives does it have?
    pub fn drives(&mut self) -> Result<Drives, Error> {
        match self.ask(&Request::Drives(()))? {
            Reply::Drives(drives) => Ok(drives),
            other => Err(unexpected(&other)),
        }
    }

    /// Which disc is in the drive?
    pub fn disc(&mut self, drive: u32) -> Result<Disc, Error> {
        match self.ask(&Request::Disc(DriveRequest { drive }))? {
            Reply::Disc(disc) => Ok(disc),
            other => Err(unexpected(&other)),
        }
    }

    /// Opens the tray.
    pub fn eject(&mut self, drive: u32) -> Result<(), Error> {
        self.done(&Request::Eject(DriveRequest { drive }))
    }

    /// Closes the tray.
    pub fn load(&mut self, drive: u32) -> Result<(), Error> {
        self.done(&Request::Load(DriveRequest { drive }))
    }

    /// Switches the box off.
    pub fn power_off(&mut self) -> Result<(), Error> {
        self.done(&Request::PowerOff(()))
    }

    /// Which jobs does it remember? Newest first.
    pub fn jobs(&mut self) -> Result<Vec<Job>, Error> {
        match self.ask(&Request::Jobs(()))? {
            Reply::Jobs(jobs) => Ok(jobs.jobs),
            other => Err(unexpected(&other)),
        }
    }

    /// Lists entries at and below a path; they are handed over as they come. Returns their number.
    pub fn list(
        &mut self,
        source: Source,
        path: &[u8],
        depth: u32,
        each: impl FnMut(Entry),
    ) -> Result<u64, Error> {
        let request = Request::List(List {
            source,
            path: ByteString::from(path),
            depth,
        });
        self.listed(&request, each)
    }

    /// The same of any place: a tree, a copy, or any session of a disc.
    pub fn list_in(
        &mut self,
        place: Place,
        path: &[u8],
        depth: u32,
        each: impl FnMut(Entry),
    ) -> Result<u64, Error> {
        let request = Request::ListIn(ListIn {
            place,
            path: ByteString::from(path),
            depth,
        });
        self.listed(&request, each)
    }

    fn listed(&mut self, request: &Request, mut each: impl FnMut(Entry)) -> Result<u64, Error> {
        let id = self.send(request)?;
        loop {
            match self.reply(id)? {
                Reply::ListEntries(some) => some.entries.into_iter().for_each(&mut each),
                Reply::ListEnd(end) => return Ok(end.count),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Sends a request and returns its id.
    pub(crate) fn send(&mut self, request: &Request) -> Result<u32, Error> {
        self.last_id = self.last_id.wrapping_add(1);
        self.sender.request(self.last_id, request).map_err(lost)?;
        self.sender.flush().map_err(lost)?;
        Ok(self.last_id)
    }

    /// Waits for the next message of a request.
    pub(crate) fn reply(&mut self, id: u32) -> Result<Reply, Error> {
        match self.incoming(id)? {
            Some(reply) => Ok(reply),
            None => Err(Error::Unexpected("data".into())),
        }
    }

    /// Waits for the next message or chunk (`None`) of a request; a failure is an error.
    pub(crate) fn incoming(&mut self, id: u32) -> Result<Option<Reply>, Error> {
        loop {
            match self.receiver.next()? {
                // Request id 0 is the box's own: it says why it ends the session.
                Incoming::Reply(to, Reply::Failure(failure)) if to == id || to == 0 => {
                    return Err(Error::Box(failure));
                }
                Incoming::Reply(to, reply) if to == id => return Ok(Some(reply)),
                Incoming::Data(to) if to == id => return Ok(None),
                // The tail of an earlier request that was given up.
                Incoming::Reply(..) | Incoming::Data(_) => {}
            }
        }
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, Error> {
        let id = self.send(request)?;
        self.reply(id)
    }

    pub(crate) fn done(&mut self, request: &Request) -> Result<(), Error> {
        match self.ask(request)? {
            Reply::Done(()) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

pub(crate) fn unexpected(reply: &Reply) -> Error {
    Error::Unexpected(format!("{reply:?}"))
}
