//! Copies of discs, burning them, and scrubs.

use super::*;

#[test]
fn a_copied_tree_is_listed_and_burned_many_times() -> Result<()> {
    let place = place("jobs-copy-tree", 2_000_000)?;
    archived(&place.burn()?)?;
    let mut session = common::session(place.native.control())?;
    let ended = session.copy(CopyDisc::default(), |_| {})?;
    ended_as(&ended, Outcome::Copied)?;
    let copy = session.trees()?.trees[0].clone();
    ensure!(
        copy.state.number == TreeState::CopyOfTree.number() && copy.files > 40,
        "{copy:?}"
    );
    for item in place.walked.items.iter().filter(|item| item.has_data) {
        let mut got = Vec::new();
        session.get(
            Source::Tree(copy.tree),
            item.entry.path.as_bytes(),
            &mut got,
            |_, _| {},
        )?;
        ensure!(got == fs::read(&item.local)?, "{} differs", item.entry.path);
    }
    drop(session);
    // The disc in the drive is put out, and two blank ones are burned one after the other.
    let order = BurnCopy {
        copy: copy.tree,
        count: 2,
        ..BurnCopy::default()
    };
    let address = place.native.control();
    std::thread::scope(|scope| -> Result<()> {
        let burns = scope.spawn(move || {
            common::session(address)?
                .burn_copy(order, |_| {})
                .map_err(Into::into)
        });
        let mut before = 0;
        for number in 0..2 {
            before = until("the next disc to be asked for", patience(20), || {
                let waiting = in_phase(&place.native, Phase::AwaitingDisc)?;
                Ok((waiting != before).then_some(waiting))
            })?;
            let folder = place.scratch.join(&format!("copy-{number}"));
            place
                .burner
                .insert(&burner::BD_R, &folder, Some(common::SMALL_DISC))?;
        }
        let all: Result<Vec<JobEnded>> = burns.join().ok().context("the burns panicked")?;
        let all = all?;
        ensure!(all.len() == 2, "{all:?}");
        ensure!(all[0].summary.disc_id != all[1].summary.disc_id, "{all:?}");
        all.iter().try_for_each(archived)
    })?;
    let mut session = common::session(place.native.control())?;
    let failure = common::failure(session.remove_tree(copy.tree, false))?;
    ensure!(failure.is(FailureCode::NotConfirmed), "{failure:?}");
    session.remove_tree(copy.tree, true)?;
    ensure!(session.trees()?.trees.iter().all(|tree| tree.tree != copy.tree));
    ensure!(!place.scratch.join(&format!("data/work/{}", copy.tree)).exists());
    Ok(())
}

#[test]
fn an_image_has_every_block_and_lists_what_could_not_be_read() -> Result<()> {
    let place = place("jobs-copy-image", 2_000_000)?;
    archived(&place.burn()?)?;
    let original = fs::read(place.scratch.join("disc/disc.img"))?;
    place.arm(Fault::ReadError {
        at: 700,
        blocks: Some(3),
        tries: None,
    });
    let mut session = common::session(place.native.control())?;
    let order = CopyDisc {
        mode: CopyMode::Image.number(),
        ..CopyDisc::default()
    };
    let ended = session.copy(order, |_| {})?;
    ended_as(&ended, Outcome::Copied)?;
    ensure!(
        ended
            .summary
            .remarks
            .iter()
            .any(|remark| remark.starts_with("3 blocks")),
        "{ended:?}"
    );
    place.release();
    let copy = session.trees()?.trees[0].clone();
    ensure!(copy.state.number == TreeState::CopyOfImage.number(), "{copy:?}");
    let image = fs::read(place.scratch.join(&format!("data/work/{}/image", copy.tree)))?;
    let bad = 700 * 2048..703 * 2048;
    ensure!(
        image.get(bad.clone()) == Some(&vec![0; 3 * 2048][..]),
        "bad blocks are zeroes"
    );
    let length = image.len();
    ensure!(original.get(..bad.start) == image.get(..bad.start));
    ensure!(original.get(bad.end..length) == image.get(bad.end..));
    let failure = common::failure(session.list(Source::Tree(copy.tree), b"", 1, |_| {}))?;
    ensure!(failure.is(FailureCode::NotFound), "{failure:?}");
    // A whole copy makes the same disc again.
    let ended = session.copy(order, |_| {})?;
    ended_as(&ended, Outcome::Copied)?;
    let copy = session.trees()?.trees[0].tree;
    let folder = place.scratch.join("next");
    place
        .burner
        .insert(&burner::BD_R, &folder, Some(common::SMALL_DISC))?;
    until("the blank disc", patience(20), || {
        Ok((disc(&place.native)?.state.number == 0).then_some(()))
    })?;
    let all = session.burn_copy(
        BurnCopy {
            copy,
            ..BurnCopy::default()
        },
        |_| {},
    )?;
    archived(&only(all)?)?;
    let again = fs::read(folder.join("disc.img"))?;
    ensure!(again.get(..length) == original.get(..length), "the discs differ");
    Ok(())
}

#[test]
fn a_scrub_maps_the_disc_and_goes_on_behind_what_is_bad() -> Result<()> {
    let place = place("jobs-scrub", 4_000_000)?;
    archived(&place.burn()?)?;
    let mut session = common::session(place.native.control())?;
    ended_as(&session.scrub(Scrub::default(), |_| {})?, Outcome::Verified)?;
    let report = session.disc_report(0)?;
    ensure!(report.mapped > 0 && !report.regions.is_empty(), "{report:?}");
    ensure!(
        !report.tracks.is_empty() && report.condition.is_empty(),
        "{report:?}"
    );
    place.arm(Fault::ReadError {
        at: 900,
        blocks: Some(2),
        tries: None,
    });
    let ended = session.scrub(Scrub::default(), |_| {})?;
    failed(&ended, FailureCode::ReadFailed)?;
    let report = session.disc_report(0)?;
    let lost: u32 = report.regions.iter().map(|region| region.unreadable).sum();
    let blocks: u64 = report.regions.iter().map(|region| region.blocks).sum();
    ensure!(
        lost == 2 && blocks == report.disc.sessions[0].blocks,
        "{report:?}"
    );
    place.release();
    drop(session);
    // A box that knows nothing of the disc enters it into its catalog.
    place.native.vault.shutdown();
    let native = common::place::start(&place.scratch.join("other-data"), &place.burner)?;
    let mut session = common::session(native.control())?;
    ended_as(&session.scrub(Scrub::default(), |_| {})?, Outcome::Verified)?;
    ensure!(session.disc(0)?.disc_id != [0; 16]);
    Ok(())
}
