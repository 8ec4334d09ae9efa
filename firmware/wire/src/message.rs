//! The table of kinds: one number a body, a range an area, none ever reused.

use alloc::vec::Vec;

use crate::{
    Allow, Burn, BurnCopy, CopyDisc, Disc, DiscReport, DriveRequest, Drives, Entry, Failure, Get, GetEnd,
    GetFile, GetIn, Hello, JobEnded, JobLog, JobProgress, JobRequest, JobStarted, Jobs, JobsStarted, List,
    ListEnd, ListEntries, ListIn, Lock, PairBegin, PairCode, PutBegin, PutDone, PutFileEnd, PutReady, Record,
    RemoveTree, Revoke, Role, Scrub, SetSpeed, Speeds, Status, Treat, Trees, Verify, WatchJob, Welcome,
    Workstations,
};

/// A row of the table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRow {
    /// The number in the frame header.
    pub number: u16,
    /// The name in the specification.
    pub name: &'static str,
    /// The body's type; `()` for none.
    pub body: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Why a frame is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// kind {0:#06x} is not known here
    UnknownKind(u16),
    /// the body of kind {0:#06x} is not what the protocol says
    Malformed(u16),
    /// the body of kind {0:#06x} is longer than the protocol says
    TrailingBytes(u16),
}

macro_rules! messages {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $number:literal $variant:ident ($body:ty),)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name { $($(#[doc = $doc])* $variant($body),)* }

        impl $name {
            /// The kinds in the order of their numbers.
            pub const TABLE: &'static [KindRow] = &[$(KindRow {
                number: $number,
                name: stringify!($variant),
                body: stringify!($body),
                meaning: concat!($($doc),*).trim_ascii_start(),
            },)*];

            /// The number in the frame header.
            pub const fn kind(&self) -> u16 {
                match self { $($name::$variant(_) => $number,)* }
            }

            /// The body's bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $($name::$variant(body) => postcard::to_allocvec(body)
                        .expect("a vector grows and every type here has a known length"),)*
                }
            }

            /// Reads a body; every byte of it must belong to the message.
            pub fn decode(kind: u16, body: &[u8]) -> Result<Self, DecodeError> {
                match kind {
                    $($number => match postcard::take_from_bytes::<$body>(body) {
                        Ok((message, [])) => Ok($name::$variant(message)),
                        Ok(_) => Err(DecodeError::TrailingBytes(kind)),
                        Err(_) => Err(DecodeError::Malformed(kind)),
                    },)*
                    _ => Err(DecodeError::UnknownKind(kind)),
                }
            }
        }
    };
}

messages! {
    /// What a client sends.
    Request {
        /// The first frame: version, role and the workstation's clock.
        0x0001 Hello(Hello),
        /// Answered by `Done`; keeps a quiet connection alive.
        0x0005 Ping(()),
        /// How is the box?
        0x0100 Status(()),
        /// Finish what cannot wait, stop and switch off; refused while a job runs.
        0x0110 PowerOff(()),
        /// Which workstations does the box know?
        0x0120 Workstations(()),
        /// Let one further workstation pair.
        0x0122 PairBegin(PairBegin),
        /// Take in a workstation whose key is known already, or change what is known of it.
        0x0124 Allow(Allow),
        /// Forget a workstation.
        0x0125 Revoke(Revoke),
        /// Which drives are there?
        0x0200 Drives(()),
        /// Which disc is in the drive?
        0x0202 Disc(DriveRequest),
        /// Open the tray.
        0x0204 Eject(DriveRequest),
        /// Close the tray.
        0x0205 Load(DriveRequest),
        /// Lock or unlock the tray and its button.
        0x0206 Lock(Lock),
        /// Which speeds does the drive offer for its disc?
        0x0207 Speeds(DriveRequest),
        /// Ask for speeds; answered with those the drive took.
        0x0209 SetSpeed(SetSpeed),
        /// What is there to know of the disc: tracks, what is wrong with it, how well it read.
        0x020A DiscReport(DriveRequest),
        /// Begin a put.
        0x0300 PutBegin(PutBegin),
        /// An entry of the put; a file's data frames and its end follow.
        0x0302 PutEntry(Entry),
        /// The file's bytes were all sent.
        0x0304 PutFileEnd(PutFileEnd),
        /// The file changed while it was read: forget it.
        0x0305 PutFileAbandon(()),
        /// All entries were sent.
        0x0306 PutEnd(()),
        /// Give the put up; what this put brought is removed.
        0x0307 PutAbort(()),
        /// List entries.
        0x0310 List(List),
        /// List entries of any place.
        0x0313 ListIn(ListIn),
        /// Get a file's bytes.
        0x0320 Get(Get),
        /// Get a file's bytes from any place.
        0x0323 GetIn(GetIn),
        /// Which trees are on the data partition, and which copies?
        0x0330 Trees(()),
        /// Remove a tree or a copy.
        0x0332 RemoveTree(RemoveTree),
        /// Burn a tree as a new disc.
        0x0400 Burn(Burn),
        /// Verify the disc in a drive.
        0x0401 Verify(Verify),
        /// Follow a job.
        0x0403 WatchJob(WatchJob),
        /// Which jobs are there?
        0x0406 Jobs(()),
        /// Burn a tree: as a new disc or a further session, on one drive or several.
        0x0408 Record(Record),
        /// Take the disc in a drive into the copy area.
        0x040A Copy(CopyDisc),
        /// Burn a copy on one disc or several.
        0x040B BurnCopy(BurnCopy),
        /// Read the whole disc and map how well it reads.
        0x040C Scrub(Scrub),
        /// Finalise, repair, blank, format or erase the disc.
        0x040D Treat(Treat),
        /// Cancel a job: at once while it waits, else as soon as its disc is left in order.
        0x040E Cancel(JobRequest),
        /// What has a job noted?
        0x0410 JobLog(JobRequest),
    }
}

