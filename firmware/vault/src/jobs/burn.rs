//! Burns a tree: plan, ask, freeze, write, close, read back, compare, and only then say so.
//!
//! A new disc, a further session with the tree of the last one merged in, or a rewritable disc whose front is
//! rewritten last: they differ in where the image begins and what it is laid over.

use std::ops::Range;

use discfs::{FRONT_BLOCKS, Image, Options};
use mmc::{DiscStatus, Model, Plan};
use wire::{Failure, JobSummary, Outcome, Phase};

use super::ahead::Tree;
use super::content::{self, File, Files};
use super::read_back::{Look, read_back};
use super::write::{Course, Front, Session};
use super::{Device, Failed, Task, Worker, image, merge, resume, write};
use crate::catalog::{
    DiscRecord, ImageRecord, MapRecord, Mode, Recording, SessionRecord, TreeState, WriteRecord,
};
use crate::drives::Seen;
use crate::errors::{self, Refusal};
use crate::staging::TreeDirectory;

/// Characters a UDF volume label keeps.
const LABEL_MAX: usize = 30;

/// Where volume descriptors begin (ECMA-119 §6.2.1), and how many blocks are looked at there.
const DESCRIPTORS: u32 = 16;

/// Works the job off; `summary` is filled as far as it comes.
pub(super) fn work(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    recording: &Recording,
) -> Result<Outcome, Failed> {
    match task.data.catalog.begun_write(task.job.number)? {
        Some(write) => resume::work(task, worker, summary, recording, &write),
        None => {
            if recording.in_a_row {
                worker.await_blank(task.job)?;
            }
            let spot = spot(task, worker, recording.mode)?;
            burn(task, worker, summary, recording, spot)
        }
    }
}

/// Burns at a spot, from the beginning.
pub(super) fn burn(
    task: &Task<'_>,
    worker: &mut Worker,
    summary: &mut JobSummary,
    recording: &Recording,
    spot: Spot,
) -> Result<Outcome, Failed> {
    let prepared = Prepared::new(task, worker, summary, recording, spot)?;
    let plan = prepared.course.plan(worker.device()?)?;
    task.job.go_on()?;
    let written = prepared.write_and_prove(task, worker, summary, plan);
    if written.is_err() && task.job.phase().number != Phase::Preparing.number() {
        leave_in_order(task, worker, summary);
    }
    Ok(written?)
}

/// After a burn that was cancelled or failed: a disc that can be used further is made so, any other is described.
pub(super) fn leave_in_order(task: &Task<'_>, worker: &mut Worker, summary: &mut JobSummary) {
    let Ok(device) = worker.device() else { return };
    let writing = [Phase::Writing, Phase::Closing].map(Phase::number);
    if task.job.is_cancelled() && writing.contains(&task.job.phase().number) {
        task.job.begin(Phase::Treating, 0);
        let remark = match device.drive().repair(mmc::Close::Appendable) {
            Ok(disc) => format!(
                "the session was closed where it ended; the disc is {:?}",
                disc.status
            ),
            Err(error) => format!("the session could not be closed: {error}"),
        };
        task.job.note(&*remark);
        summary.remarks.push(remark);
    }
    device.settle(summary);
}

/// Where a session goes, and what it is laid over.
#[derive(Clone)]
pub(super) struct Spot {
    /// Its first block; on an overwritable disc with something to keep only known when that is.
    pub first: Option<u32>,
    /// The session whose tree is kept, by its first block.
    pub base: Option<u32>,
    /// The disc's front shows the session, and is rewritten last.
    pub front: bool,
    /// Blocks in a cluster.
    pub cluster: u32,
    pub seen: Option<Seen>,
    /// The view in which the kept tree is read, once it was.
    pub view: Option<String>,
    /// The identity and label of a burn that goes on.
    pub known: Option<([u8; 16], String)>,
    /// First block of a session that was cut short, which is none of the disc's.
    pub broken: Option<u32>,
}

