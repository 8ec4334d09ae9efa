//! A line between the rig and a peer: scripts go in, what they wrote comes out.
//!
//! A message is `SCRIPT INPUT SECONDS\n`, two lengths and a limit, then the script and its input; the answer is
//! `CODE LENGTH\n` and so many bytes. The other end is `serve` in `init.sh`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::patience::patience;

/// How a script ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Exit code: 137 when its time was up.
    pub exit: u8,
    /// Standard output and error, byte by byte as written.
    pub output: Vec<u8>,
}

impl Answer {
    /// The output, for people and for looking for words in it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).replace('\r', "\n")
    }

    /// The output's last lines.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines
            .get(lines.len().saturating_sub(25)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// The output of a script that must have succeeded.
    pub fn success(self) -> Result<Vec<u8>> {
        ensure!(
            self.exit == 0,
            "it ended with {}; its last words:\n{}",
            self.exit,
            self.tail()
        );
        Ok(self.output)
    }

    /// Demands that the script failed and said so.
    pub fn failure(&self, words: &str) -> Result<()> {
        ensure!(
            self.exit != 0 && self.text().contains(words),
            "it was to fail with {words:?} but ended with {}:\n{}",
            self.exit,
            self.tail()
        );
        Ok(())
    }
}

/// One line.
#[derive(Debug)]
pub struct Line(BufReader<TcpStream>);

impl Line {
    /// Waits until the peer is at the other end.
    pub fn meet(stream: TcpStream, limit: Duration) -> Result<Self> {
        stream.set_read_timeout(Some(limit))?;
        let mut line = Self(BufReader::new(stream));
        let word = line.read_line().context("the peer is not ready")?;
        ensure!(word == "ready", "the peer says {word:?} instead of being ready");
        Ok(line)
    }

    /// Has a script run, for at most so long.
    pub fn run(&mut self, script: &str, input: &[u8], limit: Duration) -> Result<Answer> {
        let stream = self.0.get_mut();
        // The peer itself ends a script in time; only a peer that is stuck does not answer.
        stream.set_read_timeout(Some(limit + patience(15)))?;
        write!(
            stream,
            "{} {} {}\n{script}",
            script.len(),
            input.len(),
            limit.as_secs()
        )?;
        stream.write_all(input)?;
        let header = self.read_line().context("no answer from the peer")?;
        let parsed = header.split_once(' ').and_then(|(exit, length)| {
            let (exit, length) = (exit.parse().ok()?, length.parse().ok()?);
            Some((exit, length))
        });
        let (exit, length) = parsed.with_context(|| format!("{header:?} is no answer"))?;
        let mut output = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut output)?;
        ensure!(u64::try_from(output.len())? == length, "the answer was cut off");
        Ok(Answer { exit, output })
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.by_ref().take(100).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn what_a_script_wrote_comes_back_byte_by_byte() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let peer = thread::spawn(move || -> Result<Vec<u8>> {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"ready\n7 5\na\n\xFF\r\n1 0\n0 9\nshort")?;
            let mut heard = vec![0; 27];
            stream.read_exact(&mut heard)?;
            Ok(heard)
        });
        let mut line = Line::meet(listener.accept()?.0, Duration::from_secs(10))?;
        let answer = line.run("false", b"in\n", Duration::from_secs(60))?;
        assert_eq!((answer.exit, answer.output.as_slice()), (7, &b"a\n\xFF\r\n"[..]));
        answer.failure("a\n")?;
        assert!(answer.clone().failure("b").is_err() && answer.success().is_err());
        assert_eq!(line.run("", b"", Duration::from_secs(1))?.exit, 1);
        assert!(line.run("", b"", Duration::from_secs(1)).is_err());
        let heard = peer.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        assert_eq!(heard, b"5 3 60\nfalsein\n0 0 1\n0 0 1\n");
        Ok(())
    }
}
