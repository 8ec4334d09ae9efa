//! Linux mounts what we wrote: every name, byte and link, as ISO 9660 and as UDF.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use client::SourceTree;
use doors::Limits;
use rig::foreign::{linux_rock_ridge_names, udf_names};
use rig::peer::{Layout, Mounted, Peer};
use rig::tree::{self, Listing, Node};
use rig::{Burner, Native, Scratch};
use wire::{Burn, Outcome};

/// Groups of paths that are one file.
fn hard_links(root: &Path, listing: &Listing) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut groups: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for (path, node) in listing {
        if matches!(node, Node::File(_)) {
            let inode = fs::metadata(root.join(std::ffi::OsStr::from_bytes(path)))?.ino();
            groups.entry(inode).or_default().push(path.clone());
        }
    }
    let mut groups: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
    groups.sort();
    Ok(groups)
}

/// What `Mounted` holds of the user's tree, without the disc's own records.
fn user_tree(mut mounted: Mounted) -> Mounted {
    mounted.listing.retain(|path, _| !path.starts_with(b".spindle"));
    mounted.links.retain(|path, _| !path.starts_with(b".spindle"));
    mounted
}

/// Isofs: names and links are Rock Ridge's. It numbers inodes by directory records, so that hard links show
/// in their count alone.
fn demand_iso(what: &str, mounted: Mounted, wanted: &Listing, groups: &[Vec<Vec<u8>>]) -> Result<()> {
    let mounted = user_tree(mounted);
    let seen = linux_rock_ridge_names(wanted, &mounted.listing);
    tree::demand_equal(what, &seen, &mounted.listing)?;
    for (path, (_, links)) in &mounted.links {
        let expected = groups
            .iter()
            .find(|group| group.contains(path))
            .map_or(1, Vec::len);
        ensure!(
            u64::try_from(expected)? == *links,
            "{what}: {} has {links} links, not {expected}",
            String::from_utf8_lossy(path)
        );
    }
    Ok(())
}

/// Udf: hard links share an inode; symbolic links are there when asked for.
fn demand_udf(
    what: &str,
    mounted: Mounted,
    wanted: &Listing,
    groups: &[Vec<Vec<u8>>],
    symlinks: bool,
) -> Result<()> {
    let mounted = user_tree(mounted);
    let mut seen = udf_names(wanted, &mounted.listing);
    seen.retain(|_, node| symlinks || !matches!(node, Node::Symlink(_)));
    tree::demand_equal(what, &seen, &mounted.listing)?;
    let mut found = mounted.hard_links();
    found.sort();
    ensure!(
        found == groups,
        "{what}: hard links are {found:?}, not {groups:?}"
    );
    Ok(())
}

#[test]
fn linux_mounts_what_a_box_burned() -> Result<()> {
    Scratch::within("peer-mounts", |scratch| {
        let source = scratch.join("source");
        tree::sample(&source, 40, 4_000_000)?;
        let wanted = tree::listing(&source)?;
        let groups = hard_links(&source, &wanted)?;
        ensure!(!groups.is_empty(), "the sample has no hard links");

        let disc = scratch.join("disc");
        let burner = Burner::with_disc("peer-mounts", &burner::BD_R, &disc, Some(common::SMALL_DISC))?;
        archive(scratch, &burner, &source)?;
        let with_links = scratch.join("udf-symlinks.img");
        author(&source, &with_links)?;

        let mut peer = Peer::new(scratch.path())?;
        let drive = peer.burner(&burner);
        let image = peer.disk(&disc.join("disc.img"));
        let linked = peer.disk(&with_links);
        let station = peer.boot()?;
        for (what, device) in [("burner", drive), ("disk", image), ("symlinks", linked)] {
            let iso = station.look(&device, Layout::Iso9660)?;
            demand_iso(what, iso, &wanted, &groups)?;
            let udf = station.look(&device, Layout::Udf)?;
            demand_udf(what, udf, &wanted, &groups, what == "symlinks")?;
        }
        Ok(())
    })
}

/// Burns the tree as a box does, natively.
fn archive(scratch: &Scratch, burner: &Burner, source: &Path) -> Result<()> {
    let drives: Vec<Box<dyn mmc::Transport + Send>> = vec![Box::new(burner.transport())];
    let native = Native::start(&scratch.join("data"), drives, Limits::default())?;
    common::wait_drive(native.control())?;
    let walked = SourceTree::walk([format!("{}/", source.display())])?;
    common::session(native.control())?.put(0, "sample", &walked, |_| {})?;
    let order = Burn {
        drive: 0,
        tree: 0,
        label: String::new(),
        finalise: false,
    };
    let ended = common::session(native.control())?.burn(order, |_| {})?;
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    native.vault.shutdown();
    Ok(())
}

/// An image with symbolic links in UDF too.
fn author(source: &Path, image: &Path) -> Result<()> {
    let attributes = |mode| discfs::Attributes {
        mode,
        uid: 0,
        gid: 0,
        mtime: discfs::Time::default(),
    };
    let mut tree = discfs::Tree::new(attributes(0o755));
    let mut files = Files::default();
    let mut numbers = BTreeMap::new();
    // Parents come before what is in them: paths are in order.
    for (path, node) in &tree::listing(source)? {
        let local = source.join(std::ffi::OsStr::from_bytes(path));
        match node {
            Node::Directory => tree.add_path(path, attributes(0o755), discfs::Kind::Directory)?,
            Node::Symlink(target) => {
                tree.add_path(path, attributes(0o777), discfs::Kind::Symlink { target })?
            }
            Node::File(_) => {
                let about = fs::metadata(&local)?;
                let number = *numbers.entry(about.ino()).or_insert_with(|| {
                    files.0.push(local);
                    files.0.len() - 1
                });
                let kind = discfs::Kind::File {
                    size: about.len(),
                    file: discfs::FileId(u64::try_from(number)?),
                };
                tree.add_path(path, attributes(0o644), kind)?
            }
        };
    }
    let options = discfs::Options {
        udf_symlinks: true,
        ..discfs::Options::default()
    };
    let planned = discfs::plan(&tree, &options)?;
    let mut pass = discfs::Pass::new(&planned);
    let mut out = BufWriter::new(File::create(image)?);
    let mut buffer = vec![0; 32 * discfs::BLOCK];
    loop {
        let blocks = pass.next(&mut buffer, &mut files)?;
        if blocks == 0 {
            break;
        }
        out.write_all(buffer.get(..blocks * discfs::BLOCK).context("a whole buffer")?)?;
    }
    Ok(out.flush()?)
}

/// Files by number.
#[derive(Default)]
struct Files(Vec<PathBuf>);

impl discfs::Content for Files {
    fn read(
        &mut self,
        file: discfs::FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), discfs::ContentError> {
        let unreadable = |error: &dyn std::fmt::Display| discfs::ContentError::Unreadable(error.to_string());
        let path = usize::try_from(file.0).ok().and_then(|number| self.0.get(number));
        let path = path.ok_or_else(|| unreadable(&"no such file"))?;
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        file.read_exact_at(buffer, offset)
            .map_err(|error| unreadable(&error))
    }

    fn digest(&mut self, _: discfs::FileId) -> Option<[u8; 32]> {
        None
    }
}
