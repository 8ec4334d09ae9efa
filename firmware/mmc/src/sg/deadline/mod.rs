//! The deadline behind a system call's own: breaks a wait that the kernel does not end.
//!
//! SG_IO has a timeout, but what follows it, the kernel's own attempts to recover the device, has none that
//! holds for every adapter. A second thread watches the clock and interrupts the first with a signal, again
//! and again until the call has returned: a signal that came just before the call would be lost.

mod sys;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sys::Waiter;

/// Time between two signals to a call that does not end.
const AGAIN: Duration = Duration::from_millis(50);

/// What a watched call came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended<R> {
    /// What it returned.
    pub(super) result: R,
    /// It was interrupted because its time was over.
    pub(super) broken: bool,
}

#[derive(Debug, Default)]
struct State {
    /// The call being watched.
    watched: Option<(Instant, Waiter)>,
    /// It was interrupted.
    broken: bool,
    /// When the watching thread looks next by itself; `None`: only when woken.
    wakes: Option<Instant>,
    /// No more calls will come.
    over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches calls, one at a time.
#[derive(Debug)]
pub(super) struct Deadline(Arc<Shared>);

impl Deadline {
    /// Starts the watching thread; `None` when the system has no thread or signal for it.
    pub(super) fn start() -> Option<Self> {
        sys::listen().ok()?;
        let shared = Arc::new(Shared::default());
        let watcher = shared.clone();
        let thread = thread::Builder::new().name("deadline".into());
        thread.spawn(move || watch(&watcher)).ok()?;
        Some(Self(shared))
    }

    /// Runs `call`; when it has not returned after `limit`, interrupts the system call it is in.
    pub(super) fn run<R>(&self, limit: Duration, call: impl FnOnce() -> R) -> Ended<R> {
        let until = Instant::now() + limit;
        let mut state = self.0.lock();
        state.watched = Some((until, Waiter::myself()));
        state.broken = false;
        // Mostly the thread sleeps until the deadline of an earlier command and need not be woken.
        let sleeps_too_long = state.wakes.is_none_or(|wakes| wakes > until);
        drop(state);
        if sleeps_too_long {
            self.0.changed.notify_one();
        }
        let result = call();
        let mut state = self.0.lock();
        state.watched = None;
        let broken = state.broken;
        Ended { result, broken }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_one();
    }
}

fn watch(shared: &Shared) {
    let mut state = shared.lock();
    while !state.over {
        let now = Instant::now();
        state.wakes = match state.watched {
            Some((until, waiter)) if until <= now => {
                state.broken = true;
                waiter.interrupt();
                Some(now + AGAIN)
            }
            Some((until, _)) => Some(until),
            None => None,
        };
        state = match state.wakes {
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(wakes) => {
                let waited = shared.changed.wait_timeout(state, wakes - now);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind, Read as _};
    use std::time::{Duration, Instant};

    use super::Deadline;

    /// A read of an empty pipe waits as SG_IO waits for a drive that hangs: interruptibly, without end. That a
    /// broken SG_IO leaves the adapter usable only a kernel can show.
    #[test]
    fn a_call_that_never_ends_is_broken_and_the_next_one_is_not() {
        let deadline = Deadline::start().unwrap();
        let (mut hung, _writer) = std::io::pipe().unwrap();
        for _ in 0..3 {
            let begun = Instant::now();
            let ended = deadline.run(Duration::from_millis(30), || read_once(&mut hung));
            assert!(ended.broken && ended.result == Err(ErrorKind::Interrupted));
            assert!(begun.elapsed() >= Duration::from_millis(30));
            let quick = deadline.run(Duration::from_secs(60), || 7);
            assert!(!quick.broken && quick.result == 7);
        }
    }

    #[test]
    fn a_shorter_deadline_after_a_longer_one_is_kept() {
        let deadline = Deadline::start().unwrap();
        let (mut hung, _writer) = std::io::pipe().unwrap();
        assert!(!deadline.run(Duration::from_secs(3600), || ()).broken);
        let ended = deadline.run(Duration::from_millis(10), || read_once(&mut hung));
        assert!(ended.broken);
    }

    #[test]
    fn threads_do_not_break_each_others_calls() {
        let (mut hung, _writer) = std::io::pipe().unwrap();
        let (mut patient, mut answer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || {
                let deadline = Deadline::start().unwrap();
                deadline.run(Duration::from_secs(600), || read_once(&mut patient))
            });
            let deadline = Deadline::start().unwrap();
            let ended = deadline.run(Duration::from_millis(20), || read_once(&mut hung));
            assert!(ended.broken);
            std::io::Write::write_all(&mut answer, b"x").unwrap();
            let waited = waiting.join().unwrap();
            assert!(!waited.broken && waited.result == Ok(1));
        });
    }

    /// One `read`, which unlike `read_exact` does not start again when interrupted.
    fn read_once(pipe: &mut std::io::PipeReader) -> Result<usize, ErrorKind> {
        pipe.read(&mut [0; 1]).map_err(|error: Error| error.kind())
    }
}
