//! Exponential backoff with jitter.
//!
//! It owns the length of waits. It does not wait; randomness is an argument.

use std::time::Duration;

use super::{INITIAL_BACKOFF, JITTER, MAX_BACKOFF, RetryPolicy};

/// The maximum `Retry-After` that is honoured: a faulty server must not stop a client for a day.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// A wait that doubles with each consecutive failure.
#[derive(Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    jitter: f64,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            initial: INITIAL_BACKOFF,
            max: MAX_BACKOFF,
            jitter: JITTER,
            failures: 0,
        }
    }
}

impl Backoff {
    pub(crate) fn new(policy: &RetryPolicy) -> Backoff {
        Backoff {
            initial: policy.initial_backoff,
            max: policy.max_backoff,
            jitter: policy.jitter,
            failures: 0,
        }
    }

    /// Returns the wait after another failure: the backoff, shortened at random (`chance` from 0 to 1; 1 shortens
    /// nothing), so that clients do not return at once; or `retry_after`, if that is longer.
    pub(crate) fn wait(&mut self, chance: f64, retry_after: Option<Duration>) -> Duration {
        let whole = self
            .initial
            .saturating_mul(1 << self.failures.min(16))
            .min(self.max);
        self.failures = self.failures.saturating_add(1);
        let own = whole.mul_f64(1.0 - self.jitter * (1.0 - chance.clamp(0.0, 1.0)));
        retry_after.map_or(own, |retry_after| own.max(retry_after.min(MAX_RETRY_AFTER)))
    }

    /// Starts again with the initial wait, after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_maximum_and_restarts() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8)
            .map(|_| backoff.wait(1.0, None).as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.wait(1.0, None), MAX_BACKOFF);
        backoff.reset();
        assert_eq!(backoff.wait(0.0, None), INITIAL_BACKOFF / 2);
    }

    #[test]
    fn jitter_shortens_by_up_to_half() {
        for (chance, millis) in [(0.0, 50), (0.5, 75), (1.0, 100), (-9.0, 50), (9.0, 100)] {
            let wait = Backoff::default().wait(chance, None);
            assert_eq!(wait.as_millis(), millis, "{chance}");
        }
    }

    #[test]
    fn a_longer_retry_after_counts_up_to_a_limit() {
        for (retry_after, waited) in [(0, 100), (2_000, 2_000), (u64::MAX, 300_000)] {
            let retry_after = Some(Duration::from_millis(retry_after));
            assert_eq!(
                Backoff::default().wait(1.0, retry_after).as_millis(),
                waited
            );
        }
    }

    #[test]
    fn the_policy_sets_the_waits() {
        let policy = RetryPolicy::default()
            .initial_backoff(Duration::from_secs(1))
            .max_backoff(Duration::from_secs(3));
        for (jitter, millis) in [(0.0, [1_000, 2_000, 3_000]), (1.0, [0, 0, 0])] {
            let mut backoff = Backoff::new(&policy.clone().jitter(jitter));
            assert_eq!([0; 3].map(|_| backoff.wait(0.0, None).as_millis()), millis);
        }
        for odd in [f64::NAN, -1.0, f64::INFINITY] {
            let policy = policy.clone().jitter(odd);
            assert!((0.0..=1.0).contains(&policy.jitter), "{odd}");
        }
    }
}
