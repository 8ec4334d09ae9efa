//! Walking a directory: what is in it, in the order of the names' bytes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use discfs::{Attributes, FileId, Kind, NodeId, Revision, Time, Times, Tree, TreeError};

use crate::files::Files;
use crate::names::Names;
use crate::platform::{Folder, Found, stamps};

/// What of a directory's attributes is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalkOptions {
    /// All times the system knows. Reading files changes some of them, so that without it the same files give the
    /// same image.
    pub all_times: bool,
    /// Owners, groups, masks of permissions and times after this moment, which differ from machine to machine, become
    /// the same everywhere.
    pub normalise: Option<i64>,
}

/// What is found, directories before what is in them. Told to a [`Tree`] or a [`Revision`].
pub trait Receiver {
    /// What directories are known by.
    type Directory: Copy;

    /// The directory that is walked.
    fn root(&mut self, attributes: Attributes) -> Self::Directory;

    /// An entry of a directory, by its name and by its path, with the times that are wanted besides.
    ///
    /// # Errors
    /// When it cannot be on a disc; it is then left out.
    fn add(
        &mut self,
        parent: Self::Directory,
        name: &[u8],
        path: &[u8],
        attributes: Attributes,
        times: Option<Times>,
        kind: Kind<'_>,
    ) -> Result<Self::Directory, TreeError>;
}

impl Receiver for Tree {
    type Directory = NodeId;

    fn root(&mut self, attributes: Attributes) -> NodeId {
        *self = Self::new(attributes);
        Self::ROOT
    }

    fn add(
        &mut self,
        parent: NodeId,
        name: &[u8],
        _: &[u8],
        attributes: Attributes,
        times: Option<Times>,
        kind: Kind<'_>,
    ) -> Result<NodeId, TreeError> {
        let node = Self::add(self, parent, name, attributes, kind)?;
        if let Some(times) = times {
            self.set_times(node, times);
        }
        Ok(node)
    }
}

/// What is found is added to what is there, and replaces it.
impl Receiver for Revision {
    type Directory = ();

    fn root(&mut self, attributes: Attributes) {
        self.set_root(attributes);
    }

    fn add(
        &mut self,
        (): (),
        _: &[u8],
        path: &[u8],
        attributes: Attributes,
        times: Option<Times>,
        kind: Kind<'_>,
    ) -> Result<(), TreeError> {
        // What a tree would refuse must not keep all others from being appended.
        Tree::new(attributes).add_path(
            path.rsplit(|byte| *byte == b'/').next().unwrap_or_default(),
            attributes,
            kind,
        )?;
        if path == b".spindle" {
            return Err(TreeError::Reserved(".spindle".into()));
        }
        self.put(path, attributes, kind);
        if let Some(times) = times {
            self.set_times(path, times);
        }
        Ok(())
    }
}

/// Something that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path from the directory that was walked.
    pub path: Vec<u8>,
    /// Why.
    pub reason: String,
}

/// What a walk found besides what it told.
pub struct Walked {
    /// Where the files are.
    pub files: Files,
    /// What cannot be on a disc, or not be read.
    pub left_out: Vec<LeftOut>,
    /// Bytes in the files, hard links counted once.
    pub bytes: u64,
    /// The latest modification.
    pub newest: Time,
}

struct Walk<'a, R> {
    receiver: &'a mut R,
    options: WalkOptions,
    walked: Walked,
    /// Files with several names: their numbers and sizes.
    links: HashMap<(u64, u64), (FileId, u64)>,
}

/// A directory being read: its handle, the names still to come, what it is known by, and the length of its path.
struct Level<D> {
    folder: Folder,
    names: Names,
    number: u32,
    directory: D,
    path: usize,
}

/// Directories entered below each other, each held open.
const DEPTH_MAX: usize = 512;

