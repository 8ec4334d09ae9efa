//! Faults as data: what the drive or its disc will do wrong, and how often.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{error::Error, order::ArmedFault};

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
    /// WRITE of a range that holds block `at` fails with 03/0C/02: it is defective, and no spare area has a
    /// replacement left. Only media with defect management can say so.
    SparesExhausted {
        /// Block address.
        at: u32,
        /// How often.
        times: Option<u32>,
    },
    /// These blocks are defective. What is written there goes to a spare area instead, as long as there is room
    /// (then 03/0C/02); without spare areas, WRITE fails with 03/0C/00. READ of what was not replaced fails
    /// with 03/11/05.
    Defect {
        /// First defective block.
        at: u32,
        /// Number of defective blocks; 1 when not given.
        blocks: Option<u32>,
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
    /// CLOSE TRACK SESSION ends well and changes nothing.
    LyingClose {
        /// How often.
        times: Option<u32>,
    },
    /// The power fails when a WRITE reaches block `at`, and returns. What was recorded since the last commit
    /// is lost (SYNCHRONIZE CACHE commits, and every 16 MiB), the track is left damaged, and the WRITE is
    /// never answered. Media that are overwritten lose this one command from `at` on. Happens once.
    PowerCut {
        /// Block address.
        at: u32,
    },
    /// The command is executed and its reply lost; a reset follows (06/29/03).
    LostReply {
        /// Operation code concerned.
        opcode: u8,
        /// How often.
        times: Option<u32>,
    },
    /// The bus is reset instead of executing the command, which is answered 06/29/03.
    BusReset {
        /// Operation code concerned.
        opcode: u8,
        /// How often.
        times: Option<u32>,
    },
    /// A command that reports unit attentions is answered with this one, unexecuted. A storm, with `times`.
    UnitAttention {
        /// Operation code concerned; any when not given.
        opcode: Option<u8>,
        /// Additional sense code.
        code: u8,
        /// Additional sense code qualifier.
        qualifier: u8,
        /// How often.
        times: Option<u32>,
    },
    /// The command is refused with this sense, unexecuted.
    Refusal {
        /// Operation code concerned; any that reports unit attentions when not given.
        opcode: Option<u8>,
        /// Sense key.
        key: u8,
        /// Additional sense code.
        code: u8,
        /// Additional sense code qualifier.
        qualifier: u8,
        /// How often.
        times: Option<u32>,
    },
    /// Before the command, somebody puts the disc of another directory into the tray. Happens once.
    Swap {
        /// Operation code concerned.
        opcode: u8,
        /// The other disc's directory.
        disc: PathBuf,
        /// The drive does not notice: no unit attention, no event.
        #[serde(default)]
        silent: bool,
    },
    /// SEND OPC INFORMATION fails with 03/73/03, power calibration area error.
    OpcFails {
        /// How often.
        times: Option<u32>,
    },
    /// READ BUFFER CAPACITY states so many free bytes, whatever is true.
    FalseBuffer {
        /// Bytes.
        free: u32,
        /// How often.
        times: Option<u32>,
    },
    /// READ of these blocks returns other bytes than were written, and says nothing.
    Rot {
        /// First rotten block.
        at: u32,
        /// Number of rotten blocks; 1 when not given.
        blocks: Option<u32>,
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
            | Self::SparesExhausted { times, .. }
            | Self::LongWrite { times, .. }
            | Self::FailClose { times }
            | Self::LyingClose { times }
            | Self::LostReply { times, .. }
            | Self::BusReset { times, .. }
            | Self::UnitAttention { times, .. }
            | Self::Refusal { times, .. }
            | Self::OpcFails { times }
            | Self::FalseBuffer { times, .. }
            | Self::ReplyDelay { times, .. } => *times,
            Self::ReadError { tries, .. } => *tries,
            Self::TrayOpens { .. } | Self::PowerCut { .. } | Self::Swap { .. } => Some(1),
            Self::NoDisc {}
            | Self::Defect { .. }
            | Self::BecomingReady { .. }
            | Self::SlowClose { .. }
            | Self::Rot { .. } => None,
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

    /// Every fault, with how often it happened.
    pub(crate) fn armed(&self) -> impl Iterator<Item = ArmedFault> {
        self.0.iter().map(|armed| ArmedFault {
            happened: armed.fired,
            fault: armed.fault.clone(),
        })
    }

    pub(crate) fn no_disc(&self) -> bool {
        self.0.iter().any(|armed| armed.fault == Fault::NoDisc {})
    }

    /// The ranges of blocks that read as other bytes than were written.
    pub(crate) fn rotten(&self) -> impl Iterator<Item = Range<u32>> {
        self.0.iter().filter_map(|armed| match armed.fault {
            Fault::Rot { at, blocks } => Some(at..at.saturating_add(blocks.unwrap_or(1))),
            _ => None,
        })
    }

    /// The ranges of blocks that are defective.
    pub(crate) fn defects(&self) -> impl Iterator<Item = Range<u32>> {
        self.0.iter().filter_map(|armed| match armed.fault {
            Fault::Defect { at, blocks } => Some(at..at.saturating_add(blocks.unwrap_or(1))),
            _ => None,
        })
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
