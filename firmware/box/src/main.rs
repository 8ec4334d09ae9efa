//! The one executable of the box: role dispatch, nothing else.
//!
//! As process 1 it is init; init starts it again with the name of a role. On an ordinary Linux host
//! `spindle-box host` runs doors and vault with the host's own network and drives.

mod arguments;
mod host;

use std::process::ExitCode;

use arguments::Command;

fn main() -> ExitCode {
    // The kernel passes words of its command line it does not know as arguments: they mean nothing.
    if std::process::id() == 1 {
        return init::run();
    }
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Init) => init::run(),
        Ok(Command::Net) => or_abort(net::run),
        // A panic ends one thread, told by the standard hook: a connection, a session, a job. The others go
        // on, and with them a burn; a panic of the main thread ends the role.
        Ok(Command::Doors) => doors::run(),
        Ok(Command::Vault) => vault::run(),
        Ok(Command::Reader) => or_abort(reader::run),
        Ok(Command::Host(options)) => match host::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("spindle-box: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Help) => {
            print!("{}", arguments::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("spindle-box {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("spindle-box: {error}\nspindle-box --help says what is possible");
            ExitCode::from(2)
        }
    }
}

/// Runs a role that is of no use after a panic anywhere in it: the process ends once the panic is told,
/// and init or the vault starts another.
fn or_abort(role: fn() -> ExitCode) -> ExitCode {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
    role()
}
