//! Bytes as what a peer sends to the iSCSI portal, for fuzzing.
//!
//! The first byte says whether a login comes first. Then come PDUs: 16 bytes that begin the header and 16 for its
//! command descriptor block, a byte for the length of the data, and the data; the rest of the header is
//! filled in so that the PDU is taken, unless the bytes choose otherwise.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    path::Path,
    sync::LazyLock,
    time::Duration,
};

use burner::{DVD_RAM, Disc, Drive, SharedDrive, Target};

/// PDUs of one connection.
const PDUS: usize = 24;
const LOGIN: &[u8] = b"InitiatorName=iqn.fuzz\0TargetName=iqn.2026-01.spindle:fuzz\0";

struct Portal {
    target: Target,
    _folder: tempfile::TempDir,
}

static PORTAL: LazyLock<Portal> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.expect("a directory for a disc");
    let mut drive = Drive::new("FUZZ");
    drive.use_virtual_time();
    drive.insert(Disc::open_or_create(folder.path(), &DVD_RAM, Some(640)).expect("a disc"));
    let target = Target::listen("127.0.0.1:0").expect("a free port");
    target.add("fuzz", SharedDrive::new(drive)).expect("a legal name");
    Portal {
        target,
        _folder: folder,
    }
});

/// A PDU with the length of its data and padding.
fn pdu(mut header: [u8; 48], data: &[u8]) -> Vec<u8> {
    header[5..8].copy_from_slice(&u32::try_from(data.len()).expect("short").to_be_bytes()[1..]);
    header[4] %= 3; // additional header segments, of words
    let additional = usize::from(header[4]) * 4;
    let mut bytes = [&header[..], &vec![0x11; additional], data].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Sends one connection's bytes and waits until the target has closed it. Panics when the portal has not after ten
/// seconds, or takes no further connection.
pub fn send(input: &[u8]) {
    let stream = TcpStream::connect(PORTAL.target.addr()).expect("the portal takes connections");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    stream
        .set_write_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let (mode, mut rest) = input
        .split_first()
        .map_or((0, input), |(mode, rest)| (*mode, rest));
    let mut sent = Vec::new();
    if mode & 1 == 1 {
        let mut header = [0; 48];
        (header[0], header[1], header[27]) = (0x43, 0x87, 1);
        header[13] = 1; // session identifier
        sent.extend(pdu(header, LOGIN));
    }
    if mode & 2 == 2 {
        sent.extend_from_slice(rest); // as it is
    } else {
        let mut number = 1u32;
        for _ in 0..PDUS {
            let Some((begin, after)) = rest.split_at_checked(33) else {
                break;
            };
            let length = usize::from(begin[32]) * if begin[2] & 1 == 1 { 16 } else { 1 };
            let (data, after) = after.split_at(length.min(after.len()));
            rest = after;
            let mut header = [0; 48];
            header[..16].copy_from_slice(&begin[..16]);
            header[32..].copy_from_slice(&begin[16..32]);
            header[0] &= 0x47; // initiator operation codes
            header[16..20].copy_from_slice(&(number % 5).to_be_bytes());
            if begin[3] & 0x80 == 0 {
                header[8..16].fill(0); // the logical unit there is
            }
            header[20..24].copy_from_slice(&[0, 0, begin[10] % 8, begin[11]]);
            header[24..28].copy_from_slice(&number.to_be_bytes());
            number += u32::from(header[0] & 0x40 == 0);
            sent.extend(pdu(header, data));
        }
    }
    let received = stream.try_clone().expect("descriptors");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut stream = stream;
            let _ = stream.write_all(&sent); // it may have been cut off already
            let _ = stream.shutdown(Shutdown::Write);
        });
        let mut received = received;
        let mut buffer = [0; 4096];
        loop {
            match received.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    panic!("the portal keeps a connection that its peer has closed")
                }
                Err(_) => break, // reset: cut off with bytes unread
            }
        }
    });
}
