//! The raw path, sliced by hand: a key is any bytes, and a router that decodes to text would make `%FE` and `%FF`
//! the same key.
//!
//! The path is split on `/` first and each segment decoded after (RFC 3986, section 2.4), so that `%2F` is a slash in
//! a key. Nothing is copied unless a segment has an escape.

use std::borrow::Cow;

use akvs_core::{Code, Error, Key, Namespace, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The member of a problem that says what is missing, where it is no key.
pub(crate) const MISSING: &str = "missing";
/// The segment before a key in base64url.
const BASE64: &[u8] = b"~64";

/// What a path below `/kv/` names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyPath<'a> {
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) key: Cow<'a, [u8]>,
}

/// Reads the namespace alone from what follows `/kv/`, if there is nothing else.
pub(crate) fn parse_namespace(rest: &str) -> Option<Result<Cow<'_, str>>> {
    // With a slash behind it, it is a path whose key is missing.
    (!rest.is_empty() && !rest.contains('/')).then(|| namespace(rest))
}

/// Reads the namespace and the key from what follows `/kv/` in a request's raw path.
pub(crate) fn parse(rest: &str) -> Result<KeyPath<'_>> {
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
    let is_base64 = second.is_some() && decode(first, Code::InvalidKey)?.as_ref() == BASE64;
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

/// The error of a path that there is not, which clients tell from a missing key: a wrong base URL leads here.
pub(crate) fn no_such_path(why: impl Into<String>) -> Error {
    Error::new(Code::NotFound, why).with(MISSING, "path")
}

/// The error of a namespace that there is not.
pub(crate) fn no_such_namespace() -> Error {
    Error::new(Code::NotFound, "no such namespace").with(MISSING, "namespace")
}

/// Decodes the percent escapes of a segment; `code` where one is malformed.
pub(crate) fn decode(segment: &str, code: Code) -> Result<Cow<'_, [u8]>> {
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

/// Decodes base64url without padding.
pub(crate) fn decode_base64(text: &[u8]) -> std::result::Result<Vec<u8>, base64::DecodeError> {
    URL_SAFE_NO_PAD.decode(text)
}

fn decode_base64_key(text: &str) -> Result<Vec<u8>> {
    let text = decode(text, Code::InvalidKey)?;
    // Whatever it decodes to would be too long; no need to decode it.
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
    decode_base64(&text).map_err(|error| {
        Error::new(
            Code::InvalidKey,
            format!("invalid key: expected base64url without padding: {error}"),
        )
    })
}

/// The namespace that a raw path names behind this prefix, or the error `not_found` where there is more or nothing.
pub(crate) fn namespace_after(prefix: &str, path: &str) -> Result<Namespace> {
    let name = path.strip_prefix(prefix).and_then(parse_namespace);
    let name = name.ok_or_else(|| no_such_path("no such path"))?;
    Namespace::new(name?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rest: &str) -> (String, Vec<u8>) {
        let path = parse(rest).unwrap_or_else(|error| panic!("{rest}: {error}"));
        (path.namespace.into_owned(), path.key.into_owned())
    }

    fn code(rest: &str) -> Code {
        parse(rest).expect_err(rest).code()
    }

    #[test]
    fn each_segment_is_decoded_once_to_bytes() {
        assert_eq!(key("ns/key"), ("ns".into(), b"key".to_vec()));
        assert_eq!(key("n%20s/a%2Fb"), ("n s".into(), b"a/b".to_vec()));
        assert_eq!(key("ns/%FF%fe%00"), ("ns".into(), vec![0xff, 0xfe, 0]));
        assert_eq!(key("ns/%252F"), ("ns".into(), b"%2F".to_vec()));
        assert_eq!(key("ns/a+b"), ("ns".into(), b"a+b".to_vec()));
        assert_eq!(key("ns/~64"), ("ns".into(), b"~64".to_vec()));
    }

    #[test]
    fn nothing_is_copied_where_nothing_is_escaped() {
        let path = parse("ns/key").unwrap();
        assert!(matches!(
            (path.namespace, path.key),
            (Cow::Borrowed(_), Cow::Borrowed(_))
        ));
    }

    #[test]
    fn one_trailing_slash_is_dropped() {
        assert_eq!(key("ns/key/"), ("ns".into(), b"key".to_vec()));
        assert_eq!(key("ns/~64/YQ/"), ("ns".into(), b"a".to_vec()));
        assert_eq!(code("ns/key//"), Code::NotFound);
        assert_eq!(code("ns/~64/YQ//"), Code::NotFound);
    }

    #[test]
    fn what_is_no_key_is_not_found() {
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
        assert_eq!(key("ns/~64/_v8").1, vec![0xfe, 0xff]);
        assert_eq!(key("ns/~64/Li4").1, b"..");
        assert_eq!(key("ns/%7E64/Li4").1, b"..");
        for rest in ["ns/~64/Li4=", "ns/~64/a", "ns/~64/*", "ns/~64/_v9"] {
            assert_eq!(code(rest), Code::InvalidKey, "{rest}");
        }
    }

    #[test]
    fn lengths_are_checked_decoded() {
        assert_eq!(key(&format!("ns/{}", "%41".repeat(1_024))).1.len(), 1_024);
        assert_eq!(code(&format!("ns/{}", "a".repeat(1_025))), Code::InvalidKey);
        assert_eq!(
            code(&format!("ns/~64/{}", "A".repeat(100_000))),
            Code::InvalidKey
        );
        assert_eq!(key(&format!("{}/k", "%C3%BC".repeat(64))).0, "ü".repeat(64));
        assert_eq!(
            code(&format!("{}/k", "n".repeat(129))),
            Code::InvalidNamespace
        );
        assert_eq!(code("%FF/k"), Code::InvalidNamespace);
        assert_eq!(code("a%0Ab/k"), Code::InvalidNamespace);
    }
}
