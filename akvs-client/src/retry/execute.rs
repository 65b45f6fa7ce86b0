//! The execution of a call: a request, and its repetitions as far as policy and request allow.
//!
//! It owns the tries of a call and their failures. It does not own connections nor the meaning of an answer. Invariant:
//! once a try of a write may have been applied, no later failure of the call is reported as a write that was not; and
//! only the statuses that the HTTP contract names are a success, so that neither a redirect nor another program at the
//! address is taken for a stored value.

use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::idempotency::Repeat;
use super::{Backoff, Budget, RetryPolicy, is_definitely_not_applied, retry_after};
use crate::error::{Error, Problem, Result, is_transient};
use crate::wire;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The failure of a try.
struct AttemptError {
    cause: Cause,
    /// Whether another try may succeed.
    is_transient: bool,
    /// Whether a write may have been applied.
    outcome_unknown: bool,
    /// The wait that the server requests.
    retry_after: Option<Duration>,
}

enum Cause {
    /// An answer of the server or of a proxy.
    Problem(Problem),
    Other(Error),
}

/// The parts of a client that a call needs.
pub(crate) struct Execution<'a> {
    pub(crate) http: &'a reqwest::Client,
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) budget: &'a Budget,
    /// The time of a call with all its tries, unless the timeout of one is longer.
    pub(crate) call_timeout: Duration,
}

impl Execution<'_> {
    /// Sends a request, and repeats it where its method and conditions allow it, up to the answer's head.
    pub(crate) async fn send(
        &self,
        request: Request,
        success: &[StatusCode],
    ) -> Result<Result<Response, Problem>> {
        let repeat = Repeat::from_request(&request);
        let receive = |response| ready(Ok(response));
        self.call(request, repeat, success, receive).await
    }

    /// Sends a request that only reads, and repeats it until the answer is complete. Its body has at most `limit`
    /// bytes.
    pub(crate) async fn read(
        &self,
        request: Request,
        success: &[StatusCode],
        limit: u64,
    ) -> Result<Result<Answer, Problem>> {
        let receive = |mut response: Response| async move {
            let headers = std::mem::take(response.headers_mut());
            Ok(Answer {
                status: response.status(),
                headers,
                body: wire::body(response, limit).await?,
            })
        };
        self.call(request, Repeat::Read, success, receive).await
    }

    async fn call<T, Receive: Future<Output = Result<T>>>(
        &self,
        mut request: Request,
        repeat: Repeat,
        success: &[StatusCode],
        receive: impl Fn(Response) -> Receive,
    ) -> Result<Result<T, Problem>> {
        let begin = Instant::now();
        self.budget.deposit(begin);
        let retry_deadline = begin.checked_add(self.call_timeout);
        let request_deadline = request.timeout().and_then(|own| begin.checked_add(*own));
        let mut backoff = Backoff::new(self.policy);
        let mut left = self.policy.max_retries;
        let mut outcome_unknown = false;
        loop {
            // A streamed body cannot be sent twice.
            let again = (left > 0).then(|| request.try_clone()).flatten();
            let failure = match self.attempt(request, success, &receive).await {
                Ok(done) => return Ok(Ok(done)),
                Err(failure) => failure,
            };
            let repeatable =
                failure.is_transient && (repeat != Repeat::Unapplied || !failure.outcome_unknown);
            let Some(next) = again.filter(|_| repeatable) else {
                return failure.end(repeat, outcome_unknown);
            };
            let wait = backoff.wait(fastrand::f64(), failure.retry_after);
            let now = Instant::now();
            let late = retry_deadline.is_some_and(|last| now + wait >= last);
            if late || !self.budget.withdraw(now) {
                return failure.end(repeat, outcome_unknown);
            }
            outcome_unknown |= repeat.is_write() && failure.outcome_unknown;
            sleep(wait).await;
            left -= 1;
            request = next;
            if let Some(end) = request_deadline.max(retry_deadline) {
                let rest = end.saturating_duration_since(Instant::now());
                let timeout = request.timeout_mut();
                *timeout = Some(timeout.map_or(rest, |timeout| timeout.min(rest)));
            }
        }
    }

    async fn attempt<T, Receive: Future<Output = Result<T>>>(
        &self,
        request: Request,
        success: &[StatusCode],
        receive: impl Fn(Response) -> Receive,
    ) -> Result<T, AttemptError> {
        let response = self.http.execute(request).await;
        let response = response.map_err(|error| AttemptError::other(error.into()))?;
        let status = response.status();
        if success.contains(&status) {
            return receive(response).await.map_err(AttemptError::other);
        }
        let retry_after = retry_after(response.headers());
        match wire::problem(response).await {
            Ok(problem) => Err(AttemptError::problem(status, problem, retry_after)),
            Err(error) => Err(AttemptError::other(error)),
        }
    }
}

impl AttemptError {
    fn problem(
        status: StatusCode,
        problem: Problem,
        retry_after: Option<Duration>,
    ) -> AttemptError {
        AttemptError {
            is_transient: is_transient(status),
            // Other statuses mean that the write was refused.
            outcome_unknown: !is_definitely_not_applied(&problem)
                && (status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT),
            cause: Cause::Problem(problem),
            retry_after,
        }
    }

    fn other(error: Error) -> AttemptError {
        let (is_transient, outcome_unknown) = match &error {
            Error::Transport { source, .. } => (
                error.is_transient(),
                !source.is_builder() && !source.is_connect(),
            ),
            Error::Api(_)
            | Error::Decode { .. }
            | Error::Encode { .. }
            | Error::Invalid(_)
            | Error::UnknownOutcome { .. } => (false, false),
        };
        AttemptError {
            cause: Cause::Other(error),
            is_transient,
            outcome_unknown,
            retry_after: None,
        }
    }

    /// Returns the result of the call if there is no further try.
    fn end<T>(self, repeat: Repeat, outcome_unknown: bool) -> Result<Result<T, Problem>> {
        let unknown = repeat.is_write() && self.outcome_unknown;
        match self.cause {
            Cause::Problem(problem) if outcome_unknown => {
                Err(Error::api(problem).after_unknown_outcome())
            }
            Cause::Other(error) if outcome_unknown => Err(error.after_unknown_outcome()),
            Cause::Problem(problem) if unknown => Ok(Err(problem.with_outcome_unknown())),
            Cause::Problem(problem) => Ok(Err(problem)),
            Cause::Other(error) if unknown => Err(error.with_outcome_unknown()),
            Cause::Other(error) => Err(error),
        }
    }
}
