//! A disk that loses its power, used by others: this host's loop device and ext4, and QEMU's NBD client.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;

use power::fuse::Front;
use power::mount::{Mounted, keep_private};
use power::nbd::Server;
use power::{Disk, Image, Loss, Recording, Style};

const SIZE: u64 = 32 << 20;

const LOST: Loss = Loss {
    sector: 4096,
    whole: 0..0,
    style: Some(Style::All),
};

fn formatted(folder: &Path) -> Image {
    let path = folder.join("new");
    File::create(&path).unwrap().set_len(SIZE).unwrap();
    let made = Command::new("/usr/sbin/mke2fs")
        .args(["-q", "-F", "-t", "ext4"])
        .arg(&path)
        .status();
    assert!(made.expect("mke2fs is in Debian's e2fsprogs").success());
    Image::load(&path).unwrap()
}

/// A file that was synced, and one that was only written, with the moments behind both.
fn record(folder: &Path, disk: &Disk) -> Recording {
    let front = folder.join("front");
    fs::create_dir(&front).unwrap();
    let front = Front::mount(&front, disk.clone()).unwrap();
    let mounted = Mounted::mount(front.path(), 0, SIZE, &folder.join("system"), "noatime").unwrap();
    let mut synced = File::create(mounted.path().join("synced")).unwrap();
    synced.write_all(b"safe").unwrap();
    synced.sync_all().unwrap();
    File::open(mounted.path()).unwrap().sync_all().unwrap();
    disk.mark("synced");
    fs::write(mounted.path().join("written"), b"not safe").unwrap();
    disk.mark("written");
    let recording = disk.recording();
    drop(synced);
    mounted.unmount().unwrap();
    recording
}

/// What is in the two files after a cut at the end.
fn after(folder: &Path, recording: &Recording) -> std::io::Result<[Option<Vec<u8>>; 2]> {
    let path = folder.join("cut");
    recording.cut(recording.end(), &LOST, 0).store(&path)?;
    let mounted = Mounted::mount(&path, 0, SIZE, &folder.join("again"), "noatime")?;
    let read = |name| fs::read(mounted.path().join(name)).ok();
    let found = [read("synced"), read("written")];
    mounted.unmount()?;
    Ok(found)
}

/// Has qemu-io do these commands with a disk; it ends badly when what it reads is not the pattern expected.
fn qemu_io(folder: &Path, disk: &Disk, commands: &[&str]) {
    let server = Server::listen(&folder.join("nbd"), disk.clone()).unwrap();
    let address = format!("nbd+unix:///?socket={}", server.path().display());
    let mut program = Command::new("qemu-io");
    program.args(["-f", "raw", "-t", "writeback"]);
    for command in commands {
        program.args(["-c", command]);
    }
    let output = program
        .arg(address)
        .output()
        .expect("qemu-io is in Debian's qemu-utils");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn an_nbd_client_writes_flushes_and_reads() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(Image::zeroes(SIZE));
    let commands = [
        "write -P 7 512 8k",
        "read -P 7 1k 7k",
        "flush",
        "write -f -P 8 1M 4k",
        "write -P 9 2M 4k",
    ];
    qemu_io(folder.path(), &disk, &commands);
    let recording = disk.recording();
    assert!(recording.flushes(recording.end()) > 0, "no flush came");
    // A client flushes when it closes; the moment before its last write was durable counts.
    let moments: Vec<_> = (0..=recording.end())
        .map(|moment| recording.unflushed(moment))
        .collect();
    let last = moments.iter().rposition(|unflushed| *unflushed > 0);
    let last = last.unwrap_or_else(|| panic!("nothing was ever in the cache: {moments:?}"));
    let image = recording.cut(last, &LOST, 0);
    let byte = |offset| {
        let mut byte = [0];
        image.read(offset, &mut byte);
        byte[0]
    };
    assert_eq!([byte(511), byte(512), byte(1 << 20), byte(2 << 20)], [0, 7, 8, 0]);
}

/// Mounts belong to a thread, and tests share theirs with nobody.
fn alone(test: impl FnOnce(&Path) + Send + 'static) {
    let thread = thread::spawn(move || {
        keep_private().expect("these tests need root");
        let folder = tempfile::tempdir().unwrap();
        test(folder.path());
    });
    thread.join().unwrap();
}

#[test]
fn what_ext4_synced_survives_and_what_it_only_wrote_does_not() {
    alone(|folder| {
        let disk = Disk::new(formatted(folder));
        let recording = record(folder, &disk);
        assert!(
            recording.flushes(recording.end()) > 0,
            "no flush reached the disk"
        );
        let found = after(folder, &recording).unwrap();
        assert_eq!(found, [Some(b"safe".to_vec()), None]);
    });
}

#[test]
fn without_flushes_the_same_test_fails() {
    alone(|folder| {
        let disk = Disk::new(formatted(folder));
        disk.ignore_flushes();
        let recording = record(folder, &disk);
        let found = after(folder, &recording).unwrap();
        assert_eq!(found, [None, None]);
    });
}
