//! Tables of what foreign programs do with discs: stories told by one peer, several at a time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use burner::{Disc, Fault, Profile};
use rig::peer::{Answer, Layout, Peer, Program, Workstation, reload};
use rig::tree::{self, Listing, Node};
use rig::{Burner, Scratch};

/// Blocks of the discs: 64 MiB.
const BLOCKS: u32 = 32_768;

/// Drives of the peer, each with a story.
const DRIVES: usize = 4;

/// The folders in the peer that are burned.
pub const FIRST: &str = "/tmp/sources/first";
/// Another one.
pub const SECOND: &str = "/tmp/sources/second";

/// What a disc is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The first tree.
    First,
    /// The second tree.
    Second,
    /// Both.
    Both,
}

/// How an act of a story ends.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Well, and the disc mounts and holds this in all these layouts.
    Shows(Holds, &'static [Layout]),
    /// Well.
    Well,
    /// The program gives up with these words; the disc may hold anything.
    Fails(&'static str),
    /// The program says this, whatever its exit code, and the disc does not hold the first tree.
    Spoils(&'static str),
    /// The program says this, whatever its exit code, and the disc mounts and holds that.
    SaysYetShows(&'static str, Holds),
}

/// Something done with a disc.
#[derive(Clone, Debug)]
pub struct Act {
    pub name: &'static str,
    pub commands: String,
    pub ending: Ending,
    /// Whether the disc's first blocks are `$own/disc.iso`.
    pub image: bool,
    /// What goes wrong meanwhile.
    pub faults: Vec<Fault>,
}

/// What is done with one disc.
#[derive(Clone, Debug)]
pub struct Story {
    pub program: String,
    pub medium: &'static Profile,
    pub blocks: u32,
    pub acts: Vec<Act>,
}

/// ISO 9660 alone, and with UDF.
pub const ISO: &[Layout] = &[Layout::Iso9660];
pub const BOTH: &[Layout] = &[Layout::Iso9660, Layout::Udf];

impl Act {
    pub fn new(name: &'static str, commands: impl Into<String>, ending: Ending) -> Self {
        let commands = commands.into();
        Self {
            name,
            commands,
            ending,
            image: false,
            faults: Vec::new(),
        }
    }

    /// A program burns a tree to a disc that is new or made so.
    pub fn begin(name: &'static str, program: Program, medium: &Profile, holds: Holds) -> Self {
        let tree = if holds == Holds::Second { SECOND } else { FIRST };
        let layouts = if program.makes_udf() { BOTH } else { ISO };
        let mut act = Self::new(name, program.begin(medium, tree), Ending::Shows(holds, layouts));
        act.image = program.burns_image();
        act
    }
}

impl Story {
    /// A disc with these acts.
    pub fn new(program: &str, medium: &'static Profile, acts: Vec<Act>) -> Self {
        Self {
            program: program.into(),
            medium,
            blocks: BLOCKS,
            acts,
        }
    }
}

/// Tells all stories and prints the table of their endings; fails when one ends in another way.
pub fn prove(name: &str, stories: Vec<Story>) -> Result<()> {
    Scratch::within(name, |scratch| {
        let stage = Stage::new(scratch)?;
        let mut burners = Vec::new();
        let mut peer = Peer::new(scratch.path())?;
        for number in 0..DRIVES.min(stories.len()) {
            let burner = Burner::empty(&format!("{name}-{number}"))?;
            let device = peer.burner(&burner);
            burners.push((burner, device));
        }
        let station = peer.boot()?;
        station.put(&scratch.join("sources"), "/tmp/sources")?;

        let count = stories.len();
        let queue: Mutex<VecDeque<(usize, Story)>> = Mutex::new(stories.into_iter().enumerate().collect());
        // A function of its own, so that the queue is free again while a story is told.
        let next = || lock(&queue).pop_front();
        let told = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (burner, device) in &burners {
                scope.spawn(|| {
                    while let Some((number, story)) = next() {
                        let began = Instant::now();
                        let folder = scratch.join(&number.to_string());
                        let mut row = format!("{:24} {:18}", story.program, story.medium.name);
                        let ended = stage.tell(&story, &station, burner, device, &folder, &mut row);
                        let ended = ended.with_context(|| format!("{row} (disc {number})"));
                        eprintln!("{row}  ({} s)", began.elapsed().as_secs());
                        lock(&told).push((number, row, ended));
                    }
                });
            }
        });
        let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        told.sort_by_key(|(number, ..)| *number);
        let mut failures = Vec::new();
        for (_, row, ended) in told {
            println!("{row}");
            failures.extend(ended.err().map(|error| format!("{error:#}")));
        }
        ensure!(
            failures.is_empty(),
            "{} of {count} failed:\n{}",
            failures.len(),
            failures.join("\n\n")
        );
        Ok(())
    })
}

/// The trees everybody burns.
struct Stage {
    first: Listing,
    second: Listing,
    both: Listing,
}

impl Stage {
    fn new(scratch: &Scratch) -> Result<Self> {
        let sources = scratch.join("sources");
        let first = sample(&sources, "first", 1)?;
        let second = sample(&sources, "second", 1000)?;
        let both = first.clone().into_iter().chain(second.clone()).collect();
        Ok(Self { first, second, both })
    }

    fn listing(&self, holds: Holds) -> &Listing {
        match holds {
            Holds::First => &self.first,
            Holds::Second => &self.second,
            Holds::Both => &self.both,
        }
    }

    /// Has one story happen on a new disc; adds what happened to the row.
    fn tell(
        &self,
        story: &Story,
        station: &Workstation,
        burner: &Burner,
        device: &str,
        folder: &Path,
        row: &mut String,
    ) -> Result<()> {
        burner.drive.control(|drive| drive.faults().disarm());
        burner.insert(story.medium, folder, Some(story.blocks))?;
        trace(burner, &folder.join("trace"))?;
        for act in &story.acts {
            self.arm(&act.faults, burner, folder)?;
            let answer = station.at(device, &act.commands)?;
            burner.drive.control(|drive| drive.faults().disarm());
            reload(burner);
            let said = self.check(act, &answer, station, device);
            let shown = said.as_deref().unwrap_or("NOT AS EXPECTED");
            row.push_str(&format!(" {}: {shown};", act.name));
            said.with_context(|| act.name)?;
        }
        if !story.medium.is_cd() {
            station.at(device, "dvd+rw-mediainfo $drive")?.success()?;
        }
        Ok(())
    }

    /// Arms faults. A disc to swap in, named by its medium, is made beside the story's own.
    fn arm(&self, faults: &[Fault], burner: &Burner, folder: &Path) -> Result<()> {
        for fault in faults {
            let mut fault = fault.clone();
            if let Fault::Swap { disc, .. } = &mut fault {
                *disc = folder.join("other");
                drop(Disc::open_or_create(disc, &burner::DVD_PLUS_R, Some(BLOCKS))?);
            }
            let loads = matches!(fault, Fault::BecomingReady { .. });
            burner.drive.control(|drive| drive.faults().arm(fault));
            if loads {
                reload(burner);
            }
        }
        Ok(())
    }

    /// What an act came to, in words for the table.
    fn check(&self, act: &Act, answer: &Answer, station: &Workstation, device: &str) -> Result<String> {
        let equal = |holds: Holds, layout: Layout| -> Result<()> {
            let found = station.look(device, layout)?;
            let wanted = match layout {
                Layout::Iso9660 => self.listing(holds).clone(),
                Layout::Udf => genisoimage_udf(self.listing(holds))?,
            };
            tree::demand_equal(layout.name(), &wanted, &found.listing)
        };
        let says = |words: &str| -> Result<()> {
            ensure!(
                answer.text().contains(words),
                "it was to say {words:?}:\n{}",
                answer.tail()
            );
            Ok(())
        };
        let said = match &act.ending {
            Ending::Fails(words) => {
                answer.failure(words)?;
                format!("\"{words}\"")
            }
            Ending::Spoils(words) => {
                says(words)?;
                ensure!(
                    equal(Holds::First, Layout::Iso9660).is_err(),
                    "the disc holds everything"
                );
                format!("\"{words}\" (exit {})", answer.exit)
            }
            Ending::SaysYetShows(words, holds) => {
                says(words)?;
                equal(*holds, Layout::Iso9660)?;
                format!("\"{words}\" (exit {}), yet equal", answer.exit)
            }
            Ending::Well => {
                answer.clone().success()?;
                "done".into()
            }
            Ending::Shows(holds, layouts) => {
                answer.clone().success()?;
                for layout in *layouts {
                    equal(*holds, *layout).with_context(|| format!("after\n{}", answer.tail()))?;
                }
                let names: Vec<&str> = layouts.iter().map(|layout| layout.name()).collect();
                format!("equal as {}", names.join(", "))
            }
        };
        if act.image && answer.exit == 0 {
            let compare = "head -c $(stat -c %s $own/disc.iso) $drive | cmp - $own/disc.iso";
            station.at(device, compare)?.success().context("its image")?;
        }
        Ok(said)
    }
}

/// The tree as genisoimage's UDF has it: an empty file for a symbolic link.
fn genisoimage_udf(tree: &Listing) -> Result<Listing> {
    let empty = rig::tree::sha256(Path::new("/dev/null"))?;
    let mut seen = tree.clone();
    for node in seen.values_mut().filter(|node| matches!(node, Node::Symlink(_))) {
        *node = Node::File(empty);
    }
    Ok(seen)
}

/// A small tree that genisoimage takes without questions.
fn sample(root: &Path, name: &str, seed: u64) -> Result<Listing> {
    let folder = root.join(name).join("Ünïcode 日本");
    fs::create_dir_all(&folder)?;
    for number in 0..12 {
        let length = usize::try_from(number * 40_961)?;
        fs::write(
            folder.join(format!("{name} {number}.dat")),
            tree::noise(seed + number, length),
        )?;
    }
    fs::hard_link(
        folder.join(format!("{name} 5.dat")),
        folder.join(format!("{name} 5 again.dat")),
    )?;
    std::os::unix::fs::symlink(
        format!("Ünïcode 日本/{name} 7.dat"),
        root.join(name).join(format!("{name} link")),
    )?;
    tree::listing(&root.join(name))
}

/// Records a burner's commands in a file.
fn trace(burner: &Burner, path: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    burner.drive.control(|drive| {
        drive.observe(move |record| {
            // A trace that cannot be written must not disturb the burn.
            let _ = writeln!(file, "{record}");
        });
    });
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