/// Judges the disc before anything is touched.
pub(super) fn spot(task: &Task<'_>, worker: &mut Worker, mode: Mode) -> Result<Spot, Failure> {
    let device = worker.device()?;
    let disc = device.drive().disc().map_err(|error| errors::drive(&error))?;
    let seen = device.look(Some(task.data))?;
    let append = mode == Mode::Append;
    let mut spot = Spot {
        first: disc.next_writable(),
        base: None,
        front: false,
        cluster: disc.cluster_blocks(),
        seen: None,
        view: None,
        known: None,
        broken: None,
    };
    match (disc.model, disc.status) {
        (Model::Overwritable, _) => {
            spot.front = true;
            spot.first = Some(FRONT_BLOCKS.next_multiple_of(disc.cluster_blocks()));
            let used = disc.formatted && is_used(device, disc.readable)?;
            match mode {
                Mode::New if used => return Err(errors::not_blank(disc.profile, true)),
                Mode::Append if used => (spot.first, spot.base) = (None, Some(0)),
                Mode::New | Mode::Append | Mode::Overwrite => {}
            }
        }
        (_, DiscStatus::Blank) => {}
        (_, _) if !append => return Err(errors::not_blank(disc.profile, false)),
        (_, DiscStatus::Complete) => return Err(errors::drive(&mmc::Error::Finalised)),
        _ => {
            let base = device.drive().last_session_start(&disc);
            spot.base = base.map_err(|error| errors::drive(&error))?;
            let none = || errors::internal("an appendable disc without a session to append to");
            spot.base.ok_or_else(none)?;
        }
    }
    if spot.base.is_some() {
        spot.seen = Some(seen);
    }
    Ok(spot)
}

/// Whether anything but zeroes stands where volume descriptors would.
fn is_used(device: &mut Device, readable: u32) -> Result<bool, Failure> {
    if readable < 2 * DESCRIPTORS {
        return Ok(false);
    }
    let mut blocks = vec![0; 16 * discfs::BLOCK];
    match device.drive().reader().read(DESCRIPTORS, &mut blocks) {
        Ok(()) => Ok(blocks.iter().any(|byte| *byte != 0)),
        Err(mmc::Error::Unreadable { .. } | mmc::Error::Refused { .. }) => Ok(false), // never written
        Err(error) => Err(errors::drive(&error)),
    }
}

/// What a session is made of.
enum Body {
    /// An image of a tree.
    Tree { image: Box<Image>, files: Vec<File> },
    /// A disc's blocks, from the copy area.
    Blocks(ImageRecord),
}

/// A session that can be planned with the drive.
pub(super) struct Prepared {
    pub course: Course,
    body: Body,
    front: Front,
    spot: Spot,
    id: [u8; 16],
    label: String,
    tree: u64,
}

