//! The power fails between any two lines: each state is copied as the disk has it, and opened.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;
use wire::{Entry, EntryKind, Time};

use super::*;
use crate::catalog::{DiscRecord, EntryRecord, JobRecord, MapRecord, Mode, Recording, sort_key};

const DISC: [u8; 16] = [7; 16];

fn open(path: &Path) -> Data {
    Data::open(File::open(path).unwrap().into()).unwrap()
}

fn new() -> (TempDir, Data) {
    let directory = tempfile::tempdir().unwrap();
    let data = open(directory.path());
    (directory, data)
}

/// What a start after a power cut finds; a process that is killed leaves the same.
fn restart(directory: &TempDir) -> (TempDir, Data) {
    let copy = tempfile::tempdir().unwrap();
    let from = format!("{}/.", directory.path().display());
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(copy.path())
        .status();
    assert!(copied.expect("cp is part of every Debian").success());
    let data = open(copy.path());
    (copy, data)
}

fn write(data: &Data, tree: u64, path: &str) {
    let directory = data.staging.work_tree(tree).unwrap();
    directory.make_parents(path.as_bytes()).unwrap();
    let file = directory.create_file(path.as_bytes(), 1).unwrap();
    File::from(file).write_all(b"x").unwrap();
}

fn finish(data: &Data, tree: u64, paths: &[&str]) {
    let entry = |path: &&str| {
        let kind = if path.ends_with('d') {
            EntryKind::Directory
        } else {
            EntryKind::File
        };
        let record = EntryRecord::new(&Entry {
            kind: kind.number(),
            size: 1,
            ..Entry::default()
        });
        (sort_key(path.as_bytes()), record)
    };
    let files = paths.len() as u64;
    data.catalog
        .finish_put(tree, &paths.iter().map(entry).collect(), files, files, 0)
        .unwrap();
}

fn begin_burns(data: &Data, tree: u64, drives: &[u32], wanted: Option<u32>) -> Vec<u64> {
    let order = Order::Record(Recording {
        tree,
        label: String::new(),
        mode: Mode::New,
        finalise: false,
        speed: 0,
        in_a_row: false,
    });
    let record = |drive: &u32| JobRecord {
        order: order.clone(),
        drive: *drive,
        identity: String::new(),
        priority: 1,
        created: Time::default(),
        disc: DISC,
        group: 0,
        ending: None,
    };
    let records = drives.iter().map(record).collect();
    let begun = data.catalog.begin_jobs(records, wanted).unwrap().unwrap();
    begun.into_iter().map(|(job, _)| job).collect()
}

fn begin_burn(data: &Data, tree: u64) -> u64 {
    begin_burns(data, tree, &[0], None)[0]
}

/// The session is on the disc; `proved` when it was read back, whether that is enough.
fn wrote(data: &Data, job: u64, tree: u64, proved: bool, id: [u8; 16]) -> bool {
    let write = WriteRecord {
        first: 0,
        blocks: 32,
        cluster: 32,
        base: None,
        view: String::new(),
        id,
        label: String::new(),
        media_id: String::new(),
        verified: false,
    };
    data.catalog.begin_write(job, &write).unwrap();
    let disc = DiscRecord {
        label: "L".into(),
        profile: 0x41,
        media_id: String::new(),
        created: Time::default(),
        sessions: Vec::new(),
        verified: 1,
    };
    let map = MapRecord::default();
    let fingerprint = [id[0]; 32];
    proved
        && data
            .catalog
            .verified(job, tree, id, &disc, fingerprint, &map)
            .unwrap()
}

fn outcome(data: &Data, job: u64) -> u16 {
    data.catalog.job(job).unwrap().unwrap().ending.unwrap().outcome
}

