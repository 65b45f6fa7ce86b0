//! The requests of each server that do the same.
//!
//! A key is the letter `k` and eight digits, or for etcd twelve characters that are valid base64.

use super::Kind;
use crate::load::Template;
use crate::result::Result;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Request {
    /// Reads a value.
    Get,
    /// Writes a value of this length.
    Set(usize),
    /// Reads a page of this number of keys with their values.
    List(usize),
    /// Reads this number of keys with their values.
    GetMany(usize),
    /// Writes this number of keys of 100 bytes, all or none.
    Transaction(usize),
}

/// The length of the values in most requests.
pub(crate) const VALUE_BYTES: usize = 100;

impl Request {
    /// Returns the request as this server takes it, if it has such a request.
    pub(crate) fn template(self, kind: Kind) -> Result<Option<Template>> {
        let value_bytes = match self {
            // etcd takes base64: 75 bytes.
            Request::Set(length) => length,
            Request::Get | Request::List(_) | Request::GetMany(_) | Request::Transaction(_) => {
                VALUE_BYTES
            }
        };
        let text = match kind {
            Kind::RedisAlways | Kind::RedisEverySecond | Kind::RedisOff => self.resp(),
            Kind::Webdis => self.webdis(),
            Kind::Etcd => self.etcd(),
            Kind::AkvsFsync | Kind::AkvsInterval | Kind::AkvsMemory | Kind::Actix | Kind::Nginx => {
                self.akvs()
            }
        };
        text.map(|text| Template::parse(&text, value_bytes))
            .transpose()
    }

    fn akvs(self) -> Option<String> {
        let each = |count: usize, one: &str| vec![one; count].join(",");
        Some(match self {
            Request::Get => get("/kv/bench/k{{key}}"),
            Request::Set(length) => post("POST", "/kv/bench/k{{key}}", "{{value}}", length),
            Request::List(count) => get(&format!("/kv/bench?limit={count}&values=true")),
            Request::GetMany(count) => {
                let keys = each(count, "\"k{{key}}\"");
                json("/get/bench", &format!("{{\"keys\":[{keys}]}}"))
            }
            Request::Transaction(count) => {
                let ops = each(
                    count,
                    r#"{"op":"set","key":"k{{key}}","value":"{{value}}"}"#,
                );
                json("/txn/bench", &format!("{{\"ops\":[{ops}]}}"))
            }
        })
    }

    fn webdis(self) -> Option<String> {
        match self {
            Request::Get => Some(get("/GET/k{{key}}")),
            Request::Set(length) => Some(post("PUT", "/SET/k{{key}}", "{{value}}", length)),
            Request::List(_) | Request::GetMany(_) | Request::Transaction(_) => None,
        }
    }

    fn etcd(self) -> Option<String> {
        match self {
            Request::Get => Some(json("/v3/kv/range", r#"{"key":"kkkk{{key}}"}"#)),
            Request::Set(_) => {
                let text = r#"{"key":"kkkk{{key}}","value":"{{value}}"}"#;
                Some(json("/v3/kv/put", text))
            }
            Request::List(count) => Some(json(
                "/v3/kv/range",
                &format!(r#"{{"key":"kkkk","range_end":"kkkl","limit":{count}}}"#),
            )),
            Request::Transaction(count) => {
                let one = r#"{"requestPut":{"key":"kkkk{{key}}","value":"{{value}}"}}"#;
                let all = vec![one; count].join(",");
                Some(json("/v3/kv/txn", &format!(r#"{{"success":[{all}]}}"#)))
            }
            Request::GetMany(_) => None,
        }
    }

    fn resp(self) -> Option<String> {
        const KEY: &str = "$9\r\nk{{key}}\r\n";
        let value = |length: usize| format!("${length}\r\n{{{{value}}}}\r\n");
        Some(match self {
            Request::Get => format!("*2\r\n$3\r\nGET\r\n{KEY}"),
            Request::Set(length) => format!("*3\r\n$3\r\nSET\r\n{KEY}{}", value(length)),
            Request::GetMany(count) => {
                format!("*{}\r\n$4\r\nMGET\r\n{}", count + 1, KEY.repeat(count))
            }
            Request::Transaction(count) => {
                let pair = format!("{KEY}{}", value(VALUE_BYTES));
                format!("*{}\r\n$4\r\nMSET\r\n{}", 2 * count + 1, pair.repeat(count))
            }
            Request::List(_) => return None,
        })
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}

fn post(method: &str, path: &str, content: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{content}"
    )
}

/// Returns a POST of a document, whose length is that of the filled holes.
fn json(path: &str, document: &str) -> String {
    let keys = document.matches("{{key}}").count();
    let values = document.matches("{{value}}").count();
    let length = document.len() + keys * 8 + values * VALUE_BYTES
        - keys * "{{key}}".len()
        - values * "{{value}}".len();
    post("POST", path, document, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_length_of_its_filled_holes() {
        for request in [
            Request::GetMany(3),
            Request::Transaction(2),
            Request::Set(100),
            Request::Get,
        ] {
            for kind in [Kind::AkvsFsync, Kind::Etcd] {
                let Some(template) = request.template(kind).unwrap() else {
                    continue;
                };
                let mut filler = crate::load::Filler::new(100, 1, Some(1), 1);
                let mut output = Vec::new();
                filler.write(&template, &mut output);
                let text = String::from_utf8(output).unwrap();
                let (head, content) = text.split_once("\r\n\r\n").unwrap();
                if let Some((_, length)) = head.split_once("Content-Length: ") {
                    assert_eq!(length, content.len().to_string(), "{kind:?} {request:?}");
                }
            }
        }
    }

    #[test]
    fn servers_without_such_a_request_are_left_out() {
        assert!(
            Request::List(100)
                .template(Kind::RedisOff)
                .unwrap()
                .is_none()
        );
        assert!(
            Request::List(100)
                .template(Kind::AkvsFsync)
                .unwrap()
                .is_some()
        );
    }
}
