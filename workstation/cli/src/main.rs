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
mod target;
mod trees;

use std::process::ExitCode;

use clap::Parser;
use client::{Connection, Error, Options};

use arguments::{Arguments, Command};
use exit::Exit;
use output::Output;
use target::Target;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.json };
    match run(&arguments, output) {
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

fn run(arguments: &Arguments, output: Output) -> Result<Exit, Error> {
    let open = || connect(arguments);
    match &arguments.command {
        Command::Status => drives::status(&mut open()?, output),
        Command::Drives => drives::list(&mut open()?, output),
        Command::Disc(which) => drives::disc(&mut open()?, which.drive, output),
        Command::Eject(which) => {
            open()?.eject(which.drive)?;
            output.done("eject", "the tray is open")
        }
        Command::Load(which) => {
            open()?.load(which.drive)?;
            output.done("load", "the tray is closed")
        }
        // What this machine can refuse by itself is refused before the box is asked.
        Command::Put(what) => {
            let source = trees::source(what)?;
            trees::put(&mut open()?, what, &source, output)
        }
        Command::Ls(what) => trees::ls(&mut open()?, what, output),
        Command::Get(what) => {
            let target = Target::choose(what)?;
            trees::get(&mut open()?, what, target, output)
        }
        Command::Burn(what) => jobs::burn(&mut open()?, what, output),
        Command::Verify(which) => jobs::verify(&mut open()?, which.drive, output),
        Command::Jobs => jobs::list(&mut open()?, output),
        Command::Watch { job } => jobs::watch(&mut open()?, *job, output),
        Command::Poweroff => {
            open()?.power_off()?;
            output.done("poweroff", "the box switches off")
        }
    }
}
