//! Other sites' pages: a browser on this machine reaches a server that is open to this machine, whoever's page asks.
//!
//! What such a page sends without asking first (a form, a `fetch` of plain text) is told by the headers that browsers
//! alone write, and no page can forge. Reading is no danger: the browser keeps the answer from the page.

use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request for a change comes from a page of another site.
pub(super) fn is_foreign_change(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let host = headers.get(HOST).map(|host| host.as_bytes());
    let mut parts = origin.as_bytes().splitn(2, |byte| *byte == b'/');
    let own = parts.nth(1).and_then(|rest| rest.strip_prefix(b"/"));
    // `null` is the origin of a page that has none to show.
    own.is_none() || own != host
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn only_a_change_that_another_page_asks_for_is_foreign() {
        for (site, origin, expected) in [
            ("", "", false),
            ("same-origin", "", false),
            ("none", "", false),
            ("same-site", "", true),
            ("cross-site", "", true),
            ("same-origin", "http://localhost:8080", false),
            ("", "http://localhost:8080", false),
            ("", "https://localhost:8080", false),
            ("", "http://localhost:8081", true),
            ("", "http://localhost", true),
            ("", "http://evil.example", true),
            ("", "http://localhost:8080.evil.example", true),
            ("", "null", true),
            ("", "/", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
            for (name, value) in [(SEC_FETCH_SITE, site), (ORIGIN, origin)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            for (method, is_change) in [
                (Method::POST, true),
                (Method::PUT, true),
                (Method::DELETE, true),
                (Method::GET, false),
                (Method::HEAD, false),
            ] {
                let found = is_foreign_change(&method, &headers);
                assert_eq!(found, expected && is_change, "{method} {site} {origin}");
            }
        }
    }
}
