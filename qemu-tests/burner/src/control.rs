//! The control interface: orders to a drive over a socket of its own, a line each.

use std::{
    fmt, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    error::Error,
    order::{Order, State},
    shared::SharedDrive,
};

/// Bytes of a line; a longer one ends its connection.
const LINE: u64 = 64 << 10;
/// Connections at once; more are closed unanswered.
const CONNECTIONS: usize = 16;
const OK: &str = "ok";
const FAILED: &str = "error: ";

/// Where a control interface listens: a port of the loopback interface, or a Unix-domain socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlAddress {
    /// Loopback only: whoever reaches it commands the drive and writes files as its user.
    Tcp(SocketAddr),
    /// A path; an abandoned socket there is replaced.
    Unix(PathBuf),
}

impl FromStr for ControlAddress {
    type Err = Error;

    /// `127.0.0.1:PORT`, `[::1]:PORT`, or a path that contains a slash.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            Err(_) if text.contains('/') => Ok(Self::Unix(text.into())),
            _ => Err(Error::Order {
                reason: format!("{text}: not a loopback address with port, nor a path with a slash"),
            }),
        }
    }
}

impl fmt::Display for ControlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Listener {
    fn bind(address: &ControlAddress) -> io::Result<Self> {
        match address {
            ControlAddress::Tcp(address) => TcpListener::bind(address).map(Self::Tcp),
            ControlAddress::Unix(path) => match UnixListener::bind(path) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && UnixStream::connect(path).is_err() =>
                {
                    fs::remove_file(path)?;
                    UnixListener::bind(path).map(Self::Unix)
                }
                bound => bound.map(Self::Unix),
            },
        }
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Box::new(stream) as _),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Box::new(stream) as _),
        }
    }
}

fn connect(address: &ControlAddress) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        ControlAddress::Tcp(address) => Box::new(TcpStream::connect(address)?),
        ControlAddress::Unix(path) => Box::new(UnixStream::connect(path)?),
    })
}

/// A control interface. Each line a peer sends is an [`Order`]; the answer is its text, line by line, and then
/// `ok` or `error: REASON`. Dropping it takes no more connections.
#[derive(Debug)]
pub struct Control {
    address: ControlAddress,
    closing: Arc<AtomicBool>,
}

impl Control {
    /// Listens for orders to `drive`. Port 0 takes a free one. `quit` is called for the order of that name,
    /// after its answer.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on.
    pub fn listen(
        address: &ControlAddress,
        drive: SharedDrive,
        quit: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: address.to_string(),
            source,
        };
        let listener = Listener::bind(address).map_err(failed)?;
        let address = match &listener {
            Listener::Tcp(listener) => ControlAddress::Tcp(listener.local_addr().map_err(failed)?),
            Listener::Unix(_) => address.clone(),
        };
        let closing = Arc::new(AtomicBool::new(false));
        let (flag, quit) = (Arc::clone(&closing), Arc::new(quit));
        thread::spawn(move || {
            let open = Arc::new(());
            loop {
                let stream = listener.accept();
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else {
                    thread::sleep(Duration::from_millis(50)); // out of descriptors, most likely
                    continue;
                };
                if Arc::strong_count(&open) > CONNECTIONS {
                    continue;
                }
                let (drive, quit, held) = (drive.clone(), Arc::clone(&quit), Arc::clone(&open));
                thread::spawn(move || {
                    let _ = serve(stream, &drive, &*quit); // the peer has gone: nobody to be told
                    drop(held);
                });
            }
        });
        Ok(Self { address, closing })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &ControlAddress {
        &self.address
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = connect(&self.address); // wakes accept(), which has no other way to be told
        if let ControlAddress::Unix(path) = &self.address {
            let _ = fs::remove_file(path); // somebody may have been quicker
        }
    }
}

/// Reads a line without its end; `None` at the end of the stream. A longer one than [`LINE`] is an error.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    reader.by_ref().take(LINE).read_line(&mut line)?;
    match line.pop() {
        None => Ok(None),
        Some('\n') => Ok(Some(line)),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn serve(stream: Box<dyn Stream>, drive: &SharedDrive, quit: &(impl Fn() + ?Sized)) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(line) = read_line(&mut stream)? {
        if line.trim().is_empty() {
            continue;
        }
        let order = line.parse::<Order>();
        let answer = match order.and_then(|order| Ok((order.carry_out(drive)?, order))) {
            Ok((text, order)) => {
                stream.get_mut().write_all(format!("{text}{OK}\n").as_bytes())?;
                if order == Order::Quit {
                    quit();
                }
                continue;
            }
            Err(error) => error.to_string().replace('\n', " "),
        };
        stream
            .get_mut()
            .write_all(format!("{FAILED}{answer}\n").as_bytes())?;
    }
    Ok(())
}

/// The other end of a control interface.
pub struct Remote(BufReader<Box<dyn Stream>>);

impl Remote {
    /// Connects to the control interface of a burner that was started by itself.
    ///
    /// # Errors
    ///
    /// Nobody listens there.
    pub fn connect(address: &ControlAddress) -> Result<Self, Error> {
        let stream = connect(address).map_err(|source| Error::Listen {
            address: address.to_string(),
            source,
        })?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends one order and waits for its answer.
    ///
    /// # Errors
    ///
    /// The burner's own words when it refused the order, or a connection that was lost.
    pub fn order(&mut self, order: &Order) -> Result<String, Error> {
        self.line(&order.to_string())
    }

    /// The same with an order as text.
    ///
    /// # Errors
    ///
    /// As for [`Remote::order`].
    pub fn line(&mut self, line: &str) -> Result<String, Error> {
        let lost = |error: io::Error| Error::Order {
            reason: format!("the connection was lost: {error}"),
        };
        self.0
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .map_err(lost)?;
        let mut text = String::new();
        loop {
            let line = read_line(&mut self.0).map_err(lost)?;
            let line = line.ok_or_else(|| lost(io::ErrorKind::UnexpectedEof.into()))?;
            if line == OK {
                return Ok(text);
            }
            if let Some(reason) = line.strip_prefix(FAILED) {
                return Err(Error::Order {
                    reason: reason.into(),
                });
            }
            text.push_str(&line);
            text.push('\n');
        }
    }

    /// What is in the drive.
    ///
    /// # Errors
    ///
    /// As for [`Remote::order`].
    pub fn state(&mut self) -> Result<State, Error> {
        let text = self.order(&Order::State)?;
        toml::from_str(&text).map_err(|error| Error::Order {
            reason: error.to_string(),
        })
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
