//! The drive itself: who it is, its tray, its speeds.

mod execute;

pub(crate) use execute::{Attempts, Fault};

use core::time::Duration;

use crate::bytes::text;
use crate::command::{
    Command, Configuration, GetConfiguration, GetEventStatus, Inquiry, ModeSense, PreventAllow, Query,
    ReadCapacity, StartStop, TestUnitReady, Tray, feature,
};
use crate::error::Error;
use crate::profile::Profile;
use crate::quirk::Quirks;
use crate::sense::Reaction;
use crate::speed::Pace;
use crate::timeout::{Patience, patience_on};
use crate::transport::{Data, Host, Transport};

/// Room for the answer to GET CONFIGURATION; drives send 200 to 500 bytes.
pub(crate) const CONFIGURATION_LENGTH: usize = 1024;

/// Who a drive is and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Vendor, from INQUIRY.
    pub vendor: heapless::String<8>,
    /// Model, from INQUIRY.
    pub product: heapless::String<16>,
    /// Firmware revision, from INQUIRY.
    pub revision: heapless::String<4>,
    /// Serial number, from feature 0108h; empty when the drive does not tell.
    pub serial: heapless::String<32>,
    /// Size of its buffer in KiB, from mode page 2Ah; 0 when it does not tell.
    pub buffer_kib: u16,
    /// It can close its tray by itself: feature 0003h. Slim drives cannot.
    pub loads: bool,
    /// It can open its tray by itself.
    pub ejects: bool,
    /// Numbers of all features it has, whatever the disc.
    pub features: heapless::Vec<u16, 96>,
}

/// What GET EVENT STATUS NOTIFICATION tells about disc and tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaStatus {
    /// What happened since the last question.
    pub event: MediaEvent,
    /// The tray is out.
    pub tray_open: bool,
    /// A disc is in.
    pub present: bool,
}

/// Media events of MMC-6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaEvent {
    /// Nothing happened.
    None,
    /// Somebody pressed the eject button while the tray was locked.
    EjectRequest,
    /// A disc was put in and can be used.
    Arrived,
    /// The disc was taken out.
    Removed,
    /// The disc was exchanged.
    Changed,
    /// Another event, as its number.
    Other(u8),
}

/// A drive behind a transport.
#[derive(Debug)]
pub struct Drive<T, H> {
    pub(crate) transport: T,
    pub(crate) host: H,
    pub(crate) identity: Identity,
    pub(crate) quirks: Quirks,
    /// Counts the discs seen: increases whenever the disc may have become another one.
    pub(crate) generation: u32,
    /// Counts the resets reported: each may have cost what the drive held in its buffer.
    pub(crate) resets: u32,
    /// READ BUFFER CAPACITY is answered.
    pub(crate) tells_buffer: bool,
    /// A command was given up that the adapter never ended; no other may follow it.
    pub(crate) hung: bool,
    /// The kind of disc last seen, which decides about patience.
    pub(crate) medium: Profile,
    /// Reading and writing speed asked for last.
    pub(crate) paces: (Pace, Pace),
    /// Reads without trouble since the reading speed was lowered because of some.
    pub(crate) calm: Option<u32>,
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// Makes the acquaintance of the drive at the other end of `transport`; it need not hold a disc.
    ///
    /// # Errors
    /// [`Error::NotAnOpticalDrive`], or what the commands of identification brought.
    pub fn identify(transport: T, host: H) -> Result<Self, Error> {
        let identity = Identity {
            vendor: heapless::String::new(),
            product: heapless::String::new(),
            revision: heapless::String::new(),
            serial: heapless::String::new(),
            buffer_kib: 0,
            loads: false,
            ejects: false,
            features: heapless::Vec::new(),
        };
        let mut drive = Self {
            transport,
            host,
            identity,
            quirks: Quirks::default(),
            generation: 0,
            resets: 0,
            tells_buffer: true,
            hung: false,
            medium: Profile::NONE,
            paces: (Pace::Fastest, Pace::Fastest),
            calm: None,
        };
        drive.inquire()?;
        let mut answer = [0; CONFIGURATION_LENGTH];
        let configuration = drive.configuration(&mut answer)?;
        if let Some(serial) = configuration.feature(feature::SERIAL_NUMBER) {
            drive.identity.serial = text(serial.data);
        }
        if let Some(mechanism) = configuration.feature(feature::REMOVABLE_MEDIUM) {
            let flags = mechanism.data.first().copied().unwrap_or(0);
            drive.identity.ejects = flags & 1 << 3 != 0;
            drive.identity.loads = flags & 1 << 4 != 0;
        }
        drive.identity.features = configuration
            .features()
            .map(|feature| feature.code)
            .take(96)
            .collect();
        let mut capabilities = [0; 30];
        let mut page = drive
            .query(&ModeSense, &mut capabilities)
            .map(|page| page.buffer_kib());
        if page == Err(Error::NoDisc) {
            // No disc is needed for it: QEMU's drive reports an exchanged disc so, once.
            page = drive
                .query(&ModeSense, &mut capabilities)
                .map(|page| page.buffer_kib());
        }
        drive.identity.buffer_kib = match page {
            Err(Error::Transport { command, error }) => return Err(Error::Transport { command, error }),
            page => page.unwrap_or(0), // a page MMC-4 made optional
        };
        Ok(drive)
    }

