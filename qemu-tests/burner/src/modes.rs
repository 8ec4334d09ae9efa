//! Mode pages (SPC-4, MMC-6): MODE SENSE and MODE SELECT, 6 and 10.

use crate::{
    bytes::{Cdb, Put as _, View},
    describe::BUFFER,
    drive::{Drive, cut},
    sense::{
        INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_PARAMETER_LIST, MODE_PARAMETERS_CHANGED,
        PARAMETER_LIST_LENGTH, SAVING_PARAMETERS_NOT_SUPPORTED, Sense,
    },
};

const ALL_PAGES: u8 = 0x3F;
const CAPABILITIES: u8 = 0x2A;

/// A page whose values the host sees: first the page code and length, then the parameters.
struct Page {
    default: &'static [u8],
    /// Bits the host may change.
    changeable: &'static [u8],
}

/// In ascending order. Page 2Ah follows them; it is made from the drive's state.
static PAGES: &[Page] = &[
    // Read/write error recovery: 32 retries.
    Page {
        default: &[0x01, 0x0A, 0, 32, 0, 0, 0, 0, 32, 0, 0, 0],
        changeable: &[0x01, 0x0A, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0, 0, 0],
    },
    // Write parameters: buffer underrun protection, incremental, data mode 1, packets of 16, audio pause 2 s.
    Page {
        default: &[
            0x05, 0x32, 0x40, 0x05, 0x08, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 150, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        changeable: &[
            0x05, 0x32, 0x7F, 0xFF, 0x0F, 0xFF, 0, 0x3F, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xFF, 0xFF, 0xFF,
        ],
    },
    // Caching: write cache on.
    Page {
        default: &[0x08, 0x0A, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        changeable: &[0x08, 0x0A, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
    // Control: only the busy timeout of one second applies, but every device should have it (SPC-4).
    Page {
        default: &[0x0A, 0x0A, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0],
        changeable: &[0x0A, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
    // Power condition: no timers.
    Page {
        default: &[0x1A, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        changeable: &[0x1A, 0x0A, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    },
    // Timeout and protect: one minute for group 1, two for group 2.
    Page {
        default: &[0x1D, 0x08, 0, 0, 0, 0, 0, 60, 0, 120],
        changeable: &[0x1D, 0x08, 0, 0, 0, 0, 0, 0, 0, 0],
    },
];

/// The current values of all pages that have some.
#[derive(Debug)]
pub(crate) struct ModePages(Vec<Vec<u8>>);

impl ModePages {
    pub fn new() -> Self {
        Self(PAGES.iter().map(|page| page.default.to_vec()).collect())
    }

    fn write_parameters(&self) -> View<'_> {
        let code = |page: &&Vec<u8>| page.first() == Some(&0x05);
        View(self.0.iter().find(code).map_or(&[], Vec::as_slice))
    }

    /// WRITE TYPE of the write parameters page: 0 packet or incremental, 1 track at once, 2 at once.
    pub fn write_type(&self) -> u8 {
        self.write_parameters().u8(2).unwrap_or(0) & 0xF
    }

    /// BUFE of the write parameters page: buffer underruns do no harm.
    pub fn is_underrun_protected(&self) -> bool {
        self.write_parameters().u8(2).unwrap_or(0) & 0x40 != 0
    }

    /// MULTI-SESSION of the write parameters page: another session may follow.
    pub fn is_multi_session(&self) -> bool {
        self.write_parameters().u8(3).unwrap_or(0) >> 6 == 3
    }

    /// Takes one page of a parameter list; bits that cannot change must be sent as they are.
    fn select(&mut self, sent: &[u8]) -> Result<(), Sense> {
        let code = sent.first().map(|byte| byte & 0x3F);
        let mut known = PAGES.iter().zip(&mut self.0);
        let (page, current) = known
            .find(|(page, _)| page.default.first().copied() == code)
            .ok_or(INVALID_FIELD_IN_PARAMETER_LIST)?;
        if sent.len() != current.len() || sent.get(1) != current.get(1) {
            return Err(INVALID_FIELD_IN_PARAMETER_LIST);
        }
        let fixed = |((new, old), mask): ((&u8, &u8), &u8)| (new ^ old) & !mask == 0;
        if !sent
            .iter()
            .zip(current.iter())
            .zip(page.changeable)
            .skip(2)
            .all(fixed)
        {
            return Err(INVALID_FIELD_IN_PARAMETER_LIST);
        }
        for (to, from) in current.iter_mut().zip(sent).skip(2) {
            *to = *from;
        }
        Ok(())
    }
}

impl Drive {
    /// MODE SENSE (SPC-4); there are no block descriptors.
    pub(crate) fn mode_sense(&mut self, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
        let (control, code) = (cdb.u8(2) >> 6, cdb.u8(2) & 0x3F);
        if control == 3 {
            return Err(SAVING_PARAMETERS_NOT_SUPPORTED);
        }
        if !matches!(cdb.u8(3), 0 | 0xFF) {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let mut pages = Vec::new();
        for (page, current) in PAGES.iter().zip(&self.pages.0) {
            if code == ALL_PAGES || page.default.first() == Some(&code) {
                pages.extend_from_slice([current, page.changeable, page.default][usize::from(control)]);
            }
        }
        if code == ALL_PAGES || code == CAPABILITIES {
            let mut page = self.capabilities();
            if control == 1 {
                page.iter_mut().skip(2).for_each(|byte| *byte = 0);
            }
            pages.extend(page);
        }
        if pages.is_empty() {
            return Err(INVALID_FIELD_IN_CDB);
        }
        let mut reply = Vec::with_capacity(pages.len() + 8);
        if cdb.opcode() == 0x1A {
            reply.put8(u8::try_from(pages.len() + 3).unwrap_or(u8::MAX));
            reply.zeros(3);
        } else {
            reply.put16(pages.len() + 6);
            reply.zeros(6);
        }
        reply.extend(pages);
        Ok(cut(
            reply,
            if cdb.opcode() == 0x1A {
                cdb.u8(4).into()
            } else {
                cdb.u16(7).into()
            },
        ))
    }

    /// MODE SELECT (SPC-4): all pages sent are taken, or none.
    pub(crate) fn mode_select(&mut self, cdb: &Cdb, data: &[u8]) -> Result<Vec<u8>, Sense> {
        if cdb.bit(1, 0) {
            return Err(INVALID_FIELD_IN_CDB); // nothing can be saved
        }
        let six = cdb.opcode() == 0x15;
        let (header, length) = if six {
            (4, usize::from(cdb.u8(4)))
        } else {
            (8, usize::from(cdb.u16(7)))
        };
        if length == 0 {
            return Ok(Vec::new());
        }
        let list = data.get(..length).ok_or(PARAMETER_LIST_LENGTH)?;
        let descriptors = if six {
            View(list).u8(3).map(u16::from)
        } else {
            View(list).u16(6)
        };
        // Old programs send one block descriptor to set what is already so: blocks of 2048 bytes.
        let skip = match descriptors.ok_or(PARAMETER_LIST_LENGTH)? {
            0 => header,
            8 if View(list).u24(header + 5) == Some(2048) => header + 8,
            _ => return Err(INVALID_FIELD_IN_PARAMETER_LIST),
        };
        let mut rest = list.get(skip..).ok_or(PARAMETER_LIST_LENGTH)?;
        let mut pages = ModePages(self.pages.0.clone());
        while let [_, length, ..] = rest {
            let (page, next) = rest
                .split_at_checked(usize::from(*length) + 2)
                .ok_or(PARAMETER_LIST_LENGTH)?;
            pages.select(page)?;
            rest = next;
        }
        if !rest.is_empty() {
            return Err(PARAMETER_LIST_LENGTH);
        }
        if pages.0 != self.pages.0 {
            self.pages = pages;
            self.attention.unit_of_others(MODE_PARAMETERS_CHANGED);
        }
        Ok(Vec::new())
    }

    /// Page 2Ah, MM capabilities and mechanical status (MMC-3, legacy that every program still reads).
    fn capabilities(&self) -> Vec<u8> {
        let writes: Vec<u32> = self
            .current_profile()
            .map_or(Vec::new(), |profile| profile.speeds.to_vec());
        let (reading, writing) = self.current_speeds();
        let mut page = vec![CAPABILITIES, 0];
        // The page knows no BD: reads CD-R, -RW, DVD-ROM, -R and -RAM, writes CD-R, -RW, DVD-R and -RAM; several
        // sessions.
        page.extend([0x3B, 0x33, 0x40, 0]);
        page.extend([0x29 | u8::from(self.attention.is_removal_prevented()) << 1, 0]); // tray, ejects, can be locked
        page.put16(writes.first().copied().unwrap_or(0));
        page.zeros(2);
        page.put16(BUFFER / 1024);
        page.put16(reading);
        page.zeros(2);
        page.put16(writes.first().copied().unwrap_or(0));
        page.put16(writing);
        page.zeros(6);
        page.put16(writing);
        page.put16(writes.len());
        for speed in writes {
            page.zeros(2);
            page.put16(speed);
        }
        page[1] = u8::try_from(page.len() - 2).unwrap_or(u8::MAX);
        page
    }
}
