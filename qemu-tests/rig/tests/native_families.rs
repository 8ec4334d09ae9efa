//! The driver on every kind of disc, against the emulated burner in this process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use burner::{Fault, Profile};
use mmc::{
    Background, Blank, Close, Disc, DiscStatus, Drive, Error, Event, Format, Host, Intent, Model, Stage,
};
use rig::{Burner, InProcess};

const BLOCK: usize = mmc::BLOCK;

/// Where volume descriptors and anchors lie: what a session in the middle of an overwritable disc needs.
const FRONT: [u32; 3] = [256, 17, 16];

/// WRITE (10), SYNCHRONIZE CACHE (10), CLOSE TRACK SESSION, RESERVE TRACK, MODE SELECT (10), FORMAT UNIT,
/// BLANK.
const WRITE: u8 = 0x2A;
const SYNCHRONIZE: u8 = 0x35;
const CLOSE: u8 = 0x5B;
const RESERVE: u8 = 0x53;
const SELECT: u8 = 0x55;
const FORMAT: u8 = 0x04;
const BLANK: u8 = 0xA1;

/// A host on whose clock waiting takes no time; it remembers what it heard.
#[derive(Default)]
struct Ears {
    now: Duration,
    stages: Vec<Stage>,
    progress: Vec<u16>,
}

impl Host for Ears {
    fn now(&self) -> Duration {
        self.now
    }
    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
    fn event(&mut self, event: Event) {
        match event {
            Event::Stage(stage) => self.stages.push(stage),
            Event::Waiting {
                progress: Some(progress),
                ..
            } => self.progress.push(progress),
            _ => {}
        }
    }
}

/// A burner with a disc in, and our driver on it.
struct Place {
    folder: tempfile::TempDir,
    burner: Burner,
    drive: Drive<InProcess, Ears>,
    /// WRITE commands so far.
    writes: Arc<AtomicUsize>,
    /// What was sent that changes something, as hexadecimal digits; WRITEs in a row count once.
    sent: Arc<Mutex<Vec<String>>>,
}

fn place(profile: &'static Profile, capacity: u32) -> Result<Place> {
    let folder = tempfile::tempdir()?;
    let burner = Burner::with_disc("families", profile, folder.path(), Some(capacity))?;
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = writes.clone();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = sent.clone();
    burner.drive.control(|drive| {
        drive.observe(move |record| {
            let opcode = record.cdb.first().copied().unwrap_or(0);
            counted.fetch_add(usize::from(opcode == WRITE), Ordering::Relaxed);
            if [WRITE, SYNCHRONIZE, CLOSE, RESERVE, SELECT, FORMAT, BLANK, 0x5D, 0xBF].contains(&opcode) {
                let digits = record.cdb.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
                if let Ok(mut log) = log.lock() {
                    let again = log.last().is_some_and(|last: &String| last.starts_with("2A"));
                    if !(again && opcode == WRITE) {
                        log.push(digits);
                    }
                }
            }
        });
    });
    let drive = Drive::identify(burner.transport(), Ears::default())?;
    Ok(Place {
        folder,
        burner,
        drive,
        writes,
        sent,
    })
}

/// Blocks that tell which session they belong to and where they are.
fn image(seed: u32, first: u32, blocks: u32) -> Vec<u8> {
    let block = |at: u32| {
        let mut block = [0; BLOCK];
        for (place, word) in (0..).zip(block.chunks_exact_mut(4)) {
            word.copy_from_slice(&(seed << 24 ^ at << 8 ^ place ^ 1).to_le_bytes());
        }
        block
    };
    (first..first + blocks).flat_map(block).collect()
}

/// What was written where.
struct Session {
    first: u32,
    data: Vec<u8>,
}

impl Place {
    /// Where the next session goes: behind the last one on an overwritable disc.
    fn next(&mut self, before: &[Session]) -> Result<u32> {
        let disc = self.drive.disc()?;
        let next = disc.next_writable().context("nothing can be written")?;
        Ok(match (disc.model, before.last()) {
            (Model::Overwritable, None) => 257u32.next_multiple_of(disc.cluster_blocks()),
            (Model::Overwritable, Some(last)) => {
                let end = last.first + u32::try_from(last.data.len() / BLOCK)?;
                end.next_multiple_of(disc.cluster_blocks())
            }
            _ => next,
        })
    }

