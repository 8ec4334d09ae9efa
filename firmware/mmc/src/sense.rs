//! Sense data: decoded once, judged once, readable.

use core::fmt;

use crate::bytes::Bytes;
use crate::sense_table::{Diagnosis, diagnosis};

/// What the driver does about a refusal: the whole taxonomy of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing is wrong with the request: send it again, a few times.
    Retry,
    /// The drive is busy with something that ends by itself: poll it, with patience.
    Wait,
    /// The drive cannot do this; the work goes on without it where it is optional.
    Degrade,
    /// Going on would waste the disc or the time: report it.
    Stop,
}

/// Decoded sense data (SPC-4 4.5). The default is NO SENSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sense {
    /// Sense key, 0h to Fh.
    pub key: u8,
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
    /// The report is about an earlier command (response codes 71h and 73h); the present one was not executed.
    pub deferred: bool,
    /// INFORMATION field: for medium errors the block address.
    pub information: Option<u32>,
    /// Progress indication in parts of 65536, for the keys that have one (NO SENSE and NOT READY).
    pub progress: Option<u16>,
}

/// Unit attention: medium may have changed (SPC-4 table D.1).
const MEDIUM_MAY_HAVE_CHANGED: u8 = 0x28;
/// Unit attention: power on, reset, or bus device reset occurred.
const RESET: u8 = 0x29;

impl Sense {
    /// A sense triple without further fields.
    #[must_use]
    pub const fn new(key: u8, asc: u8, ascq: u8) -> Self {
        Self {
            key,
            asc,
            ascq,
            deferred: false,
            information: None,
            progress: None,
        }
    }

    /// Decodes fixed (70h, 71h) and descriptor format (72h, 73h). `None` when this is neither, which is what
    /// a drive that has nothing to say sends as zeroes.
    #[must_use]
    pub fn decode(raw: &[u8]) -> Option<Self> {
        let bytes = Bytes::all(raw);
        match bytes.u8(0) & 0x7F {
            code @ (0x70 | 0x71) => Some(Self::fixed(bytes, code == 0x71)),
            code @ (0x72 | 0x73) => Some(Self::descriptors(bytes, code == 0x73)),
            _ => None,
        }
    }

    /// SPC-4 4.5.3. Lengths are not insisted on: drives send 14 bytes, or 18 with a wrong length byte.
    fn fixed(bytes: Bytes<'_>, deferred: bool) -> Self {
        let mut sense = Self::new(bytes.u8(2) & 0x0F, bytes.u8(12), bytes.u8(13));
        sense.deferred = deferred;
        sense.information = bytes.bit(0, 7).then(|| bytes.u32(3));
        sense.take_key_specific(bytes.slice(15..18));
        sense
    }

    /// SPC-4 4.5.2: a header, then descriptors of type, length and body.
    fn descriptors(bytes: Bytes<'_>, deferred: bool) -> Self {
        let mut sense = Self::new(bytes.u8(1) & 0x0F, bytes.u8(2), bytes.u8(3));
        sense.deferred = deferred;
        let end = (8 + usize::from(bytes.u8(7))).min(bytes.len());
        let mut at = 8;
        while at + 2 <= end {
            let next = at + 2 + usize::from(bytes.u8(at + 1));
            match bytes.u8(at) {
                // Information: 64 bits, of which a block address of an optical disc fills the lower half.
                0x00 if bytes.bit(at + 2, 7) => sense.information = Some(bytes.u32(at + 8)),
                0x02 => sense.take_key_specific(bytes.slice(at + 4..at + 7)),
                _ => {}
            }
            at = next;
        }
        sense
    }

    /// SPC-4 4.5.2.4: three bytes whose meaning depends on the key.
    fn take_key_specific(&mut self, field: &[u8]) {
        let field = Bytes::all(field);
        if field.bit(0, 7) && matches!(self.key, 0x0 | 0x2) {
            self.progress = Some(field.u16(1));
        }
    }

    /// The command was carried out; this is a remark about how (RECOVERED ERROR).
    #[must_use]
    pub fn is_remark(&self) -> bool {
        self.key == 0x1 && !self.deferred
    }

    /// UNIT ATTENTION: something happened to the drive or the disc since the last command.
    #[must_use]
    pub fn is_unit_attention(&self) -> bool {
        self.key == 0x6
    }

    /// The disc may be another one now.
    #[must_use]
    pub fn is_medium_change(&self) -> bool {
        self.is_unit_attention() && self.asc == MEDIUM_MAY_HAVE_CHANGED
    }

    /// The drive was reset or switched on (29h): what it held in its buffer may be lost, and what was set in
    /// it is.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.is_unit_attention() && self.asc == RESET
    }

    /// There is no disc in the drive, or the tray is open.
    #[must_use]
    pub fn is_no_medium(&self) -> bool {
        self.key == 0x2 && self.asc == 0x3A
    }

    /// The unit is stopped and asks for START STOP UNIT (02h/04h/02h).
    #[must_use]
    pub fn needs_start(&self) -> bool {
        (self.key, self.asc, self.ascq) == (0x2, 0x04, 0x02)
    }

    /// The drive does not know the command or a field of it (05h/20h, 24h, 26h).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.key == 0x5 && matches!(self.asc, 0x20 | 0x24 | 0x26)
    }

    /// INVALID ADDRESS FOR WRITE (05h/21h/02h): not where the drive would go on writing.
    #[must_use]
    pub fn is_wrong_address(&self) -> bool {
        (self.key, self.asc, self.ascq) == (0x5, 0x21, 0x02)
    }

    /// BLANK CHECK: this place was never written.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.key == 0x8
    }

    /// What this means: reaction, text, cause and remedy.
    #[must_use]
    pub fn diagnosis(&self) -> &'static Diagnosis {
        diagnosis(self.key, self.asc, self.ascq)
    }

    /// What the driver does about it. A deferred error has already cost the data of an earlier command, which
    /// no repetition of the present one brings back; remarks and attentions are harmless even then.
    #[must_use]
    pub fn reaction(&self) -> Reaction {
        if self.deferred && !matches!(self.key, 0x0 | 0x1 | 0x6) {
            return Reaction::Stop;
        }
        self.diagnosis().reaction
    }

    /// The sense key's name.
    #[must_use]
    pub fn key_name(&self) -> &'static str {
        match self.key {
            0x0 => "no sense",
            0x1 => "recovered error",
            0x2 => "not ready",
            0x3 => "medium error",
            0x4 => "hardware error",
            0x5 => "illegal request",
            0x6 => "unit attention",
            0x7 => "data protect",
            0x8 => "blank check",
            0x9 => "vendor specific",
            0xA => "copy aborted",
            0xB => "aborted command",
            0xD => "volume overflow",
            0xE => "miscompare",
            _ => "reserved sense key",
        }
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deferred = if self.deferred {
            ", about an earlier command"
        } else {
            ""
        };
        write!(
            f,
            "{}: {} (sense {:X}/{:02X}/{:02X}{deferred})",
            self.key_name(),
            self.diagnosis().text,
            self.key,
            self.asc,
            self.ascq
        )
    }
}
