//! Discs left half-written by a power cut, a failed burn or another program: diagnosed, repaired, resumed.

mod driver;

use anyhow::{Context as _, Result, bail, ensure};
use burner::{Fault, Profile};
use driver::{Place, Session, holds, image, place};
use mmc::{BLOCK, Close, DiscStatus, Error, Intent, Interrupted, Loss, Resumption, State};

/// Every kind of disc that is written session after session, with blocks enough for three of them.
const FAMILIES: [(&Profile, u32); 8] = [
    (&burner::CD_R, 60_000),
    (&burner::CD_RW, 60_000),
    (&burner::DVD_R, 80_000),
    (&burner::DVD_RW, 80_000),
    (&burner::DVD_PLUS_R, 16_000),
    (&burner::DVD_PLUS_R_DL, 16_000),
    (&burner::BD_R, 16_000),
    (&burner::BD_R_DL, 16_000),
];

/// Blocks of a session in these tests.
const SESSION: u32 = 640;

/// What is done to the disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    /// The program that burned was killed.
    Killed,
    /// The power failed in the middle of a track.
    PowerCut,
    /// The power failed at the session's first blocks.
    PowerCutAtOnce,
    /// Another program reserved a track and went away.
    Reserved,
    /// It also wrote something there.
    ReservedAndBegun,
    /// It closed its track and not its session.
    TrackClosed,
}

const HARMS: [Harm; 6] = [
    Harm::Killed,
    Harm::PowerCut,
    Harm::PowerCutAtOnce,
    Harm::Reserved,
    Harm::ReservedAndBegun,
    Harm::TrackClosed,
];

/// Does the harm where the disc goes on.
fn harm(place: &mut Place, harm: Harm) -> Result<()> {
    let first = place.next()?;
    let session = Session::new(9, first, SESSION);
    let intent = Intent::new(first, SESSION);
    let reserve = |place: &Place, blocks: u32| {
        let [a, b, c, d] = blocks.to_be_bytes();
        place.raw(&[0x53, 0, 0, 0, 0, a, b, c, d, 0], &[])
    };
    match harm {
        Harm::Killed => {
            let plan = place.drive.plan(&intent)?;
            place.write(plan, &session, 10)?;
        }
        Harm::PowerCut | Harm::PowerCutAtOnce => {
            let at = first + if harm == Harm::PowerCut { SESSION / 2 } else { 3 };
            place.arm(Fault::PowerCut { at });
            let cut = place.burn(&session, &intent);
            ensure!(cut.is_err(), "a burn went on without power");
        }
        Harm::Reserved => reserve(place, SESSION)?,
        Harm::ReservedAndBegun => {
            match place.drive.profile()?.0 {
                0x09 | 0x0A => place.set_write_type(1)?,
                0x11..=0x15 => place.set_write_type(0)?,
                _ => {}
            }
            reserve(place, SESSION)?;
            let write = first.to_be_bytes();
            let cdb = [0x2A, 0, write[0], write[1], write[2], write[3], 0, 0, 64, 0];
            place.raw(&cdb, session.part(first, 64))?;
        }
        Harm::TrackClosed => {
            let plan = place.drive.plan(&intent)?;
            place.write(plan, &session, 20)?;
            place.raw(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[])?;
            // Of a CD the flush has ended the track.
            let track = place.drive.disc()?.open.context("an open track")?;
            let number = track.number.to_be_bytes();
            if !track.blank {
                place.raw(&[0x5B, 0, 1, 0, number[0], number[1], 0, 0, 0, 0], &[])?;
            }
        }
    }
    place.acquaint()
}

