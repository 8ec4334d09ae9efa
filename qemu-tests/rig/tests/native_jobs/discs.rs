//! What is done with discs: append, overwrite, finalise, blank.

use super::*;

#[test]
fn a_session_appended_keeps_every_earlier_file() -> Result<()> {
    let place = place("jobs-append", 3_000_000)?;
    archived(&place.burn()?)?;
    let before = names(&place.native, session_of(0))?;
    let new = tree::noise(5, 70_000);
    let files = [("added/new", &new[..]), ("one-block", b"replaced")];
    put(&place.native, &place.scratch, "more", &files)?;
    let mut session = common::session(place.native.control())?;
    let ended = only(session.record(record(RecordMode::Append), |_| {})?)?;
    archived(&ended)?;
    ensure!(ended.summary.session == 2, "{ended:?}");
    let now = names(&place.native, session_of(0))?;
    ensure!(before.iter().all(|name| now.contains(name)), "{now:?}");
    ensure!(now.len() == before.len() + 2, "{now:?}");
    ensure!(get(&place.native, session_of(0), "added/new")? == new);
    ensure!(get(&place.native, session_of(0), "one-block")? == b"replaced");
    // The first session is as it was.
    ensure!(names(&place.native, session_of(1))? == before);
    let old = fs::read(place.scratch.join("source/one-block"))?;
    ensure!(get(&place.native, session_of(1), "one-block")? == old);
    let failure = common::failure(session.list_in(session_of(3), b"", 1, |_| {}))?;
    ensure!(failure.is(FailureCode::NotFound), "{failure:?}");
    // Both sessions verify, and the disc is one.
    let disc = disc(&place.native)?;
    ensure!(
        disc.sessions.len() == 2 && disc.disc_id == ended.summary.disc_id,
        "{disc:?}"
    );
    ended_as(&session.verify(0, |_| {})?, Outcome::Verified)?;
    // Programs that nobody here wrote read the merged tree.
    let start = disc.sessions[1].start.to_string();
    let image = format!("stdio:{}", place.scratch.join("disc/disc.img").display());
    let out = place.scratch.join("xorriso");
    let arguments = [
        "-abort_on",
        "WARNING",
        "-load",
        "sbsector",
        &start,
        "-indev",
        &image,
        "-osirrox",
        "on",
    ];
    let read = Command::new("xorriso")
        .args(arguments)
        .args([Path::new("-extract"), Path::new("/"), &out])
        .output()
        .context("xorriso is missing: `cargo xtask setup` installs it")?;
    ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    ensure!(fs::read(out.join("added/new"))? == new && fs::read(out.join("one-block"))? == b"replaced");
    let deep = fs::read(place.scratch.join("source/one-block-and-a-byte"))?;
    ensure!(fs::read(out.join("second-name"))? == deep);
    let writable = Command::new("chmod").args(["-R", "u+w"]).arg(&out).status()?;
    ensure!(writable.success());
    Ok(())
}

