//! A disc opened in one of its views.

use super::blocks::{BlockSource, Blocks};
use super::iso::{Hierarchy, Iso};
use super::node::{Node, NodeKind};
use super::udf::Udf;
use super::{DiscError, malformed};
use crate::Time;
use alloc::vec::Vec;
use displaydoc::Display;

/// One of the ways a disc shows its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display)]
pub enum View {
    /// Rock Ridge
    RockRidge,
    /// UDF
    Udf,
    /// Joliet
    Joliet,
    /// ISO 9660
    Iso9660,
}

impl View {
    /// Richest first: Rock Ridge keeps names as bytes and has owners, links and their targets; UDF has names
    /// in Unicode and most of the rest; Joliet has but the names; plain ISO 9660 not even these.
    pub const ALL: [Self; 4] = [Self::RockRidge, Self::Udf, Self::Joliet, Self::Iso9660];
}

enum Format {
    Iso(Iso),
    Udf(Udf),
}

/// A disc opened in one of its views.
pub struct Volume<S> {
    pub(super) blocks: Blocks<S>,
    format: Format,
}

/// A directory being read.
pub struct Directory {
    pub(super) node: Node,
    offset: u64,
}

/// Opens one view; `None` when the disc does not have it.
fn open_format<S: BlockSource>(
    blocks: &mut Blocks<S>,
    session_start: u64,
    view: View,
) -> Result<Option<Format>, DiscError> {
    Ok(match view {
        View::RockRidge => Iso::open(blocks, session_start, Hierarchy::RockRidge)?
            .filter(|iso| iso.rock_ridge)
            .map(Format::Iso),
        View::Joliet => Iso::open(blocks, session_start, Hierarchy::Joliet)?.map(Format::Iso),
        View::Iso9660 => Iso::open(blocks, session_start, Hierarchy::Plain)?.map(Format::Iso),
        View::Udf => Udf::open(blocks, session_start)?.map(Format::Udf),
    })
}

impl<S: BlockSource> Volume<S> {
    /// Opens the richest view, of those that can be read, of the session that starts at a block: Rock Ridge,
    /// else UDF, else Joliet, else plain ISO 9660.
    ///
    /// # Errors
    /// When no view can be read, with the reason of the richest that is there.
    pub fn open(source: S, session_start: u64) -> Result<Self, DiscError> {
        let mut blocks = Blocks::new(source);
        let mut reason = None;
        for view in View::ALL {
            match open_format(&mut blocks, session_start, view) {
                Ok(Some(format)) => return Ok(Self { blocks, format }),
                Ok(None) => {}
                Err(error) => reason = reason.or(Some(error)),
            }
        }
        Err(reason.unwrap_or(DiscError::NoFileSystem))
    }

    /// Opens one view.
    ///
    /// # Errors
    /// When the disc does not have it or it cannot be read.
    pub fn open_view(source: S, session_start: u64, view: View) -> Result<Self, DiscError> {
        let mut blocks = Blocks::new(source);
        let format = open_format(&mut blocks, session_start, view)?.ok_or(DiscError::NoView(view))?;
        Ok(Self { blocks, format })
    }

    /// The views of a disc that can be read, richest first.
    pub fn views(source: &mut S, session_start: u64) -> Vec<View> {
        let mut blocks = Blocks::new(source);
        let mut readable =
            |&view: &View| matches!(open_format(&mut blocks, session_start, view), Ok(Some(_)));
        View::ALL.into_iter().filter(|view| readable(view)).collect()
    }

    /// The view that was opened.
    #[must_use]
    pub fn view(&self) -> View {
        match &self.format {
            Format::Iso(iso) if iso.rock_ridge => View::RockRidge,
            Format::Iso(iso) if iso.joliet => View::Joliet,
            Format::Iso(_) => View::Iso9660,
            Format::Udf(_) => View::Udf,
        }
    }

    /// The volume label.
    #[must_use]
    pub fn label(&self) -> &str {
        match &self.format {
            Format::Iso(iso) => &iso.label,
            Format::Udf(udf) => &udf.label,
        }
    }

    /// When the volume was made.
    #[must_use]
    pub fn time(&self) -> Time {
        match &self.format {
            Format::Iso(iso) => iso.time,
            Format::Udf(udf) => udf.time,
        }
    }

