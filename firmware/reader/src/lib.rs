//! Parses one disc behind two channels, so that no disc can harm the vault.
//!
//! The vault asks over one channel ([`seam::reader::ToReader`]), this answers; over the other it asks the
//! vault for blocks. It opens nothing itself and needs no privilege. Every byte of a disc is hostile:
//! [`discfs`] bounds what it reads, and names that are no paths are left out and reported. A panic ends
//! this process or thread and closes both channels: the vault starts another.
//!
//! Memory is bounded whatever the disc says: a cache of 1.5 MiB, lists sent in batches, digest lists read
//! as a stream, eight bytes a file while a disc is checked, about fifty while its tree is told for a further
//! session.

mod blocks;
mod check;
mod digests;
mod import;
mod requests;

use std::process::ExitCode;

use rustix::io::Errno;
use seam::{Channel, ChannelError, inherited};

/// Why a reader ended before the vault was done with it.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// a descriptor of the role's contract is missing, so init did not start it: {0}
    Inherited(Errno),
    /// the channel to the vault broke: {0}
    Channel(#[from] ChannelError),
}

/// Answers the vault's requests about one disc until the vault closes the channel.
pub fn serve(requests: Channel, blocks: Channel) -> Result<(), ReaderError> {
    match requests::Requests::new(requests, blocks).serve() {
        Err(ChannelError::Closed) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(never) => match never {},
    }
}

/// Runs the role until the vault closes its channel.
pub fn run() -> ExitCode {
    let channels = inherited::take(inherited::CONTROL)
        .and_then(|requests| Ok((requests, inherited::take(inherited::FIRST)?)))
        .map_err(ReaderError::Inherited);
    match channels.and_then(|(requests, blocks)| serve(requests, blocks)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reader ended: {error}");
            ExitCode::FAILURE
        }
    }
}
