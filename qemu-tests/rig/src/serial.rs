//! A machine's serial console: every byte into a log, waits for text, types lines.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

#[derive(Debug, Default)]
struct Heard {
    text: String,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Heard>,
    more: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A serial console.
#[derive(Debug)]
pub struct Serial {
    shared: Arc<Shared>,
    input: ChildStdin,
}

impl Serial {
    /// Listens in the background, logging to `log` and, where `echo`, to standard output.
    pub fn listen(output: ChildStdout, input: ChildStdin, log: &Path, echo: bool) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut log = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let hears = Arc::clone(&shared);
        thread::Builder::new().name("serial".into()).spawn(move || {
            let mut output = output;
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let some = bytes.get(..count).unwrap_or_default();
                // A log that cannot be written must not stop the machine, which waits for its console.
                let _ = log.write_all(some);
                if echo {
                    let _ = std::io::stdout()
                        .write_all(some)
                        .and_then(|()| std::io::stdout().flush());
                }
                hears.lock().text.push_str(&String::from_utf8_lossy(some));
                hears.more.notify_all();
            }
            hears.lock().ended = true;
            hears.more.notify_all();
        })?;
        Ok(Self { shared, input })
    }

    /// All that was heard so far.
    pub fn text(&self) -> String {
        self.shared.lock().text.clone()
    }

    /// Waits until `text` was heard at or after byte `from`; the position behind it.
    pub fn expect_after(&self, from: usize, text: &str, limit: Duration) -> Result<usize> {
        let deadline = Instant::now() + limit;
        let mut heard = self.shared.lock();
        loop {
            if let Some(at) = heard.text.get(from..).and_then(|rest| rest.find(text)) {
                return Ok(from + at + text.len());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                let how = if heard.ended {
                    "the machine ended"
                } else {
                    "time is up"
                };
                let tail: Vec<&str> = heard.text.lines().rev().take(15).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!(
                    "{how} before the console said {text:?}; last lines:\n{}",
                    tail.join("\n")
                );
            }
            heard = self
                .shared
                .more
                .wait_timeout(heard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until `text` was heard, ever.
    pub fn expect(&self, text: &str, limit: Duration) -> Result<usize> {
        self.expect_after(0, text, limit)
    }

    /// Types a line; the position in the text from which its effects are heard.
    pub fn type_line(&mut self, line: &str) -> Result<usize> {
        let from = self.shared.lock().text.len();
        self.input.write_all(line.as_bytes())?;
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        Ok(from)
    }
}
