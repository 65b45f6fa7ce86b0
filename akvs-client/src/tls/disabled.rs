//! The stand-in for TLS where it is not compiled in.
//!
//! It owns the refusal of `https://`. Invariant: nothing for `https://` is sent unencrypted.

use crate::error::{Result, invalid};

/// The TLS options: none.
#[derive(Clone, Default)]
pub(crate) struct Tls;

impl Tls {
    pub(crate) fn is_chosen(&self) -> bool {
        false
    }

    pub(crate) fn apply(
        &self,
        http: reqwest::ClientBuilder,
        is_https: bool,
    ) -> Result<reqwest::ClientBuilder> {
        if is_https {
            return Err(invalid(
                "https:// needs TLS: this client was built without the feature `rustls`",
            ));
        }
        Ok(http)
    }
}

#[cfg(test)]
mod tests {
    use crate::Client;

    #[test]
    fn https_is_refused_with_the_reason() {
        let error = Client::new("https://h").unwrap_err();
        assert!(error.to_string().contains("`rustls`"), "{error}");
    }
}