impl Prepared {
    /// Lays the tree over what is kept, and plans the image.
    pub(super) fn new(
        task: &Task<'_>,
        worker: &mut Worker,
        summary: &mut JobSummary,
        recording: &Recording,
        mut spot: Spot,
    ) -> Result<Self, Failure> {
        if let Some(image) = task.data.catalog.image(recording.tree)? {
            return Self::of_blocks(task, summary, recording, spot, image);
        }
        let base = match (spot.base, &spot.seen) {
            (Some(start), Some(seen)) => {
                let view = spot.view.as_deref();
                Some(merge::import(task, worker, start, seen.readable, view)?)
            }
            _ => None,
        };
        if spot.first.is_none() {
            let end = base.as_ref().map_or(0, |base| base.end);
            let end = end
                .max(FRONT_BLOCKS)
                .checked_next_multiple_of(spot.cluster.max(1));
            spot.first = end;
        }
        let first = spot
            .first
            .ok_or_else(|| errors::drive(&mmc::Error::AddressUnknown))?;
        let (id, label) = match spot.known.clone() {
            Some(known) => known,
            None => {
                let known = spot.seen.as_ref().and_then(|seen| seen.known.as_ref());
                let id = known.map_or(task.job.record.disc, |(id, _)| *id);
                let old = base.as_ref().map(|base| base.label.as_str());
                (id, label_of(task, recording, old, summary)?)
            }
        };
        if let Some(base) = &base {
            spot.view = Some(base.view.clone());
            let remark = format!("{} entries of the disc are kept", base.len());
            task.job.note(&*remark);
            summary.remarks.push(remark);
        }
        let created = task.job.record.created;
        let (names, files) = content::tree(&task.data.catalog, recording.tree, created, base)?;
        let options = Options {
            label: label.clone(),
            time: created.seconds,
            start_block: first,
            alignment: spot.cluster,
            identity: Some(id),
            ..Options::default()
        };
        let image = discfs::plan(&names, &options).map_err(|error| errors::plan(&error))?;
        let blocks = u32::try_from(image.blocks()).map_err(|_| errors::internal("an image without end"))?;
        summary.disc_id = id;
        (summary.start, summary.blocks) = (u64::from(first), image.blocks());
        (summary.files, summary.bytes) = (image.files(), image.file_bytes());
        let front = match spot.front {
            true => image.front(),
            false => Vec::new(),
        };
        Ok(Self {
            course: Course {
                first,
                blocks,
                finalise: recording.finalise,
                speed: recording.speed,
            },
            body: Body::Tree {
                image: Box::new(image),
                files,
            },
            front,
            spot,
            id,
            label,
            tree: recording.tree,
        })
    }

    /// A disc's blocks go where they came from: from block 0 on.
    fn of_blocks(
        task: &Task<'_>,
        summary: &mut JobSummary,
        recording: &Recording,
        spot: Spot,
        image: ImageRecord,
    ) -> Result<Self, Failure> {
        if spot.base.is_some() {
            return Err(Refusal::ImageAppended.into());
        }
        let label = task.data.catalog.tree(recording.tree)?;
        let lost: u64 = image.bad.iter().map(|(_, blocks)| u64::from(*blocks)).sum();
        if lost > 0 {
            summary.remarks.push(format!(
                "{lost} blocks that could not be copied are zeroes on this disc"
            ));
        }
        summary.disc_id = task.job.record.disc;
        (summary.start, summary.blocks) = (0, u64::from(image.blocks));
        summary.bytes = summary.blocks * wire::BLOCK_SIZE;
        Ok(Self {
            course: Course {
                first: 0,
                blocks: image.blocks,
                finalise: recording.finalise,
                speed: recording.speed,
            },
            body: Body::Blocks(image),
            front: Vec::new(),
            spot: Spot { front: false, ..spot },
            id: task.job.record.disc,
            label: label.map(|tree| tree.name).unwrap_or_default(),
            tree: recording.tree,
        })
    }

    /// The tree's files, out of reach of everybody from now on.
    fn freeze(&self, task: &Task<'_>) -> Result<TreeDirectory, Failure> {
        let staging = &task.data.staging;
        let state = task.data.catalog.tree(self.tree)?.map(|tree| tree.state);
        let directory = match state {
            Some(TreeState::Kept | TreeState::Image) => staging.work_tree(self.tree)?,
            _ => {
                let group = &task.job.group;
                group.exclusively(|| -> Result<_, Refusal> {
                    if !staging.is_frozen(group.number) {
                        staging.freeze(self.tree, group.number)?;
                    }
                    staging.frozen_tree(group.number)
                })?
            }
        };
        if let Body::Tree { files, .. } = &self.body {
            content::check_frozen(&directory, files)?;
        }
        Ok(directory)
    }

