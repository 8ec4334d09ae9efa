//! Names that want out, and rooms that are full.

use super::*;

fn staging() -> (tempfile::TempDir, Staging) {
    let directory = tempfile::tempdir().unwrap();
    let staging = Staging::open(std::fs::File::open(directory.path()).unwrap().into()).unwrap();
    (directory, staging)
}

#[test]
fn no_path_leaves_its_tree_through_a_link() {
    let (directory, staging) = staging();
    let tree = staging.work_tree(1).unwrap();
    std::fs::write(directory.path().join("secret"), "x").unwrap();
    tree.make_symlink(b"up", b"../..").unwrap();
    tree.make_symlink(b"file", b"/etc/passwd").unwrap();
    assert!(matches!(
        tree.create_file(b"up/new", 0),
        Err(Refusal::NotADirectory(_))
    ));
    assert!(matches!(
        tree.make_directory(b"up/new"),
        Err(Refusal::NotADirectory(_))
    ));
    assert!(matches!(
        tree.make_parents(b"up/new/a"),
        Err(Refusal::NotADirectory(_))
    ));
    assert!(matches!(
        tree.make_directory(b"up"),
        Err(Refusal::NotADirectory(_))
    ));
    assert!(tree.open_file(b"up/../secret").is_err());
    assert!(tree.open_file(b"file").is_err());
    assert!(tree.open_file(b"../../secret").is_err());
    assert!(!directory.path().join("new").exists());
}

#[test]
fn the_longest_names_are_taken_and_removed() {
    let (directory, staging) = staging();
    let tree = staging.work_tree(7).unwrap();
    let path = [&[b'\xff'; 255][..]; 16].join(&b'/')[..4095].to_vec();
    wire::check_path(&path).unwrap();
    assert_eq!(tree.make_parents(&path).unwrap().len(), 15);
    drop(tree.create_file(&path, 0).unwrap());
    assert!(matches!(tree.create_file(&path, 0), Err(Refusal::Exists(_))));
    let deep = [&b"d"[..]; 2048].join(&b'/');
    assert_eq!(tree.make_parents(&deep).unwrap().len(), 2047);
    drop(tree.create_file(&deep, 0).unwrap());
    staging.remove_work_tree(7).unwrap();
    assert!(!directory.path().join("work/7").exists());
}

#[test]
fn walking_removes_only_what_is_not_to_be_kept() {
    let (directory, staging) = staging();
    let tree = staging.work_tree(1).unwrap();
    for path in [&b"keep/a"[..], b"keep/b", b"away/x/y", b"away/z"] {
        tree.make_parents(path).unwrap();
        drop(tree.create_file(path, 0).unwrap());
    }
    tree.walk(|path| matches!(path, b"keep" | b"keep/a")).unwrap();
    let work = directory.path().join("work/1");
    assert!(work.join("keep/a").exists() && !work.join("keep/b").exists() && !work.join("away").exists());
}

#[test]
fn freezing_moves_a_tree_away_and_back() {
    let (directory, staging) = staging();
    drop(staging.work_tree(3).unwrap().create_file(b"f", 0).unwrap());
    staging.freeze(3, 9).unwrap();
    assert_eq!(staging.frozen_trees().unwrap(), [9]);
    assert!(staging.frozen_tree(9).unwrap().open_file(b"f").is_ok());
    staging.thaw(3, 9).unwrap();
    staging.thaw(3, 9).unwrap();
    assert!(directory.path().join("work/3/f").exists());
    assert_eq!(staging.frozen_trees().unwrap(), [0_u64; 0]);
}

#[test]
fn a_writer_that_lingers_is_seen() {
    let (_directory, staging) = staging();
    let tree = staging.work_tree(1).unwrap();
    let writer = tree.create_file(b"f", 0).unwrap();
    let reader = tree.open_file(b"f").unwrap();
    assert!(has_writer(reader.as_fd()));
    drop(writer);
    assert!(!has_writer(reader.as_fd()));
}

#[test]
fn what_does_not_fit_is_refused_with_figures() {
    let (_directory, mut staging) = staging();
    staging.quota = Some(1000);
    staging.check_room(1000).unwrap();
    assert!(matches!(
        staging.check_room(1001),
        Err(Refusal::NoSpace {
            needed: 1001,
            free: 1000
        })
    ));
}
