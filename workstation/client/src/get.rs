//! Getting a file's bytes back.

use std::io::Write;

use sha2::{Digest, Sha256};
use wire::{ByteString, Entry, Get, GetIn, Place, Reply, Request, Source};

use crate::connection::unexpected;
use crate::{Connection, Error, finish};

impl Connection {
    /// Gets a whole file, checks its digest where the box knows it, and returns its entry; the entry's
    /// `sha256` is that of the bytes written. `progress` hears (bytes so far, bytes in all).
    pub fn get(
        &mut self,
        source: Source,
        path: &[u8],
        output: &mut dyn Write,
        progress: impl FnMut(u64, u64),
    ) -> Result<Entry, Error> {
        let request = Get {
            source,
            path: ByteString::from(path),
            offset: 0,
            length: u64::MAX,
        };
        self.fetch(&Request::Get(request), output, progress)
    }

    /// The same from any place: a tree, a copy, or any session of a disc.
    pub fn get_in(
        &mut self,
        place: Place,
        path: &[u8],
        output: &mut dyn Write,
        progress: impl FnMut(u64, u64),
    ) -> Result<Entry, Error> {
        let request = GetIn {
            place,
            path: ByteString::from(path),
            offset: 0,
            length: u64::MAX,
        };
        self.fetch(&Request::GetIn(request), output, progress)
    }

    fn fetch(
        &mut self,
        request: &Request,
        output: &mut dyn Write,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Entry, Error> {
        let id = self.send(request)?;
        let file = match self.reply(id)? {
            Reply::GetFile(file) => file,
            other => return Err(unexpected(&other)),
        };
        let mut digest = Sha256::new();
        let mut received: u64 = 0;
        let end = loop {
            match self.incoming(id)? {
                None => {
                    let data = self.receiver.data();
                    received = received.saturating_add(data.len() as u64);
                    digest.update(data);
                    output.write_all(data).map_err(Error::Output)?;
                    progress(received, file.length);
                }
                Some(Reply::GetEnd(end)) => break end,
                Some(other) => return Err(unexpected(&other)),
            }
        };
        if received != file.length {
            return Err(Error::Damaged("the file ended early"));
        }
        output.flush().map_err(Error::Output)?;
        let computed = finish(digest);
        match end.sha256 {
            Some(known) if known != computed => Err(Error::Damaged("the file's SHA-256 differs")),
            _ => Ok(Entry {
                sha256: Some(computed),
                ..file.entry
            }),
        }
    }
}
