//! A scripted drive: a minimal sequential or overwritable medium, with answers to inject before chosen commands.

use core::time::Duration;
use std::collections::VecDeque;
use std::vec::Vec;

use crate::event::Event;
use crate::transport::{Completion, Data, Host, Transport, TransportError};
use crate::{BLOCK, Drive};

/// Blocks of the model's disc.
pub(super) const CAPACITY: u32 = 6400;

/// What to answer instead of carrying a command out.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// CHECK CONDITION with this key, code and qualifier; the command is not carried out.
    Sense(u8, u8, u8),
    /// The same, reported as deferred.
    Deferred(u8, u8, u8),
    /// The command is carried out, and its answer lost.
    Lost,
    /// The command is lost on the way.
    Dropped,
    /// The command is answered with GOOD, and nothing is moved.
    Empty,
    /// The drive forgets this many blocks of its buffer, then reports a reset.
    Reset(u32),
}

/// When to inject: before the nth command (from 0) with this operation code.
pub(super) type Fault = (u8, usize, Answer);

/// The scripted drive.
pub(super) struct Model {
    pub(super) profile: u16,
    pub(super) pseudo_overwrite: bool,
    pub(super) loads: bool,
    pub(super) fua: bool,
    pub(super) blocks: Vec<[u8; BLOCK]>,
    pub(super) track_start: u32,
    pub(super) track: u8,
    pub(super) sessions: u8,
    pub(super) track_closed: bool,
    pub(super) finalised: bool,
    pub(super) open: bool,
    pub(super) faults: VecDeque<Fault>,
    pub(super) log: Vec<Vec<u8>>,
    /// How often each operation code has come.
    pub(super) seen: [usize; 256],
    /// Blocks that cannot be read.
    pub(super) bad: Vec<u32>,
    /// Overwritable: what was overwritten since the last flush, which a reset brings back.
    pub(super) before: Vec<(usize, [u8; BLOCK])>,
}

impl Model {
    /// A drive with a blank disc of this profile.
    pub(super) fn blank(profile: u16) -> Self {
        Self {
            profile,
            pseudo_overwrite: false,
            loads: true,
            fua: true,
            blocks: if is_overwritable(profile) {
                std::vec![[0; BLOCK]; usize::try_from(CAPACITY).unwrap()]
            } else {
                Vec::new()
            },
            track_start: 0,
            track: 1,
            sessions: 0,
            track_closed: false,
            finalised: false,
            open: false,
            faults: VecDeque::new(),
            log: Vec::new(),
            seen: [0; 256],
            bad: Vec::new(),
            before: Vec::new(),
        }
    }

    pub(super) fn with(mut self, faults: &[Fault]) -> Self {
        self.faults = faults.iter().cloned().collect();
        self
    }

    /// How often a command with this operation code has come.
    pub(super) fn count(&self, code: u8) -> usize {
        self.seen[usize::from(code)]
    }

    fn next(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap()
    }

