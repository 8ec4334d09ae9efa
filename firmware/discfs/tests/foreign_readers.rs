//! Our images in readers nobody here wrote: every file, name and link is compared.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod common;

use common::{Item, Sample, author, author_with, compare, directory_items, options, run};
use discfs::{Format, Options, UdfRevision};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

fn long(character: char, bytes: usize) -> String {
    std::iter::repeat_n(character, bytes / character.len_utf8()).collect()
}

/// Everything that tends to go wrong, with names every view shows as they are.
fn difficult() -> Sample {
    let mut sample = Sample::default();
    for length in [0, 1, 2047, 2048, 2049, 4096, 65_536, 100_001] {
        sample.file(format!("sizes/{length} bytes.bin"), length);
    }
    sample.directory("empty directory");
    for length in [100, 130, 131, 132, 133, 134, 140, 160, 200, 240, 250, 251, 254] {
        sample.file(format!("long/{}", long('n', length)), 10);
        sample.file(format!("long/{}.tar.gz", long('x', length - 7)), 11);
    }
    sample.file(format!("long/{}", long('ü', 252)), 12);
    sample.file(format!("long/{}", long('漢', 252)), 13);
    for name in [
        "Größe.txt",
        "日本語.txt",
        "Ελληνικά",
        "mixed Ü漢",
        "UPPER",
        "upper",
        "Upper.txt",
        "UPPER.TXT",
    ] {
        sample.file(format!("names/{name}"), 20);
    }
    for name in [
        "a;1",
        "a b  c",
        "trailing.",
        "two..dots",
        ".hidden",
        "-",
        "-rf",
        "#1",
        "~",
        "a'b\"c",
        "[x]*?",
    ] {
        sample.file(format!("names/{name}"), 21);
    }
    sample.file("-", 22);
    let deep: Vec<String> = (1..=40).map(|level| format!("level {level}")).collect();
    for depth in 1..=40 {
        sample.file(format!("{}/file", deep[..depth].join("/")), depth * 100);
    }
    for number in 0..3000 {
        sample.file(
            format!("thousands/a file with a common long beginning {number:05}.data"),
            number % 70,
        );
    }
    for number in 0..300 {
        sample.file(format!("directories/d{number}/f"), 3);
    }
    for (name, target) in [
        ("relative", "../sizes/1 bytes.bin"),
        ("absolute", "/usr/share/doc"),
        ("dot", "."),
        ("up", "../.."),
        ("dangling", "no/such/./file"),
        ("non-ascii", "größe/漢字"),
    ] {
        sample.symlink(format!("links/{name}"), target);
    }
    sample.symlink(
        "links/long",
        long('t', 255) + "/" + &long('u', 255) + "/../" + &long('v', 200),
    );
    sample.symlink("links/steps", "../ab/".repeat(120) + "end");
    sample.symlink(format!("links/{}", long('l', 254)), long('w', 250));
    sample.file("hard/original", 5000);
    for number in 0..20 {
        sample.link(format!("hard/link {number}"), "hard/original");
    }
    sample
}

/// As [`difficult`], with names that only Rock Ridge keeps.
fn raw_names() -> Sample {
    let mut sample = difficult();
    sample.file([b"raw/", &[0xE9, b't', 0xE9][..]].concat(), 30);
    sample.file([b"raw/", &[0xFF, 0xFE, 0x80, b'\n', b'\\'][..]].concat(), 31);
    sample.file(["raw/".as_bytes(), long('y', 255).as_bytes()].concat(), 32);
    sample.file(["raw/\u{1F4BF} disc \u{10FFFF}".as_bytes()].concat(), 33);
    sample.symlink("raw/link", [0xE9, b'/', 0xFF]);
    sample
}

fn extraction(sample: &Sample, extract: impl FnOnce(&Path, &Path)) -> BTreeMap<Vec<u8>, Item> {
    extraction_with(sample, &options(), extract)
}

