//! The query of a request.
//!
//! It owns the encoding of parameters. It does not know their meaning. Invariant: any bytes can be sent; those of keys
//! are in base64url.

use akvs_api::base64url;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds a parameter.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }

    /// Adds a parameter of any bytes, in base64url under its name ending in `64`.
    pub(crate) fn bytes(&mut self, name64: &str, value: &[u8]) {
        self.text(name64, &base64url::encode(value));
    }

    /// Returns the query with its question mark; empty without parameters.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_joined_and_encoded() {
        let mut query = Query::default();
        assert_eq!(query.as_str(), "");
        query.text("confirm", "a b/ü");
        query.bytes("prefix64", b"\xff");
        assert_eq!(query.as_str(), "?confirm=a%20b%2F%C3%BC&prefix64=%5Fw");
    }
}