    fn carry_out(&mut self, cdb: &[u8], data: Data<'_>) -> Completion {
        let number = |at: usize| u32::from_be_bytes([cdb[at], cdb[at + 1], cdb[at + 2], cdb[at + 3]]);
        match (cdb[0], data) {
            (0x00 | 0x25 | 0x51 | 0x52 | 0x23 | 0x28 | 0x2A, _) if self.open => sense(2, 0x3A, 2),
            (0x00 | 0x1E, _) => Completion::GOOD,
            (0x35, _) => {
                self.before.clear();
                Completion::GOOD
            }
            (0x53, _) => Completion::GOOD,
            (0x1B, _) => {
                match cdb[4] & 3 {
                    2 => self.open = true,
                    3 => self.open = false,
                    _ => {}
                }
                Completion::GOOD
            }
            (0x12, Data::In(buffer)) => reply(buffer, &inquiry()),
            (0x46, Data::In(buffer)) => reply(buffer, &self.configuration()),
            (0x5A, Data::In(buffer)) => {
                let mut page = [0; 30];
                page[1] = 28;
                page[8] = 0x2A;
                page[9] = 20;
                page[21] = 64; // KiB of buffer
                reply(buffer, &page)
            }
            (0x51, Data::In(buffer)) => reply(buffer, &self.disc_information()),
            (0x52, Data::In(buffer)) => self.track_information(number(2), buffer),
            (0x25, Data::In(buffer)) => {
                let mut answer = [0; 8];
                answer[..4].copy_from_slice(&self.next().saturating_sub(1).to_be_bytes());
                answer[6] = 8;
                reply(buffer, &answer)
            }
            (0x23, Data::In(buffer)) => {
                let mut answer = [0, 0, 0, 8, 0, 0, 0, 0, 1, 0, 8, 0];
                answer[4..8].copy_from_slice(&CAPACITY.to_be_bytes());
                answer[8] += u8::from(is_overwritable(self.profile)); // formatted
                reply(buffer, &answer)
            }
            (0x5C, Data::In(buffer)) => reply(buffer, &[0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 64, 0]),
            (0x2A, Data::Out(bytes)) => self.write(number(2), bytes),
            (0x28 | 0xA8, Data::In(buffer)) => self.read(cdb, number(2), buffer),
            (0x5B, _) => self.close(cdb[2]),
            _ => sense(5, 0x20, 0),
        }
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Completion {
        if is_overwritable(self.profile) {
            let start = usize::try_from(address).unwrap();
            for (at, block) in (start..).zip(bytes.chunks(BLOCK)) {
                self.before.push((at, self.blocks[at]));
                self.blocks[at] = block.try_into().unwrap();
            }
            return Completion::GOOD;
        }
        if address != self.next() {
            return sense(5, 0x21, 2);
        }
        let blocks = bytes
            .chunks(BLOCK)
            .map(|block| <[u8; BLOCK]>::try_from(block).unwrap());
        self.blocks.extend(blocks);
        Completion::GOOD
    }

    fn read(&mut self, cdb: &[u8], address: u32, buffer: &mut [u8]) -> Completion {
        if cdb[0] == 0xA8 && !self.fua {
            return sense(5, 0x24, 0);
        }
        for (at, to) in (address..).zip(buffer.chunks_mut(BLOCK)) {
            match self.blocks.get(usize::try_from(at).unwrap()) {
                Some(_) if self.bad.contains(&at) => return sense(3, 0x11, 5),
                Some(block) => to.copy_from_slice(block),
                None => return sense(5, 0x21, 0),
            }
        }
        Completion::GOOD
    }

    fn close(&mut self, function: u8) -> Completion {
        match function {
            1 if !self.track_closed => self.track_closed = true,
            2 | 6 if self.track_closed => {
                self.sessions += 1;
                self.track += 1;
                self.track_closed = false;
                self.track_start = self.next();
                self.finalised = function == 6;
            }
            _ => return sense(5, 0x2C, 0),
        }
        Completion::GOOD
    }

    fn configuration(&self) -> Vec<u8> {
        let mut answer = std::vec![0; 8];
        answer[6..8].copy_from_slice(&self.profile.to_be_bytes());
        answer.extend([0x00, 0x03, 0x07, 4, if self.loads { 0x38 } else { 0x28 }, 0, 0, 0]);
        answer.extend([0x00, 0x38, u8::from(self.pseudo_overwrite), 4, 0, 0, 0, 0]);
        answer.extend([0x01, 0x08, 0x03, 4, b'S', b'N', b'4', b'2']);
        answer[3] = u8::try_from(answer.len() - 4).unwrap();
        answer
    }

    fn disc_information(&self) -> [u8; 34] {
        let mut answer = [0; 34];
        answer[1] = 32;
        let begun = self.next() > self.track_start;
        answer[2] = match (self.finalised, begun, self.sessions) {
            (true, ..) => 3 << 2 | 2,
            (_, true, _) => 1 << 2 | 1,
            (_, false, 0) => 0,
            (_, false, _) => 1,
        };
        if is_overwritable(self.profile) {
            answer[2] = 3 << 2 | 3;
            answer[7] = 3;
        }
        answer[3] = 1;
        answer[4] = self.sessions + u8::from(!self.finalised);
        answer[5] = self.track;
        answer[6] = self.track;
        answer
    }

    fn track_information(&self, number: u32, buffer: &mut [u8]) -> Completion {
        let invisible = number == 0xFF;
        if !invisible && number != u32::from(self.track) || self.finalised {
            return sense(5, 0x24, 0);
        }
        let mut answer = [0; 34];
        answer[1] = 32;
        answer[2] = self.track;
        answer[3] = self.sessions + 1;
        answer[6] = u8::from(self.next() == self.track_start) << 6;
        answer[7] = u8::from(!self.track_closed);
        answer[8..12].copy_from_slice(&self.track_start.to_be_bytes());
        answer[12..16].copy_from_slice(&self.next().to_be_bytes());
        answer[16..20].copy_from_slice(&(CAPACITY - self.next()).to_be_bytes());
        reply(buffer, &answer)
    }
}

/// DVD-RAM, DVD-RW restricted overwrite, DVD+RW, BD-RE.
fn is_overwritable(profile: u16) -> bool {
    matches!(profile, 0x12 | 0x13 | 0x1A | 0x43)
}

fn inquiry() -> [u8; 36] {
    let mut answer = [b' '; 36];
    answer[..8].copy_from_slice(&[5, 0x80, 5, 2, 31, 0, 0, 0]);
    answer[8..15].copy_from_slice(b"SPINDLE");
    answer[16..24].copy_from_slice(b"BD-MODEL");
    answer[32..36].copy_from_slice(b"1.00");
    answer
}

fn reply(buffer: &mut [u8], answer: &[u8]) -> Completion {
    for (to, from) in buffer.iter_mut().zip(answer) {
        *to = *from;
    }
    Completion::GOOD
}

fn sense(key: u8, code: u8, qualifier: u8) -> Completion {
    Completion::check_condition(&[
        0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0,
    ])
}

impl Transport for Model {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        _timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let nth = self.count(cdb[0]);
        self.log.push(cdb.to_vec());
        self.seen[usize::from(cdb[0])] += 1;
        let due = self
            .faults
            .iter()
            .position(|(code, when, _)| *code == cdb[0] && *when == nth);
        match due
            .and_then(|at| self.faults.remove(at))
            .map(|(.., answer)| answer)
        {
            None => Ok(self.carry_out(cdb, data)),
            // What is overwritten leaves no trace by which a drive that lies could be found out.
            Some(Answer::Sense(1, code, qualifier)) if is_overwritable(self.profile) => {
                self.carry_out(cdb, data);
                Ok(sense(1, code, qualifier))
            }
            Some(Answer::Sense(key, code, qualifier)) => Ok(sense(key, code, qualifier)),
            Some(Answer::Deferred(key, code, qualifier)) => {
                let mut completion = sense(key, code, qualifier);
                completion.sense[0] = 0x71;
                Ok(completion)
            }
            Some(Answer::Lost) => {
                self.carry_out(cdb, data);
                Err(TransportError::Timeout)
            }
            Some(Answer::Dropped) => Err(TransportError::Timeout),
            Some(Answer::Empty) => Ok(Completion::GOOD),
            Some(Answer::Reset(lost)) if is_overwritable(self.profile) => {
                for _ in 0..lost {
                    if let Some((at, block)) = self.before.pop() {
                        self.blocks[at] = block;
                    }
                }
                Ok(sense(6, 0x29, 0))
            }
            Some(Answer::Reset(lost)) => {
                let kept = self.blocks.len().saturating_sub(usize::try_from(lost).unwrap());
                self.blocks.truncate(kept);
                Ok(sense(6, 0x29, 0))
            }
        }
    }
}

/// A host whose pauses take no time, and who remembers what he heard.
#[derive(Default)]
pub(super) struct Ear {
    pub(super) now: Duration,
    pub(super) events: Vec<Event>,
}

impl Host for Ear {
    fn now(&self) -> Duration {
        self.now
    }
    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// The driver on a model.
pub(super) fn drive(model: Model) -> Drive<Model, Ear> {
    Drive::identify(model, Ear::default()).unwrap()
}

/// Block contents that tell their address.
pub(super) fn image(blocks: u32) -> Vec<u8> {
    let block = |number: u32| number.to_be_bytes().into_iter().cycle().take(BLOCK);
    (1..=blocks).flat_map(block).collect()
}
