//! A query, and the requests that are about more than a key.
//!
//! It owns how parameters are written, and the paths beside the keys'. It does not know what they mean. Invariant: any
//! bytes go through, since those of keys are told in base64url.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder};

use crate::error::Result;
use crate::wire::json;
use crate::{Namespace, wire};

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

    /// Adds a parameter that is any bytes; the name is that of the twin in base64url.
    pub(crate) fn bytes(&mut self, name64: &str, value: &[u8]) {
        self.text(name64, &json::encoded(value));
    }

    /// The whole, with its question mark.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Namespace {
    /// A request for what there is of this namespace in an area of the server, such as `/kv` or `/export`.
    pub(crate) fn ask(&self, method: Method, area: &str, query: &Query) -> Result<RequestBuilder> {
        let path = wire::namespace_path(self.name())?;
        let path = path.strip_prefix("/kv").unwrap_or(&path);
        self.client().request(method, [area, path, query.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_put_together() {
        let mut query = Query::default();
        assert_eq!(query.as_str(), "");
        query.text("confirm", "a b/ü");
        query.bytes("prefix64", b"\xff");
        assert_eq!(query.as_str(), "?confirm=a%20b%2F%C3%BC&prefix64=%5Fw");
    }

    #[test]
    fn a_namespace_is_named_in_each_area_as_among_its_keys() {
        let client = crate::Client::new("http://h:1").unwrap();
        let namespace = client.namespace("a/b").unwrap();
        let request = namespace.ask(Method::POST, "/txn", &Query::default());
        let url = request.unwrap().build().unwrap().url().to_string();
        assert_eq!(url, "http://h:1/txn/a%2Fb");
    }
}
