//! Three sessions in one image: the newest in every reader, the older ones in those that can be told where.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use discfs::{View, Volume};
use rig::Scratch;
use rig::peer::Peer;
use rig::tree::{self, Listing, Node, noise};

use crate::programs::{self, Found, ImageFile, PROGRAMS, Shows, is_own};
use crate::{author, linux};

fn file(listing: &mut Listing, root: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let place = root.join(path);
    fs::create_dir_all(place.parent().context("a parent")?)?;
    fs::write(&place, bytes)?;
    for (at, _) in path.match_indices('/') {
        listing.insert(
            path.as_bytes().iter().take(at).copied().collect(),
            Node::Directory,
        );
    }
    listing.insert(path.into(), Node::File(tree::sha256(&place)?));
    Ok(())
}

/// The trees of the three sessions, written by the real command.
fn write(scratch: &Scratch, image: &Path) -> Result<Vec<Listing>> {
    let [first, second, third] = ["first", "second", "third"].map(|name| scratch.join(name));
    let mut one = Listing::new();
    for number in 0..20 {
        file(
            &mut one,
            &first,
            &format!("many/file {number:02}"),
            &noise(number, 3000 * usize::try_from(number)?),
        )?;
    }
    file(&mut one, &first, "kept/größe.txt", b"kept in all sessions")?;
    file(&mut one, &first, "replaced.bin", &noise(30, 50_000))?;
    file(&mut one, &first, "removed/with/all below", b"in the first alone")?;
    author(&first, image, &["--label", "Readers", "-o"])?;

    let mut two = one.clone();
    file(&mut two, &second, "replaced.bin", &noise(31, 60_000))?;
    file(&mut two, &second, "many/added", &noise(32, 12_345))?;
    two.retain(|path, _| !path.starts_with(b"removed"));
    author(
        &second,
        image,
        &["--label", "Readers", "--remove", "removed", "--append-to"],
    )?;

    let mut three: Listing = two
        .iter()
        .map(|(path, node)| match path.strip_prefix(b"kept") {
            Some(rest) => ([b"moved", rest].concat(), node.clone()),
            None => (path.clone(), node.clone()),
        })
        .collect();
    file(&mut three, &third, "new/one.txt", b"the newest")?;
    author(
        &third,
        image,
        &["--label", "Readers", "--rename", "kept", "moved", "--append-to"],
    )?;
    Ok(vec![one, two, three])
}

fn users(mut listing: Listing) -> Listing {
    listing.retain(|path, _| !is_own(path));
    listing
}

pub fn check(scratch: &Scratch) -> Result<()> {
    let image = scratch.join("disc.img");
    let trees = write(scratch, &image)?;
    let starts = Volume::sessions(&mut ImageFile::open(&image)?);
    ensure!(starts.len() == 3, "sessions begin at {starts:?}");
    newest(scratch, &image, trees.last().context("three")?)?;
    older(scratch, &image, &trees, &starts)?;
    by_linux(scratch, &image, &trees, &starts)
}

/// Readers that know nothing of sessions.
fn newest(scratch: &Scratch, image: &Path, wanted: &Listing) -> Result<()> {
    let peer = linux::Mounts::of(scratch, image, true)?;
    // pycdlib takes the first block of UDF's partition for its file set, which it is in a first session only.
    let readers = PROGRAMS.iter().filter(|program| program.name != "pycdlib");
    for program in readers.filter(|program| program.view != View::Iso9660) {
        let folder = scratch.join("newest");
        let mut all = wanted.clone();
        all.insert(b".spindle".to_vec(), Node::Directory);
        for own in ["SHA256SUMS", "catalog.txt"] {
            all.insert(format!(".spindle/{own}").into(), Node::File([0; 32]));
        }
        let found = (program.read)(image, &folder, &all, &peer).with_context(|| program.row())?;
        let is_shown = |node: &Node| program.shows != Shows::FilesOnly || matches!(node, Node::File(_));
        match found {
            Found::Read(listing) => {
                let mut wanted = wanted.clone();
                wanted.retain(|_, node| is_shown(node));
                tree::demand_equal(&program.row(), &wanted, &users(listing))?;
            }
            Found::Listed(names) => {
                let files = all.iter().filter(|(_, node)| matches!(node, Node::File(_)));
                ensure!(
                    names == files.map(|(path, _)| path.clone()).collect(),
                    "{}: {names:?}",
                    program.row()
                );
            }
            Found::Count(count) => {
                let files = all.values().filter(|node| matches!(node, Node::File(_))).count();
                ensure!(count == files, "{}: {count} names", program.row());
            }
            Found::Knows | Found::NotAsked => {}
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

/// Readers that can be told where a session begins, and our own command.
fn older(scratch: &Scratch, image: &Path, trees: &[Listing], starts: &[u64]) -> Result<()> {
    let spindle = std::env::var("SPINDLE_CLI").context("SPINDLE_CLI is not set: run `cargo xtask test`")?;
    for ((number, wanted), start) in (1..).zip(trees).zip(starts) {
        let folder = scratch.join(&format!("session {number}"));
        fs::create_dir(&folder)?;
        let (device, start) = (format!("stdio:{}", image.display()), start.to_string());
        let arguments = [
            "-abort_on",
            "WARNING",
            "-load",
            "sbsector",
            &start,
            "-indev",
            &device,
            "-osirrox",
            "on",
            "-extract",
            "/",
            "tree",
        ];
        programs::run("xorriso", &arguments.map(OsStr::new), &folder)?;
        tree::demand_equal(
            &format!("xorriso, session {number}"),
            wanted,
            &users(tree::listing(&folder.join("tree"))?),
        )?;

        let files = wanted.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        let arguments = [
            "-R".as_ref(),
            "-f".as_ref(),
            "-T".as_ref(),
            start.as_ref(),
            "-i".as_ref(),
            image.as_os_str(),
        ];
        let output = programs::run("isoinfo", &arguments, &folder)?;
        for (path, _) in files.clone() {
            let line = [b"/", &path[..]].concat();
            ensure!(
                output.split(|byte| *byte == b'\n').any(|found| found == line),
                "isoinfo, session {number}"
            );
        }

        let number = number.to_string();
        for (path, node) in files {
            let path = str::from_utf8(path)?;
            let output = Command::new(&spindle)
                .args(["get".as_ref(), image.as_os_str()])
                .args([path, "-", "--session", &number])
                .output()?;
            let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&output.stdout).into();
            ensure!(
                output.status.success() && *node == Node::File(digest),
                "spindle get, session {number}, {path}"
            );
        }
        let _ = Command::new("chmod").arg("-R").arg("u+rwX").arg(&folder).status();
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Linux mounts each session in both file systems.
fn by_linux(scratch: &Scratch, image: &Path, trees: &[Listing], starts: &[u64]) -> Result<()> {
    let mut peer = Peer::new(&scratch.join("older"))?;
    let device = peer.disk(image);
    let station = peer.boot()?;
    for (wanted, start) in trees.iter().zip(starts) {
        for options in [
            format!("-t iso9660 -o ro,sbsector={start}"),
            format!("-t udf -o ro,anchor={}", start + 256),
        ] {
            let found = linux::mount(&station, &device, &options)?;
            tree::demand_equal(&options, wanted, &users(found))?;
        }
    }
    Ok(())
}
