//! Who holds the box: until leases exist, the first session that changes something.

use std::time::Duration;

use crate::errors::Refusal;
use crate::sync::Locked;

/// How long a session that wants to change something waits for the holder: a client that has just closed
/// its connection and comes back on another must not find itself in its own way.
const GRACE: Duration = Duration::from_secs(1);

/// The holder, if any.
#[derive(Default)]
pub(crate) struct Hold(Locked<Option<Holder>>);

struct Holder {
    session: u64,
    who: String,
}

impl Hold {
    /// The session changes something: it holds the box from now on, unless another does and stays.
    pub(crate) fn take(&self, session: u64, who: &str) -> Result<(), Refusal> {
        let other =
            |holder: &mut Option<Holder>| holder.as_ref().is_some_and(|holder| holder.session != session);
        let mut holder = self.0.wait_while(GRACE, other);
        match &*holder {
            Some(other) if other.session != session => Err(Refusal::Held(format!(
                "session {}, {}, changed something and is still open",
                other.session, other.who
            ))),
            Some(_) => Ok(()),
            None => {
                *holder = Some(Holder {
                    session,
                    who: who.into(),
                });
                Ok(())
            }
        }
    }

    /// The session is closed and everything it began is finished or undone.
    pub(crate) fn release(&self, session: u64) {
        self.0
            .change(|holder| holder.take_if(|holder| holder.session == session));
    }

    /// Whether a session other than this one holds the box.
    pub(crate) fn by_other_than(&self, session: u64) -> bool {
        self.0
            .lock()
            .as_ref()
            .is_some_and(|holder| holder.session != session)
    }

    /// Whether any session does.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.lock().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_changes_something_holds_until_it_closes() {
        let hold = Hold::default();
        assert!(!hold.is_taken());
        hold.take(1, "a").unwrap();
        hold.take(1, "a").unwrap();
        assert!(matches!(hold.take(2, "b"), Err(Refusal::Held(_))));
        hold.release(2);
        assert!(hold.by_other_than(2) && !hold.by_other_than(1));
        hold.release(1);
        hold.take(2, "b").unwrap();
    }

    #[test]
    fn one_that_is_about_to_close_is_waited_for() {
        let hold = Hold::default();
        hold.take(1, "a").unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hold.take(2, "b"));
            hold.release(1);
            second.join().unwrap().unwrap();
        });
        assert!(hold.by_other_than(1));
    }
}
