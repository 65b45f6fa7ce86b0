//! The path of a namespace or a key: `/kv/{namespace}` and `/kv/{namespace}/{key}`.
//!
//! A path is split on `/` first and each segment is decoded afterwards (RFC 3986, section 2.4), so that `%2F` is a slash
//! in a key. A key is any bytes. A key that URL libraries or proxies would rewrite in spite of percent-encoding is written
//! as base64url after the segment `~64`. Invariant: a path built here means the same bytes to the parser here after any
//! URL library or proxy has passed it on.

use std::borrow::Cow;

use akvs_core::{Code, Error, Key, Namespace, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::{base64url, header, problem};

/// The path below which namespaces and keys are.
pub const KV: &str = "/kv";
/// The segment before a key as base64url.
pub const KEY64: &str = "~64";
/// All characters except the unreserved ones (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns the path of a namespace, `/kv/{namespace}`.
pub fn namespace_path(name: &str) -> Result<String> {
    Namespace::check(name.as_bytes())?;
    if matches!(name, "." | "..") {
        // The URL standard makes these path steps in any spelling, `%2E` too, and there is no other name for them.
        let text = format!("the namespace {name:?} cannot be named in a URL");
        return Err(Error::new(Code::InvalidNamespace, text));
    }
    let name = percent_encode(name.as_bytes(), RESERVED);
    Ok(format!("{KV}/{name}"))
}

/// Returns the path of a key below its namespace: `/{key}`, or `/~64/{base64url}` for a key that percent-encoding does
/// not carry.
pub fn key_path(key: &[u8]) -> Result<String> {
    Key::check(key)?;
    let mut path = String::from("/");
    if survives(key) {
        path.extend(percent_encode(key, RESERVED));
    } else {
        path.push_str(KEY64);
        path.push('/');
        base64url::encode_to(key, &mut path);
    }
    Ok(path)
}

/// Returns whether percent-encoding is enough. Dots are path steps to URL libraries; slashes and backslashes to proxies,
/// which also refuse control characters and broken UTF-8, and decode `%25` once too often.
fn survives(key: &[u8]) -> bool {
    let rewritten = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'%');
    !matches!(key, b"." | b"..")
        && key != KEY64.as_bytes()
        && !key.iter().any(rewritten)
        && std::str::from_utf8(key).is_ok()
}

/// The namespace and the key of a path below `/kv/`.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyPath<'a> {
    /// The name of the namespace, decoded and valid.
    pub namespace: Cow<'a, str>,
    /// The key, decoded and valid.
    pub key: Cow<'a, [u8]>,
}

/// Parses the rest of a raw path after `/kv/` as a namespace; none if it has another segment or is empty.
pub fn parse_namespace(rest: &str) -> Option<Result<Cow<'_, str>>> {
    // With a slash after it, it is a path whose key is missing.
    (!rest.is_empty() && !rest.contains('/')).then(|| namespace(rest))
}

/// Parses the rest of a raw path after `/kv/` as a namespace and a key. Nothing is copied unless a segment has an escape.
pub fn parse(rest: &str) -> Result<KeyPath<'_>> {
    let mut segments = rest.split('/');
    let namespace = segments.next().unwrap_or_default();
    let Some(first) = segments.next() else {
        return Err(no_such_path("no such path: expected /kv/NAMESPACE/KEY"));
    };
    let mut second = segments.next();
    let mut third = segments.next();
    if namespace.is_empty() || first.is_empty() {
        return Err(no_such_path(if namespace.is_empty() {
            "the namespace is empty"
        } else {
            "the key is empty"
        }));
    }
    let is_base64 =
        second.is_some() && decode(first, Code::InvalidKey)?.as_ref() == KEY64.as_bytes();
    // One trailing slash after a key is dropped.
    match (is_base64, second, third) {
        (false, Some(""), None) => second = None,
        (true, Some(_), Some("")) => third = None,
        _ => {}
    }
    let key = match (is_base64, second, third, segments.next()) {
        (false, None, None, None) => decode(first, Code::InvalidKey)?,
        (true, Some(""), None, None) => return Err(no_such_path("the key is empty")),
        (true, Some(text), None, None) => Cow::Owned(decode_base64_key(text)?),
        _ => {
            return Err(no_such_path(
                "no such path: a path has one key; write a slash in a key as %2F",
            ));
        }
    };
    let namespace = self::namespace(namespace)?;
    Key::check(&key)?;
    Ok(KeyPath { namespace, key })
}

fn namespace(segment: &str) -> Result<Cow<'_, str>> {
    Ok(match decode(segment, Code::InvalidNamespace)? {
        Cow::Borrowed(bytes) => Cow::Borrowed(Namespace::check(bytes)?),
        Cow::Owned(bytes) => Cow::Owned(Namespace::check(&bytes)?.to_owned()),
    })
}

