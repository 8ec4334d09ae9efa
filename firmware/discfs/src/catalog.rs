//! Lines of `.spindle/catalog.txt`, from which a catalog of discs can be made again. docs/disc-catalog.md describes it.

use crate::{Attributes, Time, Times};
use alloc::vec::Vec;

/// Where on a disc of ours its catalog stands.
pub const CATALOG_PATH: &[u8] = b".spindle/catalog.txt";
/// Version of the format: higher ones may mean other things by the same words.
pub const CATALOG_VERSION: u32 = 1;

/// A session that was on the disc before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierSession {
    /// Counted from 1, the oldest.
    pub number: u32,
    /// Its first block.
    pub start: u32,
    /// SHA-256 of its catalog, which has those of the sessions before it; `None` when it has no catalog.
    pub catalog: Option<[u8; 32]>,
}

/// What an entry of the catalog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogKind {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A symbolic link.
    Symlink,
}

/// An entry of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// What it is.
    pub kind: CatalogKind,
    /// Owner, permissions, modification.
    pub attributes: Attributes,
    /// Further times.
    pub times: Times,
    /// Number of the node; names with one number are hard links to one file.
    pub node: u32,
    /// The session that wrote a file's bytes, 0 when that is not known.
    pub session: u32,
    /// First block of a file's bytes; 0 when it has none.
    pub block: u32,
    /// Bytes of a file.
    pub size: u64,
    /// SHA-256 of a file's bytes.
    pub sha256: Option<[u8; 32]>,
    /// CRC-32C of a file's bytes.
    pub crc32c: Option<u32>,
    /// Path from the top of the disc.
    pub path: Vec<u8>,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
}

/// A line of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogLine {
    /// The first line: the version of the format.
    Version(u32),
    /// The volume label.
    Label(Vec<u8>),
    /// When the session was made, seconds since 1970.
    Time(i64),
    /// Identity of the disc, its volume set.
    VolumeSet([u8; 16]),
    /// Identity of the box that wrote it.
    Box([u8; 16]),
    /// What the tree is called there.
    Tree(Vec<u8>),
    /// This session.
    Session {
        /// Counted from 1.
        number: u32,
        /// Its first block.
        start: u32,
    },
    /// A session before this one.
    Earlier(EarlierSession),
    /// An entry.
    Entry(CatalogEntry),
    /// The last line: how many entries there are.
    End(u64),
}

/// A line being written: fields with tabs between them.
pub(crate) struct LineWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> LineWriter<'a> {
    pub fn new(out: &'a mut Vec<u8>, word: &str) -> Self {
        out.extend_from_slice(word.as_bytes());
        Self { out }
    }

    pub fn text(&mut self, text: &[u8]) -> &mut Self {
        self.out.push(b'\t');
        for &byte in text {
            match escape(byte) {
                Some(letter) => self.out.extend_from_slice(&[b'\\', letter]),
                None => self.out.push(byte),
            }
        }
        self
    }

    pub fn none(&mut self) -> &mut Self {
        self.out.extend_from_slice(b"\t-");
        self
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        self.out.push(b'\t');
        self.digits(number, 10, 1);
        self
    }

    pub fn octal(&mut self, number: u32) -> &mut Self {
        self.out.push(b'\t');
        self.digits(u64::from(number), 8, 4);
        self
    }

    pub fn signed(&mut self, number: i64) -> &mut Self {
        self.out.push(b'\t');
        if number < 0 {
            self.out.push(b'-');
        }
        self.digits(number.unsigned_abs(), 10, 1);
        self
    }

    pub fn time(&mut self, time: Option<Time>) -> &mut Self {
        let Some(time) = time else {
            return self.none();
        };
        self.signed(time.seconds);
        self.out.push(b'.');
        self.digits(u64::from(time.nanoseconds), 10, 9);
        self
    }

    pub fn hex(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        let Some(bytes) = bytes else {
            return self.none();
        };
        self.out.push(b'\t');
        for byte in bytes {
            self.digits(u64::from(*byte), 16, 2);
        }
        self
    }

    pub fn end(&mut self) {
        self.out.push(b'\n');
    }

    fn digits(&mut self, number: u64, base: u64, width: usize) {
        let mut digits = [b'0'; 24];
        let mut at = digits.len();
        let mut rest = number;
        while rest > 0 || digits.len() - at < width {
            at -= 1;
            let digit = usize::try_from(rest % base).unwrap_or_default();
            digits[at] = b"0123456789abcdef"[digit];
            rest /= base;
        }
        self.out.extend_from_slice(&digits[at..]);
    }
}

fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

/// Writes the line of an entry.
pub(crate) fn write_entry(out: &mut Vec<u8>, entry: &CatalogEntry) {
    let word = match entry.kind {
        CatalogKind::Directory => "d",
        CatalogKind::File => "f",
        CatalogKind::Symlink => "l",
    };
    let mut line = LineWriter::new(out, word);
    line.octal(entry.attributes.mode & 0o7777)
        .number(u64::from(entry.attributes.uid))
        .number(u64::from(entry.attributes.gid))
        .time(Some(entry.attributes.mtime))
        .time(entry.times.accessed)
        .time(entry.times.changed)
        .time(entry.times.created)
        .number(u64::from(entry.node));
    if entry.kind == CatalogKind::File {
        line.number(u64::from(entry.session))
            .number(u64::from(entry.block))
            .number(entry.size)
            .hex(entry.sha256.as_ref().map(<[u8; 32]>::as_slice))
            .hex(
                entry
                    .crc32c
                    .map(u32::to_be_bytes)
                    .as_ref()
                    .map(<[u8; 4]>::as_slice),
            );
    } else {
        for _ in 0..5 {
            line.none();
        }
    }
    line.text(&entry.path);
    if entry.kind == CatalogKind::Symlink {
        line.text(&entry.target);
    }
    line.end();
}

/// Reads one line, given without its line feed. `None` when it is no line of a catalog; words that are not known
/// may come with later programs and are to be passed over.
#[must_use]
pub fn parse_catalog_line(line: &[u8]) -> Option<CatalogLine> {
    let mut fields = line.split(|&byte| byte == b'\t');
    let word = fields.next()?;
    let parsed = match word {
        b"spindle-catalog" => CatalogLine::Version(number(fields.next()?)?),
        b"label" => CatalogLine::Label(text(fields.next()?)?),
        b"time" => CatalogLine::Time(number(fields.next()?)?),
        b"volume-set" => CatalogLine::VolumeSet(hex(fields.next()?)?),
        b"box" => CatalogLine::Box(hex(fields.next()?)?),
        b"tree" => CatalogLine::Tree(text(fields.next()?)?),
        b"session" => CatalogLine::Session {
            number: number(fields.next()?)?,
            start: number(fields.next()?)?,
        },
        b"earlier" => CatalogLine::Earlier(EarlierSession {
            number: number(fields.next()?)?,
            start: number(fields.next()?)?,
            catalog: optional(fields.next()?, hex)?,
        }),
        b"d" => CatalogLine::Entry(entry(CatalogKind::Directory, &mut fields)?),
        b"f" => CatalogLine::Entry(entry(CatalogKind::File, &mut fields)?),
        b"l" => CatalogLine::Entry(entry(CatalogKind::Symlink, &mut fields)?),
        b"end" => CatalogLine::End(number(fields.next()?)?),
        _ => return None,
    };
    Some(parsed)
}

