//! Boots boxes and peers, and holds the tests that need them.
//!
//! - [`Machine`] is a box in QEMU: the real kernel and executable, a [`Burner`] behind iSCSI or any other
//!   [`OpticalDrive`], a data disk, NICs on a user network or a [`Network`] of machines, the serial console.
//! - [`Native`] is the same doors, vault and reader in this process, with the burner behind an in-process
//!   transport: for quick tests and benchmarks.
//! - [`peer::Peer`] is a workstation in QEMU with Debian's programs and Linux's own readers of discs.
//! - [`RecordedDrive`] and [`DataPartition`] are a drive and a data disk whose power is cut, with `power`'s disk.
//! - [`Spindle`] runs the real command line; [`foreign`] opens discs with programs nobody here wrote.
//!
//! Where the built artifacts lie is told by the environment, see [`Artifacts`]; `cargo xtask test` sets it. A missing
//! artifact or program fails the test that needs it. Every wait has a limit; `SPINDLE_TIMEOUT_MULTIPLIER` stretches
//! all of them for slow machines.

mod artifacts;
mod burners;
mod drives;
pub mod foreign;
mod machine;
mod native;
mod network;
mod patience;
pub mod peer;
mod power_data;
mod power_drive;
mod scratch;
mod serial;
mod spindle;
pub mod tree;

pub use artifacts::Artifacts;
pub use burners::{Burner, InProcess};
pub use drives::{Adapter, OpticalDrive, Source};
pub use machine::{DataDisk, Machine, MachineOptions, Nic};
pub use native::Native;
pub use network::Network;
pub use patience::{patience, until};
pub use power_data::{DataPartition, check_file_system, new_data_disk};
pub use power_drive::{DriveLog, RecordedDrive, drive_with};
pub use scratch::Scratch;
pub use serial::Serial;
pub use spindle::{Ran, Spindle};
