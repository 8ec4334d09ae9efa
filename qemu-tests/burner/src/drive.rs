//! The drive: one command in, one answer out.

use std::time::Duration;

use crate::{
    at_once::Cue,
    attention::{Attention, LOCAL},
    bytes::Cdb,
    clock::Clock,
    disc::Disc,
    fault::{Fault, Faults},
    modes::ModePages,
    profile::Profile,
    sense::{
        COMMUNICATION_FAILURE, INVALID_OPERATION_CODE, MEDIUM_MAY_HAVE_CHANGED, NO_MEDIUM_TRAY_CLOSED,
        NO_MEDIUM_TRAY_OPEN, POWER_ON, RESET_OCCURRED, Sense,
    },
    speed::Speed,
    timing::Pace,
    trace::Record,
    tray::Tray,
};

/// SCSI status (SAM-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// GOOD.
    Good = 0x00,
    /// CHECK CONDITION: the sense data says why.
    CheckCondition = 0x02,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it ended.
    pub status: Status,
    /// With CHECK CONDITION: why.
    pub sense: Option<Sense>,
    /// Data for the initiator, already cut to the allocation length.
    pub data_in: Vec<u8>,
    /// A fault let this answer be lost: nothing of it may reach the initiator, whose transport has failed. For
    /// a transport that cannot, it reads as 0B/08/00, logical unit communication failure.
    pub lost: bool,
}

impl From<Sense> for Response {
    fn from(sense: Sense) -> Self {
        Self {
            status: Status::CheckCondition,
            sense: Some(sense),
            data_in: Vec::new(),
            lost: false,
        }
    }
}

impl From<Vec<u8>> for Response {
    fn from(data_in: Vec<u8>) -> Self {
        Self {
            status: Status::Good,
            sense: None,
            data_in,
            lost: false,
        }
    }
}

type Observer = Box<dyn FnMut(&Record) + Send>;

/// An emulated burner. It powers on with an empty, closed tray and a unit attention pending.
pub struct Drive {
    pub(crate) serial: String,
    pub(crate) tray: Tray,
    pub(crate) attention: Attention,
    pub(crate) pages: ModePages,
    pub(crate) speed: Speed,
    pub(crate) faults: Faults,
    pub(crate) cue: Option<Cue>,
    /// None: no time is taken.
    pub(crate) pace: Option<Pace>,
    /// How long the answer to the current command waits.
    pub(crate) delay: Duration,
    /// The command being executed will not be answered.
    pub(crate) reply_lost: bool,
    observer: Option<Observer>,
    pub(crate) clock: Clock,
}

impl Drive {
    /// An empty drive; `serial` is its serial number, of which 16 characters count.
    #[must_use]
    pub fn new(serial: &str) -> Self {
        Self {
            serial: serial.chars().filter(char::is_ascii_graphic).take(16).collect(),
            tray: Tray::default(),
            attention: Attention::power_on(),
            pages: ModePages::new(),
            speed: Speed::default(),
            faults: Faults::default(),
            cue: None,
            pace: None,
            delay: Duration::ZERO,
            reply_lost: false,
            observer: None,
            clock: Clock::real(),
        }
    }

