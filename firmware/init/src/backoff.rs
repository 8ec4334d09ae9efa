//! How long to wait before a role is started again.

use std::time::Duration;

/// Doubles from death to death, starts over after a steady life.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    steady: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration, steady: Duration) -> Self {
        Self {
            first,
            most,
            steady,
            next: first,
        }
    }

    /// The role died after such a life: how long to wait now.
    pub(crate) fn died_after(&mut self, life: Duration) -> Duration {
        if life >= self.steady {
            self.next = self.first;
        }
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.most);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_most_and_starts_over_after_a_steady_life() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(5_000), ms(60_000));
        let waits: Vec<_> = (0..8)
            .map(|_| backoff.died_after(ms(59_999)).as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(backoff.died_after(ms(60_000)), ms(100));
        assert_eq!(backoff.died_after(ms(1)), ms(200));
    }
}
