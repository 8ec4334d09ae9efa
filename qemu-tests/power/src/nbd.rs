//! A disk over the network block device protocol, on a Unix socket: how QEMU has it.
//!
//! Fixed newstyle handshake, simple replies, flush and force unit access, as the NBD project's protocol document
//! (doc/proto.md) has them.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use crate::disk::Disk;

const OPTION_MAGIC: u64 = 0x4948_4156_454F_5054; // "IHAVEOPT"
const REPLY_MAGIC: u64 = 0x0003_E889_0455_65A9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;

const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

/// Flags present, flush, force unit access.
const EXPORT_FLAGS: u16 = 1 | 1 << 2 | 1 << 3;

const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;

/// The longest request: what the protocol lets every client assume.
const LONGEST: usize = 32 << 20;

/// The smallest request: a sector of any disk.
const BLOCK: u32 = 512;

/// Serves one disk to any number of clients, one after another or at once.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
}

impl Server {
    /// Serves `disk` on a new socket at `path` until this is dropped; clients that are connected then stay so.
    ///
    /// # Errors
    ///
    /// The socket cannot be made: the path is longer than 107 bytes, or taken.
    pub fn listen(path: &Path, disk: Disk) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        thread::Builder::new().name("nbd".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let disk = disk.clone();
                // A client that goes takes its connection with it, and nothing else.
                thread::spawn(move || drop(serve(stream, &disk)));
            }
        })?;
        Ok(Self { path: path.into() })
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever has the name no longer finds a disk there; the thread waits for nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(mut stream: UnixStream, disk: &Disk) -> io::Result<()> {
    if negotiate(&mut stream, disk)? {
        transmit(&mut stream, disk)?;
    }
    Ok(())
}

fn take<const N: usize>(stream: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_u16(stream: &mut UnixStream) -> io::Result<u16> {
    take(stream).map(u16::from_be_bytes)
}

fn take_u32(stream: &mut UnixStream) -> io::Result<u32> {
    take(stream).map(u32::from_be_bytes)
}

fn take_u64(stream: &mut UnixStream) -> io::Result<u64> {
    take(stream).map(u64::from_be_bytes)
}

fn strange(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The handshake; whether transmission follows.
fn negotiate(stream: &mut UnixStream, disk: &Disk) -> io::Result<bool> {
    stream.write_all(b"NBDMAGICIHAVEOPT")?;
    stream.write_all(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes())?;
    let no_zeroes = take_u32(stream)? & u32::from(NO_ZEROES) != 0;
    loop {
        if take_u64(stream)? != OPTION_MAGIC {
            return Err(strange("no option"));
        }
        let (option, length) = (take_u32(stream)?, take_u32(stream)?);
        if length > 1 << 16 {
            return Err(strange("an option too long"));
        }
        let mut data = vec![0; usize::try_from(length).unwrap_or(0)];
        stream.read_exact(&mut data)?;
        let mut reply = |kind: u32, body: &[u8]| {
            let length = u32::try_from(body.len()).unwrap_or(0);
            let head = [&REPLY_MAGIC.to_be_bytes()[..], &option.to_be_bytes()];
            let tail = [&kind.to_be_bytes()[..], &length.to_be_bytes(), body];
            stream.write_all(&[head.concat(), tail.concat()].concat())
        };
        match option {
            // NBD_OPT_EXPORT_NAME: there is one export, whatever its name.
            1 => {
                stream.write_all(&disk.size().to_be_bytes())?;
                stream.write_all(&EXPORT_FLAGS.to_be_bytes())?;
                stream.write_all(if no_zeroes { &[] } else { &[0; 124] })?;
                return Ok(true);
            }
            // NBD_OPT_ABORT
            2 => {
                reply(1, &[])?;
                return Ok(false);
            }
            // NBD_OPT_INFO, NBD_OPT_GO: NBD_INFO_EXPORT, NBD_INFO_BLOCK_SIZE, then NBD_REP_ACK.
            6 | 7 => {
                let export = [
                    &0_u16.to_be_bytes()[..],
                    &disk.size().to_be_bytes(),
                    &EXPORT_FLAGS.to_be_bytes(),
                ];
                reply(3, &export.concat())?;
                let longest = u32::try_from(LONGEST).unwrap_or(u32::MAX);
                let sizes = [BLOCK, 4096, longest].map(u32::to_be_bytes).concat();
                reply(3, &[&3_u16.to_be_bytes()[..], &sizes].concat())?;
                reply(1, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            // NBD_REP_ERR_UNSUP
            _ => reply(1 << 31 | 1, &[])?,
        }
    }
}

fn transmit(stream: &mut UnixStream, disk: &Disk) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        if take_u32(stream)? != REQUEST_MAGIC {
            return Err(strange("no request"));
        }
        let (flags, kind) = (take_u16(stream)?, take_u16(stream)?);
        let handle: [u8; 8] = take(stream)?;
        let (offset, length) = (take_u64(stream)?, take_u32(stream)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(strange("a request too long"));
        }
        buffer.resize(length, 0);
        let force = flags & 1 != 0;
        let (error, answered) = match kind {
            0 => match disk.read(offset, &mut buffer) {
                Ok(()) => (0, &buffer[..]),
                Err(_) => (EINVAL, &[][..]),
            },
            1 => {
                stream.read_exact(&mut buffer)?;
                let written = disk.write(offset, &buffer, force);
                (written.map_or(ENOSPC, |()| 0), &[][..])
            }
            2 => return Ok(()),
            3 => {
                disk.flush();
                (0, &[][..])
            }
            _ => (EINVAL, &[][..]),
        };
        let head = [SIMPLE_REPLY_MAGIC.to_be_bytes(), error.to_be_bytes()].concat();
        stream.write_all(&[&head[..], &handle].concat())?;
        stream.write_all(answered)?;
    }
}