fn each(test: impl Fn(&'static Profile, &mut Place, Harm) -> Result<()>) -> Result<()> {
    for (profile, capacity) in FAMILIES {
        for kind in HARMS {
            let mut place = place(profile, capacity)?;
            test(profile, &mut place, kind).with_context(|| format!("{} after {kind:?}", profile.name))?;
        }
    }
    Ok(())
}

#[test]
fn whatever_was_left_open_is_found_refused_and_made_appendable_again() -> Result<()> {
    each(|_, place, kind| {
        let kept = place.append(1, SESSION)?;
        harm(place, kind)?;
        let condition = place.drive.diagnose()?;
        let expected: &[State] = match kind {
            Harm::Killed => &[State::Begun],
            Harm::PowerCut | Harm::PowerCutAtOnce => &[State::Damaged],
            Harm::Reserved | Harm::ReservedAndBegun => &[State::Reserved],
            Harm::TrackClosed => &[State::SessionOpen],
        };
        ensure!(expected.contains(&condition.state), "found {:?}", condition.state);
        ensure!(condition.remedies.len() == 2 && !condition.is_sound());
        ensure!(
            condition.kept >= SESSION,
            "kept {} of the first session",
            condition.kept
        );
        let next = place.drive.disc()?.next_writable().unwrap_or(condition.kept);
        let refused = place.drive.plan(&Intent::new(next, SESSION));
        ensure!(matches!(refused, Err(Error::OpenTrack { .. })), "{refused:?}");

        let disc = place.drive.repair(Close::Appendable)?;
        ensure!(disc.status == DiscStatus::Appendable, "{disc:?}");
        ensure!(place.drive.diagnose()?.is_sound());
        ensure!(place.reads(&kept)?, "the first session suffered");
        let after = place.append(2, SESSION)?;
        ensure!(place.reads(&kept)? && place.reads(&after)?);
        ensure!(place.holds(&kept)? && place.holds(&after)?);
        // A repair of what is sound changes nothing.
        let before = place.drive.disc()?;
        ensure!(place.drive.repair(Close::Appendable)? == before);
        Ok(())
    })
}

#[test]
fn a_first_session_left_open_can_be_finalised() -> Result<()> {
    each(|_, place, kind| {
        harm(place, kind)?;
        let refused = place.drive.finalise();
        if kind != Harm::TrackClosed {
            ensure!(matches!(refused, Err(Error::OpenTrack { .. })), "{refused:?}");
        }
        let disc = place.drive.repair(Close::Finalised)?;
        ensure!(disc.status == DiscStatus::Complete, "{disc:?}");
        ensure!(matches!(place.append(2, SESSION), Err(error) if error.to_string().contains("nothing can")));
        Ok(())
    })
}

#[test]
fn a_disc_is_finalised_without_new_data_and_proved_so() -> Result<()> {
    for (profile, capacity) in FAMILIES {
        let mut place = place(profile, capacity)?;
        ensure!(place.drive.finalise() == Err(Error::Blank), "{}", profile.name);
        let kept = place.append(1, SESSION)?;
        let disc = place.drive.finalise().with_context(|| profile.name)?;
        ensure!(disc.status == DiscStatus::Complete, "{}: {disc:?}", profile.name);
        ensure!(place.reads(&kept)?);
        ensure!(place.drive.finalise()?.status == DiscStatus::Complete, "twice");
        let refused = place.drive.plan(&Intent::new(2 * SESSION, 16));
        ensure!(refused == Err(Error::Finalised), "{}: {refused:?}", profile.name);
    }
    // A drive that says it did and did not; a disc that is never finalised.
    let mut lying = place(&burner::BD_R, 16_000)?;
    lying.append(1, SESSION)?;
    lying.arm(Fault::LyingClose { times: None });
    ensure!(matches!(
        lying.drive.finalise(),
        Err(Error::CloseUnfinished { .. })
    ));
    let mut overwritten = place(&burner::BD_RE, 16_000)?;
    overwritten.append(1, SESSION)?;
    ensure!(matches!(
        overwritten.drive.finalise(),
        Err(Error::NotFinalisable { .. })
    ));
    Ok(())
}

#[test]
fn a_disc_that_cannot_be_closed_is_called_so_and_keeps_what_was_closed() -> Result<()> {
    for (profile, capacity) in FAMILIES {
        let mut place = place(profile, capacity)?;
        let kept = place.append(1, SESSION)?;
        harm(&mut place, Harm::PowerCut)?;
        place.arm(Fault::FailClose { times: None });
        let error = place.drive.repair(Close::Appendable);
        let Err(Error::BeyondRepair { kept: blocks, .. }) = error else {
            bail!("{}: {error:?}", profile.name)
        };
        ensure!(blocks >= SESSION && place.reads(&kept)?);
        place.disarm();
        place.arm(Fault::LyingClose { times: None });
        let error = place.drive.repair(Close::Appendable);
        ensure!(
            error.is_err(),
            "{}: a close was believed that was none",
            profile.name
        );
        ensure!(place.reads(&kept)?);
        place.disarm();
        ensure!(place.drive.repair(Close::Appendable)?.status == DiscStatus::Appendable);
    }
    Ok(())
}

/// The journal's part: what the drive says is on the disc is compared before the burn goes on.
fn proved(place: &mut Place, session: &Session, doubtful: &std::ops::Range<u32>) -> Result<bool> {
    let mut read = vec![0; doubtful.len() * BLOCK];
    place.drive.reader().read(doubtful.start, &mut read)?;
    Ok(read == session.part(doubtful.start, doubtful.end - doubtful.start))
}

fn interrupted(session: &Session, blocks: u32, clusters: u32, cluster: u32) -> Interrupted {
    Interrupted {
        intent: Intent::new(session.first, blocks),
        journalled: clusters * cluster,
    }
}

#[test]
fn a_burn_goes_on_exactly_where_the_disc_ends() -> Result<()> {
    for (profile, capacity) in FAMILIES.into_iter().skip(2) {
        for clusters in [0, 1, 7, 39, 40] {
            for earlier in [false, true] {
                let name = format!("{} after {clusters} clusters, {earlier}", profile.name);
                let mut place = place(profile, capacity)?;
                let kept = if earlier {
                    Some(place.append(1, 320)?)
                } else {
                    None
                };
                let cluster = place.drive.disc()?.cluster_blocks();
                let blocks = 40 * cluster - 3;
                let session = Session::new(2, place.next()?, blocks);
                let plan = place.drive.plan(&Intent::new(session.first, blocks))?;
                place.write(plan, &session, clusters)?;
                place.acquaint()?;
                let done = u32::try_from(clusters)?;
                let burn = interrupted(&session, blocks, done, cluster);
                let resumed = place.drive.resume(&burn).with_context(|| name.clone())?;
                let Resumption::Continue { plan, doubtful } = resumed else {
                    bail!("{name}: {resumed:?}")
                };
                ensure!(doubtful.end == (session.first + done * cluster).min(session.first + blocks));
                ensure!(proved(&mut place, &session, &doubtful)?, "{name}");
                place
                    .write(plan, &session, usize::MAX)
                    .with_context(|| name.clone())?;
                ensure!(place.reads(&session)? && place.holds(&session)?, "{name}");
                if let Some(kept) = kept {
                    ensure!(place.reads(&kept)?, "{name}");
                }
                let after = place.drive.resume(&burn)?;
                ensure!(matches!(after, Resumption::Closed(_)), "{name}: {after:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_the_drive_lost_out_of_its_buffer_is_written_again() -> Result<()> {
    // The burner commits every 16 MiB and with the first block; switched off, it forgets the rest.
    let mut place = place(&burner::BD_R, 40_000)?;
    let blocks = 12_000;
    let session = Session::new(3, 0, blocks);
    let plan = place.drive.plan(&Intent::new(0, blocks))?;
    place.write(plan, &session, 300)?;
    place.restart()?;
    let burn = interrupted(&session, blocks, 300, 32);
    let Resumption::Continue { plan, doubtful } = place.drive.resume(&burn)? else {
        bail!("not resumed")
    };
    ensure!(doubtful.end < 300 * 32 && !doubtful.is_empty(), "{doubtful:?}");
    ensure!(proved(&mut place, &session, &doubtful)?);
    place.write(plan, &session, usize::MAX)?;
    ensure!(place.reads(&session)? && place.holds(&session)?);
    Ok(())
}

#[test]
fn a_burn_cut_off_by_the_power_is_repaired_and_made_elsewhere() -> Result<()> {
    for (profile, capacity) in FAMILIES {
        let mut place = place(profile, capacity)?;
        let kept = place.append(1, SESSION)?;
        let session = Session::new(2, place.next()?, SESSION);
        place.arm(Fault::PowerCut {
            at: session.first + 300,
        });
        ensure!(
            place
                .burn(&session, &Intent::new(session.first, SESSION))
                .is_err()
        );
        let burn = interrupted(&session, SESSION, 1, 32);
        let resumed = place.drive.resume(&burn)?;
        let Resumption::Repair(condition) = resumed else {
            bail!("{}: {resumed:?}", profile.name)
        };
        ensure!(condition.kept <= session.first);
        place.drive.repair(Close::Appendable)?;
        let again = place.append(2, SESSION)?;
        ensure!(again.first > session.first && place.reads(&kept)? && place.reads(&again)?);
    }
    Ok(())
}

#[test]
fn overwritten_discs_go_on_from_before_the_drives_buffer() -> Result<()> {
    for (profile, capacity) in [
        (&burner::BD_RE, 40_000),
        (&burner::DVD_RAM, 40_000),
        (&burner::DVD_PLUS_RW, 40_000),
        (&burner::DVD_RW_RESTRICTED, 40_000),
    ] {
        let mut place = place(profile, capacity)?;
        let cluster = place.drive.disc()?.cluster_blocks();
        let blocks = 200 * cluster;
        let session = Session::new(4, 0, blocks);
        let intent = Intent::new(0, blocks);
        let plan = place.drive.plan(&intent)?;
        place.write(plan, &session, 151)?;
        // The end of what was written never left the drive's buffer: something else is on the disc there.
        let lost = (100 * cluster).to_be_bytes();
        let junk = vec![0x55; 51 * usize::try_from(cluster)? * BLOCK];
        let length = u16::try_from(51 * cluster)?.to_be_bytes();
        let cdb = [
            0x2A, 0, lost[0], lost[1], lost[2], lost[3], 0, length[0], length[1], 0,
        ];
        place.raw(&cdb, &junk)?;
        place.acquaint()?;
        let burn = interrupted(&session, blocks, 151, cluster);
        let resumed = place.drive.resume(&burn).with_context(|| profile.name)?;
        let Resumption::Continue { plan, doubtful } = resumed else {
            bail!("{}: {resumed:?}", profile.name)
        };
        ensure!(doubtful.end <= 100 * cluster, "{}: {doubtful:?}", profile.name);
        ensure!(proved(&mut place, &session, &doubtful)?, "{}", profile.name);
        place
            .write(plan, &session, usize::MAX)
            .with_context(|| profile.name)?;
        ensure!(
            place.reads(&session)? && place.holds(&session)?,
            "{}",
            profile.name
        );
    }
    Ok(())
}

#[test]
fn a_disc_that_is_not_the_burns_own_is_not_written() -> Result<()> {
    let mut place = place(&burner::BD_R, 16_000)?;
    let begun = Session::new(5, 0, SESSION);
    let burn = interrupted(&begun, SESSION, 3, 32);
    // One that is blank takes the burn from its beginning.
    let resumed = place.drive.resume(&burn)?;
    ensure!(
        matches!(&resumed, Resumption::Continue { doubtful, .. } if doubtful.is_empty()),
        "{resumed:?}"
    );
    // Another session of the same length lies there: closed, so that it is read and compared.
    let other = place.append(1, SESSION)?;
    ensure!(matches!(place.drive.resume(&burn)?, Resumption::Closed(_)));
    ensure!(other.data != image(5, 0, SESSION));
    // The burn began elsewhere.
    let elsewhere = interrupted(&Session::new(5, 2 * SESSION, SESSION), SESSION, 3, 32);
    ensure!(place.drive.resume(&elsewhere)? == Resumption::Lost(Loss::OtherDisc));
    place.drive.finalise()?;
    ensure!(place.drive.resume(&elsewhere)? == Resumption::Lost(Loss::OtherDisc));
    let longer = interrupted(&begun, 4 * SESSION, 3, 32);
    ensure!(place.drive.resume(&longer)? == Resumption::Lost(Loss::Finalised));
    ensure!(
        holds(&place.folder.path().join("disc"), &other)?,
        "nothing was written meanwhile"
    );
    Ok(())
}
