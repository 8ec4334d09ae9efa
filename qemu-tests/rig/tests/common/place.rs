//! A native box with a small blank disc and a sample that was put.

use std::path::Path;

use anyhow::{Result, ensure};
use burner::Fault;
use client::SourceTree;
use doors::Limits;
use rig::{Burner, Native, Scratch, tree};
use wire::{Burn, FailureCode, JobEnded, Outcome};

use super::{SMALL_DISC, session, wait_drive};

/// The newest tree, on the first drive.
pub const BURN: Burn = Burn {
    drive: 0,
    tree: 0,
    label: String::new(),
    finalise: false,
};

/// See the module.
pub struct Place {
    pub scratch: Scratch,
    pub burner: Burner,
    pub native: Native,
    pub walked: SourceTree,
}

/// A box with a small blank disc and a sample of about that many bytes, already put.
pub fn place(name: &str, bytes: u64) -> Result<Place> {
    let scratch = Scratch::new(name)?;
    let burner = Burner::with_disc(name, &burner::BD_R, &scratch.join("disc"), Some(SMALL_DISC))?;
    let native = start(&scratch.join("data"), &burner)?;
    let source = scratch.join("source");
    tree::sample(&source, 40, bytes)?;
    let walked = SourceTree::walk([format!("{}/", source.display())])?;
    session(native.control())?.put(0, "sample", &walked, |_| {})?;
    Ok(Place {
        scratch,
        burner,
        native,
        walked,
    })
}

/// A box on that data, with that drive; it has found the drive.
pub fn start(data: &Path, burner: &Burner) -> Result<Native> {
    let native = Native::start(data, vec![Box::new(burner.transport())], Limits::default())?;
    wait_drive(native.control())?;
    Ok(native)
}

impl Place {
    /// Burns the sample.
    pub fn burn(&self) -> Result<JobEnded> {
        Ok(session(self.native.control())?.burn(BURN, |_| {})?)
    }

    /// The sample burned, and then a box that knows nothing of it with the disc in its drive.
    pub fn stranger(name: &str, bytes: u64) -> Result<Self> {
        let mut place = place(name, bytes)?;
        archived(&place.burn()?)?;
        place.native.vault.shutdown();
        place.native = start(&place.scratch.join("other-data"), &place.burner)?;
        Ok(place)
    }

    /// A burn comes as far as its tenth cluster and waits there for [`Self::release`], as on a drive whose
    /// buffer is full.
    pub fn stall(&self) {
        self.arm(Fault::LongWrite { at: 320, times: None });
    }

    /// Ends all faults of the burner.
    pub fn release(&self) {
        self.burner.drive.control(|drive| drive.faults().disarm());
    }

    /// Arms a fault of the burner.
    pub fn arm(&self, fault: Fault) {
        self.burner.drive.control(|drive| drive.faults().arm(fault));
    }
}

/// The job must have archived.
pub fn archived(ended: &JobEnded) -> Result<()> {
    ensure!(ended.outcome.number == Outcome::Archived.number(), "{ended:?}");
    Ok(())
}

/// The job must have failed in this way, and say so in words.
pub fn failed(ended: &JobEnded, code: FailureCode) -> Result<()> {
    let failure = ended.failure.clone().unwrap_or_default();
    ensure!(
        ended.outcome.number == Outcome::Failed.number() && failure.is(code),
        "{ended:?}"
    );
    ensure!(
        !failure.what.is_empty() && !failure.remedy.is_empty(),
        "{failure:?}"
    );
    Ok(())
}
