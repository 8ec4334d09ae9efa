//! What every command says of itself is kept as text: a change of it is seen in review.

mod common;

use common::{assert_kept, spindle};

const COMMANDS: [&str; 36] = [
    "author",
    "check",
    "status",
    "drives",
    "disc",
    "put",
    "ls",
    "get",
    "burn",
    "verify",
    "jobs",
    "watch",
    "eject",
    "load",
    "poweroff",
    "pair",
    "pair-code",
    "workstations",
    "allow",
    "revoke",
    "key",
    "append",
    "copy",
    "scrub",
    "finalise",
    "repair",
    "blank",
    "format",
    "erase",
    "trees",
    "rm",
    "cancel",
    "log",
    "lock",
    "unlock",
    "speed",
];

#[test]
fn help_is_as_kept() {
    let help = |arguments: &[&str]| {
        let output = spindle(arguments.iter().copied()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let whole = help(&["--help"]);
    assert_kept("help.txt", &whole);
    for command in COMMANDS {
        assert!(
            whole.contains(&format!("\n  {command} ")),
            "{command} is not listed"
        );
        assert_kept(&format!("help-{command}.txt"), &help(&[command, "--help"]));
    }
    // No command is left out here.
    let section = whole
        .split("Commands:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next());
    let listed = section
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    assert_eq!(listed.count(), COMMANDS.len() + 1, "and `help` itself");
}

#[test]
fn a_command_line_that_is_wrong_is_told_apart_from_failures() {
    for wrong in [
        &[][..],
        &["frobnicate"],
        &["put"],
        &["watch"],
        &["watch", "seven"],
        &["get"],
        &["get", ""],
        &["disc", "-1"],
        &["ls", "--drive", "0", "--tree", "1"],
        &["burn", "extra"],
    ] {
        let output = spindle(wrong.iter().copied()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}
