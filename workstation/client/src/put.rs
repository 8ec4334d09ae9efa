//! Putting a tree: everything is streamed, one answer at the end.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sha2::{Digest, Sha256};
use wire::frame::DATA_MAX;
use wire::{EntryKind, PutBegin, PutDone, PutFileEnd, Reply, Request};

use crate::connection::unexpected;
use crate::source::{Item, Skipped, SourceTree, modified};
use crate::stream::{Incoming, Receiver, Sender, lost};
use crate::{Connection, Error, finish};

/// How far a put is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PutProgress {
    /// Files sent.
    pub files: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// What a put brought about.
#[derive(Clone, Debug)]
pub struct PutReport {
    /// What the box has, synced and catalogued.
    pub done: PutDone,
    /// Files that could not be read or changed while they were read; the box does not have them.
    pub skipped: Vec<Skipped>,
}

impl Connection {
    /// Sends a tree, into the open tree of that number or (0) a new one called `name`.
    ///
    /// Returns once everything is on the box's data partition, synced and catalogued; on an error nothing
    /// of this put stays there.
    pub fn put(
        &mut self,
        tree: u64,
        name: &str,
        source: &SourceTree,
        mut progress: impl FnMut(PutProgress),
    ) -> Result<PutReport, Error> {
        let begin = PutBegin {
            tree,
            name: name.into(),
            expected: source.bytes,
        };
        let id = self.send(&Request::PutBegin(begin))?;
        match self.reply(id)? {
            Reply::PutReady(_) => {}
            other => return Err(unexpected(&other)),
        }
        // The box says nothing until the end unless it refuses; then the rest need not be sent.
        let refused = AtomicBool::new(false);
        let all_sent = AtomicBool::new(false);
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        thread::scope(|scope| {
            let answer = scope.spawn(|| {
                let answer = outcome(receiver, id, &all_sent);
                refused.store(answer.is_err(), Ordering::Relaxed);
                answer
            });
            let sent = send_all(sender, id, source, &refused, &mut progress);
            all_sent.store(true, Ordering::Relaxed);
            let answer = answer
                .join()
                .unwrap_or(Err(Error::Damaged("the receiving thread panicked")));
            // The box's own words explain more than the broken pipe that may follow from them.
            Ok(PutReport {
                done: answer?,
                skipped: sent.map_err(lost)?,
            })
        })
    }
}

fn outcome(receiver: &mut Receiver, id: u32, all_sent: &AtomicBool) -> Result<PutDone, Error> {
    loop {
        // Silence is no fault while we are still sending: the sender notices a dead connection.
        let was_due = all_sent.load(Ordering::Relaxed);
        if !receiver.wait()? {
            match was_due {
                true => return Err(lost(io::ErrorKind::TimedOut.into())),
                false => continue,
            }
        }
        match receiver.next() {
            Ok(Incoming::Reply(to, Reply::Failure(failure))) if to == id || to == 0 => {
                return Err(Error::Box(failure));
            }
            Ok(Incoming::Reply(to, Reply::PutDone(done))) if to == id => return Ok(done),
            Ok(Incoming::Reply(to, other)) if to == id => return Err(unexpected(&other)),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

fn send_all(
    sender: &mut Sender,
    id: u32,
    source: &SourceTree,
    refused: &AtomicBool,
    progress: &mut dyn FnMut(PutProgress),
) -> io::Result<Vec<Skipped>> {
    let mut skipped = Vec::new();
    let mut sent = PutProgress::default();
    let mut buffer = vec![0; DATA_MAX];
    let mut missing_links = Vec::new();
    for item in &source.items {
        if refused.load(Ordering::Relaxed) {
            break;
        }
        if missing_links.contains(&item.entry.hard_link) && !item.has_data && item.entry.hard_link != 0 {
            let reason = "the file it is another name of could not be sent".into();
            skipped.push(Skipped {
                local: item.local.clone(),
                reason,
            });
            continue;
        }
        if let Err(reason) = send_item(sender, id, item, &mut buffer, refused, &mut sent, progress)? {
            skipped.push(Skipped {
                local: item.local.clone(),
                reason,
            });
            missing_links.push(item.entry.hard_link);
        }
        progress(sent);
    }
    let end = if refused.load(Ordering::Relaxed) {
        Request::PutAbort(())
    } else {
        Request::PutEnd(())
    };
    sender.request(id, &end)?;
    sender.flush()?;
    Ok(skipped)
}

/// Sends one entry; the inner error is why this one file is left out.
fn send_item(
    sender: &mut Sender,
    id: u32,
    item: &Item,
    buffer: &mut [u8],
    refused: &AtomicBool,
    sent: &mut PutProgress,
    progress: &mut dyn FnMut(PutProgress),
) -> io::Result<Result<(), String>> {
    if item.entry.kind != EntryKind::File.number() || !item.has_data {
        sender.request(id, &Request::PutEntry(item.entry.clone()))?;
        return Ok(Ok(()));
    }
    let mut file = match File::open(&item.local) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error.to_string())),
    };
    sender.request(id, &Request::PutEntry(item.entry.clone()))?;
    let mut digest = Sha256::new();
    let mut left = item.entry.size;
    while left > 0 && !refused.load(Ordering::Relaxed) {
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let data = match buffer
            .get_mut(..want)
            .map(|into| file.read(into).map(|count| &into[..count]))
        {
            Some(Ok(data)) if !data.is_empty() => data,
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Some(Err(error)) => return abandon(sender, id, error.to_string()),
            _ => return abandon(sender, id, "it became shorter while it was read".into()),
        };
        digest.update(data);
        sender.data(id, data)?;
        left -= data.len() as u64;
        sent.bytes += data.len() as u64;
        progress(*sent);
    }
    match file.metadata() {
        Ok(now) if now.len() == item.entry.size && modified(&now) == item.entry.mtime => {}
        Ok(_) => return abandon(sender, id, "it changed while it was read".into()),
        Err(error) => return abandon(sender, id, error.to_string()),
    }
    sent.files += 1;
    sender.request(
        id,
        &Request::PutFileEnd(PutFileEnd {
            sha256: finish(digest),
        }),
    )?;
    Ok(Ok(()))
}

fn abandon(sender: &mut Sender, id: u32, reason: String) -> io::Result<Result<(), String>> {
    sender.request(id, &Request::PutFileAbandon(()))?;
    Ok(Err(reason))
}
