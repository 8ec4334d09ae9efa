//! A role's output becomes tagged, printable lines of bounded length.

/// Longest line in bytes before its tag; longer ones are broken.
pub(crate) const LINE_MAX: usize = 400;

/// Collects bytes until a line is whole.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes more bytes and gives each finished line to `emit`.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut emit: impl FnMut(String)) {
        for &byte in bytes {
            if byte == b'\n' {
                emit(printable(&std::mem::take(&mut self.open)));
            } else {
                if self.open.len() == LINE_MAX {
                    emit(printable(&std::mem::take(&mut self.open)));
                }
                self.open.push(byte);
            }
        }
    }

    /// The last line, if its end never came.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.open);
        (!rest.is_empty()).then(|| printable(&rest))
    }
}

/// Control characters are spelled out: what a role prints may come from a disc or the network, and a
/// terminal obeys escape sequences.
pub(crate) fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    for character in String::from_utf8_lossy(line).chars() {
        match character {
            '\t' => text.push(' '),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for chunk in chunks {
            lines.feed(chunk, |line| out.push(line));
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_come_whole_however_they_were_cut() {
        assert_eq!(
            all(&[b"on", b"e\ntwo\r\n\n", b"last"]),
            ["one", "two", "", "last"]
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(
            all(&[b"a\x1b[2Jb\x07\xff\tc\n"]),
            ["a\\u{1b}[2Jb\\u{7}\u{fffd} c"]
        );
    }

    proptest! {
        #[test]
        fn no_line_is_over_the_limit_and_nothing_is_lost(text in "[a-z\n]{0,3000}", cut in 1_usize..700) {
            let chunks: Vec<_> = text.as_bytes().chunks(cut).collect();
            let lines = all(&chunks);
            prop_assert!(lines.iter().all(|line| line.len() <= LINE_MAX));
            prop_assert_eq!(lines.concat(), text.replace('\n', ""));
        }
    }
}
