//! The namespace init makes for itself: a table of creators.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::Failure;

/// Where the data partition is mounted.
pub(crate) const DATA: &str = "/data";

struct Mount {
    kind: &'static str,
    at: &'static str,
    flags: MountFlags,
    options: &'static std::ffi::CStr,
}

const NEITHER: MountFlags = MountFlags::NOSUID.union(MountFlags::NOEXEC);

/// `hidepid=2`: a role sees no process but its own. Device nodes keep /dev from being `nodev`.
const MOUNTS: [Mount; 4] = [
    Mount {
        kind: "proc",
        at: "/proc",
        flags: NEITHER.union(MountFlags::NODEV),
        options: c"hidepid=2",
    },
    Mount {
        kind: "sysfs",
        at: "/sys",
        flags: NEITHER.union(MountFlags::NODEV),
        options: c"",
    },
    Mount {
        kind: "devtmpfs",
        at: "/dev",
        flags: NEITHER,
        options: c"mode=0755",
    },
    Mount {
        kind: "tmpfs",
        at: "/run",
        flags: NEITHER.union(MountFlags::NODEV),
        options: c"mode=0755,size=4m",
    },
];

/// Makes everything in the table; each creator that fails is told, the others still run.
pub(crate) fn create() -> Vec<Failure> {
    let mut failures: Vec<_> = MOUNTS.iter().filter_map(|mount| mount.create().err()).collect();
    failures.extend(directory(DATA).err());
    failures
}

impl Mount {
    fn create(&self) -> Result<(), Failure> {
        directory(self.at)?;
        match rustix::mount::mount(self.kind, self.at, self.kind, self.flags, self.options) {
            // The kernel has mounted it already.
            Err(Errno::BUSY) => Ok(()),
            mounted => mounted.map_err(Failure::of(format!("cannot mount {} on {}", self.kind, self.at))),
        }
    }
}

fn directory(path: &str) -> Result<(), Failure> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => Ok(()),
        made => made.map_err(Failure::of(format!("cannot make the directory {path}"))),
    }
}
