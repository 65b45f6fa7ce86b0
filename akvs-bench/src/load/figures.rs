//! The figures of one run of the generator.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::result::Result;

/// The longest latency: longer ones count as this.
const LONGEST: Duration = Duration::from_secs(600);
/// Latencies are kept to one percent.
const DIGITS: u8 = 2;

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    /// Returns all of it.
    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }

    /// Returns the time from another reading to this one.
    pub(crate) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// What a run measured, without its warm-up.
pub(crate) struct Outcome {
    /// Answers, also of failures.
    pub(crate) answers: u64,
    /// Answers that reported a failure.
    pub(crate) failed: u64,
    /// The beginning of the first of these.
    pub(crate) failure: Option<String>,
    /// Requests of an open loop that had no answer at the end; their latency so far is counted.
    pub(crate) unanswered: u64,
    pub(crate) elapsed: Duration,
    /// Latencies in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// CPU time of the generator.
    pub(crate) client: Duration,
    /// CPU time of the server.
    pub(crate) server: Cpu,
}

impl Outcome {
    pub(super) fn new() -> Result<Outcome> {
        let longest = u64::try_from(LONGEST.as_nanos())?;
        Ok(Outcome {
            answers: 0,
            failed: 0,
            failure: None,
            unanswered: 0,
            elapsed: Duration::ZERO,
            latency: Histogram::new_with_bounds(1_000, longest, DIGITS)?,
            client: Duration::ZERO,
            server: Cpu::default(),
        })
    }

    /// Returns an error if any request failed, or if there was no answer.
    pub(crate) fn checked(self) -> Result<Outcome> {
        if let Some(failure) = &self.failure {
            let (failed, answers) = (self.failed, self.answers);
            return Err(format!("{failed} of {answers} requests failed: {failure:?}").into());
        }
        match self.answers {
            0 => Err("no request was answered".into()),
            _ => Ok(self),
        }
    }

    /// Returns answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns a CPU time as µs per answer.
    pub(crate) fn each_us(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.answers.max(1) as f64
    }

    /// Returns a quantile of the latency, in µs.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}
