//! Commands to the drive as a device: ready, who, tray, lock, capabilities, events.

use super::{Cdb, Command, Query, declared16};
use crate::bytes::{Bytes, TooShort};
use crate::sense::Sense;

/// TEST UNIT READY (SPC-4, 00h): is there a disc, and can it be used?
#[derive(Debug, Clone, Copy)]
pub struct TestUnitReady;

impl Command for TestUnitReady {
    const NAME: &'static str = "TEST UNIT READY";
    fn cdb(&self) -> Cdb {
        [0x00, 0, 0, 0, 0, 0].into()
    }
}

/// REQUEST SENSE (SPC-4, 03h): how far has the long operation come?
#[derive(Debug, Clone, Copy)]
pub struct RequestSense;

impl Command for RequestSense {
    const NAME: &'static str = "REQUEST SENSE";
    fn cdb(&self) -> Cdb {
        [0x03, 0, 0, 0, 18, 0].into()
    }
}

impl Query for RequestSense {
    type Response<'a> = SenseData;
    fn allocation(&self) -> usize {
        18
    }
    fn response(raw: &[u8]) -> Result<SenseData, TooShort> {
        Ok(SenseData(Sense::decode(raw).unwrap_or_default()))
    }
}

/// The answer to REQUEST SENSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenseData(pub Sense);

/// INQUIRY (SPC-4, 12h), standard data.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry;

impl Command for Inquiry {
    const NAME: &'static str = "INQUIRY";
    fn cdb(&self) -> Cdb {
        [0x12, 0, 0, 0, 36, 0].into()
    }
}

impl Query for Inquiry {
    type Response<'a> = InquiryData<'a>;
    fn allocation(&self) -> usize {
        36
    }
    fn response(raw: &[u8]) -> Result<InquiryData<'_>, TooShort> {
        // ADDITIONAL LENGTH is wrong in too many bridges to be trusted; the identification lies at fixed
        // places.
        Bytes::checked(raw, raw.len(), 36).map(InquiryData)
    }
}

/// Standard INQUIRY data.
#[derive(Debug, Clone, Copy)]
pub struct InquiryData<'a>(Bytes<'a>);

impl<'a> InquiryData<'a> {
    /// PERIPHERAL DEVICE TYPE; 05h is an MMC drive.
    #[must_use]
    pub fn device_type(&self) -> u8 {
        self.0.u8(0) & 0x1F
    }
    /// T10 VENDOR IDENTIFICATION, padded with blanks.
    #[must_use]
    pub fn vendor(&self) -> &'a [u8] {
        self.0.slice(8..16)
    }
    /// PRODUCT IDENTIFICATION, padded with blanks.
    #[must_use]
    pub fn product(&self) -> &'a [u8] {
        self.0.slice(16..32)
    }
    /// PRODUCT REVISION LEVEL.
    #[must_use]
    pub fn revision(&self) -> &'a [u8] {
        self.0.slice(32..36)
    }
}

/// What START STOP UNIT (MMC-6, 1Bh) does to the disc or the tray: LOEJ and START.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tray {
    /// Spin the disc down.
    Stop,
    /// Spin it up and read what is needed for using it.
    Start,
    /// Open the tray.
    Eject,
    /// Close the tray and start the disc.
    Load,
}

/// START STOP UNIT (MMC-6, 1Bh).
#[derive(Debug, Clone, Copy)]
pub struct StartStop {
    /// What to do.
    pub action: Tray,
    /// Answer at once, work on behind it.
    pub immediate: bool,
}

impl Command for StartStop {
    const NAME: &'static str = "START STOP UNIT";
    fn cdb(&self) -> Cdb {
        let action = match self.action {
            Tray::Stop => 0b00,
            Tray::Start => 0b01,
            Tray::Eject => 0b10,
            Tray::Load => 0b11,
        };
        [0x1B, u8::from(self.immediate), 0, 0, action, 0].into()
    }
}

/// PREVENT ALLOW MEDIUM REMOVAL (MMC-6, 1Eh): the lock of tray and eject button.
#[derive(Debug, Clone, Copy)]
pub struct PreventAllow {
    /// Locked or not.
    pub prevent: bool,
}

impl Command for PreventAllow {
    const NAME: &'static str = "PREVENT ALLOW MEDIUM REMOVAL";
    fn cdb(&self) -> Cdb {
        [0x1E, 0, 0, 0, u8::from(self.prevent), 0].into()
    }
}

/// MODE SENSE (10) of page 2Ah, the capabilities page of MMC-3: still the only place that tells the buffer's
/// size.
#[derive(Debug, Clone, Copy)]
pub struct ModeSense;

impl Command for ModeSense {
    const NAME: &'static str = "MODE SENSE (10)";
    fn cdb(&self) -> Cdb {
        [0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 30, 0].into()
    }
}

impl Query for ModeSense {
    type Response<'a> = Capabilities<'a>;
    fn allocation(&self) -> usize {
        30
    }
    fn response(raw: &[u8]) -> Result<Capabilities<'_>, TooShort> {
        let header = Bytes::checked(raw, declared16(raw), 8)?;
        let page = raw.get(8 + usize::from(header.u16(6))..).unwrap_or(&[]);
        Bytes::checked(page, page.len(), 14).map(Capabilities)
    }
}

/// Mode page 2Ah.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a>(Bytes<'a>);

impl Capabilities<'_> {
    /// Size of the drive's buffer in KiB; zero when it does not tell.
    #[must_use]
    pub fn buffer_kib(&self) -> u16 {
        self.0.u16(12)
    }
}

/// GET EVENT STATUS NOTIFICATION (MMC-6, 4Ah), polled, media class.
#[derive(Debug, Clone, Copy)]
pub struct GetEventStatus;

impl Command for GetEventStatus {
    const NAME: &'static str = "GET EVENT STATUS NOTIFICATION";
    fn cdb(&self) -> Cdb {
        [0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8, 0].into()
    }
}

impl Query for GetEventStatus {
    type Response<'a> = EventStatus<'a>;
    fn allocation(&self) -> usize {
        8
    }
    fn response(raw: &[u8]) -> Result<EventStatus<'_>, TooShort> {
        Bytes::checked(raw, declared16(raw), 4).map(EventStatus)
    }
}

/// The answer to GET EVENT STATUS NOTIFICATION, media class.
#[derive(Debug, Clone, Copy)]
pub struct EventStatus<'a>(Bytes<'a>);

impl EventStatus<'_> {
    /// The drive has the media class and this answer carries an event of it (or "no change").
    #[must_use]
    pub fn is_media(&self) -> bool {
        !self.0.bit(2, 7) && self.0.u8(2) & 0x07 == 4 && self.0.len() >= 6
    }
    /// Event code: 0 none, 1 eject requested, 2 new medium, 3 medium removed, 4 medium changed.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.0.u8(4) & 0x0F
    }
    /// The tray is out.
    #[must_use]
    pub fn tray_open(&self) -> bool {
        self.0.bit(5, 0)
    }
    /// A disc is in.
    #[must_use]
    pub fn present(&self) -> bool {
        self.0.bit(5, 1)
    }
}
