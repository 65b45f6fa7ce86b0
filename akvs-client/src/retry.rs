//! Trying again: when, how often, and only what may be repeated.
//!
//! It owns the choices. Its parts own the rest: `execute` a call with its tries, `idempotency` which requests may be repeated,
//! `classify` which answers are worth it, `backoff` the waits, `budget` how much of it all a client may do. Invariant:
//! nothing is repeated that could be applied twice.

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

/// How a call that failed is tried again.
///
/// A call is repeated only where this is safe, whatever is chosen here:
///
/// | call | is repeated |
/// | --- | --- |
/// | reads | when the network fails, and when the answer is a 408, 425, 429, 502, 503 or 504 |
/// | `del` | the same. An earlier try may have removed the key, so that what it says of it then is of the last try only; and what somebody else stored in between is removed too |
/// | writes on `if_absent` or `if_revision` | the same. Where the condition does not hold any more, an earlier try may have been what changed it: that is an [`Error::UnknownOutcome`](crate::Error::UnknownOutcome) |
/// | all other writes, `if_exists` among them | only if they cannot have been applied: the server was not reached, or it says so (the codes `unavailable`, `overloaded` and `closing`, the status 429 and 425) |
///
/// Waits double from the [`initial_backoff`](Self::initial_backoff) to the [`max_backoff`](Self::max_backoff); a `Retry-After`
/// of the server is heeded where it is longer. No try begins when the
/// [`call_timeout`](crate::ClientBuilder::call_timeout) is over, and no call waits for one that would.
///
/// All clones of a client share a budget, so that a server that is down is not kept down: each call earns a tenth of a
/// retry, up to a hundred of them; and as long as there are less than ten, one comes back each second. When there is
/// none, calls fail at once, as they would without retries. A watch has waits of its own.
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
    /// Nothing is repeated.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// assert_eq!(RetryPolicy::disabled(), RetryPolicy::default().max_retries(0));
    /// ```
    pub fn disabled() -> RetryPolicy {
        RetryPolicy::default().max_retries(0)
    }

    /// How often a call is repeated at most; 3 times by default.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// assert_ne!(RetryPolicy::default().max_retries(5), RetryPolicy::default());
    /// ```
    pub fn max_retries(mut self, retries: u32) -> RetryPolicy {
        self.max_retries = retries;
        self
    }

    /// How long the wait before the first repetition is; 100 milliseconds by default. It doubles with each other one.
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

    /// How long a wait is at most; 5 seconds by default. The server may ask for a longer one.
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

    /// Which part of a wait chance may take away, so that clients that failed together do not come back together: from
    /// 0, none, to 1, all of it; 0.5 by default. What the server asks for is not shortened.
    ///
    /// ```
    /// use akvs_client::RetryPolicy;
    /// assert_eq!(RetryPolicy::default().jitter(0.5), RetryPolicy::default());
    /// ```
    pub fn jitter(mut self, part: f64) -> RetryPolicy {
        // What is no number is none.
        self.jitter = if part > 0.0 { part.min(1.0) } else { 0.0 };
        self
    }
}
