//! Trees: put, ls, get.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use client::wire::{ByteString, Entry, EntryKind, Place, Source, Tree};
use client::{Connection, Error, Skipped, SourceTree};
use serde_json::{Value, json};

use crate::arguments;
use crate::exit::Exit;
use crate::output::{Output, hex, label, moment, path, size, tell};
use crate::progress::Progress;
use crate::target::{Partial, Target};

/// What a put will send.
pub fn source(what: &arguments::Put) -> Result<SourceTree, Error> {
    let source = SourceTree::walk(&what.paths)?;
    if source.items.is_empty() {
        // An empty tree would be what the next burn takes.
        let reason = source.skipped.first().map(|skipped| skipped.reason.clone());
        let path = what.paths.first().cloned().unwrap_or_default();
        return Err(Error::Unsuitable(
            path,
            reason.unwrap_or_else(|| "it is empty".into()),
        ));
    }
    Ok(source)
}

pub fn put(
    connection: &mut Connection,
    what: &arguments::Put,
    source: &SourceTree,
    output: Output,
) -> Result<Exit, Error> {
    let first = what.paths.first().and_then(|path| path.canonicalize().ok());
    let name = first
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    let name = what.name.clone().or(name).unwrap_or_default();
    let mut progress = Progress::new(output, "sending", source.bytes);
    let report = connection.put(what.tree, &name, source, |now| {
        progress.at(
            "sending",
            now.bytes,
            source.bytes,
            &format!("  {} files", now.files),
        );
    });
    progress.finish();
    let report = report?;
    let skipped: Vec<&Skipped> = source.skipped.iter().chain(&report.skipped).collect();
    for skipped in skipped.iter().filter(|_| !output.json) {
        tell(&format!(
            "spindle: left out {}: {}",
            skipped.local.display(),
            skipped.reason
        ));
    }
    let done = report.done;
    output.print(
        || {
            format!(
                "tree {}: {} files, {}; received, synced and catalogued",
                done.tree,
                done.files,
                size(done.bytes)
            )
        },
        || {
            let skipped = skipped.iter().map(
                |skipped| json!({ "path": skipped.local.display().to_string(), "reason": skipped.reason }),
            );
            json!({
                "tree": done.tree,
                "files": done.files,
                "bytes": done.bytes,
                "skipped": skipped.collect::<Vec<_>>(),
            })
        },
    )?;
    Ok(if skipped.is_empty() {
        Exit::Done
    } else {
        Exit::Local
    })
}

/// What the box is asked about: by the older requests where they are enough, which older boxes know as well.
fn source_on_box(from: arguments::From) -> Source {
    from.tree
        .map_or(Source::Disc(from.drive.unwrap_or(0)), Source::Tree)
}

fn place_on_box(from: arguments::From, session: u32) -> Place {
    Place {
        session,
        ..source_on_box(from).into()
    }
}

/// A path as the protocol has it: no slash at its ends.
pub fn inner_path(path: &Path) -> &[u8] {
    let mut bytes = path.as_os_str().as_encoded_bytes();
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = bytes {
        bytes = rest;
    }
    if bytes == b"." { b"" } else { bytes }
}

pub fn ls(connection: &mut Connection, what: &arguments::Ls, output: Output) -> Result<Exit, Error> {
    let depth = if what.recursive { u32::MAX } else { 1 };
    let top = ByteString::from(inner_path(&what.path));
    let mut lines = io::BufWriter::new(io::stdout());
    let mut entries = Vec::new();
    let mut each = |entry: Entry| {
        let is_top = entry.path == top && entry.kind == EntryKind::Directory.number();
        if output.json {
            entries.push(entry_json(&entry));
        } else if !is_top && let Err(error) = writeln!(lines, "{}", entry_text(&entry, what.long)) {
            // Nobody reads on: the rest of a long list need not come.
            output.error(&Error::Output(error));
            std::process::exit(Exit::Local as i32);
        }
    };
    match what.session {
        None => connection.list(source_on_box(what.from), top.as_bytes(), depth, &mut each)?,
        Some(session) => {
            let place = place_on_box(what.from, session);
            connection.list_in(place, top.as_bytes(), depth, &mut each)?
        }
    };
    lines.flush().map_err(Error::Output)?;
    if output.json {
        output.print(String::new, || json!({ "entries": entries }))?;
    }
    Ok(Exit::Done)
}

