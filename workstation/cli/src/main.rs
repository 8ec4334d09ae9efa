//! `spindle`: the command line of the workstation.
//!
//! One command is one session with the box. What people read goes to standard output, progress and errors
//! to standard error; with `--json` standard output is one JSON document.

mod arguments;
mod drives;
mod exit;
mod jobs;
mod output;
mod progress;
mod trees;

use std::process::ExitCode;

use clap::Parser;
use client::{Connection, Error, Options};

use arguments::{Arguments, Command};
use exit::Exit;
use output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.json };
    let result = connect(&arguments).and_then(|connection| run(connection, &arguments, output));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.error(&error);
            Exit::of(&error).into()
        }
    }
}

fn connect(arguments: &Arguments) -> Result<Connection, Error> {
    let options = Options {
        program: concat!("spindle ", env!("CARGO_PKG_VERSION")).into(),
        ..Options::default()
    };
    Connection::open(&arguments.address, &options)
}

fn run(mut connection: Connection, arguments: &Arguments, output: Output) -> Result<Exit, Error> {
    match &arguments.command {
        Command::Status => drives::status(&mut connection, output),
        Command::Drives => drives::list(&mut connection, output),
        Command::Disc(which) => drives::disc(&mut connection, which.drive, output),
        Command::Eject(which) => {
            connection.eject(which.drive)?;
            output.done("eject", "the tray is open")
        }
        Command::Load(which) => {
            connection.load(which.drive)?;
            output.done("load", "the tray is closed")
        }
        Command::Put(what) => trees::put(&mut connection, what, output),
        Command::Ls(what) => trees::ls(&mut connection, what, output),
        Command::Get(what) => trees::get(&mut connection, what, output),
        Command::Burn(what) => jobs::burn(&mut connection, what, output),
        Command::Verify(which) => jobs::verify(&mut connection, which.drive, output),
        Command::Jobs => jobs::list(&mut connection, output),
        Command::Watch { job } => jobs::watch(&mut connection, *job, output),
        Command::Poweroff => {
            connection.power_off()?;
            output.done("poweroff", "the box switches off")
        }
    }
}