    /// The top directory.
    #[must_use]
    pub fn root(&self) -> Node {
        match &self.format {
            Format::Iso(iso) => iso.root.clone(),
            Format::Udf(udf) => udf.root.clone(),
        }
    }

    /// The source, when no more is to be read from this view.
    pub fn into_source(self) -> S {
        self.blocks.into_source()
    }

    /// Finds a path, components joined by `/`, empty for the top. Symbolic links are not followed.
    ///
    /// # Errors
    /// [`DiscError::NotFound`], or what keeps the directories from being read.
    pub fn lookup(&mut self, path: &[u8]) -> Result<Node, DiscError> {
        let mut node = self.root();
        for component in path
            .split(|&byte| byte == b'/')
            .filter(|component| !component.is_empty())
        {
            node = match self.find(&node, component) {
                Ok(Some(found)) => found,
                Ok(None) | Err(DiscError::NotDirectory) => {
                    return Err(DiscError::NotFound(crate::tree::readable(path)));
                }
                Err(error) => return Err(error),
            };
        }
        Ok(node)
    }

    /// Finds a name in a directory.
    ///
    /// # Errors
    /// When it is not a directory or cannot be read; damaged entries with other names are passed over.
    pub fn find(&mut self, directory: &Node, name: &[u8]) -> Result<Option<Node>, DiscError> {
        let mut directory = Self::directory(directory)?;
        let mut damage = None;
        loop {
            match self.next_entry(&mut directory) {
                Ok(Some((found, node))) if found == name => return Ok(Some(node)),
                Ok(Some(_)) => {}
                Ok(None) => return damage.map_or(Ok(None), Err),
                Err(error @ DiscError::Source(_)) => return Err(error),
                Err(error) => damage = damage.or(Some(error)),
            }
        }
    }

    /// Begins to read a directory; its entries come from [`Volume::next_entry`].
    ///
    /// # Errors
    /// [`DiscError::NotDirectory`].
    pub fn directory(node: &Node) -> Result<Directory, DiscError> {
        match node.kind {
            NodeKind::Directory => Ok(Directory {
                node: node.clone(),
                offset: 0,
            }),
            _ => Err(DiscError::NotDirectory),
        }
    }

    /// The next entry of a directory: its name and the node. `.` and `..` are left out; no name is empty,
    /// `.` or `..`, or holds `/` or a zero byte.
    ///
    /// # Errors
    /// When an entry is damaged. The next call goes on behind it, or ends where there is no way past it.
    pub fn next_entry(&mut self, directory: &mut Directory) -> Result<Option<(Vec<u8>, Node)>, DiscError> {
        let Directory { node, offset } = directory;
        // Directories do not share blocks, so none can be larger than the disc.
        if node.extents.bytes() > self.blocks.end() {
            *offset = u64::MAX;
            return Err(malformed(node.identity, "a directory is larger than the disc"));
        }
        match &self.format {
            Format::Iso(iso) => iso.next_entry(&mut self.blocks, node, offset),
            Format::Udf(udf) => udf.next_entry(&mut self.blocks, node, offset),
        }
    }

    /// Reads a file from `offset`, returns how many bytes; fewer than fit only at its end.
    ///
    /// # Errors
    /// When it is not a file or its blocks cannot be read.
    pub fn read_file(&mut self, node: &Node, offset: u64, buf: &mut [u8]) -> Result<usize, DiscError> {
        match node.kind {
            NodeKind::File => node.extents.read(&mut self.blocks, offset, buf),
            _ => Err(DiscError::NotFile),
        }
    }

    /// Target of a symbolic link.
    ///
    /// # Errors
    /// When it is not a symbolic link or its blocks cannot be read.
    pub fn link_target(&mut self, node: &Node) -> Result<Vec<u8>, DiscError> {
        match (&self.format, node.kind) {
            (Format::Iso(_), NodeKind::Symlink) => Ok(node.target.clone()),
            (Format::Udf(_), NodeKind::Symlink) => Udf::link_target(&mut self.blocks, node),
            _ => Err(DiscError::NotSymlink),
        }
    }
}