messages! {
    /// What the box sends.
    Reply {
        /// The session is open.
        0x0002 Welcome(Welcome),
        /// The request failed; nothing more follows for it.
        0x0003 Failure(Failure),
        /// The request is done.
        0x0004 Done(()),
        /// How the box is.
        0x0101 Status(Status),
        /// The workstations.
        0x0121 Workstations(Workstations),
        /// The code for pairing.
        0x0123 PairCode(PairCode),
        /// The drives.
        0x0201 Drives(Drives),
        /// The disc.
        0x0203 Disc(Disc),
        /// The speeds.
        0x0208 Speeds(Speeds),
        /// The disc in full.
        0x020B DiscReport(DiscReport),
        /// Entries may be sent.
        0x0301 PutReady(PutReady),
        /// The put is synced and catalogued.
        0x0308 PutDone(PutDone),
        /// Some of the entries.
        0x0311 ListEntries(ListEntries),
        /// The end of the list.
        0x0312 ListEnd(ListEnd),
        /// The file whose bytes follow.
        0x0321 GetFile(GetFile),
        /// The end of the file's bytes.
        0x0322 GetEnd(GetEnd),
        /// The trees.
        0x0331 Trees(Trees),
        /// The job exists.
        0x0402 JobStarted(JobStarted),
        /// How the job goes.
        0x0404 JobProgress(JobProgress),
        /// How the job ended.
        0x0405 JobEnded(JobEnded),
        /// The jobs.
        0x0407 Jobs(Jobs),
        /// The jobs exist.
        0x0409 JobsStarted(JobsStarted),
        /// The job's log.
        0x0411 JobLog(JobLog),
    }
}

impl Request {
    /// The role this request needs: the permission table.
    pub const fn needs(&self) -> Role {
        match self {
            Request::PowerOff(())
            | Request::Workstations(())
            | Request::PairBegin(_)
            | Request::Allow(_)
            | Request::Revoke(_) => Role::Admin,
            Request::Burn(_)
            | Request::Verify(_)
            | Request::Eject(_)
            | Request::Load(_)
            | Request::Lock(_)
            | Request::SetSpeed(_)
            | Request::RemoveTree(_)
            | Request::Record(_)
            | Request::Copy(_)
            | Request::BurnCopy(_)
            | Request::Scrub(_)
            | Request::Treat(_)
            | Request::Cancel(_) => Role::Operator,
            Request::PutBegin(_)
            | Request::PutEntry(_)
            | Request::PutFileEnd(_)
            | Request::PutFileAbandon(())
            | Request::PutEnd(())
            | Request::PutAbort(())
            | Request::Get(_)
            | Request::GetIn(_) => Role::Client,
            _ => Role::Observer,
        }
    }

    /// Whether the request changes something: until leases exist, the first session that makes one holds
    /// the box until it closes, and others are answered BUSY.
    pub const fn mutates(&self) -> bool {
        matches!(
            self,
            Request::PowerOff(())
                | Request::Eject(_)
                | Request::Load(_)
                | Request::PutBegin(_)
                | Request::Burn(_)
                | Request::Verify(_)
                | Request::Lock(_)
                | Request::SetSpeed(_)
                | Request::RemoveTree(_)
                | Request::Record(_)
                | Request::Copy(_)
                | Request::BurnCopy(_)
                | Request::Scrub(_)
                | Request::Treat(_)
        )
    }
}
