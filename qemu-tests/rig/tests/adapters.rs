//! The same drives behind every adapter a PC has, QEMU's own CD drives, and boxes on one network.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use images::data_disk;
use rig::peer::Peer;
use rig::{
    Adapter, Artifacts, Burner, DataDisk, Machine, MachineOptions, Network, Nic, OpticalDrive, Scratch,
    Spindle, patience, tree, until,
};

/// A box with a data disk of 1 GiB, not yet started.
fn options(artifacts: &Artifacts, scratch: &Scratch, name: &str) -> Result<MachineOptions> {
    let log = scratch.join(&format!("{name}.log"));
    let mut options = MachineOptions::new(artifacts.release.clone(), artifacts.command_line.clone(), &log);
    let data = scratch.join(&format!("{name}.img"));
    data_disk::create(&data, 1 << 30, b"spindle-adapters")?;
    options.data = Some(DataDisk::File(data));
    options.name = name.into();
    Ok(options)
}

/// Waits until the box knows that many drives by name.
fn wait_drives(spindle: &Spindle, count: usize) -> Result<Vec<String>> {
    until("the drives", patience(30), || {
        let drives = spindle.run(["drives"])?;
        let products: Vec<String> = drives["drives"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|drive| drive["product"].as_str())
            .filter(|product| !product.is_empty())
            .map(String::from)
            .collect();
        Ok((products.len() == count).then_some(products))
    })
}

/// Burns the newest tree in that drive and compares what `get` brings of it.
fn archives(spindle: &Spindle, scratch: &Scratch, source: &Path, drive: &str) -> Result<()> {
    spindle.run(["put", &format!("{}/", source.display()), "--name", drive])?;
    let burned = spindle.run(["burn", "--drive", drive])?;
    ensure!(burned["outcome"]["text"] == "archived", "drive {drive}: {burned}");
    fetches(spindle, scratch, source, drive)
}

/// Compares each file of the source with what `get` brings from that drive's disc.
fn fetches(spindle: &Spindle, scratch: &Scratch, source: &Path, drive: &str) -> Result<()> {
    let wanted = tree::listing(source)?;
    let files = wanted
        .iter()
        .filter(|(_, node)| matches!(node, tree::Node::File(_)));
    for (path, _) in files.take(4) {
        let path = String::from_utf8_lossy(path);
        let fetched = scratch.join("fetched");
        let to = fetched.display().to_string();
        spindle.run(["get", &path, &to, "--force", "--drive", drive])?;
        ensure!(
            std::fs::read(&fetched)? == std::fs::read(source.join(&*path))?,
            "{path} of drive {drive} came back different"
        );
    }
    Ok(())
}

#[test]
fn burners_on_usb_archive() -> Result<()> {
    Scratch::within("adapters-usb", |scratch| {
        let artifacts = Artifacts::from_environment()?;
        let source = scratch.join("source");
        tree::sample(&source, 12, 1_200_000)?;
        let capacity = Some(common::SMALL_DISC);
        let bot = Burner::with_disc("on-bot", &burner::BD_R, &scratch.join("bot"), capacity)?;
        let uas = Burner::with_disc("on-uas", &burner::BD_R, &scratch.join("uas"), capacity)?;
        let mut options = options(&artifacts, scratch, "usb")?;
        options.drives = vec![
            OpticalDrive::burner(&bot, Adapter::UsbBot),
            OpticalDrive::burner(&uas, Adapter::Uas),
        ];
        let mut machine = Machine::start(&options, &[])?;
        machine.wait_ready()?;
        let spindle = Spindle::new(&artifacts.cli, machine.control());
        wait_drives(&spindle, 2)?;
        archives(&spindle, scratch, &source, "0")?;
        archives(&spindle, scratch, &source, "1")
    })
}

