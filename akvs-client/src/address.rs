//! The address of a server: a URL of HTTP, or a Unix socket.
//!
//! It owns the syntax of base URLs. It does not own requests. Invariant: no error shows the URL, which may contain a
//! password.

use std::path::PathBuf;

use url::Url;

use crate::error::{Error, Result, invalid};

const DEFAULT_URL: &str = "http://localhost:8080";
/// The base URL of a server at a Unix socket.
const SOCKET_URL: &str = "http://localhost";
const UNIX: &str = "unix:";

/// A parsed base URL.
#[derive(Debug)]
pub(crate) struct Address {
    /// Without a trailing slash.
    pub(crate) base_url: String,
    pub(crate) is_https: bool,
    /// Whether the URL has a user or a password, which are sent as `Authorization`.
    pub(crate) has_user: bool,
    pub(crate) socket: Option<PathBuf>,
    /// The host, if its name always means this machine (RFC 6761, section 6.3).
    pub(crate) localhost: Option<String>,
}

impl Address {
    /// Parses `http://…`, `https://…`, `unix:/path` or `HOST:PORT`, which means HTTP; without a text, the default.
    pub(crate) fn parse(text: Option<&str>) -> Result<Address> {
        let text = text.unwrap_or(DEFAULT_URL);
        if let Some(path) = text.strip_prefix(UNIX) {
            // `unix:///path` is common too.
            let path = path.strip_prefix("//").unwrap_or(path);
            if let Some(rest) = path.strip_prefix("~/") {
                let home = home().ok_or_else(|| {
                    invalid("invalid base URL: no home directory for ~; set HOME")
                })?;
                return Ok(Address::socket(home.join(rest)));
            }
            if !path.starts_with('/') {
                return refuse("expected an absolute path after unix:");
            }
            return Ok(Address::socket(path.into()));
        }
        let url = match without_scheme(text) {
            true => Url::parse(&format!("http://{}", text.trim())),
            false => Url::parse(text),
        };
        let url = url.map_err(bad_url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("expected http://, https:// or unix:/PATH");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("expected no query and no fragment");
        }
        Ok(Address {
            base_url: url.as_str().trim_end_matches('/').to_owned(),
            is_https: url.scheme() == "https",
            has_user: !url.username().is_empty() || url.password().is_some(),
            socket: None,
            localhost: url.host_str().filter(is_localhost).map(str::to_owned),
        })
    }

    /// Returns the address of a server at a Unix socket.
    pub(crate) fn socket(path: PathBuf) -> Address {
        Address {
            base_url: SOCKET_URL.into(),
            is_https: false,
            has_user: false,
            socket: Some(path),
            localhost: None,
        }
    }
}

/// Returns whether the text is a host without a scheme: `127.0.0.1:8080`, `localhost`, `kv.example`.
fn without_scheme(text: &str) -> bool {
    let text = text.trim();
    if text.contains("://") || text.starts_with(['/', '.']) {
        return false;
    }
    let authority = text.split('/').next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    match host_and_port.rsplit_once(':') {
        // `mailto:me` has a scheme.
        Some((host, port)) => {
            !host.is_empty() && port.parse::<u16>().is_ok() || host_and_port.ends_with(']')
        }
        None => is_localhost(&host_and_port) || host_and_port.contains('.'),
    }
}

/// Returns the user's home directory.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// Returns whether the name needs no resolver. The host of a URL is in lower case.
fn is_localhost(host: &&str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name == "localhost" || name.ends_with(".localhost")
}

pub(crate) fn bad_url(error: url::ParseError) -> Error {
    if error == url::ParseError::RelativeUrlWithoutBase {
        let text = "expected HOST:PORT, http://, https:// or unix:/PATH";
        return invalid(format!("invalid base URL: {text}"));
    }
    invalid(format!("invalid base URL: {error}"))
}

fn refuse(what: &str) -> Result<Address> {
    Err(invalid(format!("invalid base URL: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_distinguished_from_a_url() {
        for text in ["unix:/run/akvs.sock", "unix:///run/akvs.sock"] {
            let address = Address::parse(Some(text)).unwrap();
            assert_eq!(address.socket.as_deref(), Some("/run/akvs.sock".as_ref()));
            assert_eq!(address.base_url, "http://localhost");
        }
        for text in ["unix:", "unix:akvs.sock", "unix://"] {
            let error = Address::parse(Some(text)).unwrap_err().to_string();
            assert!(
                error.contains("expected an absolute path"),
                "{text}: {error}"
            );
        }
        assert_eq!(Address::parse(Some("http://h")).unwrap().socket, None);
    }

    #[test]
    fn a_host_without_a_scheme_means_http() {
        for (text, base) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("127.0.0.1", "http://127.0.0.1"),
            ("localhost:8080", "http://localhost:8080"),
            ("localhost", "http://localhost"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("[::1]", "http://[::1]"),
            ("kv.example", "http://kv.example"),
            ("kv.example:1/store/", "http://kv.example:1/store"),
            ("akvs:8080", "http://akvs:8080"),
            ("me:secret@kv.example:1", "http://me:secret@kv.example:1"),
            (" 127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("HTTPS://kv.example", "https://kv.example"),
        ] {
            let address = Address::parse(Some(text)).unwrap();
            assert_eq!(address.base_url, base, "{text}");
        }
        for text in [
            "",
            "nonsense",
            "mailto:me",
            "/run/akvs.sock",
            "./a.sock",
            ":8080",
            "h:99999",
            "::1",
        ] {
            let error = Address::parse(Some(text)).unwrap_err().to_string();
            assert!(error.contains("invalid base URL"), "{text}: {error}");
        }
    }

    #[test]
    fn a_socket_in_the_home_directory_is_expanded() {
        let Some(home) = home() else { return };
        let address = Address::parse(Some("unix:~/akvs.sock")).unwrap();
        assert_eq!(address.socket, Some(home.join("akvs.sock")));
    }

    #[test]
    fn names_of_localhost_are_known() {
        let host = |text: &str| Address::parse(Some(text)).unwrap().localhost;
        for name in ["localhost", "localhost.", "a.localhost"] {
            assert_eq!(host(&format!("https://{name}:1/x")).unwrap(), name);
        }
        assert_eq!(host("http://LocalHost").unwrap(), "localhost");
        for other in ["127.0.0.1", "[::1]", "localhost.example", "notlocalhost"] {
            assert_eq!(host(&format!("http://{other}")), None, "{other}");
        }
    }

    #[test]
    fn a_user_in_the_url_is_noticed() {
        for (text, user) in [
            ("http://h", false),
            ("http://me@h", true),
            ("http://:p@h", true),
        ] {
            assert_eq!(Address::parse(Some(text)).unwrap().has_user, user, "{text}");
        }
    }
}
