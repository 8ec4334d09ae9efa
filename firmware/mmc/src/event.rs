//! What the driver tells while it works: progress, waiting, remarks.

use crate::sense::Sense;

/// Something worth showing or logging; none of these needs an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A stretch of work begins.
    Stage(Stage),
    /// Blocks handed to the drive so far in this session, of all that will be.
    Written {
        /// Blocks accepted by the drive, padding included.
        blocks: u32,
        /// Blocks of the session, padding included.
        of: u32,
    },
    /// How full the drive's buffer is (READ BUFFER CAPACITY), in bytes.
    Buffer {
        /// Size of the buffer.
        total: u32,
        /// Bytes waiting in it for the disc.
        filled: u32,
    },
    /// The drive is busy and is being polled.
    Waiting {
        /// The command or condition waited for, as the standard names it.
        reason: &'static str,
        /// Parts of 65536 done, when the drive tells.
        progress: Option<u16>,
    },
    /// A command will be sent again because of this.
    Retry {
        /// The command, as the standard names it.
        command: &'static str,
        /// What the drive said; `None` when the answer was lost on the way.
        sense: Option<Sense>,
    },
    /// The drive did what was asked and has a remark (sense key 1h).
    Remark {
        /// The command, as the standard names it.
        command: &'static str,
        /// The remark.
        sense: Sense,
    },
    /// The disc is read more slowly from here on because it reads badly (true), or at full speed again (false).
    ReadingSlowly(bool),
    /// A command the drive had executed although its answer said otherwise; its next writable address proves
    /// it.
    AlreadyWritten {
        /// First block of that WRITE.
        address: u32,
    },
}

/// The stages of a burn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Space is reserved.
    Reserving,
    /// Data goes to the drive.
    Writing,
    /// The drive's buffer goes to the disc (SYNCHRONIZE CACHE).
    Flushing,
    /// CLOSE TRACK SESSION, function 01h.
    ClosingTrack,
    /// CLOSE TRACK SESSION, function 02h: the disc stays appendable.
    ClosingSession,
    /// CLOSE TRACK SESSION, function 05h or 06h: nothing can be added any more.
    Finalising,
    /// The tray goes out and in, or the disc is stopped, so that no cache can answer.
    DefeatingCache,
    /// BLANK.
    Blanking,
    /// FORMAT UNIT.
    Formatting,
    /// What shows an overwritable disc's contents is overwritten.
    Erasing,
    /// Zeroes go where nothing ever was, up to the session's first block.
    Preparing,
    /// The blocks in front that make a session visible are rewritten.
    Rewriting,
    /// What an interrupted burn left is made good: REPAIR TRACK, and zeroes in what was reserved.
    Repairing,
}
