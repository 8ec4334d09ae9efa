//! ISO 9660 images nobody here wrote, in our reader and checker: all files equal, no false alarm.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod check_support;
mod common;

use check_support::foreign::{assert_same, foreign, read_all, source_directory};
use check_support::{check_session, counted};
use common::{BLOCK, ImageFile, Item, directory_items, run};
use discfs::{Fault, View, Volume};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

/// Faults that these programs are known for, notes all of them.
const QUIRKS: [Fault; 5] = [
    Fault::TooDeep,
    Fault::ParentIsItself,       // xorriso, in Joliet
    Fault::SetIdentifiersDiffer, // genisoimage and pycdlib, in UDF
    Fault::RelocationEarlier,    // genisoimage -M
    Fault::UniqueIdsDiffer,
];

/// No finding but known quirks.
fn is_sound(image: &Path, session: u64) {
    let (findings, summary) = check_session(&mut ImageFile::open(image), session);
    let known = findings.0.iter().all(|finding| QUIRKS.contains(&finding.fault));
    assert!(
        known && summary.is_sound() && summary.warnings == 0,
        "{} at {session}: {summary:?}\n{}",
        image.display(),
        findings.text()
    );
}

#[test]
fn xorriso_rock_ridge() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, expected) = foreign(
        scratch.path(),
        "xorriso",
        "-as mkisofs -quiet -R -J -V LABEL -o OUT IN",
    );
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!((volume.view(), volume.label()), (View::RockRidge, "LABEL"));
    assert_same(&expected, &read_all(&mut volume));
    is_sound(&image, 0);
}

#[test]
fn genisoimage_with_relocated_directories() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, expected) = foreign(
        scratch.path(),
        "genisoimage",
        "-quiet -R -hide-rr-moved -udf -V LABEL -o OUT IN",
    );
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!(volume.view(), View::RockRidge);
    let mut found = read_all(&mut volume);
    found.retain(|path, _| !path.starts_with(b".rr_moved"));
    assert_same(&expected, &found);
    is_sound(&image, 0);
}

#[test]
fn genisoimage_udf() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, mut expected) = foreign(
        scratch.path(),
        "genisoimage",
        "-quiet -R -D -udf -V LABEL -o OUT IN",
    );
    let mut volume = Volume::open_view(ImageFile::open(&image), 0, View::Udf).unwrap();
    assert_eq!(volume.label(), "LABEL");
    // genisoimage writes no symbolic links to UDF.
    expected.retain(|_, item| !matches!(item, Item::Symlink(_)));
    let mut found = read_all(&mut volume);
    found.retain(|path, _| expected.contains_key(path) || !path.starts_with(b"names/"));
    assert_same(&expected, &found);
    is_sound(&image, 0);
}

#[test]
fn plain_iso_9660_in_capitals() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, expected) = foreign(
        scratch.path(),
        "genisoimage",
        "-quiet -D -f -iso-level 3 -m names -o OUT IN",
    );
    let mut volume = Volume::open(ImageFile::open(&image), 0).unwrap();
    assert_eq!(volume.view(), View::Iso9660);
    let found = read_all(&mut volume);
    assert!(found[&b"SIZES/300000"[..]] == expected[&b"sizes/300000"[..]]);
    is_sound(&image, 0);
}

/// Files of a view that have bytes, by these: names differ between views by rule.
fn by_bytes(items: &BTreeMap<Vec<u8>, Item>) -> Vec<&[u8]> {
    let mut files: Vec<&[u8]> = items
        .values()
        .filter_map(|item| match item {
            Item::File(bytes) if !bytes.is_empty() => Some(&bytes[..]),
            _ => None,
        })
        .collect();
    files.sort_unstable();
    files
}

#[test]
fn joliet_shows_unicode_names_and_all_files() {
    for program in ["xorriso -as mkisofs", "genisoimage"] {
        let scratch = tempfile::tempdir().unwrap();
        let (program, first) = program.split_once(' ').unwrap_or((program, "-quiet"));
        let arguments = format!("{first} -R -J -joliet-long -input-charset UTF-8 -V Label -o OUT IN");
        let arguments = arguments.replace("-as -R", "-as mkisofs -R");
        let (image, expected) = foreign(scratch.path(), program, &arguments);
        let mut source = ImageFile::open(&image);
        assert_eq!(
            Volume::views(&mut source, 0),
            [View::RockRidge, View::Joliet, View::Iso9660]
        );
        let mut volume = Volume::open_view(source, 0, View::Joliet).unwrap();
        assert_eq!((volume.view(), volume.label()), (View::Joliet, "Label"));
        let found = read_all(&mut volume);
        assert!(found.contains_key("names/Größe 漢字.txt".as_bytes()), "{program}");
        // genisoimage has empty files for symbolic links.
        assert!(by_bytes(&found) == by_bytes(&expected), "{program}");
        is_sound(&image, 0);
    }
}

/// As growisofs does, which lets genisoimage write the further session; `overwritable` has its volume descriptors at the
/// start of the disc too, as growisofs leaves DVD+RW.
fn further_session(scratch: &Path, overwritable: bool) -> (std::path::PathBuf, u64) {
    let source = source_directory(scratch);
    std::fs::remove_file(source.join("names/long link")).unwrap();
    let new = scratch.join("new");
    std::fs::create_dir(&new).unwrap();
    std::fs::write(new.join("later"), common::noise(5, 70_000)).unwrap();
    let os = OsStr::new;
    run(
        "genisoimage",
        &["-quiet", "-R", "-J", "-D", "-o", "disc.img", "source"].map(os),
        scratch,
    );
    let image = scratch.join("disc.img");
    let mut disc = std::fs::read(&image).unwrap();
    let start = (disc.len() / BLOCK).next_multiple_of(16);
    let place = format!("0,{start}");
    let arguments = [
        "-quiet", "-R", "-J", "-D", "-C", &place, "-M", "disc.img", "-o", "second", "new",
    ];
    run("genisoimage", &arguments.map(os), scratch);
    let second = std::fs::read(scratch.join("second")).unwrap();
    disc.resize(start * BLOCK, 0);
    disc.extend(&second);
    if overwritable {
        disc[16 * BLOCK..19 * BLOCK].copy_from_slice(&second[16 * BLOCK..19 * BLOCK]);
    }
    std::fs::write(&image, disc).unwrap();
    (image, start as u64)
}

