//! Names and values of the header fields that are not standard; the names are in lower case.

/// `AKVS-Existed`: whether the key existed before the write.
pub const EXISTED: &str = "akvs-existed";
/// `AKVS-Expires`: when the key expires, as RFC 3339 in UTC with milliseconds.
pub const EXPIRES: &str = "akvs-expires";
/// `AKVS-Missing`: what a 404 is about, one of [`MISSING_KEY`], [`MISSING_NAMESPACE`] and [`MISSING_PATH`].
pub const MISSING: &str = "akvs-missing";
/// `AKVS-Route`: the route that the client means, so that the server refuses a request with a wrong base URL.
pub const ROUTE: &str = "akvs-route";
/// `AKVS-Write-Only`: replaces `AKVS-Existed` in answers to a token without the right to read.
pub const WRITE_ONLY: &str = "akvs-write-only";
/// `Prefer` (RFC 7240), with `wait=SECONDS` for a long poll.
pub const PREFER: &str = "prefer";

/// The value of [`MISSING`] when the namespace exists and the key does not.
pub const MISSING_KEY: &str = "key";
/// The value of [`MISSING`] when the namespace does not exist.
pub const MISSING_NAMESPACE: &str = "namespace";
/// The value of [`MISSING`] when the server has no such path.
pub const MISSING_PATH: &str = "path";

/// True as a structured field (RFC 9651, section 3.3.6).
pub const TRUE: &str = "?1";
/// False as a structured field.
pub const FALSE: &str = "?0";

/// Parses a boolean of a structured field.
pub fn parse_boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"?1" => Some(true),
        b"?0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_structured_fields() {
        assert_eq!(parse_boolean(TRUE.as_bytes()), Some(true));
        assert_eq!(parse_boolean(FALSE.as_bytes()), Some(false));
        assert_eq!(parse_boolean(b"true"), None);
    }

    #[test]
    fn names_are_in_lower_case() {
        for name in [EXISTED, EXPIRES, MISSING, ROUTE, WRITE_ONLY, PREFER] {
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }
}
