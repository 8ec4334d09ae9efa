//! The full feature phase of a connection (RFC 7143 section 4.2).

use std::{
    io::{self, BufReader},
    net::{Shutdown, TcpStream},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use super::{
    login::{OUR_DATA_SEGMENT, Parameters, login, pairs, put_pair},
    pdu::{
        DATA_IN, DATA_OUT, FINAL, Header, LOGOUT, LOGOUT_RESPONSE, NO_TAG, NOP_IN, NOP_OUT, Numbered, Pdu,
        R2T, REJECT, SCSI_COMMAND, SCSI_RESPONSE, Sender, TASK_MANAGEMENT, TASK_MANAGEMENT_RESPONSE, TEXT,
        TEXT_RESPONSE, malformed,
    },
    target::{Registry, Served},
    task::{Solicitation, Task, Tasks},
};
use crate::{
    drive::{Response, Status},
    sense::{INVALID_FIELD_IN_CDB, LOGICAL_UNIT_NOT_SUPPORTED},
};

/// The largest WRITE taken: what WRITE (10) could move is 128 MiB, what initiators send is below 4 MiB.
const MOST_DATA_OUT: usize = 16 << 20;

/// Residual flags of SCSI Response and Data-In.
const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;
/// The S bit of Data-In: the status is in it.
const WITH_STATUS: u8 = 0x01;

struct Session<'a> {
    /// Initiator name and session identifier, which name the I_T nexus.
    initiator: Vec<u8>,
    registry: &'a Registry,
    parameters: Parameters,
    served: Option<Served>,
    sender: Mutex<Sender>,
    tasks: Tasks,
    transfer_tag: AtomicU32,
}

/// Serves one connection from login to its end.
pub fn serve(stream: &TcpStream, registry: &Registry) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(16 << 10, stream);
    let mut sender = Sender::new(stream.try_clone()?);
    stream.set_read_timeout(Some(registry.login_timeout()))?;
    let Some(login) = login(&mut reader, &mut sender, registry)? else {
        return Ok(());
    };
    stream.set_read_timeout(None)?;
    let _entered = registry.reinstate(login.identity.clone(), login.served.as_ref(), stream)?;
    let session = Session {
        initiator: login.identity,
        registry,
        parameters: login.parameters,
        served: login.served,
        sender: Mutex::new(sender),
        tasks: Tasks::new(login.command_number),
        transfer_tag: AtomicU32::new(0),
    };
    thread::scope(|scope| {
        scope.spawn(|| session.execute_all());
        let outcome = session.receive_all(&mut reader);
        session.tasks.close();
        if let Some(served) = &session.served {
            served
                .drive
                .control(|drive| drive.lose_initiator(&session.initiator));
        }
        let _ = stream.shutdown(Shutdown::Both); // lets the executor's last write end; it may be closed already
        outcome
    })
}

