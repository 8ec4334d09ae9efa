//! The data disk: a sparse file with one GPT partition, `spindle-data`, formatted as ext4.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
};

use crate::{
    Error, Result,
    files::failed,
    gpt::{self, Guid, Partition},
    process::run,
};

/// The name a box finds its data partition by.
pub const PARTITION_NAME: &str = "spindle-data";

const MIB: u64 = 1 << 20;
/// The journal, ext4's own tables, and room to work in.
const MINIMUM: u64 = 192 * MIB;

/// Makes the disk `path`, `bytes` long, replacing what was there. Everything unique on it follows from `identity`.
///
/// It is made under another name and renamed when it is complete and synced. Blocks nobody wrote take no space.
pub fn create(path: &Path, bytes: u64, identity: &[u8; 16]) -> Result<()> {
    if bytes < MINIMUM || !bytes.is_multiple_of(MIB) {
        return Err(Error::DataDiskSize {
            bytes,
            minimum: MINIMUM,
        });
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&partial);
    let made = fill(partial, bytes, identity).and_then(|()| crate::files::rename(partial, path));
    if made.is_err() {
        // The first error is the one to report; the next attempt overwrites a file left behind.
        let _ = fs::remove_file(partial);
    }
    made
}

fn fill(path: &Path, bytes: u64, identity: &[u8; 16]) -> Result<()> {
    let blocks = bytes / gpt::BLOCK;
    // Whole MiB, as the disk may later be copied to one with larger blocks.
    let last = last_aligned(gpt::last_usable(blocks));
    let partition = Partition {
        kind: Guid::LINUX_FILESYSTEM,
        identity: Guid::derived(identity, "data partition"),
        name: PARTITION_NAME.to_owned(),
        first: gpt::ALIGNMENT,
        last,
    };
    let tables = gpt::tables(blocks, Guid::derived(identity, "data disk"), &[partition])?;
    write_tables(path, bytes, &tables).map_err(failed("write", path))?;
    format(path, (last + 1 - gpt::ALIGNMENT) * gpt::BLOCK, identity)?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(failed("sync", path))
}

fn last_aligned(last: u64) -> u64 {
    (last + 1) / gpt::ALIGNMENT * gpt::ALIGNMENT - 1
}

fn write_tables(path: &Path, bytes: u64, tables: &gpt::Tables) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(bytes)?;
    file.write_all_at(&tables.primary, 0)?;
    file.write_all_at(&tables.backup, bytes - tables.backup.len() as u64)
}

/// The geometry stays for the life of the file system, however far it grows: 4 KiB blocks, an inode per 64 KiB
/// (archives hold large files), nothing reserved for root, a journal for bursts of small files.
fn format(path: &Path, bytes: u64, identity: &[u8; 16]) -> Result<()> {
    let uuid = Guid::derived(identity, "data file system");
    let hash_seed = Guid::derived(identity, "directory hashes");
    let offset = gpt::ALIGNMENT * gpt::BLOCK;
    let mut command = Command::new("mke2fs");
    // Debian puts it where only root looks.
    let path_variable = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path_variable}:/usr/sbin:/sbin"));
    // Its times would be the only bytes that differ between two runs.
    command.env("E2FSPROGS_FAKE_TIME", "1");
    command.args([
        "-q", "-F", "-t", "ext4", "-b", "4096", "-i", "65536", "-m", "0", "-J", "size=64",
    ]);
    command.args(["-L", PARTITION_NAME, "-U", &uuid.to_string()]);
    command.args([
        "-E",
        &format!("offset={offset},hash_seed={hash_seed},root_owner=0:0"),
    ]);
    command.arg(path).arg(format!("{}k", bytes / 1024));
    run(command, "mke2fs")
}
