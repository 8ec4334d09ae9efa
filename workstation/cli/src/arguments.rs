//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::access;

use crate::local;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the box refused, or the job failed
  2  the command line is wrong
  3  the box cannot be reached, something else answers, or the connection was lost
  4  a file of this machine cannot be read or written, or was left out of a put
  5  another session holds the box, or the drive is busy: try again later
  6  data arrived damaged, or a disc did not verify
  7  burned, but on fewer discs than are asked for: not archived yet";

/// Archives files on discs that are read back and compared.
#[derive(Debug, Parser)]
#[command(name = "spindle", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    /// The box: HOST or HOST:PORT
    #[arg(
        long = "box",
        value_name = "ADDR",
        env = "SPINDLE_BOX",
        hide_env_values = true,
        default_value = "spindle.local",
        global = true
    )]
    pub address: String,

    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// How the box is: clock, space, jobs, what needs attention
    Status,
    /// The drives of the box
    Drives,
    /// The disc in a drive: medium, sessions, space
    Disc(Disc),
    /// Send files and directories to the box; they are safe there when this ends
    Put(Put),
    /// List a disc or a tree on the box, or an image of this machine
    Ls(Ls),
    /// Fetch a file from a disc or a tree, or from an image of this machine
    Get(Get),
    /// Make a disc image of a directory, or add a session to one, without a box
    Author(Box<local::Author>),
    /// Check an image or a disc in a drive of this machine: structures, views, digests, signature
    Check(local::Check),
    /// Burn a tree as a new disc, close it, read it back and compare; goes on when this is interrupted
    Burn(Burn),
    /// Burn a tree as a further session of a disc, whose files are all kept
    Append(Append),
    /// Take a disc into the box's copy area: its files, or every block
    Copy(Copy),
    /// Read a disc past every cache and compare it with what is known of it
    Verify(Which),
    /// Read a whole disc whatever is bad, compare what can be compared, and map how well it reads
    Scrub(Scrub),
    /// Close a disc for ever, without burning anything
    Finalise(Which),
    /// Close what an interrupted burn left open, so that the disc can be read and appended to
    Repair(Which),
    /// Make a rewritable disc blank
    Blank(Wipe),
    /// Format a rewritable disc
    Format(Wipe),
    /// Overwrite a rewritable disc, so that nothing of it can be read
    Erase(Erase),
    /// The trees and copies on the box
    Trees,
    /// Remove a tree or a copy from the box
    Rm(Remove),
    /// The jobs the box remembers
    Jobs,
    /// Follow a job to its end
    Watch {
        /// The job's number
        job: u64,
    },
    /// Cancel a job; one that writes leaves its disc in order first
    Cancel {
        /// The job's number
        job: u64,
    },
    /// What a job has noted
    Log {
        /// The job's number
        job: u64,
    },
    /// Open the tray
    Eject(Which),
    /// Close the tray
    Load(Which),
    /// Lock the tray and its button
    Lock(Which),
    /// Unlock the tray and its button
    Unlock(Which),
    /// The speeds of a drive for the disc in it; sets them with --write or --read
    Speed(Speed),
    /// Pair this workstation with the box: from then on they know each other's keys
    Pair(access::Pair),
    /// Let one further workstation pair; prints the code to type there
    PairCode(access::PairCode),
    /// The workstations the box knows
    Workstations,
    /// Take in a workstation by its key, or change its role or name
    Allow(access::Allow),
    /// Forget a workstation; its sessions end
    Revoke(access::Revoke),
    /// This workstation's own key
    Key,
    /// Switch the box off
    Poweroff,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Which {
    /// The drive's number
    #[arg(default_value_t = 0)]
    pub drive: u32,
}

