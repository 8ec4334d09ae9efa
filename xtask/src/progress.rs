//! How long work looks: a line that changes on a terminal, now and then a line elsewhere.

use std::time::{Duration, Instant};

use images::kernel::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Lines of a log are this far apart.
const QUIET: Duration = Duration::from_secs(15);

/// Shows a kernel build.
pub struct KernelBuild {
    bar: ProgressBar,
    stage: &'static str,
    started: Instant,
    said: Instant,
}

impl KernelBuild {
    /// Nothing is shown before the first report: a kernel from the cache needs no words.
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("kernel: {elapsed_precise} {wide_msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            stage: "",
            started: Instant::now(),
            said: Instant::now(),
        }
    }

    /// Shows one report.
    pub fn report(&mut self, progress: Progress) {
        let (stage, message) = match progress {
            Progress::Waiting => ("waiting", "waiting for another build of a kernel".to_owned()),
            Progress::Unpacking => ("unpacking", "unpacking the source".to_owned()),
            Progress::Configuring => ("configuring", "configuring".to_owned()),
            Progress::Compiling { steps, last } => ("compiling", format!("compiling, step {steps}: {last}")),
            Progress::Tidying => ("tidying", "built; removing source and objects".to_owned()),
        };
        if self.bar.is_hidden() {
            if stage != self.stage || self.said.elapsed() >= QUIET {
                println!("kernel: {:4} s {message}", self.started.elapsed().as_secs());
                self.said = Instant::now();
            }
        } else {
            self.bar.set_message(message);
            self.bar.tick();
        }
        self.stage = stage;
    }

    /// Takes the changing line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
