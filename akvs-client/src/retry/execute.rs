//! A call: one exchange with the server, and as many more as its policy and its request allow.
//!
//! It owns the tries of a call and what becomes of their failures. It does not own connections nor what an answer
//! means to its caller. Invariant: once a try of a write may have been applied, no later failure of the call passes for
//! a write that was not; and an answer counts as success
//! only with the status that the contract names, so that neither a redirect nor another program at the address passes
//! for a stored value.

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

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a try failed.
struct Failure {
    what: Failed,
    /// Whether it may be otherwise another time.
    is_transient: bool,
    /// Whether the server may have done what was asked for.
    perhaps_applied: bool,
    /// How long the server asks to wait.
    asked: Option<Duration>,
}

enum Failed {
    /// The server, or a proxy, answered.
    Problem(Problem),
    Other(Error),
}

/// What a call is made with.
pub(crate) struct Execution<'a> {
    pub(crate) http: &'a reqwest::Client,
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) budget: &'a Budget,
    /// The time of a call with all its tries, unless one of them may take more.
    pub(crate) call_timeout: Duration,
}

impl Execution<'_> {
    /// Sends a request, and again where its method and conditions allow it, up to the answer's head.
    pub(crate) async fn send(
        &self,
        request: Request,
        success: &[StatusCode],
    ) -> Result<Result<Response, Problem>> {
        let repeat = Repeat::of(&request);
        let whole = |response| ready(Ok(response));
        self.call(request, repeat, success, whole).await
    }

    /// Sends a request that only reads, and again until the whole answer came. Its body has at most `limit` bytes.
    pub(crate) async fn read(
        &self,
        request: Request,
        success: &[StatusCode],
        limit: u64,
    ) -> Result<Result<Answer, Problem>> {
        let whole = |mut response: Response| async move {
            let headers = std::mem::take(response.headers_mut());
            Ok(Answer {
                status: response.status(),
                headers,
                body: wire::body(response, limit).await?,
            })
        };
        self.call(request, Repeat::Read, success, whole).await
    }

    async fn call<T, Whole: Future<Output = Result<T>>>(
        &self,
        mut request: Request,
        repeat: Repeat,
        success: &[StatusCode],
        whole: impl Fn(Response) -> Whole,
    ) -> Result<Result<T, Problem>> {
        let begin = Instant::now();
        self.budget.deposit(begin);
        let last_begin = begin.checked_add(self.call_timeout);
        let own_end = request.timeout().and_then(|own| begin.checked_add(*own));
        let mut backoff = Backoff::new(self.policy);
        let mut left = self.policy.max_retries;
        let mut in_doubt = false;
        loop {
            // A body that is a stream is there only once.
            let again = (left > 0).then(|| request.try_clone()).flatten();
            let failure = match self.attempt(request, success, &whole).await {
                Ok(done) => return Ok(Ok(done)),
                Err(failure) => failure,
            };
            let repeatable =
                failure.is_transient && (repeat != Repeat::Unapplied || !failure.perhaps_applied);
            let Some(next) = again.filter(|_| repeatable) else {
                return failure.end(repeat, in_doubt);
            };
            let wait = backoff.wait(fastrand::f64(), failure.asked);
            let now = Instant::now();
            let late = last_begin.is_some_and(|last| now + wait >= last);
            if late || !self.budget.withdraw(now) {
                return failure.end(repeat, in_doubt);
            }
            in_doubt |= repeat.is_write() && failure.perhaps_applied;
            sleep(wait).await;
            left -= 1;
            request = next;
            if let Some(end) = own_end.max(last_begin) {
                let rest = end.saturating_duration_since(Instant::now());
                let timeout = request.timeout_mut();
                *timeout = Some(timeout.map_or(rest, |timeout| timeout.min(rest)));
            }
        }
    }

    async fn attempt<T, Whole: Future<Output = Result<T>>>(
        &self,
        request: Request,
        success: &[StatusCode],
        whole: impl Fn(Response) -> Whole,
    ) -> Result<T, Failure> {
        let response = self.http.execute(request).await;
        let response = response.map_err(|error| Failure::other(error.into()))?;
        let status = response.status();
        if success.contains(&status) {
            return whole(response).await.map_err(Failure::other);
        }
        let asked = retry_after(response.headers());
        match wire::problem(response).await {
            Ok(problem) => Err(Failure::problem(status, problem, asked)),
            Err(error) => Err(Failure::other(error)),
        }
    }
}

impl Failure {
    fn problem(status: StatusCode, problem: Problem, asked: Option<Duration>) -> Failure {
        Failure {
            is_transient: is_transient(status),
            // Of other answers it is clear that somebody refused.
            perhaps_applied: !is_definitely_not_applied(&problem)
                && (status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT),
            what: Failed::Problem(problem),
            asked,
        }
    }

    fn other(error: Error) -> Failure {
        let (is_transient, perhaps_applied) = match &error {
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
        Failure {
            what: Failed::Other(error),
            is_transient,
            perhaps_applied,
            asked: None,
        }
    }

    /// What the caller gets to know if there is no other try.
    fn end<T>(self, repeat: Repeat, in_doubt: bool) -> Result<Result<T, Problem>> {
        let unknown = repeat.is_write() && self.perhaps_applied;
        match self.what {
            Failed::Problem(problem) if in_doubt => Err(Error::api(problem).after_doubt()),
            Failed::Other(error) if in_doubt => Err(error.after_doubt()),
            Failed::Problem(problem) if unknown => Ok(Err(problem.in_doubt())),
            Failed::Problem(problem) => Ok(Err(problem)),
            Failed::Other(error) if unknown => Err(error.in_doubt()),
            Failed::Other(error) => Err(error),
        }
    }
}
