//! The driver on every kind of disc, against the emulated burner in this process.

#[path = "families/family_faults.rs"]
mod family_faults;
#[path = "families/place.rs"]
mod place;

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use burner::Profile;
use mmc::{Background, Blank, Close, Disc, DiscStatus, Error, Format, Intent, Model, Stage};
use place::{BLOCK, FAMILIES, Place, on_each, place};

#[test]
fn a_session_is_burned_and_two_are_appended() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, family.capacity)?;
        let mut sessions = Vec::new();
        for (seed, blocks) in [(1, 500), (2, 333), (3, 97)] {
            let first = place.next(&sessions)?;
            let intent = Intent::new(first, blocks);
            if !family.appends {
                let refused = place.burn(seed, &intent).err();
                ensure!(matches!(refused, Some(Error::OnlyAtOnce { .. })), "{refused:?}");
                return Ok(());
            }
            sessions.push(
                place
                    .burn(seed, &intent)
                    .with_context(|| format!("session {seed}"))?,
            );
            place.compare(&sessions)?;
            let disc = place.drive.disc()?;
            let start = place.drive.last_session_start(&disc)?;
            match disc.model {
                Model::Sequential => {
                    ensure!(disc.status == DiscStatus::Appendable, "{:?}", disc.status);
                    ensure!(u32::from(disc.sessions) == seed, "{} sessions", disc.sessions);
                    ensure!(start == Some(first), "imports from {start:?}");
                }
                Model::Overwritable => {
                    place.compare_front(seed)?;
                    ensure!(start == Some(0), "imports from {start:?}");
                }
                Model::ReadOnly => bail!("cannot be appended to"),
            }
        }
        // What was before the first session of an overwritable disc, and is nobody's, is zeroes.
        if sessions[0].first > 256 {
            let mut block = [1; BLOCK];
            place.drive.reader().read(100, &mut block)?;
            ensure!(block == [0; BLOCK], "the gap in front is not zeroes");
        }
        Ok(())
    })
}

