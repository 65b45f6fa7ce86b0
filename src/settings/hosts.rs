//! Host names of the server, as they are written: one, or a list, which may be empty.
//!
//! It owns their syntax. `akvs-http` checks requests against them.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// More are likely a mistake.
const MAX_HOSTS: usize = 64;
/// The longest name in DNS, in bytes.
const MAX_NAME_BYTES: usize = 253;

/// Host names. Read from a list, or from a text with commas. Each of them:
///
/// - has 1 to 253 ASCII letters, digits, hyphens, underscores and dots, without two adjacent dots and without a leading
///   one;
/// - has no scheme, port or path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct HostNames(Vec<String>);

impl HostNames {
    fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<HostNames, String> {
        let list = texts
            .into_iter()
            .map(|text| match check(text.trim()) {
                Ok(()) => Ok(text.trim().to_owned()),
                Err(why) => Err(format!("host {text:?}: {why}")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        match list.len() {
            0..=MAX_HOSTS => Ok(HostNames(list)),
            _ => Err(format!("expected at most {MAX_HOSTS} hosts")),
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<String> {
        self.0.clone()
    }
}

fn check(name: &str) -> Result<(), &'static str> {
    const SUCH_AS: &str = "expected a host name, such as db.example.com";
    if name.contains("://") {
        return Err("expected a host name without a scheme, such as db.example.com");
    }
    if name.contains(':') {
        return Err("expected a host name without a port, such as db.example.com");
    }
    if !name.is_ascii() {
        return Err("expected ASCII, as in DNS, such as xn--bcher-kva.example");
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let labels = name.strip_suffix('.').unwrap_or(name);
    let has_labels = labels.split('.').all(|label| !label.is_empty());
    if name.len() <= MAX_NAME_BYTES && has_labels && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(SUCH_AS)
    }
}

impl<'de> Deserialize<'de> for HostNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HostNames, D::Error> {
        deserializer.deserialize_any(HostNamesVisitor)
    }
}

struct HostNamesVisitor;

impl<'de> Visitor<'de> for HostNamesVisitor {
    type Value = HostNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host name, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HostNames, E> {
        let names = if text.trim().is_empty() {
            Vec::new()
        } else {
            text.split(',').collect()
        };
        HostNames::parse(names).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<HostNames, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            texts.push(text);
        }
        HostNames::parse(texts.iter().map(String::as_str)).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_has_no_scheme_and_no_port() {
        for good in [
            "db.example.com",
            "DB.example.",
            "akvs",
            "a_b-c.d",
            "10.0.0.1",
        ] {
            assert!(HostNames::parse([good]).is_ok(), "{good}");
        }
        for (bad, word) in [
            ("", "host name"),
            (".", "host name"),
            ("a..b", "host name"),
            (".a", "host name"),
            ("a b", "host name"),
            ("a/b", "host name"),
            ("*.example.com", "host name"),
            ("http://a.b", "scheme"),
            ("a.b:80", "port"),
            ("[::1]", "port"),
            ("bücher.example", "ASCII"),
        ] {
            let why = HostNames::parse([bad]).expect_err(bad);
            assert!(why.contains(word), "{bad}: {why}");
        }
        assert!(HostNames::parse(["a".repeat(254).as_str()]).is_err());
        assert!(HostNames::parse(vec!["a"; MAX_HOSTS + 1]).is_err());
    }
}
