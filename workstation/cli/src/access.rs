//! Pairing, and whom the box knows.

use std::io::{self, BufRead};

use clap::{Args, ValueEnum};
use client::wire::Role;
use client::{Code, Connection, Error, Options, Public};
use serde_json::json;

use crate::exit::Exit;
use crate::keys::Keys;
use crate::output::{self, Output};

#[derive(Debug, Args)]
pub struct Pair {
    /// The code: eight digits, from the box's console or its administrator. Default: asked for
    pub code: Option<Code>,
}

/// What a workstation may do at most; each includes all before it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MayBe {
    /// Looks, changes nothing
    Observer,
    /// Archives and retrieves its own data
    Client,
    /// Handles discs and drives
    Operator,
    /// Runs the box itself
    Admin,
}

impl From<MayBe> for Role {
    fn from(role: MayBe) -> Self {
        match role {
            MayBe::Observer => Self::Observer,
            MayBe::Client => Self::Client,
            MayBe::Operator => Self::Operator,
            MayBe::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Args)]
pub struct PairCode {
    /// What the workstation may do at most
    #[arg(long, value_enum, default_value = "operator")]
    pub role: MayBe,
    /// What it is called
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Allow {
    /// The workstation's key, as `spindle key` prints it there
    pub key: Public,
    /// What it may do at most
    #[arg(long, value_enum, default_value = "operator")]
    pub role: MayBe,
    /// What it is called
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// The workstation's key, as `spindle workstations` lists it
    pub key: Public,
}

/// Pairs this workstation with the box, and remembers the box's key.
pub fn pair(address: &str, what: &Pair, options: Options, output: Output) -> Result<Exit, Error> {
    let keys = Keys::open()?;
    let identity = keys.identity_or_new()?;
    let code = match &what.code {
        Some(code) => code.clone(),
        None => ask()?,
    };
    let options = Options {
        identity: Some(identity),
        code: Some(code),
        box_key: None,
        ..options
    };
    let session = Connection::open(address, &options)?;
    let (name, role) = (
        session.welcome().name().to_owned(),
        session.welcome().welcome().role,
    );
    let role = Role::from_number(role).map_or_else(|| role.to_string(), |role| role.to_string());
    let key = session.welcome().box_key().ok_or(Error::NoIdentity)?;
    keys.remember(address, key, &name)?;
    output.print(
        || format!("paired with {name}, as {role}\nthe box's key is {key}"),
        || json!({ "name": name, "role": role, "box_key": key.to_string() }),
    )?;
    Ok(Exit::Done)
}

fn ask() -> Result<Code, Error> {
    output::tell("The box's code (type `pair` at its console to get one):");
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::Local {
            path: "standard input".into(),
            error,
        })?;
    line.parse().map_err(|error| Error::Local {
        path: "standard input".into(),
        error: io::Error::new(io::ErrorKind::InvalidInput, error),
    })
}

/// Prints this workstation's key.
pub fn key(output: Output) -> Result<Exit, Error> {
    let key = Keys::open()?.identity_or_new()?.public();
    output.print(|| key.to_string(), || json!({ "key": key.to_string() }))?;
    Ok(Exit::Done)
}

/// Lets one further workstation pair.
pub fn code(session: &mut Connection, what: &PairCode, output: Output) -> Result<Exit, Error> {
    let made = session.begin_pairing(what.role.into(), &what.name)?;
    let code = made
        .code
        .parse::<Code>()
        .map_or(made.code, |code| code.to_string());
    output.print(
        || {
            format!(
                "{code}\nOn the workstation, within {} minutes: spindle --box ... pair {code}",
                made.seconds / 60
            )
        },
        || json!({ "code": code, "seconds": made.seconds, "tries": made.tries }),
    )?;
    Ok(Exit::Done)
}

/// Lists the workstations the box knows.
pub fn list(session: &mut Connection, output: Output) -> Result<Exit, Error> {
    let known = session.workstations()?;
    let role =
        |number| Role::from_number(number).map_or_else(|| format!("role {number}"), |role| role.to_string());
    let text = || {
        let line = |known: &client::wire::Workstation| {
            let since = output::moment(known.since);
            format!(
                "{}  {:8}  {since}  {}\n",
                Public(known.key),
                role(known.role),
                known.name
            )
        };
        match known.as_slice() {
            [] => "none: everybody who may speak with the box does so in the clear".into(),
            known => known.iter().map(line).collect::<String>(),
        }
    };
    let json = || {
        let one = |known: &client::wire::Workstation| {
            json!({
                "key": Public(known.key).to_string(),
                "name": known.name,
                "role": role(known.role),
                "since": known.since.seconds,
            })
        };
        json!({ "workstations": known.iter().map(one).collect::<Vec<_>>() })
    };
    output.print(text, json)?;
    Ok(Exit::Done)
}