    /// Writes the session, or the rest of it, reads it back and records what it proved.
    pub(super) fn write_and_prove(
        &self,
        task: &Task<'_>,
        worker: &mut Worker,
        summary: &mut JobSummary,
        plan: Plan,
    ) -> Result<Outcome, Failure> {
        let device = worker.device()?;
        let directory = self.freeze(task)?;
        let journal = task.data.staging.job(task.job.number)?;
        let cluster = plan.cluster_blocks();
        let media_id = device
            .drive()
            .disc()
            .map_err(|error| errors::drive(&error))?
            .media_id;
        let begun = WriteRecord {
            first: self.course.first,
            blocks: self.course.blocks,
            cluster,
            base: self.spot.base,
            view: self.spot.view.clone().unwrap_or_default(),
            id: self.id,
            label: self.label.clone(),
            media_id: media_id.as_str().into(),
            verified: false,
        };
        task.data.catalog.begin_write(task.job.number, &begun)?;
        let session = Session {
            course: self.course,
            plan,
            front: &self.front,
            journal: &journal,
        };
        match &self.body {
            Body::Tree { image, files } => {
                let mut source = Tree::new(image, Files::new(&directory, files));
                session.write(task, device, &mut source, summary)?;
            }
            Body::Blocks(image) => {
                let mut source = image::Blocks::new(directory.open_file(image::NAME)?, image);
                session.write(task, device, &mut source, summary)?;
            }
        }
        self.prove(task, worker, summary, cluster)
    }

    /// Whether blocks of the disc are those of the image.
    pub(super) fn is_on(
        &self,
        task: &Task<'_>,
        device: &mut Device,
        blocks: Range<u32>,
    ) -> Result<bool, Failure> {
        let directory = self.freeze(task)?;
        let mut reader = device.drive().reader();
        let mut at = blocks.start;
        let (mut found, mut wanted) = (vec![0; 32 * discfs::BLOCK], vec![0; 32 * discfs::BLOCK]);
        while at < blocks.end {
            let count = (blocks.end - at).min(32);
            let length = usize::try_from(count).unwrap_or(0) * discfs::BLOCK;
            let (Some(found), Some(wanted)) = (found.get_mut(..length), wanted.get_mut(..length)) else {
                return Err(errors::internal("a cluster over its size"));
            };
            match reader.read(at, found) {
                Ok(()) => {}
                Err(mmc::Error::Unreadable { .. }) => return Ok(false),
                Err(error) => return Err(errors::drive(&error)),
            }
            let offset = u64::from(at - self.course.first);
            match &self.body {
                Body::Tree { image, files } => image
                    .read(offset, wanted, &mut Files::new(&directory, files))
                    .map_err(|error| errors::pass(&discfs::PassError::Read(error)))?,
                Body::Blocks(_) => image::read(&directory.open_file(image::NAME)?, offset, wanted)?,
            }
            if found != wanted {
                return Ok(false);
            }
            at += count;
        }
        Ok(true)
    }

    /// Makes the list of digests anew, for a session that is whole on the disc while the list is not.
    pub(super) fn digest(
        &self,
        task: &Task<'_>,
        summary: &mut JobSummary,
        cluster: u32,
    ) -> Result<(), Failure> {
        let directory = self.freeze(task)?;
        let journal = task.data.staging.job(task.job.number)?;
        let total = u64::from(self.course.blocks) * wire::BLOCK_SIZE;
        task.job.begin(Phase::Preparing, total);
        summary.digest = match &self.body {
            Body::Tree { image, files } => {
                let mut source = Tree::new(image, Files::new(&directory, files));
                write::digest(task, &journal, &mut source, cluster, self.course.blocks)?
            }
            Body::Blocks(image) => {
                let mut source = image::Blocks::new(directory.open_file(image::NAME)?, image);
                write::digest(task, &journal, &mut source, cluster, self.course.blocks)?
            }
        };
        Ok(())
    }

    /// Reads the closed session back, compares it with its digests, and records the disc.
    pub(super) fn prove(
        &self,
        task: &Task<'_>,
        worker: &mut Worker,
        summary: &mut JobSummary,
        cluster: u32,
    ) -> Result<Outcome, Failure> {
        let device = worker.device()?;
        let journal = task.data.staging.job(task.job.number)?;
        let Course { first, blocks, .. } = self.course;
        let end = first
            .checked_add(blocks)
            .ok_or_else(|| errors::internal("a session without end"))?;
        let look = Look {
            range: first..end,
            cluster,
            tail: 0,
            to_the_end: false,
        };
        let regions = read_back(task, device, &journal, &look, summary)?;
        self.compare_front(device)?;
        device.forget_disc();
        let seen = device.look(None)?;
        let fingerprint = device.fingerprint(seen.session_start)?;
        let now = crate::clock::now();
        let disc = self.disc_record(task, &seen, summary, cluster, now)?;
        let map = MapRecord {
            at: now.seconds,
            regions,
        };
        let enough =
            task.data
                .catalog
                .verified(task.job.number, self.tree, self.id, &disc, fingerprint, &map)?;
        device.forget_disc();
        task.job.note("read back with equal digests");
        Ok(match enough {
            true => Outcome::Archived,
            false => Outcome::Burned,
        })
    }

