//! Sense data: why a command did not end well (SPC-4, MMC-6).

use std::fmt;

/// Sense key, additional sense code and qualifier, with the address where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// Sense key, 0 to Fh.
    pub key: u8,
    /// Additional sense code.
    pub code: u8,
    /// Additional sense code qualifier.
    pub qualifier: u8,
    /// The INFORMATION field: a logical block address.
    pub information: Option<u32>,
    /// PROGRESS INDICATION in the sense-key specific bytes: of 65536, how much of a long command is done.
    pub progress: Option<u16>,
}

impl Sense {
    /// Sense without an address.
    #[must_use]
    pub const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Self {
            key,
            code,
            qualifier,
            information: None,
            progress: None,
        }
    }

    /// The same, about the block at `address`.
    #[must_use]
    pub const fn at(self, address: u32) -> Self {
        Self {
            information: Some(address),
            ..self
        }
    }

    /// The same with how much is done of a command that works on.
    #[must_use]
    pub(crate) fn after(self, done: u64, of: u64) -> Self {
        let share = u128::from(done) * 65536 / u128::from(of.max(1));
        Self {
            progress: Some(u16::try_from(share).unwrap_or(u16::MAX)),
            ..self
        }
    }

    /// Fixed format, current error, 18 bytes (SPC-4).
    #[must_use]
    pub fn to_bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        bytes[0] = 0x70;
        if let Some(address) = self.information {
            bytes[0] |= 0x80;
            bytes[3..7].copy_from_slice(&address.to_be_bytes());
        }
        bytes[2] = self.key;
        bytes[7] = 10;
        bytes[12] = self.code;
        bytes[13] = self.qualifier;
        if let Some(progress) = self.progress {
            bytes[15] = 0x80; // sense-key specific valid
            bytes[16..].copy_from_slice(&progress.to_be_bytes());
        }
        bytes
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}/{:02X}/{:02X}", self.key, self.code, self.qualifier)?;
        self.information
            .map_or(Ok(()), |address| write!(f, " at {address}"))?;
        let percent = |progress| u32::from(progress) * 100 / 65536;
        self.progress
            .map_or(Ok(()), |progress| write!(f, " {} %", percent(progress)))
    }
}

pub(crate) const NO_SENSE: Sense = Sense::new(0, 0, 0);
/// A background format goes on, and hinders nobody.
pub(crate) const FORMATTING_IN_BACKGROUND: Sense = Sense::new(0, 0x04, 0x04);
pub(crate) const BECOMING_READY: Sense = Sense::new(2, 0x04, 0x01);
pub(crate) const FORMAT_IN_PROGRESS: Sense = Sense::new(2, 0x04, 0x04);
pub(crate) const OPERATION_IN_PROGRESS: Sense = Sense::new(2, 0x04, 0x07);
pub(crate) const LONG_WRITE_IN_PROGRESS: Sense = Sense::new(2, 0x04, 0x08);
pub(crate) const NO_MEDIUM_TRAY_CLOSED: Sense = Sense::new(2, 0x3A, 0x01);
pub(crate) const NO_MEDIUM_TRAY_OPEN: Sense = Sense::new(2, 0x3A, 0x02);
pub(crate) const WRITE_ERROR: Sense = Sense::new(3, 0x0C, 0x00);
pub(crate) const REALLOCATION_FAILED: Sense = Sense::new(3, 0x0C, 0x02);
pub(crate) const NO_SPARE_LOCATION: Sense = Sense::new(3, 0x32, 0x00);
pub(crate) const BUFFER_UNDERRUN: Sense = Sense::new(3, 0x0C, 0x09);
pub(crate) const UNRECOVERED_READ_ERROR: Sense = Sense::new(3, 0x11, 0x05);
pub(crate) const POWER_CALIBRATION_AREA_ERROR: Sense = Sense::new(3, 0x73, 0x03);
pub(crate) const SESSION_FIXATION_ERROR: Sense = Sense::new(3, 0x72, 0x00);
pub(crate) const INTERNAL_TARGET_FAILURE: Sense = Sense::new(4, 0x44, 0x00);
pub(crate) const PARAMETER_LIST_LENGTH: Sense = Sense::new(5, 0x1A, 0x00);
pub(crate) const INVALID_OPERATION_CODE: Sense = Sense::new(5, 0x20, 0x00);
pub(crate) const ADDRESS_OUT_OF_RANGE: Sense = Sense::new(5, 0x21, 0x00);
pub(crate) const INVALID_ADDRESS_FOR_WRITE: Sense = Sense::new(5, 0x21, 0x02);
pub(crate) const INVALID_FIELD_IN_CDB: Sense = Sense::new(5, 0x24, 0x00);
pub(crate) const LOGICAL_UNIT_NOT_SUPPORTED: Sense = Sense::new(5, 0x25, 0x00);
pub(crate) const INVALID_FIELD_IN_PARAMETER_LIST: Sense = Sense::new(5, 0x26, 0x00);
pub(crate) const COMMAND_SEQUENCE_ERROR: Sense = Sense::new(5, 0x2C, 0x00);
pub(crate) const MEDIUM_NOT_FORMATTED: Sense = Sense::new(5, 0x30, 0x10);
pub(crate) const INCOMPATIBLE_FORMAT: Sense = Sense::new(5, 0x30, 0x02);
pub(crate) const SAVING_PARAMETERS_NOT_SUPPORTED: Sense = Sense::new(5, 0x39, 0x00);
pub(crate) const MEDIUM_REMOVAL_PREVENTED: Sense = Sense::new(5, 0x53, 0x02);
pub(crate) const END_OF_USER_AREA: Sense = Sense::new(5, 0x63, 0x00);
pub(crate) const ILLEGAL_MODE_FOR_TRACK: Sense = Sense::new(5, 0x64, 0x00);
pub(crate) const RESERVED_TRACK_NOT_FULL: Sense = Sense::new(5, 0x72, 0x04);
pub(crate) const NO_MORE_RESERVATIONS: Sense = Sense::new(5, 0x72, 0x05);
pub(crate) const MEDIUM_MAY_HAVE_CHANGED: Sense = Sense::new(6, 0x28, 0x00);
pub(crate) const POWER_ON: Sense = Sense::new(6, 0x29, 0x00);
pub(crate) const RESET_OCCURRED: Sense = Sense::new(6, 0x29, 0x03);
pub(crate) const MODE_PARAMETERS_CHANGED: Sense = Sense::new(6, 0x2A, 0x01);
pub(crate) const WRITE_PROTECTED: Sense = Sense::new(7, 0x27, 0x00);
pub(crate) const BLANK_CHECK: Sense = Sense::new(8, 0x00, 0x00);
pub(crate) const COMMUNICATION_FAILURE: Sense = Sense::new(0xB, 0x08, 0x00);
pub(crate) const DATA_PHASE_ERROR: Sense = Sense::new(0xB, 0x4B, 0x00);
