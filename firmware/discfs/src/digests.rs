//! Digests of files, and the lines of `.spindle/SHA256SUMS`, in the format of coreutils' `sha256sum`.

use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Where on a disc of ours the digests of its files stand.
pub const DIGESTS_PATH: &[u8] = b".spindle/SHA256SUMS";

/// What is known of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256, which nobody can forge.
    pub sha256: [u8; 32],
    /// CRC-32C, which is quick to compare.
    pub crc32c: u32,
}

/// Computes [`Digests`].
#[derive(Clone, Default)]
pub struct Hasher {
    sha256: Sha256,
    crc32c: Crc32c,
}

impl Hasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.crc32c.update(bytes);
    }

    /// The digests of all bytes; begins anew.
    pub fn finish(&mut self) -> Digests {
        Digests {
            sha256: self.sha256.finalize_reset().into(),
            crc32c: core::mem::take(&mut self.crc32c).finish(),
        }
    }
}

#[cfg(feature = "hardware-crc")]
#[derive(Clone, Default)]
struct Crc32c(u32);

#[cfg(feature = "hardware-crc")]
impl Crc32c {
    fn update(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }

    fn finish(self) -> u32 {
        self.0
    }
}

#[cfg(not(feature = "hardware-crc"))]
static CRC32C: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

#[cfg(not(feature = "hardware-crc"))]
#[derive(Clone)]
struct Crc32c(crc::Digest<'static, u32, crc::Table<16>>);

#[cfg(not(feature = "hardware-crc"))]
impl Default for Crc32c {
    fn default() -> Self {
        Self(CRC32C.digest())
    }
}

#[cfg(not(feature = "hardware-crc"))]
impl Crc32c {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// A line of a digest list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestLine {
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// Its path from the top of the disc.
    pub path: Vec<u8>,
}

/// Hands the line for a path to `put`, in pieces.
pub(crate) fn write_line(digest: &[u8; 32], path: &[u8], mut put: impl FnMut(&[u8])) {
    if path.iter().any(|&byte| escape(byte).is_some()) {
        put(b"\\");
    }
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
        let digit = |value: u8| {
            if value < 10 {
                b'0' + value
            } else {
                b'a' + value - 10
            }
        };
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    put(&digits);
    put(b"  ");
    put(path_prefix(path));
    let mut rest = path;
    while let Some(at) = rest.iter().position(|&byte| escape(byte).is_some()) {
        let (plain, from) = rest.split_at(at);
        put(plain);
        if let Some((&byte, after)) = from.split_first() {
            put(&[b'\\', escape(byte).unwrap_or(byte)]);
            rest = after;
        }
    }
    put(rest);
    put(b"\n");
}

/// Reads one line, given without its line feed. `None` when it is not a line of a digest list.
#[must_use]
pub fn parse_digest_line(line: &[u8]) -> Option<DigestLine> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    let mut path = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        path.push(match byte {
            b'\\' if escaped => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            _ => byte,
        });
    }
    if path.starts_with(b"./") {
        path.drain(..2);
    }
    Some(DigestLine { digest, path })
}

fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\\' => Some(b'\\'),
        _ => None,
    }
}

/// A file called `-` would be taken for the standard input.
fn path_prefix(path: &[u8]) -> &'static [u8] {
    if path == b"-" { b"./" } else { b"" }
}

#[cfg(test)]
mod tests {
    use super::{parse_digest_line, write_line};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_come_back(digest: [u8; 32], path in proptest::collection::vec(1_u8.., 1..300)) {
            prop_assume!(!path.starts_with(b"./"));
            let mut line = Vec::new();
            write_line(&digest, &path, |bytes| line.extend_from_slice(bytes));
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert!(!line.contains(&b'\n'));
            let parsed = parse_digest_line(&line);
            prop_assert!(parsed.is_some_and(|parsed| parsed.digest == digest && parsed.path == path));
        }

        #[test]
        fn anything_is_parsed_without_panic(line: Vec<u8>) {
            let _ = parse_digest_line(&line);
        }
    }
}