    /// Burns a session as `intent` says, and commits it in front on an overwritable disc.
    fn burn(&mut self, seed: u32, intent: &Intent) -> Result<Session, Error> {
        let data = image(seed, intent.first, intent.blocks);
        let plan = self.drive.plan(intent)?;
        let cluster = usize::try_from(plan.cluster_blocks()).unwrap_or(1) * BLOCK;
        let overwritable = plan.model() == Model::Overwritable;
        let mut recorder = self.drive.record(plan)?;
        for part in data.chunks(cluster) {
            recorder.write(part)?;
        }
        if overwritable && intent.first > 256 {
            recorder.rewrite(&FRONT.map(|at| (at, front(seed, at))))?;
        }
        recorder.finish()?;
        Ok(Session {
            first: intent.first,
            data,
        })
    }

    /// Every session is on the disc, as the drive reads it and as the burner keeps it.
    fn compare(&mut self, sessions: &[Session]) -> Result<()> {
        let kept = File::open(self.folder.path().join("disc.img"))?;
        for Session { first, data } in sessions {
            let mut read = vec![0; data.len()];
            self.drive.reader().read(*first, &mut read)?;
            ensure!(read == *data, "the session at {first} reads otherwise");
            kept.read_exact_at(&mut read, u64::from(*first) * BLOCK as u64)?;
            ensure!(read == *data, "the burner keeps otherwise what was burned at {first}");
        }
        Ok(())
    }

    /// The front is this session's.
    fn compare_front(&mut self, seed: u32) -> Result<()> {
        for at in FRONT {
            let mut block = [0; BLOCK];
            self.drive.reader().read(at, &mut block)?;
            ensure!(block == front(seed, at), "block {at} is not session {seed}'s");
        }
        Ok(())
    }
}

fn front(seed: u32, at: u32) -> [u8; BLOCK] {
    let mut block = [0xFE; BLOCK];
    block[..4].copy_from_slice(&(seed << 16 | at).to_le_bytes());
    block
}

/// What a family lets us do.
struct Family {
    profile: &'static Profile,
    /// Blocks of the disc for three sessions.
    capacity: u32,
    /// Sessions can follow each other.
    appends: bool,
    /// It can be finalised.
    finalises: bool,
}

const fn family(profile: &'static Profile, capacity: u32, appends: bool, finalises: bool) -> Family {
    Family {
        profile,
        capacity,
        appends,
        finalises,
    }
}

/// Discs as small as their gaps between sessions allow.
static FAMILIES: &[Family] = &[
    family(&burner::CD_R, 32_000, true, true),
    family(&burner::CD_RW, 32_000, true, true),
    family(&burner::DVD_R, 53_248, true, true),
    family(&burner::DVD_RW, 53_248, true, true),
    family(&burner::DVD_RW_RESTRICTED, 8192, true, false),
    family(&burner::DVD_R_DL, 8192, false, true),
    family(&burner::DVD_PLUS_R, 8192, true, true),
    family(&burner::DVD_PLUS_R_DL, 8192, true, true),
    family(&burner::DVD_PLUS_RW, 8192, true, false),
    family(&burner::DVD_RAM, 8192, true, false),
    family(&burner::BD_R, 8192, true, true),
    family(&burner::BD_R_DL, 8192, true, true),
    family(&burner::BD_RE, 8192, true, false),
    family(&burner::BD_RE_DL, 8192, true, false),
];

