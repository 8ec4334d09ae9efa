//! The target in front of libiscsi's tools and QEMU, which must be installed.

mod common;

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use burner::{BD_R, Drive, SharedDrive, Target};
use common::{drive_with, good, write};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["60", program])
        .args(arguments)
        .output()
        .expect("coreutils");
    text(program, output)
}

fn text(program: &str, output: Output) -> String {
    assert_ne!(
        output.status.code(),
        Some(127),
        "{program} is missing: install libiscsi-bin and qemu-system-x86"
    );
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn serve(drive: Drive) -> (Target, String) {
    let target = Target::listen("127.0.0.1:0").expect("a free port");
    let iqn = target
        .add("burner0", SharedDrive::new(drive))
        .expect("a legal name");
    (target, iqn)
}

/// A finalised disc of 2048 blocks behind a target.
fn finalised(directory: &tempfile::TempDir) -> (Target, String) {
    let mut drive = drive_with(directory.path(), &BD_R);
    for address in (0..2048).step_by(256) {
        assert!(write(&mut drive, address, 256).sense.is_none());
    }
    good(&mut drive, "5B 00 06 00 00 00 00 00 00 00");
    serve(drive)
}

#[test]
fn libiscsi_finds_and_identifies_every_drive() {
    let directory = tempfile::tempdir().unwrap();
    let (target, iqn) = finalised(&directory);
    target
        .add("second", SharedDrive::new(Drive::new("SECOND")))
        .unwrap();
    assert!(
        target
            .add("second", SharedDrive::new(Drive::new("THIRD")))
            .is_err()
    );
    assert!(
        target
            .add("Two words", SharedDrive::new(Drive::new("THIRD")))
            .is_err()
    );
    let portal = format!("iscsi://{}", target.addr());
    let list = run("iscsi-ls", &[&portal]);
    assert_eq!(list.matches("Target:iqn.2026-01.spindle:").count(), 2, "{list}");
    let inquiry = run("iscsi-inq", &[&target.url(&iqn)]);
    assert!(
        inquiry.contains("Peripheral Device Type:MMC") && inquiry.contains("Vendor:SPINDLE"),
        "{inquiry}"
    );
    let serial = run("iscsi-inq", &["-e", "1", "-c", "128", &target.url(&iqn)]);
    assert!(serial.contains("Unit Serial Number:[TEST]"), "{serial}");
    let absent = run("iscsi-inq", &[&target.url("iqn.2026-01.spindle:absent")]);
    assert!(absent.contains("Target not found"), "{absent}");
    let other_unit = run("iscsi-inq", &[&format!("{portal}/{iqn}/1")]);
    assert!(!other_unit.contains("Type:MMC"), "{other_unit}");
}

/// Starts QEMU with the drive behind scsi-generic, stopped, and asks it for its block devices.
fn qemu(target: &Target, iqn: &str) -> String {
    let drive = format!(
        "if=none,id=d0,driver=iscsi,transport=tcp,portal={},target={iqn},lun=0",
        target.addr()
    );
    let mut qemu = Command::new("timeout")
        .args([
            "-s",
            "KILL",
            "60",
            "qemu-system-x86_64",
            "-M",
            "q35",
            "-S",
            "-display",
            "none",
            "-serial",
            "none",
        ])
        .args([
            "-nodefaults",
            "-qmp",
            "stdio",
            "-drive",
            &drive,
            "-device",
            "virtio-scsi-pci,id=s0",
        ])
        .args(["-device", "scsi-generic,drive=d0,bus=s0.0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("coreutils");
    let commands = r#"{"execute":"qmp_capabilities"}{"execute":"query-block"}{"execute":"quit"}"#;
    // Should QEMU have refused the drive and gone, its own words say more than a broken pipe.
    let _ = qemu.stdin.take().expect("piped").write_all(commands.as_bytes());
    text("qemu-system-x86_64", qemu.wait_with_output().expect("output"))
}

#[test]
fn qemu_takes_the_drive_with_a_disc_without_and_blank() {
    let directory = tempfile::tempdir().unwrap();
    let (target, iqn) = finalised(&directory);
    let report = qemu(&target, &iqn);
    assert!(
        report.contains(r#""qdev": "/machine/peripheral-anon"#) && report.contains("SHUTDOWN"),
        "{report}"
    );

    let (target, iqn) = serve(Drive::new("EMPTY"));
    let report = qemu(&target, &iqn);
    assert!(
        report.contains(r#""qdev": "/machine/peripheral-anon"#) && report.contains("SHUTDOWN"),
        "{report}"
    );

    let blank = tempfile::tempdir().unwrap();
    let (target, iqn) = serve(drive_with(blank.path(), &BD_R));
    let report = qemu(&target, &iqn);
    assert!(
        report.contains(r#""qdev": "/machine/peripheral-anon"#) && report.contains("SHUTDOWN"),
        "{report}"
    );
}
