//! Our images in every reader we can get, and the table of docs/readers.md.
//!
//! Each test makes a tree and its image, lets every program list and read it, and compares its column of the table;
//! with `UPDATE=1` it writes the column.

mod linux;
mod programs;
mod sessions;
mod table;
mod trees;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use discfs::{NodeKind, View, Volume, WalkLimits};
use rig::Scratch;
use rig::tree::{self, Listing, Node};
use sha2::{Digest, Sha256};

use programs::{PROGRAMS, Shows};

/// Makes an image of a directory with the real command.
fn author(directory: &Path, image: &Path, arguments: &[&str]) -> Result<()> {
    let spindle =
        std::env::var_os("SPINDLE_CLI").context("SPINDLE_CLI is not set: run `cargo xtask test`")?;
    let output = Command::new(spindle)
        .arg("author")
        .arg(directory)
        .args(arguments)
        .arg(image)
        .output()?;
    ensure!(
        output.status.success(),
        "spindle author failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// What a view has under its own names, as our reader sees it: own_images.rs and foreign_readers.rs prove that these are
/// the documented ones. Bytes must be those of the source.
fn reference(image: &Path, view: View, source: &Listing) -> Result<Listing> {
    let mut volume = Volume::open_view(programs::ImageFile::open(image)?, 0, view)?;
    let root = volume.root();
    let mut listing = Listing::new();
    let mut failure = None;
    volume.walk(&root, WalkLimits::default(), &mut |volume, path, node| {
        let found = match node.kind {
            NodeKind::Directory => Ok(Node::Directory),
            NodeKind::Symlink => volume.link_target(node).map(Node::Symlink),
            _ => digest(volume, node).map(Node::File),
        };
        match found {
            Ok(node) => drop(listing.insert(path.to_vec(), node)),
            Err(error) => failure = Some(error),
        }
        failure.is_none()
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let files = |listing: &Listing| {
        let mut digests: Vec<[u8; 32]> = listing
            .iter()
            .filter(|(path, _)| !programs::is_own(path))
            .filter_map(|(_, node)| match node {
                Node::File(digest) => Some(*digest),
                _ => None,
            })
            .collect();
        digests.sort_unstable();
        digests
    };
    let mut bytes = files(source);
    if matches!(view, View::Joliet | View::Iso9660) {
        // These have no symbolic links: they are files without bytes there.
        let links = source
            .values()
            .filter(|node| matches!(node, Node::Symlink(_)))
            .count();
        bytes.extend(std::iter::repeat_n(<[u8; 32]>::from(Sha256::digest([])), links));
        bytes.sort_unstable();
    }
    ensure!(files(&listing) == bytes, "{view} has other bytes than the source");
    Ok(listing)
}

fn digest(
    volume: &mut Volume<programs::ImageFile>,
    node: &discfs::Node,
) -> Result<[u8; 32], discfs::DiscError> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < node.size {
        let count = volume.read_file(node, offset, &mut buffer)?;
        hasher.update(buffer.get(..count).unwrap_or_default());
        offset += count as u64;
    }
    Ok(hasher.finalize().into())
}

/// Lets every program read an image of a tree, and compares its column of the table.
fn column(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    Scratch::within(
        &format!("readers-{}", name.replace([' ', '/', ','], "-")),
        |scratch| {
            let made = scratch.join("tree");
            std::fs::create_dir(&made)?;
            make(&made)?;
            read(name, scratch, &made)
        },
    )
}

fn read(name: &str, scratch: &Scratch, source: &Path) -> Result<()> {
    let image = scratch.join("disc.img");
    author(source, &image, &["--label", "Readers", "-o"])?;
    let truth = tree::listing(source)?;
    let rock_ridge = reference(&image, View::RockRidge, &truth)?;
    let shown: Listing = rock_ridge
        .iter()
        .filter(|(path, _)| !programs::is_own(path))
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect();
    tree::demand_equal("our own reader", &truth, &shown)?;
    let mut cells = Vec::new();
    let peer = linux::Mounts::of(
        scratch,
        &image,
        truth.len() < 50_000 && image.metadata()?.len() < 4 << 30,
    )?;
    for program in PROGRAMS {
        let wanted = match program.view {
            View::RockRidge => rock_ridge.clone(),
            view => reference(&image, view, &truth)?,
        };
        let folder = scratch.join("out");
        let found = (program.read)(&image, &folder, &wanted, &peer)
            .with_context(|| format!("{} and {name}", program.name))?;
        let cell = compare(program, wanted, found).with_context(|| format!("{} and {name}", program.name))?;
        cells.push((program.row(), cell));
        if folder.exists() {
            let _ = Command::new("chmod").arg("-R").arg("u+rwX").arg(&folder).status();
            std::fs::remove_dir_all(&folder)?;
        }
    }
    table::compare(name, &cells)
}

/// What a cell says: how much of what the view has was shown under its name, and read equal. What was not must be among
/// the program's known limits.
fn compare(program: &programs::Program, wanted: Listing, found: programs::Found) -> Result<String> {
    let shows = |path: &[u8], node: &Node| match program.shows {
        Shows::Everything => true,
        Shows::FilesOnly => matches!(node, Node::File(_)) && !path.is_empty(),
    };
    let wanted: Listing = wanted
        .into_iter()
        .filter(|(path, node)| shows(path, node))
        .collect();
    let (mut equal, mut limits) = (0, Vec::new());
    let found = match found {
        programs::Found::Knows => return Ok("knows it".into()),
        programs::Found::NotAsked => return Ok("–".into()),
        programs::Found::Count(count) => {
            ensure!(count == wanted.len(), "{count} names instead of {}", wanted.len());
            return Ok(format!("{count} counted"));
        }
        programs::Found::Read(listing) => listing,
        programs::Found::Listed(names) => names
            .into_iter()
            .map(|name| {
                let node = wanted.get(&name).cloned().unwrap_or(Node::Directory);
                (name, node)
            })
            .collect(),
    };
    for (path, node) in &wanted {
        if found.get(path) == Some(node) {
            equal += 1;
            continue;
        }
        let known = program.limits.iter().find(|limit| (limit.is_met)(path, node));
        let Some(limit) = known else {
            let seen: Vec<_> = found
                .keys()
                .filter(|path| !wanted.contains_key(*path))
                .take(5)
                .collect();
            anyhow::bail!(
                "{} became {:?}; names that should not be: {:?}",
                path.escape_ascii(),
                found.get(path),
                seen.iter()
                    .map(|path| path.escape_ascii().to_string())
                    .collect::<Vec<_>>()
            );
        };
        if !limits.contains(&limit.mark) {
            limits.push(limit.mark);
        }
    }
    limits.sort_unstable();
    ensure!(found.len() <= wanted.len(), "names were added");
    let total = wanted.len();
    Ok(if equal == total {
        format!("all {total}")
    } else {
        format!("{equal} of {total} ({})", limits.join(", "))
    })
}

#[test]
fn paths_of_300_characters() -> Result<()> {
    column("paths of 300 characters", trees::long_paths)
}

#[test]
fn every_plane_of_unicode() -> Result<()> {
    column("every Unicode plane", trees::planes)
}

#[test]
fn forty_levels() -> Result<()> {
    column("40 levels", trees::deep)
}

#[test]
fn an_empty_tree() -> Result<()> {
    column("empty", |_| Ok(()))
}

#[test]
#[ignore = "full: 5,000 names of one file in every reader take a minute"]
fn five_thousand_hard_links() -> Result<()> {
    column("5,000 hard links", trees::hard_links)
}

#[test]
#[ignore = "full: the documentation of this machine in every reader takes minutes"]
fn usr_share_doc() -> Result<()> {
    Scratch::within("readers-doc", |scratch| {
        read("/usr/share/doc", scratch, Path::new("/usr/share/doc"))
    })
}

#[test]
#[ignore = "full: 100,000 files in every reader take minutes"]
fn a_hundred_thousand_files() -> Result<()> {
    column("100,000 files", trees::small_files)
}

#[test]
#[ignore = "full: 6 GiB in every reader take minutes, and 6 GiB of disk"]
fn six_gibibytes() -> Result<()> {
    column("6 GiB sparse", trees::sparse)
}

#[test]
fn three_sessions() -> Result<()> {
    Scratch::within("readers-sessions", sessions::check)
}
