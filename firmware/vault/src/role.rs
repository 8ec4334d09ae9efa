//! The role: drives and the data partition from init, sessions from doors.

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use seam::{Channel, ChannelError, FromInit, OpenSession, ToInit, inherited};

use crate::{Config, Services, Vault};

/// How long the first sessions wait for word of the data partition: a box that starts knows neither its
/// trees nor its own identity without it. Doors wait a little longer.
const DATA: Duration = Duration::from_secs(4);

/// Time between two signs of life.
const HEARTBEAT: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// 2026-01-01: this firmware was not built before.
const BUILD_FLOOR: i64 = 1_767_225_600;

/// Why the role ended early.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
enum RoleError {
    /// a descriptor of the role's contract is missing, so init did not start it: {0}
    Inherited(Errno),
    /// a channel of the role broke, and init has to start it again: {0}
    Channel(#[from] ChannelError),
    /// waiting for messages failed: {0}
    Wait(Errno),
}

/// Services of init, asked for by message.
struct Init(Channel);

impl Init {
    fn ask(&self, message: &ToInit, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
        self.0.send(message, descriptors).map_err(io::Error::other)
    }
}

impl Services for Init {
    fn start_reader(&self, requests: Channel, blocks: Channel) -> io::Result<()> {
        self.ask(&ToInit::StartReader, &[requests.as_fd(), blocks.as_fd()])
    }

    fn set_clock(&self, to: wire::Time) -> io::Result<()> {
        self.ask(&ToInit::SetClock(to.seconds, to.nanoseconds), &[])
    }

    fn power_off(&self) {
        if let Err(error) = self.ask(&ToInit::PowerOff, &[]) {
            eprintln!("init cannot be asked to switch off: {error}");
        }
    }
}

/// Runs the role until init stops it; every failure is also in the log.
///
/// A panic ends the thread it happens in: a session, or a job with its reason. What threads share is
/// consistent between any two statements, and a burn on another thread goes on.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vault ended: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), RoleError> {
    let init = inherited::take(inherited::CONTROL).map_err(RoleError::Inherited)?;
    let sessions = inherited::take(inherited::FIRST).map_err(RoleError::Inherited)?;
    let config = Config {
        // Init sets it from the configuration.
        name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        firmware: env!("CARGO_PKG_VERSION").into(),
        data: Err("the box is still looking for it".into()),
        build_floor: BUILD_FLOOR,
    };
    let vault = Vault::open(config, Arc::new(Init(init.try_clone()?)));
    init.send(&ToInit::Ready, &[])?;
    let started = Instant::now();
    let (mut told, mut opening) = (false, None);
    for beat in 0.. {
        // No blind timer: the beat comes only when every lock could be had.
        vault.pulse();
        match init.try_send(&ToInit::Heartbeat(beat), &[]) {
            Ok(()) | Err(ChannelError::Full) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = [
            PollFd::new(&init, PollFlags::IN),
            PollFd::new(&sessions, PollFlags::IN),
        ];
        told |= opening.as_ref().is_some_and(JoinHandle::is_finished);
        let admitting = told || started.elapsed() > DATA;
        let watched = if admitting {
            &mut ready[..]
        } else {
            &mut ready[..1]
        };
        match rustix::event::poll(watched, Some(&HEARTBEAT)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(RoleError::Wait(error)),
        }
        let [from_init, from_doors] = ready.map(|channel| !channel.revents().is_empty());
        if from_init {
            match obey(&vault, &init)? {
                Obeyed::Stop => break,
                Obeyed::Opening(thread) => opening = Some(thread),
                Obeyed::NoData => told = true,
                Obeyed::Other => {}
            }
        }
        if from_doors {
            admit(&vault, &sessions)?;
        }
    }
    // Jobs may take long to finish: signs of life go on meanwhile.
    let stopping = vault.clone();
    let stopped = std::thread::spawn(move || stopping.shutdown());
    for beat in 0.. {
        if stopped.is_finished() {
            break;
        }
        let _ = init.try_send(&ToInit::Heartbeat(beat), &[]);
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What init said.
enum Obeyed {
    /// There is a data partition, which this thread opens: what the last end of power left undone may take a
    /// while, in which signs of life go on.
    Opening(JoinHandle<()>),
    /// There is none.
    NoData,
    /// To end.
    Stop,
    Other,
}

/// Does what init says.
fn obey(vault: &Vault, init: &Channel) -> Result<Obeyed, ChannelError> {
    let (message, mut descriptors) = match init.receive::<FromInit>() {
        Err(ChannelError::Malformed) => return Ok(Obeyed::Other),
        received => received?,
    };
    match (message, descriptors.pop()) {
        (FromInit::Data, Some(directory)) => {
            let vault = vault.clone();
            let opening = std::thread::spawn(move || vault.set_data(directory));
            return Ok(Obeyed::Opening(opening));
        }
        (FromInit::NoData(why), _) => {
            vault.set_no_data(why);
            return Ok(Obeyed::NoData);
        }
        (FromInit::Drive(name), Some(drive)) => {
            vault.attach_drive(name, Box::new(mmc::sg::Sg::new(drive)));
        }
        (FromInit::Clear(networks), _) => {
            let network = |(address, bits)| crate::Network { address, bits };
            vault.allow_clear(networks.into_iter().map(network).collect());
        }
        (FromInit::Pair, _) => match vault.begin_pairing() {
            Ok(code) => {
                let (a, b) = code.split_at(code.len() / 2);
                eprintln!("to pair a workstation, type there within five minutes: spindle pair {a}-{b}");
            }
            Err(why) => eprintln!("no workstation can be paired now: {why}"),
        },
        (FromInit::DriveGone(name), _) => vault.detach_drive(&name),
        (FromInit::Stop, _) => return Ok(Obeyed::Stop),
        (other, _) => eprintln!("a message of init means nothing here: {other:?}"),
    }
    Ok(Obeyed::Other)
}

fn admit(vault: &Vault, sessions: &Channel) -> Result<(), ChannelError> {
    match sessions.receive::<OpenSession>() {
        Ok((opened, mut descriptors)) => {
            if let Some(channel) = descriptors.pop() {
                vault.open_session(opened, channel.into());
            }
        }
        Err(ChannelError::Malformed | ChannelError::TooLong(_)) => {
            eprintln!("a session from doors is lost: its message is not one");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
