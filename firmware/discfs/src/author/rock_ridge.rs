//! System use entries: SUSP (IEEE P1281) and Rock Ridge (IEEE P1282).

use super::iso;
use super::layout::{Image, What};
use crate::Time;
use crate::structure::Cursor;

/// Longest entry: its length is one byte.
const ENTRY_MAX: usize = 255;
/// Bytes before the name in NM and before the components in SL.
const ENTRY_HEAD: usize = 5;
const CONTINUE: u8 = 1;

/// POSIX file types in `st_mode`.
fn file_type(what: What) -> u32 {
    match what {
        What::Directory(_) => 0o040_000,
        What::File(_) | What::Recorded(_) | What::Own(_) => 0o100_000,
        What::Symlink(_) => 0o120_000,
    }
}

fn head(out: &mut Cursor<'_>, signature: &[u8; 2], length: u8) {
    out.bytes(signature);
    out.u8(length);
    out.u8(1); // version
}

/// SP, P1281 5.3: marks the disc as using the protocol, in the first record of the top directory.
pub(super) fn indicator(out: &mut Cursor<'_>) {
    head(out, b"SP", 7);
    out.bytes(&[0xBE, 0xEF, 0]);
}

/// CE, P1281 5.1: where the rest of the entries stands.
pub(super) fn continuation(out: &mut Cursor<'_>, block: u32, offset: u32, length: u32) {
    head(out, b"CE", 28);
    out.both32(block);
    out.both32(offset);
    out.both32(length);
}

/// PX and TF: what every record has. PX has the serial number of P1282 1.12 at its end, by which readers
/// know hard links; TF has the times that were given.
pub(super) fn attributes(out: &mut Cursor<'_>, image: &Image, entry: u32) {
    let what = image.entries[entry as usize].what;
    let attributes = image.entries[image.leader(entry) as usize].attributes;
    let times = image.times(entry);
    head(out, b"PX", 44);
    out.both32(file_type(what) | (attributes.mode & 0o7777));
    out.both32(image.links(what));
    out.both32(attributes.uid);
    out.both32(attributes.gid);
    out.both32(image.icb(what) + 1);
    let stamps = [
        times.created,
        Some(attributes.mtime),
        times.accessed,
        times.changed,
    ];
    // Linux before 6.16 takes the long form for the short one. The last entry counts there, and elsewhere too.
    let is_long = |time: &Time| {
        let fraction = image.options.precise_times && time.nanoseconds >= 10_000_000;
        fraction || !iso::SHORT_TIMES.contains(&time.seconds)
    };
    if stamps.iter().flatten().any(is_long) {
        time_stamps(out, &stamps, true);
    }
    time_stamps(out, &stamps, false);
}

/// TF, P1282 4.1.6: bits 0 to 3 are creation, modification, access, attributes; bit 7 the long form.
fn time_stamps(out: &mut Cursor<'_>, stamps: &[Option<Time>; 4], long: bool) {
    let count = stamps.iter().flatten().count();
    let bits = (0..).zip(stamps).filter(|(_, stamp)| stamp.is_some());
    let flags = bits.fold(0, |flags, (bit, _)| flags | 1 << bit);
    head(out, b"TF", entry_length(count * if long { 17 } else { 7 }));
    out.u8(if long { flags | 0x80 } else { flags });
    for stamp in stamps.iter().flatten() {
        if long {
            iso::long_time(out, Some(*stamp));
        } else {
            iso::short_time(out, stamp.seconds);
        }
    }
}

/// Bytes of a name that Linux takes; it leaves out the entry that would make it longer.
const LINUX_NAME: usize = 253;

