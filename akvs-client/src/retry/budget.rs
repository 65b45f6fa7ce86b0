//! How many repetitions a client may make, so that those of many calls do not keep a server down.
//!
//! It owns the count. It does not know what is repeated; the time comes in as an argument. Invariant: over any longer
//! time there are no more repetitions than a tenth of the calls and one a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One repetition. Counted in thousandths, so that one comes back each second when a thousandth does each millisecond.
const RETRY: u64 = 1_000;
/// What a call earns.
const CALL: u64 = RETRY / 10;
/// How much time alone gives.
const FLOOR: u64 = 10 * RETRY;
const MOST: u64 = 100 * RETRY;

/// Shared by all clones of a client.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<TokenBucket>);

#[derive(Debug)]
struct TokenBucket {
    left: u64,
    /// When it was last looked at.
    seen: Option<Instant>,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget(Mutex::new(TokenBucket {
            left: FLOOR,
            seen: None,
        }))
    }

    /// A call was made.
    pub(super) fn deposit(&self, now: Instant) {
        let mut purse = self.at(now);
        purse.left = purse.left.saturating_add(CALL).min(MOST);
    }

    /// Whether one more repetition may be made, which then counts as made.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let mut purse = self.at(now);
        let rest = purse.left.checked_sub(RETRY);
        purse.left = rest.unwrap_or(purse.left);
        rest.is_some()
    }

    fn at(&self, now: Instant) -> MutexGuard<'_, TokenBucket> {
        // A count is as good as it was, whoever panicked.
        let mut purse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = *purse.seen.get_or_insert(now);
        let since = now.saturating_duration_since(seen).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        if purse.left < FLOOR {
            purse.left = purse.left.saturating_add(since).min(FLOOR);
        }
        // What is less than a millisecond counts the next time.
        purse.seen = Some(seen + Duration::from_millis(since));
        purse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(budget: &Budget, now: Instant) -> usize {
        (0..1_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn there_are_ten_at_first_and_one_comes_back_each_second() {
        let (budget, now) = (Budget::new(), Instant::now());
        assert_eq!(spent(&budget, now), 10);
        assert_eq!(spent(&budget, now + Duration::from_millis(999)), 0);
        assert_eq!(spent(&budget, now + Duration::from_millis(1_000)), 1);
        assert_eq!(spent(&budget, now + Duration::from_secs(100)), 10);
    }

    #[test]
    fn looking_often_loses_no_time() {
        let (budget, now) = (Budget::new(), Instant::now());
        spent(&budget, now);
        let micros = (1..=2_000).map(|step| now + Duration::from_micros(500 * step));
        assert_eq!(micros.filter(|now| budget.withdraw(*now)).count(), 1);
    }

    #[test]
    fn ten_calls_earn_one_and_not_more_than_a_hundred() {
        let (budget, now) = (Budget::new(), Instant::now());
        spent(&budget, now);
        (0..30).for_each(|_| budget.deposit(now));
        assert_eq!(spent(&budget, now), 3);
        (0..10_000).for_each(|_| budget.deposit(now));
        assert_eq!(spent(&budget, now + Duration::from_secs(1_000)), 100);
    }
}