    /// What goes wrong from now on: arm more, or disarm all.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Calls `observer` after every command.
    pub fn observe(&mut self, observer: impl FnMut(&Record) + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// Queues a unit attention for every initiator's next command that reports one.
    pub fn unit_attention(&mut self, sense: Sense) {
        self.attention.unit(sense);
    }

    /// The initiator of that name is gone: what it prevented is allowed.
    pub(crate) fn lose_initiator(&mut self, name: &[u8]) {
        self.attention.allow_removal(Some(name));
    }

    /// Power off and on: mode pages, speeds and the tray lock are as new. Whatever lies in the tray stays
    /// there.
    pub fn power_cycle(&mut self) {
        self.restart(POWER_ON);
    }

    /// A reset of the bus or the logical unit.
    pub(crate) fn reset(&mut self) {
        self.restart(RESET_OCCURRED);
    }

    /// The power fails and returns: the disc is recognised anew.
    pub(crate) fn cut_power(&mut self) {
        self.power_cycle();
        self.attention.unit(MEDIUM_MAY_HAVE_CHANGED);
        self.reply_lost = true;
    }

    fn restart(&mut self, why: Sense) {
        self.pages = ModePages::new();
        self.speed = Speed::default();
        self.cue = None;
        self.attention.allow_removal(None);
        self.attention.unit(why);
    }

    /// Executes one command with the data that came along. A reply delayed by a fault is slept for here.
    pub fn execute(&mut self, cdb: &[u8], data_out: &[u8]) -> Response {
        let (response, delay) = self.perform(LOCAL, cdb, data_out);
        std::thread::sleep(delay);
        response
    }

    /// The same for the initiator of that name, leaving the delay of the reply to the caller.
    pub(crate) fn perform(&mut self, initiator: &[u8], cdb: &[u8], data_out: &[u8]) -> (Response, Duration) {
        let (cdb, at) = (Cdb::new(cdb), self.now());
        self.attention.turn(initiator, self.medium().is_some());
        let answer = self.disturbed(&cdb).and_then(|()| self.dispatch(&cdb, data_out));
        let mut response: Response = answer.map_or_else(Into::into, Into::into);
        let lost =
            |fault: &Fault| matches!(fault, Fault::LostReply { opcode, .. } if *opcode == cdb.opcode());
        if self.faults.fire(|fault| lost(fault).then_some(())).is_some() {
            self.reset();
            self.reply_lost = true;
        }
        if std::mem::take(&mut self.reply_lost) {
            response = COMMUNICATION_FAILURE.into();
            response.lost = true;
        }
        let late = |fault: &Fault| match fault {
            Fault::ReplyDelay {
                opcode, milliseconds, ..
            } if *opcode == cdb.opcode() => Some(*milliseconds),
            _ => None,
        };
        let late = Duration::from_millis(self.faults.fire(late).unwrap_or(0));
        let delay = std::mem::take(&mut self.delay) + late;
        let took = self.now() - at + delay;
        if let Some(observer) = &mut self.observer {
            observer(&Record {
                cdb: cdb.bytes().to_vec(),
                data_out: data_out.len(),
                data_in: response.data_in.len(),
                status: response.status,
                sense: response.sense,
                at,
                took,
            });
        }
        (response, self.clock.wait(delay))
    }

    /// What happens around the drive before a command reaches it.
    fn disturbed(&mut self, cdb: &Cdb) -> Result<(), Sense> {
        let swap = |fault: &Fault| match fault {
            Fault::Swap { opcode, disc, silent } if *opcode == cdb.opcode() => Some((disc.clone(), *silent)),
            _ => None,
        };
        if let Some((directory, silent)) = self.faults.fire(swap) {
            match Disc::open(&directory) {
                Ok(disc) if silent => self.tray.disc = Some(disc),
                Ok(disc) => drop(self.insert(disc)),
                // Standard error, since sense data cannot carry it.
                Err(error) => eprintln!("burner: no disc was swapped: {error}"),
            }
        }
        let exempt = matches!(cdb.opcode(), 0x03 | 0x12 | 0x46 | 0x4A | 0xA0);
        let refusal = |fault: &Fault| match fault {
            Fault::Refusal {
                opcode,
                key,
                code,
                qualifier,
                ..
            } if opcode.map_or(!exempt, |opcode| opcode == cdb.opcode()) => {
                Some(Sense::new(key & 0xF, *code, *qualifier))
            }
            _ => None,
        };
        if let Some(sense) = self.faults.fire(refusal) {
            return Err(sense);
        }
        if exempt {
            return Ok(());
        }
        let reset =
            |fault: &Fault| matches!(fault, Fault::BusReset { opcode, .. } if *opcode == cdb.opcode());
        if self.faults.fire(|fault| reset(fault).then_some(())).is_some() {
            self.reset();
        }
        let attention = |fault: &Fault| match fault {
            Fault::UnitAttention {
                opcode,
                code,
                qualifier,
                ..
            } if opcode.is_none_or(|opcode| opcode == cdb.opcode()) => Some(Sense::new(6, *code, *qualifier)),
            _ => None,
        };
        self.faults.fire(attention).map_or(Ok(()), Err)
    }

    fn dispatch(&mut self, cdb: &Cdb, data_out: &[u8]) -> Result<Vec<u8>, Sense> {
        // These answer whatever is pending (MMC-6, SPC-4); all others report a unit attention
        // first.
        match cdb.opcode() {
            0x03 => return Ok(self.request_sense(cdb)),
            0x12 => return self.inquiry(cdb),
            0x46 => return self.get_configuration(cdb),
            0x4A => {
                return self
                    .get_event_status(cdb)
                    .map(|reply| cut(reply, cdb.u16(7).into()));
            }
            0xA0 => return report_luns(cdb),
            _ => {}
        }
        if let Some(sense) = self.attention.take_unit() {
            return Err(sense);
        }
        // A background format gets on between the commands, by about a thousandth each time.
        if let Some(disc) = self.tray.disc.as_mut().filter(|_| !self.tray.open) {
            disc.format_on(disc.recording().capacity() / 1000 + 16);
        }
        let allocation = |at| usize::from(cdb.u16(at));
        match cdb.opcode() {
            0x15 | 0x55 => self.mode_select(cdb, data_out),
            0x1A | 0x5A => self.mode_sense(cdb),
            0x04 => self.format_unit(cdb, data_out),
            0x1B => self.start_stop(cdb),
            0x1E => self.prevent_allow(cdb),
            0xAC => self.get_performance(cdb),
            0xB6 => self.set_streaming(data_out),
            0xBB => self.set_speed(cdb),
            0xBD => Ok(cut(self.mechanism_status(), allocation(8))),
            0x00 => self.ready().map(|_| Vec::new()),
            0x23 => self
                .read_format_capacities()
                .map(|reply| cut(reply, allocation(7))),
            0x25 => self.read_capacity(),
            0x28 => self.read(cdb.u32(2), cdb.u16(7).into()),
            0x2A => self.write(cdb.u32(2), cdb.u16(7).into(), data_out),
            0x2E => self.write(cdb.u32(2), cdb.u16(7).into(), data_out),
            0x35 => self.synchronize_cache(cdb),
            0x43 => self.read_toc(cdb).map(|reply| cut(reply, allocation(7))),
            0x51 => self
                .read_disc_information(cdb)
                .map(|reply| cut(reply, allocation(7))),
            0x52 => self
                .read_track_information(cdb)
                .map(|reply| cut(reply, allocation(7))),
            0x53 => self.reserve_track(cdb),
            0x54 => self.send_opc(cdb),
            0x5B => self.close(cdb),
            0x5D => self.send_cue_sheet(cdb, data_out),
            0x5C => self
                .read_buffer_capacity(cdb)
                .map(|reply| cut(reply, allocation(7))),
            0xA1 => self.blank(cdb),
            0xA8 => self.read(cdb.u32(2), cdb.u32(6)),
            0xAA => self.write(cdb.u32(2), cdb.u32(6), data_out),
            0xAD => self
                .read_disc_structure(cdb)
                .map(|reply| cut(reply, allocation(8))),
            0xB9 => self.read_cd_msf(cdb),
            0xBE => self.read_cd(cdb),
            0xBF => self.send_disc_structure(cdb, data_out),
            _ => Err(INVALID_OPERATION_CODE),
        }
    }

    /// The disc, if the drive sees one.
    pub(crate) fn medium(&self) -> Option<&Disc> {
        self.tray
            .disc
            .as_ref()
            .filter(|_| !self.tray.open && !self.faults.no_disc())
    }

    /// The kind of disc the drive sees.
    pub(crate) fn current_profile(&self) -> Option<&'static Profile> {
        self.medium().map(Disc::profile)
    }

    /// What a drive that takes time is busy with.
    pub(crate) fn working(&self) -> Option<Sense> {
        self.pace.as_ref()?.busy(self.now())
    }

    /// The disc, if it can be used now.
    pub(crate) fn ready(&mut self) -> Result<&mut Disc, Sense> {
        if self.medium().is_none() {
            return Err(if self.tray.open {
                NO_MEDIUM_TRAY_OPEN
            } else {
                NO_MEDIUM_TRAY_CLOSED
            });
        }
        if let Some(sense) = self.attention.take_busy().or_else(|| self.working()) {
            return Err(sense);
        }
        self.tray.disc.as_mut().ok_or(NO_MEDIUM_TRAY_CLOSED)
    }
}

/// Cuts a reply to the allocation length, which is never an error (SPC-4).
pub(crate) fn cut(mut reply: Vec<u8>, allocation: usize) -> Vec<u8> {
    reply.truncate(allocation);
    reply
}

/// REPORT LUNS (SPC-4): there is LUN 0 and nothing else.
fn report_luns(cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let mut reply = vec![0; 16];
    reply[3] = 8;
    Ok(cut(reply, usize::try_from(cdb.u32(6)).unwrap_or(usize::MAX)))
}
