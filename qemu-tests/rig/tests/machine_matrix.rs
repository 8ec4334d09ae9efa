//! Boxes in QEMU on every kind of disc and adapter: new, append twice, finalise, verify, copy by the command line; then
//! a workstation's Linux mounts what was burned.

mod common;

use std::fs;

use anyhow::{Context, Result, ensure};
use common::kinds::{KINDS, Kind};
use images::data_disk;
use rig::peer::{Layout, Peer};
use rig::tree::{self, Listing, Node};
use rig::{
    Adapter, Artifacts, Burner, DataDisk, Machine, MachineOptions, OpticalDrive, Scratch, Spindle, patience,
    until,
};
use serde_json::Value;

/// What one disc should show after all its burns.
struct Burned<'a> {
    row: &'a Kind,
    burner: Burner,
    files: Listing,
}

/// One box with a drive for each of these kinds of disc.
struct Bench<'a> {
    scratch: &'a Scratch,
    machine: Machine,
    spindle: Spindle,
    discs: Vec<Burned<'a>>,
}

impl<'a> Bench<'a> {
    fn boot(scratch: &'a Scratch, rows: &'a [Kind], adapter: Adapter) -> Result<Self> {
        let artifacts = Artifacts::from_environment()?;
        let mut discs = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let folder = scratch.join(&format!("disc-{number}"));
            let burner =
                Burner::with_disc(&format!("matrix{number}"), row.profile, &folder, Some(row.blocks))?;
            discs.push(Burned {
                row,
                burner,
                files: Listing::new(),
            });
        }
        let data = scratch.join("data.img");
        data_disk::create(&data, 2 << 30, b"spindle-matrix-1")?;
        let log = scratch.join("serial.log");
        let mut options =
            MachineOptions::new(artifacts.release.clone(), artifacts.command_line.clone(), &log);
        options.data = Some(DataDisk::File(data));
        options.drives = discs
            .iter()
            .map(|disc| OpticalDrive::burner(&disc.burner, adapter))
            .collect();
        let mut machine = Machine::start(&options, &[])?;
        machine.wait_ready()?;
        let spindle = Spindle::new(&artifacts.cli, machine.control());
        until("the drives", patience(60), || {
            let drives = spindle.run(["drives"])?;
            let known = drives["drives"].as_array().into_iter().flatten();
            let known = known.filter(|drive| drive["media"]["number"].as_u64() != Some(0));
            Ok((known.count() == rows.len()).then_some(()))
        })?;
        Ok(Self {
            scratch,
            machine,
            spindle,
            discs,
        })
    }

    /// Which drive of the box has this disc: they are found in no certain order.
    fn drive(&self, disc: usize) -> Result<String> {
        let drives = self.spindle.run(["drives"])?;
        let serial = format!("matrix{disc}");
        let drives = drives["drives"].as_array().into_iter().flatten();
        let mut found =
            drives.filter(|drive| drive["serial"].as_str().is_some_and(|text| text.trim() == serial));
        let found = found
            .next()
            .with_context(|| format!("no drive has the serial number {serial}"))?;
        Ok(found["drive"].to_string())
    }

    /// Puts a tree of its own and burns it; the job as it ended.
    fn burn(&mut self, disc: usize, number: u64, arguments: &[&str]) -> Result<Value> {
        let name = format!("{disc}-{number}");
        let folder = self.scratch.join(&name);
        fs::create_dir_all(folder.join(&name))?;
        fs::write(folder.join(&name).join("some bytes"), tree::noise(number, 90_001))?;
        fs::write(folder.join(&name).join("empty"), "")?;
        self.spindle
            .run(["put", &format!("{}/", folder.display()), "--name", &name])?;
        let ran = self.spindle.try_run(arguments)?;
        let told = ran.json().with_context(|| format!("{ran:?}"))?;
        let job = told["jobs"].get(0).unwrap_or(&told).clone();
        if job["outcome"]["text"] == "archived" {
            let disc = self.discs.get_mut(disc).context("no such disc")?;
            disc.files.extend(tree::listing(&folder)?);
        }
        Ok(job)
    }

    /// Every cell of one disc.
    fn cells(&mut self, disc: usize) -> Result<()> {
        let row = self.discs.get(disc).context("no such disc")?.row;
        let drive = &self.drive(disc)?;
        let outcome = |job: &Value, expected: &str| {
            ensure!(job["outcome"]["text"] == expected, "{job}");
            Ok(())
        };
        let first: &[&str] = if row.appends { &[] } else { &["--finalise"] };
        let new = self.burn(disc, 1, &[&["burn", "--drive", drive], first].concat())?;
        outcome(&new, "archived").context("new")?;
        if row.appends {
            let appended = self.burn(disc, 2, &["append", "--drive", drive])?;
            outcome(&appended, "archived").context("append")?;
            let last: &[&str] = if row.finalises { &["--finalise"] } else { &[] };
            let appended = self.burn(disc, 3, &[&["append", "--drive", drive], last].concat())?;
            outcome(&appended, "archived").context("append again")?;
            if !row.finalises {
                let refused = self.spindle.try_run(["finalise", drive])?;
                let why = &refused.json()?["failure"];
                ensure!(
                    refused.code == 1 && why["what"] != "" && why["remedy"] != "",
                    "finalise: {refused:?}"
                );
                println!("{:24} finalise: {}", row.profile.name, why["what"]);
            }
        }
        let verified = self.spindle.run(["verify", drive])?;
        outcome(&verified, "verified").context("verify")?;
        let copied = self.spindle.run(["copy", drive])?;
        outcome(&copied, "copied").context("copy")
    }

    /// Switches the box off, and lets the workstation's Linux look at every disc.
    fn mounted(mut self) -> Result<()> {
        self.spindle.run(["poweroff"])?;
        self.machine.wait_off(patience(60))?;
        let mut peer = Peer::new(&self.scratch.join("peer"))?;
        let devices: Vec<_> = self.discs.iter().map(|disc| peer.burner(&disc.burner)).collect();
        let station = peer.boot()?;
        for (disc, device) in self.discs.iter().zip(devices) {
            for layout in [Layout::Iso9660, Layout::Udf] {
                let mut found = station
                    .look(&device, layout)
                    .context(disc.row.profile.name)?
                    .listing;
                found.retain(|path, _| !path.starts_with(b".spindle"));
                let what = format!("{}, {}", disc.row.profile.name, layout.name());
                tree::demand_equal(&what, &files(&disc.files), &files(&found))?;
            }
            println!(
                "{:24} new, append twice, verify, copy; mounted equal",
                disc.row.profile.name
            );
        }
        Ok(())
    }
}

