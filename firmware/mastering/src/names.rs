//! Names of one directory, one behind the other: a million of them are one allocation.

/// Names that are handed out in the order of their bytes.
#[derive(Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// Where each lies, the next one last.
    left: Vec<(u32, u32)>,
}

impl Names {
    pub fn push(&mut self, name: &[u8]) {
        let start = u32::try_from(self.bytes.len());
        let end = u32::try_from(self.bytes.len() + name.len());
        // 4 GiB of names in one directory: no file system we know has room for them.
        if let (Ok(start), Ok(end)) = (start, end) {
            self.bytes.extend_from_slice(name);
            self.left.push((start, end));
        }
    }

    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        let name = |&(start, end): &(u32, u32)| bytes.get(start as usize..end as usize);
        self.left
            .sort_unstable_by(|left, right| name(right).cmp(&name(left)));
    }

    pub fn next(&mut self) -> Option<&[u8]> {
        let (start, end) = self.left.pop()?;
        self.bytes.get(start as usize..end as usize)
    }
}