fn kind_mark(kind: u16) -> char {
    match EntryKind::from_number(kind) {
        Some(EntryKind::File) => '-',
        Some(EntryKind::Directory) => 'd',
        Some(EntryKind::Symlink) => 'l',
        _ => '?',
    }
}

pub fn entry_text(entry: &Entry, long: bool) -> String {
    let mark = if entry.kind == EntryKind::Directory.number() {
        "/"
    } else {
        ""
    };
    if !long {
        return format!("{}{mark}", entry.path);
    }
    let permissions: String = (0..9)
        .rev()
        .zip("rwxrwxrwx".chars())
        .map(|(bit, letter)| if entry.mode >> bit & 1 == 1 { letter } else { '-' })
        .collect();
    let target = if entry.target.as_bytes().is_empty() {
        String::new()
    } else {
        format!(" -> {}", entry.target)
    };
    format!(
        "{}{permissions} {:>5} {:>5} {:>12} {} {}{mark}{target}",
        kind_mark(entry.kind),
        entry.uid,
        entry.gid,
        entry.size,
        moment(entry.mtime),
        entry.path
    )
}

pub fn entry_json(entry: &Entry) -> Value {
    let kind = EntryKind::from_number(entry.kind).map_or("unknown", EntryKind::text);
    let mut object = json!({
        "kind": kind,
        "mode": entry.mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime.seconds,
        "mtime_ns": entry.mtime.nanoseconds,
        "size": entry.size,
    });
    path(&mut object, "path", &entry.path);
    if !entry.target.as_bytes().is_empty() {
        path(&mut object, "target", &entry.target);
    }
    if let Some(digest) = entry.sha256 {
        object["sha256"] = hex(&digest).into();
    }
    object
}

pub fn get(
    connection: &mut Connection,
    what: &arguments::Get,
    target: Target,
    output: Output,
) -> Result<Exit, Error> {
    let mut progress = Progress::new(output, "fetching", 0);
    let fetch = |into: &mut dyn Write| {
        let tell = |done: u64, total: u64| progress.at("fetching", done, total, "");
        let path = inner_path(&what.path);
        let got = match what.session {
            None => connection.get(source_on_box(what.from), path, into, tell),
            Some(session) => connection.get_in(place_on_box(what.from, session), path, into, tell),
        };
        progress.finish();
        got
    };
    let (entry, written) = match target {
        // Standard output is the file's.
        Target::Stdout => return fetch(&mut io::stdout()).map(|_| Exit::Done),
        Target::Special(path) => {
            let opened = OpenOptions::new().write(true).open(&path);
            let mut special = opened.map_err(|error| Error::Local {
                path: path.clone(),
                error,
            })?;
            (fetch(&mut special)?, path)
        }
        Target::File(path) => {
            let mut partial = Partial::begin(path)?;
            (fetch(&mut partial)?, partial.finish()?)
        }
    };
    output.print(
        || {
            let digest = hex(&entry.sha256.unwrap_or_default());
            format!("{}: {}, SHA-256 {digest}", written.display(), size(entry.size))
        },
        || {
            let mut object = entry_json(&entry);
            object["written"] = written.display().to_string().into();
            object
        },
    )?;
    Ok(Exit::Done)
}

pub fn trees(connection: &mut Connection, output: Output) -> Result<Exit, Error> {
    let trees = connection.trees()?.trees;
    let text = |tree: &Tree| {
        let discs = match (tree.discs.len(), tree.copies) {
            (0, 0 | 1) => String::new(),
            (discs, copies) => format!(", on {discs} of {copies} discs"),
        };
        format!(
            "{:5}  {}  {:9} {:>6} files {:>9}{discs}  {}\n",
            tree.tree,
            moment(tree.created),
            tree.state.text,
            tree.files,
            size(tree.bytes),
            tree.name
        )
    };
    let object = |tree: &Tree| {
        json!({
            "tree": tree.tree,
            "name": tree.name,
            "state": label(&tree.state),
            "created": tree.created.seconds,
            "files": tree.files,
            "bytes": tree.bytes,
            "copies": tree.copies,
            "discs": tree.discs.iter().map(|disc| hex(disc)).collect::<Vec<_>>(),
        })
    };
    output.print(
        || match trees.as_slice() {
            [] => "no trees".into(),
            some => some.iter().map(text).collect(),
        },
        || json!({ "trees": trees.iter().map(object).collect::<Vec<_>>() }),
    )?;
    Ok(Exit::Done)
}
