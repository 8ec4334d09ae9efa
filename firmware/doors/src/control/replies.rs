//! What the vault says, on its way to the client: messages, and the bytes of a get.

use std::os::fd::OwnedFd;

use embedded_io::Write;
use rustix::io::Errno;
use seam::session::{self, FromVault};
use wire::frame::{DATA, DATA_HEADER_SIZE, DATA_MAX, HEADER_SIZE, Header};
use wire::{Failure, Reply};

use super::shared::Gone;
use super::writer::Shut;
use super::{Line, refusal};
use crate::Half;

/// Bytes of a data frame before its data.
const DATA_START: usize = HEADER_SIZE + DATA_HEADER_SIZE;

/// Passes the vault's messages on.
pub(super) struct Replies<'a, W: Write + Half> {
    line: &'a Line<'a, W>,
    /// One data frame; allocated for the first get.
    frame: Vec<u8>,
    /// A get whose bytes ended early, and what the client hears unless the vault knows better.
    short: Option<(u32, Failure)>,
    /// Who ends this.
    gone: Gone,
}

/// However replies end, by a panic even, the other thread stops waiting: for the client, or for a vault
/// that itself waits to be heard.
impl<W: Write + Half> Drop for Replies<'_, W> {
    fn drop(&mut self) {
        self.line.shared.leave(self.gone);
        self.line.hang_up();
        self.line.writer.stop_reading();
    }
}

impl<'a, W: Write + Half> Replies<'a, W> {
    pub(super) fn new(line: &'a Line<'a, W>) -> Self {
        Self {
            line,
            frame: Vec::new(),
            short: None,
            gone: Gone::Vault,
        }
    }

    /// Works until the vault's session or the client is gone.
    pub(super) fn pass_on(mut self) {
        loop {
            let passed = match session::receive_reply(self.line.session) {
                Ok(FromVault::FileOpened(id, mut files)) => {
                    self.line.shared.grant_file(id, files.pop());
                    Ok(())
                }
                Ok(FromVault::Reply(id, reply, mut files)) => self.reply(id, reply, files.pop()),
                Err(_) => break,
            };
            if let Err(Shut) = passed {
                self.gone = Gone::Client;
                break;
            }
        }
    }

    fn reply(&mut self, id: u32, mut reply: Reply, file: Option<OwnedFd>) -> Result<(), Shut> {
        if let Some((_, failure)) = self.short.take_if(|(short, _)| *short == id)
            && !matches!(reply, Reply::Failure(_))
        {
            reply = Reply::Failure(failure);
        }
        let shared = self.line.shared;
        let muted = match reply {
            Reply::Failure(_) => !shared.mute(id),
            _ => shared.is_muted(id),
        };
        if muted {
            return Ok(());
        }
        self.line.writer.reply(id, &reply)?;
        match (reply, file) {
            (Reply::Welcome(welcome), _) => shared.grant(Some(welcome.role)),
            (Reply::Failure(_), _) if !shared.is_granted() => shared.grant(None),
            (Reply::GetFile(get), Some(file)) => {
                shared.copying(true);
                let copied = self.copy(id, &file, get.length);
                shared.copying(false);
                copied?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Copies exactly `length` bytes to the client, or notes that there were fewer.
    fn copy(&mut self, id: u32, file: &OwnedFd, length: u64) -> Result<(), Shut> {
        self.frame.resize(DATA_START + DATA_MAX, 0);
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).map_or(DATA_MAX, |left| left.min(DATA_MAX));
            let Some((head, data)) = self.frame.split_at_mut_checked(DATA_START) else {
                return Err(Shut);
            };
            let data = data.get_mut(..most).unwrap_or_default();
            let read = match rustix::io::read(file, &mut *data) {
                Ok(read @ 1..) => read,
                Ok(_) => return self.note_short(id, "its end came before its size"),
                Err(Errno::INTR) => continue,
                Err(error) => return self.note_short(id, &error.to_string()),
            };
            let header = Header {
                kind: DATA,
                id,
                body: DATA_HEADER_SIZE + read,
            };
            let checksum = crc32c::crc32c(data.get(..read).unwrap_or_default());
            let start = header.encode().into_iter().chain(checksum.to_be_bytes());
            for (slot, byte) in head.iter_mut().zip(start) {
                *slot = byte;
            }
            let frame = self.frame.get(..DATA_START + read).unwrap_or_default();
            self.line.writer.whole_frame(frame)?;
            left -= u64::try_from(read).unwrap_or(left).min(left);
        }
        Ok(())
    }

    fn note_short(&mut self, id: u32, reason: &str) -> Result<(), Shut> {
        self.short = Some((id, refusal::cannot_read(reason)));
        Ok(())
    }
}
