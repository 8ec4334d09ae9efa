//! The newc archive an initramfs is: headers in ASCII hexadecimal, everything aligned to four bytes.
//!
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. Owner, times and checksum
//! are zero in every entry, inode numbers count from one: the same entries give the same bytes.

use crate::{Error, Result};

const FORMAT: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMBOLIC_LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory. Paths have no leading slash, and a directory comes before what is in it.
    pub fn directory(&mut self, path: &str, permissions: u32) -> Result<()> {
        self.entry(path, DIRECTORY | permissions, (0, 0), &[])
    }

    /// Adds a character device node with its major and minor number.
    pub fn character_device(&mut self, path: &str, permissions: u32, number: (u32, u32)) -> Result<()> {
        self.entry(path, CHARACTER_DEVICE | permissions, number, &[])
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<()> {
        self.entry(path, REGULAR | permissions, (0, 0), content)
    }

    /// Adds a symbolic link to `target`.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.entry(path, SYMBOLIC_LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        let too_large = |length: usize| Error::TooLargeForArchive {
            length: length as u64,
        };
        let file_size = u32::try_from(content.len()).map_err(|_| too_large(content.len()))?;
        let name_size = u32::try_from(path.len() + 1).map_err(|_| too_large(path.len()))?;
        self.entries += 1;
        let links = if mode & FORMAT == DIRECTORY { 2 } else { 1 };
        let (major, minor) = device;
        self.bytes.extend_from_slice(b"070701");
        // c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, c_maj, c_min, c_rmaj, c_rmin, c_namesize, c_chksum
        for field in [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            file_size,
            0,
            0,
            major,
            minor,
            name_size,
            0,
        ] {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
        Ok(())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_documents_it() {
        let mut archive = Archive::default();
        archive
            .character_device("dev/console", 0o600, (5, 1))
            .expect("fits");
        let bytes = archive.finish().expect("fits");
        let header = "070701\
            00000001000021800000000000000000000000010000000000000000\
            0000000000000000000000050000000100000 00C00000000"
            .replace(' ', "");
        assert_eq!(header.len(), 110);
        assert!(
            bytes.starts_with(header.as_bytes()),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        assert_eq!(bytes.get(110..124), Some(&b"dev/console\0\0\0"[..]));
        assert_eq!(
            bytes.get(124..130),
            Some(&b"070701"[..]),
            "the trailer follows, aligned to four bytes"
        );
        assert_eq!(bytes.len() % 4, 0);
    }
}
