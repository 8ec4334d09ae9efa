//! libiscsi's conformance tests against the program, as anyone would start it.

mod common;
#[path = "common/program.rs"]
mod program;

use std::{fs, process::Command};

use program::Program;

/// Families of tests, and what libiscsi leaves out of each: CUnit counts a test that was skipped as passed.
const FAMILIES: &[(&str, &[(&str, &str)])] = &[
    ("SCSI.TestUnitReady", &[]),
    (
        "SCSI.Inquiry",
        &[("BlockLimits", NOT_A_DISK), ("MandatoryVPDSBC", NOT_A_DISK)],
    ),
    (
        "SCSI.ModeSense6",
        &[("Control-D_SENSE", NO_READ_16), ("Control-SWP", NOT_A_DISK)],
    ),
    // All of it is for disks; what a burner does is shown in protocol.rs.
    (
        "SCSI.PreventAllow",
        &[
            ("Simple", NOT_A_DISK),
            ("Eject", NOT_A_DISK),
            ("ITNexusLoss", NOT_A_DISK),
            ("Logout", NOT_A_DISK),
            ("WarmReset", NOT_A_DISK),
            ("ColdReset", NOT_A_DISK),
            ("LUNReset", NOT_A_DISK),
            ("2ITNexuses", NOT_A_DISK),
        ],
    ),
    ("SCSI.StartStopUnit", &[]),
    (
        "SCSI.Read10",
        &[
            ("ReadProtect", NOT_A_DISK),
            ("DpoFua", NOT_A_DISK),
            ("Async", NOT_A_DISK),
        ],
    ),
    (
        "SCSI.Read12",
        &[("ReadProtect", NOT_A_DISK), ("DpoFua", NOT_A_DISK)],
    ),
    ("SCSI.ReadCapacity10", &[]),
    (
        "iSCSI.iSCSIResiduals",
        &[
            ("Read16Residuals", NO_READ_16),
            ("Write10Residuals", NOT_A_DISK),
            ("Write12Residuals", NOT_A_DISK),
            ("Write16Residuals", NOT_A_DISK),
            ("WriteVerify10Residuals", NOT_A_DISK),
            ("WriteVerify12Residuals", NOT_A_DISK),
            ("WriteVerify16Residuals", NOT_A_DISK),
        ],
    ),
];
/// The test is for block devices (SBC); this is a multimedia device (MMC).
const NOT_A_DISK: &str = "Not SBC device";
/// MMC-6 has no READ (16).
const NO_READ_16: &str = "READ16 is not implemented";

/// Each test of a report: its name, whether it passed, and why it was skipped.
fn verdicts(report: &str) -> Vec<(&str, bool, Option<&str>)> {
    let tests = report
        .split("  Test: ")
        .skip(1)
        .filter_map(|test| test.split_once(" ..."));
    let verdict = |(name, rest)| {
        let rest: &str = rest;
        // After the last test, libiscsi tells on the same line what it finds on leaving.
        let end = rest.find("passed").or(rest.find("FAILED")).unwrap_or(rest.len());
        let (before, after) = rest.split_at(end);
        let skipped = before.split_once("[SKIPPED] ").map(|(_, reason)| reason.trim());
        (name, after.starts_with("passed"), skipped)
    };
    tests.map(verdict).collect()
}

#[test]
fn libiscsis_conformance_tests_pass() {
    let directory = tempfile::tempdir().unwrap();
    let (content, image) = (
        directory.path().join("content"),
        directory.path().join("image.iso"),
    );
    fs::create_dir(&content).unwrap();
    fs::write(content.join("file"), vec![7; 3_000_000]).unwrap();
    let made = Command::new("genisoimage")
        .args(["-quiet", "-R", "-o"])
        .args([&image, &content])
        .status();
    assert!(made.expect("install genisoimage").success());
    let options = [
        "--media".as_ref(),
        "bd-re".as_ref(),
        "--from".as_ref(),
        image.as_os_str(),
    ];
    let program = Program::start(&directory.path().join("disc"), options);
    for (family, skipped) in FAMILIES {
        let output = Command::new("timeout")
            .args([
                "60",
                "iscsi-test-cu",
                "--dataloss",
                "--test",
                family,
                &program.url,
            ])
            .output()
            .expect("coreutils");
        assert_ne!(output.status.code(), Some(127), "install libiscsi-bin");
        let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let verdicts = verdicts(&report);
        assert!(
            verdicts.len() > skipped.len() || *family == "SCSI.PreventAllow",
            "{family}: {report}"
        );
        for (name, passed, reason) in verdicts {
            assert!(passed, "{family}.{name}: {report}");
            let expected = skipped
                .iter()
                .find(|(test, _)| *test == name)
                .map(|(_, reason)| *reason);
            match (reason, expected) {
                (None, None) => println!("{family}.{name}: passed"),
                (Some(reason), Some(expected)) if reason.contains(expected) => {
                    println!("{family}.{name}: skipped, {expected}");
                }
                _ => panic!("{family}.{name}: skipped for {reason:?}, expected {expected:?}\n{report}"),
            }
        }
    }
}
