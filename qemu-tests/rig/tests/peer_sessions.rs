//! Discs that a workstation and a box write in turns: each goes on with what the other left.

mod common;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use burner::Profile;
use client::SourceTree;
use rig::peer::{Layout, Peer, Program, Workstation, reload};
use rig::tree::{self, Listing, Node};
use rig::{Burner, Scratch};
use wire::{Record, RecordMode};

/// Blocks of the discs: room for the border zones of a DVD-R.
const BLOCKS: u32 = 80_000;

/// A folder with files of its own, one of them in a folder that the others have, too.
fn sample(root: &Path, name: &str, seed: u64) -> Result<Listing> {
    let folder = root.join(name);
    fs::create_dir_all(folder.join("shared"))?;
    fs::write(folder.join("shared").join(name), tree::noise(seed, 70_001))?;
    fs::write(
        folder.join(format!("{name} Ünïcode 日本.dat")),
        tree::noise(seed + 1, 300_000),
    )?;
    tree::listing(&folder)
}

/// The box, in this process, adds a folder to the disc.
fn box_appends(scratch: &Scratch, burner: &Burner, folder: &Path) -> Result<()> {
    let native = common::place::start(&scratch.join("data"), burner)?;
    let walked = SourceTree::walk([format!("{}/", folder.display())])?;
    let mut session = common::session(native.control())?;
    let tree = session.put(0, "appended", &walked, |_| {})?.done.tree;
    let order = Record {
        tree,
        mode: RecordMode::Append.number(),
        ..Record::default()
    };
    let ended = session.record(order, |_| {})?.pop().context("no job")?;
    common::place::archived(&ended)?;
    native.vault.shutdown();
    Ok(())
}

/// Linux finds all these files, and no others but the box's own records.
fn shows(station: &Workstation, device: &str, layout: Layout, wanted: &Listing, when: &str) -> Result<()> {
    let mut found = station.look(device, layout).context(when.to_owned())?;
    found.listing.retain(|path, _| !path.starts_with(b".spindle"));
    let files = |listing: &Listing| -> Listing {
        let files = listing.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(path, node)| (path.clone(), node.clone())).collect()
    };
    tree::demand_equal(
        &format!("{when}, {}", layout.name()),
        &files(wanted),
        &files(&found.listing),
    )
}

/// A program begins the disc, a box appends, the program appends again; Linux mounts it in between.
fn take_turns(scratch: &Scratch, program: Program, medium: &'static Profile) -> Result<()> {
    let sources = scratch.join("sources");
    let first = sample(&sources, "first", 1)?;
    let mut both = first.clone();
    both.extend(sample(&sources, "second", 10)?);
    let mut all = both.clone();
    all.extend(sample(&sources, "third", 20)?);

    let burner = Burner::with_disc("sessions", medium, &scratch.join("disc"), Some(BLOCKS))?;
    let mut peer = Peer::new(scratch.path())?;
    let device = peer.burner(&burner);
    let station = peer.boot()?;
    station.put(&sources, "/tmp/sources")?;

    let begin = program.begin(medium, "/tmp/sources/first");
    station.burn(&burner, &device, &begin)?.success()?;
    shows(&station, &device, Layout::Iso9660, &first, "begun")?;
    box_appends(scratch, &burner, &sources.join("second"))?;
    reload(&burner);
    shows(&station, &device, Layout::Iso9660, &both, "appended by the box")?;
    shows(&station, &device, Layout::Udf, &both, "appended by the box")?;
    let append = program.append(medium, "/tmp/sources/third");
    let append = append.context("the program appends")?;
    station.burn(&burner, &device, &append)?.success()?;
    shows(
        &station,
        &device,
        Layout::Iso9660,
        &all,
        "appended by the program",
    )?;
    Ok(())
}

#[test]
fn growisofs_and_a_box_take_turns_on_dvd_plus_r() -> Result<()> {
    Scratch::within("peer-turns-dvd-plus-r", |scratch| {
        take_turns(scratch, Program::Growisofs, &burner::DVD_PLUS_R)
    })
}

#[test]
fn xorriso_and_a_box_take_turns_on_bd_r() -> Result<()> {
    Scratch::within("peer-turns-bd-r", |scratch| {
        take_turns(scratch, Program::Xorriso, &burner::BD_R)
    })
}

/// The other media both can append to.
#[test]
#[ignore = "full: eleven discs one after the other, three minutes"]
fn programs_and_a_box_take_turns_on_every_medium() -> Result<()> {
    let media = [
        &burner::CD_R,
        &burner::DVD_R,
        &burner::DVD_RW,
        &burner::DVD_PLUS_R,
        &burner::DVD_PLUS_R_DL,
        &burner::BD_R,
    ];
    let mut failures = Vec::new();
    for program in [Program::Growisofs, Program::Xorriso] {
        for medium in media
            .into_iter()
            .filter(|medium| !(medium.is_cd() && program == Program::Growisofs))
        {
            let name = format!(
                "peer-turns-{}-{}",
                program.name(),
                medium.name.replace('+', "-plus-")
            );
            let done = Scratch::within(&name, |scratch| take_turns(scratch, program, medium));
            println!(
                "{:10} {:10} {}",
                program.name(),
                medium.name,
                if done.is_ok() { "equal" } else { "DIFFERENT" }
            );
            failures.extend(
                done.err()
                    .map(|error| format!("{} on {}: {error:#}", program.name(), medium.name)),
            );
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}
