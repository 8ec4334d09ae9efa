//! `spindle`: the command line of the workstation.
//!
//! One command is one session with the box. What people read goes to standard output, progress and errors
//! to standard error; with `--json` standard output is one JSON document.

mod access;
mod arguments;
mod drives;
mod exit;
mod jobs;
mod keys;
mod local;
mod output;
mod progress;
mod target;
mod trees;

use std::process::ExitCode;

use clap::Parser;
use client::wire::Treatment;
use client::{Connection, Error, Options};

use arguments::{Arguments, Command};
use exit::Exit;
use keys::Keys;
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

fn options() -> Options {
    Options {
        program: concat!("spindle ", env!("CARGO_PKG_VERSION")).into(),
        ..Options::default()
    }
}

/// A box this workstation is paired with is spoken to with its key, others in the clear where they allow it.
fn connect(arguments: &Arguments) -> Result<Connection, Error> {
    let mut options = options();
    let keys = Keys::open()?;
    options.box_key = keys.box_key(&arguments.address)?;
    if options.box_key.is_some() {
        options.identity = keys.identity()?;
    }
    Connection::open(&arguments.address, &options)
}

fn run(arguments: &Arguments, output: Output) -> Result<Exit, Error> {
    let open = || connect(arguments);
    match &arguments.command {
        Command::Status => drives::status(&mut open()?, output),
        Command::Drives => drives::list(&mut open()?, output),
        Command::Disc(what) if what.all => drives::report(&mut open()?, what.which.drive, output),
        Command::Disc(what) => drives::disc(&mut open()?, what.which.drive, output),
        Command::Eject(which) => {
            open()?.eject(which.drive)?;
            output.done("eject", "the tray is open")
        }
        Command::Load(which) => {
            open()?.load(which.drive)?;
            output.done("load", "the tray is closed")
        }
        Command::Lock(which) => {
            open()?.lock(which.drive, true)?;
            output.done("lock", "the tray is locked")
        }
        Command::Unlock(which) => {
            open()?.lock(which.drive, false)?;
            output.done("unlock", "the tray is unlocked")
        }
        Command::Speed(what) => drives::speed(&mut open()?, what, output),
        // What this machine can refuse by itself is refused before the box is asked.
        Command::Put(what) => {
            let source = trees::source(what)?;
            trees::put(&mut open()?, what, &source, output)
        }
        Command::Author(what) => local::author(what, output),
        Command::Check(what) => local::check(what, output),
        Command::Ls(what) => match local::Image::of(&what.path, what.from) {
            Some(image) => local::ls(&image, what, output),
            None => trees::ls(&mut open()?, what, output),
        },
        Command::Get(what) => {
            if let Some(image) = local::Image::of(&what.path, what.from) {
                return local::get(&image, what, output);
            }
            let target = Target::choose(what)?;
            trees::get(&mut open()?, what, target, output)
        }
        Command::Burn(what) => jobs::burn(&mut open()?, what, output),
        Command::Append(what) => jobs::append(&mut open()?, what, output),
        Command::Copy(what) => jobs::copy(&mut open()?, what, output),
        Command::Scrub(what) => jobs::scrub(&mut open()?, what, output),
        Command::Finalise(which) => jobs::treat(&mut open()?, which.drive, Treatment::Finalise, true, output),
        Command::Repair(which) => jobs::treat(&mut open()?, which.drive, Treatment::Repair, true, output),
        Command::Blank(what) => {
            let treatment = if what.full {
                Treatment::BlankFully
            } else {
                Treatment::Blank
            };
            jobs::treat(&mut open()?, what.which.drive, treatment, what.yes, output)
        }
        Command::Format(what) => {
            let treatment = if what.full {
                Treatment::FormatFully
            } else {
                Treatment::Format
            };
            jobs::treat(&mut open()?, what.which.drive, treatment, what.yes, output)
        }
        Command::Erase(what) => {
            jobs::treat(&mut open()?, what.which.drive, Treatment::Erase, what.yes, output)
        }
        Command::Trees => trees::trees(&mut open()?, output),
        Command::Rm(what) => {
            open()?.remove_tree(what.tree, what.yes)?;
            output.done("rm", "the tree is removed")
        }
        Command::Cancel { job } => {
            open()?.cancel(*job)?;
            output.done("cancel", "the job ends as soon as its disc is left in order")
        }
        Command::Log { job } => jobs::log(&mut open()?, *job, output),
        Command::Verify(which) => jobs::verify(&mut open()?, which.drive, output),
        Command::Jobs => jobs::list(&mut open()?, output),
        Command::Watch { job } => jobs::watch(&mut open()?, *job, output),
        Command::Pair(what) => access::pair(&arguments.address, what, options(), output),
        Command::PairCode(what) => access::code(&mut open()?, what, output),
        Command::Workstations => access::list(&mut open()?, output),
        Command::Allow(what) => {
            open()?.allow(what.key, what.role.into(), &what.name)?;
            output.done("allow", "the box knows the workstation")
        }
        Command::Revoke(what) => {
            open()?.revoke(what.key)?;
            output.done("revoke", "the box knows the workstation no more")
        }
        Command::Key => access::key(output),
        Command::Poweroff => {
            open()?.power_off()?;
            output.done("poweroff", "the box switches off")
        }
    }
}