    /// The rewritten front must be what was written, too.
    fn compare_front(&self, device: &mut Device) -> Result<(), Failure> {
        let mut found = [0; discfs::BLOCK];
        let mut reader = device.drive().reader();
        for (block, wanted) in &self.front {
            reader
                .read(*block, &mut found)
                .map_err(|error| errors::drive(&error))?;
            if found != *wanted {
                return Err(errors::differs(*block, 1));
            }
        }
        Ok(())
    }

    /// The disc with its new session; those of others are kept with what is known of them.
    fn disc_record(
        &self,
        task: &Task<'_>,
        seen: &Seen,
        summary: &mut JobSummary,
        cluster: u32,
        now: wire::Time,
    ) -> Result<DiscRecord, Failure> {
        let before = self.spot.seen.as_ref();
        let known = match self.spot.base {
            Some(_) => task.data.catalog.disc(self.id)?,
            None => None,
        };
        let created = known.as_ref().map_or(now, |disc| disc.created);
        let mut sessions = match (known, before) {
            (Some(disc), _) => disc.sessions,
            (None, Some(before)) if self.spot.base.is_some() => {
                before.disc.sessions.iter().map(foreign_session).collect()
            }
            _ => Vec::new(),
        };
        let broken = self.spot.broken.map(u64::from);
        sessions.retain(|session| session.start != summary.start && Some(session.start) != broken);
        let last = seen.disc.sessions.iter().map(|session| session.session).max();
        summary.session = match self.spot.front {
            true => u32::try_from(sessions.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
            false => last.unwrap_or(1),
        };
        sessions.push(SessionRecord {
            session: summary.session,
            start: summary.start,
            blocks: summary.blocks,
            job: task.job.number,
            cluster,
            digest: summary.digest,
            files: summary.files,
            bytes: summary.bytes,
        });
        Ok(DiscRecord {
            label: self.label.clone(),
            profile: seen.disc.media.number,
            media_id: seen.disc.media_id.clone(),
            created,
            sessions,
            verified: now.seconds,
        })
    }
}

/// What is known of a session that another program wrote.
pub(super) fn foreign_session(session: &wire::DiscSession) -> SessionRecord {
    SessionRecord {
        session: session.session,
        start: session.start,
        blocks: session.blocks,
        job: 0,
        cluster: 0,
        digest: [0; 32],
        files: 0,
        bytes: 0,
    }
}

/// The label asked for, or the disc's own, or one made from the tree's name.
fn label_of(
    task: &Task<'_>,
    recording: &Recording,
    old: Option<&str>,
    summary: &mut JobSummary,
) -> Result<String, Failure> {
    let tree = recording.tree;
    let name = match (recording.label.as_str(), old) {
        ("", Some(old)) if !old.trim().is_empty() => old.into(),
        ("", _) => {
            let record = task.data.catalog.tree(tree)?;
            record.map(|record| record.name).unwrap_or_default()
        }
        (asked, _) => asked.into(),
    };
    let plain = name.chars().filter(|character| !character.is_control());
    let label: String = plain.take(LABEL_MAX).collect();
    Ok(match label.trim() {
        "" => format!("SPINDLE-{tree}"),
        label => {
            if !name.trim().ends_with(label) {
                summary
                    .remarks
                    .push(format!("the label was cut to {LABEL_MAX} characters: {label}"));
            }
            label.into()
        }
    })
}