fn entry<'a>(kind: CatalogKind, fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<CatalogEntry> {
    let mode = core::str::from_utf8(fields.next()?).ok()?;
    let attributes = Attributes {
        mode: u32::from_str_radix(mode, 8).ok()?,
        uid: number(fields.next()?)?,
        gid: number(fields.next()?)?,
        mtime: time(fields.next()?)?,
    };
    let times = Times {
        accessed: optional(fields.next()?, time)?,
        changed: optional(fields.next()?, time)?,
        created: optional(fields.next()?, time)?,
    };
    let node = number(fields.next()?)?;
    let session = optional(fields.next()?, number)?;
    let block = optional(fields.next()?, number)?;
    let size = optional(fields.next()?, number)?;
    Some(CatalogEntry {
        kind,
        attributes,
        times,
        node,
        session: session.unwrap_or_default(),
        block: block.unwrap_or_default(),
        size: size.unwrap_or_default(),
        sha256: optional(fields.next()?, hex)?,
        crc32c: optional(fields.next()?, hex)?.map(u32::from_be_bytes),
        path: text(fields.next()?)?,
        target: match kind {
            CatalogKind::Symlink => text(fields.next()?)?,
            _ => Vec::new(),
        },
    })
}

fn number<N: core::str::FromStr>(field: &[u8]) -> Option<N> {
    core::str::from_utf8(field).ok()?.parse().ok()
}

/// A field that says `-` when there is nothing to say.
fn optional<T>(field: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    match field {
        b"-" => Some(None),
        field => read(field).map(Some),
    }
}

fn time(field: &[u8]) -> Option<Time> {
    let dot = field.iter().position(|&byte| byte == b'.')?;
    let (seconds, rest) = field.split_at_checked(dot)?;
    let nanoseconds = rest.get(1..).filter(|digits| digits.len() == 9)?;
    Some(Time {
        seconds: number(seconds)?,
        nanoseconds: number(nanoseconds)?,
    })
}

fn hex<const N: usize>(field: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if field.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(field.chunks_exact(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn text(field: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        text.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            _ => byte,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{CatalogEntry, CatalogKind, CatalogLine, parse_catalog_line, write_entry};
    use crate::{Attributes, Time, Times};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Time> {
        (any::<i64>(), 0_u32..1_000_000_000).prop_map(|(seconds, nanoseconds)| Time { seconds, nanoseconds })
    }

    fn entries() -> impl Strategy<Value = CatalogEntry> {
        let attributes = (0_u32..0o10000, any::<u32>(), any::<u32>(), times());
        let kind = prop_oneof![
            Just(CatalogKind::Directory),
            Just(CatalogKind::File),
            Just(CatalogKind::Symlink)
        ];
        let further = proptest::option::of(times());
        let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>());
        let digests = (any::<Option<[u8; 32]>>(), any::<Option<u32>>());
        let texts = (any::<Vec<u8>>(), any::<Vec<u8>>());
        (attributes, kind, further, numbers, digests, texts).prop_map(
            |((mode, uid, gid, mtime), kind, accessed, (node, session, block, size), digests, texts)| {
                let is_file = kind == CatalogKind::File;
                let of_file = |number: u32| if is_file { number } else { 0 };
                CatalogEntry {
                    kind,
                    attributes: Attributes {
                        mode,
                        uid,
                        gid,
                        mtime,
                    },
                    times: Times {
                        accessed,
                        ..Times::default()
                    },
                    node,
                    session: of_file(session),
                    block: of_file(block),
                    size: if is_file { size } else { 0 },
                    sha256: digests.0.filter(|_| is_file),
                    crc32c: digests.1.filter(|_| is_file),
                    path: texts.0,
                    target: if kind == CatalogKind::Symlink {
                        texts.1
                    } else {
                        Vec::new()
                    },
                }
            },
        )
    }

    proptest! {
        #[test]
        fn entries_come_back(entry in entries()) {
            let mut line = Vec::new();
            write_entry(&mut line, &entry);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(parse_catalog_line(&line), Some(CatalogLine::Entry(entry)));
        }

        #[test]
        fn anything_is_parsed_without_panic(line: Vec<u8>) {
            let _ = parse_catalog_line(&line);
            let _ = parse_catalog_line(&[b"f\t", &line[..]].concat());
        }
    }
}