/// Runs a check on each family, naming the one that fails.
fn on_each(check: impl Fn(&Family) -> Result<()>) -> Result<()> {
    FAMILIES
        .iter()
        .try_for_each(|family| check(family).with_context(|| family.profile.name))
}

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
            sessions.push(place.burn(seed, &intent).with_context(|| format!("session {seed}"))?);
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
        (&burner::CD_RW, usual(0).at_once(), &[
            PARAMETERS,
            "5D000000000000002000",
            "2A00FFFFFF6A00000F00",
            FLUSH,
        ]),
        // growisofs and xorriso, incrementally.
        (&burner::DVD_R, usual(0), &[PARAMETERS, FIRST_16, FLUSH, TRACK, SESSION]),
        (&burner::DVD_RW, usual(0).finalised(), &[PARAMETERS, FIRST_16, FLUSH, TRACK, SESSION]),
        // xorriso, finalising: disc at once.
        (&burner::DVD_R, usual(0).finalised().at_once(), &[
            PARAMETERS,
            "53000000000000067000",
            FIRST_16,
            FLUSH,
        ]),
        // growisofs: the session grows, and is closed.
        (&burner::DVD_RW_RESTRICTED, usual(0), &[FORMAT_UNIT, FIRST_16, FLUSH, SESSION]),
        // xorriso, but for the reservation.
        (&burner::DVD_PLUS_R, usual(0), &[FIRST_16, FLUSH, TRACK, SESSION]),
        (&burner::DVD_PLUS_R_DL, usual(0).finalised(), &[
            FIRST_16,
            FLUSH,
            TRACK,
            "5B010500000000000000",
        ]),
        // growisofs: both close functions; xorriso sends the second.
        (&burner::DVD_PLUS_RW, usual(0), &[
            FORMAT_UNIT,
            FLUSH,
            FIRST_16,
            FLUSH,
            "5B010000000000000000",
            SESSION,
        ]),
        (&burner::DVD_RAM, usual(0), &[FIRST_16, FLUSH]),
        // xorriso.
        (&burner::BD_R, usual(0), &[FIRST_32, FLUSH, TRACK, SESSION]),
        (&burner::BD_R, usual(0).finalised(), &[FIRST_32, FLUSH, TRACK, "5B010600000000000000"]),
        (&burner::BD_RE, usual(0), &[FORMAT_UNIT, FLUSH, FIRST_32, FLUSH]),
    ];
    for (profile, intent, expected) in rows {
        let mut place = place(profile, 32_768)?;
        place.burn(1, intent)?;
        let sent = place.sent.lock().map_err(|_| anyhow::anyhow!("the log is poisoned"))?;
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
                ensure!(matches!(refused, Some(Error::NotFinalisable { .. })), "{refused:?}");
                ensure!(place.writes.load(Ordering::Relaxed) == before, "something was written");
                continue;
            }
            sessions.push(burned?);
            place.compare(&sessions)?;
            let disc = place.drive.disc()?;
            ensure!(disc.status == DiscStatus::Complete && disc.model == Model::ReadOnly, "{disc:?}");
            ensure!(disc.next_writable().is_none() && disc.free_blocks() == 0, "{disc:?}");
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
        let close = if family.finalises { Close::Finalised } else { Close::Appendable };
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
        sessions.push(place.burn(2, &Intent::new(first, 333)).with_context(|| family.profile.name)?);
        place.compare(&sessions)?;
    }
    Ok(())
}

#[test]
fn what_exactly_fits_is_burned_and_one_block_more_refused() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, 2048)?;
        let close = if family.appends { Close::Appendable } else { Close::Finalised };
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
        let close = if family.finalises { Close::Finalised } else { Close::Appendable };
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
            ensure!(matches!(refused, Some(Error::FormatUnavailable { .. })), "{refused:?}");
            return Ok(());
        }
        let disc = place.drive.erase()?;
        ensure!(disc.model != Model::ReadOnly, "{disc:?}");
        if disc.model == Model::Overwritable {
            let mut blocks = vec![1; 544 * BLOCK];
            place.drive.reader().read(0, &mut blocks)?;
            ensure!(blocks.iter().all(|byte| *byte == 0), "what shows the contents is still there");
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
    ensure!(place.drive.disc()?.reach == first + 1008, "it grew as far as it was written");
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
    ensure!(usual < least && least < none && none == 8192, "{usual} {least} {none}");
    // What fits only without spare areas is refused with them, before the disc is touched.
    let mut place = place(&burner::BD_RE, 8192)?;
    let refused = place.drive.plan(&Intent::new(0, none)).err();
    ensure!(matches!(refused, Some(Error::TooLarge { .. })), "{refused:?}");
    ensure!(place.drive.plan(&Intent::new(0, none).format(Format::NoSpare)).is_ok());
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
    let two = place.burn(2, &Intent::new(60_000 - 60_000 % 16, 100))?;
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
    ensure!(disc.pseudo_overwrite && disc.model == Model::Overwritable && disc.reach == 0, "{disc:?}");
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
        Ok(state.lines().find(|line| line.starts_with("layer_break")).unwrap_or("").into())
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
                ensure!(matches!(refused, Some(Error::Misaligned { address: 257, .. })), "{refused:?}");
            }
            _ => ensure!(matches!(refused, Some(Error::Displaced { found: 0, .. })), "{refused:?}"),
        }
        ensure!(place.writes.load(Ordering::Relaxed) == 0);
        Ok(())
    })
}

