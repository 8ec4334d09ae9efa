//! The program: starts, serves, and leaves a usable disc when it is killed.

mod common;
#[path = "common/initiator.rs"]
mod initiator;
#[path = "common/program.rs"]
mod program;

use std::{fs, process::Command};

use burner::{BLOCK, Disc};
use common::{blocks, bytes};
use initiator::Initiator;
use program::Program;

#[test]
fn a_killed_burner_leaves_the_disc_as_far_as_it_was_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let (disc, trace) = (directory.path().join("disc"), directory.path().join("trace"));
    let options = ["--capacity", "65536", "--media", "bd-r", "--trace"].map(AsRef::as_ref);
    let mut program = Program::start(&disc, options.into_iter().chain([trace.as_os_str()]));
    let (portal, iqn) = program.portal_and_name();
    let mut initiator = Initiator::login(portal.parse().unwrap(), iqn, 1);
    for tag in 1..=2 {
        initiator.command(tag, 0, &bytes("00 00 00 00 00 00"), 0, &[]);
        assert_eq!(initiator.receive().unwrap().header[3], 2); // power on, medium changed
    }
    // 32 blocks synchronized, then 25 MiB that are not.
    for number in 0..400u32 {
        let data = blocks(number * 32, 32, 0);
        let [a, b, c, d] = (number * 32).to_be_bytes();
        initiator.command(
            10 + 2 * number,
            0x20,
            &[0x2A, 0, a, b, c, d, 0, 0, 32, 0],
            data.len(),
            &data,
        );
        assert_eq!(initiator.receive().unwrap().header[3], 0);
        if number == 0 {
            initiator.command(11, 0, &bytes("35 00 00 00 00 00 00 00 00 00"), 0, &[]);
            assert_eq!(initiator.receive().unwrap().header[3], 0);
        }
    }
    program.kill();

    let end = Disc::open(&disc).unwrap().recording().recorded_end();
    assert!(
        (4096..=400 * 32).contains(&end) && 400 * 32 - end <= 8192,
        "{end}"
    );
    let image = fs::read(disc.join("disc.img")).unwrap();
    assert_eq!(image.len(), usize::try_from(end).unwrap() * BLOCK);
    assert!(image == blocks(0, end, 0));
    assert_eq!(fs::read_to_string(trace).unwrap().lines().count(), 2 + 400 + 1);
}

#[test]
fn the_program_says_what_is_wrong_with_its_arguments() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (["--media", "hd-dvd"], "known are bd-r, dvd+r"),
        (["--capacity", "33"], "does not exist: give a multiple of 32"),
        (
            ["--faults", "/nonexistent/faults.toml"],
            "/nonexistent/faults.toml: No such file",
        ),
        (["--name", "Two Words"], "cannot be part of an iSCSI name"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_spindle-burner"))
            .args(["--listen", "127.0.0.1:0", "--disc"])
            .arg(directory.path().join("disc"))
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(said), "{errors}");
    }
}

#[test]
fn the_program_serves_a_disc_made_from_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let (disc, image) = (directory.path().join("disc"), directory.path().join("image.iso"));
    fs::write(&image, blocks(0, 300, 4)).unwrap();
    let options = ["--media", "bd-re", "--capacity", "4096", "--from"].map(AsRef::as_ref);
    drop(Program::start(
        &disc,
        options.into_iter().chain([image.as_os_str()]),
    ));
    let disc = Disc::open(&disc).unwrap();
    assert_eq!(
        (disc.profile().name, disc.recording().capacity()),
        ("bd-re", 4096)
    );
    let sectors = fs::read(disc.image_path()).unwrap();
    assert!(sectors.len() == 4096 * BLOCK && sectors.starts_with(&blocks(0, 300, 4)));
}

#[test]
fn traces_are_compared_and_orders_sent_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_spindle-burner"))
            .args(arguments)
            .current_dir(folder)
            .output();
        let output = output.unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    for name in ["one", "two", "other"] {
        let options = ["--capacity", "320", "--control"].map(str::to_owned).into_iter();
        let paths =
            ["control", "trace"].map(|kind| folder.join(format!("{name}.{kind}")).display().to_string());
        let [control, trace] = paths;
        let mut program = Program::start(
            &folder.join(name),
            options.chain([control.clone(), "--trace".into(), trace]),
        );
        let (portal, iqn) = program.portal_and_name();
        let mut initiator = Initiator::login(portal.parse().unwrap(), iqn, 1);
        initiator.settle();
        if name == "other" {
            assert_eq!(
                run(&["order", &control, "arm", "{", "kind", "=", "\"no-disc\"", "}"]),
                (Some(0), String::new())
            );
            assert_eq!(initiator.settle(), []);
        }
        let (code, said) = run(&["order", &control, "state"]);
        assert!(code == Some(0) && said.contains("media = \"bd-r\""), "{said}");
        let (code, said) = run(&["order", &control, "fly"]);
        assert!(code == Some(1) && said.contains("not an order"), "{said}");
        assert_eq!(run(&["order", &control, "quit"]), (Some(0), String::new()));
        assert!(program.wait());
    }
    assert_eq!(
        run(&["compare", "one.trace", "two.trace"]),
        (Some(0), "  (3 alike)\n".into())
    );
    let (code, said) = run(&["compare", "one.trace", "other.trace"]);
    assert_eq!(code, Some(1));
    let added = "+ TEST UNIT READY: 00 00 00 00 00 00 | out 0 | in 0 | 02/3A/01\n";
    assert!(said.ends_with(added), "{said}");
    assert_eq!(run(&["compare", "one.trace", "none.trace"]).0, Some(1));
    let (code, said) = run(&["--media", "bd-r"]);
    assert!(code == Some(2) && said.contains("--disc"), "{said}");
}