impl Session<'_> {
    fn sender(&self) -> MutexGuard<'_, Sender> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, header: Header, data: &[u8], numbered: Numbered) -> io::Result<()> {
        let mut sender = self.sender();
        let window = self.tasks.window();
        sender.send(header, data, numbered, window)
    }

    fn receive_all(&self, reader: &mut impl io::Read) -> io::Result<()> {
        while let Some(pdu) = Pdu::receive(reader, OUR_DATA_SEGMENT)? {
            if pdu.opcode() == DATA_OUT {
                self.data_out(&pdu)?;
                continue;
            }
            if !self.tasks.admit(&pdu)? {
                continue;
            }
            if pdu.opcode() == SCSI_COMMAND {
                self.command(pdu)?;
                continue;
            }
            self.tasks.release(pdu.is_immediate());
            let tag = pdu.task_tag();
            match pdu.opcode() {
                NOP_OUT if tag == NO_TAG => {} // answers a ping, and this target sends none
                NOP_OUT => {
                    let echo = pdu.data.get(..self.parameters.data_segment).unwrap_or(&pdu.data);
                    let header = Header::new(NOP_IN, FINAL, tag)
                        .field(8, &pdu.field::<8>(8))
                        .word(20, NO_TAG);
                    self.send(header, echo, Numbered::Status)?;
                }
                TASK_MANAGEMENT => {
                    let outcome = self.manage(&pdu);
                    let header = Header::new(TASK_MANAGEMENT_RESPONSE, FINAL, tag).byte(2, outcome);
                    self.send(header, &[], Numbered::Status)?;
                }
                TEXT => self.text(&pdu)?,
                LOGOUT => return self.send(Header::new(LOGOUT_RESPONSE, FINAL, tag), &[], Numbered::Status),
                _ => self.reject(&pdu, 0x05)?, // command not supported
            }
        }
        Ok(())
    }

    fn reject(&self, pdu: &Pdu, reason: u8) -> io::Result<()> {
        self.send(
            Header::new(REJECT, FINAL, NO_TAG).byte(2, reason),
            pdu.header(),
            Numbered::Status,
        )
    }

    /// Text request: SendTargets.
    fn text(&self, pdu: &Pdu) -> io::Result<()> {
        if !pdu.is_final() {
            return self.reject(pdu, 0x05);
        }
        let mut reply = Vec::new();
        for (key, value) in pairs(&pdu.data)? {
            if key != "SendTargets" {
                put_pair(&mut reply, key, "NotUnderstood");
                continue;
            }
            let address = format!("{},1", self.sender().stream().local_addr()?);
            let own = self.served.as_ref().map(|served| served.name.as_str());
            for name in self.registry.names() {
                if value == "All" && own.is_none() || value == name || value.is_empty() && own == Some(&name)
                {
                    put_pair(&mut reply, "TargetName", &name);
                    put_pair(&mut reply, "TargetAddress", &address);
                }
            }
        }
        reply.truncate(self.parameters.data_segment);
        self.send(
            Header::new(TEXT_RESPONSE, FINAL, pdu.task_tag()).word(20, NO_TAG),
            &reply,
            Numbered::Status,
        )
    }

    /// Task management (RFC 7143 section 11.5): its response.
    fn manage(&self, pdu: &Pdu) -> u8 {
        const COMPLETE: u8 = 0;
        const NO_SUCH_TASK: u8 = 1;
        const NOT_SUPPORTED: u8 = 5;
        match pdu.flags() & 0x7F {
            1 if !self.tasks.abort(Some(pdu.word(20))) => NO_SUCH_TASK,
            1 => COMPLETE,
            function @ (2 | 4..=7) => {
                self.tasks.abort(None);
                if let Some(served) = self.served.as_ref().filter(|_| function >= 5) {
                    served.drive.control(crate::drive::Drive::reset);
                }
                COMPLETE
            }
            _ => NOT_SUPPORTED,
        }
    }

    fn command(&self, mut pdu: Pdu) -> io::Result<()> {
        if self.served.is_none() {
            return Err(malformed("SCSI command in a discovery session"));
        }
        let (reads, writes) = (pdu.flags() & 0x40 != 0, pdu.flags() & 0x20 != 0);
        let mut task = Task::new(&mut pdu, reads, writes);
        let most = if self.parameters.immediate_data {
            self.parameters.first_burst.min(task.wanted)
        } else {
            0
        };
        if task.data.len() > most || !pdu.is_final() {
            return Err(malformed("unsolicited data that was not agreed on"));
        }
        if task.wanted > MOST_DATA_OUT {
            self.tasks.release(task.immediate);
            return self.respond(&task, &INVALID_FIELD_IN_CDB.into());
        }
        task.data.reserve_exact(task.wanted - task.data.len());
        let missing = task.solicit(self.transfer_tag(), self.parameters.max_burst);
        self.tasks.push(task)?;
        self.ask(missing)
    }

    fn data_out(&self, pdu: &Pdu) -> io::Result<()> {
        self.ask(
            self.tasks
                .receive(pdu, self.transfer_tag(), self.parameters.max_burst)?,
        )
    }

    /// A tag for a burst; never the reserved one.
    fn transfer_tag(&self) -> u32 {
        self.transfer_tag.fetch_add(1, Ordering::Relaxed) & !(1 << 31)
    }

    /// Sends an R2T.
    fn ask(&self, missing: Option<Solicitation>) -> io::Result<()> {
        let Some(burst) = missing else { return Ok(()) };
        let header = Header::new(R2T, FINAL, burst.task)
            .field(8, &burst.lun)
            .word(20, burst.transfer);
        let header = header
            .word(36, burst.number)
            .word(40, word(burst.offset))
            .word(44, word(burst.length));
        self.send(header, &[], Numbered::Next)
    }

    /// Executes commands until the connection closes. A failure to answer closes it.
    fn execute_all(&self) {
        let Some(served) = &self.served else { return };
        let mut opening = true;
        while let Some(task) = self.tasks.next() {
            let mut response = if task.lun == [0; 8] {
                served.drive.execute_for(&self.initiator, &task.cdb, &task.data)
            } else {
                other_unit(&task)
            };
            opening &= matches!(task.cdb[0], 0x00 | 0x12 | 0x1A | 0x25 | 0xA0);
            if opening && task.cdb[0] == 0x25 && response.sense.is_some_and(|sense| sense.key == 2) {
                response = empty_capacity();
            }
            // An answer that is lost takes the connection with it, as when a bridge falls off its bus.
            let answered = self.tasks.finish(&task) && !response.lost;
            if response.lost || answered && self.respond(&task, &response).is_err() {
                let _ = self.sender().stream().shutdown(Shutdown::Both); // the receiver ends on it
            }
        }
    }

    fn respond(&self, task: &Task, response: &Response) -> io::Result<()> {
        let room = if task.reads { task.expected } else { 0 };
        let data = response.data_in.get(..room).unwrap_or(&response.data_in);
        let (flags, residual) = if response.data_in.len() > room {
            (OVERFLOW, response.data_in.len() - room)
        } else if task.reads && data.len() < room {
            (UNDERFLOW, room - data.len())
        } else {
            (0, 0)
        };
        let (segment, burst) = (self.parameters.data_segment, self.parameters.max_burst);
        let (mut offset, mut number) = (0, 0);
        while offset < data.len() {
            let burst_end = (offset / burst + 1) * burst;
            let end = (offset + segment).min(burst_end).min(data.len());
            let last = end == data.len();
            let mut header = Header::new(
                DATA_IN,
                if last || end == burst_end { FINAL } else { 0 },
                task.tag,
            );
            if last {
                // The status travels with the last data.
                header = Header::new(DATA_IN, FINAL | flags | WITH_STATUS, task.tag);
                header = header.byte(3, response.status as u8).word(44, word(residual));
            }
            let header = header.word(20, NO_TAG).word(36, number).word(40, word(offset));
            let numbered = if last { Numbered::Status } else { Numbered::No };
            self.send(header, data.get(offset..end).unwrap_or_default(), numbered)?;
            (offset, number) = (end, number + 1);
        }
        if offset > 0 {
            return Ok(());
        }
        let mut sense = Vec::new();
        if let Some(reason) = response.sense {
            sense.extend_from_slice(&18u16.to_be_bytes());
            sense.extend_from_slice(&reason.to_bytes());
        }
        let header = Header::new(SCSI_RESPONSE, FINAL | flags, task.tag);
        let header = header.byte(3, response.status as u8).word(44, word(residual));
        self.send(header, &sense, Numbered::Status)
    }
}

fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// There is no unit but LUN 0: INQUIRY says so (SPC-4), anything else fails.
fn other_unit(task: &Task) -> Response {
    match task.cdb[0] {
        0x12 => [&[0x7F, 0, 5, 2, 31][..], &[0; 31]].concat().into(),
        _ => LOGICAL_UNIT_NOT_SUPPORTED.into(),
    }
}

/// QEMU's initiator does not start when READ CAPACITY (10) fails, as it does without a disc. Until a
/// session has sent anything but what opens it, the answer is therefore a disc of one block.
fn empty_capacity() -> Response {
    Response {
        status: Status::Good,
        sense: None,
        data_in: vec![0, 0, 0, 0, 0, 0, 8, 0],
        lost: false,
    }
}