    fn inquire(&mut self) -> Result<(), Error> {
        const OPTICAL: u8 = 0x05;
        let mut answer = [0; 36];
        let data = self.query(&Inquiry, &mut answer)?;
        if data.device_type() != OPTICAL {
            return Err(Error::NotAnOpticalDrive {
                device_type: data.device_type(),
            });
        }
        self.identity.vendor = text(data.vendor());
        self.identity.product = text(data.product());
        self.identity.revision = text(data.revision());
        self.quirks = Quirks::of(&self.identity.vendor, &self.identity.product);
        Ok(())
    }

    /// Who this drive is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Changes whenever the disc may have become another one. A [`Disc`](crate::Disc) or
    /// [`Plan`](crate::Plan) made under another number is stale.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The drive hangs: every command fails with [`TransportError::Hung`](crate::TransportError::Hung) without
    /// being sent, since the one before is still under way in the adapter.
    pub fn is_hung(&self) -> bool {
        self.hung
    }

    /// Somebody with the privilege reset the device (SG_SCSI_RESET) or switched it off and on: commands are
    /// sent again, and whatever was known about its disc is stale.
    pub fn was_reset(&mut self) {
        self.hung = false;
        self.resets = self.resets.wrapping_add(1);
        self.generation = self.generation.wrapping_add(1);
    }

    /// The surroundings given to [`Self::identify`].
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The current profile.
    ///
    /// # Errors
    /// What GET CONFIGURATION brought.
    pub fn profile(&mut self) -> Result<Profile, Error> {
        self.medium = match self.query(&GetConfiguration { allocation: 8 }, &mut [0; 8]) {
            Ok(header) => Profile(header.current_profile()),
            Err(error) if error.reaction() == Reaction::Degrade => self.guess_profile()?,
            Err(error) => return Err(error),
        };
        Ok(self.medium)
    }

    /// Readers older than MMC-2 have no GET CONFIGURATION: the disc's size tells what it can be.
    fn guess_profile(&mut self) -> Result<Profile, Error> {
        const LARGEST_CD: u32 = 449_850; // 99:59:74
        const LARGEST_DVD: u32 = 4_200_000; // two layers
        match self.query(&ReadCapacity, &mut [0; 8]) {
            Ok(capacity) if capacity.last_block < LARGEST_CD => Ok(Profile(0x08)),
            Ok(capacity) if capacity.last_block < LARGEST_DVD => Ok(Profile(0x10)),
            Ok(_) => Ok(Profile(0x40)),
            Err(Error::NoDisc) => Ok(Profile::NONE),
            Err(error) => Err(error),
        }
    }

