//! Trees as the peer's Linux shows them: commands that list one, and what they wrote as a [`Listing`].

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use crate::tree::{Listing, Node};

/// Ends the part of a listing that says what is there; the digests follow.
const DIGESTS: &str = "digests";

/// A tree in the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// Names, contents, targets.
    pub listing: Listing,
    /// Inode number and number of links of every file.
    pub links: BTreeMap<Vec<u8>, (u64, u64)>,
}

impl Mounted {
    /// The commands that list `folder`, to be parsed by [`Mounted::parse`].
    pub fn commands(folder: &str) -> String {
        format!(
            "cd \"{folder}\" || exit 1\n\
             find . -mindepth 1 -printf '%y\\0%i\\0%n\\0%P\\0%l\\0' || exit 1\n\
             printf '{DIGESTS}\\0'\n\
             find . -type f -print0 | xargs -0 -r /usr/bin/sha256sum -z || exit 1\n\
             cd /\n"
        )
    }

    /// The tree such commands told.
    pub fn parse(output: &[u8]) -> Result<Self> {
        let mut fields = output.split(|byte| *byte == 0);
        let mut next = || fields.next().context("the listing ends too early");
        let mut mounted = Self::default();
        loop {
            let kind = next()?;
            if kind == DIGESTS.as_bytes() {
                break;
            }
            let (inode, links) = (number(next()?)?, number(next()?)?);
            let (path, target) = (next()?.to_vec(), next()?);
            let node = match kind {
                b"d" => Node::Directory,
                b"l" => Node::Symlink(target.to_vec()),
                b"f" => {
                    mounted.links.insert(path.clone(), (inode, links));
                    Node::File([0; 32])
                }
                _ => bail!(
                    "{} is of kind {:?}",
                    String::from_utf8_lossy(&path),
                    String::from_utf8_lossy(kind)
                ),
            };
            mounted.listing.insert(path, node);
        }
        let mut missing = mounted.links.len();
        // sha256sum: 64 digits, two blanks, the path as given.
        for line in fields.filter(|line| !line.is_empty()) {
            let (digest, path) = line.split_at_checked(64).context("a short line of digests")?;
            let path = path.strip_prefix(b"  ./").context("a digest without a path")?;
            let node = mounted
                .listing
                .get_mut(path)
                .context("a digest of an unknown file")?;
            *node = Node::File(decode(digest)?);
            missing = missing.saturating_sub(1);
        }
        ensure!(missing == 0, "{missing} files have no digest");
        ensure!(!mounted.listing.is_empty(), "the tree is empty");
        Ok(mounted)
    }

    /// Paths that are the same file, in groups, by inode number.
    pub fn hard_links(&self) -> Vec<Vec<Vec<u8>>> {
        let mut groups: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
        for (path, (inode, _)) in &self.links {
            groups.entry(*inode).or_default().push(path.clone());
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }
}

fn number(field: &[u8]) -> Result<u64> {
    let text = str::from_utf8(field).context("not a number")?;
    text.parse().with_context(|| format!("not a number: {text:?}"))
}

fn decode(digits: &[u8]) -> Result<[u8; 32]> {
    let text = str::from_utf8(digits).context("not a digest")?;
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let pair = text.get(at * 2..at * 2 + 2).context("a short digest")?;
        *byte = u8::from_str_radix(pair, 16).context("not a digest")?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_understood_byte_by_byte() {
        let digest = "ab".repeat(32);
        let text = format!(
            "d\05\02\0a\0\0f\07\02\0a/x\ny\0\0f\07\02\0z\0\0l\08\01\0l\0a/x\0digests\0{digest}  ./a/x\ny\0{digest}  ./z\0"
        );
        let mounted = Mounted::parse(text.as_bytes()).expect("whole");
        assert_eq!(mounted.listing.len(), 4);
        assert_eq!(mounted.listing.get(&b"a/x\ny"[..]), Some(&Node::File([0xab; 32])));
        assert_eq!(mounted.hard_links(), [[b"a/x\ny".to_vec(), b"z".to_vec()]]);
        for cut in [text.len() - 10, text.len() - 70, 20, 0] {
            let part = text.as_bytes().get(..cut).unwrap_or_default();
            assert!(Mounted::parse(part).is_err(), "{cut}");
        }
    }
}
