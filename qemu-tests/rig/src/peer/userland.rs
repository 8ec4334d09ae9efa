//! The peer's programs: Debian's own, as installed here, with the libraries they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use images::newc::Archive;

/// Programs taken from this machine, each with the package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("/bin/busybox", "busybox-static"),
    // Busybox as a shell would run its own `find` before any other.
    ("/bin/dash", "dash"),
    ("/usr/bin/growisofs", "growisofs"),
    ("/usr/bin/dvd+rw-format", "dvd+rw-tools"),
    ("/usr/bin/dvd+rw-mediainfo", "dvd+rw-tools"),
    ("/usr/bin/genisoimage", "genisoimage"),
    ("/usr/bin/xorriso", "xorriso"),
    ("/usr/bin/cdrskin", "cdrskin"),
    ("/usr/bin/wodim", "wodim"),
    ("/usr/bin/find", "findutils"),
    ("/usr/bin/sha256sum", "coreutils"),
    ("/usr/bin/tar", "tar"),
    ("/usr/bin/timeout", "coreutils"),
];

/// Programs under the names others call them by.
const ALIASES: &[(&str, &str)] = &[("usr/bin/mkisofs", "genisoimage")];

const DIRECTORIES: &[&str] = &["dev", "proc", "sys", "tmp", "etc", "mnt"];

/// The first process of the peer.
const INIT: &str = include_str!("init.sh");

/// The initramfs, with these programs besides. Uncompressed: QEMU copies it faster than an emulated processor unpacks.
pub fn archive(further: &[PathBuf]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    let mut made = BTreeSet::new();
    for directory in DIRECTORIES {
        parents(&mut archive, &mut made, &format!("{directory}/."))?;
    }
    archive.character_device("dev/console", 0o600, (5, 1))?;
    let mut files = BTreeSet::new();
    for (program, package) in PROGRAMS {
        let path = PathBuf::from(program);
        ensure!(
            path.is_file(),
            "{program} is missing: `cargo xtask setup` installs {package}"
        );
        files.extend(libraries(&path)?);
        files.insert(path);
    }
    for program in further {
        let path = program.canonicalize();
        let path = path.with_context(|| format!("there is no program {}", program.display()))?;
        files.extend(libraries(&path)?);
    }
    for program in further {
        // Not under the path it has here, where something may be mounted over it.
        let name = program.file_name().context("a program has a name")?;
        let path = format!("usr/local/bin/{}", name.display());
        parents(&mut archive, &mut made, &path)?;
        archive.file(&path, 0o755, &fs::read(program)?)?;
    }
    for file in files {
        let path = file.to_str().context("a library's path is not UTF-8")?;
        let path = path.trim_start_matches('/');
        parents(&mut archive, &mut made, path)?;
        let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        archive.file(path, 0o755, &content)?;
    }
    for (alias, program) in ALIASES {
        archive.symlink(alias, program)?;
    }
    archive.file("init", 0o755, INIT.as_bytes())?;
    Ok(archive.finish()?)
}

fn parents(archive: &mut Archive, made: &mut BTreeSet<String>, path: &str) -> Result<()> {
    for (at, _) in path.match_indices('/') {
        let directory = path.get(..at).unwrap_or_default();
        if made.insert(directory.to_owned()) {
            archive.directory(directory, 0o755)?;
        }
    }
    Ok(())
}

/// The shared libraries and the loader of a program, as `ldd` lists them: `name => /path (address)`, or
/// `/path (address)` for the loader. None for a static program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("ldd cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        !text.contains("not found"),
        "{} lacks a library:\n{text}",
        program.display()
    );
    let path = |line: &str| {
        let path = line.rsplit("=> ").next()?.split(" (").next()?.trim();
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    Ok(text.lines().filter_map(path).collect())
}
