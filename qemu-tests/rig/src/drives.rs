//! Optical drives of a machine and the adapters they hang on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};

use crate::burners::Burner;

/// What an optical drive is connected to in the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adapter {
    /// A paravirtual SCSI adapter: every command passes, no translation.
    #[default]
    VirtioScsi,
    /// USB mass storage, Bulk-Only Transport, at an xHCI controller.
    UsbBot,
    /// USB Attached SCSI at an xHCI controller.
    Uas,
    /// ATAPI at an AHCI controller, as in today's PCs; QEMU's own drive only.
    Ahci,
    /// ATAPI at the PIIX3 controller of an older PC; QEMU's own drive only.
    Piix,
}

impl Adapter {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::VirtioScsi, Self::UsbBot, Self::Uas, Self::Ahci, Self::Piix];

    /// The name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::VirtioScsi => "virtio-scsi",
            Self::UsbBot => "usb-bot",
            Self::Uas => "uas",
            Self::Ahci => "ahci",
            Self::Piix => "piix",
        }
    }

    /// Whether QEMU can hang a foreign SCSI drive on it; on the others only its own can be.
    pub fn carries_scsi(self) -> bool {
        !matches!(self, Self::Ahci | Self::Piix)
    }
}

impl FromStr for Adapter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|adapter| adapter.name() == text);
        known.with_context(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no adapter `{text}`; there are {names}")
        })
    }
}

/// Where a drive's commands go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// To an iSCSI target, ours or anybody's: every command the guest sends.
    Iscsi {
        /// `HOST:PORT`.
        portal: String,
        /// The target's name.
        target: String,
        /// The logical unit.
        unit: u16,
    },
    /// To QEMU's own CD/DVD-ROM drive with this image in it; none for an empty drive.
    Image(Option<PathBuf>),
}

/// An optical drive of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpticalDrive {
    /// Where its commands go.
    pub source: Source,
    /// What it is connected to.
    pub adapter: Adapter,
}

impl OpticalDrive {
    /// An emulated burner.
    pub fn burner(burner: &Burner, adapter: Adapter) -> Self {
        Self::iscsi(burner.address(), burner.name(), 0, adapter)
    }

    /// A unit of an iSCSI target.
    pub fn iscsi(portal: SocketAddr, target: &str, unit: u16, adapter: Adapter) -> Self {
        let (portal, target) = (portal.to_string(), target.to_owned());
        let source = Source::Iscsi { portal, target, unit };
        Self { source, adapter }
    }

    /// QEMU's own drive with an image.
    pub fn image(image: &Path, adapter: Adapter) -> Self {
        let source = Source::Image(Some(image.to_owned()));
        Self { source, adapter }
    }

    /// Adds the drive to QEMU's command line; `number` tells it from the machine's others.
    pub(crate) fn attach(&self, number: usize, command: &mut Command) -> Result<()> {
        let id = format!("optical{number}");
        let scsi = match &self.source {
            Source::Iscsi { portal, target, unit } => {
                ensure!(
                    self.adapter.carries_scsi(),
                    "QEMU has only its own drive on {}; a burner hangs on virtio-scsi, usb-bot or uas",
                    self.adapter.name()
                );
                let drive = format!(
                    "if=none,id={id},driver=iscsi,transport=tcp,portal={portal},target={target},lun={unit}"
                );
                command.args(["-drive", &drive]);
                "scsi-generic"
            }
            Source::Image(image) => {
                let mut drive = format!("if=none,id={id},media=cdrom,readonly=on");
                if let Some(image) = image {
                    drive.push_str(&format!(",format=raw,file={}", option_text(image)?));
                }
                command.args(["-drive", &drive]);
                "scsi-cd"
            }
        };
        match self.adapter {
            // One adapter for all of them, which the machine has.
            Adapter::VirtioScsi => {
                let device = format!("{scsi},drive={id},bus=scsi0.0,scsi-id={number},lun=0");
                command.args(["-device", &device]);
            }
            Adapter::UsbBot | Adapter::Uas => {
                let (bridge, bus) = match self.adapter {
                    Adapter::Uas => ("usb-uas", "uas"),
                    _ => ("usb-bot", "bot"),
                };
                command
                    .args(["-device", &format!("qemu-xhci,id=xhci{number}")])
                    .args([
                        "-device",
                        &format!("{bridge},id={bus}{number},bus=xhci{number}.0"),
                    ])
                    .args([
                        "-device",
                        &format!("{scsi},drive={id},bus={bus}{number}.0,scsi-id=0,lun=0"),
                    ]);
            }
            Adapter::Ahci => {
                command
                    .args(["-device", &format!("ich9-ahci,id=ahci{number}")])
                    .args(["-device", &format!("ide-cd,drive={id},bus=ahci{number}.0")]);
            }
            Adapter::Piix => {
                command
                    .args(["-device", &format!("piix3-ide,id=piix{number}")])
                    .args(["-device", &format!("ide-cd,drive={id},bus=piix{number}.0")]);
            }
        }
        Ok(())
    }
}

