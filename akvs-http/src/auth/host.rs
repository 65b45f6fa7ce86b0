//! The host names that a server without tokens answers to.
//!
//! A page of another site reaches such a server when the page's own name resolves to the server's address (DNS rebinding):
//! the browser then takes both for one site, which may read and write everything. The request has the name, and no page
//! can forge it. The server accepts names that no other site can own: IP addresses, `localhost`, names without dots, and
//! those of the setting `http.hosts`.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::HOST;
use akvs_core::{Code, Error, Result};

/// The maximum length of a name in the text of an error.
const SHOWN_BYTES: usize = 64;

/// The names of the setting `http.hosts`.
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// Returns these names, in any case and with or without a dot at the end.
    pub(crate) fn new(names: &[String]) -> Hosts {
        let names = names.iter().map(|name| without_dot(name.trim()).to_owned());
        Hosts(names.collect())
    }

    /// Refuses a request to any other name with `misdirected_request`. A request without a host is accepted, because no
    /// browser sends one.
    pub(crate) fn check(&self, head: &RequestHead) -> Result<()> {
        // The host in the target takes precedence over `Host` (RFC 9112, section 3.2.2).
        if let Some(authority) = head.uri.authority() {
            self.check_authority(authority.as_str().as_bytes())?;
            if head.version <= Version::HTTP_11 {
                return Ok(());
            }
        }
        let hosts = head.headers.get_all(HOST);
        hosts
            .map(|host| self.check_authority(host.as_bytes()))
            .find(Result::is_err)
            .unwrap_or(Ok(()))
    }

    fn check_authority(&self, authority: &[u8]) -> Result<()> {
        let authority = authority.trim_ascii();
        let text = std::str::from_utf8(authority).ok();
        if text.is_some_and(|text| self.has(text)) {
            return Ok(());
        }
        let shown = authority[..authority.len().min(SHOWN_BYTES)].escape_ascii();
        let text = format!(
            "refused host \"{shown}\": without tokens the server expects an IP address, localhost, a name without dots, \
             or a name of the setting http.hosts; add the name there, or create a token"
        );
        Err(Error::new(Code::MisdirectedRequest, text).with("setting", "http.hosts"))
    }

    /// Returns whether a host, with or without a port, is accepted.
    fn has(&self, authority: &str) -> bool {
        let Some(host) = host(authority) else {
            return false;
        };
        if let Some(address) = host.strip_prefix('[') {
            let address = address.strip_suffix(']').unwrap_or_default();
            let (address, _zone) = address.split_once('%').unwrap_or((address, ""));
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let host = without_dot(host);
        if host.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        host.bytes().all(is_valid)
            && (!host.contains('.') || is_localhost(host) || self.is_configured(host))
    }

    fn is_configured(&self, host: &str) -> bool {
        self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Returns whether a name is `localhost` or below it, which resolves to this machine (RFC 6761, section 6.3).
fn is_localhost(host: &str) -> bool {
    let end = host.rsplit('.').next();
    end.is_some_and(|end| end.eq_ignore_ascii_case("localhost"))
}

/// Returns the host of a host and an optional port; none if the text is malformed.
fn host(authority: &str) -> Option<&str> {
    let colon = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(colon);
    let port = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then_some(host)
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn hosts() -> Hosts {
        Hosts::new(&["DB.example.com".into(), "other.example.".into()])
    }

    #[test]
    fn names_that_no_other_site_can_own_are_accepted() {
        for good in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::1]:1",
            "[fe80::1%25eth0]:1",
            "localhost",
            "LocalHost:8080",
            "localhost.:8080",
            "localhost:",
            "a.localhost",
            "a.b.LOCALHOST.:1",
            "akvs",
            "akvs:8080",
            "my_host-1.",
            "db.example.com",
            "Db.Example.Com.:8080",
            "other.example",
            "",
            " localhost ",
        ] {
            assert!(hosts().check_authority(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn any_other_name_is_refused() {
        for bad in [
            "evil.example",
            "evil.example:8080",
            "EVIL.EXAMPLE.",
            "db.example.com.evil.example",
            "evildb.example.com",
            "x.db.example.com",
            "example.com",
            "localhost.evil.example",
            "evil-localhost.example",
            "evil.notlocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "127.0.0.1@evil.example",
            "localhost@evil.example",
            "localhost:80@evil.example",
            "localhost:x",
            "localhost:80:80",
            "localhost/evil.example",
            "evil%2eexample",
            "::1",
            "[::1",
            "[::1]evil.example",
            "[evil.example]",
            "[]",
            "a b",
            "localhost..",
            "a, b",
        ] {
            let error = hosts().check_authority(bad.as_bytes()).expect_err(bad);
            assert_eq!(error.code(), Code::MisdirectedRequest, "{bad}");
            assert!(error.message().contains(&format!("\"{bad}\"")), "{error}");
        }
        assert!(hosts().check_authority(b"caf\xe9").is_err());
        assert!(
            hosts()
                .check_authority("e\u{ff0e}example".as_bytes())
                .is_err()
        );
    }

    #[test]
    fn the_host_of_the_target_takes_precedence_over_the_field() {
        let ask = |target: &str, lines: &[&str], version| {
            let mut request = TestRequest::default().uri(target).version(version);
            for line in lines {
                request = request.append_header((HOST, *line));
            }
            hosts().check(request.to_request().head()).is_ok()
        };
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        assert!(ask("http://localhost:1/ping", &["evil.example"], one));
        assert!(!ask("http://evil.example/ping", &["localhost"], one));
        assert!(!ask("http://evil.example/ping", &["localhost"], two));
        assert!(!ask("http://localhost/ping", &["evil.example"], two));
        assert!(ask("http://localhost/ping", &[], two));
        assert!(!ask("/ping", &["localhost", "evil.example"], one));
        assert!(ask("/ping", &[], Version::HTTP_10));
        assert!(!ask("/ping", &["evil.example"], Version::HTTP_10));
    }
}