/// The tree is open, has exactly these files, and can be burned.
fn assert_open(data: &Data, tree: u64, paths: &[&str]) {
    let record = data.catalog.tree(tree).unwrap().unwrap();
    assert_eq!((record.state, record.receiving), (TreeState::Open, false));
    let mut left = Vec::new();
    let directory = data.staging.work_tree(tree).unwrap();
    directory
        .walk(|path| {
            left.push(String::from_utf8(path.to_vec()).unwrap());
            true
        })
        .unwrap();
    left.sort();
    assert_eq!(left, paths);
    let page = data.catalog.page(tree, b"", u32::MAX, None, usize::MAX).unwrap();
    assert_eq!(page.entries.len(), paths.len());
    assert_eq!(data.catalog.newest_open_tree().unwrap(), Some(tree));
}

#[test]
fn a_put_is_whole_or_was_never_there() {
    let (directory, data) = new();
    let gone = |tree| {
        let (copy, data) = restart(&directory);
        assert!(data.catalog.tree(tree).unwrap().is_none());
        assert_eq!(std::fs::read_dir(copy.path().join("work")).unwrap().count(), 0);
    };
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    gone(tree);
    drop(data.staging.work_tree(tree).unwrap());
    gone(tree);
    write(&data, tree, "d/a");
    gone(tree);
    data.staging.sync().unwrap();
    gone(tree);
    finish(&data, tree, &["d", "d/a"]);
    assert_open(&restart(&directory).1, tree, &["d", "d/a"]);
}

#[test]
fn a_further_put_that_is_cut_short_leaves_the_first() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    data.catalog
        .change_tree(tree, |record| record.receiving = true)
        .unwrap();
    assert_open(&restart(&directory).1, tree, &["a"]);
    write(&data, tree, "e/b");
    assert_open(&restart(&directory).1, tree, &["a"]);
}

#[test]
fn a_directory_nobody_knows_is_removed() {
    let (directory, data) = new();
    std::fs::create_dir_all(directory.path().join("work/99/x")).unwrap();
    std::fs::create_dir_all(directory.path().join("work/not-a-number")).unwrap();
    drop(data);
    let (copy, _data) = restart(&directory);
    assert!(!copy.path().join("work/99").exists() && copy.path().join("work/not-a-number").exists());
}

#[test]
fn a_burn_that_is_cut_short_gives_its_tree_back() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    let job = begin_burn(&data, tree);
    let interrupted = || {
        let (_copy, data) = restart(&directory);
        assert_open(&data, tree, &["a"]);
        let ending = data.catalog.job(job).unwrap().unwrap().ending.unwrap();
        assert_eq!(ending.outcome, Outcome::Interrupted.number());
        assert!(ending.failure.is_some_and(|failure| !failure.remedy.is_empty()));
        assert_eq!(ending.summary.disc_id, DISC);
        assert!(data.catalog.events(1).unwrap()[0].1.what.contains("interrupted"));
        // The next burn of the same tree is possible, and has another number.
        assert!(begin_burn(&data, tree) > job);
    };
    interrupted();
    data.staging.freeze(tree, job).unwrap();
    interrupted();
    data.staging.thaw(tree, job).unwrap();
    interrupted();
}

#[test]
fn archived_is_never_taken_back_and_makes_room() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    let job = begin_burn(&data, tree);
    data.staging.freeze(tree, job).unwrap();
    assert!(wrote(&data, job, tree, true, DISC));
    let archived = || {
        let (copy, data) = restart(&directory);
        assert_eq!(
            data.catalog.tree(tree).unwrap().unwrap().state,
            TreeState::Archived(DISC)
        );
        assert_eq!(outcome(&data, job), Outcome::Archived.number());
        let known = data.catalog.find_disc([DISC[0]; 32]).unwrap();
        assert_eq!(known.unwrap().0, DISC);
        assert!(!copy.path().join(format!("jobs/{job}/tree")).exists());
        assert!(copy.path().join(format!("jobs/{job}")).exists());
        assert!(data.catalog.entry(tree, b"a").unwrap().is_some());
    };
    archived();
    data.staging.remove_frozen_tree(job).unwrap();
    archived();
}

