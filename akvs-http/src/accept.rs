//! What a client accepts as the text of an error (RFC 9110, section 12.5.1), as far as the contract cares: whether it
//! lists JSON by name.

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT, Accept, Header, Quality};

/// Whether the client lists `application/problem+json` or `application/json`. `*/*` lists neither.
pub(crate) fn lists_json(request: &HttpRequest) -> bool {
    // Most clients of the original send no such header, or curl's.
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
            "application/problem+json" | "application/json"
        );
        listed && range.quality > Quality::ZERO
    })
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
                .to_http_request();
            assert_eq!(lists_json(&request), expected, "{accept}");
        }
        assert!(!lists_json(&TestRequest::default().to_http_request()));
    }
}
