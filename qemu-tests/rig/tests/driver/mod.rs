//! The driver on an emulated burner in this process, and the eyes to judge what it says.

#![allow(dead_code, reason = "each test uses its part")]

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use burner::{Fault, Profile};
use mmc::{BLOCK, Data, Drive, Error, Event, Host, Intent, Model, Plan, Transport as _};
use rig::{Burner, InProcess};

/// A host on whose clock waiting takes no time, so that patience can be tried out.
#[derive(Default)]
pub struct Ears {
    pub now: Duration,
    pub events: Vec<Event>,
}

impl Host for Ears {
    fn now(&self) -> Duration {
        self.now
    }
    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
    fn event(&mut self, event: Event) {
        if !matches!(event, Event::Written { .. } | Event::Waiting { .. }) {
            self.events.push(event);
        }
    }
}

/// A burner with a disc in, and our driver on it.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub burner: Burner,
    pub drive: Drive<InProcess, Ears>,
    /// Commands so far.
    pub commands: Arc<AtomicUsize>,
}

/// A new place with a blank disc.
pub fn place(profile: &'static Profile, capacity: u32) -> Result<Place> {
    let folder = tempfile::tempdir()?;
    let burner = Burner::with_disc("driver", profile, &folder.path().join("disc"), Some(capacity))?;
    let drive = Drive::identify(burner.transport(), Ears::default())?;
    let mut place = Place {
        folder,
        burner,
        drive,
        commands: Arc::default(),
    };
    place.count_commands();
    Ok(place)
}

/// Blocks that tell which session they belong to and where they are.
pub fn image(seed: u32, first: u32, blocks: u32) -> Vec<u8> {
    let block = |at: u32| {
        let word = (seed << 24 ^ at ^ 0x8000_0000).to_le_bytes();
        word.into_iter().cycle().take(BLOCK)
    };
    (first..first + blocks).flat_map(block).collect()
}

/// What was written where.
#[derive(Clone)]
pub struct Session {
    pub first: u32,
    pub data: Vec<u8>,
}

impl Session {
    pub fn new(seed: u32, first: u32, blocks: u32) -> Self {
        Self {
            first,
            data: image(seed, first, blocks),
        }
    }

    /// The image's bytes from there on, of so many blocks.
    pub fn part(&self, at: u32, blocks: u32) -> &[u8] {
        let from = usize::try_from(at - self.first).expect("64 bits") * BLOCK;
        let end = from + usize::try_from(blocks).expect("64 bits") * BLOCK;
        self.data.get(from..end.min(self.data.len())).unwrap_or_default()
    }
}

impl Place {
    fn count_commands(&mut self) {
        let counted = self.commands.clone();
        self.burner.drive.control(|drive| {
            drive.observe(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
        });
    }

    /// The burner is switched off and on, losing what it had not committed, and the driver starts anew.
    pub fn restart(&mut self) -> Result<()> {
        let disc = self.folder.path().join("disc");
        // What is committed now is what a burner that is switched off now would find again.
        let committed = std::fs::read(disc.join("disc.toml"))?;
        self.burner.drive.control(|drive| drive.remove());
        self.burner.drive.control(burner::Drive::power_cycle);
        std::fs::write(disc.join("disc.toml"), committed)?;
        let disc = burner::Disc::open(&disc)?;
        self.burner.drive.control(|drive| drive.insert(disc));
        self.acquaint()
    }

    /// The driver starts anew, as after a crash of its program.
    pub fn acquaint(&mut self) -> Result<()> {
        self.drive = Drive::identify(self.burner.transport(), Ears::default())?;
        Ok(())
    }

    pub fn arm(&self, fault: Fault) {
        self.burner.drive.control(|drive| drive.faults().arm(fault));
    }

    pub fn disarm(&self) {
        self.burner.drive.control(|drive| drive.faults().disarm());
    }

    /// A command the driver has no name for, or sends only in its own order.
    pub fn raw(&self, cdb: &[u8], out: &[u8]) -> Result<()> {
        let data = if out.is_empty() {
            Data::None
        } else {
            Data::Out(out)
        };
        let mut transport = self.burner.transport();
        let done = transport.execute(cdb, data, Duration::ZERO)?;
        ensure!(done.status == mmc::Status::Good, "{cdb:02X?}: {done:?}");
        Ok(())
    }

    /// Sets the WRITE TYPE of the write parameters page, as another program would.
    pub fn set_write_type(&self, kind: u8) -> Result<()> {
        let mut page = [0; 60];
        let mut transport = self.burner.transport();
        transport.execute(
            &[0x5A, 0, 5, 0, 0, 0, 0, 0, 60, 0],
            Data::In(&mut page),
            Duration::ZERO,
        )?;
        (page[0], page[1]) = (0, 0);
        page[10] = page[10] & 0xF0 | kind;
        page[11] = 0xC4; // several sessions; a data track
        let length = 10 + usize::from(page[9]);
        let list = page.get(..length).context("a page longer than any")?;
        self.raw(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, u8::try_from(length)?, 0], list)
    }

    /// Where the next session goes on a disc that is written sequentially, and 0 on any other.
    pub fn next(&mut self) -> Result<u32> {
        self.drive
            .disc()?
            .next_writable()
            .context("nothing can be written")
    }

    /// Writes the rest of a burn, as far as `clusters` allow.
    pub fn write(&mut self, plan: Plan, session: &Session, clusters: usize) -> Result<bool, Error> {
        let (cluster, blocks) = (plan.cluster_blocks(), plan.blocks());
        let mut recorder = self.drive.record(plan)?;
        for _ in 0..clusters {
            if recorder.written() >= blocks {
                break;
            }
            let at = session.first + recorder.written();
            recorder.write(session.part(at, cluster))?;
        }
        let complete = recorder.written() >= blocks;
        if complete && clusters == usize::MAX {
            recorder.finish()?;
        }
        Ok(complete)
    }

    /// Burns a whole session.
    pub fn burn(&mut self, session: &Session, intent: &Intent) -> Result<(), Error> {
        let plan = self.drive.plan(intent)?;
        self.write(plan, session, usize::MAX).map(drop)
    }

    /// Plans and burns a session of so many blocks where the disc goes on.
    pub fn append(&mut self, seed: u32, blocks: u32) -> Result<Session> {
        let session = Session::new(seed, self.next()?, blocks);
        self.burn(&session, &Intent::new(session.first, blocks))?;
        Ok(session)
    }

    /// The session reads back as it was burned.
    pub fn reads(&mut self, session: &Session) -> Result<bool> {
        let mut read = vec![0; session.data.len()];
        match self.drive.reader().read(session.first, &mut read) {
            Ok(()) => Ok(read == session.data),
            Err(error) => Err(error).context("reading back"),
        }
    }

    /// The burner's own file holds the session: what the driver says does not count.
    pub fn holds(&self, session: &Session) -> Result<bool> {
        holds(&self.folder.path().join("disc"), session)
    }

    /// Whether discs of this kind are written sequentially.
    pub fn is_sequential(&mut self) -> Result<bool> {
        Ok(self.drive.disc()?.model == Model::Sequential)
    }
}

/// As [`Place::holds`], of any disc's folder.
pub fn holds(disc: &Path, session: &Session) -> Result<bool> {
    let mut kept = vec![0; session.data.len()];
    let file = std::fs::File::open(disc.join("disc.img"))?;
    let at = u64::from(session.first) * 2048;
    Ok(file.read_exact_at(&mut kept, at).is_ok() && kept == session.data)
}