/// NM, P1282 4.1.4: the name, in as many entries as it takes, the first of which are what Linux shows.
pub(super) fn name(name: &[u8], mut put: impl FnMut(&[u8])) {
    let (shown, rest) = name.split_at(name.len().min(LINUX_NAME));
    let rest = Some(rest).filter(|rest| !rest.is_empty());
    let mut pieces = shown.chunks(ENTRY_MAX - ENTRY_HEAD).chain(rest).peekable();
    while let Some(piece) = pieces.next() {
        let mut entry = [0; ENTRY_MAX];
        let mut out = Cursor::new(&mut entry);
        head(&mut out, b"NM", entry_length(piece.len()));
        out.u8(if pieces.peek().is_some() { CONTINUE } else { 0 });
        out.bytes(piece);
        let length = out.at();
        put(entry.get(..length).unwrap_or_default());
    }
}

/// SL, P1282 4.1.3: the target of a symbolic link, component by component. Empty components are left out,
/// as no path needs them. A name that does not fit is divided between two entries, since libarchive loses
/// the `/` between components that end and begin an entry.
pub(super) fn symlink(target: &[u8], mut put: impl FnMut(&[u8])) {
    const ROOM: usize = ENTRY_MAX - ENTRY_HEAD;
    let mut components = [0; ROOM];
    let mut filled = 0;
    let mut add = |flags: u8, content: &[u8]| {
        let mut rest = content;
        while filled + 2 + rest.len() > ROOM {
            if let Some((fitting, after)) = rest.split_at_checked(ROOM.saturating_sub(filled + 2))
                && !fitting.is_empty()
            {
                filled += component(&mut components[filled..], CONTINUE, fitting);
                rest = after;
            }
            symlink_entry(&components[..filled], CONTINUE, &mut put);
            filled = 0;
        }
        filled += component(&mut components[filled..], flags, rest);
    };
    if target.starts_with(b"/") {
        add(8, b""); // the top of the file system
    }
    for name in target.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
        match name {
            b"." => add(2, b""),
            b".." => add(4, b""),
            _ => add(0, name),
        }
    }
    symlink_entry(&components[..filled], 0, &mut put);
}

fn component(place: &mut [u8], flags: u8, content: &[u8]) -> usize {
    let mut out = Cursor::new(place);
    out.u8(flags);
    out.u8(u8::try_from(content.len()).unwrap_or(u8::MAX));
    out.bytes(content);
    out.at()
}

fn symlink_entry(components: &[u8], flags: u8, put: &mut impl FnMut(&[u8])) {
    let mut entry = [0; ENTRY_MAX];
    let mut out = Cursor::new(&mut entry);
    head(&mut out, b"SL", entry_length(components.len()));
    out.u8(flags);
    out.bytes(components);
    let length = out.at();
    put(entry.get(..length).unwrap_or_default());
}

fn entry_length(content: usize) -> u8 {
    u8::try_from(ENTRY_HEAD + content).unwrap_or(u8::MAX)
}

/// NM and SL of an entry: what goes to the continuation area when the record has no room for it.
pub(super) fn name_and_target(image: &Image, entry: u32, mut put: impl FnMut(&[u8])) {
    let entry = &image.entries[entry as usize];
    name(image.bytes(&entry.name), &mut put);
    if let What::Symlink(number) = entry.what {
        symlink(image.bytes(&image.symlinks[number as usize].target), &mut put);
    }
}

/// ER, P1281 5.5: which protocol the entries follow. This identifier rather than that of version 1.12, since
/// the oldest readers know it only.
pub(super) fn extension_reference(out: &mut Cursor<'_>) {
    const IDENTIFIER: &[u8] = b"RRIP_1991A";
    const DESCRIPTION: &[u8] =
        b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
    const SOURCE: &[u8] = b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";
    let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    head(out, b"ER", byte(EXTENSION_REFERENCE));
    out.u8(byte(IDENTIFIER.len()));
    out.u8(byte(DESCRIPTION.len()));
    out.u8(byte(SOURCE.len()));
    out.u8(1); // extension version
    out.bytes(IDENTIFIER);
    out.bytes(DESCRIPTION);
    out.bytes(SOURCE);
}

/// Bytes of [`extension_reference`].
pub(super) const EXTENSION_REFERENCE: usize = 8 + 10 + 84 + 135;
