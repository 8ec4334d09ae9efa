//! What devices there are: drives and network interfaces that came or went.
//!
//! The kernel's events only say when to look; /sys says what there is. So an event that is lost, or that
//! was sent before init listened, costs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use seam::Interface;

use crate::uevent::Uevent;
use crate::{Failure, interface};

/// SCSI peripheral device type 5: an MMC device (SPC-4 table 141).
const MMC: &str = "5";

/// A difference from what was there before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    DriveCame(String),
    DriveGone(String),
    InterfaceCame(Interface),
    InterfaceGone(u32),
    /// Partitions came or went: look for the data partition.
    Partitions,
}

/// The devices known.
#[derive(Debug)]
pub(crate) struct Devices {
    /// /sys/class
    classes: PathBuf,
    drives: Vec<String>,
    interfaces: BTreeMap<String, Interface>,
}

impl Devices {
    pub(crate) fn new(classes: &Path) -> Self {
        Self {
            classes: classes.into(),
            drives: Vec::new(),
            interfaces: BTreeMap::new(),
        }
    }

    /// Looks at everything.
    pub(crate) fn look(&mut self) -> Vec<Change> {
        let mut changes = self.look_for_interfaces();
        changes.extend(self.look_for_drives());
        changes.push(Change::Partitions);
        changes
    }

    /// Looks at what an event is about.
    pub(crate) fn heard(&mut self, event: &Uevent) -> Vec<Change> {
        match event.subsystem.as_str() {
            "scsi_generic" => {
                let mut changes = Vec::new();
                // Gone and there again under the same name is another drive.
                if event.removed && take(&mut self.drives, &event.name) {
                    changes.push(Change::DriveGone(event.name.clone()));
                }
                changes.extend(self.look_for_drives());
                changes
            }
            "net" => self.look_for_interfaces(),
            "block" => vec![Change::Partitions],
            _ => Vec::new(),
        }
    }

    pub(crate) fn drives(&self) -> impl Iterator<Item = &str> {
        self.drives.iter().map(String::as_str)
    }

    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }

    fn look_for_drives(&mut self) -> Vec<Change> {
        let mut there: Vec<_> = entries(&self.classes.join("scsi_generic"))
            .into_iter()
            .filter(|path| fs::read_to_string(path.join("device/type")).is_ok_and(|kind| kind.trim() == MMC))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        there.sort();
        let gone = self.drives.iter().filter(|name| !there.contains(name));
        let came = there.iter().filter(|name| !self.drives.contains(name));
        let changes = gone
            .map(|name| Change::DriveGone(name.clone()))
            .chain(came.map(|name| Change::DriveCame(name.clone())))
            .collect();
        self.drives = there;
        changes
    }

    fn look_for_interfaces(&mut self) -> Vec<Change> {
        let there: BTreeMap<_, _> = entries(&self.classes.join("net"))
            .iter()
            .filter_map(|path| interface::describe(path))
            .map(|interface| (interface.name.clone(), interface))
            .collect();
        // The index is the identity: one that came back under its name has another.
        let differs = |interface: &&Interface, others: &BTreeMap<String, Interface>| {
            others
                .get(&interface.name)
                .is_none_or(|other| other.index != interface.index)
        };
        let gone = self.interfaces.values().filter(|known| differs(known, &there));
        let came = there.values().filter(|found| differs(found, &self.interfaces));
        let changes = gone
            .map(|interface| Change::InterfaceGone(interface.index))
            .chain(came.map(|interface| Change::InterfaceCame(interface.clone())))
            .collect();
        self.interfaces = there;
        changes
    }
}

fn take(names: &mut Vec<String>, name: &str) -> bool {
    let before = names.len();
    names.retain(|known| known != name);
    names.len() < before
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    // Without the class there are no devices of it.
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Opens a drive for the vault.
pub(crate) fn open_drive(name: &str) -> Result<OwnedFd, Failure> {
    // O_RDWR: then the kernel filters no command. O_NONBLOCK: a drive in recovery does not hold init up;
    // SG_IO waits all the same.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(format!("/dev/{name}"), flags, Mode::empty()).map_err(Failure::of::<Errno>(format!(
        "drive {name}: cannot open /dev/{name}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_generic(classes: &Path, name: &str, kind: &str) {
        let device = classes.join("scsi_generic").join(name).join("device");
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("type"), format!("{kind}\n")).unwrap();
    }

    fn event(removed: bool, subsystem: &str, name: &str) -> Uevent {
        Uevent {
            removed,
            subsystem: subsystem.into(),
            name: name.into(),
        }
    }

    #[test]
    fn only_burners_among_scsi_devices_are_drives_and_each_is_told_once() {
        let sys = tempfile::tempdir().unwrap();
        add_generic(sys.path(), "sg0", "0");
        add_generic(sys.path(), "sg1", "5");
        let mut devices = Devices::new(sys.path());
        assert_eq!(
            devices.look(),
            [Change::DriveCame("sg1".into()), Change::Partitions]
        );
        assert_eq!(devices.heard(&event(false, "scsi_generic", "sg1")), []);
        add_generic(sys.path(), "sg2", "5");
        assert_eq!(
            devices.heard(&event(false, "scsi_generic", "sg2")),
            [Change::DriveCame("sg2".into())]
        );
        fs::remove_dir_all(sys.path().join("scsi_generic/sg1")).unwrap();
        assert_eq!(
            devices.heard(&event(true, "scsi_generic", "sg1")),
            [Change::DriveGone("sg1".into())]
        );
        assert_eq!(devices.drives().collect::<Vec<_>>(), ["sg2"]);
    }

    #[test]
    fn a_drive_that_went_and_came_back_at_once_is_told_twice() {
        let sys = tempfile::tempdir().unwrap();
        add_generic(sys.path(), "sg0", "5");
        let mut devices = Devices::new(sys.path());
        devices.look();
        assert_eq!(
            devices.heard(&event(true, "scsi_generic", "sg0")),
            [Change::DriveGone("sg0".into()), Change::DriveCame("sg0".into())]
        );
    }

    #[test]
    fn an_interface_with_another_index_is_another() {
        let sys = tempfile::tempdir().unwrap();
        let eth = sys.path().join("net/eth0");
        fs::create_dir_all(&eth).unwrap();
        for (name, text) in [
            ("type", "1"),
            ("ifindex", "2"),
            ("address", "52:54:00:12:34:56"),
            ("mtu", "1500"),
        ] {
            fs::write(eth.join(name), text).unwrap();
        }
        let mut devices = Devices::new(sys.path());
        assert!(matches!(
            devices.look()[..],
            [Change::InterfaceCame(_), Change::Partitions]
        ));
        fs::write(eth.join("ifindex"), "3").unwrap();
        let changes = devices.heard(&event(false, "net", "eth0"));
        assert!(matches!(&changes[..], [Change::InterfaceGone(2), Change::InterfaceCame(i)] if i.index == 3));
    }
}
