//! A board's folder: kernel configuration fragments and a command line.
//!
//! `board/common/*.config` apply to every board, `board/<name>/*.config` follow and may override them, both in
//! the order of their names. `board/<name>/cmdline` is one line; lines that start with `#` say why it is so.
//!
//! A board that is no box, such as a workstation in tests, has a file `board/<name>/common`: the fragments of
//! board/common it takes, by name. Without `hardening` among them its kernel may parse what a box's must not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error, Result,
    files::{failed, read_text},
    kconfig::{self, Choice},
};

/// What one board's boot files are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// The folder's name.
    pub name: String,
    /// Every kernel option some fragment names, in order; where one is named twice the later counts.
    pub choices: Vec<Choice>,
    /// The kernel's command line.
    pub command_line: String,
    /// Whether [`kconfig::FORBIDDEN`] applies: it does where `board/common/hardening.config` does.
    pub hardened: bool,
}

/// The fragment of board/common that walls the kernel up.
const HARDENING: &str = "hardening";

impl Board {
    /// Reads the board `name` from the folder that holds all boards.
    pub fn read(boards: &Path, name: &str) -> Result<Self> {
        let common = taken(
            fragments(&boards.join("common"))?,
            &boards.join(name).join("common"),
        )?;
        let hardened = common
            .iter()
            .any(|path| path.file_stem().is_some_and(|stem| stem == HARDENING));
        let mut choices = Vec::new();
        for path in common.into_iter().chain(fragments(&boards.join(name))?) {
            choices.extend(kconfig::parse_fragment(&path, &read_text(&path)?)?);
        }
        let path = boards.join(name).join("cmdline");
        let command_line = command_line(&path, &read_text(&path)?)?;
        Ok(Self {
            name: name.to_owned(),
            choices: kconfig::last_word(choices),
            command_line,
            hardened,
        })
    }
}

/// The common fragments a board takes: those its selection names, or all when it has none.
fn taken(common: Vec<PathBuf>, selection: &Path) -> Result<Vec<PathBuf>> {
    if !selection.exists() {
        return Ok(common);
    }
    let text = read_text(selection)?;
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|name| {
            let named = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == name);
            common
                .iter()
                .find(named)
                .cloned()
                .ok_or_else(|| Error::UnknownFragment {
                    path: selection.to_owned(),
                    name: name.to_owned(),
                })
        })
        .collect()
}

fn fragments(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let path = entry.map_err(failed("list", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "config") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        Err(Error::NoFragments {
            path: folder.to_owned(),
        })
    } else {
        Ok(paths)
    }
}

fn command_line(path: &Path, text: &str) -> Result<String> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.count()) {
        (Some(line), 0) => Ok(line.to_owned()),
        (first, rest) => Err(Error::CommandLine {
            path: path.to_owned(),
            found: rest + usize::from(first.is_some()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_takes_all_common_fragments_or_those_it_names() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in [
            ("common/core.config", "CONFIG_CORE=y\n"),
            ("common/hardening.config", "# CONFIG_INET is not set\n"),
            ("box/box.config", "CONFIG_BOX=y\n"),
            ("box/cmdline", "quiet\n"),
            ("peer/peer.config", "CONFIG_INET=y\n"),
            ("peer/cmdline", "quiet\n"),
            ("peer/common", "# why\ncore\n"),
            ("wrong/wrong.config", "CONFIG_INET=y\n"),
            ("wrong/common", "cor\n"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let read = |name: &str| Board::read(folder.path(), name);
        let lines = |board: &Board| board.choices.iter().map(Choice::line).collect::<Vec<_>>();
        let hardened = read("box").expect("a board");
        assert!(hardened.hardened);
        assert_eq!(
            lines(&hardened),
            ["CONFIG_CORE=y", "# CONFIG_INET is not set", "CONFIG_BOX=y"]
        );
        let peer = read("peer").expect("a board");
        assert!(!peer.hardened);
        assert_eq!(lines(&peer), ["CONFIG_CORE=y", "CONFIG_INET=y"]);
        let error = read("wrong").expect_err("no such fragment");
        assert!(
            matches!(&error, Error::UnknownFragment { name, .. } if name == "cor"),
            "{error}"
        );
    }

    #[test]
    fn a_command_line_is_one_line_among_comments() {
        let path = Path::new("cmdline");
        assert_eq!(
            command_line(path, "# why\n\n console=ttyS0 quiet\n").expect("one line"),
            "console=ttyS0 quiet"
        );
        assert!(matches!(
            command_line(path, "# none\n"),
            Err(Error::CommandLine { found: 0, .. })
        ));
        assert!(matches!(
            command_line(path, "a\nb\nc\n"),
            Err(Error::CommandLine { found: 3, .. })
        ));
    }
}