#[test]
fn a_session_is_burned_as_the_established_programs_do() -> Result<()> {
    const PARAMETERS: &str = "55100000000000003C00";
    const FIRST_16: &str = "2A000000000000001000";
    const FIRST_32: &str = "2A000000000000002000";
    const FLUSH: &str = "35020000000000000000";
    const TRACK: &str = "5B010100000100000000";
    const SESSION: &str = "5B010200000000000000";
    const FORMAT_UNIT: &str = "041100000000";
    let usual = |first| Intent::new(first, 1648);
    // As traced, with unmodified programs of Debian 12; what only asks is left out.
    let rows: &[(&'static Profile, Intent, &[&str])] = &[
        // cdrskin, TAO: no CLOSE TRACK.
        (&burner::CD_R, usual(0), &[PARAMETERS, FIRST_16, FLUSH, SESSION]),
        // cdrskin, SAO: cue sheet, pre-gap from block -150 on, nothing to close.
        (
            &burner::CD_RW,
            usual(0).at_once(),
            &[PARAMETERS, "5D000000000000002000", "2A00FFFFFF6A00000F00", FLUSH],
        ),
        // growisofs and xorriso, incrementally.
        (
            &burner::DVD_R,
            usual(0),
            &[PARAMETERS, FIRST_16, FLUSH, TRACK, SESSION],
        ),
        (
            &burner::DVD_RW,
            usual(0).finalised(),
            &[PARAMETERS, FIRST_16, FLUSH, TRACK, SESSION],
        ),
        // xorriso, finalising: disc at once.
        (
            &burner::DVD_R,
            usual(0).finalised().at_once(),
            &[PARAMETERS, "53000000000000067000", FIRST_16, FLUSH],
        ),
        // growisofs: the session grows, and is closed.
        (
            &burner::DVD_RW_RESTRICTED,
            usual(0),
            &[FORMAT_UNIT, FIRST_16, FLUSH, SESSION],
        ),
        // xorriso, but for the reservation.
        (&burner::DVD_PLUS_R, usual(0), &[FIRST_16, FLUSH, TRACK, SESSION]),
        (
            &burner::DVD_PLUS_R_DL,
            usual(0).finalised(),
            &[FIRST_16, FLUSH, TRACK, "5B010500000000000000"],
        ),
        // growisofs: both close functions; xorriso sends the second.
        (
            &burner::DVD_PLUS_RW,
            usual(0),
            &[
                FORMAT_UNIT,
                FLUSH,
                FIRST_16,
                FLUSH,
                "5B010000000000000000",
                SESSION,
            ],
        ),
        (&burner::DVD_RAM, usual(0), &[FIRST_16, FLUSH]),
        // xorriso.
        (&burner::BD_R, usual(0), &[FIRST_32, FLUSH, TRACK, SESSION]),
        (
            &burner::BD_R,
            usual(0).finalised(),
            &[FIRST_32, FLUSH, TRACK, "5B010600000000000000"],
        ),
        (&burner::BD_RE, usual(0), &[FORMAT_UNIT, FLUSH, FIRST_32, FLUSH]),
    ];
    for (profile, intent, expected) in rows {
        let mut place = place(profile, 32_768)?;
        place.burn(1, intent)?;
        let sent = place
            .sent
            .lock()
            .map_err(|_| anyhow::anyhow!("the log is poisoned"))?;
        ensure!(*sent == *expected, "{}: {sent:?}", profile.name);
    }
    Ok(())
}

#[test]
fn a_disc_is_finalised_and_takes_no_more() -> Result<()> {
    on_each(|family| {
        for sessions_before in [0, 1] {
            if sessions_before > 0 && !family.appends {
                continue;
            }
            let mut place = place(family.profile, family.capacity)?;
            let mut sessions = Vec::new();
            for seed in 0..sessions_before {
                let first = place.next(&sessions)?;
                sessions.push(place.burn(seed, &Intent::new(first, 400))?);
            }
            let first = place.next(&sessions)?;
            let before = place.writes.load(Ordering::Relaxed);
            let burned = place.burn(9, &Intent::new(first, 333).finalised());
            if !family.finalises {
                let refused = burned.err();
                ensure!(
                    matches!(refused, Some(Error::NotFinalisable { .. })),
                    "{refused:?}"
                );
                ensure!(
                    place.writes.load(Ordering::Relaxed) == before,
                    "something was written"
                );
                continue;
            }
            sessions.push(burned?);
            place.compare(&sessions)?;
            let disc = place.drive.disc()?;
            ensure!(
                disc.status == DiscStatus::Complete && disc.model == Model::ReadOnly,
                "{disc:?}"
            );
            ensure!(
                disc.next_writable().is_none() && disc.free_blocks() == 0,
                "{disc:?}"
            );
            let refused = place.drive.plan(&Intent::new(0, 1)).err();
            ensure!(refused == Some(Error::Finalised), "{refused:?}");
            let start = place.drive.last_session_start(&disc)?;
            ensure!(start == Some(first), "imports from {start:?}");
        }
        Ok(())
    })
}

#[test]
fn at_once_is_another_way_to_the_same_disc() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, family.capacity)?;
        let first = place.next(&[])?;
        let close = if family.finalises {
            Close::Finalised
        } else {
            Close::Appendable
        };
        let intent = Intent::new(first, 333).close(close).at_once();
        let session = place.burn(1, &intent)?;
        place.compare(&[session])?;
        let status = place.drive.disc()?.status;
        ensure!((status == DiscStatus::Complete) >= family.finalises, "{status:?}");
        Ok(())
    })?;
    // Only CDs and the plus and Blu-ray families stay appendable that way.
    for family in FAMILIES.iter().filter(|family| family.finalises) {
        let mut place = place(family.profile, family.capacity)?;
        let burned = place.burn(1, &Intent::new(0, 333).at_once());
        if matches!(family.profile.number, 0x11 | 0x14 | 0x15) {
            let refused = burned.err();
            ensure!(matches!(refused, Some(Error::OnlyAtOnce { .. })), "{refused:?}");
            continue;
        }
        let mut sessions = vec![burned.with_context(|| family.profile.name)?];
        ensure!(place.drive.disc()?.status == DiscStatus::Appendable);
        let first = place.next(&sessions)?;
        if family.profile.structure_family == 0xFF {
            let refused = place.drive.plan(&Intent::new(first, 333).at_once()).err();
            ensure!(matches!(refused, Some(Error::NotAtOnce { .. })), "{refused:?}");
        }
        sessions.push(
            place
                .burn(2, &Intent::new(first, 333))
                .with_context(|| family.profile.name)?,
        );
        place.compare(&sessions)?;
    }
    Ok(())
}

#[test]
fn what_exactly_fits_is_burned_and_one_block_more_refused() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, 2048)?;
        let close = if family.appends {
            Close::Appendable
        } else {
            Close::Finalised
        };
        let disc = place.drive.disc()?;
        let fits = |place: &mut Place, blocks| place.drive.plan(&Intent::new(0, blocks).close(close));
        // The figures of a refusal tell how much would fit.
        let most = match fits(&mut place, disc.capacity) {
            Ok(plan) => plan.blocks(),
            Err(Error::TooLarge { needed, free }) => disc.capacity - (needed - free),
            Err(other) => return Err(other.into()),
        };
        let cluster = disc.cluster_blocks();
        let most = most - most % cluster + cluster;
        let most = (0..=most).rev().find(|blocks| fits(&mut place, *blocks).is_ok());
        let most = most.context("nothing fits")?;
        match fits(&mut place, most + 1) {
            Err(Error::TooLarge { needed, free }) => {
                ensure!(needed > free && free == disc.free_blocks(), "{needed} of {free}");
            }
            other => bail!("one block more is not refused: {other:?}"),
        }
        ensure!(place.writes.load(Ordering::Relaxed) == 0, "something was written");
        ensure!(most + 450 > disc.capacity, "only {most} blocks fit");
        let session = place.burn(1, &Intent::new(0, most).close(close))?;
        place.compare(&[session])
    })
}

