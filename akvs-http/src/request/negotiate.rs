//! Content negotiation (RFC 9110, section 12.5.1): whether a client lists JSON by name, for the form of an error; whether
//! it prefers HTML, for `GET /`; and whether it prefers NDJSON, for a list of keys.

use actix_web::http::header::{ACCEPT, Accept, Header, Quality};
use akvs_api::media_type;

use super::message::Request;

/// Returns whether the client lists `application/problem+json` or `application/json`. `*/*` lists neither.
pub(crate) fn lists_json(request: &Request) -> bool {
    // The common cases: no field, or that of curl.
    if request
        .headers()
        .get(ACCEPT)
        .is_none_or(|accept| accept == "*/*")
    {
        return false;
    }
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    accept.iter().any(|range| {
        let listed = matches!(
            range.item.essence_str(),
            media_type::PROBLEM_JSON | media_type::JSON
        );
        listed && range.quality > Quality::ZERO
    })
}

/// Returns whether the client lists `text/html` by name and does not prefer plain text. `*/*` lists nothing.
pub(crate) fn prefers_html(request: &Request) -> bool {
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let Some(html) = quality(&accept, "text/html") else {
        return false;
    };
    // The most specific range has the quality of a type.
    let text = ["text/plain", "text/*", "*/*"]
        .into_iter()
        .find_map(|range| quality(&accept, range));
    html > Quality::ZERO && text.is_none_or(|text| html >= text)
}

/// Returns whether the client lists NDJSON by name and does not prefer JSON. `*/*` lists nothing.
pub(crate) fn prefers_ndjson(request: &Request) -> bool {
    if !request.headers().contains_key(ACCEPT) {
        return false;
    }
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let lines = quality(&accept, media_type::NDJSON).filter(|quality| *quality > Quality::ZERO);
    lines.is_some() && lines >= quality(&accept, media_type::JSON)
}

/// Returns the quality of a media range that the client lists.
fn quality(accept: &Accept, range: &str) -> Option<Quality> {
    let listed = accept
        .iter()
        .filter(|listed| listed.item.essence_str() == range);
    listed.map(|listed| listed.quality).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_json_by_name_counts() {
        for (accept, expected) in [
            ("application/json", true),
            ("application/problem+json", true),
            ("text/html, application/json;q=0.5", true),
            ("application/json; charset=utf-8", true),
            ("application/json;q=0", false),
            ("*/*", false),
            ("application/*", false),
            ("text/plain", false),
            ("garbage", false),
        ] {
            let request = TestRequest::default()
                .insert_header(("accept", accept))
                .to_http_request()
                .into();
            assert_eq!(lists_json(&request), expected, "{accept}");
        }
        assert!(!lists_json(
            &TestRequest::default().to_http_request().into()
        ));
    }

    #[test]
    fn html_must_be_preferred_at_least_as_much_as_text() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, expected) in [
            (browser, true),
            ("text/html", true),
            ("TEXT/HTML", true),
            ("text/html;charset=utf-8", true),
            ("text/html, */*", true),
            ("text/html, text/plain", true),
            ("text/plain;q=0.4, text/html;q=0.5, */*", true),
            ("text/html;q=0.5, text/plain;q=0.6", false),
            ("text/html;q=0.5, text/*;q=0.6", false),
            ("text/html;q=0.5, */*", false),
            ("text/html;q=0, */*;q=0.1", false),
            ("text/html;q=0", false),
            ("*/*", false),
            ("text/*", false),
            ("text/plain", false),
            ("application/json", false),
            ("garbage", false),
            ("", false),
        ] {
            let request = TestRequest::default()
                .insert_header(("accept", accept))
                .to_http_request()
                .into();
            assert_eq!(prefers_html(&request), expected, "{accept}");
        }
        assert!(!prefers_html(
            &TestRequest::default().to_http_request().into()
        ));
    }
}
