//! The commands of a session: a queue fed by the receiver, in order.

use std::{
    collections::VecDeque,
    io, mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{
    login::QUEUE_DEPTH,
    pdu::{Pdu, malformed},
};

/// A burst of Data-Out PDUs that was asked for.
struct Burst {
    tag: u32,
    number: u32,
    end: usize,
    data_number: u32,
}

/// What an R2T asks for.
pub struct Solicitation {
    /// Initiator task tag.
    pub task: u32,
    pub lun: [u8; 8],
    /// Target transfer tag.
    pub transfer: u32,
    /// Number of the R2T within its task.
    pub number: u32,
    pub offset: usize,
    pub length: usize,
}

/// One SCSI command.
pub struct Task {
    pub tag: u32,
    pub lun: [u8; 8],
    pub cdb: [u8; 16],
    /// Expected data transfer length.
    pub expected: usize,
    pub reads: bool,
    /// Bytes the initiator will send.
    pub wanted: usize,
    pub data: Vec<u8>,
    burst: Option<Burst>,
    pub immediate: bool,
}

impl Task {
    pub fn new(pdu: &mut Pdu, reads: bool, writes: bool) -> Self {
        let expected = usize::try_from(pdu.word(20)).unwrap_or(usize::MAX);
        Self {
            tag: pdu.task_tag(),
            lun: pdu.field(8),
            cdb: pdu.field(32),
            expected,
            reads,
            wanted: if writes { expected } else { 0 },
            data: mem::take(&mut pdu.data),
            burst: None,
            immediate: pdu.is_immediate(),
        }
    }

    fn is_complete(&self) -> bool {
        self.data.len() >= self.wanted
    }

    /// Asks for the next burst of data, if some is missing.
    pub fn solicit(&mut self, transfer: u32, max_burst: usize) -> Option<Solicitation> {
        let number = self.burst.take().map_or(0, |burst| burst.number + 1);
        if self.is_complete() {
            return None;
        }
        let (offset, end) = (self.data.len(), self.wanted.min(self.data.len() + max_burst));
        self.burst = Some(Burst {
            tag: transfer,
            number,
            end,
            data_number: 0,
        });
        Some(Solicitation {
            task: self.tag,
            lun: self.lun,
            transfer,
            number,
            offset,
            length: end - offset,
        })
    }
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Task>,
    /// The tag of the task being executed; none once it was aborted.
    running: Option<u32>,
    closed: bool,
    /// ExpCmdSN.
    expected: u32,
    /// MaxCmdSN.
    most: u32,
}

/// All commands of one session that were not answered yet, and the command window.
pub struct Tasks {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Tasks {
    pub fn new(first: u32) -> Self {
        let inner = Inner {
            expected: first,
            most: first.wrapping_add(QUEUE_DEPTH - 1),
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// ExpCmdSN and MaxCmdSN.
    pub fn window(&self) -> (u32, u32) {
        let inner = self.lock();
        (inner.expected, inner.most)
    }

    /// Takes the number of a request. False: it is outside the window and must be ignored; one inside it
    /// that is not the next was lost on the way, which error recovery level 0 ends the connection for (RFC
    /// 7143 section 4.2.2.1).
    pub fn admit(&self, pdu: &Pdu) -> io::Result<bool> {
        let mut inner = self.lock();
        if pdu.is_immediate() {
            return Ok(true);
        }
        let ahead = pdu.command_number().wrapping_sub(inner.expected);
        let room = inner.most.wrapping_add(1).wrapping_sub(inner.expected);
        match ahead {
            0 if room > 0 => inner.expected = inner.expected.wrapping_add(1),
            ahead if ahead >= room => return Ok(false),
            _ => return Err(malformed("a command number was left out")),
        }
        Ok(true)
    }

    /// A request was dealt with: room for another.
    pub fn release(&self, immediate: bool) {
        if !immediate {
            let mut inner = self.lock();
            inner.most = inner.most.wrapping_add(1);
        }
    }

    pub fn push(&self, task: Task) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.waiting.len() >= 2 * usize::try_from(QUEUE_DEPTH).unwrap_or(0) {
            return Err(malformed("too many immediate commands"));
        }
        inner.waiting.push_back(task);
        self.changed.notify_all();
        Ok(())
    }

    /// Adds the data of a Data-Out PDU; after the last of a burst, the next one may have to be asked for.
    pub fn receive(&self, pdu: &Pdu, transfer: u32, max_burst: usize) -> io::Result<Option<Solicitation>> {
        let mut inner = self.lock();
        let Some(task) = inner.waiting.iter_mut().find(|task| task.tag == pdu.task_tag()) else {
            return Ok(None); // aborted meanwhile
        };
        let received = task.data.len();
        let burst = task.burst.as_mut().filter(|burst| burst.tag == pdu.word(20));
        let burst = burst.ok_or(malformed("data that was not asked for"))?;
        let in_order = pdu.word(36) == burst.data_number && usize::try_from(pdu.word(40)) == Ok(received);
        let end = received + pdu.data.len();
        if !in_order || end > burst.end || pdu.is_final() != (end == burst.end) {
            return Err(malformed("data out of order"));
        }
        burst.data_number = burst.data_number.wrapping_add(1);
        task.data.extend_from_slice(&pdu.data);
        if !pdu.is_final() {
            return Ok(None);
        }
        let more = task.solicit(transfer, max_burst);
        self.changed.notify_all();
        Ok(more)
    }

    /// The next task whose data is complete, marked as running; `None` once the connection is closed.
    pub fn next(&self) -> Option<Task> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            if inner.waiting.front().is_some_and(Task::is_complete) {
                let task = inner.waiting.pop_front()?;
                inner.running = Some(task.tag);
                return Some(task);
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The running task was executed. False: it was aborted and must not be answered.
    pub fn finish(&self, task: &Task) -> bool {
        let mut inner = self.lock();
        if !task.immediate {
            inner.most = inner.most.wrapping_add(1);
        }
        inner.running.take() == Some(task.tag)
    }

    /// Aborts one task, or all. A command the drive has begun runs to its end, unanswered. True if there
    /// was any.
    pub fn abort(&self, tag: Option<u32>) -> bool {
        let mut inner = self.lock();
        let concerned = |of: u32| tag.is_none_or(|tag| tag == of);
        let before = inner.waiting.len();
        let numbered = inner
            .waiting
            .iter()
            .filter(|task| concerned(task.tag) && !task.immediate)
            .count();
        inner.most = inner.most.wrapping_add(u32::try_from(numbered).unwrap_or(0));
        inner.waiting.retain(|task| !concerned(task.tag));
        let running = inner.running.take_if(|running| concerned(*running)).is_some();
        self.changed.notify_all();
        running || inner.waiting.len() < before
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}
