//! Ways to damage a disc of ours, and whether it is found.

use super::super::common::{Sample, options};
use super::{BLOCK, check_bytes, descriptors, identifiers, image, le16, le32, put32, seal};
use discfs::{Fault, Options};

pub const PRIMARY: usize = 16 * BLOCK;
pub const INTEGRITY: usize = 64 * BLOCK;

/// A disc of ours in all views, with files, a directory, a link, and a name that needs a continuation area.
pub fn bridge() -> Vec<u8> {
    let mut sample = Sample::default();
    sample.file("alpha", 5000);
    sample.file("betas", 3000);
    sample.file("sub/one", 100);
    sample.file("sub/two", 2500);
    sample.directory("void");
    sample.file("n".repeat(240), 10);
    sample.symlink("link", "sub/one");
    let options = Options {
        udf_symlinks: true,
        ..options()
    };
    image(&sample, &options)
}

/// ECMA-119 7.3.3.
pub fn put_both(bytes: &mut [u8], at: usize, value: u32) {
    put32(bytes, at, value);
    bytes[at + 4..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// The directory record whose identifier begins with some bytes, in the directory at a block.
pub fn record(bytes: &[u8], block: usize, identifier: &[u8]) -> usize {
    let mut place = block * BLOCK;
    loop {
        let length = usize::from(bytes[place]);
        assert!(length > 0, "there is no record {}", identifier.escape_ascii());
        if bytes[place + 33..].starts_with(identifier) {
            return place;
        }
        place += length;
    }
}

pub fn root(bytes: &[u8]) -> usize {
    le32(bytes, PRIMARY + 158) as usize
}

/// The record of a name in the top directory, or of `SUB`'s entries with a slash before.
pub fn named(bytes: &[u8], identifier: &[u8]) -> usize {
    match identifier.strip_prefix(b"/") {
        None => record(bytes, root(bytes), identifier),
        Some(rest) => {
            let directory = record(bytes, root(bytes), b"SUB");
            record(bytes, le32(bytes, directory + 2) as usize, rest)
        }
    }
}

/// A system use entry of a record.
pub fn entry(bytes: &[u8], record: usize, signature: &[u8]) -> usize {
    let end = record + usize::from(bytes[record]);
    let found = bytes[record..end]
        .windows(2)
        .skip(34)
        .position(|two| two == signature);
    record + 34 + found.expect("the entry is there")
}

/// Path tables, little- and big-endian.
pub fn tables(bytes: &[u8]) -> [usize; 2] {
    [
        le32(bytes, PRIMARY + 140),
        le32(bytes, PRIMARY + 148).swap_bytes(),
    ]
    .map(|block| block as usize * BLOCK)
}

/// The place of the second record of a path table.
pub fn second(table: usize) -> usize {
    table + 10
}

/// Changes a descriptor and makes its tag true again.
pub fn patch(bytes: &mut [u8], place: usize, change: impl FnOnce(&mut [u8])) {
    let descriptor = &mut bytes[place..place + BLOCK];
    change(descriptor);
    seal(descriptor);
}

/// All descriptors of a kind.
pub fn patch_all(bytes: &mut [u8], kind: u16, change: impl Fn(&mut [u8])) {
    for place in descriptors(bytes, kind) {
        patch(bytes, place, &change);
    }
}

/// A file identifier by its name in 8 bits a character; `None` is the parent of the top directory.
pub fn identifier(bytes: &[u8], name: Option<&str>) -> usize {
    let blocks = (257..bytes.len() / BLOCK).map(|block| block * BLOCK);
    let heads = blocks.filter(|&at| le16(bytes, at) == 257 && bytes[at + 18] & 8 != 0);
    let all = heads.flat_map(|head| identifiers(bytes, head));
    let matches = |&at: &usize| match name {
        None => bytes[at + 18] & 8 != 0,
        Some(name) => bytes[at + 38..].starts_with(&[b"\x08", name.as_bytes()].concat()),
    };
    all.into_iter().find(matches).expect("the identifier is there")
}

pub fn patch_identifier(bytes: &mut [u8], name: Option<&str>, change: impl FnOnce(&mut [u8])) {
    let place = identifier(bytes, name);
    let length = 16 + usize::from(le16(bytes, place + 10));
    let descriptor = &mut bytes[place..place + length];
    change(descriptor);
    seal(descriptor);
}

/// The file entry a name leads to.
pub fn file_entry(bytes: &[u8], name: &str) -> usize {
    (257 + le32(bytes, identifier(bytes, Some(name)) + 24) as usize) * BLOCK
}

pub fn patch_entry(bytes: &mut [u8], name: &str, change: impl FnOnce(&mut [u8])) {
    let place = file_entry(bytes, name);
    patch(bytes, place, change);
}

pub type Damage = (&'static str, Fault, fn(&mut Vec<u8>));

/// Finds what each damage should be found as, and calls the disc damaged when that is an error.
pub fn demand(sound: &[u8], table: &[Damage]) {
    let (before, _) = check_bytes(sound);
    for (name, fault, damage) in table {
        assert!(!before.has(*fault), "{name}: {fault} is found without damage");
        let mut bytes = sound.to_vec();
        damage(&mut bytes);
        assert!(bytes != sound, "{name} changes nothing");
        let (findings, summary) = check_bytes(&bytes);
        assert!(
            findings.has(*fault),
            "{name}: not found as \"{fault}\":\n{}",
            findings.text()
        );
        let error = fault.severity() == discfs::Severity::Error;
        assert!(!error || !summary.is_sound(), "{name}");
        let found = findings.0.iter().find(|finding| finding.fault == *fault);
        assert!(
            found.is_some_and(|finding| finding.block.is_some() || finding.path.is_some()),
            "{name}: no place is named"
        );
    }
}
