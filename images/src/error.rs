//! What can go wrong while a box's boot files are made.

use std::{io, path::PathBuf, process::ExitStatus};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a product was not made, and what to do about it.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// cannot {action} {path}: {source}
    File {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The file or directory it was attempted on.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// cannot start `{program}`: {source}; `cargo xtask setup` installs what is missing
    Start {
        /// The program's name.
        program: String,
        /// What the system answered.
        source: io::Error,
    },
    /// `{program}` failed ({status}):\n{tail}
    Failed {
        /// The program's name, with what it was working on.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        tail: String,
    },
    /// {path} is missing: build the box first (`cargo xtask build`)
    NotBuilt {
        /// The missing file.
        path: PathBuf,
    },
    /// no kernel source at {path}: `cargo xtask setup` installs it, or name one with --kernel-source
    NoKernelSource {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// no cache directory: neither XDG_CACHE_HOME nor HOME is set to an absolute path
    NoCacheDirectory,
    /// no kernel configuration fragment (*.config) in {path}
    NoFragments {
        /// The folder that should hold some.
        path: PathBuf,
    },
    /// {path} names the fragment `{name}`, which board/common does not have
    UnknownFragment {
        /// The board's selection.
        path: PathBuf,
        /// The name without `.config`.
        name: String,
    },
    /// {path}, line {line}: not a kernel option: `{text}`
    FragmentSyntax {
        /// The fragment.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The line's text.
        text: String,
    },
    /// kernel options asked for but not in the built configuration (a dependency is off, or the name is wrong): {options}
    OptionsDropped {
        /// The lines that got lost, separated by commas.
        options: String,
    },
    /// kernel options that must be off are on: {options}
    OptionsForbidden {
        /// Their names, separated by commas.
        options: String,
    },
    /// {path} holds {found} command lines instead of one
    CommandLine {
        /// The board's command line file.
        path: PathBuf,
        /// How many lines remained after comments.
        found: usize,
    },
    /// not a 64-bit x86 ELF executable: {reason}
    NotExecutable {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// the executable asks for the dynamic loader {interpreter}, which an initramfs does not have: build it with `-C target-feature=+crt-static`
    Dynamic {
        /// The loader's path.
        interpreter: String,
    },
    /// a file of {length} bytes does not fit a newc archive, whose lengths have 32 bits
    TooLargeForArchive {
        /// The file's length.
        length: u64,
    },
    /// a data disk of {bytes} bytes is impossible: a whole number of MiB is needed, and at least {minimum} bytes for the file system with its journal
    DataDiskSize {
        /// The size asked for.
        bytes: u64,
        /// The smallest possible.
        minimum: u64,
    },
    /// the partition {name} does not fit the disk: {reason}
    Partition {
        /// The partition's name.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
}
