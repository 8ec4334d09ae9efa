//! Faults as data: what the drive or its disc will do wrong, and how often.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One thing that goes wrong. `times` limits how often it happens; without it, it always does.
///
/// In a file: `[[fault]]`, `kind = "write-error"`, `at = 800`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// WRITE of a range that holds block `at` fails with 03/0C/00 and records nothing.
    WriteError {
        /// Block address.
        at: u32,
        /// How often.
        times: Option<u32>,
    },
    /// READ of a range that touches these blocks fails with 03/11/05; after `tries` failures it succeeds.
    ReadError {
        /// First bad block.
        at: u32,
        /// Number of bad blocks; 1 when not given.
        blocks: Option<u32>,
        /// Failures before the drive recovers the data; never when not given.
        tries: Option<u32>,
    },
    /// WRITE at or beyond `at` is refused with 02/04/08, long write in progress.
    LongWrite {
        /// Block address from which the buffer is full.
        at: u32,
        /// How often.
        times: Option<u32>,
    },
    /// The tray opens, whatever prevents it, when a WRITE reaches block `at`. Happens once.
    TrayOpens {
        /// Block address.
        at: u32,
    },
    /// The drive sees no disc, whatever lies in the tray.
    NoDisc {},
    /// After a disc is loaded, that many commands which need it are answered 02/04/01.
    BecomingReady {
        /// How often.
        times: u32,
    },
    /// After each SYNCHRONIZE CACHE or CLOSE with IMMED, that many commands are answered 02/04/07.
    SlowClose {
        /// How often.
        times: u32,
    },
    /// CLOSE TRACK SESSION fails with 03/72/00 and changes nothing.
    FailClose {
        /// How often.
        times: Option<u32>,
    },
    /// The command is executed, its reply arrives late.
    ReplyDelay {
        /// Operation code concerned.
        opcode: u8,
        /// By how much.
        milliseconds: u64,
        /// How often.
        times: Option<u32>,
    },
}

impl Fault {
    fn limit(&self) -> Option<u32> {
        match self {
            Self::WriteError { times, .. }
            | Self::LongWrite { times, .. }
            | Self::FailClose { times }
            | Self::ReplyDelay { times, .. } => *times,
            Self::ReadError { tries, .. } => *tries,
            Self::TrayOpens { .. } => Some(1),
            Self::NoDisc {} | Self::BecomingReady { .. } | Self::SlowClose { .. } => None,
        }
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    fired: u32,
}

/// The faults a drive is armed with; of those that apply, the first that is not used up happens.
#[derive(Debug, Default)]
pub struct Faults(Vec<Armed>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFile {
    #[serde(default)]
    fault: Vec<Fault>,
}

impl Faults {
    /// Reads a TOML file of `[[fault]]` tables.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds anything else.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::File {
            path: path.into(),
            source,
        })?;
        let wrong = |error: toml::de::Error| Error::Faults {
            path: path.into(),
            reason: error.to_string(),
        };
        let file: FaultFile = toml::from_str(&text).map_err(wrong)?;
        Ok(file.fault.into_iter().collect())
    }

    /// Adds a fault behind those there are.
    pub fn arm(&mut self, fault: Fault) {
        self.0.push(Armed { fault, fired: 0 });
    }

    /// Takes all faults away.
    pub fn disarm(&mut self) {
        self.0.clear();
    }

    pub(crate) fn no_disc(&self) -> bool {
        self.0.iter().any(|armed| armed.fault == Fault::NoDisc {})
    }

    /// The first fault that `applies` and is not used up, counted as having happened.
    pub(crate) fn fire<T>(&mut self, applies: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.0.iter_mut().find_map(|armed| {
            let left = armed.fault.limit().is_none_or(|limit| armed.fired < limit);
            let effect = applies(&armed.fault).filter(|_| left)?;
            armed.fired = armed.fired.saturating_add(1);
            Some(effect)
        })
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self(
            faults
                .into_iter()
                .map(|fault| Armed { fault, fired: 0 })
                .collect(),
        )
    }
}
