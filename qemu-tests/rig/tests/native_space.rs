//! A data partition that is full, or whose catalog is damaged, in one process.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use client::SourceTree;
use common::place::{BURN, archived, start};
use rig::{Burner, Native, Scratch, tree};
use wire::{FailureCode, Source};

/// A file system of its own, in memory.
struct Partition(PathBuf);

impl Partition {
    fn mount(at: PathBuf, mebibytes: u32) -> Result<Self> {
        fs::create_dir_all(&at)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "spindle-test"])
            .arg(&at)
            .status()?;
        ensure!(
            mounted.success(),
            "this test mounts a tmpfs and has to run as root"
        );
        Ok(Self(at))
    }

    /// Leaves so many bytes free.
    fn fill(&self, leave: u64) -> Result<PathBuf> {
        let room = rustix::fs::statvfs(&self.0)?;
        let length = (room.f_bavail * room.f_frsize).saturating_sub(leave);
        let filler = self.0.join("filler");
        let file = fs::File::create(&filler)?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length)?;
        Ok(filler)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn source(scratch: &Scratch, name: &str, files: u64, bytes: u64) -> Result<SourceTree> {
    let source = scratch.join(name);
    tree::sample(&source, files, bytes)?;
    Ok(SourceTree::walk([format!("{}/", source.display())])?)
}

/// Every file of the tree comes back as it was sent.
fn whole(native: &Native, number: u64, walked: &SourceTree) -> Result<()> {
    let mut session = common::session(native.control())?;
    for item in walked.items.iter().filter(|item| item.has_data) {
        let mut got = Vec::new();
        session.get(
            Source::Tree(number),
            item.entry.path.as_bytes(),
            &mut got,
            |_, _| {},
        )?;
        ensure!(got == fs::read(&item.local)?, "{} differs", item.entry.path);
    }
    Ok(())
}

#[test]
fn a_full_partition_refuses_and_harms_nothing() -> Result<()> {
    let scratch = Scratch::new("space-full")?;
    let partition = Partition::mount(scratch.join("partition"), 32)?;
    let burner = Burner::with_disc(
        "space-full",
        &burner::BD_R,
        &scratch.join("disc"),
        Some(common::SMALL_DISC),
    )?;
    let native = start(&partition.0, &burner)?;
    let small = source(&scratch, "small", 20, 2_000_000)?;
    let first = common::session(native.control())?.put(0, "first", &small, |_| {})?;

    // Larger than the partition: refused before a byte is sent.
    let large = source(&scratch, "large", 20, 100_000_000)?;
    let refused = common::session(native.control())?.put(0, "large", &large, |_| {});
    let failure = common::failure(refused)?;
    ensure!(failure.is(FailureCode::NoSpace), "{failure:?}");

    // Room for it at the beginning, none in the middle: what came is removed.
    let medium = source(&scratch, "medium", 200, 12_000_000)?;
    let mut filled = None;
    let refused = common::session(native.control())?.put(0, "medium", &medium, |_| {
        if filled.is_none() {
            filled = Some(partition.fill(5 << 20));
        }
    });
    let filler = filled.context("the put told no progress")??;
    let failure = common::failure(refused)?;
    ensure!(failure.is(FailureCode::NoSpace), "{failure:?}");
    let trees = fs::read_dir(partition.0.join("work"))?.count();
    ensure!(trees == 1, "{trees} trees lie in work/");
    whole(&native, first.done.tree, &small)?;

    // Not a page left: a burn is refused before its disc is written.
    fs::remove_file(&filler)?;
    partition.fill(0)?;
    let burned = common::session(native.control())?.burn(BURN, |_| {});
    ensure!(
        !matches!(&burned, Ok(ended) if ended.failure.is_none()),
        "{burned:?}"
    );
    let disc = common::session(native.control())?.disc(0)?;
    ensure!(disc.state.number == 0 && disc.next_writable == 0, "{disc:?}");

    // With room again, after a restart, the tree is whole and burns.
    fs::remove_file(&filler)?;
    native.vault.shutdown();
    let native = start(&partition.0, &burner)?;
    whole(&native, first.done.tree, &small)?;
    archived(&common::session(native.control())?.burn(BURN, |_| {})?)
}

fn damaged(scratch: &Scratch, burner: &Burner, number: usize, catalog: &[u8]) -> Result<()> {
    let data = scratch.join(&format!("damaged-{number}"));
    fs::create_dir(&data)?;
    fs::write(data.join("catalog.redb"), catalog)?;
    let native = start(&data, burner)?;
    let mut session = common::session(native.control())?;
    let (status, disc) = (session.status()?, session.disc(0)?);
    ensure!(disc.capacity > 0, "{disc:?}");
    ensure!(
        status.data_size > 0
            || status
                .notices
                .iter()
                .any(|notice| !notice.what.is_empty() && !notice.remedy.is_empty()),
        "damage {number}: {status:?}"
    );
    native.vault.shutdown();
    Ok(())
}

#[test]
fn a_damaged_catalog_stops_no_drive() -> Result<()> {
    let scratch = Scratch::new("space-damaged")?;
    let burner = Burner::with_disc("damaged", &burner::BD_R, &scratch.join("disc"), None)?;
    let data: &Path = &scratch.join("data");
    let native = start(data, &burner)?;
    let walked = source(&scratch, "source", 20, 200_000)?;
    common::session(native.control())?.put(0, "sample", &walked, |_| {})?;
    native.vault.shutdown();
    let sound = fs::read(data.join("catalog.redb"))?;
    damaged(&scratch, &burner, 0, &tree::noise(1, 100_000))?;
    damaged(&scratch, &burner, 1, b"")?;
    damaged(
        &scratch,
        &burner,
        2,
        sound.get(..sound.len() / 2).unwrap_or_default(),
    )?;
    for (number, start) in (0..sound.len()).step_by(sound.len() / 24).enumerate() {
        let copy = scratch.join("copy.redb");
        fs::write(&copy, &sound)?;
        let file = fs::OpenOptions::new().write(true).open(&copy)?;
        file.write_all_at(&tree::noise(number as u64, 4096), start as u64)?;
        damaged(&scratch, &burner, 3 + number, &fs::read(&copy)?)?;
    }
    Ok(())
}
