//! The command set: one type a command, its block, and a checked view of its response.
//!
//! Commands that rewrite a drive's firmware (WRITE BUFFER) are left out on purpose, and there is no way to
//! send a block that is not one of these types.

mod configuration;
mod disc;
mod format;
mod parameters;
mod speed;
mod toc;
mod transfer;
mod unit;

pub use configuration::{Configuration, Feature, Features, GetConfiguration, feature};
pub use disc::{
    AddressType, Capacity, DiscInformation, DiscStructure, FormatCapacities, ReadCapacity,
    ReadDiscInformation, ReadDiscStructure, ReadFormatCapacities, ReadTrackInformation, TrackInformation,
};
pub use format::{BlankDisc, FormatDescriptor, FormatUnit, SendLayerBreak, format_type};
pub use parameters::{
    CueSheet, SelectWriteParameters, SendCueSheet, SenseWriteParameters, WriteParameters, WriteType,
};
pub use speed::{
    CurrentPerformance, GetCurrentPerformance, GetPerformance, ModeSenseSpeeds, SetCdSpeed, SetStreaming,
    SpeedPage, StreamingDescriptor, WriteSpeedDescriptor, WriteSpeeds,
};
pub(crate) use toc::TOC_LENGTH;
pub use toc::{FullToc, ReadFullToc, ReadToc, Toc, TocEntry};
pub use transfer::{
    BufferCapacity, CloseFunction, CloseTrackSession, Read10, Read12, ReadBufferCapacity, RepairTrack,
    ReserveTrack, SynchronizeCache, Write10,
};
pub use unit::{
    Capabilities, EventStatus, GetEventStatus, Inquiry, InquiryData, ModeSense, PreventAllow, RequestSense,
    SenseData, StartStop, TestUnitReady, Tray,
};

use crate::bytes::TooShort;

/// A command descriptor block of 6, 10 or 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cdb {
    bytes: [u8; 12],
    length: u8,
}

impl Cdb {
    /// The block as it goes to the drive.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    /// The operation code, byte 0.
    #[must_use]
    pub fn operation_code(&self) -> u8 {
        self.bytes[0]
    }
}

impl From<[u8; 6]> for Cdb {
    fn from([b0, b1, b2, b3, b4, b5]: [u8; 6]) -> Self {
        Self {
            bytes: [b0, b1, b2, b3, b4, b5, 0, 0, 0, 0, 0, 0],
            length: 6,
        }
    }
}

impl From<[u8; 10]> for Cdb {
    fn from([b0, b1, b2, b3, b4, b5, b6, b7, b8, b9]: [u8; 10]) -> Self {
        Self {
            bytes: [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, 0, 0],
            length: 10,
        }
    }
}

impl From<[u8; 12]> for Cdb {
    fn from(bytes: [u8; 12]) -> Self {
        Self { bytes, length: 12 }
    }
}

/// One command of the set.
pub trait Command {
    /// The command's name in the standard.
    const NAME: &'static str;

    /// The command descriptor block.
    fn cdb(&self) -> Cdb;
}

/// A command that the drive answers with data.
pub trait Query: Command {
    /// The checked view of the answer.
    type Response<'a>;

    /// Bytes of answer the block asks for (ALLOCATION LENGTH).
    fn allocation(&self) -> usize;

    /// A view of the answer. `raw` holds what was received, zeroes after it; lengths inside it decide what
    /// counts.
    ///
    /// # Errors
    /// [`TooShort`] when the answer ends before the fields every drive must send.
    fn response(raw: &[u8]) -> Result<Self::Response<'_>, TooShort>;
}

/// Length of a response whose first two bytes count what follows them.
fn declared16(raw: &[u8]) -> usize {
    2 + usize::from(crate::bytes::Bytes::all(raw).u16(0))
}