impl FromStr for OpticalDrive {
    type Err = Error;

    /// `iscsi://HOST:PORT/TARGET/LUN` or the path of an image, either with `,ADAPTER` behind it. Without one a SCSI
    /// drive hangs on virtio-scsi, an image on AHCI.
    fn from_str(text: &str) -> Result<Self> {
        let (place, adapter) = match text.rsplit_once(',') {
            Some((place, adapter)) => (place, Some(adapter.parse()?)),
            None => (text, None),
        };
        if let Some(address) = place.strip_prefix("iscsi://") {
            let parts: Vec<&str> = address.split('/').collect();
            let [portal, target, unit] = parts.as_slice() else {
                bail!("`{place}` is not iscsi://HOST:PORT/TARGET/LUN");
            };
            let source = Source::Iscsi {
                portal: (*portal).into(),
                target: (*target).into(),
                unit: unit
                    .parse()
                    .with_context(|| format!("`{unit}` is not the number of a unit"))?,
            };
            let adapter = adapter.unwrap_or_default();
            return Ok(Self { source, adapter });
        }
        let image = PathBuf::from(place);
        ensure!(
            image.is_file(),
            "`{place}` is neither iscsi://HOST:PORT/TARGET/LUN nor the image of a disc"
        );
        Ok(Self::image(&image, adapter.unwrap_or(Adapter::Ahci)))
    }
}

/// A path in one of QEMU's options, which commas separate; doubled they are text.
pub(crate) fn option_text(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("QEMU takes no path that is not UTF-8: {}", path.display()))?;
    Ok(text.replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_are_named_as_on_a_command_line() -> Result<()> {
        let drive: OpticalDrive = "iscsi://127.0.0.1:3260/iqn.2026-01.org:drive/1,uas".parse()?;
        let expected = OpticalDrive::iscsi(
            "127.0.0.1:3260".parse()?,
            "iqn.2026-01.org:drive",
            1,
            Adapter::Uas,
        );
        assert_eq!(drive, expected);
        let file = tempfile::NamedTempFile::new()?;
        let drive: OpticalDrive = file.path().display().to_string().parse()?;
        assert_eq!(drive, OpticalDrive::image(file.path(), Adapter::Ahci));
        for wrong in [
            "iscsi://127.0.0.1:3260",
            "iscsi://a/b/c/d",
            "/no/such/image.iso",
            "x,scsi-3",
        ] {
            assert!(wrong.parse::<OpticalDrive>().is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn a_burner_does_not_hang_on_an_ata_adapter() {
        let portal = SocketAddr::from(([127, 0, 0, 1], 3260));
        let drive = OpticalDrive::iscsi(portal, "iqn", 0, Adapter::Ahci);
        let error = drive.attach(0, &mut Command::new("true")).expect_err("refused");
        assert!(error.to_string().contains("virtio-scsi"), "{error}");
    }
}
