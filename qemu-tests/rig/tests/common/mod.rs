//! What the tests share: a client of raw bytes, and boxes made ready.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod kinds;
pub mod place;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};
use client::{Connection, Options};
use images::{BoxArtifacts, data_disk};
use rig::{Artifacts, Burner, DataDisk, Machine, MachineOptions, Scratch, patience};
use wire::frame::{HEADER_SIZE, Header};
use wire::{Answer, CHANNEL_CLEAR, FailureCode, GREETING_SIZE, Greeting, Hello, Reply, Request, Role, Time};

/// Opens a session as the client library does, but takes a silent box for lost sooner: QEMU's user network keeps
/// a connection whose other end forgot it.
pub fn session(address: SocketAddr) -> Result<Connection> {
    let options = Options {
        silence_timeout: patience(15),
        ..Options::default()
    };
    Ok(Connection::open(&address.to_string(), &options)?)
}

/// A connection that says what it is told, right or wrong.
pub struct Raw(pub TcpStream);

impl Raw {
    /// Connects and takes the greeting.
    pub fn greeted(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(patience(40)))?;
        let mut greeting = [0; GREETING_SIZE];
        stream.read_exact(&mut greeting).context("no greeting")?;
        Greeting::decode(&greeting)?;
        Ok(Self(stream))
    }

    /// Connects and answers; the next frame should be the hello.
    pub fn answered(address: SocketAddr, version: u16) -> Result<Self> {
        let mut raw = Self::greeted(address)?;
        raw.0.write_all(
            &Answer {
                version,
                channel: CHANNEL_CLEAR,
            }
            .encode(),
        )?;
        Ok(raw)
    }

    /// A session of the given role.
    pub fn welcomed(address: SocketAddr, role: Role) -> Result<Self> {
        let mut raw = Self::answered(address, 1)?;
        let utc = Time {
            seconds: 1_900_000_000,
            nanoseconds: 0,
        };
        raw.send(
            1,
            &Request::Hello(Hello {
                version: 1,
                role: role.number(),
                utc,
                program: "raw".into(),
            }),
        )?;
        match raw.next()? {
            (1, Reply::Welcome(_)) => Ok(raw),
            other => bail!("no welcome but {other:?}"),
        }
    }

    /// Sends a request.
    pub fn send(&mut self, id: u32, request: &Request) -> Result<()> {
        self.send_raw(request.kind(), id, &request.encode())
    }

    /// Sends a frame of any kind and body.
    pub fn send_raw(&mut self, kind: u16, id: u32, body: &[u8]) -> Result<()> {
        let mut frame = Vec::new();
        wire::frame::append(&mut frame, kind, id, body);
        Ok(self.0.write_all(&frame)?)
    }

    /// The next frame, which must be a reply.
    pub fn next(&mut self) -> Result<(u32, Reply)> {
        let mut header = [0; HEADER_SIZE];
        self.0.read_exact(&mut header).context("the box closed")?;
        let header = Header::decode(header)?;
        let mut body = vec![0; header.body];
        self.0.read_exact(&mut body)?;
        Ok((header.id, Reply::decode(header.kind, &body)?))
    }

    /// The next frame must be this failure.
    pub fn refused(&mut self, code: FailureCode) -> Result<()> {
        match self.next()? {
            (_, Reply::Failure(failure)) if failure.is(code) => {
                if failure.what.is_empty() || failure.remedy.is_empty() {
                    bail!("{failure:?} does not say what happened and what to do");
                }
                Ok(())
            }
            other => bail!("not {code:?} but {other:?}"),
        }
    }

    /// The box closes, having sent nothing more.
    pub fn closed(&mut self) -> Result<()> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(0) => Ok(()),
            Ok(_) => bail!("the box sent {} more bytes", rest.len()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error).context("the box did not close"),
        }
    }
}

/// The failure of a request that must fail.
pub fn failure<T: std::fmt::Debug>(result: Result<T, client::Error>) -> Result<wire::Failure> {
    match result {
        Err(client::Error::Box(failure)) => Ok(failure),
        other => bail!("not refused by the box but {other:?}"),
    }
}

/// Blocks of a small BD-R: 64 MiB.
pub const SMALL_DISC: u32 = 32_768;

/// A box in QEMU with a burner and a data disk of so many MiB.
pub struct Ready {
    pub machine: Machine,
    pub burner: Burner,
    pub artifacts: Artifacts,
    pub scratch: Scratch,
}

/// Boots a box of the release, or of the build with faults.
pub fn boot(name: &str, faults: bool, disc: Option<u32>, data_mebibytes: u64) -> Result<Ready> {
    let artifacts = Artifacts::from_environment()?;
    let scratch = Scratch::new(name)?;
    let burner = match disc {
        Some(blocks) => Burner::with_disc(name, &burner::BD_R, &scratch.join("disc"), Some(blocks))?,
        None => Burner::empty(name)?,
    };
    let machine = start(&artifacts, faults, &scratch, &[&burner], data_mebibytes)?;
    Ok(Ready {
        machine,
        burner,
        artifacts,
        scratch,
    })
}

/// Boots a box with these burners, its data disk and log in the scratch folder.
pub fn start(
    artifacts: &Artifacts,
    faults: bool,
    scratch: &Scratch,
    burners: &[&Burner],
    data_mebibytes: u64,
) -> Result<Machine> {
    let chosen: BoxArtifacts = match faults {
        true => artifacts
            .faults
            .clone()
            .context("SPINDLE_ARTIFACTS_FAULTS is not set: run `cargo xtask test`")?,
        false => artifacts.release.clone(),
    };
    let data = scratch.join("data.img");
    data_disk::create(&data, data_mebibytes << 20, b"spindle-test-box")?;
    let mut options = MachineOptions::new(
        chosen,
        artifacts.command_line.clone(),
        &scratch.join("serial.log"),
    );
    options.data = Some(DataDisk::File(data));
    let mut machine = Machine::start(&options, burners)?;
    machine.wait_ready()?;
    Ok(machine)
}

/// Waits until the box has found its drive and knows the disc in it.
pub fn wait_drive(address: SocketAddr) -> Result<()> {
    rig::until("the drive", patience(20), || {
        let drives = session(address)?.drives()?.drives;
        Ok(drives
            .first()
            .is_some_and(|drive| !drive.product.is_empty())
            .then_some(()))
    })
}

/// Every WRITE(10) takes so many milliseconds.
pub fn slow_writes(milliseconds: u64) -> burner::Fault {
    burner::Fault::ReplyDelay {
        opcode: 0x2A,
        milliseconds,
        times: None,
    }
}
