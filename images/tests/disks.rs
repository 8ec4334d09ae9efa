//! Programs nobody here wrote judge the disks: sgdisk the tables, e2fsck the file system.

use std::{os::unix::fs::MetadataExt, path::Path, process::Command};

use spindle_images::{
    Error, data_disk,
    gpt::{self, Guid, Partition},
};

const MIB: u64 = 1 << 20;

fn said(program: &str, arguments: &[&str], disk: &Path) -> String {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program)
        .args(arguments)
        .arg(disk)
        .env("PATH", path)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed (cargo xtask setup): {error}"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
    text
}

#[test]
fn the_data_disk_satisfies_foreign_judges() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk = directory.path().join("data.img");
    data_disk::create(&disk, 2048 * MIB, &[7; 16]).expect("made");

    let verdict = said("sgdisk", &["--verify"], &disk);
    assert!(verdict.contains("No problems found"), "{verdict}");
    let information = said("sgdisk", &["--info=1"], &disk);
    for fact in [
        "Partition name: 'spindle-data'",
        "(Linux filesystem)",
        "First sector: 2048 ",
    ] {
        assert!(information.contains(fact), "{fact} in {information}");
    }

    let partition = directory.path().join(format!("data.img?offset={MIB}"));
    said("e2fsck", &["-f", "-n"], &partition);
    let facts = said("dumpe2fs", &["-h"], &partition);
    for (name, value) in [
        ("Block size", "4096"),
        ("Reserved block count", "0"),
        ("Total journal size", "64M"),
        ("Filesystem volume name", "spindle-data"),
        // 2046 MiB of partition, one inode for each 64 KiB, rounded up in each of 16 groups.
        ("Inode count", "32768"),
    ] {
        let line = facts
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in {facts}"));
        assert!(line.ends_with(&format!(" {value}")), "{line}");
    }

    let about = std::fs::metadata(&disk).expect("there");
    assert_eq!(about.len(), 2048 * MIB);
    assert!(
        about.blocks() * 512 < 80 * MIB,
        "sparse, but {} bytes are allocated",
        about.blocks() * 512
    );
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("lists").count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn the_same_identity_makes_the_same_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let digest = |name: &str, identity: u8| {
        let disk = directory.path().join(name);
        data_disk::create(&disk, 256 * MIB, &[identity; 16]).expect("made");
        said("sha256sum", &["--binary"], &disk)
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    let first = digest("first", 1);
    assert_eq!(first, digest("again", 1));
    assert_ne!(first, digest("other", 2));
}

#[test]
fn an_impossible_size_is_refused_and_nothing_is_left() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for bytes in [0, 100 * MIB, 256 * MIB + 512] {
        let error =
            data_disk::create(&directory.path().join("data.img"), bytes, &[0; 16]).expect_err("refused");
        assert!(matches!(error, Error::DataDiskSize { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("lists").count(), 0);
}

#[test]
fn several_partitions_and_a_torn_primary_table() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk = directory.path().join("slots.img");
    let blocks = 64 * MIB / gpt::BLOCK;
    let identity = [9; 16];
    let partition = |name: &str, first, last| Partition {
        kind: Guid::LINUX_FILESYSTEM,
        identity: Guid::derived(&identity, name),
        name: name.to_owned(),
        first,
        last,
    };
    let partitions = [
        partition("slot A", 2048, 34815),
        partition("slot B", 34816, gpt::last_usable(blocks)),
    ];
    let tables = gpt::tables(blocks, Guid::derived(&identity, "disk"), &partitions).expect("fits");
    let mut image = tables.primary.clone();
    image.resize(usize::try_from(64 * MIB).expect("fits") - tables.backup.len(), 0);
    image.extend_from_slice(&tables.backup);
    std::fs::write(&disk, &image).expect("written");
    let verdict = said("sgdisk", &["--verify"], &disk);
    assert!(verdict.contains("No problems found"), "{verdict}");

    // The backup alone has to be enough.
    image[512..1024].fill(0);
    std::fs::write(&disk, &image).expect("written");
    let listing = said("sgdisk", &["--print"], &disk);
    assert!(
        listing.contains("slot A") && listing.contains("slot B"),
        "{listing}"
    );
}

#[test]
fn partitions_that_do_not_fit_are_refused() {
    let blocks = 64 * MIB / gpt::BLOCK;
    let partition = |name: &str, first, last| Partition {
        kind: Guid::LINUX_FILESYSTEM,
        identity: Guid([1; 16]),
        name: name.to_owned(),
        first,
        last,
    };
    let good = partition("good", 2048, 4095);
    for (why, partitions) in [
        ("overlap", vec![good.clone(), partition("bad", 4095, 8191)]),
        ("inside the table", vec![partition("bad", 33, 2047)]),
        (
            "behind the end",
            vec![partition("bad", 2048, gpt::last_usable(blocks) + 1)],
        ),
        ("backwards", vec![partition("bad", 4096, 4095 - 1)]),
        ("a long name", vec![partition(&"n".repeat(37), 2048, 4095)]),
    ] {
        let error = gpt::tables(blocks, Guid([0; 16]), &partitions).expect_err(why);
        assert!(matches!(error, Error::Partition { .. }), "{why}: {error}");
    }
    gpt::tables(blocks, Guid([0; 16]), &[good]).expect("the good one alone fits");
}
