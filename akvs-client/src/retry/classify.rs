//! The meaning of error answers for retries.
//!
//! It owns the interpretation of status, code and `Retry-After`. It does not decide whether a request may be repeated.
//! Invariant: a write that is not clearly reported as not applied counts as possibly applied.

use std::time::Duration;

use akvs_core::Code;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::error::Problem;
use crate::wire;

/// Returns whether the answer means that nothing was done: by the server's code, or by a status with which a proxy
/// reports that it forwarded nothing (RFC 6585, section 4; RFC 8470, section 5.2).
pub(crate) fn is_definitely_not_applied(problem: &Problem) -> bool {
    match problem.code() {
        Some(code) => code != Code::OutcomeUnknown,
        None => matches!(
            StatusCode::from_u16(problem.status()),
            Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY)
        ),
    }
}

/// Returns the wait that the server requests (RFC 9110, section 10.2.3). A date is relative to the answer's own date,
/// so that the local clock does not matter.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = wire::text_field(headers, RETRY_AFTER)?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(&text).ok()?;
    let from = httpdate::parse_http_date(&wire::text_field(headers, DATE)?).ok()?;
    until.duration_since(from).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_read_as_seconds_and_as_a_date() {
        let wait = |after: &'static str, date: &'static str| {
            retry_after(&HeaderMap::from_iter([
                (RETRY_AFTER, HeaderValue::from_static(after)),
                (DATE, HeaderValue::from_static(date)),
            ]))
        };
        let (date, later) = (
            "Sun, 09 Sep 2001 01:46:40 GMT",
            "Sun, 09 Sep 2001 01:46:47 GMT",
        );
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait("7", "none"), seconds(7));
        assert_eq!(wait(later, date), seconds(7));
        assert_eq!(wait(date, date), seconds(0));
        for (after, date) in [(date, later), ("soon", date), (later, "now"), ("-1", date)] {
            assert_eq!(wait(after, date), None, "{after}");
        }
    }

    #[test]
    fn an_answer_of_a_proxy_does_not_prove_that_nothing_was_done() {
        for (status, code, not_applied) in [
            (503, Some("unavailable"), true),
            (503, Some("overloaded"), true),
            (503, Some("closing"), true),
            (412, Some("precondition_failed"), true),
            (504, Some("outcome_unknown"), false),
            (503, Some("of another contract"), false),
            (503, None, false),
            (502, None, false),
            (500, None, false),
            (408, None, false),
            (429, None, true),
        ] {
            let problem = Problem::new(status, "").with_code(code.map(str::to_owned));
            assert_eq!(
                is_definitely_not_applied(&problem),
                not_applied,
                "{status} {code:?}"
            );
        }
    }
}
