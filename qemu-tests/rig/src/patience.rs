//! How long to wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// So many seconds, times `SPINDLE_TIMEOUT_MULTIPLIER`.
pub fn patience(seconds: u64) -> Duration {
    let factor = std::env::var("SPINDLE_TIMEOUT_MULTIPLIER")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds) * factor.unwrap_or(1)
}

/// Polls until there is a value, at most so long; `what` is waited for.
pub fn until<T>(what: &str, limit: Duration, mut poll: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = poll()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
