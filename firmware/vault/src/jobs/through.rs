//! Work that needs the disc parsed: a reader does it, while the drive's thread serves its blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wire::Failure;

use super::{Drive, Task, Worker};
use crate::drives::Seen;
use crate::errors::{self, Refusal};
use crate::readers::Reader;

/// No reader's work takes longer, whatever it says: the largest disc is read in a few hours.
const LONGEST: Duration = Duration::from_secs(36 * 3600);

/// Tells the drive's thread, whatever happens, that it need not serve any more.
struct Over<'a> {
    ended: &'a AtomicBool,
    drive: &'a Drive,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.drive.wake();
    }
}

/// Does something with a reader of the disc, of the session that begins at that block or else the newest.
/// `work` gets what says whether its time is over, or the job cancelled.
pub(super) fn reader<T: Send>(
    task: &Task<'_>,
    worker: &mut Worker,
    session_start: Option<u32>,
    work: impl FnOnce(&Reader, &dyn Fn() -> bool) -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let drive: Arc<Drive> = worker.drive.clone();
    let seen = worker.device()?.look(Some(task.data))?;
    let seen = Seen {
        session_start: session_start.unwrap_or(seen.session_start),
        ..seen
    };
    let ended = AtomicBool::new(false);
    let shared = worker.shared.clone();
    let job = task.job.clone();
    std::thread::scope(|scope| {
        let work = || {
            let _over = Over {
                ended: &ended,
                drive: &drive,
            };
            let begun = Instant::now();
            let over = || begun.elapsed() > LONGEST || job.is_cancelled();
            let worked = Reader::start(&shared, &drive, &seen, &over)
                .map_err(Failure::from)
                .and_then(|reader| work(&reader, &over));
            job.go_on().and(worked)
        };
        let thread = std::thread::Builder::new().name("parse".into());
        let thread = thread.spawn_scoped(scope, work).map_err(Refusal::NoThread)?;
        worker.serve_reads(&ended);
        thread
            .join()
            .map_err(|_| errors::internal("the work with a reader panicked"))?
    })
}
