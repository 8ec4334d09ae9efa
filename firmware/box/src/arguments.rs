//! What the executable was asked to be.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use vault::Network;

/// Longest name in bytes: what the protocol's greeting has room for.
const NAME_MAX: usize = 32;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
spindle-box: the firmware of a Spindle network archive, in one executable

Usage:
  spindle-box host --data DIR [--listen ADDRESS:PORT] [--drive DEVICE]...
                   [--name NAME] [--plaintext NETWORK]... [--pair]
  spindle-box --help | --version

As process 1 of a box it starts itself again as the roles net, doors, vault and
reader; those words are for init alone. `host` runs the same archive on this
computer instead, with its own network and drives:

  --data DIR             where files wait to be burned and the catalog is kept;
                         made if it does not exist (required)
  --listen ADDRESS:PORT  where clients connect (default 127.0.0.1:2352)
  --drive DEVICE         a burner's SCSI generic device, such as /dev/sg0; needs
                         leave to write to it (group cdrom, or root). May be
                         given again for each further drive
  --name NAME            what the archive is called (default: this host's name)

  --plaintext NETWORK    ADDRESS or ADDRESS/BITS whose clients may speak in the
                         clear, without a key and in any role; may be given
                         again (default: this computer itself)
  --pair                 print a code that pairs one workstation; do so once for
                         each. The first one paired is the administrator

It runs until a client says `poweroff`, or until SIGINT or SIGTERM: then jobs
that run are finished first; a second signal ends it at once, which loses
nothing that was acknowledged but ruins a disc being written. The clock of the
host is never set.

Exit status:
  0  ended in order
  1  could not start: said why on standard error
  2  the arguments make no sense
  3  ended at once by a second signal

Example:
  spindle-box host --data ~/archive --drive /dev/sg0 &
  spindle --box 127.0.0.1 status
";

/// What to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Init,
    Net,
    Doors,
    Vault,
    Reader,
    Host(Options),
    Help,
    Version,
}

/// How to run on a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) drives: Vec<PathBuf>,
    pub(crate) name: Option<String>,
    pub(crate) clear: Vec<Network>,
    pub(crate) pair: bool,
}

/// Arguments that make no sense.
#[derive(Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
pub(crate) enum ArgumentError {
    /// what to be is missing; on a computer of your own it is `host`
    Nothing,
    /// {0:?} is nothing this executable can be
    Unknown(OsString),
    /// {0:?} is no option of `host`
    UnknownOption(OsString),
    /// {0} needs a value
    NoValue(&'static str),
    /// --listen needs an address and a port such as 127.0.0.1:2352, not {0:?}
    Listen(OsString),
    /// --name needs 1 to 32 bytes of text without control characters, not {0:?}
    Name(OsString),
    /// --plaintext needs a network such as 192.0.2.0/24, not {0:?}
    Plaintext(OsString),
    /// `host` needs --data DIR
    NoData,
    /// nothing may follow {0:?}
    Surplus(OsString),
}

/// Reads the arguments after the executable's own name.
pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, ArgumentError> {
    let first = arguments.next().ok_or(ArgumentError::Nothing)?;
    let command = match first.to_str() {
        Some("host") => return host(arguments),
        Some("init") => Command::Init,
        Some("net") => Command::Net,
        Some("doors") => Command::Doors,
        Some("vault") => Command::Vault,
        Some("reader") => Command::Reader,
        Some("--help" | "-h" | "help") => Command::Help,
        Some("--version" | "-V") => Command::Version,
        _ => return Err(ArgumentError::Unknown(first)),
    };
    match arguments.next() {
        None => Ok(command),
        Some(_) => Err(ArgumentError::Surplus(first)),
    }
}

fn host(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, ArgumentError> {
    let mut data = None;
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, wire::PORT));
    let mut drives = Vec::new();
    let mut name = None;
    let (mut clear, mut pair) = (Vec::new(), false);
    while let Some(option) = arguments.next() {
        let (option, mut inline) = split(&option);
        let mut value = |of| {
            inline
                .take()
                .or_else(|| arguments.next())
                .ok_or(ArgumentError::NoValue(of))
        };
        match option.to_str() {
            Some("--data") => data = Some(value("--data")?.into()),
            Some("--drive") => drives.push(value("--drive")?.into()),
            Some("--listen") => {
                let text = value("--listen")?;
                let address = text.to_str().and_then(|text| text.parse().ok());
                listen = address.ok_or(ArgumentError::Listen(text))?;
            }
            Some("--name") => {
                let text = value("--name")?.into_string().map_err(ArgumentError::Name)?;
                if !(1..=NAME_MAX).contains(&text.len()) || text.chars().any(char::is_control) {
                    return Err(ArgumentError::Name(text.into()));
                }
                name = Some(text);
            }
            Some("--plaintext") => {
                let text = value("--plaintext")?;
                let network = text.to_str().and_then(|text| text.parse().ok());
                clear.push(network.ok_or(ArgumentError::Plaintext(text))?);
            }
            Some("--pair") => pair = true,
            Some("--help" | "-h") => return Ok(Command::Help),
            _ => return Err(ArgumentError::UnknownOption(option)),
        }
    }
    Ok(Command::Host(Options {
        data: data.ok_or(ArgumentError::NoData)?,
        listen,
        drives,
        name,
        clear: match clear.as_slice() {
            [] => Network::LOOPBACK.to_vec(),
            _ => clear,
        },
        pair,
    }))
}

