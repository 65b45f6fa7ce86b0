//! The configuration of a client by environment variables.
//!
//! It owns the names of the variables. It does not own the syntax of URLs and tokens. Invariant: an error names the
//! variable, and shows neither a token nor a URL.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use akvs_core::{Code, Error as CoreError};

use crate::address::{Address, home};
use crate::builder::{ClientBuilder, bearer};
use crate::error::{Error, Result, invalid};

const URL: &str = "AKVS_URL";
const TOKEN: &str = "AKVS_TOKEN";
const TOKEN_FILE: &str = "AKVS_TOKEN_FILE";
/// The maximum that is read of a token file; servers reject longer header fields.
const MAX_TOKEN_BYTES: u64 = 8 << 10;

impl ClientBuilder {
    /// Returns a builder that is configured by the environment: `AKVS_URL` is the [`base_url`](Self::base_url),
    /// `AKVS_TOKEN` the [`token`](Self::token), or `AKVS_TOKEN_FILE` the file whose first line is the token. Variables
    /// that are unset or empty leave the default. An invalid value is an error that names the variable, as is a token
    /// in both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use akvs_client::ClientBuilder;
    /// let client = ClientBuilder::from_env()?.timeout(Duration::from_secs(5)).build()?;
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn from_env() -> Result<ClientBuilder> {
        from_lookup(|name| std::env::var_os(name))
    }
}

/// Returns a builder that is configured by these variables.
fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<ClientBuilder> {
    let read = |name: &str| -> Result<Option<String>> {
        let Some(value) = lookup(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let text = value.into_string();
        let text = text.map_err(|_| invalid(format!("invalid {name}: expected UTF-8")))?;
        Ok(Some(text))
    };
    let mut builder = ClientBuilder::default();
    if let Some(url) = read(URL)? {
        Address::parse(Some(&url)).map_err(|error| name_variable(URL, &error))?;
        builder = builder.base_url(url);
    }
    let file = lookup(TOKEN_FILE).filter(|path| !path.is_empty());
    let (name, token) = match (read(TOKEN)?, file) {
        (None, None) => return Ok(builder),
        (Some(_), Some(_)) => {
            return Err(invalid(format!(
                "both {TOKEN} and {TOKEN_FILE} are set: expected one of them"
            )));
        }
        (Some(token), None) => (TOKEN, token),
        (None, Some(path)) => (TOKEN_FILE, first_line(path)?),
    };
    bearer(&token).map_err(|error| name_variable(name, &error))?;
    Ok(builder.token(token))
}

fn first_line(path: OsString) -> Result<String> {
    // No shell has expanded the path.
    let path = match Path::new(&path).strip_prefix("~").ok().zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => path.into(),
    };
    let read = || {
        let file = File::open(path)?.take(MAX_TOKEN_BYTES);
        let mut line = String::new();
        BufReader::new(file).read_line(&mut line)?;
        Ok(line)
    };
    let line = read().map_err(|error: std::io::Error| {
        let text = format!("cannot read the file that {TOKEN_FILE} names");
        Error::from(CoreError::new(Code::InvalidRequest, text).because(error))
    })?;
    Ok(line.trim().to_owned())
}

fn name_variable(name: &str, error: &Error) -> Error {
    let text = error.to_string();
    let text = text.strip_prefix("invalid_request: ").unwrap_or(&text);
    invalid(format!("{name}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(variables: &[(&str, &str)]) -> Result<crate::Client> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        };
        from_lookup(lookup)?.build()
    }

    fn sent(variables: &[(&str, &str)]) -> (String, Option<String>) {
        let request = built(variables)
            .unwrap()
            .request(reqwest::Method::GET, ["/ping", "", ""]);
        let request = request.unwrap().build().unwrap();
        let token = request.headers().get("authorization");
        let token = token.map(|token| token.to_str().unwrap().to_owned());
        (request.url().to_string(), token)
    }

    #[test]
    fn without_variables_the_defaults_apply() {
        let default = ("http://localhost:8080/ping".to_owned(), None);
        assert_eq!(sent(&[]), default);
        assert_eq!(sent(&[(URL, ""), (TOKEN, ""), (TOKEN_FILE, "")]), default);
    }

    #[test]
    fn url_and_token_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-file \r\nsecond line").unwrap();
        let path = file.path().to_str().unwrap();
        let url = (URL, "http://other:1/store");
        for (token, field) in [
            ((TOKEN, "abc"), "Bearer abc"),
            ((TOKEN_FILE, path), "Bearer from-file"),
        ] {
            let sent = sent(&[url, token]);
            assert_eq!(sent.0, "http://other:1/store/ping");
            assert_eq!(sent.1.as_deref(), Some(field));
        }
    }

    #[test]
    fn an_invalid_value_names_its_variable_only() {
        for (variables, name, reason) in [
            (&[(URL, "ftp://hidden")][..], URL, "expected http://"),
            (&[(URL, "http://hidden:x")], URL, "invalid port"),
            (&[(TOKEN, "hidden\nhidden")], TOKEN, "token"),
            (&[(TOKEN_FILE, "/hidden/file")], TOKEN_FILE, "cannot read"),
            (&[(TOKEN, "hidden"), (TOKEN_FILE, "/f")], TOKEN, "are set"),
        ] {
            let error = built(variables).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(reason), "{text}");
            assert!(!format!("{error:?} {text}").contains("hidden"), "{text}");
        }
        let bad = |name: &str| {
            use std::os::unix::ffi::OsStringExt;
            (name == TOKEN).then(|| OsString::from_vec(vec![0xff]))
        };
        let error = from_lookup(bad).unwrap_err().to_string();
        assert!(error.contains("invalid AKVS_TOKEN"), "{error}");
    }
}