fn extraction_with(
    sample: &Sample,
    options: &Options,
    extract: impl FnOnce(&Path, &Path),
) -> BTreeMap<Vec<u8>, Item> {
    let scratch = tempfile::tempdir().unwrap();
    let image = author_with(sample, options, scratch.path());
    let out = scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    extract(&image, &out);
    let items = directory_items(&out);
    // What cannot be entered cannot be removed either.
    run(
        "chmod",
        &["-R".as_ref(), "u+rwX".as_ref(), out.as_ref()],
        scratch.path(),
    );
    items
}

#[test]
fn bsdtar_extracts_rock_ridge() {
    let mut sample = raw_names();
    // libarchive loses the `/` when `..` begins the second entry of a long target.
    sample.items.remove(&b"links/steps"[..]);
    let found = extraction(&sample, |image, out| {
        run("bsdtar", &["-xf".as_ref(), image.as_ref()], out);
        let arguments = ["--quiet", "-c", ".spindle/SHA256SUMS"].map(OsStr::new);
        assert_eq!(run("sha256sum", &arguments, out), "");
    });
    compare(&sample.items, &found);
}

#[test]
fn xorriso_extracts_rock_ridge() {
    let sample = raw_names();
    let found = extraction(&sample, |image, out| {
        let device = format!("stdio:{}", image.display());
        let arguments = [
            "-abort_on",
            "WARNING",
            "-indev",
            &device,
            "-osirrox",
            "on",
            "-extract",
            "/",
            "tree",
        ];
        run("xorriso", &arguments.map(OsStr::new), out);
        for entry in std::fs::read_dir(out.join("tree")).unwrap() {
            let entry = entry.unwrap();
            std::fs::rename(entry.path(), out.join(entry.file_name())).unwrap();
        }
        std::fs::remove_dir(out.join("tree")).unwrap();
    });
    compare(&sample.items, &found);
}

fn seven_zip(kind: &str) -> impl FnOnce(&Path, &Path) {
    let kind = format!("-t{kind}");
    move |image, out| {
        let arguments = ["x", "-y", "-snld", &kind].map(OsStr::new);
        run("7z", &[&arguments[..], &[image.as_ref()]].concat(), out);
    }
}

#[test]
fn seven_zip_extracts_rock_ridge() {
    let mut sample = difficult();
    // 7-Zip reads no continuation areas and so no names over about 120 bytes, and changes links that lead
    // out of where it extracts to.
    sample.items.retain(|path, item| match item {
        Item::Symlink(_) => {
            [&b"links/relative"[..], b"links/dangling", b"links/non-ascii"].contains(&&path[..])
        }
        // Nor does it keep what looks like the version of an ISO 9660 name.
        _ if path.ends_with(b";1") || path.ends_with(b".") => false,
        _ => path.split(|&byte| byte == b'/').all(|name| name.len() <= 120),
    });
    let iso = Options {
        format: Format::Iso,
        joliet: false,
        ..options()
    };
    compare(&sample.items, &extraction_with(&sample, &iso, seven_zip("iso")));
}