/// Returns the error of a path that does not exist; its context tells clients that the base URL may be wrong.
pub fn no_such_path(why: impl Into<String>) -> Error {
    Error::new(Code::NotFound, why).with(problem::MISSING, header::MISSING_PATH)
}

/// Decodes the percent escapes of a segment; a malformed one is an error with this code.
pub fn decode(segment: &str, code: Code) -> Result<Cow<'_, [u8]>> {
    let bytes = segment.as_bytes();
    let Some(first) = bytes.iter().position(|byte| *byte == b'%') else {
        return Ok(Cow::Borrowed(bytes));
    };
    // The library leaves a malformed escape as it is; here it is an error.
    let mut rest = &bytes[first..];
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => {
                let escape = rest[at..].get(..3).unwrap_or(&rest[at..]).escape_ascii();
                let message =
                    format!("invalid percent escape \"{escape}\": write a percent sign as %25");
                return Err(Error::new(code, message));
            }
        }
    }
    Ok(percent_encoding::percent_decode(bytes).into())
}

fn decode_base64_key(text: &str) -> Result<Vec<u8>> {
    let text = decode(text, Code::InvalidKey)?;
    // A longer text decodes to a key that is too long.
    if text.len() > Key::MAX_BYTES * 2 {
        return Err(Error::new(
            Code::InvalidKey,
            format!(
                "the key is too long: expected at most {} bytes",
                Key::MAX_BYTES
            ),
        )
        .with("limit", Key::MAX_BYTES));
    }
    base64url::decode(&text)
        .map_err(|error| Error::new(Code::InvalidKey, format!("invalid key: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use url::Url;

    fn key_of(rest: &str) -> (String, Vec<u8>) {
        let path = parse(rest).unwrap_or_else(|error| panic!("{rest}: {error}"));
        (path.namespace.into_owned(), path.key.into_owned())
    }

    fn code(rest: &str) -> Code {
        parse(rest).expect_err(rest).code()
    }

    #[test]
    fn each_segment_is_decoded_once_to_bytes() {
        assert_eq!(key_of("ns/key"), ("ns".into(), b"key".to_vec()));
        assert_eq!(key_of("n%20s/a%2Fb"), ("n s".into(), b"a/b".to_vec()));
        assert_eq!(key_of("ns/%FF%fe%00"), ("ns".into(), vec![0xff, 0xfe, 0]));
        assert_eq!(key_of("ns/%252F"), ("ns".into(), b"%2F".to_vec()));
        assert_eq!(key_of("ns/a+b"), ("ns".into(), b"a+b".to_vec()));
        assert_eq!(key_of("ns/~64"), ("ns".into(), b"~64".to_vec()));
    }

    #[test]
    fn nothing_is_copied_without_an_escape() {
        let path = parse("ns/key").unwrap();
        assert!(matches!(
            (path.namespace, path.key),
            (Cow::Borrowed(_), Cow::Borrowed(_))
        ));
    }

    #[test]
    fn one_trailing_slash_is_dropped() {
        assert_eq!(key_of("ns/key/"), ("ns".into(), b"key".to_vec()));
        assert_eq!(key_of("ns/~64/YQ/"), ("ns".into(), b"a".to_vec()));
        assert_eq!(code("ns/key//"), Code::NotFound);
        assert_eq!(code("ns/~64/YQ//"), Code::NotFound);
    }

    #[test]
    fn a_path_without_one_key_is_not_found() {
        for rest in [
            "",
            "ns",
            "ns/",
            "/key",
            "//",
            "ns//",
            "ns/a/b",
            "ns//key",
            "ns/~64/",
            "ns/~64/YQ/b",
        ] {
            assert_eq!(code(rest), Code::NotFound, "{rest}");
        }
        assert!(parse("ns/a/b").unwrap_err().message().contains("%2F"));
    }

    #[test]
    fn a_malformed_escape_is_named() {
        for rest in ["ns/%", "ns/%4", "ns/%zz", "ns/a%2", "ns/%4g", "ns/%%41"] {
            assert_eq!(code(rest), Code::InvalidKey, "{rest}");
        }
        assert_eq!(code("%zz/key"), Code::InvalidNamespace);
        assert!(parse("ns/x%zzy").unwrap_err().message().contains("\"%zz\""));
    }

    #[test]
    fn a_key_in_base64url_is_any_bytes() {
        assert_eq!(key_of("ns/~64/_v8").1, vec![0xfe, 0xff]);
        assert_eq!(key_of("ns/~64/Li4").1, b"..");
        assert_eq!(key_of("ns/%7E64/Li4").1, b"..");
        for rest in ["ns/~64/Li4=", "ns/~64/a", "ns/~64/*", "ns/~64/_v9"] {
            assert_eq!(code(rest), Code::InvalidKey, "{rest}");
        }
    }

    #[test]
    fn lengths_are_checked_decoded() {
        assert_eq!(
            key_of(&format!("ns/{}", "%41".repeat(1_024))).1.len(),
            1_024
        );
        assert_eq!(code(&format!("ns/{}", "a".repeat(1_025))), Code::InvalidKey);
        assert_eq!(
            code(&format!("ns/~64/{}", "A".repeat(100_000))),
            Code::InvalidKey
        );
        assert_eq!(
            key_of(&format!("{}/k", "%C3%BC".repeat(64))).0,
            "ü".repeat(64)
        );
        assert_eq!(
            code(&format!("{}/k", "n".repeat(129))),
            Code::InvalidNamespace
        );
        assert_eq!(code("%FF/k"), Code::InvalidNamespace);
        assert_eq!(code("a%0Ab/k"), Code::InvalidNamespace);
    }

    /// Parses the path that is built for a key, after a URL library has read it.
    fn round_trip(namespace: &str, key: &[u8]) -> (String, Vec<u8>) {
        let path = [namespace_path(namespace).unwrap(), key_path(key).unwrap()].concat();
        let url = Url::parse(&format!("http://h{path}")).unwrap();
        assert_eq!(url.query(), None);
        key_of(url.path().strip_prefix("/kv/").expect("the API's prefix"))
    }

    #[test]
    fn plain_keys_stay_readable() {
        for (key, path) in [
            ("bar", "/bar"),
            ("user-7_a.b~c", "/user-7_a.b~c"),
            ("a b+c?d#e", "/a%20b%2Bc%3Fd%23e"),
            ("Grüße", "/Gr%C3%BC%C3%9Fe"),
            ("...", "/..."),
            ("~65", "/~65"),
        ] {
            assert_eq!(key_path(key.as_bytes()).unwrap(), path);
        }
    }

    #[test]
    fn keys_that_would_not_survive_are_base64url() {
        for (key, path) in [
            (&b"."[..], "/~64/Lg"),
            (b"..", "/~64/Li4"),
            (b"~64", "/~64/fjY0"),
            (b"/", "/~64/Lw"),
            (b"a/b", "/~64/YS9i"),
            (b"a/", "/~64/YS8"),
            (b"a\\b", "/~64/YVxi"),
            (b"%2e", "/~64/JTJl"),
            (b"\0", "/~64/AA"),
            (b"\xff\xfe", "/~64/__4"),
        ] {
            assert_eq!(key_path(key).unwrap(), path);
        }
    }

    #[test]
    fn every_byte_and_every_pair_of_special_bytes_survives() {
        for byte in 0..=255_u8 {
            assert_eq!(round_trip("ns", &[byte]).1, [byte]);
        }
        for first in b"./~64%+\\ ?#;" {
            for second in b"./~64%+\\ ?#;" {
                assert_eq!(round_trip("ns", &[*first, *second]).1, [*first, *second]);
            }
        }
    }

    proptest! {
        #[test]
        fn every_key_survives(key in vec(any::<u8>(), 1..=Key::MAX_BYTES)) {
            prop_assert_eq!(round_trip("ns", &key).1, key);
        }

        #[test]
        fn every_key_of_special_characters_survives(key in "[./~64%+2eEfF\\\\ ?#;:@&=]{1,8}") {
            prop_assert_eq!(round_trip("ns", key.as_bytes()).1, key.into_bytes());
        }

        #[test]
        fn every_namespace_survives(name in "[^\\p{Cc}]{1,32}") {
            prop_assume!(!matches!(&*name, "." | ".."));
            prop_assert_eq!(round_trip(&name, b"key"), (name, b"key".to_vec()));
        }
    }

    #[test]
    fn a_key_out_of_bounds_has_no_path() {
        for key in [&b""[..], &[b'k'; Key::MAX_BYTES + 1]] {
            assert_eq!(key_path(key).unwrap_err().code(), Code::InvalidKey);
        }
        assert!(key_path(&[b'k'; Key::MAX_BYTES]).is_ok());
    }

    #[test]
    fn a_namespace_that_is_a_path_step_in_urls_is_refused() {
        for name in [".", ".."] {
            let error = namespace_path(name).unwrap_err();
            assert_eq!(error.code(), Code::InvalidNamespace);
            assert!(
                error.to_string().contains("cannot be named in a URL"),
                "{error}"
            );
        }
        assert_eq!(namespace_path("...").unwrap(), "/kv/...");
        assert_eq!(namespace_path("a/b").unwrap(), "/kv/a%2Fb");
        assert!(namespace_path("").is_err());
    }
}
