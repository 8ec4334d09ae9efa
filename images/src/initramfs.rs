//! The initramfs: mount points, a console, and the one executable as `/init`.

use std::path::Path;

use crate::{Result, elf, files, newc::Archive};

/// Where init mounts things.
const MOUNT_POINTS: &[&str] = &["dev", "proc", "sys", "data", "run"];

/// Zstandard's level before the ones that need more memory to unpack than a small box wants to spend.
const LEVEL: i32 = 19;

/// Writes the initramfs for `executable` to `initramfs`, compressed; refuses an executable that could not start there.
pub fn assemble(executable: &Path, initramfs: &Path) -> Result<()> {
    let content = files::read(executable)?;
    elf::check_static(&content)?;
    let compressed =
        zstd::bulk::compress(&archive(&content)?, LEVEL).map_err(files::failed("compress", executable))?;
    files::replace(initramfs, &compressed)
}

fn archive(executable: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for path in MOUNT_POINTS {
        archive.directory(path, 0o755)?;
    }
    // The kernel opens it for init's standard input and output before anything is mounted.
    archive.character_device("dev/console", 0o600, (5, 1))?;
    archive.file("init", 0o755, executable)?;
    archive.finish()
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    /// bsdtar reads newc with its own code: what it lists is what the kernel will unpack.
    #[test]
    fn a_foreign_reader_finds_every_entry() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("initramfs");
        let content = b"the executable".repeat(1000);
        fs::write(
            &path,
            zstd::bulk::compress(&archive(&content).expect("fits"), LEVEL).expect("compresses"),
        )
        .expect("writes");

        let list = Command::new("bsdtar")
            .arg("-tvf")
            .arg(&path)
            .output()
            .expect("bsdtar (libarchive-tools) runs");
        let list = String::from_utf8(list.stdout).expect("text");
        let entries: Vec<Vec<&str>> = list
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry.last().copied()).collect();
        assert_eq!(
            names,
            ["dev", "proc", "sys", "data", "run", "dev/console", "init"],
            "{list}"
        );
        assert!(
            list.lines()
                .any(|line| line.starts_with("crw-------") && line.contains("5,1")),
            "{list}"
        );
        assert!(
            list.lines()
                .any(|line| line.starts_with("-rwxr-xr-x") && line.contains("14000")),
            "{list}"
        );

        let init = Command::new("bsdtar")
            .arg("-xOf")
            .arg(&path)
            .arg("init")
            .output()
            .expect("bsdtar runs");
        assert!(init.stdout == content, "the executable comes out as it went in");
    }

    #[test]
    fn the_same_executable_gives_the_same_bytes() {
        assert!(archive(b"same").expect("fits") == archive(b"same").expect("fits"));
    }

    #[test]
    fn an_executable_that_needs_a_loader_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let own = std::env::current_exe().expect("this test's path");
        let error = assemble(&own, &directory.path().join("initramfs")).expect_err("dynamic");
        assert!(matches!(error, crate::Error::Dynamic { .. }), "{error}");
        assert_eq!(
            fs::read_dir(directory.path()).expect("lists").count(),
            0,
            "nothing is left behind"
        );
    }
}
