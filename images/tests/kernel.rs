//! The kernel as it is really built: what it must not be able to do, and that the cache gives it back.

use std::{fs, path::Path};

use spindle_images::{
    Error,
    board::Board,
    kconfig,
    kernel::{self, DEBIAN_SOURCE},
};

fn board() -> Board {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board");
    Board::read(&boards, "qemu").expect("the board's folder")
}

/// Builds the kernel when the cache does not have it yet, which takes minutes.
#[test]
fn the_built_kernel_has_what_was_asked_for_and_nothing_forbidden() {
    let cache = kernel::cache_directory().expect("a cache directory");
    let source = Path::new(DEBIAN_SOURCE);
    let built = kernel::build(&cache, source, &board(), &mut |progress| {
        eprintln!("{progress:?}")
    })
    .expect("built");
    let config = fs::read_to_string(&built.config).expect("kept beside the kernel");
    kconfig::check_forbidden(&config).expect("nothing forbidden is on");
    kconfig::check_requested(&board().choices, &config).expect("everything asked for is there");

    let mut reports = 0;
    let again = kernel::build(&cache, source, &board(), &mut |_| reports += 1).expect("from the cache");
    assert_eq!(
        (again, reports),
        (built, 0),
        "the second time nothing is left to do"
    );
}

/// The workstation of the tests is no box: it parses discs, as every workstation does.
#[test]
fn a_peer_is_not_hardened() {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board");
    let peer = Board::read(&boards, "peer").expect("the board's folder");
    assert!(!peer.hardened && board().hardened);
    assert!(peer.choices.iter().any(|choice| choice.option == "UDF_FS"));
}

/// The fragments say it themselves, so that a reader of board/ sees what is walled up, and why.
#[test]
fn no_fragment_asks_for_what_is_forbidden() {
    let asked: String = board()
        .choices
        .iter()
        .map(|choice| choice.line() + "\n")
        .collect();
    kconfig::check_forbidden(&asked).expect("nothing forbidden is asked for");
    for option in [
        "MODULES",
        "INET",
        "BLK_DEV_SR",
        "ISO9660_FS",
        "UDF_FS",
        "VFAT_FS",
        "DEVMEM",
    ] {
        let walled = format!("# CONFIG_{option} is not set");
        assert!(
            asked.lines().any(|line| line == walled),
            "{walled} is missing in board/common"
        );
    }
}

#[test]
fn a_missing_source_is_named_with_its_remedy() {
    let cache = tempfile::tempdir().expect("a temporary directory");
    let error = kernel::build(
        cache.path(),
        Path::new("/no/such/linux.tar.xz"),
        &board(),
        &mut |_| {},
    )
    .expect_err("there is no such file");
    assert!(matches!(error, Error::NoKernelSource { .. }), "{error}");
    assert!(error.to_string().contains("--kernel-source"), "{error}");
}

#[test]
fn an_interrupted_or_broken_build_leaves_nothing_that_looks_built() {
    let cache = tempfile::tempdir().expect("a temporary directory");
    let source = cache.path().join("linux.tar.xz");
    fs::write(&source, "not an archive").expect("written");
    let error = kernel::build(cache.path(), &source, &board(), &mut |_| {}).expect_err("cannot be unpacked");
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    for entry in fs::read_dir(cache.path().join("kernel")).expect("the cache") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        assert!(name == "lock" || name.ends_with(".partial"), "{name}");
    }
}
