//! UDF images nobody here wrote, and partitions of every kind, in our reader and checker.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod check_support;
mod common;

use check_support::foreign::{assert_same, read_all};
use check_support::{InMemory, check_bytes, check_session, image, shapes, unpack};
use common::{ImageFile, Item, Sample, directory_items, options, run};
use discfs::{Fault, Format, Options, UdfRevision, View, Volume};
use std::collections::BTreeMap;
use std::ffi::OsStr;

/// Every medium mkudffs makes UDF for, with the revisions it accepts for it. Of 2.3, what it has for `mo` and `worm`
/// never succeeds: "Not enough blocks on device", whatever their number.
const MEDIA: [(&str, &[&str]); 9] = [
    ("hd", &["1.02", "1.50", "2.00", "2.01"]),
    ("dvd", &["1.02", "1.50", "2.00", "2.01"]),
    ("dvdram", &["1.01", "1.02", "1.50", "2.00", "2.01"]),
    ("dvdrw", &["1.50", "2.00", "2.01"]),
    ("dvdr", &["1.50", "2.00", "2.01", "2.50", "2.60"]),
    ("cdrw", &["1.50", "2.00", "2.01"]),
    ("cdr", &["1.50", "2.00", "2.01", "2.50", "2.60"]),
    ("cd", &["1.02", "1.50", "2.00", "2.01"]),
    ("bdr", &["2.50", "2.60"]),
];

#[test]
fn mkudffs_volumes_of_each_medium_and_revision() {
    for (media, revisions) in MEDIA {
        for revision in revisions {
            let scratch = tempfile::tempdir().unwrap();
            let image = scratch.path().join("empty.img");
            let arguments = format!("--media-type={media} --udfrev={revision} --label=Größe --new-file");
            let mut arguments: Vec<&OsStr> = arguments.split(' ').map(OsStr::new).collect();
            arguments.extend([image.as_os_str(), OsStr::new("4096")]);
            run("mkudffs", &arguments, scratch.path());
            let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
            let what = format!("{media} {revision}");
            assert_eq!((volume.view(), volume.label()), (View::Udf, "Größe"), "{what}");
            let found = read_all(&mut volume);
            let known = |path: &Vec<u8>| path == b"lost+found" || path == b"Non-Allocatable Space";
            assert!(found.keys().all(known), "{what}: {:?}", found.keys());
            let (findings, summary) = check_session(&mut ImageFile::open(&image), 0);
            assert!(
                summary.is_sound() && summary.warnings == 0,
                "{what}\n{}",
                findings.text()
            );
        }
    }
}

/// What `seq 1 N` writes.
fn sequence(last: u32) -> Vec<u8> {
    (1..=last)
        .map(|number| format!("{number}\n"))
        .collect::<String>()
        .into_bytes()
}

/// The tree that images/make.sh lets Linux write.
fn written_by_linux() -> BTreeMap<Vec<u8>, Item> {
    let mut sample = Sample::default();
    let mut file = |path: &str, bytes: Vec<u8>| {
        sample.file(path, 0);
        sample.items.insert(path.into(), Item::File(bytes));
    };
    file("none", Vec::new());
    file("one", sequence(500));
    file("d/moved", sequence(400));
    file("big", sequence(5000));
    file("d/hard", sequence(5000));
    file("sparse", [vec![0; 300_000], b"end".to_vec()].concat());
    (2..=60).step_by(2).for_each(|number| {
        file(
            &format!("d/e/file number {number}"),
            format!("{number}\n").into_bytes(),
        );
    });
    file(&"n".repeat(100), sequence(10));
    file("fragments1", sequence(1000).repeat(5));
    file("fragments2", sequence(1000).repeat(5));
    file("d/e/Größe 漢字/ü", sequence(30));
    file("d/e/later", sequence(3));
    sample.symlink("d/link", "../big");
    sample.symlink("absolute", "/etc/./passwd");
    sample.directory("empty/directory");
    sample.items
}

