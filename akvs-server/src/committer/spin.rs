//! Spinning before the committer's thread sleeps.
//!
//! Waking a sleeping thread takes longer than a small commit. A client that writes one value after the other would wait for
//! it with every write.
//!
//! The thread spins only where another core is free for the client, only after a commit of a single write, and for at most
//! [`LIMIT`]. It stops after a few spins in which no write arrived, until one arrives that a spin would have met. So an
//! idle server spins never, and a client that writes without a pause costs at most this time for each of its writes.

use std::time::Duration;

use crate::Clock;

/// The time of one spin.
const LIMIT: Duration = Duration::from_micros(100);
/// The number of spins in a row in which no write arrived.
const MAX_MISSES: u32 = 3;
/// The rounds between two looks at the clock.
const ROUNDS: u32 = 32;
/// The number of looks at a clock that may stand still, as in tests.
const MAX_LOOKS: u32 = 1_000;

/// The decision whether to spin.
pub(super) struct Spin {
    limit: Duration,
    misses: u32,
}

impl Spin {
    /// Returns the spin of a process with this number of cores.
    pub(super) fn new(cores: usize) -> Spin {
        let limit = if cores > 1 { LIMIT } else { Duration::ZERO };
        Spin { limit, misses: 0 }
    }

    /// Spins until there is work, but not for long, and only if that is worth it after a commit of this many writes.
    pub(super) fn until(&mut self, writes: usize, clock: &dyn Clock, has_work: impl Fn() -> bool) {
        if writes != 1 || self.limit.is_zero() || self.misses >= MAX_MISSES {
            return;
        }
        let end = clock.elapsed() + self.limit;
        for _ in 0..MAX_LOOKS {
            for _ in 0..ROUNDS {
                if has_work() {
                    self.misses = 0;
                    return;
                }
                std::hint::spin_loop();
            }
            if clock.elapsed() >= end {
                break;
            }
        }
        self.misses += 1;
    }

    /// Notes how long the thread slept.
    pub(super) fn slept(&mut self, time: Duration) {
        if time < self.limit {
            self.misses = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::SystemClock;

    /// Returns whether it spins after a commit of this many writes.
    fn spins(spin: &mut Spin, writes: usize, has_work: bool) -> bool {
        let was_asked = Cell::new(false);
        spin.until(writes, &SystemClock::new(), || {
            was_asked.set(true);
            has_work
        });
        was_asked.get()
    }

    #[test]
    fn it_spins_after_single_writes_while_others_follow_at_once() {
        let mut spin = Spin::new(2);
        assert!(!spins(&mut spin, 0, true) && !spins(&mut spin, 2, true));
        for _ in 0..10 {
            assert!(spins(&mut spin, 1, true));
        }
        for _ in 0..MAX_MISSES {
            assert!(spins(&mut spin, 1, false));
        }
        assert!(!spins(&mut spin, 1, true));
        spin.slept(LIMIT);
        assert!(!spins(&mut spin, 1, true));
        spin.slept(LIMIT / 2);
        assert!(spins(&mut spin, 1, true));
    }

    #[test]
    fn it_never_spins_on_one_core() {
        let mut spin = Spin::new(1);
        spin.slept(Duration::ZERO);
        assert!(!spins(&mut spin, 1, true));
    }
}
