//! Images made, signed, extended, listed and checked on this machine, with minisign and sha256sum as witnesses.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindle"));
    command.current_dir(folder).env_remove("SOURCE_DATE_EPOCH");
    command
}

fn spindle(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().expect("it runs")
}

/// Runs it and demands success; what it printed.
fn done(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = spindle(folder, arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {words}");
    output.stdout
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = done(folder, &[&["--json"], arguments].concat());
    serde_json::from_slice(&output).expect("a document")
}

/// Runs a foreign program, whose success is returned.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask setup` installs it"));
    output.status.success()
}

fn sample(folder: &Path) {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("sub/deeper")).expect("directories");
    for number in 0..50_usize {
        let bytes = vec![u8::try_from(number).expect("small"); number * 997];
        fs::write(tree.join(format!("sub/file {number:02}")), bytes).expect("a file");
    }
    fs::write(tree.join("größe.txt"), "Länge").expect("a file");
    fs::hard_link(tree.join("größe.txt"), tree.join("sub/second name")).expect("a link");
    symlink("../größe.txt", tree.join("sub/deeper/link")).expect("a link");
}

fn scratch() -> TempDir {
    let scratch = tempfile::tempdir().expect("a folder");
    sample(scratch.path());
    scratch
}

#[test]
fn the_same_files_make_the_same_image_wherever_and_whenever() {
    let scratch = scratch();
    let folder = scratch.path();
    let first = done(folder, &["author", "tree", "-o", "-"]);
    assert!(!first.is_empty());
    // Another time zone, language and mask, another order of the directory, files read meanwhile.
    let other = folder.join("other");
    fs::create_dir(&other).expect("a directory");
    assert!(run(
        folder,
        "sh",
        &[
            "-c",
            "cat tree/sub/file* > /dev/null; cp -a tree/sub tree/größe.txt other/"
        ]
    ));
    fs::set_permissions(
        &other,
        fs::metadata(folder.join("tree")).expect("it").permissions(),
    )
    .expect("a mode");
    assert!(run(folder, "touch", &["-r", "tree", "other"]));
    let script = "umask 077; exec \"$0\" author other --label tree -o again.img";
    let status = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_spindle")])
        .current_dir(folder)
        .envs([("TZ", "Asia/Kathmandu"), ("LC_ALL", "C")])
        .output()
        .expect("sh");
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    assert!(
        fs::read(folder.join("again.img")).expect("the image") == first,
        "the images differ"
    );

    // Other owners, permissions and times.
    let level = [
        "--reproducible",
        "--time",
        "1000000000",
        "--label",
        "x",
        "-o",
        "-",
    ];
    let one = done(folder, &[&["author", "tree"], &level[..]].concat());
    for entry in ["other", "other/sub", "other/größe.txt"] {
        let path = folder.join(entry);
        let mode = fs::metadata(&path).expect("it").mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode ^ 0o020)).expect("a mode");
    }
    assert!(run(folder, "touch", &["other/sub/file 07"]));
    let two = done(folder, &[&["author", "other"], &level[..]].concat());
    assert!(one == two && one != first, "the images differ");
}

#[test]
fn a_signed_image_is_verified_by_minisign_and_by_check() {
    let scratch = scratch();
    let folder = scratch.path();
    assert!(run(
        folder,
        "minisign",
        &["-G", "-W", "-p", "key.pub", "-s", "key.sec"]
    ));
    let identity = "0123456789abcdef0123456789abcdef";
    done(
        folder,
        &[
            "author",
            "tree",
            "-o",
            "disc.img",
            "--sign",
            "key.sec",
            "--identity",
            identity,
        ],
    );
    for name in ["SHA256SUMS", "SHA256SUMS.minisig", "catalog.txt"] {
        done(folder, &["get", "disc.img", &format!(".spindle/{name}"), "."]);
    }
    assert!(run(
        folder,
        "minisign",
        &["-V", "-p", "key.pub", "-m", "SHA256SUMS"]
    ));
    let catalog = fs::read_to_string(folder.join("catalog.txt")).expect("text");
    assert!(
        catalog.contains(&format!("\nvolume-set\t{identity}\n")),
        "{catalog}"
    );

    let checked = json(folder, &["check", "disc.img", "--key", "key.pub"]);
    assert_eq!(
        (&checked["sound"], &checked["signature"]),
        (&true.into(), &"the signature is good".into())
    );
    // Another's key, no signature, and a disc that was changed.
    assert!(run(
        folder,
        "minisign",
        &["-G", "-W", "-f", "-p", "other.pub", "-s", "other.sec"]
    ));
    done(folder, &["author", "tree", "-o", "plain.img"]);
    let image = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.join("disc.img"))
        .expect("the image");
    let code = |arguments: &[&str]| spindle(folder, arguments).status.code();
    assert_eq!(code(&["check", "disc.img", "--key", "other.pub"]), Some(6));
    assert_eq!(code(&["check", "plain.img", "--key", "key.pub"]), Some(6));
    assert_eq!(code(&["check", "plain.img"]), Some(0));
    let bytes = fs::read(folder.join("disc.img")).expect("the image");
    let at = bytes
        .windows(997)
        .position(|window| window == [7; 997])
        .expect("the bytes of file 07");
    image.write_all_at(&[8], at as u64 + 500).expect("a change");
    let output = spindle(folder, &["check", "disc.img"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("file 07"),
        "{output:?}"
    );
    assert_eq!(code(&["check", "disc.img", "--quick"]), Some(0));
}

