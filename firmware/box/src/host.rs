//! Doors and vault on an ordinary Linux host, with its sockets and drives.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use doors::{Doors, Limits, Sessions};
use init::signals::{Signal, Signals};
use init::spawn::{self, Identity, Output};
use seam::{Channel, ChannelError, Connection, OpenSession, Role};
use vault::{Config, Services, Vault};

use crate::arguments::Options;

/// Exit status after a second signal.
const AT_ONCE: i32 = 3;

/// For clients to read their last reply.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why the archive could not start.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
pub(crate) enum HostError {
    /// cannot use {0:?} for the archive's data: {1}
    Data(PathBuf, io::Error),
    /// cannot open the drive {0:?} for reading and writing: {1}; is it a burner's /dev/sg device, and may you write to it?
    Drive(PathBuf, io::Error),
    /// cannot listen on {0}: {1}
    Listen(SocketAddr, io::Error),
    /// cannot start a thread or hold signals back: {0}
    System(#[from] io::Error),
}

/// Why the archive ends.
enum End {
    PowerOff,
    Signal(Signal),
}

/// Runs the archive until a client or a signal ends it.
pub(crate) fn run(options: &Options) -> Result<(), HostError> {
    // Before any thread: those started later inherit it.
    let signals = Signals::open()?;
    // Everything that can fail is tried before the vault opens its catalog.
    let data = open_data(&options.data).map_err(|error| HostError::Data(options.data.clone(), error))?;
    let drives = options
        .drives
        .iter()
        .map(|path| open_drive(path).map_err(|error| HostError::Drive(path.clone(), error)))
        .collect::<Result<Vec<_>, _>>()?;
    let listener =
        TcpListener::bind(options.listen).map_err(|error| HostError::Listen(options.listen, error))?;
    let address = listener.local_addr()?;

    let (end, ended) = mpsc::channel();
    let config = Config {
        name: options.name.clone().unwrap_or_else(host_name),
        firmware: env!("CARGO_PKG_VERSION").into(),
        data: Ok(data),
        // The host's own clock is right, or not ours to judge.
        build_floor: 0,
    };
    let vault = Vault::open(config, Arc::new(Host { end: end.clone() }));
    vault.allow_clear(options.clear.clone());
    if options.pair {
        match vault.begin_pairing() {
            Ok(code) => {
                eprintln!("to pair a workstation, type there within five minutes: spindle pair {code}")
            }
            Err(why) => eprintln!("no workstation can be paired: {why}"),
        }
    }
    for (name, drive) in drives {
        eprintln!("drive {name}");
        vault.attach_drive(name, Box::new(mmc::sg::Sg::new(drive)));
    }
    let doors = Arc::new(Doors::new(sessions(vault.clone()), Limits::default()));
    let admitting = Arc::clone(&doors);
    thread::Builder::new()
        .name("accept".into())
        .spawn(move || accept(&listener, &admitting))?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || obey(&signals, &end))?;
    eprintln!("listening on {address}, data in {}", options.data.display());

    match ended.recv() {
        Ok(End::Signal(signal)) => {
            eprintln!("{signal:?}: ending once running jobs are done; again to end at once")
        }
        Ok(End::PowerOff) | Err(_) => eprintln!("a client ends the archive"),
    }
    vault.shutdown();
    let limit = std::time::Instant::now() + FAREWELL;
    while doors.connected() > 0 && std::time::Instant::now() < limit {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn open_data(path: &Path) -> io::Result<OwnedFd> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let directory = File::open(path)?;
    if !directory.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(directory.into())
}

/// The drive under the kernel's name for it. O_RDWR: the kernel filters commands of any other holder.
fn open_drive(path: &Path) -> io::Result<(String, OwnedFd)> {
    let drive = OpenOptions::new().read(true).write(true).open(path)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok((name.to_string_lossy().into_owned(), drive.into()))
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // The greeting's room for a name.
    name.chars()
        .filter(|c| !c.is_control())
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= 32).then_some(c)
        })
        .collect()
}

/// A door's session is the vault's other end of a channel.
fn sessions(vault: Vault) -> impl Sessions {
    move |caller: &OpenSession| -> Result<Channel, ChannelError> {
        let (ours, theirs) = Channel::pair()?;
        vault.open_session(caller.clone(), theirs);
        Ok(ours)
    }
}

fn accept<S: Sessions>(listener: &TcpListener, doors: &Doors<S>) {
    loop {
        match listener.accept().and_then(|(stream, peer)| prepare(stream, peer)) {
            Ok((stream, connection)) => doors.admit(stream, connection),
            Err(error) => {
                // No descriptor left, perhaps: clients wait in the queue meanwhile.
                eprintln!("a connection is lost: {error}");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// What net does for a connection in a box, the host's kernel does here.
fn prepare(stream: TcpStream, peer: SocketAddr) -> io::Result<(OwnedFd, Connection)> {
    let port = stream.local_addr()?.port();
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
    Ok((stream.into(), Connection { peer, port }))
}

/// The first signal ends the archive in order, the next at once.
fn obey(signals: &Signals, end: &mpsc::Sender<End>) {
    let mut told = false;
    while let Ok(signal) = signals.wait() {
        if signal == Signal::Child {
            continue;
        }
        if told {
            std::process::exit(AT_ONCE);
        }
        told = true;
        // The receiver lives as long as the archive.
        let _ = end.send(End::Signal(signal));
    }
}

/// What init is to the vault of a box.
struct Host {
    end: mpsc::Sender<End>,
}

impl Services for Host {
    fn start_reader(&self, requests: Channel, blocks: Channel) -> io::Result<()> {
        // Only root can give the reader an identity of its own.
        let identity = rustix::process::geteuid()
            .is_root()
            .then(|| Identity::of(Role::Reader));
        let inherited = [requests.as_fd(), blocks.as_fd()];
        let mut reader = spawn::start(Role::Reader, &inherited, identity, Output::Inherited)?.child;
        thread::Builder::new().name("reap".into()).spawn(move || {
            if let Ok(status) = reader.wait()
                && !status.success()
            {
                eprintln!("a reader ended: {status}");
            }
        })?;
        Ok(())
    }

    fn set_clock(&self, _: wire::Time) -> io::Result<()> {
        Err(io::Error::other("the clock of a host is left alone"))
    }

    fn power_off(&self) {
        // The receiver lives as long as the archive.
        let _ = self.end.send(End::PowerOff);
    }
}
