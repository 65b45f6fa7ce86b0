//! Retries: which requests are repeated, how often, and when.
//!
//! It owns the policy. `execute` runs a call with its tries, `idempotency` decides which requests may be repeated,
//! `classify` which answers are worth it; `backoff` has the waits, and `budget` bounds the retries of a client.
//! Invariant: nothing is repeated that could be applied twice.

mod backoff;
mod budget;
mod classify;
mod execute;
mod idempotency;

pub(crate) use backoff::Backoff;
pub(crate) use budget::Budget;
pub(crate) use classify::{is_definitely_not_applied, retry_after};
pub(crate) use execute::{Answer, Execution};

use std::time::Duration;

const MAX_RETRIES: u32 = 3;
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
const JITTER: f64 = 0.5;

/// The policy of retries.
///
/// A call is repeated only where this is safe, whatever the policy:
///
/// | call | is repeated |
/// | --- | --- |
/// | reads | when the network fails, and when the answer is a 408, 425, 429, 502, 503 or 504 |
/// | `del` | the same. An earlier try may have deleted the key, so that the result is that of the last try only; and a value that is stored in between is deleted too |
/// | writes on `if_absent` or `if_revision` | the same. If the condition fails in a later try, an earlier one may have been applied: that is an [`Error::UnknownOutcome`](crate::Error::UnknownOutcome) |
/// | all other writes, including `if_exists` | only if they cannot have been applied: the server was not reached, or it reports so (the codes `unavailable`, `overloaded` and `closing`, the status 429 and 425) |
///
/// The wait doubles from the [`initial_backoff`](Self::initial_backoff) to the [`max_backoff`](Self::max_backoff); a
/// longer `Retry-After` of the server takes precedence. No try begins after the
/// [`call_timeout`](crate::ClientBuilder::call_timeout), and no call waits for such a try.
///
/// All clones of a client share a retry budget, so that retries do not keep an overloaded server down: each call adds a
/// tenth of a retry, up to a hundred; below ten, one is added each second. Without budget, calls fail at once, as
/// without retries. Watches have their own backoff.
///
/// ```
/// use std::time::Duration;
/// use akvs_client::{Client, RetryPolicy};
/// let patient = RetryPolicy::default().max_retries(8).max_backoff(Duration::from_secs(2));
/// let client = Client::builder().retry(patient).build()?;
/// # Ok::<(), akvs_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    max_retries: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_retries: MAX_RETRIES,
            initial_backoff: INITIAL_BACKOFF,
            max_backoff: MAX_BACKOFF,
            jitter: JITTER,
        }
    }
}

impl RetryPolicy {
    /// Returns a policy without retries.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// assert_eq!(RetryPolicy::disabled(), RetryPolicy::default().max_retries(0));
    /// ```
    pub fn disabled() -> RetryPolicy {
        RetryPolicy::default().max_retries(0)
    }

    /// Sets the maximum number of retries of a call; 3 by default.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// assert_ne!(RetryPolicy::default().max_retries(5), RetryPolicy::default());
    /// ```
    pub fn max_retries(mut self, retries: u32) -> RetryPolicy {
        self.max_retries = retries;
        self
    }

    /// Sets the wait before the first retry; 100 milliseconds by default. It doubles with each further one.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// use std::time::Duration;
    /// assert_ne!(RetryPolicy::default().initial_backoff(Duration::ZERO), RetryPolicy::default());
    /// ```
    pub fn initial_backoff(mut self, wait: Duration) -> RetryPolicy {
        self.initial_backoff = wait;
        self
    }

    /// Sets the maximum wait; 5 seconds by default. The server may request a longer one.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// use std::time::Duration;
    /// assert_ne!(RetryPolicy::default().max_backoff(Duration::ZERO), RetryPolicy::default());
    /// ```
    pub fn max_backoff(mut self, wait: Duration) -> RetryPolicy {
        self.max_backoff = wait;
        self
    }

    /// Sets the part of a wait that is random, so that clients that failed together do not return together: from 0
    /// (none) to 1 (all); 0.5 by default. A wait that the server requests is not shortened.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// assert_eq!(RetryPolicy::default().jitter(0.5), RetryPolicy::default());
    /// ```
    pub fn jitter(mut self, part: f64) -> RetryPolicy {
        // NaN counts as 0.
        self.jitter = if part > 0.0 { part.min(1.0) } else { 0.0 };
        self
    }
}
