//! The text of a token, which is printed once and never stored.

use std::fmt;

use crate::error::CliError;

/// The prefix, by which people and secret scanners recognise a token.
const PREFIX: &str = "akvs_";
/// As many bytes as the stored hash has.
const RANDOM_BYTES: usize = 32;

/// The text of a new token.
pub(crate) struct Secret(String);

impl Secret {
    /// Creates a random text.
    pub(crate) fn new() -> Result<Secret, CliError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| {
            CliError::failed(format!("cannot get random bytes from the system: {error}"))
        })?;
        Ok(Secret(format!(
            "{PREFIX}{}",
            akvs_api::base64url::encode(random)
        )))
    }

    /// Returns the hash, which is what the token file stores.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        akvs_http::Token::hash(&self.0)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_differ() {
        let (one, two) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_ne!(one.to_string(), two.to_string());
        assert_ne!(one.sha256(), two.sha256());
        assert_eq!(one.to_string().len(), "akvs_".len() + 43);
    }
}
