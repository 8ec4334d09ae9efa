//! The end: everything is on the disk, then the machine goes off or starts again.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::WaitOptions;
use rustix::system::RebootCommand;

use crate::console::Console;
use crate::{data, sys};

/// How the box ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    PowerOff,
    Reboot,
}

const REAP: Duration = Duration::from_secs(2);
const UNMOUNT: Duration = Duration::from_secs(30);
const SYNC: Duration = Duration::from_secs(30);
const CONSOLE: Duration = Duration::from_secs(1);

/// Ends the box; the roles have stopped. Returns only when the kernel refuses.
pub(crate) fn end(ending: Ending, mounted: bool, console: &mut Console) {
    sys::kill_all();
    let limit = Instant::now() + REAP;
    // ECHILD ends it: nobody is left.
    while rustix::process::wait(WaitOptions::NOHANG).is_ok() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(2));
    }
    if mounted {
        match within(UNMOUNT, data::unmount) {
            Some(Ok(())) => console.line("init: the data partition is unmounted"),
            Some(Err(failure)) => console.line(&format!("init: {failure}")),
            None => console.line("init: the data partition does not answer; its journal will be replayed"),
        }
    }
    if within(SYNC, rustix::fs::sync).is_none() {
        console.line("init: a disk does not answer; what it has not written yet is lost");
    }
    let (words, command) = match ending {
        Ending::PowerOff => ("switching off", RebootCommand::PowerOff),
        Ending::Reboot => ("starting again", RebootCommand::Restart),
    };
    console.line(&format!("init: {words}"));
    console.drain(CONSOLE);
    if let Err(cause) = rustix::system::reboot(command) {
        console.line(&format!(
            "init: the kernel refuses: {cause}; switch the box off by hand, all is written"
        ));
    }
}

/// Does what may never return in a thread of its own; `None` when it took too long.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, wait) = mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || drop(done.send(work())))
        .ok()?;
    wait.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_never_returns_does_not_hold_the_end_up() {
        let (_never, wait) = mpsc::channel::<()>();
        assert_eq!(
            within(Duration::from_millis(1), move || wait.recv().is_ok()),
            None
        );
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
    }
}
