//! cargo xtask setup|build|demo|test|box|fuzz|bench: everything a person or CI asks of this repository.
//!
//! One module per command, each with one `run`. Commands build on each other as functions, not as processes.

mod bench;
mod build;
mod demo;
mod full;
mod fuzz;
mod hand;
mod packages;
mod progress;
mod python;
mod setup;
mod test;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Builds, boots, proves and measures Spindle.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the Debian packages that are missing; quick when none is.
    Setup,
    /// Build what a box boots: executable, kernel, initramfs.
    Build(build::Options),
    /// Archive a directory end to end with a box in QEMU, and let others read the disc.
    Demo(demo::Options),
    /// Pass every test; what CI runs.
    Test(test::Options),
    /// Boot a box for use by hand, with an emulated burner.
    Box(hand::Options),
    /// Serve the emulated burner over iSCSI; `cargo xtask burner -- --help` tells its options.
    Burner {
        /// Options of the burner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<std::ffi::OsString>,
    },
    /// Look for inputs that break a promise; fuzz/README.md tells more.
    Fuzz(fuzz::Options),
    /// Measure the figures we promise, beside their peers.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup => setup::run(),
        Command::Build(options) => build::run(&options).map(drop),
        Command::Demo(options) => demo::run(&options).map(drop),
        Command::Test(options) => test::run(&options),
        Command::Box(options) => hand::run(&options),
        Command::Burner { options } => build::run_program("spindle-burner", &options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's folder.
fn repository() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Cargo's target directory.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
