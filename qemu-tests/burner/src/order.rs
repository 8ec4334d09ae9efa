//! Orders from beside the host: a hand at the drive, faults, attentions, as lines of text.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    BLOCK, disc::Disc, drive::Drive, error::Error, fault::Fault, profile::Profile, recording::Track,
    sense::Sense, shared::SharedDrive,
};

/// What each line means; the answer to `help`.
pub(crate) const HELP: &str = "\
insert DIR               take out the disc, put in the one in that directory
insert-new MEDIA BLOCKS DIR   the same with a new blank disc; BLOCKS 0 for a full-size one
remove                   force the tray open and take the disc out
eject                    press the eject button: opens the tray unless a host prevents it
push                     push the tray in
attention KEY/CODE/QUALIFIER  unit attention for every initiator, in hexadecimal: 06/2A/01
arm { kind = \"...\", ... }     arm a fault, as in a [[fault]] table of --faults
clear                    disarm all faults
power-cycle              power off and on
state                    tray, disc, tracks and faults as TOML
export FILE              write the user sectors of the disc to a file
quit                     end the program; the disc keeps all that was written
";

/// One order. As text it is a line: the words of `help`, paths last and up to the end of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Take out the disc in the tray, put in the one in this directory.
    Insert(PathBuf),
    /// The same with a new blank disc, unless the directory holds one already.
    InsertNew {
        /// Its kind.
        media: &'static Profile,
        /// Its blocks; a full-size disc when not given.
        capacity: Option<u32>,
        /// Its directory.
        directory: PathBuf,
    },
    /// Force the tray open and take the disc out.
    Remove,
    /// Press the eject button.
    Eject,
    /// Push the tray in.
    Push,
    /// Queue a unit attention for every initiator.
    Attention(Sense),
    /// Arm a fault.
    Arm(Fault),
    /// Disarm all faults.
    Clear,
    /// Power off and on.
    PowerCycle,
    /// Tell the state, see [`State`].
    State,
    /// Write the user sectors of the disc to this file.
    Export(PathBuf),
    /// Tell all orders.
    Help,
    /// End the program.
    Quit,
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Order {
            reason: format!("{reason}; \"help\" tells all orders"),
        };
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        let path = || match rest {
            "" => Err(wrong("a path is missing")),
            path => Ok(PathBuf::from(path)),
        };
        let plain = |order| match rest {
            "" => Ok(order),
            _ => Err(wrong("that order takes nothing more")),
        };
        match word {
            "insert" => Ok(Self::Insert(path()?)),
            "insert-new" => {
                let mut words = rest.splitn(3, ' ');
                let (media, blocks, directory) = (words.next(), words.next(), words.next());
                let media = media
                    .and_then(Profile::named)
                    .ok_or(wrong("not a kind of medium"))?;
                let blocks = blocks.and_then(|blocks| blocks.parse::<u32>().ok());
                Ok(Self::InsertNew {
                    media,
                    capacity: Some(blocks.ok_or(wrong("not a number of blocks"))?)
                        .filter(|blocks| *blocks > 0),
                    directory: directory.ok_or(wrong("a path is missing"))?.trim().into(),
                })
            }
            "remove" => plain(Self::Remove),
            "eject" => plain(Self::Eject),
            "push" => plain(Self::Push),
            "attention" => {
                let numbers: Result<Vec<u8>, _> = rest
                    .split('/')
                    .map(|number| u8::from_str_radix(number, 16))
                    .collect();
                match numbers.as_deref() {
                    Ok([key @ ..=0xF, code, qualifier]) => {
                        Ok(Self::Attention(Sense::new(*key, *code, *qualifier)))
                    }
                    _ => Err(wrong("sense is KEY/CODE/QUALIFIER in hexadecimal")),
                }
            }
            "arm" => {
                let armed: Armed = toml::from_str(&format!("fault = {rest}"))
                    .map_err(|error| wrong(&format!("not a fault ({})", error.message())))?;
                Ok(Self::Arm(armed.fault))
            }
            "clear" => plain(Self::Clear),
            "power-cycle" => plain(Self::PowerCycle),
            "state" => plain(Self::State),
            "export" => Ok(Self::Export(path()?)),
            "help" => plain(Self::Help),
            "quit" => plain(Self::Quit),
            _ => Err(wrong("not an order")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Armed {
    fault: Fault,
}

/// The line. A path that holds a line feed cannot be sent.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insert(directory) => write!(f, "insert {}", directory.display()),
            Self::InsertNew {
                media,
                capacity,
                directory,
            } => {
                let (name, blocks) = (media.name, capacity.unwrap_or(0));
                write!(f, "insert-new {name} {blocks} {}", directory.display())
            }
            Self::Remove => f.write_str("remove"),
            Self::Eject => f.write_str("eject"),
            Self::Push => f.write_str("push"),
            Self::Attention(sense) => {
                write!(
                    f,
                    "attention {:02X}/{:02X}/{:02X}",
                    sense.key, sense.code, sense.qualifier
                )
            }
            Self::Arm(fault) => write!(f, "arm {}", toml::Value::try_from(fault).map_err(|_| fmt::Error)?),
            Self::Clear => f.write_str("clear"),
            Self::PowerCycle => f.write_str("power-cycle"),
            Self::State => f.write_str("state"),
            Self::Export(file) => write!(f, "export {}", file.display()),
            Self::Help => f.write_str("help"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl Order {
    /// Carries the order out, between two commands or while a reply is being delayed. The answer is text, empty
    /// for most. QUIT is up to whoever runs the drive.
    ///
    /// # Errors
    ///
    /// A disc that cannot be opened or made, or a file that cannot be written.
    pub fn carry_out(&self, drive: &SharedDrive) -> Result<String, Error> {
        match self {
            Self::Insert(directory) => {
                drop(drive.control(Drive::remove)); // it may be the same one
                let disc = Disc::open(directory)?;
                drop(drive.control(|drive| drive.insert(disc)));
            }
            Self::InsertNew {
                media,
                capacity,
                directory,
            } => {
                drop(drive.control(Drive::remove));
                let disc = Disc::open_or_create(directory, media, *capacity)?;
                drop(drive.control(|drive| drive.insert(disc)));
            }
            Self::Remove => drop(drive.control(Drive::remove)),
            Self::Eject if drive.control(Drive::press_eject) => {}
            Self::Eject => return Ok("a host prevents it\n".into()),
            Self::Push => drive.control(Drive::push_tray),
            Self::Attention(sense) => drive.control(|drive| drive.unit_attention(*sense)),
            Self::Arm(fault) => drive.control(|drive| drive.faults().arm(fault.clone())),
            Self::Clear => drive.control(|drive| drive.faults().disarm()),
            Self::PowerCycle => drive.control(Drive::power_cycle),
            Self::State => {
                let state = drive.control(|drive| drive.state());
                return toml::to_string(&state).map_err(|error| Error::Order {
                    reason: error.to_string(),
                });
            }
            Self::Export(to) => drive.control(|drive| export(drive, to))?,
            Self::Help => return Ok(HELP.into()),
            Self::Quit => {}
        }
        Ok(String::new())
    }
}

/// Copies the sectors that can be read, in whole blocks; what is zero stays a hole.
fn export(drive: &mut Drive, to: &Path) -> Result<(), Error> {
    let Some(disc) = drive.disc() else {
        return Err(Error::Order {
            reason: "there is no disc".into(),
        });
    };
    let failed = |source: io::Error| Error::File {
        path: to.into(),
        source,
    };
    let mut from = File::open(disc.image_path()).map_err(failed)?;
    let mut file = File::create(to).map_err(failed)?;
    let mut chunk = vec![0; 256 * BLOCK];
    loop {
        let length = from.read(&mut chunk).map_err(failed)?;
        let Some(data) = chunk.get(..length).filter(|data| !data.is_empty()) else {
            break;
        };
        if data.iter().any(|byte| *byte != 0) {
            file.write_all(data).map_err(failed)?;
        } else {
            let hole = i64::try_from(length).unwrap_or(i64::MAX);
            file.seek(SeekFrom::Current(hole)).map_err(failed)?;
        }
    }
    let end = file.stream_position().map_err(failed)?;
    file.set_len(end).map_err(failed)
}

/// What is in the drive, as told by the order `state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The tray is open.
    pub tray_open: bool,
    /// A host prevents its opening.
    pub removal_prevented: bool,
    /// Kind of the disc in the tray; none there when not given.
    pub media: Option<String>,
    /// The disc's directory.
    pub directory: Option<PathBuf>,
    /// Its user blocks.
    pub capacity: Option<u32>,
    /// No session can follow.
    pub finalised: Option<bool>,
    /// Its tracks, the invisible one last.
    #[serde(default)]
    pub track: Vec<Track>,
    /// Armed faults.
    #[serde(default)]
    pub fault: Vec<ArmedFault>,
}

/// An armed fault and how often it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmedFault {
    /// How often it happened.
    pub happened: u32,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Drive {
    /// What is in the drive.
    #[must_use]
    pub fn state(&self) -> State {
        let disc = self.disc();
        let recording = disc.map(Disc::recording);
        State {
            tray_open: self.tray_open(),
            removal_prevented: self.attention.is_removal_prevented(),
            media: disc.map(|disc| disc.profile().name.into()),
            directory: disc.and_then(|disc| disc.image_path().parent().map(Path::to_path_buf)),
            capacity: recording.map(|recording| recording.capacity()),
            finalised: recording.map(|recording| recording.is_finalised()),
            track: recording.map_or(Vec::new(), |recording| recording.tracks().to_vec()),
            fault: self.faults.armed().collect(),
        }
    }
}