/// Two sessions, the second with this fault. It is good only if it is all there; the first stays in any
/// case. Returns why it was not.
fn second_session_with(family: &Family, fault: impl Fn(u32) -> Fault, at_once: bool) -> Result<Option<Error>> {
    let mut place = place(family.profile, family.capacity)?;
    let mut sessions = Vec::new();
    if family.appends && !at_once {
        let first = place.next(&sessions)?;
        sessions.push(place.burn(1, &Intent::new(first, 400))?);
    }
    let first = place.next(&sessions)?;
    let mut intent = Intent::new(first, 500);
    if at_once {
        intent = intent.at_once();
    }
    if !family.appends || at_once && family.finalises {
        intent = intent.finalised();
    }
    place.burner.drive.control(|drive| drive.faults().arm(fault(first)));
    let burned = place.burn(2, &intent);
    place.burner.drive.control(|drive| drive.faults().disarm());
    // Whatever was done to the drive, it answers again.
    place.burner.drive.control(|drive| {
        if drive.tray_open() {
            drive.push_tray();
        }
    });
    place.drive.ready()?;
    match burned {
        Ok(session) => {
            sessions.push(session);
            place.compare(&sessions)?;
            Ok(None)
        }
        Err(error) => {
            ensure!(!error.cause().is_empty() && !error.remedy().is_empty(), "{error}");
            place.compare(&sessions).with_context(|| format!("after {error}"))?;
            Ok(Some(error))
        }
    }
}

#[test]
fn what_a_drive_recovers_from_costs_no_session() -> Result<()> {
    let times = |times| Some(times);
    let faults: &[(&str, &dyn Fn(u32) -> Fault)] = &[
        ("long write", &|first| Fault::LongWrite { at: first + 100, times: times(50) }),
        ("slow close", &|_| Fault::SlowClose { times: 30 }),
        ("write unanswered", &|_| Fault::LostReply { opcode: WRITE, times: times(1) }),
        ("flush unanswered", &|_| Fault::LostReply { opcode: SYNCHRONIZE, times: times(1) }),
        ("close unanswered", &|_| Fault::LostReply { opcode: CLOSE, times: times(1) }),
        ("reset at a write", &|_| Fault::BusReset { opcode: WRITE, times: times(3) }),
        ("reset at the flush", &|_| Fault::BusReset { opcode: SYNCHRONIZE, times: times(2) }),
        ("reset at the close", &|_| Fault::BusReset { opcode: CLOSE, times: times(2) }),
        ("reset at the parameters", &|_| Fault::BusReset { opcode: SELECT, times: times(2) }),
        ("attentions", &|_| Fault::UnitAttention {
            opcode: None,
            code: 0x2A,
            qualifier: 1,
            times: times(6),
        }),
        ("write parameters unanswered", &|_| Fault::LostReply { opcode: SELECT, times: times(1) }),
        ("reservation unanswered", &|_| Fault::LostReply { opcode: RESERVE, times: times(1) }),
        ("format unanswered", &|_| Fault::LostReply { opcode: FORMAT, times: times(1) }),
    ];
    for (name, fault) in faults {
        on_each(|family| {
            match second_session_with(family, fault, false)? {
                None => Ok(()),
                Some(error) => bail!("the session was given up: {error}"),
            }
        })
        .with_context(|| name.to_string())?;
    }
    Ok(())
}

