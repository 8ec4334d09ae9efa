//! Trees: put, ls, get.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use client::wire::{ByteString, Entry, EntryKind, Source};
use client::{Connection, Error, Skipped, SourceTree};
use serde_json::{Value, json};

use crate::arguments;
use crate::exit::Exit;
use crate::output::{Output, hex, moment, path, size};
use crate::progress::Progress;

pub fn put(connection: &mut Connection, what: &arguments::Put, output: Output) -> Result<Exit, Error> {
    let source = SourceTree::walk(&what.paths)?;
    let first = what.paths.first().and_then(|path| path.canonicalize().ok());
    let name = first
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    let name = what.name.clone().or(name).unwrap_or_default();
    let mut progress = Progress::new(output, "sending", source.bytes);
    let report = connection.put(what.tree, &name, &source, |now| {
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
    for skipped in &skipped {
        eprintln!(
            "spindle: left out {}: {}",
            skipped.local.display(),
            skipped.reason
        );
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

fn source(from: arguments::From) -> Source {
    from.tree.map_or(Source::Disc(from.drive), Source::Tree)
}

/// A path as the protocol has it: no slash at its ends.
fn inner_path(path: &Path) -> &[u8] {
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
    let mut failed = Ok(());
    connection.list(source(what.from), top.as_bytes(), depth, |entry| {
        let is_top = entry.path == top && entry.kind == EntryKind::Directory.number();
        if output.json {
            entries.push(entry_json(&entry));
        } else if !is_top && failed.is_ok() {
            failed = writeln!(lines, "{}", entry_text(&entry, what.long));
        }
    })?;
    failed.and_then(|()| lines.flush()).map_err(Error::Output)?;
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

fn entry_text(entry: &Entry, long: bool) -> String {
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

fn entry_json(entry: &Entry) -> Value {
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

pub fn get(connection: &mut Connection, what: &arguments::Get, output: Output) -> Result<Exit, Error> {
    let wanted = inner_path(&what.path);
    let mut progress = Progress::new(output, "fetching", 0);
    let mut tell = |done: u64, total: u64| progress.at("fetching", done, total, "");
    let target = what.output.clone().unwrap_or_else(|| PathBuf::from("."));
    if target.as_os_str() == "-" {
        let mut stdout = io::stdout();
        connection.get(source(what.from), wanted, &mut stdout, &mut tell)?;
        progress.finish();
        return Ok(Exit::Done);
    }
    let target = match (target.is_dir(), what.path.file_name()) {
        (true, Some(name)) => target.join(name),
        _ => target,
    };
    if target.exists() && !what.force {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, "it exists; --force replaces it");
        return Err(Error::Local { path: target, error });
    }
    // The name appears only once the digest is known to be right.
    let mut partial = target.clone().into_os_string();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let local = |error| Error::Local {
        path: partial.clone(),
        error,
    };
    let mut file = File::create(&partial).map_err(local)?;
    let got = connection.get(source(what.from), wanted, &mut file, &mut tell);
    progress.finish();
    let finished = got.and_then(|entry| {
        file.sync_all()
            .and_then(|()| fs::rename(&partial, &target))
            .map_err(local)?;
        Ok(entry)
    });
    if finished.is_err() {
        // Half a file under a name of its own helps nobody; the error that led here is what counts.
        let _ = fs::remove_file(&partial);
    }
    let entry = finished?;
    output.print(
        || {
            format!(
                "{}: {}, SHA-256 {}",
                target.display(),
                size(entry.size),
                hex(&entry.sha256.unwrap_or_default())
            )
        },
        || {
            let mut object = entry_json(&entry);
            object["written"] = target.display().to_string().into();
            object
        },
    )?;
    Ok(Exit::Done)
}
