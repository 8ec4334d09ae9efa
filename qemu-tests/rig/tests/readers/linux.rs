//! Linux's own file systems, in the peer.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use rig::peer::{Mounted, Peer};
use rig::tree::Listing;
use rig::{Scratch, patience};

use crate::programs::Found;

/// The kinds that are asked when a tree takes the emulated machine minutes for each.
const QUICK: &[&str] = &["rock ridge", "udf"];

/// Kinds of mounts, by the name of their rows: file system and options.
const MOUNTS: &[(&str, &str)] = &[
    ("rock ridge", "-t iso9660 -o ro"),
    ("joliet", "-t iso9660 -o ro,norock,utf8,check=strict"),
    ("plain", "-t iso9660 -o ro,norock,nojoliet"),
    ("udf", "-t udf -o ro"),
];

/// What Linux showed of an image, mount by mount.
pub struct Mounts(BTreeMap<&'static str, Listing>);

impl Mounts {
    pub fn of(scratch: &Scratch, image: &Path, all: bool) -> Result<Self> {
        let mut peer = Peer::new(&scratch.join("peer"))?;
        let device = peer.disk(image);
        let station = peer.boot()?;
        let mut mounts = BTreeMap::new();
        for (name, options) in MOUNTS.iter().filter(|(name, _)| all || QUICK.contains(name)) {
            mounts.insert(*name, mount(&station, &device, options)?);
        }
        Ok(Self(mounts))
    }

    pub fn get(&self, name: &str) -> Found {
        self.0.get(name).cloned().map_or(Found::NotAsked, Found::Read)
    }
}

/// Mounts, lists and reads everything.
pub fn mount(station: &rig::peer::Workstation, device: &str, options: &str) -> Result<Listing> {
    let script = format!(
        "mount {options} {device} /mnt || exit 1\n{}umount /mnt\n",
        Mounted::commands("/mnt")
    );
    let answer = station.run_for(patience(500), &script, &[])?;
    let output = answer.success().with_context(|| format!("mount {options}"))?;
    Ok(Mounted::parse(&output)?.listing)
}
