//! The portal: a listening socket and the drives behind it.

use std::{
    fmt, io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::session::serve;
use crate::{error::Error, shared::SharedDrive};

/// Connections at once; more are closed unanswered.
const CONNECTIONS: usize = 64;
const NAMING_AUTHORITY: &str = "iqn.2026-01.spindle:";

/// A drive under its iSCSI name.
#[derive(Clone)]
pub struct Served {
    pub name: String,
    pub drive: SharedDrive,
}

struct Live {
    number: u64,
    identity: Vec<u8>,
    stream: TcpStream,
}

/// What all connections share.
#[derive(Default)]
pub struct Registry {
    drives: Mutex<Vec<Served>>,
    live: Mutex<(u64, Vec<Live>)>,
    sessions: AtomicU16,
    closing: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub fn find(&self, name: &str) -> Option<Served> {
        lock(&self.drives)
            .iter()
            .find(|served| served.name == name)
            .cloned()
    }

    pub fn names(&self) -> Vec<String> {
        lock(&self.drives)
            .iter()
            .map(|served| served.name.clone())
            .collect()
    }

    /// A session handle (TSIH), which is never 0.
    pub fn next_session(&self) -> u16 {
        self.sessions.fetch_add(1, Ordering::Relaxed).max(1)
    }

    /// How long a peer may take over its login.
    pub fn login_timeout(&self) -> Duration {
        Duration::from_secs(15)
    }

    /// A session logged in again under the same name replaces its predecessor (RFC 7143 section 6.3.5).
    pub fn reinstate(
        &self,
        initiator: Vec<u8>,
        served: Option<&Served>,
        stream: &TcpStream,
    ) -> io::Result<Entered<'_>> {
        let identity = [
            initiator,
            served.map_or(Vec::new(), |served| served.name.clone().into_bytes()),
        ]
        .concat();
        let stream = stream.try_clone()?;
        let (next, live) = &mut *lock(&self.live);
        for earlier in live.iter().filter(|earlier| earlier.identity == identity) {
            let _ = earlier.stream.shutdown(Shutdown::Both); // it may be gone already
        }
        *next += 1;
        live.push(Live {
            number: *next,
            identity,
            stream,
        });
        Ok(Entered {
            registry: self,
            number: *next,
        })
    }
}

/// A session on the list of those alive; leaves it when dropped.
pub struct Entered<'a> {
    registry: &'a Registry,
    number: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        lock(&self.registry.live)
            .1
            .retain(|live| live.number != self.number);
    }
}

/// An iSCSI target portal. Each drive added is LUN 0 of a target of its own; no authentication, no digests.
/// Dropping it ends all sessions; the drives live on in their other handles.
pub struct Target {
    address: SocketAddr,
    registry: Arc<Registry>,
    acceptor: Option<JoinHandle<()>>,
}

impl Target {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on.
    pub fn listen(address: impl ToSocketAddrs + fmt::Debug) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: format!("{address:?}"),
            source,
        };
        let listener = TcpListener::bind(&address).map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let registry = Arc::new(Registry::default());
        let shared = Arc::clone(&registry);
        let acceptor = thread::spawn(move || accept_all(&listener, &shared));
        Ok(Self {
            address: local,
            registry,
            acceptor: Some(acceptor),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `drive` under `name` and returns its full iSCSI name, `iqn.2026-01.spindle:NAME`.
    ///
    /// # Errors
    ///
    /// A name that is taken or cannot be part of an iSCSI name (RFC 3722).
    pub fn add(&self, name: &str, drive: SharedDrive) -> Result<String, Error> {
        let legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        let full = format!("{NAMING_AUTHORITY}{name}");
        let mut drives = lock(&self.registry.drives);
        let taken = drives.iter().any(|served| served.name == full);
        if taken || !(1..=64).contains(&name.len()) || !name.bytes().all(legal) {
            return Err(Error::Name { name: name.into() });
        }
        drives.push(Served {
            name: full.clone(),
            drive,
        });
        Ok(full)
    }

    /// The URL of the drive called `iqn`, as libiscsi and QEMU take it.
    #[must_use]
    pub fn url(&self, iqn: &str) -> String {
        format!("iscsi://{}/{iqn}/0", self.address)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.registry.closing.store(true, Ordering::SeqCst);
        let woken = TcpStream::connect(self.address).is_ok(); // accept() has no other way to be told
        for live in &lock(&self.registry.live).1 {
            let _ = live.stream.shutdown(Shutdown::Both); // it may be gone already
        }
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            let _ = acceptor.join(); // a panic there was reported by its thread
        }
    }
}

fn accept_all(listener: &TcpListener, registry: &Arc<Registry>) {
    let open = Arc::new(());
    for stream in listener.incoming() {
        if registry.closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            thread::sleep(Duration::from_millis(50)); // out of descriptors, most likely: others may close
            continue;
        };
        if Arc::strong_count(&open) > CONNECTIONS {
            continue;
        }
        let (registry, held) = (Arc::clone(registry), Arc::clone(&open));
        thread::spawn(move || {
            if let Err(error) = serve(&stream, &registry) {
                let peer = stream
                    .peer_addr()
                    .map_or_else(|_| "a peer".into(), |peer| peer.to_string());
                eprintln!("burner: connection of {peer} closed: {error}");
            }
            drop(held);
        });
    }
}
