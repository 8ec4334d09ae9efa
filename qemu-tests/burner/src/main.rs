//! The emulated burner as a program: one drive, one disc, one iSCSI portal.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc,
};

use anyhow::{Context as _, Result, anyhow};
use burner::{
    Comparison, Control, ControlAddress, Disc, Drive, Faults, PROFILES, Profile, Remote, SharedDrive, Target,
    Timing,
};
use clap::{Parser, Subcommand};

/// An emulated MMC burner behind an iSCSI target.
///
/// Prints one line, the drive's URL, when it is ready (and one more with --control), and runs until it is told to
/// quit, or killed; the disc then holds all that was written up to the last SYNCHRONIZE CACHE and at most 16 MiB
/// less of what came after.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Kind of medium: cd-r, dvd+rw, bd-re, ...; a wrong one is answered with all there are
    #[arg(long, value_parser = profile, default_value = "bd-r")]
    media: &'static Profile,
    /// Directory of the disc: made blank when there is none, otherwise what it holds is loaded
    #[arg(long, value_name = "DIR", required = true)]
    disc: Option<PathBuf>,
    /// Address and port of the iSCSI portal; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3260")]
    listen: SocketAddr,
    /// Blocks of 2048 bytes of a new disc, a multiple of the ECC block [default: a full-size disc]
    #[arg(long, value_name = "BLOCKS")]
    capacity: Option<u32>,
    /// File of sectors (an ISO 9660 or UDF image) that the new disc already holds, formatted or as its first
    /// session
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Takes real time, writing at so many times the medium's basic speed, such as 4x [default: no time]
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    speed: Option<u32>,
    /// With --speed: constant angular velocity, so that the speed is reached at the rim only
    #[arg(long, requires = "speed")]
    cav: bool,
    /// TOML file of [[fault]] tables
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// File that gets one line for each command
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Takes orders there, a line each ("help" tells them): 127.0.0.1:PORT, or the path of a Unix-domain socket
    #[arg(long, value_name = "ADDRESS", value_parser = str::parse::<ControlAddress>)]
    control: Option<ControlAddress>,
    /// Name of the drive: the end of its iSCSI name, and its serial number
    #[arg(long, default_value = "burner0")]
    name: String,
}

/// What the program does instead.
#[derive(Subcommand)]
enum Other {
    /// Show what differs between two files written with --trace, times aside; ends with 1 if anything does
    Compare {
        /// One trace
        first: PathBuf,
        /// The other
        second: PathBuf,
    },
    /// Send an order to a burner started with --control, and print its answer
    Order {
        /// What was given as --control
        #[arg(value_parser = str::parse::<ControlAddress>)]
        address: ControlAddress,
        /// The order; "help" tells all
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        order: Vec<String>,
    },
}

impl Other {
    fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Compare { first, second } => {
                let read =
                    |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
                let comparison = Comparison::of(&read(first)?, &read(second)?);
                print!("{comparison}");
                Ok(ExitCode::from(u8::from(!comparison.is_equal())))
            }
            Self::Order { address, order } => {
                print!("{}", Remote::connect(address)?.line(&order.join(" "))?);
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn profile(name: &str) -> Result<&'static Profile> {
    let known = || {
        PROFILES
            .iter()
            .map(|profile| profile.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Profile::named(name).ok_or_else(|| anyhow!("not a medium; known are {}", known()))
}

fn factor(text: &str) -> Result<u32> {
    let number = text.strip_suffix('x').unwrap_or(text).parse();
    let factor = number.ok().filter(|factor| (1..=100).contains(factor));
    factor.ok_or_else(|| anyhow!("not a speed; give 1x to 100x"))
}

/// Single speed in kB/s.
fn basic_speed(profile: &Profile) -> u32 {
    match profile.structure_family {
        0 => 1_385,
        1 => 4_496,
        _ => 150,
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(other) = &arguments.other {
        return other.run();
    }
    let directory = arguments.disc.as_ref().context("--disc is missing")?;
    let mut drive = Drive::new(&arguments.name);
    if let Some(path) = &arguments.faults {
        *drive.faults() = Faults::load(path)?;
    }
    if let Some(factor) = arguments.speed {
        drive.set_timing(Some(Timing {
            write: Some(factor * basic_speed(arguments.media)),
            cav: arguments.cav,
            ..Timing::default()
        }));
    }
    if let Some(path) = &arguments.trace {
        let mut trace = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
        drive.observe(move |record| {
            // Flushed by line, so that the trace of a killed burner is whole. A full disk must not end a
            // burn.
            let _ = writeln!(trace, "{record}").and_then(|()| trace.flush());
        });
    }
    let (media, capacity) = (arguments.media, arguments.capacity);
    let disc = match &arguments.from {
        Some(image) => Disc::from_image(directory, media, image, capacity)?,
        None => Disc::open_or_create(directory, media, capacity)?,
    };
    drive.insert(disc);
    let target = Target::listen(arguments.listen)?;
    let drive = SharedDrive::new(drive);
    let iqn = target.add(&arguments.name, drive.clone())?;
    let (quit, quitting) = mpsc::sync_channel(1);
    let order = quit.clone();
    let control = arguments.control.map(|address| {
        Control::listen(&address, drive.clone(), move || {
            let _ = order.try_send(()); // once is enough
        })
    });
    let control = control.transpose()?;
    let control_line = control
        .as_ref()
        .map(|control| format!("control {}\n", control.address()));
    // At once: who has read the first line may close the pipe.
    let ready = format!("{}\n{}", target.url(&iqn), control_line.unwrap_or_default());
    io::stdout().write_all(ready.as_bytes())?;
    quitting.recv()?;
    drop((quit, control, target));
    drop(drive.control(Drive::remove)); // what is in the buffer reaches the disc
    Ok(ExitCode::SUCCESS)
}