/// Names as Joliet's rules make them, where none of them collide.
fn in_joliet(path: &[u8]) -> Vec<u8> {
    let name = |name: &str| {
        let mut name: String = name
            .chars()
            .map(|c| {
                if "*:;?\\".contains(c) || u32::from(c) > 0xFFFF {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        if name.ends_with('.') {
            name.pop();
            name.push('_');
        }
        name
    };
    let text = std::str::from_utf8(path).unwrap();
    text.split('/')
        .map(name)
        .collect::<Vec<_>>()
        .join("/")
        .into_bytes()
}

#[test]
fn seven_zip_extracts_joliet() {
    let mut sample = difficult();
    // Without links, and without the long names, all of whose beginnings are alike.
    sample.items.retain(|path, item| {
        !matches!(item, Item::Symlink(_)) && !path.starts_with(b"long/") && !path.starts_with(b"links/")
    });
    sample.file("planes/\u{1F4BF} disc \u{10FFFF}", 33);
    let found = extraction(&sample, seven_zip("iso"));
    let expected = sample
        .items
        .iter()
        .map(|(path, item)| (in_joliet(path), item.clone()));
    compare(&expected.collect(), &found);
}

#[test]
fn joliet_names_are_cut_and_numbered() {
    let mut sample = Sample::default();
    let (x, han) = (long('x', 80), long('漢', 240));
    let names = [
        format!("{x}a.txt"),
        format!("{x}b.txt"),
        han,
        long('n', 64),
        long('n', 65),
        "a.".into(),
        "a_".into(),
        "b?".into(),
        "b*".into(),
    ];
    for (length, name) in names.iter().enumerate() {
        sample.file(name.as_bytes(), length);
    }
    sample.directory("z");
    let scratch = tempfile::tempdir().unwrap();
    let image = author(&sample, scratch.path());
    let arguments = ["-J", "-f", "-i"].map(OsStr::new);
    let text = run(
        "isoinfo",
        &[&arguments[..], &[image.as_ref()]].concat(),
        scratch.path(),
    );
    let mut listed: Vec<&str> = text.lines().collect();
    listed.sort_unstable();
    let n = long('n', 64);
    let mut expected = [
        format!("/{}.txt;1", long('x', 60)),
        format!("/{}#4.txt;1", long('x', 58)),
        format!("/{};1", long('_', 64)), // isoinfo has no other sign for it
        format!("/{n};1"),
        format!("/{}#3;1", long('n', 62)),
        "/a_;1".into(),
        "/a.#1;1".into(),
        "/b_;1".into(),
        "/b_#2;1".into(),
        "/z".into(),
        "/.spindle".into(),
        "/.spindle/SHA256SUMS;1".into(),
        "/.spindle/catalog.txt;1".into(),
    ];
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

#[test]
fn bsdtar_reads_joliet_when_told_to() {
    let mut sample = difficult();
    sample.items.retain(|path, item| {
        let short = path.split(|&byte| byte == b'/').all(|name| name.len() <= 64);
        short && !matches!(item, Item::Symlink(_)) && in_joliet(path) == *path
    });
    let found = extraction(&sample, |image, out| {
        let arguments = ["--options", "iso9660:!rockridge", "-xf"].map(OsStr::new);
        run("bsdtar", &[&arguments[..], &[image.as_ref()]].concat(), out);
    });
    compare(&sample.items, &found);
}

#[test]
fn seven_zip_extracts_udf() {
    let sample = difficult();
    let found = extraction(&sample, |image, out| {
        run(
            "7z",
            &["x".as_ref(), "-y".as_ref(), "-tudf".as_ref(), image.as_ref()],
            out,
        );
    });
    let mut expected = sample.items;
    expected.retain(|_, item| !matches!(item, Item::Symlink(_))); // as Options::udf_symlinks says
    compare(&expected, &found);
}

#[test]
fn udfinfo_finds_nothing_wrong() {
    let scratch = tempfile::tempdir().unwrap();
    let image = author(&difficult(), scratch.path());
    let text = run("udfinfo", &[image.as_ref()], scratch.path());
    assert!(!text.contains("Warning") && !text.contains("Error"), "{text}");
    for line in [
        "label=Spindle Test",
        "udfrev=1.02",
        "integrity=closed",
        "accesstype=readonly",
        "blocksize=2048",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    let anchors = text.lines().filter(|line| line.contains("type=ANCHOR")).count();
    assert_eq!(anchors, 2, "{text}");
}

#[test]
fn udf_2_01_alone() {
    let mut sample = difficult();
    let options = Options {
        format: Format::Udf,
        udf_revision: UdfRevision::V2_01,
        ..options()
    };
    let scratch = tempfile::tempdir().unwrap();
    let image = author_with(&sample, &options, scratch.path());
    let text = run("udfinfo", &[image.as_ref()], scratch.path());
    assert!(!text.contains("Warning") && !text.contains("Error"), "{text}");
    assert!(
        text.contains("udfrev=2.01") && text.contains("integrity=closed"),
        "{text}"
    );
    let text = run("blkid", &["-p".as_ref(), image.as_ref()], scratch.path());
    assert!(
        text.contains("TYPE=\"udf\"") && text.contains("VERSION=\"2.01\""),
        "{text}"
    );
    sample.items.retain(|_, item| !matches!(item, Item::Symlink(_))); // 7-Zip refuses a UDF with one
    compare(
        &sample.items,
        &extraction_with(&sample, &options, seven_zip("udf")),
    );
}

#[test]
fn bridge_with_udf_2_01() {
    let mut sample = difficult();
    sample.items.retain(|path, item| {
        !matches!(item, Item::Symlink(_)) && !path.starts_with(b"thousands") && !path.starts_with(b"links")
    });
    let options = Options {
        udf_revision: UdfRevision::V2_01,
        ..options()
    };
    compare(
        &sample.items,
        &extraction_with(&sample, &options, seven_zip("udf")),
    );
}

#[test]
fn iso_9660_alone() {
    let sample = difficult();
    let options = Options {
        format: Format::Iso,
        ..options()
    };
    let scratch = tempfile::tempdir().unwrap();
    let image = author_with(&sample, &options, scratch.path());
    let text = run("blkid", &["-p".as_ref(), image.as_ref()], scratch.path());
    assert!(text.contains("TYPE=\"iso9660\""), "{text}");
    let device = format!("stdio:{}", image.display());
    let arguments = [
        "-abort_on",
        "WARNING",
        "-indev",
        &device,
        "-find",
        "/",
        "-type",
        "f",
    ];
    let text = run("xorriso", &arguments.map(OsStr::new), scratch.path());
    let listed = text.lines().filter(|line| line.starts_with("'/")).count();
    let files = sample.items.values().filter(|item| matches!(item, Item::File(_)));
    assert_eq!(listed, files.count() + 2, "files that xorriso lists");
}

#[test]
fn isoinfo_lists_every_name() {
    let scratch = tempfile::tempdir().unwrap();
    let sample = difficult();
    let image = author(&sample, scratch.path());
    let text = run(
        "isoinfo",
        &["-f".as_ref(), "-R".as_ref(), "-i".as_ref(), image.as_ref()],
        scratch.path(),
    );
    let listed: std::collections::BTreeSet<&str> = text.lines().collect();
    for path in sample.items.keys() {
        let path = format!("/{}", String::from_utf8_lossy(path));
        assert!(listed.contains(&path[..]), "{path} is not listed");
    }
    let text = run(
        "isoinfo",
        &["-d".as_ref(), "-i".as_ref(), image.as_ref()],
        scratch.path(),
    );
    assert!(
        text.contains("Volume id: SPINDLE_TEST") && text.contains("Rock Ridge"),
        "{text}"
    );
}

#[test]
fn blkid_knows_the_disc() {
    let scratch = tempfile::tempdir().unwrap();
    let image = author(&Sample::default(), scratch.path());
    let text = run("blkid", &["-p".as_ref(), image.as_ref()], scratch.path());
    assert!(
        text.contains("TYPE=\"udf\"") || text.contains("TYPE=\"iso9660\""),
        "{text}"
    );
}

#[test]
fn bsdtar_shows_attributes_and_links() {
    let scratch = tempfile::tempdir().unwrap();
    let image = author(&difficult(), scratch.path());
    let text = run("bsdtar", &["-tvf".as_ref(), image.as_ref()], scratch.path());
    let line = |name: &str| text.lines().find(|line| line.ends_with(name)).map(str::to_owned);
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let file = words(line("sizes/2049 bytes.bin").unwrap());
    assert_eq!(file[..5], ["-rw-r-----", "1", "1000", "100", "2049"]);
    assert_eq!(file[5..8], ["Feb", "3", "2001"]);
    let links = text
        .lines()
        .filter(|line| line.contains("hard/") && line.contains(" link to "));
    assert_eq!(links.count(), 20, "{text}");
}