#[test]
fn growisofs_sessions_newest_and_oldest() {
    for overwritable in [false, true] {
        let scratch = tempfile::tempdir().unwrap();
        let (image, start) = further_session(scratch.path(), overwritable);
        let first = directory_items(&scratch.path().join("source"));
        let mut both = first.clone();
        both.extend(directory_items(&scratch.path().join("new")));
        let mut source = ImageFile::open(&image);
        let sessions = Volume::sessions(&mut source);
        // What describes the first session is overwritten where there is but one place for it.
        assert_eq!(sessions, if overwritable { vec![start] } else { vec![0, start] });
        let newest = sessions.len() - 1;
        assert_same(
            &both,
            &read_all(&mut Volume::open_session(&mut source, newest).unwrap()),
        );
        is_sound(&image, start);
        let front = if overwritable { &both } else { &first };
        assert_same(front, &read_all(&mut Volume::open(&mut source, 0).unwrap()));
        is_sound(&image, 0);
        assert!(Volume::open_session(source, 7).is_err());
    }
}

#[test]
fn xorriso_sessions_each_by_its_number() {
    let scratch = tempfile::tempdir().unwrap();
    let source = source_directory(scratch.path());
    let steps = "-outdev stdio:disc.img -blank as_needed -map source / -commit -mkdir /more -- -commit -rm_r /many -- -commit";
    let arguments: Vec<&OsStr> = steps.split(' ').map(OsStr::new).collect();
    run("xorriso", &arguments, scratch.path());
    let image = scratch.path().join("disc.img");
    let mut disc = ImageFile::open(&image);
    let sessions = Volume::sessions(&mut disc);
    assert_eq!(sessions.len(), 3);
    let mut expected = directory_items(&source);
    for (number, &session) in sessions.iter().enumerate() {
        match number {
            1 => drop(expected.insert(b"more".to_vec(), Item::Directory)),
            2 => expected.retain(|path, _| !path.starts_with(b"many")),
            _ => {}
        }
        let mut volume = Volume::open_session(&mut disc, number).unwrap();
        assert_same(&expected, &read_all(&mut volume));
        is_sound(&image, session);
    }
    assert_same(&expected, &read_all(&mut Volume::open(&mut disc, 0).unwrap()));
}

/// Writes a tree with pycdlib: files of some sizes, and enough of them to fill blocks of directories.
const PYCDLIB: &str = r#"
import sys
from io import BytesIO
import pycdlib
name, views = sys.argv[1], sys.argv[2].split(",")
options = {"rock_ridge": "1.12", "joliet": 3, "udf": "2.60"}
iso = pycdlib.PyCdlib()
iso.new(interchange_level=3, **{view: options[view] for view in views if view in options})
def names(path):
    also = {}
    if "rock_ridge" in views: also["rr_name"] = path.split("/")[-1]
    if "joliet" in views: also["joliet_path"] = "/" + path
    if "udf" in views: also["udf_path"] = "/" + path
    return also
iso.add_directory("/D", **names("d"))
for number in range(100):
    data = b"%d;" % number * (number * 7 if number < 90 else number * 300)
    iso.add_fp(BytesIO(data), len(data), "/D/F%03d.;1" % number, **names("d/file %03d" % number))
iso.write(name)
"#;

#[test]
fn pycdlib_in_every_view() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("make.py"), PYCDLIB).unwrap();
    for views in ["plain", "rock_ridge", "joliet", "udf", "rock_ridge,joliet,udf"] {
        let os = OsStr::new;
        run(
            "/usr/bin/python3",
            &["make.py", "disc.img", views].map(os),
            scratch.path(),
        );
        let image = scratch.path().join("disc.img");
        let mut source = ImageFile::open(&image);
        let shown = Volume::views(&mut source, 0);
        assert_eq!(
            shown.len(),
            views.split(',').filter(|&view| view != "plain").count() + 1,
            "{views}"
        );
        for view in shown {
            let mut volume = Volume::open_view(&mut source, 0, view).unwrap();
            let found = read_all(&mut volume);
            assert_eq!(found.len(), 101, "{views} as {view}");
            for number in 0..100_usize {
                let times = if number < 90 { number * 7 } else { number * 300 };
                let bytes = format!("{number};").repeat(times).into_bytes();
                let long = format!("d/file {number:03}");
                let path = if view == View::Iso9660 {
                    format!("D/F{number:03}")
                } else {
                    long
                };
                assert!(
                    found[path.as_bytes()] == Item::File(bytes),
                    "{views} as {view}: {path}"
                );
            }
        }
        is_sound(&image, 0);
    }
}

#[test]
fn known_quirks_are_told_as_notes() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, _) = foreign(
        scratch.path(),
        "xorriso",
        "-as mkisofs -quiet -R -J -V LABEL -o OUT IN",
    );
    let (findings, summary) = check_session(&mut ImageFile::open(&image), 0);
    assert!(summary.notes > 0 && counted(&findings).contains_key(&Fault::ParentIsItself));
}