#[test]
fn what_can_be_made_empty_is_burned_again() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, family.capacity)?;
        let close = if family.finalises {
            Close::Finalised
        } else {
            Close::Appendable
        };
        let first = place.next(&[])?;
        place.burn(1, &Intent::new(first, 500).close(close))?;
        if !family.profile.erasable {
            for refused in [
                place.drive.erase().err(),
                place.drive.blank(Blank::Full).err(),
                place.drive.blank(Blank::Fast).err(),
            ] {
                ensure!(matches!(refused, Some(Error::NotErasable { .. })), "{refused:?}");
            }
            let refused = place.drive.format(Format::Usual).err();
            ensure!(
                matches!(refused, Some(Error::FormatUnavailable { .. })),
                "{refused:?}"
            );
            return Ok(());
        }
        let disc = place.drive.erase()?;
        ensure!(disc.model != Model::ReadOnly, "{disc:?}");
        if disc.model == Model::Overwritable {
            let mut blocks = vec![1; 544 * BLOCK];
            place.drive.reader().read(0, &mut blocks)?;
            ensure!(
                blocks.iter().all(|byte| *byte == 0),
                "what shows the contents is still there"
            );
            if disc.profile != mmc::Profile::DVD_RW_RESTRICTED {
                let refused = place.drive.blank(Blank::Fast).err();
                ensure!(matches!(refused, Some(Error::NotErasable { .. })), "{refused:?}");
            }
        } else {
            ensure!(disc.status == DiscStatus::Blank, "{disc:?}");
        }
        let mut sessions = Vec::new();
        for seed in [2, 3] {
            let first = place.next(&sessions)?;
            sessions.push(place.burn(seed, &Intent::new(first, 200 + seed))?);
        }
        place.compare(&sessions)
    })
}

#[test]
fn a_dvd_rw_goes_from_one_way_of_recording_to_the_other_and_back() -> Result<()> {
    let mut place = place(&burner::DVD_RW, 8192)?;
    place.burn(1, &Intent::new(0, 100).finalised())?;
    let disc = place.drive.format(Format::Usual)?;
    ensure!(disc.profile == mmc::Profile::DVD_RW_RESTRICTED && disc.model == Model::Overwritable);
    ensure!(disc.reach == 544 && disc.capacity == 8192, "{disc:?}");
    let first = place.next(&[])?;
    let grown = place.burn(2, &Intent::new(first, 1000))?;
    place.compare(&[grown])?;
    ensure!(
        place.drive.disc()?.reach == first + 1008,
        "it grew as far as it was written"
    );
    // A session that begins in the middle of nowhere: what lies before it is written as zeroes.
    let far = place.burn(3, &Intent::new(4096, 16))?;
    place.compare(&[far])?;
    let whole = place.drive.format(Format::Whole)?;
    ensure!(whole.reach == 8192, "{whole:?}");
    let sequential = place.drive.blank(Blank::Full)?;
    ensure!(sequential.profile == mmc::Profile::DVD_RW && sequential.incremental);
    let session = place.burn(4, &Intent::new(0, 100))?;
    place.compare(&[session])?;
    // Blanked minimally it takes a disc at once only, and says so.
    let minimal = place.drive.blank(Blank::Fast)?;
    ensure!(minimal.status == DiscStatus::Blank && !minimal.incremental);
    let refused = place.drive.plan(&Intent::new(0, 100)).err();
    ensure!(matches!(refused, Some(Error::OnlyAtOnce { .. })), "{refused:?}");
    let session = place.burn(5, &Intent::new(0, 100).finalised())?;
    place.compare(&[session])
}

