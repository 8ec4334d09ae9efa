//! Names of everything met, so that findings can say the path.

use alloc::vec::Vec;

/// The number of the top directory.
pub(super) const TOP: u32 = 0;

/// Entries by number: the entry of the directory each is in, and its name.
#[derive(Default)]
pub(super) struct Names {
    entries: Vec<(u32, usize)>,
    bytes: Vec<u8>,
}

impl Names {
    /// Adds an entry, numbered one by one; the first is the top directory.
    pub fn add(&mut self, parent: u32, name: &[u8]) -> u32 {
        let number = self.len();
        self.bytes.extend_from_slice(name);
        self.entries.push((parent, self.bytes.len()));
        number
    }

    /// Gives the entry added last another name.
    pub fn rename_last(&mut self, name: &[u8]) {
        if let Some((parent, _)) = self.entries.pop() {
            let start = self.entries.last().map_or(0, |&(_, end)| end);
            self.bytes.truncate(start);
            self.add(parent, name);
        }
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// The path of an entry, empty for the top directory.
    pub fn path(&self, entry: u32) -> Vec<u8> {
        let mut path = Vec::new();
        let mut at = entry;
        // Parents have smaller numbers, so this ends.
        while at != TOP {
            let Some(&(parent, end)) = self.entries.get(at as usize) else {
                break;
            };
            let start = self.entries.get(at as usize - 1).map_or(0, |&(_, end)| end);
            path.extend(self.bytes.get(start..end).unwrap_or_default().iter().rev());
            path.push(b'/');
            at = parent.min(at - 1);
        }
        path.pop();
        path.reverse();
        path
    }
}