/// Walks a directory. What is below it and cannot be read, or be on a disc, is left out.
///
/// # Errors
/// When the directory itself cannot be read.
pub fn walk<R: Receiver>(root: &Path, options: WalkOptions, receiver: &mut R) -> io::Result<Walked> {
    let attributes = normalised(stamps(&fs::metadata(root)?), options);
    let folder = Folder::open(root)?;
    let names = folder.names()?;
    let directory = receiver.root(attributes);
    let mut walk = Walk {
        receiver,
        options,
        walked: Walked {
            files: Files::new(PathBuf::from(root)),
            left_out: Vec::new(),
            bytes: 0,
            newest: attributes.mtime,
        },
        links: HashMap::new(),
    };
    let mut levels = vec![Level {
        folder,
        names,
        number: 0,
        directory,
        path: 0,
    }];
    let mut path = Vec::new();
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        if !path.is_empty() {
            path.push(b'/');
        }
        let begin = path.len();
        let Some(name) = level.names.next() else {
            levels.pop();
            continue;
        };
        path.extend_from_slice(name);
        let entered = match walk.visit(level, &path, begin) {
            Ok(None) => continue,
            Ok(Some(entered)) if levels.len() < DEPTH_MAX => Ok(entered),
            Ok(Some(_)) => Err(format!("it is deeper than {DEPTH_MAX} levels")),
            Err(reason) => Err(reason),
        };
        match entered {
            Ok(entered) => levels.push(entered),
            Err(reason) => walk.walked.left_out.push(LeftOut {
                path: path.clone(),
                reason,
            }),
        }
    }
    Ok(walk.walked)
}

impl<R: Receiver> Walk<'_, R> {
    /// Takes one name of a directory, the end of `path` from `begin`; a directory is to be entered next.
    fn visit(
        &mut self,
        level: &Level<R::Directory>,
        path: &[u8],
        begin: usize,
    ) -> Result<Option<Level<R::Directory>>, String> {
        let name = path.get(begin..).unwrap_or_default();
        let (found, attributes, times) = level.folder.look(name).map_err(text)?;
        let attributes = normalised(attributes, self.options);
        let times = self.options.all_times.then_some(times);
        let files = &mut self.walked.files;
        let mut add = |kind: Kind<'_>| {
            let added = self
                .receiver
                .add(level.directory, name, path, attributes, times, kind);
            added.map_err(|error| error.to_string())
        };
        let mut entered = None;
        match found {
            Found::Directory => {
                let folder = level.folder.inside(name).map_err(text)?;
                entered = Some(Level {
                    names: folder.names().map_err(text)?,
                    folder,
                    number: files.directory(level.number, name).ok_or(FULL)?,
                    directory: add(Kind::Directory)?,
                    path: path.len(),
                });
            }
            Found::File { size, identity } => {
                let known = identity.and_then(|identity| self.links.get(&identity).copied());
                // A file that grows meanwhile has one size under all its names.
                let (file, size) = match known {
                    Some(known) => known,
                    None => (files.file(level.number, name).ok_or(FULL)?, size),
                };
                add(Kind::File { size, file })?;
                if known.is_none() {
                    self.walked.bytes = self.walked.bytes.saturating_add(size);
                    self.links
                        .extend(identity.map(|identity| (identity, (file, size))));
                }
            }
            Found::Symlink(target) => {
                add(Kind::Symlink { target: &target })?;
            }
            Found::Other(what) => return Err(format!("{what}, which a disc cannot hold")),
        }
        self.walked.newest = self.walked.newest.max(attributes.mtime);
        Ok(entered)
    }
}

/// Attributes without what differs from machine to machine, when that is wanted.
fn normalised(attributes: Attributes, options: WalkOptions) -> Attributes {
    let Some(latest) = options.normalise else {
        return attributes;
    };
    let executable = if attributes.mode & 0o100 == 0 {
        0o644
    } else {
        0o755
    };
    let mtime = attributes.mtime.min(Time {
        seconds: latest,
        nanoseconds: 0,
    });
    Attributes {
        mode: executable,
        uid: 0,
        gid: 0,
        mtime,
    }
}

const FULL: &str = "there are more names than one image can hold";

fn text(error: io::Error) -> String {
    error.to_string()
}
