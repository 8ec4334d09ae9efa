//! Every kind of disc in an emulated burner in this process, and our driver on it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use burner::Profile;
use mmc::{Drive, Error, Event, Host, Intent, Model, Stage};
use rig::{Burner, InProcess};

pub const BLOCK: usize = mmc::BLOCK;

/// Where volume descriptors and anchors lie: what a session in the middle of an overwritable disc needs.
pub const FRONT: [u32; 3] = [256, 17, 16];

/// WRITE (10), SYNCHRONIZE CACHE (10), CLOSE TRACK SESSION, RESERVE TRACK, MODE SELECT (10), FORMAT UNIT,
/// BLANK.
pub const WRITE: u8 = 0x2A;
pub const SYNCHRONIZE: u8 = 0x35;
pub const CLOSE: u8 = 0x5B;
pub const RESERVE: u8 = 0x53;
pub const SELECT: u8 = 0x55;
pub const FORMAT: u8 = 0x04;
pub const BLANK: u8 = 0xA1;

/// A host on whose clock waiting takes no time; it remembers what it heard.
#[derive(Default)]
pub struct Ears {
    now: Duration,
    pub stages: Vec<Stage>,
}

impl Host for Ears {
    fn now(&self) -> Duration {
        self.now
    }
    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
    fn event(&mut self, event: Event) {
        if let Event::Stage(stage) = event {
            self.stages.push(stage);
        }
    }
}

/// A burner with a disc in, and our driver on it.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub burner: Burner,
    pub drive: Drive<InProcess, Ears>,
    /// WRITE commands so far.
    pub writes: Arc<AtomicUsize>,
    /// What was sent that changes something, as hexadecimal digits; WRITEs in a row count once.
    pub sent: Arc<Mutex<Vec<String>>>,
}

pub fn place(profile: &'static Profile, capacity: u32) -> Result<Place> {
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
            if [
                WRITE,
                SYNCHRONIZE,
                CLOSE,
                RESERVE,
                SELECT,
                FORMAT,
                BLANK,
                0x5D,
                0xBF,
            ]
            .contains(&opcode)
            {
                let digits = record
                    .cdb
                    .iter()
                    .map(|byte| format!("{byte:02X}"))
                    .collect::<String>();
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
pub fn image(seed: u32, first: u32, blocks: u32) -> Vec<u8> {
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
pub struct Session {
    pub first: u32,
    pub data: Vec<u8>,
}

impl Place {
    /// Where the next session goes: behind the last one on an overwritable disc.
    pub fn next(&mut self, before: &[Session]) -> Result<u32> {
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
    pub fn burn(&mut self, seed: u32, intent: &Intent) -> Result<Session, Error> {
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
    pub fn compare(&mut self, sessions: &[Session]) -> Result<()> {
        let kept = File::open(self.folder.path().join("disc.img"))?;
        for Session { first, data } in sessions {
            let mut read = vec![0; data.len()];
            self.drive.reader().read(*first, &mut read)?;
            ensure!(read == *data, "the session at {first} reads otherwise");
            kept.read_exact_at(&mut read, u64::from(*first) * BLOCK as u64)?;
            ensure!(
                read == *data,
                "the burner keeps otherwise what was burned at {first}"
            );
        }
        Ok(())
    }

    /// The front is this session's.
    pub fn compare_front(&mut self, seed: u32) -> Result<()> {
        for at in FRONT {
            let mut block = [0; BLOCK];
            self.drive.reader().read(at, &mut block)?;
            ensure!(block == front(seed, at), "block {at} is not session {seed}'s");
        }
        Ok(())
    }
}

pub fn front(seed: u32, at: u32) -> [u8; BLOCK] {
    let mut block = [0xFE; BLOCK];
    block[..4].copy_from_slice(&(seed << 16 | at).to_le_bytes());
    block
}

/// What a family lets us do.
pub struct Family {
    pub profile: &'static Profile,
    /// Blocks of the disc for three sessions.
    pub capacity: u32,
    /// Sessions can follow each other.
    pub appends: bool,
    /// It can be finalised.
    pub finalises: bool,
}

pub const fn family(profile: &'static Profile, capacity: u32, appends: bool, finalises: bool) -> Family {
    Family {
        profile,
        capacity,
        appends,
        finalises,
    }
}

/// Discs as small as their gaps between sessions allow.
pub static FAMILIES: &[Family] = &[
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
pub fn on_each(check: impl Fn(&Family) -> Result<()>) -> Result<()> {
    FAMILIES
        .iter()
        .try_for_each(|family| check(family).with_context(|| family.profile.name))
}
