//! Addresses to listen on, as they are written: one, or a list. An address is a host and a port, or a Unix socket.
//!
//! It owns their syntax. `listeners` resolves names and checks who can connect.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::home;

/// The prefix of a Unix socket's path.
const UNIX: &str = "unix:";
/// More are likely a mistake.
const MAX_ADDRESSES: usize = 64;

/// An address and port, a name and port, or `unix:` and a path that is not empty:
///
/// - an IPv4 address, an IPv6 address in brackets, or a name that is not empty and has no space or slash;
/// - then a colon and a port from 0 to 65535.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn new(text: &str) -> Result<Address, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix(UNIX) {
            if path.is_empty() || path.ends_with('/') || path.contains('\0') {
                return Err("expected a path to a file, such as unix:/run/akvs/akvs.sock".into());
            }
            return Ok(Address(text.to_owned()));
        }
        if text.contains("://") {
            return Err("expected an address without a scheme, such as 127.0.0.1:8080".into());
        }
        if text.parse::<SocketAddr>().is_ok() {
            return Ok(Address(text.to_owned()));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err("expected a port, such as 127.0.0.1:8080".into());
        };
        if port.is_empty() || port.starts_with('+') || port.parse::<u16>().is_err() {
            return Err("expected a port from 0 to 65535, such as 127.0.0.1:8080".into());
        }
        if host.is_empty() {
            return Err(
                "expected an address, such as 127.0.0.1 for this machine or 0.0.0.0 for all".into(),
            );
        }
        if host.contains([':', '[', ']']) {
            return Err("expected an IPv6 address in brackets, such as [::1]:8080".into());
        }
        if host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
            return Err("expected an address or a name, such as localhost:8080".into());
        }
        Ok(Address(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path of a Unix socket.
    pub(crate) fn unix_path(&self) -> Option<&Path> {
        self.0.strip_prefix(UNIX).map(Path::new)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list of at least one address. Read from a list, or from a text with commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Addresses(Vec<Address>);

impl Addresses {
    pub(crate) fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Addresses, String> {
        let list = texts
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(|text| Address::new(text).map_err(|why| format!("address {text:?}: {why}")))
            .collect::<Result<Vec<_>, _>>()?;
        match list.len() {
            0 => Err("expected at least one address".into()),
            1..=MAX_ADDRESSES => Ok(Addresses(list)),
            _ => Err(format!("expected at most {MAX_ADDRESSES} addresses")),
        }
    }

    /// Replaces a leading `~` in the paths of sockets by the home directory.
    pub(crate) fn expand_home(&mut self) -> Result<(), String> {
        for address in &mut self.0 {
            if let Some(path) = address.unix_path() {
                let path = home::expand(path)?;
                let path = path
                    .to_str()
                    .ok_or("the path of the home directory is not UTF-8")?;
                address.0 = format!("{UNIX}{path}");
            }
        }
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses(vec![Address("127.0.0.1:8080".into())])
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Addresses, D::Error> {
        deserializer.deserialize_any(AddressesVisitor)
    }
}

struct AddressesVisitor;

impl<'de> Visitor<'de> for AddressesVisitor {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address with a port, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Addresses, E> {
        Addresses::parse([text]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            texts.push(text);
        }
        Addresses::parse(texts.iter().map(String::as_str)).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in [
            "127.0.0.1:8080",
            "0.0.0.0:0",
            "[::1]:65535",
            "[::]:80",
            "localhost:8080",
            "kv.example:1",
            "unix:/run/akvs.sock",
            "unix:akvs.sock",
        ] {
            assert_eq!(Address::new(good).as_ref().map(Address::as_str), Ok(good));
        }
    }

    #[test]
    fn an_invalid_address_is_refused_with_an_example() {
        for (bad, part) in [
            ("", "expected a port,"),
            ("localhost", "expected a port,"),
            ("127.0.0.1", "expected a port,"),
            (":8080", "expected an address,"),
            ("127.0.0.1:", "port from 0 to 65535"),
            ("127.0.0.1:65536", "port from 0 to 65535"),
            ("127.0.0.1:-1", "port from 0 to 65535"),
            ("127.0.0.1:+80", "port from 0 to 65535"),
            ("::1:8080", "[::1]:8080"),
            ("[::1:8080", "[::1]:8080"),
            ("a b:80", "localhost:8080"),
            ("a/b:80", "localhost:8080"),
            ("http://localhost:80", "without a scheme"),
            ("unix:", "expected a path to a file"),
            ("unix:/run/", "expected a path to a file"),
        ] {
            let why = Address::new(bad).unwrap_err();
            assert!(why.contains(part), "{bad:?}: {why}");
        }
    }

    #[test]
    fn a_list_may_be_a_text_with_commas() {
        let both = Addresses::parse(["127.0.0.1:1, [::1]:2", "localhost:3"]).unwrap();
        let texts: Vec<_> = both.iter().map(Address::as_str).collect();
        assert_eq!(texts, ["127.0.0.1:1", "[::1]:2", "localhost:3"]);
        assert!(Addresses::parse([]).is_err());
        assert!(Addresses::parse(["127.0.0.1:1,"]).is_err());
        assert!(Addresses::parse(["127.0.0.1:1"; MAX_ADDRESSES + 1]).is_err());
    }
}
