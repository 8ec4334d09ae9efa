//! The box's doors, vault and reader in this process, on kernel sockets.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use doors::{Doors, Limits};
use mmc::Transport;
use seam::{Channel, ChannelError, Connection, OpenSession};
use vault::{Config, Services, Vault};

/// A box without a machine.
pub struct Native {
    /// Its vault.
    pub vault: Vault,
    address: SocketAddr,
}

/// Runs each reader on a thread.
struct Threads<R>(R);

impl<R: Fn(Channel, Channel) + Clone + Send + Sync + 'static> Services for Threads<R> {
    fn start_reader(&self, requests: Channel, blocks: Channel) -> io::Result<()> {
        let reader = self.0.clone();
        thread::Builder::new()
            .name("reader".into())
            .spawn(move || reader(requests, blocks))?;
        Ok(())
    }

    fn set_clock(&self, _: wire::Time) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the clock is the host's",
        ))
    }

    fn power_off(&self) {}
}

impl Native {
    /// Starts a box with its data in `data` and these drives.
    pub fn start(data: &Path, drives: Vec<Box<dyn Transport + Send>>, limits: Limits) -> Result<Self> {
        Self::with_readers(data, drives, limits, |requests, blocks| {
            let _ = reader::serve(requests, blocks);
        })
    }

    /// As [`Self::start`], with readers of the test's own: each is called with its two channels.
    pub fn with_readers(
        data: &Path,
        drives: Vec<Box<dyn Transport + Send>>,
        limits: Limits,
        reader: impl Fn(Channel, Channel) + Clone + Send + Sync + 'static,
    ) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let directory: OwnedFd = File::open(data)?.into();
        let config = Config {
            name: "native".into(),
            firmware: "test".into(),
            data: Ok(directory),
            build_floor: 0,
        };
        let vault = Vault::open(config, Arc::new(Threads(reader)));
        vault.allow_clear(vault::Network::LOOPBACK.to_vec());
        for (number, transport) in drives.into_iter().enumerate() {
            vault.attach_drive(format!("sg{number}"), transport);
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let opener = vault.clone();
        let open = move |caller: &OpenSession| -> Result<Channel, ChannelError> {
            let (door, session) = Channel::pair()?;
            opener.open_session(caller.clone(), session);
            Ok(door)
        };
        let doors = Doors::new(open, limits);
        thread::Builder::new().name("listener".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // As host mode does; without it each small answer may wait 40 ms.
                let _ = stream.set_nodelay(true);
                if let Ok(peer) = stream.peer_addr() {
                    doors.admit(
                        stream.into(),
                        Connection {
                            peer,
                            port: wire::PORT,
                        },
                    );
                }
            }
        })?;
        Ok(Self { vault, address })
    }

    /// Where the control protocol is reached.
    pub fn control(&self) -> SocketAddr {
        self.address
    }
}
