//! Progress of long work: a bar on a terminal, a line every two seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{Output, size, tell};

/// Shows how far something is; silent with `--json`.
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    last: Instant,
    phase: String,
}

impl Progress {
    pub fn new(output: Output, phase: &str, total: u64) -> Self {
        let terminal = stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if output.json || !terminal {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "{msg:11} [{bar:32}] {decimal_bytes:>9} of {decimal_total_bytes:9} {decimal_bytes_per_sec:>11} {eta:>4} left{prefix}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(phase.to_string());
        Self {
            bar,
            lines: !output.json && !terminal,
            last: Instant::now(),
            phase: phase.into(),
        }
    }

    /// Tells where the work is; a new phase begins a new bar.
    pub fn at(&mut self, phase: &str, done: u64, total: u64, note: &str) {
        let new_phase = self.phase != phase;
        if new_phase {
            self.phase = phase.into();
            self.bar.reset();
            self.bar.set_message(self.phase.clone());
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_prefix(note.to_string());
        if self.lines && (new_phase || self.last.elapsed() >= Duration::from_secs(2)) {
            self.last = Instant::now();
            match total {
                0 => tell(&format!("{phase}: {}{note}", size(done))),
                _ => tell(&format!("{phase}: {} of {}{note}", size(done), size(total))),
            }
        }
    }

    /// A line above the progress.
    pub fn note(&self, line: &str) {
        self.bar.suspend(|| tell(line));
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