#[test]
fn a_burn_cut_short_keeps_its_tree_frozen_until_it_is_taken_up() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    let job = begin_burn(&data, tree);
    data.staging.freeze(tree, job).unwrap();
    wrote(&data, job, tree, false, DISC);
    let (_copy, data) = restart(&directory);
    let interrupted = data.interrupted.lock();
    assert_eq!(interrupted.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [job]);
    assert!(data.staging.is_frozen(job));
    let state = data.catalog.tree(tree).unwrap().unwrap().state;
    assert_eq!(state, TreeState::Claimed(job));
}

#[test]
fn as_many_discs_archive_as_are_asked_for() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    let jobs = begin_burns(&data, tree, &[0, 1], Some(2));
    data.staging.freeze(tree, jobs[0]).unwrap();
    assert!(!wrote(&data, jobs[0], tree, true, [1; 16]));
    assert!(!wrote(&data, jobs[0], tree, true, [1; 16]), "a disc counts once");
    {
        // Cut off here, the first is burned, and the tree as it was.
        let (_copy, data) = restart(&directory);
        assert_eq!(outcome(&data, jobs[0]), Outcome::Burned.number());
        assert_eq!(outcome(&data, jobs[1]), Outcome::Interrupted.number());
        let record = data.catalog.tree(tree).unwrap().unwrap();
        assert_eq!((record.state, record.discs.len()), (TreeState::Open, 1));
        let again = begin_burn(&data, tree);
        assert!(wrote(&data, again, tree, true, [3; 16]), "it wants one more");
    }
    assert!(wrote(&data, jobs[1], tree, true, [2; 16]));
    let (_copy, data) = restart(&directory);
    assert_eq!(outcome(&data, jobs[0]), Outcome::Archived.number());
    assert_eq!(outcome(&data, jobs[1]), Outcome::Archived.number());
}

#[test]
fn a_catalog_that_was_never_finished_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("catalog.redb.new"), b"half").unwrap();
    let box_id = open(directory.path()).catalog.box_id();
    assert_ne!(box_id, [0; 16]);
    assert_eq!(open(directory.path()).catalog.box_id(), box_id);
}

#[test]
fn a_damaged_catalog_is_told_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("catalog.redb"), vec![b'?'; 8192]).unwrap();
    let opened = Data::open(File::open(directory.path()).unwrap().into());
    assert!(matches!(opened, Err(Refusal::Catalog(_))));
    assert_eq!(
        std::fs::read(directory.path().join("catalog.redb")).unwrap(),
        vec![b'?'; 8192]
    );
}

#[test]
fn trees_without_their_catalog_are_left_alone() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    drop(data);
    std::fs::remove_file(directory.path().join("catalog.redb")).unwrap();
    for _ in 0..2 {
        let opened = Data::open(File::open(directory.path()).unwrap().into());
        assert!(matches!(
            opened,
            Err(Refusal::Catalog(crate::catalog::CatalogError::Lost))
        ));
        assert!(directory.path().join(format!("work/{tree}/a")).exists());
    }
}

#[test]
fn a_claim_without_its_job_is_given_up() {
    let (directory, data) = new();
    let tree = data.catalog.begin_tree("t", Time::default()).unwrap();
    write(&data, tree, "a");
    finish(&data, tree, &["a"]);
    data.catalog
        .change_tree(tree, |record| record.state = TreeState::Claimed(77))
        .unwrap();
    data.staging.freeze(tree, 77).unwrap();
    let (_copy, data) = restart(&directory);
    assert_eq!(data.catalog.newest_open_tree().unwrap(), Some(tree));
    assert!(data.staging.work_tree(tree).unwrap().open_file(b"a").is_ok());
}

#[test]
fn events_keep_their_order_over_restarts() {
    let (directory, data) = new();
    data.catalog.event(&EventRecord::note("clock", "one"));
    let (_copy, data) = restart(&directory);
    data.catalog.event(&EventRecord::note("clock", "two"));
    let events = data.catalog.events(10).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|(sequence, event)| (*sequence, event.what.as_str()))
        .collect();
    assert_eq!(told, [(2, "two"), (1, "one")]);
}
