//! A board's folder: kernel configuration fragments and a command line.
//!
//! `board/common/*.config` apply to every board, `board/<name>/*.config` follow and may override them, both in
//! the order of their names. `board/<name>/cmdline` is one line; lines that start with `#` say why it is so.

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
}

impl Board {
    /// Reads the board `name` from the folder that holds all boards.
    pub fn read(boards: &Path, name: &str) -> Result<Self> {
        let mut choices = Vec::new();
        for folder in [boards.join("common"), boards.join(name)] {
            for path in fragments(&folder)? {
                choices.extend(kconfig::parse_fragment(&path, &read_text(&path)?)?);
            }
        }
        let path = boards.join(name).join("cmdline");
        let command_line = command_line(&path, &read_text(&path)?)?;
        Ok(Self {
            name: name.to_owned(),
            choices: kconfig::last_word(choices),
            command_line,
        })
    }
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