fn files(listing: &Listing) -> Listing {
    let files = listing.iter().filter(|(_, node)| matches!(node, Node::File(_)));
    files.map(|(path, node)| (path.clone(), node.clone())).collect()
}

/// All cells of these discs behind that adapter.
fn matrix(rows: &[Kind], adapter: Adapter) -> Result<()> {
    let first = rows
        .first()
        .context("no discs")?
        .profile
        .name
        .replace('+', "-plus-");
    Scratch::within(&format!("matrix-{}-{first}", adapter.name()), |scratch| {
        let mut bench = Bench::boot(scratch, rows, adapter)?;
        for (number, row) in rows.iter().enumerate() {
            bench
                .cells(number)
                .with_context(|| format!("{} on {}", row.profile.name, adapter.name()))?;
        }
        bench.mounted()
    })
}

fn some(from: usize, to: usize, adapter: Adapter) -> Result<()> {
    matrix(KINDS.get(from..to).context("no such rows")?, adapter)
}

#[test]
fn a_cd_a_dvd_and_a_blu_ray_pass_every_cell() -> Result<()> {
    let pick = |at: usize| KINDS.get(at).copied().context("no such row");
    matrix(&[pick(1)?, pick(8)?, pick(10)?], Adapter::VirtioScsi)
}

macro_rules! full {
    ($($name:ident: $from:literal, $to:literal, $adapter:ident;)*) => {
        $(#[test]
        #[ignore = "full: a box and five discs, three minutes"]
        fn $name() -> Result<()> {
            some($from, $to, Adapter::$adapter)
        })*
    };
}

full! {
    cds_and_dvds_minus_on_virtio_scsi: 0, 5, VirtioScsi;
    dvds_plus_and_ram_on_virtio_scsi: 5, 10, VirtioScsi;
    blu_rays_on_virtio_scsi: 10, 14, VirtioScsi;
    cds_and_dvds_minus_on_usb_bot: 0, 5, UsbBot;
    dvds_plus_and_ram_on_usb_bot: 5, 10, UsbBot;
    blu_rays_on_usb_bot: 10, 14, UsbBot;
    cds_and_dvds_minus_on_uas: 0, 5, Uas;
    dvds_plus_and_ram_on_uas: 5, 10, Uas;
    blu_rays_on_uas: 10, 14, Uas;
}
