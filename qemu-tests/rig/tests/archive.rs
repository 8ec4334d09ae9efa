//! The whole story in QEMU: sent, burned, closed, read back, opened by others.

mod common;

use std::fs;

use anyhow::{Result, ensure};
use rig::foreign::Reader;
use rig::{Spindle, patience, tree};

#[test]
fn a_tree_is_archived_and_others_read_the_disc() -> Result<()> {
    let common::Ready {
        mut machine,
        burner,
        artifacts,
        scratch,
    } = common::boot("archive", false, Some(common::SMALL_DISC), 1024)?;
    let source = scratch.join("source");
    tree::sample(&source, 60, 6_000_000)?;
    let wanted = tree::listing(&source)?;
    let (files, bytes) = tree::totals(&source)?;

    let spindle = Spindle::new(&artifacts.cli, machine.control());
    let status = spindle.run(["status"])?;
    ensure!(
        status["data_size"].as_u64() > Some(0),
        "no data partition: {status}"
    );
    common::wait_drive(machine.control())?;
    let blank = spindle.run(["disc"])?;
    ensure!(blank["state"]["number"] == 0, "not blank: {blank}");

    let put = spindle.run(["put", &format!("{}/", source.display()), "--name", "ARCHIVE"])?;
    ensure!(
        (put["files"].as_u64(), put["bytes"].as_u64()) == (Some(files), Some(bytes)),
        "{put} for {files}, {bytes}"
    );
    let burned = spindle.run(["burn"])?;
    ensure!(burned["outcome"]["text"] == "archived", "{burned}");
    ensure!(
        burned["files"].as_u64() == Some(files),
        "{burned} for {files} files"
    );

    let disc = spindle.run(["disc"])?;
    ensure!(
        disc["label"] == "ARCHIVE" && disc["disc_id"] == burned["disc_id"],
        "{disc}"
    );
    ensure!(
        disc["sessions"]
            .as_array()
            .is_some_and(|sessions| sessions.len() == 1),
        "{disc}"
    );
    let verified = spindle.run(["verify"])?;
    ensure!(verified["outcome"]["text"] == "verified", "{verified}");

    let listed = spindle.run(["ls", "-R"])?;
    let listed: Vec<_> = listed["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e["path"].as_str())
        .collect();
    for path in wanted.keys() {
        let path = String::from_utf8_lossy(path);
        ensure!(listed.contains(&&*path), "{path} is not listed");
    }
    let fetched = scratch.join("fetched");
    let deep = wanted
        .keys()
        .rfind(|path| path.ends_with(b"deep"))
        .map(|path| String::from_utf8_lossy(path));
    let deep = deep.unwrap_or_default();
    spindle.run(["get", &deep, &fetched.display().to_string()])?;
    ensure!(
        fs::read(&fetched)? == fs::read(source.join(&*deep))?,
        "{deep} came back different"
    );

    spindle.run(["eject"])?;
    ensure!(
        burner.drive.control(|drive| drive.tray_open()),
        "the tray is not open"
    );
    spindle.run(["poweroff"])?;
    machine.wait_off(patience(30))?;
    drop((machine, burner));

    let image = scratch.join("disc/disc.img");
    for reader in [Reader::Xorriso, Reader::Bsdtar, Reader::SevenZipUdf] {
        let mut found = reader.extract(&image, &scratch.join(reader.name()))?;
        found.retain(|path, _| !path.starts_with(b".spindle"));
        tree::demand_equal(reader.name(), &reader.as_seen(&wanted, &found), &found)?;
    }
    Ok(())
}
