//! The decision which requests may be sent twice.
//!
//! It owns the classification of requests. It does not know answers. Invariant: a request counts as repeatable only if
//! applying it twice equals applying it once, or if its condition fails the second time.

use reqwest::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, Request};

/// The effect of repeating a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It reads again.
    Read,
    /// It is a write that changes nothing the second time, or is refused because its condition fails.
    Write,
    /// It could be applied twice, and may be repeated only if it was not applied.
    Unapplied,
}

impl Repeat {
    pub(super) fn from_request(request: &Request) -> Repeat {
        let method = request.method();
        if matches!(*method, Method::GET | Method::HEAD) {
            return Repeat::Read;
        }
        // With a query it deletes more than one key, and may delete keys that were created in between.
        let removes_key = *method == Method::DELETE && request.url().query().is_none();
        let is_post = *method == Method::POST;
        match removes_key || is_post && fails_once_applied(request.headers()) {
            true => Repeat::Write,
            false => Repeat::Unapplied,
        }
    }

    pub(super) fn is_write(self) -> bool {
        self != Repeat::Read
    }
}

/// Returns whether the condition fails once the write was applied: a revision is never reused, and an absent key exists
/// then. `If-Match: *` still holds afterwards.
fn fails_once_applied(headers: &HeaderMap) -> bool {
    let is = |name: HeaderName, any: bool| {
        let value = headers.get(name);
        value.is_some_and(|value| (value.as_bytes() == b"*") == any)
    };
    is(IF_NONE_MATCH, true) || is(IF_MATCH, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(method: Method, path: &str, header: Option<(HeaderName, &str)>) -> Repeat {
        let url = format!("http://h{path}").parse().unwrap();
        let mut request = Request::new(method, url);
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        Repeat::from_request(&request)
    }

    #[test]
    fn only_safe_requests_are_repeated() {
        let key = "/kv/n/k";
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(classify(method, key, None), Repeat::Read);
        }
        assert_eq!(classify(Method::DELETE, key, None), Repeat::Write);
        for query in ["?confirm=n", "?prefix=p"] {
            let path = format!("/kv/n{query}");
            assert_eq!(classify(Method::DELETE, &path, None), Repeat::Unapplied);
        }
        for (header, repeat) in [
            (None, Repeat::Unapplied),
            (Some((IF_NONE_MATCH, "*")), Repeat::Write),
            (Some((IF_MATCH, "\"7\"")), Repeat::Write),
            (Some((IF_MATCH, "*")), Repeat::Unapplied),
            (Some((IF_NONE_MATCH, "\"7\"")), Repeat::Unapplied),
        ] {
            assert_eq!(
                classify(Method::POST, key, header.clone()),
                repeat,
                "{header:?}"
            );
            let add = "/kv/n/k?op=add";
            assert_eq!(
                classify(Method::POST, add, header.clone()),
                repeat,
                "{header:?}"
            );
        }
        assert_eq!(classify(Method::PUT, "/kv/n", None), Repeat::Unapplied);
        assert_eq!(classify(Method::POST, "/txn/n", None), Repeat::Unapplied);
    }
}