#[test]
fn a_disc_begun_by_others_is_appended_to_and_known_from_then_on() -> Result<()> {
    for (name, program) in [
        (
            "xorriso",
            &["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "FOREIGN"][..],
        ),
        (
            "genisoimage",
            &[
                "genisoimage",
                "-quiet",
                "-R",
                "-udf",
                "-allow-limited-size",
                "-V",
                "FOREIGN",
            ],
        ),
    ] {
        let place = Place::stranger(&format!("jobs-foreign-{name}"), 4_000_000)?;
        let source = place.scratch.join("foreign");
        fs::create_dir_all(source.join("deep/er"))?;
        fs::write(source.join("deep/er/file"), tree::noise(7, 100_000))?;
        fs::write(source.join("empty"), b"")?;
        let image = place.scratch.join("foreign.iso");
        let made = Command::new(program[0])
            .args(&program[1..])
            .arg("-o")
            .args([&image, &source])
            .output()
            .with_context(|| format!("{name} is missing: `cargo xtask setup` installs it"))?;
        ensure!(made.status.success(), "{made:?}");
        let on_disc = place.scratch.join("disc/disc.img");
        let length = fs::metadata(&on_disc)?.len();
        let mut bytes = fs::read(&image)?;
        ensure!(bytes.len() as u64 <= length, "the image is too large");
        bytes.resize(usize::try_from(length)?, 0);
        fs::write(&on_disc, bytes)?;
        place.burner.drive.control(burner::Drive::power_cycle);

        put(&place.native, &place.scratch, "ours", &[("ours", b"ours")])?;
        let mut session = common::session(place.native.control())?;
        let ended = only(session.record(record(RecordMode::Append), |_| {})?)?;
        archived(&ended)?;
        ensure!(get(&place.native, session_of(0), "deep/er/file")? == tree::noise(7, 100_000));
        ensure!(get(&place.native, session_of(0), "ours")? == b"ours");
        let disc = disc(&place.native)?;
        ensure!(
            disc.label == "FOREIGN" && disc.disc_id == ended.summary.disc_id,
            "{disc:?}"
        );
        // What others wrote has no digests here: it is read, and "verified" is not said.
        ended_as(&session.verify(0, |_| {})?, Outcome::Readable)?;
    }
    Ok(())
}

#[test]
fn rewritable_discs_are_appended_to_overwritten_and_never_by_accident() -> Result<()> {
    for (name, profile) in [
        ("jobs-bd-re", &burner::BD_RE),
        ("jobs-dvd-rw", &burner::DVD_PLUS_RW),
    ] {
        let (scratch, _burners, native) = drives(name, profile, 1)?;
        put(&native, &scratch, "first", &[("first", b"1")])?;
        archived(&burn(&native, RecordMode::New)?)?;
        put(&native, &scratch, "second", &[("second", b"2")])?;
        failed(&burn(&native, RecordMode::New)?, FailureCode::NotBlank)?;
        archived(&burn(&native, RecordMode::Append)?)?;
        ensure!(get(&native, session_of(0), "first")? == b"1");
        ensure!(get(&native, session_of(0), "second")? == b"2");
        ended_as(
            &common::session(native.control())?.verify(0, |_| {})?,
            Outcome::Verified,
        )?;
        put(&native, &scratch, "third", &[("third", b"3")])?;
        archived(&burn(&native, RecordMode::Overwrite)?)?;
        let all = names(&native, session_of(0))?;
        ensure!(
            all.iter()
                .all(|name| name == "third" || name.contains(".spindle")),
            "{all:?}"
        );
    }
    Ok(())
}

fn treat(native: &Native, treatment: Treatment, confirmed: bool) -> Result<JobEnded, client::Error> {
    let treat = Treat {
        treatment: treatment.number(),
        confirmed,
        ..Treat::default()
    };
    let options = client::Options::default();
    client::Connection::open(&native.control().to_string(), &options)?.treat(treat, |_| {})
}

#[test]
fn a_disc_is_finalised_without_data_and_takes_no_more() -> Result<()> {
    let place = place("jobs-finalise", 1_000_000)?;
    archived(&place.burn()?)?;
    ended_as(&treat(&place.native, Treatment::Finalise, false)?, Outcome::Done)?;
    ensure!(disc(&place.native)?.state.number == 2);
    ended_as(
        &common::session(place.native.control())?.verify(0, |_| {})?,
        Outcome::Verified,
    )?;
    put(&place.native, &place.scratch, "late", &[("late", b"late")])?;
    failed(
        &burn(&place.native, RecordMode::Append)?,
        FailureCode::NotAppendable,
    )?;
    // What cannot be blanked says so, and what destroys must be confirmed.
    let failure = common::failure(treat(&place.native, Treatment::Blank, false))?;
    ensure!(failure.is(FailureCode::NotConfirmed), "{failure:?}");
    for treatment in [Treatment::Blank, Treatment::Format, Treatment::Erase] {
        let ended = treat(&place.native, treatment, true)?;
        ended_as(&ended, Outcome::Failed)?;
        let failure = ended.failure.context("no reason")?;
        ensure!(
            !failure.what.is_empty() && !failure.remedy.is_empty(),
            "{failure:?}"
        );
    }
    ended_as(
        &common::session(place.native.control())?.verify(0, |_| {})?,
        Outcome::Verified,
    )
}

#[test]
fn a_rewritable_disc_is_blanked_and_burned_again() -> Result<()> {
    let (scratch, _burners, native) = drives("jobs-blank", &burner::CD_RW, 1)?;
    put(&native, &scratch, "first", &[("first", b"1")])?;
    archived(&common::session(native.control())?.burn(BURN, |_| {})?)?;
    let id = disc(&native)?.disc_id;
    ensure!(id != [0; 16]);
    ended_as(&treat(&native, Treatment::Blank, true)?, Outcome::Done)?;
    ensure!(disc(&native)?.state.number == 0);
    put(&native, &scratch, "second", &[("second", b"2")])?;
    let ended = common::session(native.control())?.burn(BURN, |_| {})?;
    archived(&ended)?;
    ensure!(ended.summary.disc_id != id && get(&native, session_of(0), "second")? == b"2");
    Ok(())
}