#[test]
fn sessions_are_added_and_older_ones_stay() {
    let scratch = scratch();
    let folder = scratch.path();
    done(folder, &["author", "tree", "-o", "disc.img"]);
    let first = fs::read(folder.join("disc.img")).expect("the image");
    fs::create_dir(folder.join("more")).expect("a directory");
    fs::write(folder.join("more/größe.txt"), "another length").expect("a file");
    fs::write(folder.join("more/new"), "new").expect("a file");
    done(
        folder,
        &[
            "author",
            "more",
            "--append-to",
            "disc.img",
            "--remove",
            "sub/deeper",
            "--rename",
            "sub",
            "moved",
        ],
    );
    let get = |path: &str, session: &str| done(folder, &["get", "disc.img", path, "-", "--session", session]);
    assert_eq!(get("größe.txt", "1"), "Länge".as_bytes());
    assert_eq!(get("größe.txt", "2"), b"another length");
    assert_eq!(get("moved/second name", "2"), "Länge".as_bytes());
    assert_eq!(done(folder, &["get", "disc.img", "new", "-"]), b"new");
    let names = String::from_utf8(done(folder, &["ls", "disc.img", "moved"])).expect("text");
    assert!(names.contains("file 49") && !names.contains("deeper"), "{names}");
    assert_eq!(
        spindle(folder, &["ls", "disc.img", "--session", "3"])
            .status
            .code(),
        Some(4)
    );
    for session in ["1", "2"] {
        assert_eq!(
            json(folder, &["check", "disc.img", "--session", session])["sound"],
            true
        );
    }
    // The catalog says which session wrote what, and has the digest of the catalog before it.
    let catalog = String::from_utf8(get(".spindle/catalog.txt", "2")).expect("text");
    let before = get(".spindle/catalog.txt", "1");
    fs::write(folder.join("catalog"), before).expect("a file");
    let digest = Command::new("sha256sum")
        .arg(folder.join("catalog"))
        .output()
        .expect("sha256sum");
    let digest = String::from_utf8_lossy(&digest.stdout)
        .split(' ')
        .next()
        .map(str::to_owned)
        .expect("a digest");
    assert!(
        catalog.contains(&format!("\nearlier\t1\t288\t{digest}\n")),
        "{catalog}"
    );
    let wrote = |path: &str| {
        let line = catalog.lines().find(|line| line.ends_with(&format!("\t{path}")));
        line.and_then(|line| line.split('\t').nth(9)).map(str::to_owned)
    };
    assert_eq!(
        (wrote("new"), wrote("moved/file 30")),
        (Some("2".into()), Some("1".into()))
    );

    // A session whose beginning was not told of: as if the power had failed before it was.
    let cut = [&first[..], &vec![0x55; 300_000]].concat();
    fs::write(folder.join("cut.img"), &cut).expect("an image");
    assert_eq!(json(folder, &["check", "cut.img"])["sound"], true);
    done(folder, &["author", "more", "--append-to", "cut.img"]);
    assert_eq!(done(folder, &["get", "cut.img", "new", "-"]), b"new");
}

#[test]
fn what_cannot_be_done_is_refused_with_words() {
    let scratch = scratch();
    let folder = scratch.path();
    done(folder, &["author", "tree", "-o", "disc.img"]);
    let refused = |arguments: &[&str], word: &str| {
        let output = spindle(folder, arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {words}");
        assert!(words.contains(word), "{arguments:?}: {words}");
    };
    refused(&["author", "tree", "-o", "disc.img"], "--force");
    refused(&["author", "nowhere", "-o", "x.img"], "nowhere");
    refused(
        &["author", "tree", "--append-to", "disc.img", "--remove", "nothing"],
        "nothing",
    );
    refused(
        &["author", "tree", "-o", "x.img", "--sign", "tree/größe.txt"],
        "minisign",
    );
    refused(&["get", "disc.img"], "PATH");
    refused(&["get", "disc.img", "sub", "-"], "no file");
    refused(&["check", "tree/größe.txt"], "tree");
    // Images of others have no room in front for a new beginning.
    assert!(run(
        folder,
        "genisoimage",
        &["-quiet", "-R", "-o", "foreign.img", "tree"]
    ));
    refused(&["author", "tree", "--append-to", "foreign.img"], "anew");
    assert!(!folder.join("x.img").exists(), "nothing half done is left");

    // What cannot be on a disc is left out, and said.
    let _socket = UnixListener::bind(folder.join("tree/socket")).expect("a socket");
    assert!(run(folder, "mkfifo", &["tree/pipe"]));
    let output = spindle(folder, &["--json", "author", "tree", "-o", "most.img"]);
    assert_eq!(output.status.code(), Some(4));
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let left_out: Vec<_> = document["left_out"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["path"])
        .collect();
    assert_eq!(left_out, ["pipe", "socket"]);
    assert_eq!(json(folder, &["check", "most.img"])["sound"], true);
    assert!(run(folder, "bsdtar", &["-tf", "most.img"]));
}
