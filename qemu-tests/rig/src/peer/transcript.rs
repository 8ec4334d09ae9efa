//! What the peer's steps wrote and how they ended.

use anyhow::{Context, Result, ensure};

/// No program writes this by accident; `init.sh` has it too.
const MARK: &str = "@@peer-2f9d8c71 ";

/// One step's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The step's name.
    pub name: String,
    /// Exit code: 137 when its time was up; `None` when the peer ended before the step did.
    pub exit: Option<u8>,
    /// Standard output and error, byte by byte as written.
    pub output: Vec<u8>,
}

impl Answer {
    /// The output's last lines, for people.
    pub fn tail(&self) -> String {
        let text = String::from_utf8_lossy(&self.output).replace('\r', "\n");
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines
            .get(lines.len().saturating_sub(25)..)
            .unwrap_or_default()
            .join("\n")
    }
}

/// The steps of one run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// One for each step that began.
    pub answers: Vec<Answer>,
}

impl Transcript {
    /// Takes apart what came over the second serial port.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut answers = Vec::new();
        let mut rest = bytes;
        while let Some((_, line, behind)) = marked(rest, "begin ") {
            let (output, exit, next) = match marked(behind, "exit ") {
                Some((output, code, next)) => {
                    let output = output.strip_suffix(b"\n").unwrap_or(output);
                    (
                        output,
                        str::from_utf8(code).ok().and_then(|code| code.parse().ok()),
                        next,
                    )
                }
                None => (behind, None, &[][..]),
            };
            answers.push(Answer {
                name: String::from_utf8_lossy(line).into_owned(),
                exit,
                output: output.to_vec(),
            });
            rest = next;
        }
        Self { answers }
    }

    /// The step of that name.
    pub fn answer(&self, name: &str) -> Result<&Answer> {
        let found = self.answers.iter().find(|answer| answer.name == name);
        found.with_context(|| format!("the peer never came to the step {name}"))
    }

    /// The output of a step that must have succeeded.
    pub fn output(&self, name: &str) -> Result<&[u8]> {
        let answer = self.answer(name)?;
        ensure!(
            answer.exit == Some(0),
            "the step {name} ended with {:?}:\n{}",
            answer.exit,
            answer.tail()
        );
        Ok(&answer.output)
    }
}

/// What is before the next such mark, its argument, and what is behind its line.
fn marked<'a>(bytes: &'a [u8], kind: &str) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let mark = format!("{MARK}{kind}");
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark.as_bytes())?;
    let (before, from) = bytes.split_at_checked(at)?;
    let from = from.get(mark.len()..)?;
    let end = from.iter().position(|byte| *byte == b'\n')?;
    Some((before, from.get(..end)?, from.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_apart_and_an_unfinished_one_has_no_code() {
        let text = format!("noise\n{MARK}begin one\nbytes\u{ff}\n\n{MARK}exit 0\n{MARK}begin two\nhalf");
        let transcript = Transcript::parse(text.as_bytes());
        assert_eq!(
            transcript.output("one").expect("it succeeded"),
            "bytes\u{ff}\n".as_bytes()
        );
        let two = transcript.answer("two").expect("it began");
        assert_eq!((two.exit, two.output.as_slice()), (None, &b"half"[..]));
        assert!(transcript.output("two").is_err() && transcript.answer("three").is_err());
    }
}