    /// The whole configuration: its length first, then as much of it as there is room for. A drive without
    /// this command has the profile its disc suggests, and no features.
    pub(crate) fn configuration<'b>(
        &mut self,
        answer: &'b mut [u8; CONFIGURATION_LENGTH],
    ) -> Result<Configuration<'b>, Error> {
        let (declared, profile) = match self.query(&GetConfiguration { allocation: 8 }, &mut [0; 8]) {
            Ok(header) => (header.declared_length(), Profile(header.current_profile())),
            Err(error) if error.reaction() == Reaction::Degrade => (8, self.guess_profile()?),
            Err(error) => return Err(error),
        };
        self.medium = profile;
        let wanted = declared.clamp(8, CONFIGURATION_LENGTH);
        let command = GetConfiguration {
            allocation: u16::try_from(wanted).unwrap_or(u16::MAX),
        };
        if wanted > 8 {
            return self.query(&command, answer);
        }
        let [high, low] = profile.0.to_be_bytes();
        answer.fill(0);
        for (to, from) in answer.iter_mut().zip([0, 0, 0, 4, 0, 0, high, low]) {
            *to = from;
        }
        GetConfiguration::response(answer).map_err(|error| Error::Malformed {
            command: GetConfiguration::NAME,
            error,
        })
    }

    /// How long a command may take with the disc seen last.
    pub(crate) fn patience(&self, operation_code: u8) -> Patience {
        patience_on(operation_code, self.medium)
    }

    /// Waits until the disc can be used.
    ///
    /// # Errors
    /// [`Error::NoDisc`] at once when there is none; [`Error::StillBusy`] when patience ended.
    pub fn ready(&mut self) -> Result<(), Error> {
        self.wait_ready(
            TestUnitReady::NAME,
            self.patience(TestUnitReady.cdb().operation_code()).completion,
        )
    }

    /// What has happened to disc and tray since the last question. Drives without this command are asked with
    /// TEST UNIT READY whether there is a disc.
    ///
    /// # Errors
    /// What the command brought.
    pub fn media_status(&mut self) -> Result<MediaStatus, Error> {
        let mut answer = [0; 8];
        let status = match self.query(&GetEventStatus, &mut answer) {
            Ok(status) if status.is_media() => status,
            Err(error) if error.reaction() != Reaction::Degrade => return Err(error),
            _ => return self.media_presence(),
        };
        let event = match status.code() {
            0 => MediaEvent::None,
            1 => MediaEvent::EjectRequest,
            2 => MediaEvent::Arrived,
            3 => MediaEvent::Removed,
            4 => MediaEvent::Changed,
            other => MediaEvent::Other(other),
        };
        if matches!(
            event,
            MediaEvent::Arrived | MediaEvent::Removed | MediaEvent::Changed
        ) {
            self.generation = self.generation.wrapping_add(1);
        }
        Ok(MediaStatus {
            event,
            tray_open: status.tray_open(),
            present: status.present(),
        })
    }

    fn media_presence(&mut self) -> Result<MediaStatus, Error> {
        let present = match self.wait_ready(TestUnitReady::NAME, Duration::ZERO) {
            Ok(()) | Err(Error::StillBusy { .. }) => true,
            Err(Error::NoDisc) => false,
            Err(error) => return Err(error),
        };
        Ok(MediaStatus {
            event: MediaEvent::None,
            tray_open: false,
            present,
        })
    }

    /// Locks or unlocks the tray and the eject button. A drive without a lock is taken as it is.
    ///
    /// # Errors
    /// What the command brought.
    pub fn lock(&mut self, locked: bool) -> Result<(), Error> {
        match self.run(&PreventAllow { prevent: locked }, Data::None) {
            Err(error) if error.reaction() == Reaction::Degrade => Ok(()),
            other => other,
        }
    }

    /// Unlocks and opens the tray.
    ///
    /// # Errors
    /// What the commands brought.
    pub fn eject(&mut self) -> Result<(), Error> {
        self.lock(false)?;
        self.generation = self.generation.wrapping_add(1);
        self.run(
            &StartStop {
                action: Tray::Eject,
                immediate: false,
            },
            Data::None,
        )
    }

    /// Closes the tray and waits until the disc can be used. Never with Immed, which leads some drives to
    /// answer from a half-recognised disc.
    ///
    /// # Errors
    /// [`Error::NoDisc`] when the tray was empty; what the commands brought otherwise.
    pub fn load(&mut self) -> Result<(), Error> {
        self.generation = self.generation.wrapping_add(1);
        self.run(
            &StartStop {
                action: Tray::Load,
                immediate: false,
            },
            Data::None,
        )?;
        self.ready()
    }
}
