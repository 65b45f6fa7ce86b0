//! What stands for TLS where it is not compiled in.
//!
//! It owns the refusal of `https://`. Invariant: what should be encrypted is never sent in the clear.

use crate::error::{Result, invalid};

/// Nothing can be chosen.
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
                "the base URL begins with https://, and this client was built without TLS (its feature is `rustls`)",
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
