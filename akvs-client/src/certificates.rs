//! The certificates of a client, set by its builder.
//!
//! It owns the methods of the builder that exist only with TLS. It does not own the use of the certificates.

use crate::ClientBuilder;

impl ClientBuilder {
    /// Adds CA certificates that are trusted in addition to those of the system: one or more, as PEM. Repeated calls
    /// add more. Requires the feature `rustls`.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let builder = Client::builder().base_url("https://localhost").ca_certificate("no PEM");
    /// assert!(builder.build().unwrap_err().to_string().contains("invalid CA certificate"));
    /// ```
    pub fn ca_certificate(mut self, pem: impl AsRef<[u8]>) -> ClientBuilder {
        self.tls.authorities.push(pem.as_ref().to_vec());
        self
    }

    /// Sets the client certificate for servers that request one: the certificate, its intermediates, and the private
    /// key, in one PEM text. Requires the feature `rustls`.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let builder = Client::builder().base_url("https://localhost").identity("no PEM");
    /// assert!(builder.build().is_err());
    /// ```
    pub fn identity(mut self, pem: impl AsRef<[u8]>) -> ClientBuilder {
        self.tls.identity = Some(pem.as_ref().to_vec());
        self
    }
}