#[test]
fn every_way_to_read_a_cd_drive_reads() -> Result<()> {
    Scratch::within("adapters-read", |scratch| {
        let artifacts = Artifacts::from_environment()?;
        let source = scratch.join("source");
        tree::sample(&source, 12, 1_200_000)?;
        let image = scratch.join("pressed.iso");
        let made = Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-V", "PRESSED", "-o"])
            .args([&image, &source])
            .stdin(Stdio::null())
            .output()
            .context("xorriso is missing: `cargo xtask setup` installs it")?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut options = options(&artifacts, scratch, "readers")?;
        let ours = scratch.join("ours.iso");
        let made = Command::new(&artifacts.cli)
            .arg("author")
            .arg(&source)
            .arg("-o")
            .arg(&ours)
            .output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let adapters = [Adapter::Ahci, Adapter::Piix, Adapter::VirtioScsi, Adapter::UsbBot];
        options.drives = adapters
            .map(|adapter| OpticalDrive::image(&image, adapter))
            .into();
        options.drives.push(OpticalDrive::image(&ours, Adapter::Ahci));
        let mut machine = Machine::start(&options, &[])?;
        machine.wait_ready()?;
        let spindle = Spindle::new(&artifacts.cli, machine.control());
        let products = wait_drives(&spindle, adapters.len() + 1)?;
        ensure!(
            products.iter().all(|name| name.starts_with("QEMU ")),
            "{products:?}"
        );
        for drive in ["0", "1", "2", "3", "4"] {
            fetches(&spindle, scratch, &source, drive).with_context(|| format!("drive {drive}"))?;
        }
        // A disc with a list of digests is verified by it, on ATAPI as anywhere; without one there is nothing to compare.
        // Drives are found in no certain order.
        let has_list = |drive: &&str| -> bool {
            let listed = spindle.try_run(["ls", ".spindle", "--drive", drive]);
            listed.is_ok_and(|ran| ran.code == 0)
        };
        let (with, without): (Vec<&str>, Vec<&str>) =
            ["0", "1", "2", "3", "4"].into_iter().partition(has_list);
        ensure!(with.len() == 1, "{with:?}");
        let verified = spindle.run(["verify", with[0]])?;
        ensure!(verified["outcome"]["text"] == "verified", "{verified}");
        let unknown = spindle.try_run(["verify", without[0]])?;
        let remarks = unknown.json()?["remarks"].to_string();
        ensure!(
            unknown.code == 1 && remarks.contains("can be read"),
            "{unknown:?}"
        );
        let copied = spindle.run(["copy", "0"])?;
        ensure!(copied["outcome"]["text"] == "copied", "{copied}");
        let sectors = spindle.run(["copy", "0", "--image"])?;
        ensure!(sectors["outcome"]["text"] == "copied", "{sectors}");
        // A pressed disc is refused before anything is written.
        spindle.run(["put", &format!("{}/", source.display()), "--name", "more"])?;
        let refused = spindle.try_run(["burn", "--drive", "0"])?;
        ensure!(refused.code == 1, "{refused:?}");
        ensure!(refused.json()?["failure"]["name"] == "not blank", "{refused:?}");
        Ok(())
    })
}

#[test]
fn boxes_and_a_workstation_share_a_network_that_fails_now_and_then() -> Result<()> {
    Scratch::within("adapters-network", |scratch| {
        let artifacts = Artifacts::from_environment()?;
        let network = Network::new()?;
        let mut boxes = Vec::new();
        for (name, address) in [("one", "10.77.0.1/24"), ("two", "fd77::2/64")] {
            let mut options = options(&artifacts, scratch, name)?;
            options.nics = vec![Nic::Network(network.clone())];
            options.command_line = format!("{} spindle.ip={address}", options.command_line);
            boxes.push(Machine::start(&options, &[])?);
            boxes[boxes.len() - 1]
                .serial
                .expect("init: ready ", patience(30))?;
        }
        let mut peer = Peer::new(&scratch.join("peer"))?;
        peer.network(&network, "10.77.0.9/24");
        peer.program(&artifacts.cli);
        let station = peer.boot()?;
        let spindle = "HOME=/tmp /usr/local/bin/spindle --json --box";

        // IPv4 by broadcast, IPv6 by multicast find each other; each box answers for itself.
        station
            .run("ip -6 address add fd77::9/64 dev eth0 && sleep 3")?
            .success()?;
        for (name, address) in [("one", "10.77.0.1"), ("two", "[fd77::2]")] {
            let status = station.run(&format!("{spindle} {address} status"))?.success()?;
            let status: serde_json::Value = serde_json::from_slice(&status)?;
            ensure!(status["name"] == name, "{status}");
        }

        // Lost frames cost time, not data.
        network.lose_one_in(100);
        let sent = "head -c 200000 /dev/urandom > /tmp/noise";
        let put = format!("{sent} && {spindle} 10.77.0.1 put /tmp/noise");
        let put: serde_json::Value = serde_json::from_slice(&station.run(&put)?.success()?)?;
        ensure!(put["bytes"] == 200_000, "{put}");
        let get = format!(
            "{spindle} 10.77.0.1 get --tree {} noise - | cmp - /tmp/noise",
            put["tree"]
        );
        station.run(&get)?.success()?;
        network.lose_one_in(0);

        // A pulled cable: that box is out of reach, the other is not; plugged in, all is as before.
        network.plug(0, false);
        ensure!(
            station.run(&format!("{spindle} 10.77.0.1 status"))?.exit == 3,
            "reached without a cable"
        );
        station.run(&format!("{spindle} [fd77::2] status"))?.success()?;
        network.plug(0, true);
        station.run(&format!("{spindle} 10.77.0.1 status"))?.success()?;
        Ok(())
    })
}