#[test]
fn what_linux_wrote_on_each_kind_of_volume() {
    let expected = written_by_linux();
    for (name, packed) in [
        ("hd102", &include_bytes!("images/linux-hd102.zst")[..]),
        ("hd201-1024", include_bytes!("images/linux-hd201-1024.zst")),
        ("hd201-4096", include_bytes!("images/linux-hd201-4096.zst")),
        ("dvdram201", include_bytes!("images/linux-dvdram201.zst")),
        (
            "dvdram150-long",
            include_bytes!("images/linux-dvdram150-long.zst"),
        ),
        (
            "dvdram200-table",
            include_bytes!("images/linux-dvdram200-table.zst"),
        ),
        ("dvdrw201", include_bytes!("images/linux-dvdrw201.zst")),
        ("cdrw150", include_bytes!("images/linux-cdrw150.zst")),
        ("strategy4096", include_bytes!("images/linux-strategy4096.zst")),
    ] {
        let bytes = unpack(packed);
        let mut volume = Volume::open(InMemory::new(&bytes[..]), 0).unwrap();
        let big = volume.lookup(b"big").unwrap();
        assert_eq!(
            (big.links, big.attributes.mode, big.attributes.uid),
            (2, 0o640, 1000),
            "{name}"
        );
        let mut found = read_all(&mut volume);
        // CD-RW of UDF 1.50 has the blocks no packet holds in a file (UDF 2.3.13).
        found.remove(&b"Non-Allocatable Space"[..]);
        found.remove(&b"lost+found"[..]);
        assert_same(&expected, &found);
        let (findings, summary) = check_bytes(&bytes);
        // Linux gives a further name of a file an identifier of its own; system streams are those mkudffs makes.
        let known = |fault| matches!(fault, Fault::UniqueIdsDiffer | Fault::StreamsNotChecked);
        assert!(
            findings.0.iter().all(|finding| known(finding.fault)),
            "{name}\n{}",
            findings.text()
        );
        assert_eq!((summary.errors, summary.warnings), (0, 0), "{name}");
    }
}

fn udf_options() -> Options {
    Options {
        format: Format::Udf,
        udf_revision: UdfRevision::V2_01,
        ..options()
    }
}

fn udf_sample() -> Sample {
    let mut sample = Sample::default();
    for number in 0..70 {
        sample.file(format!("many/a file with number {number}"), number * 100);
    }
    sample.file("deep/er/and/deeper/file", 30_000);
    sample.file("empty", 0);
    sample.symlink("link", "deep/er");
    sample.link("deep/link", "deep/er/and/deeper/file");
    sample.directory("nothing/here");
    sample
}

type Shape = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Partitions of each kind.
const SHAPES: [Shape; 5] = [
    ("plain", <[u8]>::to_vec),
    ("virtual, 1.50", |plain| shapes::with_vat(plain, false)),
    ("virtual, 2.00", |plain| shapes::with_vat(plain, true)),
    ("sparable", shapes::with_spared_packet),
    ("metadata", shapes::with_metadata_partition),
];

#[test]
fn partitions_of_every_kind() {
    let sample = udf_sample();
    let plain = image(&sample, &udf_options());
    for (name, shape) in SHAPES {
        let bytes = shape(&plain);
        let mut volume =
            Volume::open(InMemory::new(&bytes[..]), 0).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut found = read_all(&mut volume);
        found.retain(|path, _| !path.starts_with(b".spindle"));
        assert_same(&sample.items, &found);
        let (findings, summary) = check_bytes(&bytes);
        let known = |fault| matches!(fault, Fault::FewAnchors); // the last block has none where it is a VAT's or moved
        assert!(
            findings.0.iter().all(|finding| known(finding.fault)),
            "{name}\n{}",
            findings.text()
        );
        assert!(summary.is_sound(), "{name}");
    }
}

/// That the shapes are what they should be is for a program nobody here wrote to say.
#[test]
fn partitions_of_every_kind_in_udfclient() {
    let sample = udf_sample();
    let options = Options {
        label: "SHAPE".into(),
        ..udf_options()
    };
    let plain = image(&sample, &options);
    let mut expected = sample.items.clone();
    expected.retain(|path, _| path.starts_with(b"many") || path.starts_with(b"deep"));
    for (name, shape) in SHAPES {
        let scratch = tempfile::tempdir().unwrap();
        let disc = format!("{}.img", name.replace([' ', ','], ""));
        std::fs::write(scratch.path().join(&disc), shape(&plain)).unwrap();
        let commands = |commands: &str| {
            let script = format!("printf '{commands}quit\\n' | udfclient -b 2048 {disc}");
            run("sh", &["-c", &script].map(OsStr::new), scratch.path())
        };
        // A directory stands for the volume, its name is those of volume set, volume, logical volume and file set.
        let listing = commands("");
        let volume = listing.lines().filter(|line| line.starts_with('d'));
        let volume = volume
            .filter_map(|line| line.split_whitespace().last())
            .next_back();
        let volume = volume.unwrap_or_else(|| panic!("{name}: it cannot be read:\n{listing}"));
        let transcript = commands(&format!("cd {volume}\\nmget many deep\\n"));
        let mut found = BTreeMap::new();
        for top in ["many", "deep"] {
            let path = scratch.path().join(top);
            assert!(path.is_dir(), "{name}: {top} was not read:\n{transcript}");
            let items = directory_items(&path);
            found.insert(top.into(), Item::Directory);
            found.extend(
                items
                    .into_iter()
                    .map(|(path, item)| ([top.as_bytes(), b"/", &path].concat(), item)),
            );
        }
        assert_same(&expected, &found);
    }
}
