//! The other end of an iSCSI connection, as small as the tests allow.

#![allow(dead_code, reason = "each test uses its part")]

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A PDU that came back.
#[derive(Debug)]
pub struct Answer {
    pub header: [u8; 48],
    pub data: Vec<u8>,
}

impl Answer {
    pub fn opcode(&self) -> u8 {
        self.header[0]
    }

    pub fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.header[at..at + 4].try_into().expect("four bytes"))
    }

    pub fn tag(&self) -> u32 {
        self.word(16)
    }
}

pub struct Initiator {
    pub stream: TcpStream,
    command: u32,
}

impl Initiator {
    /// A connection that has not logged in.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the target listens");
        // A safety net for a test that would hang otherwise.
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a timeout");
        Self { stream, command: 1 }
    }

    /// A session with `target`, from the operational stage straight to the full feature phase.
    pub fn login(address: SocketAddr, target: &str, session: u8) -> Self {
        let mut initiator = Self::connect(address);
        let text = format!(
            "InitiatorName=iqn.test\0TargetName={target}\0FirstBurstLength=65536\0MaxBurstLength=131072\0"
        );
        let answer = initiator.try_login(text.as_bytes(), session);
        assert_eq!((answer.opcode(), answer.header[36]), (0x23, 0), "{answer:?}");
        initiator
    }

    pub fn try_login(&mut self, text: &[u8], session: u8) -> Answer {
        let mut header = [0; 48];
        (header[0], header[1], header[13]) = (0x43, 0x87, session);
        header[24..28].copy_from_slice(&self.command.to_be_bytes());
        self.send(header, text);
        self.receive().expect("an answer to the login")
    }

    pub fn send(&mut self, mut header: [u8; 48], data: &[u8]) {
        header[5..8].copy_from_slice(&u32::try_from(data.len()).expect("short").to_be_bytes()[1..]);
        let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
        // The peer may have closed already; the test sees that when it receives.
        let _ = self.stream.write_all(&[&header[..], data, &padding].concat());
    }

    /// Sends the beginning of a PDU, whatever it says, with zeros for the rest of its header.
    pub fn stream_bytes(&mut self, begin: &[u8]) {
        let rest = vec![0; 48 - begin.len()];
        let _ = self.stream.write_all(&[begin, &rest].concat()); // as above
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut header = [0; 48];
        self.stream.read_exact(&mut header)?;
        let length =
            usize::try_from(u32::from_be_bytes([0, header[5], header[6], header[7]])).expect("24 bits");
        let mut data = vec![0; length.next_multiple_of(4)];
        self.stream.read_exact(&mut data)?;
        data.truncate(length);
        Ok(Answer { header, data })
    }

    /// Takes the unit attentions that meet a new initiator, and returns the additional sense codes.
    pub fn settle(&mut self) -> Vec<u8> {
        let mut codes = Vec::new();
        loop {
            self.command(0xFFFF, 0, &[0], 0, &[]);
            match self
                .receive()
                .expect("TEST UNIT READY is answered")
                .data
                .as_slice()
            {
                [0, 18, sense @ ..] if sense[2] == 6 => codes.push(sense[12]),
                _ => return codes,
            }
        }
    }

    /// Sends a numbered PDU.
    pub fn request(&mut self, opcode: u8, flags: u8, tag: u32, fields: &[(usize, &[u8])], data: &[u8]) {
        let mut header = [0; 48];
        (header[0], header[1]) = (opcode, flags);
        header[16..20].copy_from_slice(&tag.to_be_bytes());
        header[24..28].copy_from_slice(&self.command.to_be_bytes());
        for (at, bytes) in fields {
            header[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        self.command += u32::from(opcode & 0x40 == 0);
        self.send(header, data);
    }

    /// Sends a SCSI command with what immediate data there is. Flags: 40h reads, 20h writes.
    pub fn command(&mut self, tag: u32, flags: u8, cdb: &[u8], length: usize, immediate: &[u8]) {
        let length = u32::try_from(length).expect("short").to_be_bytes();
        self.request(0x01, 0x80 | flags, tag, &[(20, &length), (32, cdb)], immediate);
    }

    /// Sends what an R2T asked for, in PDUs of at most `segment` bytes.
    pub fn data_out(&mut self, asked: &Answer, data: &[u8], segment: usize) {
        let (offset, length) = (asked.word(40), usize::try_from(asked.word(44)).expect("short"));
        let start = usize::try_from(offset).expect("short");
        for (number, chunk) in (0u32..).zip(data[start..start + length].chunks(segment)) {
            let mut header = [0; 48];
            let done = usize::try_from(number).expect("short") * segment;
            (header[0], header[1]) = (0x05, if done + chunk.len() == length { 0x80 } else { 0 });
            header[16..20].copy_from_slice(&asked.tag().to_be_bytes());
            header[20..24].copy_from_slice(&asked.header[20..24]);
            header[36..40].copy_from_slice(&number.to_be_bytes());
            let at = u32::try_from(start + done).expect("short");
            header[40..44].copy_from_slice(&at.to_be_bytes());
            self.send(header, chunk);
        }
    }
}
