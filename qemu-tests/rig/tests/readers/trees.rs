//! Trees that are difficult, each in its way.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use rig::tree::noise;

/// Paths of more than 300 characters, of names up to the longest there are.
pub fn long_paths(root: &Path) -> Result<()> {
    for (at, length) in [60, 100, 130, 200, 253, 254, 255].into_iter().enumerate() {
        let directory = root
            .join(format!("{at} {}", "d".repeat(150)))
            .join("e".repeat(148));
        fs::create_dir_all(&directory)?;
        let name: String = ('a'..='z').cycle().skip(at).take(length - 4).collect();
        fs::write(directory.join(name + ".dat"), noise(length as u64, length * 10))?;
    }
    let target = "a path of some length/".repeat(14) + "end";
    Ok(symlink(target, root.join("link with a long target"))?)
}

/// Names with characters of each of Unicode's seventeen planes, of right-to-left scripts and combining marks.
pub fn planes(root: &Path) -> Result<()> {
    for plane in 0..=16_u32 {
        let character = char::from_u32(plane << 16 | 0x3C5).context("every plane has this one")?;
        fs::write(
            root.join(format!("plane {plane} {character} end.txt")),
            format!("{plane}"),
        )?;
    }
    let further = [
        "größe",
        "日本語",
        "Ελληνικά",
        "עברית",
        "e\u{301}",
        "😀 👩\u{200D}🔬",
        "ẞ",
        "İ",
        "\u{FF21}",
        "\u{A0}",
        "€",
        "Ж;1",
    ];
    for (at, name) in further.into_iter().enumerate() {
        fs::create_dir(root.join(format!("{name} {at}")))?;
        fs::write(root.join(format!("{name} {at}")).join(name), name)?;
    }
    Ok(symlink("größe 0/größe", root.join("Verknüpfung"))?)
}

/// Forty levels of directories with a file in each.
pub fn deep(root: &Path) -> Result<()> {
    let mut directory = root.to_path_buf();
    for level in 1..=40 {
        directory.push(format!("level {level}"));
        fs::create_dir(&directory)?;
        fs::write(
            directory.join("file"),
            noise(level, 100 * usize::try_from(level)?),
        )?;
    }
    Ok(symlink("../../file", directory.join("link"))?)
}

/// One file with 5,000 names.
pub fn hard_links(root: &Path) -> Result<()> {
    fs::write(root.join("the first"), noise(7, 10_000))?;
    for number in 1..5000 {
        let directory = root.join(format!("{:02}", number / 100));
        fs::create_dir_all(&directory)?;
        fs::hard_link(
            root.join("the first"),
            directory.join(format!("name {number:04}")),
        )?;
    }
    Ok(())
}

/// 100,000 files of about 1.5 kB, 250 in a directory: Linux looks up names of UDF by reading the directory.
pub fn small_files(root: &Path) -> Result<()> {
    let bytes = noise(3, 3000);
    for number in 0..100_000_usize {
        let directory = root.join(format!("series {:03}", number / 250));
        if number % 250 == 0 {
            fs::create_dir(&directory)?;
        }
        let length = 1000 + number % 1000;
        let from = number % 1000;
        let mut file = File::create(directory.join(format!("record {number:06}.dat")))?;
        file.write_all(bytes.get(from..from + length).context("within")?)?;
    }
    Ok(())
}

/// One file of 6 GiB, zeros but for a few places around what formats count with 30 and 32 bits.
pub fn sparse(root: &Path) -> Result<()> {
    const GIB: u64 = 1 << 30;
    let mut file = File::create(root.join("sparse file.bin"))?;
    file.set_len(6 * GIB)?;
    for at in [
        0,
        GIB - 2056,
        2 * GIB - 4,
        4 * GIB - 2056,
        4 * GIB - 8,
        6 * GIB - 16,
    ] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&at.to_be_bytes())?;
    }
    Ok(fs::write(root.join("neighbour"), b"behind it")?)
}
