//! How many repetitions a client may make, so that those of many calls do not keep a server down.
//!
//! It owns the count. It does not know what is repeated; the time comes in as an argument. Invariant: over any longer
//! time there are no more repetitions than a tenth of the calls and one a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One repetition. Counted in thousandths, so that one comes back each second when a thousandth does each millisecond.
const RETRY_COST: u64 = 1_000;
/// What a call earns.
const CALL_DEPOSIT: u64 = RETRY_COST / 10;
/// How much time alone gives.
const MAX_REFILL: u64 = 10 * RETRY_COST;
const MAX_TOKENS: u64 = 100 * RETRY_COST;

/// Shared by all clones of a client.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<TokenBucket>);

#[derive(Debug)]
struct TokenBucket {
    tokens: u64,
    /// When it was last looked at.
    refilled: Option<Instant>,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget(Mutex::new(TokenBucket {
            tokens: MAX_REFILL,
            refilled: None,
        }))
    }

    /// A call was made.
    pub(super) fn deposit(&self, now: Instant) {
        let mut bucket = self.refill(now);
        bucket.tokens = bucket.tokens.saturating_add(CALL_DEPOSIT).min(MAX_TOKENS);
    }

    /// Whether one more repetition may be made, which then counts as made.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let mut bucket = self.refill(now);
        let rest = bucket.tokens.checked_sub(RETRY_COST);
        bucket.tokens = rest.unwrap_or(bucket.tokens);
        rest.is_some()
    }

    fn refill(&self, now: Instant) -> MutexGuard<'_, TokenBucket> {
        // A count is as good as it was, whoever panicked.
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refilled = *bucket.refilled.get_or_insert(now);
        let since = now.saturating_duration_since(refilled).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        if bucket.tokens < MAX_REFILL {
            bucket.tokens = bucket.tokens.saturating_add(since).min(MAX_REFILL);
        }
        // What is less than a millisecond counts the next time.
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
    fn there_are_ten_at_first_and_one_comes_back_each_second() {
        let (budget, now) = (Budget::new(), Instant::now());
        assert_eq!(withdrawn(&budget, now), 10);
        assert_eq!(withdrawn(&budget, now + Duration::from_millis(999)), 0);
        assert_eq!(withdrawn(&budget, now + Duration::from_millis(1_000)), 1);
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(100)), 10);
    }

    #[test]
    fn looking_often_loses_no_time() {
        let (budget, now) = (Budget::new(), Instant::now());
        withdrawn(&budget, now);
        let micros = (1..=2_000).map(|step| now + Duration::from_micros(500 * step));
        assert_eq!(micros.filter(|now| budget.withdraw(*now)).count(), 1);
    }

    #[test]
    fn ten_calls_earn_one_and_not_more_than_a_hundred() {
        let (budget, now) = (Budget::new(), Instant::now());
        withdrawn(&budget, now);
        (0..30).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawn(&budget, now), 3);
        (0..10_000).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(1_000)), 100);
    }
}
