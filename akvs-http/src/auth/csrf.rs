//! Cross-site request forgery: a page of any site can make a browser send requests to a server that the browser reaches.
//!
//! Requests that a browser sends without a preflight (a form, a `fetch` of plain text) are recognized by header fields that
//! only the browser sets and no page can forge. Reads need no check, because the browser withholds the answer from the
//! page.

use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns whether a request that may write comes from a page of another site.
pub(super) fn is_cross_site_write(method: &Method, headers: &HeaderMap) -> bool {
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
    // `null` is the origin of a page whose origin is opaque.
    own.is_none() || own != host
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn only_a_write_of_another_page_is_cross_site() {
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
                let found = is_cross_site_write(&method, &headers);
                assert_eq!(found, expected && is_change, "{method} {site} {origin}");
            }
        }
    }
}
