//! Who gets in: keys, pairing, roles, revocation; and what strangers get.

mod common;

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use client::{Code, Connection, Error, Options, Secret, SourceTree};
use common::failure;
use doors::Limits;
use images::data_disk;
use rig::{Artifacts, DataDisk, Machine, MachineOptions, Native, Ran, Scratch, patience, tree};
use wire::{FailureCode, Role};

/// A box that allows nothing in the clear.
fn strict(scratch: &Scratch) -> Result<Native> {
    let native = Native::start(&scratch.join("data"), Vec::new(), Limits::default())?;
    native.vault.allow_clear(Vec::new());
    Ok(native)
}

fn open(native: &Native, options: Options) -> Result<Connection, Error> {
    Connection::open(&native.control().to_string(), &options)
}

fn with_code(secret: &Secret, code: &str) -> Result<Options> {
    Ok(Options {
        identity: Some(secret.clone()),
        code: Some(code.parse::<Code>()?),
        ..Options::default()
    })
}

fn role(session: &Connection) -> u16 {
    session.welcome().welcome().role
}

/// The code from the box itself.
fn code(native: &Native) -> Result<String> {
    native.vault.begin_pairing().map_err(anyhow::Error::msg)
}

#[test]
fn a_workstation_is_paired_once_and_known_from_then_on() -> Result<()> {
    let scratch = Scratch::new("access-pairing")?;
    let native = strict(&scratch)?;
    ensure!(
        matches!(open(&native, Options::default()), Err(Error::KeyNeeded)),
        "spoken to in the clear"
    );
    let admin = Secret::generate()?;
    let session = open(&native, with_code(&admin, &code(&native)?)?)?;
    ensure!(
        role(&session) == Role::Admin.number(),
        "the first one is the administrator"
    );
    let box_key = session.welcome().box_key();
    drop(session);

    let known = Options {
        identity: Some(admin.clone()),
        box_key,
        ..Options::default()
    };
    let mut session = open(&native, known.clone())?;
    let source = scratch.join("source");
    tree::sample(&source, 20, 400_000)?;
    let put = session.put(
        0,
        "kept",
        &SourceTree::walk([format!("{}/", source.display())])?,
        |_| {},
    )?;
    ensure!(put.done.bytes > 0, "{put:?}");

    // A second one has the role its code was made for, whatever it asks for.
    let made = session.begin_pairing(Role::Client, "ward 7")?;
    let second = Secret::generate()?;
    let mut other = open(&native, with_code(&second, &made.code)?)?;
    ensure!(role(&other) == Role::Client.number(), "{:?}", other.welcome());
    ensure!(
        failure(other.power_off())?.is(FailureCode::NotPermitted),
        "a role overstepped"
    );
    let known_now = session.workstations()?;
    ensure!(known_now.len() == 2, "{known_now:?}");
    let ward = known_now.iter().find(|one| one.key == second.public().0);
    ensure!(ward.is_some_and(|one| one.name == "ward 7"), "{known_now:?}");

    // Revoked, its session ends and it is a stranger.
    session.revoke(second.public())?;
    ensure!(other.ping().is_err(), "a revoked workstation goes on");
    let stranger = Options {
        identity: Some(second),
        ..known.clone()
    };
    ensure!(
        failure(open(&native, stranger).map(drop))?.is(FailureCode::UnknownKey),
        "a revoked workstation is let in"
    );

    // All of this outlives a restart.
    drop(session);
    native.vault.shutdown();
    let native = strict(&scratch)?;
    let mut session = open(&native, known)?;
    ensure!(
        role(&session) == Role::Admin.number(),
        "the administrator is forgotten"
    );
    ensure!(session.workstations()?.len() == 1, "the revoked one is back");
    Ok(())
}

