//! Secret keys of minisign, with which discs are signed.
//!
//! ed25519-compact signs: it is small, without dependencies and by minisign's author.

use std::fs;
use std::path::Path;

use blake2::{Blake2b512, Digest};
use client::Error;
use discfs::Signer;
use ed25519_compact::SecretKey as Ed25519;

use super::{local, unsuitable};

/// A secret key, and what is being signed with it.
pub struct SecretKey {
    number: [u8; 8],
    key: Ed25519,
    digest: Blake2b512,
}

/// Fields of a key in minisign's format: algorithm, key derivation, checksum; salt and limits; the key's number,
/// the key, its checksum.
const LENGTH: usize = 2 + 2 + 2 + 32 + 8 + 8 + 8 + 64 + 32;

impl SecretKey {
    /// Reads a key file: a comment, and the key in base64.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(local(path))?;
        let key = text.lines().nth(1).and_then(decode);
        let no_key = || {
            unsuitable(
                path,
                "it is no secret key of minisign; make one with minisign -G -W",
            )
        };
        let bytes = key.filter(|bytes| bytes.len() == LENGTH).ok_or_else(no_key)?;
        match bytes.get(..4) {
            Some(b"Ed\0\0") => {}
            Some(b"EdSc") => {
                let reason = "the key has a password; make one without: minisign -G -W, or take it off: minisign -C -W";
                return Err(unsuitable(path, reason));
            }
            _ => return Err(no_key()),
        }
        let number = bytes.get(54..62).and_then(|part| part.try_into().ok());
        let key = bytes.get(62..126).and_then(|part| Ed25519::from_slice(part).ok());
        let (Some(number), Some(key)) = (number, key) else {
            return Err(no_key());
        };
        Ok(Self {
            number,
            key,
            digest: Blake2b512::new(),
        })
    }
}

impl Signer for SecretKey {
    fn key(&self) -> [u8; 8] {
        self.number
    }

    fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    fn sign_digest(&mut self) -> [u8; 64] {
        let digest = self.digest.finalize_reset();
        *self.key.sign(&digest[..], None)
    }

    fn sign(&mut self, message: &[u8]) -> [u8; 64] {
        *self.key.sign(message, None)
    }
}

/// RFC 4648, section 4.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let (mut bits, mut count) = (0_u32, 0);
    let mut bytes = Vec::new();
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).unwrap_or_default());
        }
    }
    Some(bytes)
}

/// An identity of 32 hexadecimal digits.
pub fn identity(text: &str) -> Result<[u8; 16], String> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    number
        .map(u128::to_be_bytes)
        .ok_or_else(|| "it must be 32 hexadecimal digits".into())
}
