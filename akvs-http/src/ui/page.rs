//! The admin page: one document with its style and its scripts, and the headers that forbid anything else.
//!
//! The page is the same for all callers and has no data: its scripts read data from the API with the token that the user
//! enters. Invariant: the hashes in the policy are those of exactly the style and the scripts in the document.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, REFERRER_POLICY};
use actix_web::{HttpResponse, HttpResponseBuilder};
use akvs_core::Result;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::request::conditions;
use crate::request::message::Request;

/// The media type of the page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
const DOCUMENT: &str = include_str!("assets/index.html");
const STYLE: (&str, &str) = ("/* style.css */", include_str!("assets/style.css"));
/// The scripts with their markers in the document, each after those that it uses.
const SCRIPTS: [(&str, &str); 8] = [
    ("/* format.js */", include_str!("assets/format.js")),
    ("/* api.js */", include_str!("assets/api.js")),
    ("/* rights.js */", include_str!("assets/rights.js")),
    ("/* frame.js */", include_str!("assets/frame.js")),
    ("/* namespaces.js */", include_str!("assets/namespaces.js")),
    ("/* keys.js */", include_str!("assets/keys.js")),
    ("/* entry.js */", include_str!("assets/entry.js")),
    ("/* app.js */", include_str!("assets/app.js")),
];

static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

struct Page {
    document: Bytes,
    policy: String,
    tag: String,
}

impl Page {
    fn new() -> Page {
        let parts = SCRIPTS.into_iter().chain([STYLE]);
        let document = parts.fold(DOCUMENT.to_owned(), |document, (marker, text)| {
            document.replacen(marker, text, 1)
        });
        let scripts = SCRIPTS.map(|(_, text)| source(text)).join(" ");
        // `trusted-types` prevents scripts from turning text into markup or code.
        let policy = format!(
            "default-src 'none'; script-src {scripts}; style-src {}; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            source(STYLE.1)
        );
        let tag = URL_SAFE_NO_PAD.encode(Sha256::digest(&document));
        Page {
            document: document.into(),
            policy,
            tag: format!("\"{tag}\""),
        }
    }
}

/// Returns the source expression of an inline text (CSP 3, section 2.3.1).
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Returns the page, or 304 if the reader has it already.
pub(crate) fn answer(request: &Request) -> Result<HttpResponse> {
    let is_known = conditions::for_document(request.headers(), &PAGE.tag)?;
    Ok(if is_known {
        with_headers(HttpResponse::NotModified()).finish()
    } else {
        with_headers(HttpResponse::Ok())
            .content_type(HTML)
            .body(PAGE.document.clone())
    })
}

fn with_headers(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response
        .insert_header((ETAG, PAGE.tag.as_str()))
        // Cached, but validated each time, because a newer server has a newer page.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header(("vary", "accept"))
        .insert_header((CONTENT_SECURITY_POLICY, PAGE.policy.as_str()))
        .insert_header((REFERRER_POLICY, "no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_in_the_document_unchanged() {
        let document = std::str::from_utf8(&PAGE.document).unwrap();
        for (marker, text) in SCRIPTS.into_iter().chain([STYLE]) {
            assert_eq!(DOCUMENT.matches(marker).count(), 1, "{marker}");
            assert!(!document.contains(marker), "{marker}");
            assert!(document.contains(text), "{marker}");
            // Such text would end its element, or change how a parser reads it.
            for end in ["</script", "</style", "<!--", "\r"] {
                assert!(!text.to_ascii_lowercase().contains(end), "{marker}: {end}");
            }
        }
    }

    #[test]
    fn a_hash_is_that_of_the_text() {
        let empty = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        assert_eq!(source(""), empty);
    }

    #[test]
    fn no_script_turns_text_into_markup() {
        for (marker, text) in SCRIPTS {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "localStorage",
            ] {
                assert!(!text.contains(word), "{marker}: {word}");
            }
        }
    }
}