/// `--option=value` is `--option value`.
fn split(argument: &OsString) -> (OsString, Option<OsString>) {
    let parts = argument
        .to_str()
        .filter(|text| text.starts_with("--"))
        .and_then(|text| text.split_once('='));
    match parts {
        Some((option, value)) => (option.into(), Some(value.into())),
        None => (argument.clone(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, ArgumentError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_host_needs_its_data_only() {
        let Ok(Command::Host(options)) = parsed("host --data /srv/archive") else {
            panic!("no host");
        };
        assert_eq!(options.listen.to_string(), "127.0.0.1:2352");
        assert_eq!(
            (options.data, options.drives, options.name),
            ("/srv/archive".into(), vec![], None)
        );
        assert_eq!(
            (options.clear.as_slice(), options.pair),
            (&Network::LOOPBACK[..], false)
        );
    }

    #[test]
    fn every_option_of_a_host_is_read() {
        let line = "host --drive /dev/sg0 --data=d --drive=/dev/sg1 --name attic --listen [::1]:7000 \
                    --plaintext 10.1.0.0/16 --pair --plaintext=192.0.2.7";
        assert_eq!(
            parsed(line),
            Ok(Command::Host(Options {
                data: "d".into(),
                listen: "[::1]:7000".parse().unwrap(),
                drives: vec!["/dev/sg0".into(), "/dev/sg1".into()],
                name: Some("attic".into()),
                clear: vec!["10.1.0.0/16".parse().unwrap(), "192.0.2.7".parse().unwrap()],
                pair: true,
            }))
        );
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, error) in [
            ("", ArgumentError::Nothing),
            ("burn", ArgumentError::Unknown("burn".into())),
            ("vault now", ArgumentError::Surplus("vault".into())),
            ("host", ArgumentError::NoData),
            ("host --data", ArgumentError::NoValue("--data")),
            (
                "host --data d --listen 2352",
                ArgumentError::Listen("2352".into()),
            ),
            (
                "host --data d --plaintext lab",
                ArgumentError::Plaintext("lab".into()),
            ),
            ("host --data d --name=", ArgumentError::Name("".into())),
            (
                "host --data d --force",
                ArgumentError::UnknownOption("--force".into()),
            ),
        ] {
            assert_eq!(parsed(line), Err(error), "{line}");
        }
    }

    #[test]
    fn help_fits_a_terminal_and_names_every_option() {
        assert!(
            HELP.lines().all(|line| line.len() <= 80),
            "a line is over 80 columns"
        );
        for option in ["--data", "--listen", "--drive", "--name", "--help", "--version"] {
            assert!(HELP.contains(option), "{option}");
        }
    }
}