#[test]
fn spare_areas_are_chosen_before_the_first_burn() -> Result<()> {
    let room = |format| -> Result<u32> {
        let mut place = place(&burner::BD_RE, 8192)?;
        let disc = place.drive.disc()?;
        ensure!(!disc.formatted && disc.model == Model::Overwritable, "{disc:?}");
        let session = place.burn(1, &Intent::new(288, 1000).format(format))?;
        place.compare(&[session])?;
        let disc = place.drive.disc()?;
        ensure!(disc.formatted);
        ensure!(place.drive.host().stages.contains(&Stage::Formatting));
        Ok(disc.capacity)
    };
    let (usual, least) = (room(Format::Usual)?, room(Format::LeastSpare)?);
    let none = room(Format::NoSpare)?;
    ensure!(
        usual < least && least < none && none == 8192,
        "{usual} {least} {none}"
    );
    // What fits only without spare areas is refused with them, before the disc is touched.
    let mut place = place(&burner::BD_RE, 8192)?;
    let refused = place.drive.plan(&Intent::new(0, none)).err();
    ensure!(matches!(refused, Some(Error::TooLarge { .. })), "{refused:?}");
    ensure!(
        place
            .drive
            .plan(&Intent::new(0, none).format(Format::NoSpare))
            .is_ok()
    );
    ensure!(!place.drive.disc()?.formatted);
    Ok(())
}

#[test]
fn dvd_plus_rw_is_formatted_in_the_background_only_as_far_as_needed() -> Result<()> {
    let background = |disc: &Disc| disc.background;
    let mut place = place(&burner::DVD_PLUS_RW, 65_536)?;
    ensure!(background(&place.drive.disc()?) == Background::None);
    let first = place.next(&[])?;
    let one = place.burn(1, &Intent::new(first, 100))?;
    let disc = place.drive.disc()?;
    ensure!(background(&disc) == Background::Stopped, "{disc:?}");
    let two = place.burn(2, &Intent::new(60_000, 100))?;
    place.compare(&[one, two])?;
    let disc = place.drive.format(Format::Whole)?;
    ensure!(background(&disc) == Background::Complete, "{disc:?}");
    let three = place.burn(3, &Intent::new(first, 100))?;
    place.compare(&[three])?;
    ensure!(background(&place.drive.disc()?) == Background::Complete);
    Ok(())
}

#[test]
fn a_disc_another_program_formatted_for_pseudo_overwrite_is_used_by_its_rules() -> Result<()> {
    let mut place = place(&burner::BD_R, 8192)?;
    // As growisofs does: SRM+POW, the usual spare area. Our driver never would.
    place.drive.ready()?;
    let list = [0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0x32 << 2, 0, 0, 0];
    let formatted = place.burner.drive.execute(&[0x04, 0x11, 0, 0, 0, 0], &list);
    ensure!(formatted.status == burner::Status::Good, "{formatted:?}");
    let disc = place.drive.disc()?;
    ensure!(
        disc.pseudo_overwrite && disc.model == Model::Overwritable && disc.reach == 0,
        "{disc:?}"
    );
    let mut sessions = Vec::new();
    for seed in [1, 2, 3] {
        let first = place.next(&sessions)?;
        sessions.push(place.burn(seed, &Intent::new(first, 300 + seed))?);
        place.compare(&sessions)?;
        place.compare_front(seed)?;
    }
    let free = place.drive.disc()?;
    let refused = place.drive.plan(&Intent::new(0, free.capacity + 1)).err();
    ensure!(matches!(refused, Some(Error::TooLarge { .. })), "{refused:?}");
    let first = place.next(&sessions)?;
    sessions.push(place.burn(4, &Intent::new(first, 100).finalised())?);
    place.compare(&sessions)?;
    ensure!(place.drive.disc()?.status == DiscStatus::Complete);
    Ok(())
}

#[test]
fn a_finalised_double_layer_disc_is_split_in_the_middle() -> Result<()> {
    let layer_break = |folder: &Path| -> Result<String> {
        let state = std::fs::read_to_string(folder.join("disc.toml"))?;
        Ok(state
            .lines()
            .find(|line| line.starts_with("layer_break"))
            .unwrap_or("")
            .into())
    };
    let mut large = place(&burner::DVD_PLUS_R_DL, 8192)?;
    large.burn(1, &Intent::new(0, 5000).finalised())?;
    ensure!(layer_break(large.folder.path())? == "layer_break = 2512");
    // A short session, or one that others follow, leaves the drive its own.
    let mut open = place(&burner::DVD_PLUS_R_DL, 8192)?;
    open.burn(1, &Intent::new(0, 5000))?;
    ensure!(layer_break(open.folder.path())?.is_empty());
    Ok(())
}

#[test]
fn a_misplaced_session_is_refused_before_anything_is_written() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, family.capacity)?;
        let refused = place.drive.plan(&Intent::new(257, 10)).err();
        match place.drive.disc()?.model {
            Model::Overwritable => {
                ensure!(
                    matches!(refused, Some(Error::Misaligned { address: 257, .. })),
                    "{refused:?}"
                );
            }
            _ => ensure!(
                matches!(refused, Some(Error::Displaced { found: 0, .. })),
                "{refused:?}"
            ),
        }
        ensure!(place.writes.load(Ordering::Relaxed) == 0);
        Ok(())
    })
}
