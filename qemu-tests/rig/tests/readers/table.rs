//! The table of docs/readers.md: a row for each program, a column for each tree.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::programs::PROGRAMS;

const COLUMNS: &[&str] = &[
    "paths of 300 characters",
    "every Unicode plane",
    "40 levels",
    "empty",
    "5,000 hard links",
    "/usr/share/doc",
    "100,000 files",
    "6 GiB sparse",
];

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/readers.md")
}

/// Compares a column with what is kept, or keeps it when `UPDATE=1` is set.
pub fn compare(column: &str, cells: &[(String, String)]) -> Result<()> {
    // Tests of one process and of several take turns.
    let lock = File::open(path().parent().context("docs")?)?;
    lock.lock()?;
    let kept = fs::read_to_string(path()).unwrap_or_default();
    let place = COLUMNS
        .iter()
        .position(|name| *name == column)
        .context("a column of the table")?;
    let mut table = parse(&kept);
    let machine_dependent = column == "/usr/share/doc";
    for (row, cell) in cells {
        let wanted = table
            .iter_mut()
            .find(|(name, _)| name == row)
            .context("a row of the table")?;
        let slot = wanted.1.get_mut(place).context("a cell of the table")?;
        // What this machine has documented differs from machine to machine; what is left out of it does not.
        let cell = match (machine_dependent, cell.split_once(" (")) {
            (false, _) => cell.clone(),
            (true, Some((_, limits))) => format!("all but ({limits}"),
            (true, None) => cell
                .split(' ')
                .filter(|word| word.parse::<u64>().is_err())
                .collect::<Vec<_>>()
                .join(" "),
        };
        if std::env::var_os("UPDATE").is_some() {
            *slot = cell;
        } else {
            ensure!(
                *slot == cell,
                "docs/readers.md, {row}, {column}: `{cell}` is kept as `{slot}`; UPDATE=1 keeps what is now"
            );
        }
    }
    let text = render(&table);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(), text)?;
    } else {
        ensure!(
            text == kept,
            "docs/readers.md is not what the tests write; UPDATE=1 writes it"
        );
    }
    Ok(())
}

/// The rows there are, with the cells that are kept of them.
fn parse(text: &str) -> Vec<(String, Vec<String>)> {
    let kept: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .collect();
    PROGRAMS
        .iter()
        .map(|program| {
            let name = program.row();
            let found = kept.iter().find(|cells| cells.first() == Some(&name.as_str()));
            let cell = |at: usize| {
                found
                    .and_then(|cells| cells.get(at + 1))
                    .copied()
                    .unwrap_or("not run")
            };
            (name, (0..COLUMNS.len()).map(|at| cell(at).to_owned()).collect())
        })
        .collect()
}

fn render(table: &[(String, Vec<String>)]) -> String {
    let mut text = String::from(HEAD);
    text += &format!(
        "| reader | {} |\n|---|{}\n",
        COLUMNS.join(" | "),
        "---|".repeat(COLUMNS.len())
    );
    for (name, cells) in table {
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    text += LIMITS;
    let mut limits: Vec<(&str, &str)> = PROGRAMS
        .iter()
        .flat_map(|program| program.limits)
        .map(|limit| (limit.mark, limit.text))
        .collect();
    limits.sort_unstable();
    limits.dedup();
    for (mark, words) in limits {
        text += &format!("- **{mark}**: {words}\n");
    }
    text
}

const HEAD: &str = "# Who reads our discs

What programs that nobody here wrote show of images made by `spindle author` with its defaults (ISO 9660 with Rock Ridge and
Joliet, and UDF 1.02, over the same files): how many of all names of their view they list under the documented name
([discfs.md](discfs.md)) and, where they read, with every byte equal. The test `readers` of qemu-tests/rig writes this file
(`UPDATE=1`) and compares it ever after. Linux is 6.12, all others are those of Debian 12; pycdlib is 1.22.

";

const LIMITS: &str = "
*listed*: the program shows names only. *counted*: it shows every name, with characters it cannot show replaced.
*knows it*: it recognises file system and label.

Images with three sessions: all of these show the newest, but pycdlib, which takes the first block of UDF's partition for its file
set. xorriso, isoinfo, Linux (`sbsector`, `anchor`) and `spindle ls|get --session` show each older one as well (test `three_sessions`).

What is missing is the reader's own limit:

";