#[derive(Debug, Args)]
pub struct Put {
    /// Files and directories; each lands under its own name, of `DIR/` the contents land at the top
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What the tree is called; it becomes the disc's label. Default: the first path's name
    #[arg(long)]
    pub name: Option<String>,
    /// Add to this tree instead of a new one
    #[arg(long, value_name = "TREE", default_value_t = 0, hide_default_value = true)]
    pub tree: u64,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct From {
    /// The drive of the box whose disc is read; default: 0
    #[arg(long)]
    pub drive: Option<u32>,
    /// A tree or copy on the box instead of a disc
    #[arg(long, value_name = "TREE", conflicts_with = "drive")]
    pub tree: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// A directory or file, default: the top; or an image or drive of this machine, told by what it holds
    #[arg(default_value = ".", hide_default_value = true)]
    pub path: PathBuf,
    /// In an image: a directory or file; default: the top
    pub inner: Option<PathBuf>,
    /// The session of a disc or an image by its number, counted from 1; default: the newest
    #[arg(long, value_name = "N")]
    pub session: Option<u32>,
    #[command(flatten)]
    pub from: From,
    /// All levels below it
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Mode, owner, size and time
    #[arg(short, long)]
    pub long: bool,
}

#[derive(Debug, Args)]
pub struct Get {
    /// The file on the disc; or an image or drive of this machine, told by what it holds, and then the file in it
    pub path: PathBuf,
    /// Where it goes: a file, a directory, or `-` for standard output. Default: here, under its name
    pub output: Option<PathBuf>,
    /// Where it goes, when the first was an image
    #[arg(value_name = "OUTPUT OF AN IMAGE")]
    pub third: Option<PathBuf>,
    /// The session of a disc or an image by its number, counted from 1; default: the newest
    #[arg(long, value_name = "N")]
    pub session: Option<u32>,
    #[command(flatten)]
    pub from: From,
    /// Replace a file that exists
    #[arg(short, long)]
    pub force: bool,
}

/// How a tree is burned, on whatever disc.
#[derive(Debug, Args)]
pub struct Burning {
    /// The tree, or a copy; default: the newest tree that was not burned
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub tree: u64,
    /// The drive's number; several, as 0,1, burn at once
    #[arg(long, value_name = "DRIVES", value_delimiter = ',', default_value = "0")]
    pub drive: Vec<u32>,
    /// The disc's label, at most 32 characters; default: the tree's name, or the disc's own when appending
    #[arg(long, default_value = "", hide_default_value = true)]
    pub label: String,
    /// Close the disc for ever; otherwise sessions can be appended later
    #[arg(long)]
    pub finalise: bool,
    /// Discs that must verify before the tree is archived; default: as it was, at first 1
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub copies: u32,
    /// Write speed in kB/s; default: the fastest
    #[arg(long, value_name = "KB/S", default_value_t = 0, hide_default_value = true)]
    pub speed: u32,
    /// Of the jobs that wait for a drive the highest begins first
    #[arg(long, default_value_t = client::wire::PRIORITY_DEFAULT)]
    pub priority: u8,
}

#[derive(Debug, Args)]
pub struct Burn {
    #[command(flatten)]
    pub how: Burning,
    /// Burn over what is on a rewritable disc
    #[arg(long)]
    pub overwrite: bool,
    /// Burn this copy (`spindle trees` lists them) on one blank disc after the other
    #[arg(long, value_name = "COPY", conflicts_with_all = ["tree", "overwrite", "copies"])]
    pub copy: Option<u64>,
    /// Discs to burn of a copy; the tray opens between them
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "copy",
        hide_default_value = true
    )]
    pub count: u32,
}

#[derive(Debug, Args)]
pub struct Append {
    #[command(flatten)]
    pub how: Burning,
}

#[derive(Debug, Args)]
pub struct Disc {
    #[command(flatten)]
    pub which: Which,
    /// Also its tracks, what is wrong with it, and how well it read when it was read last
    #[arg(short, long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Copy {
    #[command(flatten)]
    pub which: Which,
    /// Every block, for discs that are no file system or must stay exactly as they are
    #[arg(long)]
    pub image: bool,
    /// The session whose files are taken; default: the newest
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        conflicts_with = "image"
    )]
    pub session: u32,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Reading {
    /// Read speed in kB/s, lower for damaged discs; default: the fastest
    #[arg(long, value_name = "KB/S", default_value_t = 0, hide_default_value = true)]
    pub speed: u32,
    /// Of the jobs that wait for a drive the highest begins first
    #[arg(long, default_value_t = client::wire::PRIORITY_DEFAULT)]
    pub priority: u8,
}

#[derive(Debug, Args)]
pub struct Scrub {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Wipe {
    #[command(flatten)]
    pub which: Which,
    /// Everything, not only what is quickly done; takes as long as a burn of the whole disc
    #[arg(long)]
    pub full: bool,
    /// What is on the disc may be lost
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Erase {
    #[command(flatten)]
    pub which: Which,
    /// What is on the disc may be lost
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Its number
    pub tree: u64,
    /// It may be nowhere else
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Speed {
    #[command(flatten)]
    pub which: Which,
    /// Write speed in kB/s, 0 for the fastest
    #[arg(long, value_name = "KB/S")]
    pub write: Option<u32>,
    /// Read speed in kB/s, 0 for the fastest
    #[arg(long, value_name = "KB/S")]
    pub read: Option<u32>,
}