#[test]
fn what_cannot_end_well_is_never_called_good() -> Result<()> {
    let sequential = |family: &Family| !matches!(family.profile.number, 0x12 | 0x13 | 0x1A | 0x43);
    let any = |_: &Family| true;
    let none = |_: &Family| false;
    // What fails on which families; on the others it may end well, and is then compared.
    type Row<'a> = (&'a str, &'a dyn Fn(u32) -> Fault, &'a dyn Fn(&Family) -> bool);
    let rows: &[Row<'_>] = &[
        ("write error", &|first| Fault::WriteError { at: first + 200, times: None }, &any),
        ("no spares", &|first| Fault::SparesExhausted { at: first + 200, times: None }, &any),
        ("tray opens", &|first| Fault::TrayOpens { at: first + 200 }, &any),
        ("no disc", &|_| Fault::NoDisc {}, &any),
        ("power cut", &|first| Fault::PowerCut { at: first + 200 }, &sequential),
        ("power cut at the first block", &|first| Fault::PowerCut { at: first }, &none),
        ("close fails", &|_| Fault::FailClose { times: None }, &sequential),
        ("close lies", &|_| Fault::LyingClose { times: None }, &sequential),
        ("endless long write", &|first| Fault::LongWrite { at: first + 200, times: None }, &any),
        ("endless attentions", &|_| Fault::UnitAttention {
            opcode: Some(WRITE),
            code: 0x29,
            qualifier: 0,
            times: None,
        }, &any),
        ("parameters always unanswered", &|_| Fault::LostReply { opcode: SELECT, times: None }, &none),
        ("flushes always unanswered", &|_| Fault::LostReply { opcode: SYNCHRONIZE, times: None }, &none),
    ];
    for (name, fault, fails) in rows {
        on_each(|family| {
            let at_once_only = !family.appends;
            // Nothing is closed that was written at once.
            let fails = fails(family) && !(at_once_only && name.starts_with("close"));
            match second_session_with(family, fault, false)? {
                None => ensure!(!fails, "it was called good"),
                Some(error) => ensure!(fails || *name != "power cut", "given up: {error}"),
            }
            if family.appends && family.profile.number != 0x13 {
                second_session_with(family, fault, true)?;
            }
            Ok(())
        })
        .with_context(|| name.to_string())?;
    }
    Ok(())
}

#[test]
fn a_disc_exchanged_in_the_middle_of_a_burn_is_not_written_on() -> Result<()> {
    on_each(|family| {
        let mut place = place(family.profile, family.capacity)?;
        let other = tempfile::tempdir()?;
        drop(burner::Disc::open_or_create(other.path(), family.profile, Some(family.capacity))?);
        let close = if family.appends { Close::Appendable } else { Close::Finalised };
        let first = place.next(&[])?;
        let data = image(1, first, 128);
        let plan = place.drive.plan(&Intent::new(first, 128).close(close))?;
        let cluster = usize::try_from(plan.cluster_blocks())? * BLOCK;
        let mut recorder = place.drive.record(plan)?;
        let mut parts = data.chunks(cluster);
        recorder.write(parts.next().context("a first cluster")?)?;
        let disc = other.path().to_path_buf();
        let swap = Fault::Swap { opcode: WRITE, disc, silent: false };
        place.burner.drive.control(|drive| drive.faults().arm(swap));
        let failed = parts.find_map(|part| recorder.write(part).err());
        ensure!(failed.is_some() || recorder.finish().is_err(), "the exchange was not noticed");
        let written = std::fs::read(other.path().join("disc.img"))?;
        ensure!(written.iter().all(|byte| *byte == 0), "the other disc was written on");
        Ok(())
    })
}

#[test]
fn blanking_and_formatting_whose_answer_is_lost_are_settled_by_the_disc() -> Result<()> {
    for (profile, opcode) in [
        (&burner::CD_RW, BLANK),
        (&burner::DVD_RW, BLANK),
        (&burner::DVD_RW, FORMAT),
        (&burner::BD_RE, FORMAT),
        (&burner::DVD_PLUS_RW, FORMAT),
    ] {
        let mut place = place(profile, 8192)?;
        for fault in [
            Fault::LostReply { opcode, times: Some(1) },
            Fault::BusReset { opcode, times: Some(2) },
            Fault::SlowClose { times: 20 },
        ] {
            place.burner.drive.control(|drive| drive.faults().arm(fault));
            let disc = if opcode == BLANK {
                place.drive.blank(Blank::Fast)?
            } else {
                place.drive.format(Format::Usual)?
            };
            ensure!((disc.status == DiscStatus::Blank) == (opcode == BLANK), "{disc:?}");
        }
    }
    Ok(())
}