#[test]
fn a_code_is_good_for_one_workstation_and_three_tries() -> Result<()> {
    let scratch = Scratch::new("access-codes")?;
    let native = strict(&scratch)?;
    let secret = Secret::generate()?;
    let nobody = failure(open(&native, with_code(&secret, "00000000")?).map(drop))?;
    ensure!(nobody.is(FailureCode::NotPermitted), "{nobody:?}");
    let right = code(&native)?;
    open(&native, with_code(&secret, &right)?)?;
    ensure!(
        open(&native, with_code(&Secret::generate()?, &right)?).is_err(),
        "a code was good twice"
    );
    let right = code(&native)?;
    let wrong = if right.starts_with('0') {
        "10000000"
    } else {
        "00000000"
    };
    for _ in 0..3 {
        match open(&native, with_code(&Secret::generate()?, wrong)?) {
            Err(Error::WrongCode) => {}
            Err(other) => bail!("not the wrong code but {other}"),
            Ok(_) => bail!("a wrong code was taken"),
        }
    }
    ensure!(
        open(&native, with_code(&Secret::generate()?, &right)?).is_err(),
        "a fourth try was allowed"
    );
    Ok(())
}

#[test]
fn another_box_in_its_place_is_noticed_before_anything_is_said() -> Result<()> {
    let scratch = Scratch::new("access-another")?;
    let native = strict(&scratch)?;
    let secret = Secret::generate()?;
    open(&native, with_code(&secret, &code(&native)?)?)?;
    let expected = Secret::generate()?.public();
    let options = Options {
        identity: Some(secret),
        box_key: Some(expected),
        ..Options::default()
    };
    match open(&native, options) {
        Err(Error::AnotherBox { known, found }) => ensure!(known == expected && found != expected, "{found}"),
        other => bail!("not noticed: {:?}", other.map(|_| ()).err()),
    }
    Ok(())
}

/// The CLI with a configuration of its own.
fn spindle(artifacts: &Artifacts, scratch: &Scratch, address: &str, arguments: &[&str]) -> Result<Ran> {
    let output = Command::new(&artifacts.cli)
        .env("SPINDLE_CONFIG", scratch.join("config"))
        .args(["--box", address, "--json"])
        .args(arguments)
        .output()
        .context("running spindle")?;
    Ok(output.into())
}

#[test]
fn a_box_that_was_never_spoken_to_is_paired_from_its_console() -> Result<()> {
    Scratch::within("access-console", |scratch| {
        let artifacts = Artifacts::from_environment()?;
        let log = scratch.join("serial.log");
        let mut options =
            MachineOptions::new(artifacts.release.clone(), artifacts.command_line.clone(), &log);
        let data = scratch.join("data.img");
        data_disk::create(&data, 512 << 20, b"spindle-access-1")?;
        options.data = Some(DataDisk::File(data));
        options.clear = "203.0.113.0/24".into(); // nobody's
        let mut machine = Machine::start(&options, &[])?;
        machine.wait_ready()?;
        let address = machine.control().to_string();
        let run = |arguments: &[&str]| spindle(&artifacts, scratch, &address, arguments);
        let refused = run(&["status"])?;
        ensure!(
            refused.code == 1 && refused.stderr.contains("pair"),
            "{refused:?}"
        );

        let from = machine.serial.type_line("pair")?;
        let at = machine.serial.expect_after(from, "spindle pair ", patience(20))?;
        machine.serial.expect_after(at, "\n", patience(5))?;
        let text = machine.serial.text();
        let code: String = text.get(at..).unwrap_or_default().chars().take(9).collect();
        let paired = run(&["pair", &code])?;
        ensure!(
            paired.code == 0 && paired.json()?["role"] == "admin",
            "{paired:?}"
        );
        let status = run(&["status"])?;
        ensure!(status.code == 0, "{status:?}");
        let known = run(&["workstations"])?;
        ensure!(
            known.json()?["workstations"]
                .as_array()
                .is_some_and(|all| all.len() == 1),
            "{known:?}"
        );
        let off = run(&["poweroff"])?;
        ensure!(off.code == 0, "{off:?}");
        machine.wait_off(patience(30))?;
        Ok(())
    })
}
