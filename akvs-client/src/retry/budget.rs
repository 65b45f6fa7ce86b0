//! The retry budget of a client, a token bucket.
//!
//! It owns the count. It does not know the calls; the time is an argument. Invariant: over a long time there is at most
//! one retry for ten calls, and one a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The tokens of a retry. One token is added each millisecond, so that one retry is added each second.
const RETRY_COST: u64 = 1_000;
/// The tokens that a call adds.
const CALL_DEPOSIT: u64 = RETRY_COST / 10;
/// The maximum that time alone refills.
const MAX_REFILL: u64 = 10 * RETRY_COST;
const MAX_TOKENS: u64 = 100 * RETRY_COST;

/// The budget that all clones of a client share.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<TokenBucket>);

#[derive(Debug)]
struct TokenBucket {
    tokens: u64,
    /// The time of the last refill.
    refilled: Option<Instant>,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget(Mutex::new(TokenBucket {
            tokens: MAX_REFILL,
            refilled: None,
        }))
    }

    /// Adds the tokens of a call.
    pub(super) fn deposit(&self, now: Instant) {
        let mut bucket = self.refill(now);
        bucket.tokens = bucket.tokens.saturating_add(CALL_DEPOSIT).min(MAX_TOKENS);
    }

    /// Takes the tokens of a retry; returns whether there were enough.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let mut bucket = self.refill(now);
        let rest = bucket.tokens.checked_sub(RETRY_COST);
        bucket.tokens = rest.unwrap_or(bucket.tokens);
        rest.is_some()
    }

    fn refill(&self, now: Instant) -> MutexGuard<'_, TokenBucket> {
        // A panic of another thread leaves a valid count.
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refilled = *bucket.refilled.get_or_insert(now);
        let since = now.saturating_duration_since(refilled).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        if bucket.tokens < MAX_REFILL {
            bucket.tokens = bucket.tokens.saturating_add(since).min(MAX_REFILL);
        }
        // The rest below a millisecond counts the next time.
        bucket.refilled = Some(refilled + Duration::from_millis(since));
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawn(budget: &Budget, now: Instant) -> usize {
        (0..1_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn ten_retries_at_first_and_one_more_each_second() {
        let (budget, now) = (Budget::new(), Instant::now());
        assert_eq!(withdrawn(&budget, now), 10);
        assert_eq!(withdrawn(&budget, now + Duration::from_millis(999)), 0);
        assert_eq!(withdrawn(&budget, now + Duration::from_millis(1_000)), 1);
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(100)), 10);
    }

    #[test]
    fn frequent_refills_lose_no_time() {
        let (budget, now) = (Budget::new(), Instant::now());
        withdrawn(&budget, now);
        let micros = (1..=2_000).map(|step| now + Duration::from_micros(500 * step));
        assert_eq!(micros.filter(|now| budget.withdraw(*now)).count(), 1);
    }

    #[test]
    fn ten_calls_add_a_retry_up_to_a_hundred() {
        let (budget, now) = (Budget::new(), Instant::now());
        withdrawn(&budget, now);
        (0..30).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawn(&budget, now), 3);
        (0..10_000).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(1_000)), 100);
    }
}
